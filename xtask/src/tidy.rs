//! `cargo xtask tidy`: the rules of the sources that no compiler knows. One rule, one function.
//!
//! # Layout
//!
//! - `tree`: the files, in memory. `code`: a file without comments, texts and tests. `paths`: what it names.
//! - `sizes`, `names`, `unfinished`: any file. `layers`, `pure`: who may know what. `map`: ARCHITECTURE.md.

mod code;
mod layers;
mod map;
mod names;
mod paths;
mod pure;
mod sizes;
mod tree;
mod unfinished;

use crate::failure::Failure;
use crate::project::Project;
use tree::Tree;

/// A breach of a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    /// The file, from the root.
    path: String,
    /// The line, from 1 on; 0 for the file as a whole.
    line: usize,
    /// What is wrong and what to do.
    text: String,
}

/// A rule: its name, and what it finds.
type Rule = (&'static str, fn(&Tree) -> Vec<Fault>);

const RULES: [Rule; 10] = [
    ("files are short", sizes::short),
    ("no mod.rs", names::no_mod_rs),
    ("names say something", names::telling),
    ("nothing is unfinished", unfinished::nothing),
    ("source, store and forward do not know each other", layers::apart),
    ("only the doors know api", layers::api),
    ("only config reads the environment", layers::environment),
    ("only trigger knows the host's answers", layers::host_answers),
    ("pure modules neither wait nor look at a clock", pure::pure),
    ("ARCHITECTURE.md names every module", map::complete),
];

/// Checks all rules and prints every breach.
pub(crate) fn run(project: &Project) -> Result<(), Failure> {
    let tree = Tree::read(&project.root)?;
    let mut count = 0;
    for (name, rule) in RULES {
        let mut faults = rule(&tree);
        faults.sort();
        if !faults.is_empty() {
            println!("{name}:");
        }
        for Fault { path, line, text } in &faults {
            match line {
                0 => println!("  {path}: {text}"),
                _ => println!("  {path}:{line}: {text}"),
            }
        }
        count += faults.len();
    }
    println!("{}", sizes::told(&tree));
    match count {
        0 => Ok(()),
        1 => Err(Failure::Check("1 breach of a rule.".to_owned())),
        _ => Err(Failure::Check(format!("{count} breaches of rules."))),
    }
}

/// Compares what a rule finds in a made-up tree with `path:line` of each breach expected.
#[cfg(test)]
#[track_caller]
fn check(rule: fn(&Tree) -> Vec<Fault>, files: &[(&str, &str)], expected: &[&str]) {
    let mut found = rule(&Tree::of(files));
    found.sort();
    let found: Vec<String> = found
        .iter()
        .map(|fault| format!("{}:{}", fault.path, fault.line))
        .collect();
    assert_eq!(found, expected);
}
