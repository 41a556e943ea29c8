//! `cargo xtask`: the project's tasks, without anything to install but Rust, Node and Python.
//!
//! # Layout
//!
//! - `test`: every check of a change, in order, on a clean machine.
//! - `tidy`: the rules of the sources that no compiler knows.
//! - `conformance`: Microsoft's own SDKs against the emulators.
//! - `page`: the emulated hub's page in headless Chromium, a step of `test`.
//! - `fuzz`: every parser of outside data, fed with what nobody thought of.
//! - `package`: what is uploaded to Azure or copied to a small machine.
//! - `bench`: how fast and how dear, beside what else could do the job.
//! - `infra`: checkov over the evaluated deployment.
//! - `simulate`: the tick under faults and interleavings by seed, and mutants of it.
//! - `demo`: the whole way of a reading on this machine.
//! - `project`, `process`, `debian`, `failure`: where the project lies, how programs are run and installed, what goes wrong.

mod bench;
mod conformance;
mod debian;
mod demo;
mod failure;
mod fuzz;
mod infra;
mod npm;
mod package;
mod page;
mod process;
mod project;
mod simulate;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;
use project::Project;

/// The project's tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check everything: format, lints, tests, documentation, tidiness, a short conformance run.
    Test(test::Args),
    /// Check the rules of the sources that no compiler knows.
    Tidy,
    /// Feed the parsers of outside data with random inputs that grow out of recorded ones.
    Fuzz(fuzz::Args),
    /// Make what is deployed: dist/ and dist.zip, with the handler as one static file.
    Package(package::Args),
    /// Run Microsoft's own SDKs against the emulators, and compare what arrived with what was sent.
    Conformance(conformance::Args),
    /// Run the tick under faults and interleavings by seed, and check every promise of the delivery guarantee.
    Simulate(simulate::Args),
    /// Measure throughput, cold start and cost, beside what people would use otherwise.
    Bench(bench::Bench),
    /// Run checkov over the three shapes of a deployment, and compare with what is accepted.
    Infra,
    /// Build, and show the whole way of a reading on this machine.
    Demo(demo::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    let project = Project::find()?;
    match task {
        Task::Test(args) => test::run(&project, &args),
        Task::Tidy => tidy::run(&project),
        Task::Fuzz(args) => fuzz::run(&project, &args),
        Task::Package(args) => package::run(&project, &args),
        Task::Conformance(args) => conformance::run(&project, &args),
        Task::Simulate(args) => simulate::run(&project, &args),
        Task::Bench(bench) => bench.run().map_err(|error| Failure::Check(error.to_string())),
        Task::Infra => infra::run(&project),
        Task::Demo(args) => demo::run(&project, &args),
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
