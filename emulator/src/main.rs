//! `emulator`: what meterbridge talks to, for people, one command each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use emulator::{certificate, demo, host, hub, measure, rapidm2m, readers};

/// What meterbridge talks to, on loopback: no account, no cloud, no meter needed.
#[derive(Debug, Parser)]
#[command(name = "emulator", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// One line here, one in `run` and one in `use` make a module a command: `Args` (clap) and `async fn run(Args)`.
#[derive(Debug, Subcommand)]
enum Command {
    Hub(hub::Args),
    /// bitShake SmartReaders: Tasmota over HTTP, with moving values.
    Readers(readers::command::Args),
    /// A Microtronics rapidM2M backend with generated series.
    #[command(name = "rapidm2m")]
    RapidM2m(rapidm2m::command::Args),
    /// The Functions host: starts the handler from host.json and fires its timer.
    Host(host::command::Args),
    /// The whole job on loopback: readers, a backend, the handler under its host, and the hub.
    Demo(demo::Args),
    Certificate(certificate::Args),
    /// Parts of `cargo xtask bench`.
    #[command(subcommand, hide = true)]
    Measure(measure::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // What goes wrong inside, beside what the commands themselves print; RUST_LOG says how much.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(cli.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Hub(args) => hub::run(args).await?,
        Command::Readers(args) => readers::command::run(args).await?,
        Command::RapidM2m(args) => rapidm2m::command::run(args).await?,
        Command::Host(args) => host::command::run(args).await?,
        Command::Demo(args) => demo::run(args).await?,
        Command::Certificate(args) => certificate::run(&args)?,
        Command::Measure(command) => measure::run(command).await?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }
}
