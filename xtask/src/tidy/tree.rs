//! The project's text files, in memory.

use std::fs;
use std::path::Path;

use super::code::{self, Keep};
use crate::failure::Failure;

/// Endings of the files that are read.
const ENDINGS: [&str; 12] = [
    "rs", "md", "toml", "js", "py", "html", "css", "sh", "bicep", "yaml", "yml", "json",
];

/// All files.
#[derive(Debug)]
pub(super) struct Tree {
    /// Sorted by path.
    pub(super) files: Vec<File>,
}

/// One file. The Rust views have the same length as the text: what is left out is blank.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with slashes.
    pub(super) path: String,
    /// As it is.
    pub(super) text: String,
    /// Rust only: without comments, texts and tests.
    pub(super) code: String,
    /// Rust only: the same with texts.
    pub(super) code_and_texts: String,
    /// Rust only: lines that are no tests.
    pub(super) lines: usize,
}

impl Tree {
    /// Reads what lies below `root`, save what is built, installed or hidden.
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let mut files = Vec::new();
        read(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A made-up tree.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| File::new((*path).to_owned(), (*text).to_owned()))
                .collect(),
        }
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The bridge's own Rust files, tests left out.
    pub(super) fn bridge(&self) -> impl Iterator<Item = &File> {
        self.rust()
            .filter(|file| file.path.starts_with("src/") && !file.is_test())
    }

    /// The file with this path.
    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let mut file = Self {
            path,
            text,
            code: String::new(),
            code_and_texts: String::new(),
            lines: 0,
        };
        if file.is_rust() {
            let code = code::blank(&file.text, Keep::Code);
            let tests = code::tests(&code);
            file.code_and_texts = code::without(&code::blank(&file.text, Keep::CodeAndTexts), &tests);
            file.code = code::without(&code, &tests);
            let lines_of = |text: &str| text.matches('\n').count();
            let in_tests: usize = tests
                .iter()
                .map(|range| lines_of(&file.text[range.clone()]) + 1)
                .sum();
            file.lines = lines_of(&file.text) - in_tests;
        }
        file
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is for tests: `tests.rs`, or below a directory `tests`.
    pub(super) fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
    }

    /// The file's name without its ending.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// Whether the file is the module at `path` (`src/poll/window`) or below it.
    pub(super) fn is_in(&self, path: &str) -> bool {
        self.path
            .strip_prefix(path)
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

fn read(root: &Path, below: &str, files: &mut Vec<File>) -> Result<(), Failure> {
    let directory = root.join(below);
    for entry in fs::read_dir(&directory).map_err(Failure::file(&directory))? {
        let entry = entry.map_err(Failure::file(&directory))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = if below.is_empty() {
            name.clone()
        } else {
            format!("{below}/{name}")
        };
        let kind = entry.file_type().map_err(Failure::file(&entry.path()))?;
        if kind.is_dir() {
            let left_out =
                name.starts_with('.') || ["target", "dist", "node_modules"].contains(&name.as_str());
            if !left_out {
                read(root, &path, files)?;
            }
        } else if kind.is_file() && ENDINGS.iter().any(|end| path.rsplit('.').next() == Some(end)) {
            let text = fs::read(entry.path()).map_err(Failure::file(&entry.path()))?;
            files.push(File::new(path, String::from_utf8_lossy(&text).into_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_built_hidden_or_no_text_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "src/a.rs",
            "target/b.rs",
            ".git/c.rs",
            "x/node_modules/d.js",
            "x/e.png",
            "README.md",
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x\n").unwrap();
        }
        let tree = Tree::read(root.path()).unwrap();
        let paths: Vec<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["README.md", "src/a.rs"]);
    }

    #[test]
    fn a_file_knows_what_it_is() {
        let tree = Tree::of(&[
            (
                "src/poll/window.rs",
                "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n",
            ),
            ("src/poll/window/tests.rs", ""),
        ]);
        let [file, test] = tree.files.as_slice() else {
            panic!("two files")
        };
        assert_eq!((file.lines, file.stem(), file.is_test()), (1, "window", false));
        assert!(file.is_in("src/poll/window") && test.is_in("src/poll/window") && test.is_test());
        assert!(!file.is_in("src/poll/win"));
        assert!(file.code.contains("fn a") && !file.code.contains("fn b"));
    }
}
