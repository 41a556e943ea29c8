//! Nothing is left for later without an issue.

use super::tree::{File, Tree};
use super::{Fault, paths};

/// Notes to oneself, wherever they stand. Split, so that this file holds none.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// What stands for code that is missing, or for a test that does not run.
const GAPS: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];

/// No notes to oneself, no placeholders, no tests that do not run.
pub(super) fn nothing(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in &tree.files {
        faults.extend(found(file, &file.text, &NOTES));
        // Tests count, too, so that the file's own text is looked at, without comments and texts.
        if file.is_rust() {
            let code = super::code::blank(&file.text, super::code::Keep::Code);
            faults.extend(found(file, &code, &GAPS));
        }
    }
    faults
}

fn found(file: &File, text: &str, wanted: &[&str]) -> Vec<Fault> {
    let fault = |line, what: &str| Fault {
        path: file.path.clone(),
        line,
        text: format!("`{what}`: finish it, or open an issue and say nothing here"),
    };
    wanted
        .iter()
        .flat_map(|what| paths::words(text, what).map(|line| fault(line, what)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn what_is_unfinished_is_found() {
        let note = format!("// {}: later\n", NOTES[0]);
        let other = format!("x {} y", NOTES[1]);
        let inside = format!("{}S are fine, and so is todo", NOTES[0]);
        let files = [
            ("README.md", other.as_str()),
            ("a.rs", note.as_str()),
            (
                "b.rs",
                "fn b() {\n    todo!()\n}\n#[cfg(test)]\nmod tests {\n    #[ignore = \"x\"]\n}\n",
            ),
            ("c.rs", "// unimplemented!()\nlet a = \"#[ignore]\";\n"),
            ("d.rs", "unimplemented!()"),
            ("e.md", inside.as_str()),
        ];
        check(
            nothing,
            &files,
            &["README.md:1", "a.rs:1", "b.rs:2", "b.rs:6", "d.rs:1"],
        );
    }
}
