//! Microsoft's SDKs, installed below the target directory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::text;
use crate::failure::Failure;
use crate::npm;
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
            node_modules: npm::install(
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

    /// Installs what samples and tests need besides below `directory`, where the SDKs are. Gives Node's `NODE_PATH`.
    pub(super) fn extended(
        &self,
        project: &Project,
        wanted: &Path,
        directory: &Path,
        newest: bool,
    ) -> Result<OsString, Failure> {
        let (manifest, modules) = (wanted.join("package.json"), directory.join("samples"));
        let modules = npm::install(project, &manifest, &modules, newest)?;
        let python = directory.join("python");
        install_python(project, &wanted.join("requirements.txt"), &python, newest)?;
        std::env::join_paths([&self.node_modules, &modules])
            .map_err(|error| Failure::Check(format!("{}: {error}", modules.display())))
    }

    /// The Python that finds the SDKs.
    pub(super) fn interpreter(&self, project: &Project) -> Program {
        project.program(&self.python)
    }
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
    // Two files may go into one place.
    let of = wanted.parent().and_then(Path::file_name).unwrap_or_default();
    let stamp = into.join(format!("installed-{}", of.to_string_lossy()));
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
    use super::*;

    #[test]
    fn packages_are_named_without_their_versions() {
        assert_eq!(names("# SDKs\na-b==1.2\n\nc==3\n"), ["a-b", "c"]);
    }
}
