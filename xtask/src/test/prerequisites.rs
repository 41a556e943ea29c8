//! What a clean machine lacks: Debian's packages, installed where that is possible, else named.

use crate::debian;
use crate::failure::Failure;
use crate::project::Project;

/// A program that the checks need: how it is tried, and the Debian package that has it.
struct Needed {
    package: &'static str,
    tried: &'static [&'static str],
}

const NEEDED: [Needed; 5] = [
    Needed {
        package: "build-essential",
        tried: &["cc", "--version"],
    },
    Needed {
        package: "nodejs",
        tried: &["node", "--version"],
    },
    Needed {
        package: "npm",
        tried: &["npm", "--version"],
    },
    Needed {
        package: "python3",
        tried: &["python3", "--version"],
    },
    // Without it `python3 -m venv` ends half-way.
    Needed {
        package: "python3-venv",
        tried: &["python3", "-c", "import ensurepip"],
    },
];

/// Installs the packages that are missing, as root on Debian; elsewhere says what to install.
pub(super) fn ensure(project: &Project) -> Result<(), Failure> {
    for component in ["fmt", "clippy"] {
        if !project.cargo().args([component, "--version"]).succeeds() {
            return Err(Failure::Missing {
                what: format!("cargo {component}"),
                remedy: "Install it: rustup component add rustfmt clippy".to_owned(),
            });
        }
    }
    debian::install(project, &missing(project))
}

fn missing(project: &Project) -> Vec<&'static str> {
    let is_missing = |needed: &&Needed| match needed.tried {
        [program, args @ ..] => !project.program(program).args(args).succeeds(),
        [] => false,
    };
    NEEDED
        .iter()
        .filter(is_missing)
        .map(|needed| needed.package)
        .collect()
}
