//! `cargo xtask fuzz [TARGET]`: every parser of outside data, fed with random inputs that grow out of recorded ones.
//!
//! The targets lie in `fuzz/`, a workspace of its own in the layout of cargo-fuzz. Here they are built with the stable compiler:
//! its flags for libFuzzer's counters are stable, and sanitizers would find nothing in code without `unsafe`.

mod seeds;
mod tally;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::project::Project;
use tally::Tally;

/// Runs one target after the other, and stops at the first input that breaks a promise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these; without any, all.
    targets: Vec<String>,
    /// How long each runs.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    minutes: f64,
    /// List the targets and do nothing.
    #[arg(long)]
    list: bool,
}

/// What the compiler is told so that libFuzzer sees which branches an input takes, and which numbers it is compared with.
const FLAGS: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Named, so that build scripts and macros are built without these flags.
const HOST: &str = env!("XTASK_HOST");

/// No input is longer: parsers that take more read it in the same steps.
const LONGEST: usize = 4096;

/// A target that takes more memory at once fails, in megabytes.
const MEMORY: u32 = 512;

/// Builds the targets, runs them, and prints what was executed.
pub(crate) fn run(project: &Project, args: &Args) -> Result<(), Failure> {
    let all = targets(project)?;
    if args.list {
        println!("{}", all.join("\n"));
        return Ok(());
    }
    let chosen = chosen(&all, &args.targets)?;
    build(project, &chosen)?;
    let mut told = Vec::new();
    for target in chosen {
        let tally = fuzz(project, target, args.minutes)?;
        println!("{target:<20} {tally}");
        told.push(format!("{target:<20} {tally}"));
    }
    println!("\n{}", told.join("\n"));
    Ok(())
}

/// Names of all targets, sorted.
fn targets(project: &Project) -> Result<Vec<String>, Failure> {
    let folder = project.root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Failure::file(&folder))? {
        let path = entry.map_err(Failure::file(&folder))?.path();
        if let (Some("rs"), Some(name)) = (
            path.extension().and_then(|end| end.to_str()),
            path.file_stem().and_then(|name| name.to_str()),
        ) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn chosen<'a>(all: &'a [String], wanted: &[String]) -> Result<Vec<&'a str>, Failure> {
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        return Err(Failure::Check(format!(
            "There is no target {unknown}; there are: {}",
            all.join(", ")
        )));
    }
    let wanted = |name: &&String| wanted.is_empty() || wanted.contains(name);
    Ok(all.iter().filter(wanted).map(String::as_str).collect())
}

fn build(project: &Project, targets: &[&str]) -> Result<(), Failure> {
    let names = targets.iter().flat_map(|name| ["--bin", name]);
    project
        .cargo()
        .args([
            "build",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target",
            HOST,
        ])
        .args(["--target-dir".as_ref(), folder(project).as_os_str()])
        .args(names)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .run()
}

/// Runs one target: what it grows is kept below `target/`, what breaks it in `fuzz/artifacts`.
fn fuzz(project: &Project, target: &str, minutes: f64) -> Result<Tally, Failure> {
    let program = folder(project).join(HOST).join("release").join(target);
    let corpus = folder(project).join("corpus").join(target);
    let artifacts = project.root.join("fuzz/artifacts").join(target);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    }
    seeds::write(&project.root, target, &corpus)?;
    let began = Instant::now();
    let log = project
        .program(&program)
        .args([
            format!("-max_total_time={:.0}", minutes * 60.0),
            format!("-max_len={LONGEST}"),
            format!("-rss_limit_mb={MEMORY}"),
            format!("-artifact_prefix={}/", artifacts.display()),
            "-print_final_stats=1".to_owned(),
            corpus.display().to_string(),
        ])
        .errors();
    match log {
        Ok(log) => Ok(Tally::of(&log, began.elapsed())),
        Err((failure, log)) => Err(Failure::Check(format!(
            "{}\n{failure}\nThe input lies in {}; once it is mended, keep it as a case in the ordinary tests.",
            tally::last(&log, 40),
            artifacts.display()
        ))),
    }
}

fn folder(project: &Project) -> PathBuf {
    project.target.join("fuzz")
}

/// As a person reads it.
fn minutes(time: Duration) -> String {
    format!("{:.1} min", time.as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_target_is_built_and_has_seeds() {
        let project = Project::find().unwrap();
        let manifest = fs::read_to_string(project.root.join("fuzz/Cargo.toml")).unwrap();
        let names = targets(&project).unwrap();
        assert!(names.len() >= 12, "{names:?}");
        for name in &names {
            assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
            let corpus = tempfile::tempdir().unwrap();
            seeds::write(&project.root, name, corpus.path()).unwrap();
            assert!(
                corpus.path().read_dir().unwrap().count() > 0,
                "{name} has no seeds"
            );
        }
    }

    #[test]
    fn targets_are_chosen_by_name() {
        let all = ["a".to_owned(), "b".to_owned()];
        assert_eq!(chosen(&all, &[]).unwrap(), ["a", "b"]);
        assert_eq!(chosen(&all, &["b".to_owned()]).unwrap(), ["b"]);
        assert!(chosen(&all, &["c".to_owned()]).is_err());
    }
}
