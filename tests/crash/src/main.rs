//! Kills the bridge at any instant, and judges from what source, hub and store wrote down.
//!
//! Source, hub and bridge are processes of their own. The first two are never killed and keep ledgers; the bridge is killed
//! again and again, by the clock or by a fuse inside it, until faults stop and it may run until nothing is left to do.
//!
//! # Layout
//!
//! - `plan`: what one round is like, all of it drawn from its seed. `clock`: the time that its processes share.
//! - `source`, `hub`: the processes that survive, with their ledgers. `child`: how they are asked.
//! - `victim`: the bridge's own parts under a `fuse`, which ends the process at an await or an operation.
//! - `stage`: both emulators and the bridge's settings. `lives`: one life of a victim, or two at once. `round`: lives, rest, judgement.
//! - `ledger`: what a body holds. `judge`: lost, doubled. `stored`: what must hold in the store after each kill.
//! - `rounds`, `pair`, `outage`: the measurements. `figures`: what they count.

mod child;
mod clock;
mod figures;
mod fuse;
mod hub;
mod judge;
mod ledger;
mod lives;
mod outage;
mod pair;
mod plan;
mod round;
mod rounds;
mod source;
mod stage;
mod stored;
mod victim;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What goes wrong in a measurement is for the person who started it.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The delivery guarantee, from outside.
#[derive(Debug, Parser)]
#[command(name = "crash", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Rounds of kills; the last line of standard output is the figures as JSON.
    Rounds(rounds::Rounds),
    /// Two processes on one store.
    Pair(pair::Pair),
    /// One script of faults for the bridge and its peers.
    Outage(outage::Outage),
    /// The source of a round: a rapidM2M backend and readers.
    #[command(hide = true)]
    Source(source::Source),
    /// The hub of a round.
    #[command(hide = true)]
    Hub(hub::Hub),
    /// The bridge of a round, to be killed.
    #[command(hide = true)]
    Victim(victim::Victim),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("The runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Rounds(rounds) => rounds.run().await,
            Command::Pair(pair) => pair.run().await,
            Command::Outage(outage) => outage.run().await,
            Command::Source(source) => source.run().await.map(|()| true),
            Command::Hub(hub) => hub.run().await.map(|()| true),
            Command::Victim(victim) => victim.run().await.map(|()| true),
        }
    });
    runtime.shutdown_background();
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
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
