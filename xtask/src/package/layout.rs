//! What belongs in the package: host.json, one folder for each function, the handler at the name that host.json gives it, and
//! the sources where there are any.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;

/// The package's parts, by their names in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Where they come from.
    root: PathBuf,
    /// The handler, as host.json names it.
    pub(super) executable: String,
    /// Folders with a function.json.
    functions: Vec<String>,
    /// Whether sources.toml comes along.
    sources: bool,
}

impl Layout {
    /// Reads host.json and looks for functions.
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let host = json(&root.join("host.json"))?;
        let executable = host
            .pointer("/customHandler/description/defaultExecutablePath")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !is_plain(executable) {
            return Err(Failure::Check(format!(
                "host.json names the executable `{executable}`; the tools mark it executable only by its plain path, without ./"
            )));
        }
        let mut functions = Vec::new();
        for entry in fs::read_dir(root).map_err(Failure::file(root))? {
            let entry = entry.map_err(Failure::file(root))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if entry.path().join("function.json").is_file() {
                functions.push(name);
            }
        }
        functions.sort();
        Ok(Self {
            root: root.to_owned(),
            executable: executable.to_owned(),
            functions,
            sources: root.join("sources.toml").is_file(),
        })
    }

    /// Every file's name in the package, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = vec!["host.json".to_owned(), self.executable.clone()];
        names.extend(self.functions.iter().map(|name| format!("{name}/function.json")));
        names.extend(self.sources.then(|| "sources.toml".to_owned()));
        names.sort();
        names
    }

    /// Every file's name in the package, and where it comes from; `built` is the handler.
    pub(super) fn files(&self, built: &Path) -> Vec<(String, PathBuf)> {
        let from = |name: &String| {
            if *name == self.executable {
                built.to_owned()
            } else {
                self.root.join(name)
            }
        };
        self.names()
            .into_iter()
            .map(|name| (name.clone(), from(&name)))
            .collect()
    }

    /// Prints the names.
    pub(super) fn print(&self) {
        println!("{}", self.names().join("\n"));
    }

    /// What the host, or `func azure functionapp publish` from here, would stumble over.
    pub(super) fn faults(&self, root: &Path) -> Vec<String> {
        let mut faults = Vec::new();
        if self.functions.is_empty() {
            faults.push("there is no function: no folder has a function.json".to_owned());
        }
        for name in &self.functions {
            match json(&root.join(name).join("function.json")) {
                Ok(function) if function["bindings"].as_array().is_some_and(|b| !b.is_empty()) => {}
                Ok(_) => faults.push(format!("{name}/function.json has no bindings")),
                Err(failure) => faults.push(failure.to_string()),
            }
        }
        let ignored = fs::read_to_string(root.join(".funcignore")).unwrap_or_default();
        let kept = self.uploaded(root, &ignored);
        if !kept.is_empty() {
            faults.push(format!(
                "`func azure functionapp publish` from the root would upload {}: name it in .funcignore",
                kept.join(", ")
            ));
        }
        faults
    }

    /// What in the root no line of `.funcignore` holds back, though it is no part of the package.
    fn uploaded(&self, root: &Path, ignored: &str) -> Vec<String> {
        // What the tools leave out by themselves (ZipHelper of azure-functions-core-tools).
        const NEVER: [&str; 5] = [
            ".git",
            ".vscode",
            "local.settings.json",
            ".funcignore",
            ".gitignore",
        ];
        let lines: Vec<&str> = ignored
            .lines()
            .map(|line| line.trim().trim_end_matches('/'))
            .collect();
        let packed = self.names();
        let mut kept: Vec<String> = fs::read_dir(root)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| {
                let part = packed.iter().any(|path| path.split('/').next() == Some(name));
                let held = lines.iter().any(|line| matches(line, name)) || NEVER.contains(&name.as_str());
                !part && !held
            })
            .collect();
        kept.sort();
        kept
    }
}

/// A line is a name, or `*.ending`.
fn matches(line: &str, name: &str) -> bool {
    match line.strip_prefix('*') {
        Some(ending) => !ending.is_empty() && name.ends_with(ending),
        None => line == name,
    }
}

fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
        && !path.contains(['\\', '%'])
}

fn json(path: &Path) -> Result<Value, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::file(path))?;
    serde_json::from_str(&text).map_err(|error| Failure::Check(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const HOST: &str = r#"{"customHandler":{"description":{"defaultExecutablePath":"bin/handler"}}}"#;

    #[test]
    fn the_project_itself_is_in_order() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let layout = Layout::read(root).unwrap();
        assert_eq!(layout.faults(root), [""; 0]);
        assert_eq!(layout.executable, "meterbridge");
        assert_eq!(layout.functions, ["Operations", "PollWorker", "TimerPoll"]);
    }

    #[test]
    fn the_handler_lies_where_host_json_says() {
        let root = root(&[
            ("host.json", HOST),
            ("B/function.json", r#"{"bindings":[{}]}"#),
            ("A/function.json", r#"{"bindings":[{}]}"#),
            ("sources.toml", ""),
        ]);
        let layout = Layout::read(root.path()).unwrap();
        let names = layout.names();
        assert_eq!(
            names,
            [
                "A/function.json",
                "B/function.json",
                "bin/handler",
                "host.json",
                "sources.toml"
            ]
        );
        let files = layout.files(Path::new("/built"));
        assert_eq!(files[2], ("bin/handler".to_owned(), PathBuf::from("/built")));
        assert_eq!(layout.faults(root.path()), [""; 0]);
    }

    #[test]
    fn paths_that_the_tools_do_not_mark_are_refused() {
        for path in [
            "",
            "./handler",
            "/handler",
            "../handler",
            "bin//handler",
            "%HANDLER%",
            "bin\\handler",
        ] {
            let host =
                format!(r#"{{"customHandler":{{"description":{{"defaultExecutablePath":{path:?}}}}}}}"#);
            let root = root(&[("host.json", &host)]);
            assert!(Layout::read(root.path()).is_err(), "{path}");
        }
    }

    #[test]
    fn what_would_be_uploaded_by_mistake_is_named() {
        let root = root(&[
            ("host.json", HOST),
            ("A/function.json", "{}"),
            ("target/x", ""),
            ("src/main.rs", ""),
            ("notes.md", ""),
            (".funcignore", "target/\n*.md\n"),
        ]);
        let faults = Layout::read(root.path()).unwrap().faults(root.path());
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0].contains("A/function.json has no bindings"),
            "{faults:?}"
        );
        assert!(faults[1].contains("would upload src:"), "{faults:?}");
    }
}
