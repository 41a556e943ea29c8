//! Microsoft's Bicep compiler, where it is on the PATH.
//!
//! `WRITE_SNAPSHOTS=1 cargo test --test infra snapshots` writes the snapshots anew after a change that is meant.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::deployment::{SHAPES, root};

/// The environment in which a shape is evaluated: the full one with everything that is optional.
fn given(shape: &str) -> &'static [(&'static str, &'static str)] {
    match shape {
        "full" => &[
            ("AZURE_PRINCIPAL_ID", "11111111-1111-1111-1111-111111111111"),
            ("METERBRIDGE_ALERT_EMAIL", "alerts@example.com"),
        ],
        _ => &[],
    }
}

/// The compiler; without it what it would check is left out, and says so past the test harness, which swallows the output of what passes.
pub fn bicep(left_out: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("bicep"))
        .find(|file| file.is_file());
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "\nNOT CHECKED: bicep is not on the PATH, so {left_out}. `az bicep install` or a release of Azure/bicep has it.\n"
        );
    }
    found
}

pub fn run(bicep: &Path, at: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let keep = ["PATH", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    Command::new(bicep)
        .args(arguments)
        .current_dir(at)
        .env_clear()
        .envs(keep)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Everything of `infra/` that the compiler reads.
pub fn copy(to: &Path) {
    copy_folder(&root().join("infra"), to);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else if !target.to_string_lossy().ends_with(".snapshot.json") {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// What the compiler says, if it is not content and silent.
fn complaint(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success() || !said.trim().is_empty()).then(|| format!("{} {said}", output.status))
}

#[test]
fn every_file_builds_and_lints_without_a_word() {
    let Some(bicep) = bicep("no Bicep file was built or linted") else {
        return;
    };
    let infra = root().join("infra");
    for arguments in [
        &["build", "main.bicep", "--stdout"][..],
        &["lint", "--pattern", "*.bicep"],
        &["lint", "--pattern", "*.bicepparam"],
    ] {
        let output = run(&bicep, &infra, arguments, &[]);
        assert_eq!(complaint(&output), None, "{arguments:?}");
    }
}

#[test]
fn every_file_is_formatted() {
    let Some(bicep) = bicep("the layout of the Bicep files was not compared") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    for pattern in ["*.bicep", "*.bicepparam"] {
        let output = run(&bicep, folder.path(), &["format", "--pattern", pattern], &[]);
        assert_eq!(complaint(&output), None);
    }
    let mut compared = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|end| end == "bicep" || end == "bicepparam")
        {
            let own = root().join("infra").join(path.file_name().unwrap());
            let same = std::fs::read(&path).unwrap() == std::fs::read(&own).unwrap();
            assert!(
                same,
                "{} is not formatted: bicep format --pattern 'infra/*.bicep*'",
                own.display()
            );
            compared += 1;
        }
    }
    assert!(compared > 15, "only {compared} files");
}

#[test]
fn snapshots_are_those_of_the_files() {
    let Some(bicep) = bicep("the snapshots were not evaluated again") else {
        return;
    };
    let write = std::env::var_os("WRITE_SNAPSHOTS").is_some();
    for shape in SHAPES {
        let output = snapshot(
            &bicep,
            &root().join("infra"),
            shape,
            if write { "overwrite" } else { "validate" },
        );
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(complaint(&output), None, "{shape}: {said}");
    }
}

/// Evaluates a shape: in mode `validate` it fails where the file beside it differs.
pub fn snapshot(bicep: &Path, at: &Path, shape: &str, mode: &str) -> Output {
    let parameters = format!("{shape}.bicepparam");
    let arguments = [
        "snapshot",
        &parameters,
        "--mode",
        mode,
        "--subscription-id",
        "00000000-0000-0000-0000-000000000000",
        "--location",
        "westeurope",
        "--deployment-name",
        "meterbridge",
    ];
    run(bicep, at, &arguments, given(shape))
}
