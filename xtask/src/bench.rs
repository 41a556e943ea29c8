//! `bench`: the figures that DESIGN.md asks for, each beside what else could do the job, in one run on one machine.
//!
//! The handler is the release binary, started as its users start it; hub (TLS), backend and readers run in a process of their own
//! (`emulator measure stage`) and share the processors with it. Slowness is shown, never an error: other jobs may be running.

mod cold_start;
mod cost;
pub(crate) mod crash;
mod handler;
mod http;
mod load;
mod outage;
mod peers;
mod readings;
mod run;
mod stage;
mod table;
mod ticks;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use table::Table;

/// What goes wrong in a task is for the person who started it.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Only these measurements; without any, all but those of faults.
    #[arg(value_enum)]
    names: Vec<Name>,
    /// Fewer rows, readers and repeats: a minute in place of several.
    #[arg(long)]
    quick: bool,
    /// Leave out what needs packages from PyPI and npm.
    #[arg(long)]
    no_peers: bool,
    /// Measure the cold start of what `cargo xtask package` made, too.
    #[arg(long)]
    packaged: bool,
    /// Take the release binaries as they are.
    #[arg(long)]
    no_build: bool,
    /// Of `crash`: this round alone, named as it was printed.
    #[arg(long, value_name = "SEED")]
    seed: Option<String>,
    /// Write the figures to this file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// A backfill of a million rows, source to 204.
    Readings,
    /// A thousand and ten thousand readers with one reading each, all due.
    Ticks,
    /// From exec to the first answer, and memory at rest.
    ColdStart,
    /// Rows in a billing unit, by format.
    Cost,
    /// Connections held and messages taken by the emulated hub, beside mosquitto.
    Hub,
    /// More than a thousand SIGKILLs: rows lost, rows under several ids, what does not hold in the store.
    Crash,
    /// One script of faults for the bridge and its peers: rows lost and doubled, units, requests.
    Outage,
    /// Two processes on one store, ten thousand ticks each.
    Pair,
}

/// What every measurement is given.
struct Context {
    /// The workspace.
    root: PathBuf,
    /// For files of this run; gone afterwards.
    folder: tempfile::TempDir,
    quick: bool,
    peers: bool,
    packaged: bool,
}

impl Bench {
    /// Measures, prints a table and writes the JSON.
    pub(crate) fn run(self) -> Outcome<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap_or(Path::new("."))
            .to_owned();
        if !self.no_build {
            build(&root, &self.names)?;
        }
        let folder = root.join("target/bench");
        std::fs::create_dir_all(&folder)?;
        let context = Context {
            folder: tempfile::Builder::new().prefix("run-").tempdir_in(folder)?,
            root,
            quick: self.quick,
            peers: !self.no_peers,
            packaged: self.packaged,
        };
        let speed = Name::value_variants().iter().filter(|name| !name.is_of_faults());
        let names = if self.names.is_empty() {
            speed.copied().collect()
        } else {
            self.names
        };
        let mut table = Table::default();
        for name in &names {
            // One measurement that fails does not take the others' figures away.
            let done = match name {
                Name::Readings => readings::measure(&context, &mut table),
                Name::Ticks => ticks::measure(&context, &mut table),
                Name::ColdStart => cold_start::measure(&context, &mut table),
                Name::Cost => cost::measure(&context, &mut table),
                Name::Hub => load::measure(&context, &mut table),
                Name::Crash => crash::measure(&context, &mut table, self.seed.as_deref()),
                Name::Outage => outage::measure(&context, &mut table),
                Name::Pair => crash::pair(&context, &mut table),
            };
            if let Err(error) = done {
                table.failed(
                    name.to_possible_value()
                        .map_or_else(String::new, |n| n.get_name().to_owned()),
                    &*error,
                );
            }
        }
        println!("\n{table}");
        if let Some(path) = &self.json {
            std::fs::write(path, table.json())?;
        }
        Ok(())
    }
}

impl Context {
    /// A release binary.
    fn binary(&self, name: &str) -> PathBuf {
        self.root.join("target/release").join(name)
    }

    /// A new, empty folder of this run.
    fn fresh(&self, name: &str) -> Outcome<PathBuf> {
        let folder = tempfile::Builder::new()
            .prefix(name)
            .tempdir_in(self.folder.path())?
            .keep();
        Ok(folder)
    }
}

impl Name {
    /// Whether it is about faults and not about speed: minutes, on request.
    fn is_of_faults(self) -> bool {
        matches!(self, Self::Crash | Self::Outage | Self::Pair)
    }
}

/// Builds what the measurements start. The gateway is built apart: the bridge is to have the Cosmos DB client's own features alone.
fn build(root: &Path, names: &[Name]) -> Outcome<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut builds = vec![vec!["meterbridge", "emulator"]];
    if names.iter().any(|name| name.is_of_faults()) {
        builds = vec![vec!["meterbridge", "emulator", "crash"], vec!["cosmos-gateway"]];
    }
    for packages in builds {
        let mut command = Command::new(&cargo);
        command.current_dir(root).args(["build", "--release"]);
        for package in packages {
            command.args(["-p", package]);
        }
        if !command.status()?.success() {
            return Err("the release build failed".into());
        }
    }
    Ok(())
}
