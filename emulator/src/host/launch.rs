//! What the handler is started with: its command line, its environment, its port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::process::Command;

use super::app::{App, AppError, Settings, expand, read_settings};
use super::options::HostOptions;
use super::process;

/// The settings of all origins: those given win over this process's environment, which wins over the file.
pub(super) fn all_settings(options: &HostOptions) -> Result<Settings, AppError> {
    let mut settings = match &options.settings_file {
        Some(file) => read_settings(file)?,
        None => Settings::new(),
    };
    settings.extend(
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    settings.extend(options.settings.clone());
    Ok(settings)
}

/// The handler's command line and environment, as the real host sets them.
pub(super) fn command_line(
    options: &HostOptions,
    app: &App,
    settings: &Settings,
    port: u16,
) -> io::Result<Command> {
    let root = std::path::absolute(&options.app_root)?;
    let program = match &options.executable {
        Some(path) => std::path::absolute(path)?,
        None => {
            // In the app root if it is there, else on PATH.
            let named = expand(&app.executable, settings);
            let inside = root.join(&named);
            if inside.exists() { inside } else { named.into() }
        }
    };
    let worker = uuid::Uuid::new_v4().to_string();
    let mut command = Command::new(program);
    command
        .args(&app.arguments)
        .current_dir(std::path::absolute(&app.working_directory)?)
        .envs(settings)
        .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
        .env("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", &worker)
        .env("FUNCTIONS_HTTPWORKER_PORT", port.to_string())
        .env("FUNCTIONS_HTTPWORKER_ID", &worker)
        .env("FUNCTIONS_APP_ROOT_PATH", &root);
    process::piped(&mut command);
    Ok(command)
}

/// A port that was free a moment ago; the handler keeps it through all restarts.
pub(super) async fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()
}
