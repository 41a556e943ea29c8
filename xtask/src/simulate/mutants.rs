//! Mutants: the bridge broken on purpose, in a copy of the sources, one small patch at a time. The simulator must find each.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use diffy::Patch;

use crate::failure::Failure;
use crate::process::Program;
use crate::project::Project;

/// Where the patches lie. The text before the first `---` says what is broken.
const PATCHES: &str = "tests/simulator/mutants";

/// Runs the mutants with these names, or all; and before them the bridge as it is, which must keep every promise.
pub(super) fn run(project: &Project, names: &[String], schedules: u64, seed: u64) -> Result<(), Failure> {
    let copy = Copy {
        root: project.target.join("mutants/sources"),
        target: project.target.join("mutants/target"),
        schedules,
        seed,
    };
    mirror(&project.root, &copy.root)?;
    let mut patches: Vec<PathBuf> = fs::read_dir(project.root.join(PATCHES))
        .map_err(Failure::file(Path::new(PATCHES)))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "patch"))
        .filter(|path| names.is_empty() || names.contains(&name(path)))
        .collect();
    patches.sort();
    if patches.is_empty() {
        return Err(Failure::Check(format!("There is no such mutant in {PATCHES}.")));
    }
    let (mut table, mut missed) = (Vec::new(), 0);
    let calm = copy.simulate("as it is")?;
    if let Some(found) = calm {
        return Err(Failure::Check(format!(
            "The bridge as it is fails already: {found}"
        )));
    }
    for path in &patches {
        let began = Instant::now();
        let told = match copy.mutant(path)? {
            Verdict::Caught(found) => found,
            Verdict::Missed => {
                missed += 1;
                format!("NOT FOUND in {schedules} schedules")
            }
            Verdict::Stale(why) => {
                missed += 1;
                format!("THE PATCH DOES NOT APPLY any more: {why}")
            }
        };
        let line = format!(
            "{:<28} {told} ({:.0} s)",
            name(path),
            began.elapsed().as_secs_f64()
        );
        println!("{line}");
        table.push(line);
    }
    println!(
        "\n{}\n\n{} mutants, {missed} not found",
        table.join("\n"),
        patches.len()
    );
    if missed == 0 {
        Ok(())
    } else {
        Err(Failure::Check(format!("{missed} mutants were not found.")))
    }
}

/// A copy of the sources in which a file may be broken.
struct Copy {
    root: PathBuf,
    target: PathBuf,
    schedules: u64,
    seed: u64,
}

/// What became of a mutant.
enum Verdict {
    Caught(String),
    Missed,
    Stale(String),
}

impl Copy {
    fn mutant(&self, path: &Path) -> Result<Verdict, Failure> {
        let text = fs::read_to_string(path).map_err(Failure::file(path))?;
        let mut broken = Vec::new();
        for part in parts(&text) {
            let file = match patched_file(part) {
                Some(file) => self.root.join(file),
                None => return Ok(Verdict::Stale("it names no file".to_owned())),
            };
            let Ok(whole) = fs::read_to_string(&file) else {
                return Ok(Verdict::Stale(format!("{} is gone", file.display())));
            };
            let applied = Patch::from_str(part)
                .map_err(|error| error.to_string())
                .and_then(|patch| diffy::apply(&whole, &patch).map_err(|error| error.to_string()));
            match applied {
                Ok(mutated) => broken.push((file, whole, mutated)),
                Err(why) => return Ok(Verdict::Stale(why)),
            }
        }
        for (file, _, mutated) in &broken {
            fs::write(file, mutated).map_err(Failure::file(file))?;
        }
        let found = self.simulate(&name(path));
        for (file, whole, _) in &broken {
            fs::write(file, whole).map_err(Failure::file(file))?;
        }
        Ok(found?.map_or(Verdict::Missed, Verdict::Caught))
    }

    /// Builds the copy and runs schedules; gives what was found, if anything was.
    fn simulate(&self, name: &str) -> Result<Option<String>, Failure> {
        println!("=== {name}");
        let target = self.target.to_string_lossy().into_owned();
        Program::cargo(&self.root)
            .args(["build", "--quiet", "-p", "simulator", "--target-dir", &target])
            .run()?;
        let mut found = None;
        let ran = Program::new(self.target.join("debug/simulator"), &self.root)
            .args([
                "--brief",
                "--schedules",
                &self.schedules.to_string(),
                "--seed",
                &self.seed.to_string(),
            ])
            .lines(|line| {
                if let Some(text) = line.strip_prefix("BROKEN ") {
                    found = Some(text.chars().take(160).collect());
                }
            });
        match (ran, &found) {
            // It ended with an error and did not say which promise: it broke down itself.
            (Err(failure), None) => Err(failure),
            _ => Ok(found),
        }
    }
}

fn name(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A patch of several files, one by one.
fn parts(text: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = text.match_indices("\n--- a/").map(|(at, _)| at + 1).collect();
    starts.push(text.len());
    starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// The file that a patch changes, from the root.
fn patched_file(part: &str) -> Option<&str> {
    part.lines().find_map(|line| line.strip_prefix("+++ b/"))
}

/// Copies what is not built, installed or hidden. A file that is the same keeps its time, so that little is built again.
fn mirror(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(Failure::file(to))?;
    for entry in fs::read_dir(from).map_err(Failure::file(from))? {
        let path = entry.map_err(Failure::file(from))?.path();
        let Some(name) = path.file_name() else { continue };
        let shown = name.to_string_lossy();
        if shown.starts_with('.') || ["target", "dist", "node_modules"].contains(&shown.as_ref()) {
            continue;
        }
        let there = to.join(name);
        if path.is_dir() {
            mirror(&path, &there)?;
        } else {
            let bytes = fs::read(&path).map_err(Failure::file(&path))?;
            if fs::read(&there).ok().as_ref() != Some(&bytes) {
                fs::write(&there, bytes).map_err(Failure::file(&there))?;
            }
        }
    }
    // What is gone at the source would still be built.
    for entry in fs::read_dir(to).map_err(Failure::file(to))? {
        let there = entry.map_err(Failure::file(to))?.path();
        let gone = there.file_name().is_some_and(|name| !from.join(name).exists());
        if gone && there.is_file() {
            fs::remove_file(&there).map_err(Failure::file(&there))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_patch_of_two_files_is_taken_apart() {
        let text = "Why.\n\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-one\n+two\n--- a/src/b.rs\n+++ b/src/b.rs\n@@ -1 +1 @@\n-x\n+y\n";
        let parts = parts(text);
        let files: Vec<_> = parts.iter().filter_map(|part| patched_file(part)).collect();
        assert_eq!(files, ["src/a.rs", "src/b.rs"]);
        let patch = Patch::from_str(parts[0]).unwrap();
        assert_eq!(diffy::apply("one\n", &patch).unwrap(), "two\n");
        assert!(diffy::apply("three\n", &patch).is_err());
    }
}
