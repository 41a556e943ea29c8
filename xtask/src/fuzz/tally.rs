//! What libFuzzer says of a run.

use std::fmt;
use std::time::Duration;

/// One run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tally {
    /// Inputs that were tried.
    executions: u64,
    /// Branches that some input took.
    branches: u64,
    /// Most memory at one time, in megabytes.
    peak: u64,
    /// How long it took.
    time: Duration,
}

impl Tally {
    /// Reads it off what a run wrote.
    pub(super) fn of(log: &str, time: Duration) -> Self {
        let stat = |name: &str| {
            let line = log.lines().rev().find_map(|line| line.trim().strip_prefix(name));
            line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
        };
        let cov = log.rsplit("cov: ").next().and_then(|rest| rest.split(' ').next());
        Self {
            executions: stat("stat::number_of_executed_units:"),
            branches: cov.and_then(|number| number.parse().ok()).unwrap_or(0),
            peak: stat("stat::peak_rss_mb:"),
            time,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            executions,
            branches,
            peak,
            time,
        } = self;
        let time = super::minutes(*time);
        write!(
            f,
            "{executions:>12} executions in {time}, {branches} branches, {peak} MB at most, nothing found"
        )
    }
}

/// The last lines of a log.
pub(super) fn last(log: &str, count: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_read_off_the_log() {
        let log = "#2 INITED cov: 9 ft: 9\n#99\tDONE   cov: 1067 ft: 44 corp: 9\nstat::number_of_executed_units: 1447576\nstat::peak_rss_mb:              31\n";
        let time = Duration::from_secs(90);
        let tally = Tally::of(log, time);
        assert_eq!(
            tally,
            Tally {
                executions: 1_447_576,
                branches: 1067,
                peak: 31,
                time
            }
        );
        assert!(
            tally.to_string().contains("1447576 executions in 1.5 min"),
            "{tally}"
        );
        assert_eq!(last("a\nb\nc", 2), "b\nc");
    }
}
