//! The handler's own process: the release binary with a store, sources and settings of this run.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::stage::Stage;
use super::{Context, Outcome};

/// Settings of one handler.
pub(super) struct Handler {
    binary: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

impl Handler {
    /// One that sends to the stage's hub, with an empty store.
    pub(super) fn new(context: &Context, stage: Option<&Stage>, sources: &str) -> Outcome<Self> {
        let folder = context.fresh("handler-")?;
        std::fs::write(folder.join("sources.toml"), sources)?;
        let mut environment = vec![
            ("LOG_LEVEL".to_owned(), "warn".to_owned()),
            // Every due source is polled by the process that is measured.
            ("INLINE_LIMIT".to_owned(), "100000".to_owned()),
        ];
        if let Some(stage) = stage {
            let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
            set("IOTHUB_DEVICE_CONNECTION_STRING", stage.connection_string());
            set("IOTHUB_CONNECT", format!("localhost:{}", stage.port()));
            set("IOTHUB_CA_FILE", stage.text("ca").to_owned());
            set("BACKEND_PASSWORD", stage.text("login").to_owned());
        }
        Ok(Self {
            binary: context.binary("meterbridge"),
            folder,
            environment,
        })
    }

    /// The same with the handler of `dist/`.
    #[must_use]
    pub(super) fn packaged(mut self, context: &Context) -> Self {
        self.binary = context.root.join("dist/meterbridge");
        self
    }

    /// Adds a setting.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Where it runs.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command of it, with nothing of this process' environment but these settings.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(&self.folder)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().cloned());
        command
    }
}
