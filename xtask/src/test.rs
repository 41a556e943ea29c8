//! `cargo xtask test`: every check of a change, in order, on a clean machine.

mod prerequisites;
mod quiet;
mod tools;

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::project::Project;
use crate::{bench, conformance, infra as deployment, npm, page, tidy};

/// Checks everything, stopping at the first failure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run this step alone; may be repeated.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// List the steps and do nothing.
    #[arg(long)]
    list: bool,
}

/// One check.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Project) -> Result<Outcome, Failure>,
}

/// How a check ended that did not fail.
enum Outcome {
    Passed,
    /// What of it was run, and what not.
    Partly(String),
    /// Not run, for this reason.
    Skipped(String),
}

/// In this order: what fails fast comes first.
const STEPS: &[Step] = &[
    Step {
        name: "prerequisites",
        about: "compiler, Node and Python are there",
        run: prerequisites,
    },
    Step {
        name: "fmt",
        about: "sources are formatted",
        run: fmt,
    },
    Step {
        name: "tidy",
        about: "rules that no compiler knows",
        run: tidy,
    },
    Step {
        name: "clippy",
        about: "no warning in any target",
        run: clippy,
    },
    Step {
        name: "test",
        about: "all tests of the workspace",
        run: test,
    },
    Step {
        name: "crash",
        about: "40 SIGKILLs: nothing lost, nothing doubled, the store sound after each",
        run: crash,
    },
    Step {
        name: "azurite",
        about: "jobs through the queues of real Azurite",
        run: azurite,
    },
    Step {
        name: "doc",
        about: "documentation builds without a warning",
        run: doc,
    },
    Step {
        name: "deny",
        about: "licences, origins, bans and known faults of dependencies",
        run: deny,
    },
    Step {
        name: "machete",
        about: "no unused dependency",
        run: machete,
    },
    Step {
        name: "infra",
        about: "checkov over the deployment",
        run: infra,
    },
    Step {
        name: "conformance",
        about: "Microsoft's SDKs against the emulators, short",
        run: conformance,
    },
    Step {
        name: "page",
        about: "the emulated hub's page in headless Chromium",
        run: page,
    },
];

/// Runs the steps.
pub(crate) fn run(project: &Project, args: &Args) -> Result<(), Failure> {
    if args.list {
        for step in STEPS {
            println!("{:<14} {}", step.name, step.about);
        }
        return Ok(());
    }
    let mut told = Vec::new();
    for step in chosen(&args.only)? {
        println!("\n=== {}: {}", step.name, step.about);
        let began = Instant::now();
        let outcome = (step.run)(project).map_err(|failure| {
            Failure::Check(format!(
                "FAILED at {} after {}: {failure}\nRepeat it alone: cargo xtask test --only {}",
                step.name,
                seconds(began.elapsed()),
                step.name
            ))
        })?;
        let line = match outcome {
            Outcome::Passed => format!("passed   {:<14} {:>8}", step.name, seconds(began.elapsed())),
            Outcome::Partly(what) => format!("PARTLY   {:<14} {what}", step.name),
            Outcome::Skipped(why) => format!("SKIPPED  {:<14} {why}", step.name),
        };
        println!("{line}");
        told.push(line);
    }
    println!("\n{}", told.join("\n"));
    Ok(())
}

