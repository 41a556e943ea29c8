//! Names of files and modules.

use super::tree::Tree;
use super::{Fault, paths};

/// Names that say nothing about what is inside.
const EMPTY: [&str; 5] = ["manager", "helper", "util", "common", "misc"];

/// A module's file has the module's name.
pub(super) fn no_mod_rs(tree: &Tree) -> Vec<Fault> {
    let named = tree.rust().filter(|file| file.stem() == "mod");
    let fault = |path: &String| Fault {
        path: path.clone(),
        line: 0,
        text: "name the file after its module, beside the directory".to_owned(),
    };
    named.map(|file| fault(&file.path)).collect()
}

/// Files, directories and modules have names of the field.
pub(super) fn telling(tree: &Tree) -> Vec<Fault> {
    let fault = |path: &str, line, name: &str| Fault {
        path: path.to_owned(),
        line,
        text: format!("`{name}` says nothing; name what is inside"),
    };
    let mut faults = Vec::new();
    for file in &tree.files {
        let parts = file
            .path
            .split('/')
            .map(|part| part.split('.').next().unwrap_or_default());
        faults.extend(
            parts
                .filter(|part| is_empty(part))
                .map(|part| fault(&file.path, 0, part)),
        );
        for line in paths::words(&file.code, "mod") {
            let text = file.code.lines().nth(line - 1).unwrap_or_default();
            let (_, rest) = text.split_once("mod ").unwrap_or_default();
            let name = rest
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .next()
                .unwrap_or_default();
            // A module in a file of its own is found by the file.
            if is_empty(name) && !rest.trim_end().ends_with(';') {
                faults.push(fault(&file.path, line, name));
            }
        }
    }
    faults
}

fn is_empty(name: &str) -> bool {
    name.split(['_', '-']).any(|word| {
        let word = word.to_ascii_lowercase();
        EMPTY
            .iter()
            .any(|empty| word == *empty || word.strip_suffix('s') == Some(*empty))
    })
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn mod_rs_is_found() {
        check(
            no_mod_rs,
            &[("src/a/mod.rs", ""), ("src/model.rs", "")],
            &["src/a/mod.rs:0"],
        );
    }

    #[test]
    fn empty_names_are_found() {
        let files = [
            ("src/util.rs", ""),
            ("src/http_utils.rs", ""),
            ("tests/common/a.rs", ""),
            (
                "src/a.rs",
                "fn a() {}\npub mod helpers {\n}\nmod utility {}\n// mod misc {\nmod misc;\n",
            ),
            ("web/helper.js", ""),
            ("src/uncommon.rs", ""),
        ];
        let found = [
            "src/a.rs:2",
            "src/http_utils.rs:0",
            "src/util.rs:0",
            "tests/common/a.rs:0",
            "web/helper.js:0",
        ];
        check(telling, &files, &found);
    }
}
