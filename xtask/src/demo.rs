//! `cargo xtask demo`: the handler between emulated readers and an emulated hub.

use std::ffi::OsString;

use crate::failure::Failure;
use crate::project::Project;

/// Builds the handler and the emulators, then runs the emulators' `demo` with that handler.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Handed to `emulator demo` as they are; `-- --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    rest: Vec<OsString>,
}

/// Runs the demo until Ctrl-C.
pub(crate) fn run(project: &Project, args: &Args) -> Result<(), Failure> {
    project
        .cargo()
        .args(["build", "--release", "-p", "meterbridge", "-p", "emulator"])
        .run()?;
    let built = project.target.join("release");
    project
        .program(built.join("emulator"))
        .args([
            OsString::from("demo"),
            "--handler".into(),
            built.join("meterbridge").into(),
        ])
        .args(&args.rest)
        .run_for_people()
}