/// The steps with these names, in their own order; all without names.
fn chosen(names: &[String]) -> Result<Vec<&'static Step>, Failure> {
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != **name))
    {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(Failure::Check(format!(
            "There is no step {unknown}; there are: {}",
            known.join(", ")
        )));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn prerequisites(project: &Project) -> Result<Outcome, Failure> {
    prerequisites::ensure(project).map(|()| Outcome::Passed)
}

fn fmt(project: &Project) -> Result<Outcome, Failure> {
    project
        .cargo()
        .args(["fmt", "--all", "--check"])
        .run()
        .map(|()| Outcome::Passed)
}

fn tidy(project: &Project) -> Result<Outcome, Failure> {
    tidy::run(project).map(|()| Outcome::Passed)
}

fn clippy(project: &Project) -> Result<Outcome, Failure> {
    let clippy = project
        .cargo()
        .args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    clippy.run().map(|()| Outcome::Passed)
}

fn test(project: &Project) -> Result<Outcome, Failure> {
    let mut quiet = quiet::Quiet::default();
    let ended = project.cargo().args(["test", "--workspace"]).lines(|line| {
        if quiet.shows(line) {
            println!("{line}");
        }
    });
    println!("{}", quiet.sum());
    ended.map(|()| Outcome::Passed)
}

fn crash(project: &Project) -> Result<Outcome, Failure> {
    // The features of the whole workspace, so that what its tests have built is used again.
    let build = project.cargo().args(["build", "--workspace", "--bin", "crash"]);
    build.run()?;
    let mut rounds = bench::crash::rounds(
        &project.target.join("debug/crash"),
        &project.root,
        bench::crash::QUICK,
    );
    match rounds.stdout(std::process::Stdio::null()).status() {
        Ok(status) if status.success() => Ok(Outcome::Passed),
        Ok(_) => Err(Failure::Check(
            "a promise was broken; see the lines above".to_owned(),
        )),
        Err(error) => Err(Failure::Check(format!("crash does not start: {error}"))),
    }
}

/// The tests that plain `cargo test` leaves out, since they need Azurite: installed here, where its version is pinned.
fn azurite(project: &Project) -> Result<Outcome, Failure> {
    let manifest = project.root.join("tests/queue/package.json");
    let modules = npm::install(project, &manifest, &project.target.join("azurite"), false)?;
    let test = project
        .cargo()
        .args(["test", "--package", "meterbridge", "--test", "azurite"])
        .env("AZURITE", modules.join("azurite"));
    test.run().map(|()| Outcome::Passed)
}

fn doc(project: &Project) -> Result<Outcome, Failure> {
    let doc = project
        .cargo()
        .args(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");
    doc.run().map(|()| Outcome::Passed)
}

fn deny(project: &Project) -> Result<Outcome, Failure> {
    let deny = match tools::cargo_deny(project) {
        Ok(deny) => deny,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let check = |what: &[&str]| {
        let quiet = ["--log-level", "error", "check", "--hide-inclusion-graph"];
        project.program(&deny).args(quiet).args(what)
    };
    check(&["bans", "licenses", "sources"]).run()?;
    // The list of known faults comes from GitHub.
    if !project.program(&deny).args(["fetch", "db"]).succeeds() {
        return Ok(Outcome::Partly(
            "bans, licences and sources; NOT known faults: their list could not be fetched".to_owned(),
        ));
    }
    check(&["advisories"]).run().map(|()| Outcome::Passed)
}

fn machete(project: &Project) -> Result<Outcome, Failure> {
    match tools::cargo_machete(project) {
        Ok(machete) => project.program(machete).run().map(|()| Outcome::Passed),
        Err(why) => Ok(Outcome::Skipped(why)),
    }
}

fn infra(project: &Project) -> Result<Outcome, Failure> {
    deployment::run(project).map(|()| Outcome::Passed)
}

fn conformance(project: &Project) -> Result<Outcome, Failure> {
    conformance::run(project, &conformance::Args::quick()).map(|()| Outcome::Passed)
}

fn page(project: &Project) -> Result<Outcome, Failure> {
    Ok(match page::run(project)? {
        page::Looked::Passed => Outcome::Passed,
        page::Looked::NoBrowser(why) => Outcome::Skipped(why),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        chosen(&only).unwrap().iter().map(|step| step.name).collect()
    }

    #[test]
    fn steps_are_chosen_by_name_and_keep_their_order() {
        assert_eq!(names(&[]).len(), STEPS.len());
        assert_eq!(names(&["clippy", "fmt"]), ["fmt", "clippy"]);
        let failure = chosen(&["clipy".to_owned()]).err().unwrap().to_string();
        assert!(
            failure.starts_with("There is no step clipy; there are: prerequisites, "),
            "{failure}"
        );
    }
}
