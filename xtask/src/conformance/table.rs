//! The table of operation, SDK and transport.

use std::fmt;

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    sdk: String,
    transport: String,
    operation: String,
    pub(super) verdict: Verdict,
}

/// How an operation ended.
#[derive(Debug)]
pub(super) enum Verdict {
    /// As it should.
    Passed,
    /// Tried, and known not to work yet, for this reason.
    NotYet(String),
    /// Tried, and refused with the words that it is not offered; for this reason.
    NotOffered(String),
    /// Not tried, for this reason.
    NotRun(String),
    /// Otherwise.
    Failed(String),
}

impl Row {
    pub(super) fn new(sdk: &str, transport: &str, operation: &str, verdict: Verdict) -> Self {
        Self {
            sdk: sdk.to_owned(),
            transport: transport.to_owned(),
            operation: operation.to_owned(),
            verdict,
        }
    }
}

impl Verdict {
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("pass"),
            Self::NotYet(why) => write!(f, "not yet: {why}"),
            Self::NotOffered(why) => write!(f, "not offered here: {why}"),
            Self::NotRun(why) => write!(f, "not run: {why}"),
            Self::Failed(why) => write!(f, "FAIL: {why}"),
        }
    }
}

/// All rows, and their sum.
pub(super) fn text(rows: &[Row]) -> String {
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (sdk, transport, operation) = (
        width(|row| &row.sdk),
        width(|row| &row.transport),
        width(|row| &row.operation),
    );
    let mut text = String::new();
    for row in rows {
        text += &format!(
            "{:sdk$}  {:transport$}  {:operation$}  {}\n",
            row.sdk, row.transport, row.operation, row.verdict
        );
    }
    let count = |is: fn(&Verdict) -> bool| rows.iter().filter(|row| is(&row.verdict)).count();
    text + &format!(
        "{} passed, {} not yet possible, {} not offered here, {} not run, {} failed\n",
        count(|verdict| matches!(verdict, Verdict::Passed)),
        count(|verdict| matches!(verdict, Verdict::NotYet(_))),
        count(|verdict| matches!(verdict, Verdict::NotOffered(_))),
        count(|verdict| matches!(verdict, Verdict::NotRun(_))),
        count(Verdict::is_failure),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_added_up() {
        let rows = [
            Row::new("sdk 1.0", "HTTPS", "send", Verdict::Passed),
            Row::new("a", "MQTT", "Zähler", Verdict::NotYet("why".to_owned())),
            Row::new("a", "", "b", Verdict::Failed("no".to_owned())),
            Row::new("a", "", "c", Verdict::NotOffered("what for".to_owned())),
        ];
        let expected = "\
sdk 1.0  HTTPS  send    pass
a        MQTT   Zähler  not yet: why
a               b       FAIL: no
a               c       not offered here: what for
1 passed, 1 not yet possible, 1 not offered here, 0 not run, 1 failed
";
        assert_eq!(text(&rows), expected);
    }
}
