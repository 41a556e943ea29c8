//! What of `cargo test`'s output is worth a line: its results, and all about failures.

/// Decides line by line, and adds up.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Quiet {
    /// Whether a line is shown: all but tests that passed and the noise between.
    pub(super) fn shows(&mut self, line: &str) -> bool {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += count(result, "passed");
            self.failed += count(result, "failed");
            self.ignored += count(result, "ignored");
            return count(result, "passed") + count(result, "failed") > 0;
        }
        let passed = line.starts_with("test ") && line.ends_with(" ok");
        let head = line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test"));
        !passed && !head && !line.trim().is_empty()
    }

    /// All results in one line.
    pub(super) fn sum(&self) -> String {
        let Self {
            passed,
            failed,
            ignored,
        } = self;
        format!("{passed} tests passed, {failed} failed, {ignored} ignored")
    }
}

/// The number before a word: 12 of `ok. 12 passed; 0 failed`.
fn count(result: &str, word: &str) -> u64 {
    let words: Vec<&str> = result.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let found = words.windows(2).find(|pair| pair[1] == word);
    found.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_failures_are_shown_and_added_up() {
        let mut quiet = Quiet::default();
        let output = "
running 2 tests
test a::b ... ok
test a::c ... FAILED
test a::d - should panic ... ok

failures:
---- a::c stdout ----
thread 'a::c' panicked at src/a.rs:1:1:
test result: FAILED. 1 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 0 tests
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
running 1 test
test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let shown: Vec<&str> = output.lines().filter(|line| quiet.shows(line)).collect();
        let begins: Vec<&str> = shown.iter().map(|line| line.get(..20).unwrap_or(line)).collect();
        assert_eq!(
            begins,
            [
                "test a::c ... FAILED",
                "failures:",
                "---- a::c stdout ---",
                "thread 'a::c' panick",
                "test result: FAILED.",
                "test result: ok. 7 p"
            ]
        );
        assert_eq!(quiet.sum(), "8 tests passed, 1 failed, 3 ignored");
    }
}
