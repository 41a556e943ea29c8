//! Pure modules: what they do depends on their arguments alone.

use super::tree::Tree;
use super::{Fault, paths};

/// The modules that are pure.
const PURE: &[&str] = &[
    "src/poll/breaker",
    "src/poll/trouble",
    "src/poll/window",
    "src/poll/digest",
    "src/poll/gaps",
    "src/poll/past",
    "src/poll/schedule",
    "src/poll/shard",
    "src/poll/standing",
    "src/forward/pack",
    "src/trigger/job",
    "src/retry",
    "wire/src",
];

/// What no pure module does.
const IMPURE: [&str; 8] = [
    ".await",
    "async fn",
    "async move",
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "Local::now",
    "Clock::system",
];

/// Pure modules neither wait nor look at a clock: the time is an argument.
pub(super) fn pure(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    // In the whole project each of them is there; a rule about a module that was renamed guards nothing.
    let whole = tree.get("src/lib.rs").is_some();
    for &module in PURE {
        let mut files = tree
            .rust()
            .filter(|file| file.is_in(module) && !file.is_test())
            .peekable();
        if whole && files.peek().is_none() {
            let text =
                "a pure module that is not there; correct the list in xtask/src/tidy/pure.rs".to_owned();
            faults.push(Fault {
                path: module.to_owned(),
                line: 0,
                text,
            });
        }
        for file in files {
            for what in IMPURE {
                faults.extend(paths::words(&file.code, what).map(|line| Fault {
                    path: file.path.clone(),
                    line,
                    text: format!("`{what}` in a pure module; make the time or the result an argument"),
                }));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn waiting_and_clocks_are_found() {
        let files = [
            ("src/poll/window.rs", "//! Never .await\nfn a(now: u64) {}\n"),
            ("src/poll/digest.rs", "fn a() {\n    b().await;\n}\n"),
            (
                "src/retry.rs",
                "let a = Instant::now();\n#[cfg(test)]\nmod tests { fn b() { Instant::now() } }",
            ),
            ("src/poll/digest/tests.rs", "Utc::now()"),
            ("src/poll/read.rs", "x.await"),
            ("wire/src/sas/token.rs", "\n\nchrono::Utc::now()"),
            ("wire/tests/vectors.rs", "Utc::now()"),
        ];
        check(
            pure,
            &files,
            &[
                "src/poll/digest.rs:2",
                "src/retry.rs:1",
                "wire/src/sas/token.rs:3",
            ],
        );
    }

    #[test]
    fn a_pure_module_that_was_renamed_is_missed() {
        let mut files: Vec<String> = PURE.iter().map(|module| format!("{module}/a.rs")).collect();
        files.push("src/lib.rs".to_owned());
        let mut files: Vec<(&str, &str)> = files.iter().map(|path| (path.as_str(), "")).collect();
        check(pure, &files, &[]);
        let (path, _) = files.remove(4);
        let module = path.trim_end_matches("/a.rs");
        check(pure, &files, &[&format!("{module}:0")]);
    }
}
