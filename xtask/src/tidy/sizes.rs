//! Files are short.

use super::Fault;
use super::tree::{File, Tree};

/// The longest a file may be, tests left out.
const LONGEST: usize = 400;

/// No Rust file is longer than 400 lines, but for tests.
pub(super) fn short(tree: &Tree) -> Vec<Fault> {
    let long = |file: &&File| !file.is_test() && file.lines > LONGEST;
    let fault = |file: &File| Fault {
        path: file.path.clone(),
        line: 0,
        text: format!(
            "{} lines without tests, {LONGEST} at most; split it by nouns",
            file.lines
        ),
    };
    tree.rust().filter(long).map(fault).collect()
}

/// The sizes in one sentence.
pub(super) fn told(tree: &Tree) -> String {
    let mut sizes: Vec<usize> = tree
        .rust()
        .filter(|file| !file.is_test())
        .map(|file| file.lines)
        .collect();
    sizes.sort_unstable();
    let at = |share: usize| sizes.get((sizes.len() * share / 100).min(sizes.len().saturating_sub(1)));
    let at = |share| at(share).copied().unwrap_or(0);
    format!(
        "{} Rust files without tests: median {} lines, nine in ten up to {}, longest {}",
        sizes.len(),
        at(50),
        at(90),
        at(100)
    )
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn four_hundred_lines_and_no_more() {
        let lines = |n: usize| "//\n".repeat(n);
        let tested = lines(400) + "#[cfg(test)]\nmod tests {\n" + &lines(100) + "}\n";
        let files = [
            ("src/a.rs", lines(400)),
            ("src/b.rs", lines(401)),
            ("src/c/tests.rs", lines(900)),
            ("tests/d.rs", lines(900)),
            ("src/e.rs", tested),
            ("src/store/documents.rs", lines(900)),
            ("README.md", lines(900)),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        check(short, &files, &["src/b.rs:0", "src/store/documents.rs:0"]);
    }

    #[test]
    fn sizes_are_told() {
        let tree = Tree::of(&[
            ("a.rs", "\n"),
            ("b.rs", "\n\n\n"),
            ("c.rs", "\n\n\n\n\n"),
            ("tests/d.rs", ""),
        ]);
        assert_eq!(
            told(&tree),
            "3 Rust files without tests: median 3 lines, nine in ten up to 5, longest 5"
        );
        assert!(told(&Tree::of(&[])).contains("median 0"));
    }
}
