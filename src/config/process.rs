//! The process' own environment: nothing else in the program reads it.

use std::collections::HashMap;
use std::path::Path;

use crate::logs::Style;

use super::{Config, Fault, Lookup, load};

/// What a process needs to know before its configuration is read.
#[derive(Clone, Copy, Debug)]
pub struct Process(());

/// The process' own environment.
#[must_use]
pub fn process() -> Process {
    Process(())
}

impl Process {
    /// The port that the Functions host gives its handler; `None` without a host.
    ///
    /// # Errors
    /// What stands there instead of a port.
    pub fn handler_port(self) -> Result<Option<u16>, String> {
        let new = environment("FUNCTIONS_CUSTOMHANDLER_PORT");
        let text = new.or_else(|| environment("FUNCTIONS_HTTPWORKER_PORT"));
        text.map(|text| text.trim().parse().map_err(|_| text)).transpose()
    }

    /// How often the host's queue hands out a message that fails, where an app setting says otherwise than `host.json`.
    #[must_use]
    pub fn max_dequeue_count(self) -> Option<u32> {
        environment("AzureFunctionsJobHost__extensions__queues__maxDequeueCount")?
            .trim()
            .parse()
            .ok()
    }

    /// How log lines look, where LOG_FORMAT does not say.
    #[must_use]
    pub fn log_style(self, otherwise: Style) -> Style {
        let Style::Text(colours) = otherwise else {
            let text = environment("LOG_FORMAT").is_some_and(|text| text.eq_ignore_ascii_case("text"));
            return if text { Style::Text(false) } else { Style::Json };
        };
        match environment("LOG_FORMAT") {
            Some(text) if text.eq_ignore_ascii_case("json") => Style::Json,
            _ => Style::Text(colours),
        }
    }

    /// LOG_LEVEL.
    #[must_use]
    pub fn log_filter(self) -> Option<String> {
        environment("LOG_LEVEL")
    }
}

/// [`load`] from the environment, the process' files and the system's clock. `settings` is a file as `func start` reads it, whose
/// `Values` hold where the environment has nothing; `sources` is taken instead of SOURCES_FILE.
///
/// # Errors
/// As [`load`], and a settings file that cannot be read.
pub fn from_process(settings: Option<&Path>, sources: Option<&Path>) -> Result<Config, Vec<Fault>> {
    let file = match settings {
        Some(path) => values(path).map_err(|text| {
            vec![Fault {
                place: path.display().to_string(),
                text,
            }]
        })?,
        None => HashMap::new(),
    };
    let sources = sources.map(|path| path.display().to_string());
    let get = move |name: &str| match &sources {
        Some(path) if name == "SOURCES_FILE" => Some(path.clone()),
        _ => environment(name).or_else(|| file.get(name).cloned()),
    };
    let now = chrono::Utc::now().timestamp_millis();
    let mut config = load(&get, &|path| std::fs::read_to_string(path), now)?;
    config.lookup = Lookup::new(get);
    Ok(config)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn values(path: &Path) -> Result<HashMap<String, String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let file: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("is not JSON: {error}"))?;
    let values = file.get("Values").and_then(serde_json::Value::as_object);
    let values = values.ok_or("has no `Values` object, as local.settings.json has")?;
    Ok(values
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
        .collect())
}
