//! Debian's packages: installed where that is possible, else named.

use crate::failure::Failure;
use crate::project::Project;

/// Installs packages, as root on Debian; elsewhere says what to install.
pub(crate) fn install(project: &Project, packages: &[&str]) -> Result<(), Failure> {
    if packages.is_empty() {
        return Ok(());
    }
    println!("Missing: {}", packages.join(", "));
    if !is_root(project) || !has_apt(project) {
        return Err(Failure::Missing {
            what: packages.join(", "),
            remedy: format!("Install what has it: apt-get install {}", packages.join(" ")),
        });
    }
    let apt = || {
        project
            .program("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
    };
    apt().args(["update", "--quiet"]).run()?;
    apt()
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(packages)
        .run()
}

/// Whether this machine has Debian's packages at all.
pub(crate) fn has_apt(project: &Project) -> bool {
    project.program("apt-get").args(["--version"]).succeeds()
}

/// Whether this process may do everything on this machine.
pub(crate) fn is_root(project: &Project) -> bool {
    project
        .program("id")
        .args(["-u"])
        .output()
        .is_ok_and(|id| id.trim() == "0")
}
