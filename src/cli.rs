//! The command line: every command in one place, one file each below.

mod backfill;
mod check;
mod plan;
mod poll;
mod preview;
mod progress;
mod replay;
mod run;
mod serve;
mod sources;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::app::{self, App, Wired};
use crate::clock::Clock;
use crate::config::{self, Config, Fault, SourceConfig};
use crate::logs;

/// Exit code for a faulty configuration (`EX_USAGE` of sysexits.h).
pub const BAD_CONFIGURATION: u8 = 64;
/// Exit code when what was asked for did not succeed.
pub const FAILED: u8 = 1;

/// Pulls smart-meter readings and delivers them to Azure IoT Hub, losing nothing.
#[derive(Debug, Parser)]
#[command(name = "meterbridge", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do; without a command, what the Functions host expects: serve.
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Say more: -v what happens, -vv everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// Take the sources from this file instead of SOURCES_FILE (default sources.toml).
    #[arg(long, value_name = "FILE", global = true)]
    sources: Option<PathBuf>,
    /// Read application settings from this file's `Values`, as `func start` does; the environment wins.
    #[arg(long, value_name = "FILE", global = true)]
    settings: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the Azure Functions host (what host.json starts).
    Serve(serve::Serve),
    /// Poll on an own schedule, as a plain service beside a reader on a LAN.
    Run(run::Run),
    /// Poll once, now, and tell what happened.
    Poll(poll::Poll),
    Backfill(backfill::Backfill),
    Replay(replay::Replay),
    Sources(sources::Sources),
    /// Check settings, sources, reachability, logins and the hub's token.
    Check(check::Check),
    /// Tell what a configuration will cost at the hub.
    Plan(plan::Plan),
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

const EXAMPLES: &str = "Examples:
  meterbridge check                     is everything set up, and does it answer?
  meterbridge poll home --dry-run       show what would be sent, and its billing units
  meterbridge run --runner lan          poll from this machine until Ctrl-C
  meterbridge backfill plant --from 2026-01-01 --until 2026-02-01
  meterbridge plan                      units a day, and what send_every would save
  meterbridge sources put barn.toml     define a source in the store, without a redeploy

Sources are defined in sources.toml, in the store, and found at backends (`sites = \"*\"`); settings come from the environment. See README.md.";

/// Parses the arguments and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("The runtime does not start: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(dispatch(cli));
    // What is awaited is done; a file that does not answer holds nobody up.
    runtime.shutdown_background();
    code
}

async fn dispatch(cli: Cli) -> ExitCode {
    let common = cli.common;
    match cli.command.unwrap_or(Command::Serve(serve::Serve::default())) {
        Command::Serve(serve) => serve.run(&common).await,
        Command::Run(run) => run.run(&common).await,
        Command::Poll(poll) => poll.run(&common).await,
        Command::Backfill(backfill) => backfill.run(&common).await,
        Command::Replay(replay) => replay.run(&common).await,
        Command::Sources(sources) => sources.run(&common).await,
        Command::Check(check) => check.run(&common).await,
        Command::Plan(plan) => plan.run(&common).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "meterbridge", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

impl Common {
    /// Logs for a person at a terminal.
    fn log_for_people(&self) {
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let quiet = if self.verbose == 0 { "warn" } else { "info" };
        let filter = logs::filter(self.verbose, Some(quiet).filter(|_| self.verbose == 0));
        logs::start(logs::Style::Text(colours), &filter);
    }

    /// Reads the configuration.
    fn load(&self) -> Result<Config, Vec<Fault>> {
        config::from_process(self.settings.as_deref(), self.sources.as_deref())
    }

    /// Reads the configuration, or says what is wrong with it.
    fn load_or_complain(&self) -> Result<Config, ExitCode> {
        self.load().map_err(|faults| complain(&faults))
    }

    /// A process that reads its configuration when it is first needed.
    fn app(&self) -> std::sync::Arc<App> {
        let common = self.clone();
        App::new(Clock::system(), Box::new(move || common.load()))
    }
}

/// The parts, with the sources that the store defines. Where it does not answer, those of the file are known, and the commands say so
/// by what they need next.
async fn wired(config: Config, clock: &Clock) -> Result<Wired, ExitCode> {
    let wired = app::wire(config, clock).map_err(|faults| complain(&faults))?;
    wired.refresh().await;
    Ok(wired)
}

/// Whether all sources that were named exist; says which do where one does not.
fn all_known<'a>(named: &[String], sources: impl Iterator<Item = &'a SourceConfig>) -> Result<(), ExitCode> {
    let known: Vec<&str> = sources.map(|source| source.id.as_str()).collect();
    match named.iter().find(|id| !known.contains(&id.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            eprintln!("There is no source {unknown}; there are: {}", known.join(", "));
            Err(ExitCode::from(BAD_CONFIGURATION))
        }
    }
}

/// Prints the faults, one a line, and gives the exit code for them.
fn complain(faults: &[Fault]) -> ExitCode {
    let count = faults.len();
    eprintln!(
        "The configuration has {count} fault{}:",
        if count == 1 { "" } else { "s" }
    );
    for fault in faults {
        eprintln!("  {fault}");
    }
    ExitCode::from(BAD_CONFIGURATION)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Both are called sources; clap ended the process where they shared an id.
    #[test]
    fn named_sources_and_the_sources_file_are_two_options() {
        for command in ["poll", "check"] {
            let cli =
                Cli::try_parse_from(["meterbridge", command, "home", "barn", "--sources", "other.toml"])
                    .unwrap();
            assert_eq!(cli.common.sources, Some(PathBuf::from("other.toml")));
            let cli = Cli::try_parse_from(["meterbridge", command, "home"]).unwrap();
            assert_eq!(cli.common.sources, None, "{command}");
        }
    }
}
