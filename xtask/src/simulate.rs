//! `cargo xtask simulate`: the tick in a made-up world, many schedules of faults; and the proof that the simulator would find a
//! broken promise.

mod mutants;

use crate::failure::Failure;
use crate::project::Project;

/// Runs schedules of faults against the tick and checks every promise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many schedules; with --mutants, at most so many for each.
    #[arg(long, value_name = "N")]
    schedules: Option<u64>,
    /// The first seed. A failing one is repeated alone by --schedules 1.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Break the bridge in each way of tests/simulator/mutants, and require that it is found. With names, those alone.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    mutants: Option<Vec<String>>,
}

/// Runs schedules, or mutants.
pub(crate) fn run(project: &Project, args: &Args) -> Result<(), Failure> {
    if let Some(names) = &args.mutants {
        return mutants::run(project, names, args.schedules.unwrap_or(20_000), args.seed);
    }
    let (schedules, seed) = (
        args.schedules.unwrap_or(100_000).to_string(),
        args.seed.to_string(),
    );
    project
        .cargo()
        .args(["run", "--release", "--quiet", "-p", "simulator", "--"])
        .args(["--schedules", &schedules, "--seed", &seed])
        .run()
}
