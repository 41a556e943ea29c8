//! Microsoft's SDKs, installed below the target directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::text;
use crate::failure::Failure;
use crate::process::Program;
use crate::project::Project;

/// Installed SDKs.
pub(super) struct Sdks {
    node_modules: PathBuf,
    python: PathBuf,
}

impl Sdks {
    /// Installs what `scripts` pins (or the newest), unless that is there already.
    pub(super) fn install(
        project: &Project,
        scripts: &Path,
        directory: &Path,
        newest: bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            node_modules: install_node(
                project,
                &scripts.join("package.json"),
                &directory.join("node"),
                newest,
            )?,
            python: install_python(
                project,
                &scripts.join("requirements.txt"),
                &directory.join("python"),
                newest,
            )?,
        })
    }

    /// A Node script that finds the SDKs; `preload` runs before it.
    pub(super) fn node(
        &self,
        project: &Project,
        scripts: &Path,
        script: &str,
        preload: Option<&Path>,
    ) -> Program {
        // Node tries the addresses of localhost in turn; the emulators listen on the first of these alone.
        let program = project.program("node").args(["--dns-result-order=ipv4first"]);
        let program = match preload {
            Some(preload) => program.args(["--require", &text(preload)]),
            None => program,
        };
        program
            .args([scripts.join(script)])
            .env("NODE_PATH", &self.node_modules)
    }

    /// A Python script that finds the SDKs.
    pub(super) fn python(&self, project: &Project, script: &Path) -> Program {
        self.interpreter(project).args([script])
    }

    /// The Python that finds the SDKs.
    pub(super) fn interpreter(&self, project: &Project) -> Program {
        project.program(&self.python)
    }
}

fn install_node(project: &Project, wanted: &Path, into: &Path, newest: bool) -> Result<PathBuf, Failure> {
    let modules = into.join("node_modules");
    let pins = read(wanted)?;
    let stamp = into.join("installed");
    if newest || fs::read_to_string(&stamp).ok().as_ref() != Some(&pins) {
        println!("Installing the Node SDKs");
        // A half-installed set never counts as installed; one of other versions is not mixed in.
        let _ = fs::remove_file(&stamp);
        let _ = fs::remove_dir_all(&modules);
        let _ = fs::remove_file(into.join("package-lock.json"));
        fs::create_dir_all(into).map_err(Failure::file(into))?;
        let manifest = if newest {
            pins_as_latest(&pins)?
        } else {
            pins.clone()
        };
        write(&into.join("package.json"), &manifest)?;
        let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        project
            .program("npm")
            .args(["install", "--prefix", &text(into)])
            .args(quiet)
            .run()?;
        if !newest {
            write(&stamp, &pins)?;
        }
    }
    Ok(modules)
}

/// A Python below `into` with the packages that a requirements file pins.
pub(crate) fn install_python(
    project: &Project,
    wanted: &Path,
    into: &Path,
    newest: bool,
) -> Result<PathBuf, Failure> {
    let python = into.join("bin/python");
    let pins = read(wanted)?;
    let stamp = into.join("installed");
    if newest || fs::read_to_string(&stamp).ok().as_ref() != Some(&pins) {
        println!("Installing {}", names(&pins).join(", "));
        let _ = fs::remove_file(&stamp);
        project
            .program("python3")
            .args(["-m", "venv", &text(into)])
            .run()?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let pip = project.program(&python).args(pip);
        if newest {
            pip.args(["--upgrade"]).args(names(&pins)).run()?;
        } else {
            pip.args(["--requirement", &text(wanted)]).run()?;
            write(&stamp, &pins)?;
        }
    }
    Ok(python)
}

/// The same `package.json` with every dependency at its newest version.
fn pins_as_latest(pins: &str) -> Result<String, Failure> {
    let not_json = |error| Failure::Check(format!("package.json is not JSON: {error}"));
    let mut manifest: serde_json::Value = serde_json::from_str(pins).map_err(not_json)?;
    if let Some(dependencies) = manifest["dependencies"].as_object_mut() {
        for version in dependencies.values_mut() {
            *version = "latest".into();
        }
    }
    Ok(manifest.to_string())
}

/// The packages that a requirements file names.
fn names(pins: &str) -> Vec<&str> {
    let lines = pins.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split("==").next())
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(Failure::file(path))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(Failure::file(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newest_versions_replace_the_pins() {
        let latest = pins_as_latest(r#"{"name":"x","dependencies":{"a":"1.2.3","b":"4"}}"#).unwrap();
        assert_eq!(
            latest,
            r#"{"dependencies":{"a":"latest","b":"latest"},"name":"x"}"#
        );
        assert_eq!(names("# SDKs\na-b==1.2\n\nc==3\n"), ["a-b", "c"]);
    }
}
