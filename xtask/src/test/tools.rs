//! Cargo's companions that not every machine has: taken where they are, else built once below `target/tools`.

use std::path::PathBuf;

use crate::project::Project;

/// `cargo-deny`, or why it is not to be had. Building it takes some minutes.
pub(super) fn cargo_deny(project: &Project) -> Result<PathBuf, String> {
    tool(project, "cargo-deny")
}

/// `cargo-machete`, or why it is not to be had.
pub(super) fn cargo_machete(project: &Project) -> Result<PathBuf, String> {
    tool(project, "cargo-machete")
}

fn tool(project: &Project, name: &str) -> Result<PathBuf, String> {
    let folder = project.target.join("tools");
    let own = folder.join("bin").join(name);
    let runs = |path: &PathBuf| project.program(path).args(["--version"]).succeeds();
    if let Some(path) = [PathBuf::from(name), own.clone()].into_iter().find(runs) {
        return Ok(path);
    }
    println!(
        "{name} is not installed; it is built once, into {}.",
        folder.display()
    );
    let built = project
        .cargo()
        // Without optimisation: it is built on every new machine, and runs for a second.
        .args(["install", "--quiet", "--locked", "--debug", name, "--root"])
        .args([&folder])
        .run();
    match built {
        Ok(()) if runs(&own) => Ok(own),
        Ok(()) => Err(format!("{name} was built, but does not run")),
        Err(failure) => Err(format!(
            "{name} is not installed and could not be built ({failure})"
        )),
    }
}
