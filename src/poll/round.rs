//! What a round came to, and how its ticks are logged.

use super::Report;

/// What a round came to.
#[derive(Debug, Default)]
pub struct Round {
    /// One report for each source that was worked.
    pub reports: Vec<Report>,
    /// Sources that were due but not begun before the time was up.
    pub left: usize,
}

impl Round {
    /// Adds what another round came to.
    pub fn join(&mut self, other: Self) {
        self.reports.extend(other.reports);
        self.left += other.left;
    }

    /// A line on each source that had trouble, the first twenty: the host repeats each as a trace of its own.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let troubled = self
            .reports
            .iter()
            .filter(|report| !report.is_good() || report.dead > 0);
        troubled.take(20).map(Report::line).collect()
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let sum = |of: fn(&Report) -> usize| self.reports.iter().map(of).sum::<usize>();
        let troubled = self.reports.iter().filter(|report| !report.is_good()).count();
        let mut line = format!(
            "{} sources polled, {} readings, {} messages taken by the hub",
            self.reports.len(),
            sum(|report| report.readings),
            sum(|report| report.messages)
        );
        if troubled > 0 {
            line.push_str(&format!(", {troubled} with trouble"));
        }
        if self.left > 0 {
            line.push_str(&format!(", {} left for the next tick", self.left));
        }
        line
    }
}

/// One line a tick: the audit of this process.
pub(super) fn log(report: &Report) {
    if !report.worked() {
        tracing::debug!(source = %report.source, outcome = report.outcome.word(), "Not polled");
        return;
    }
    let took_ms = report.ended - report.began;
    let remarks = report.remarks.join("; ");
    if report.is_good() {
        tracing::info!(
            source = %report.source,
            outcome = report.outcome.word(),
            rows = report.rows,
            readings = report.readings,
            known = report.known,
            messages = report.messages,
            units = report.units,
            pending = report.pending,
            gaps = report.gaps.open,
            checkpoint = report.checkpoint.map(crate::clock::iso),
            left = report.left,
            remarks,
            unknown = report.unknown.join(", "),
            took_ms,
            "Polled"
        );
    } else if report.quiet {
        tracing::debug!(source = %report.source, failures = report.failures, remarks, "Still failing");
    } else {
        tracing::warn!(
            source = %report.source,
            outcome = report.outcome.word(),
            failures = report.failures,
            dead = report.dead,
            pending = report.pending,
            left = report.left,
            remarks,
            took_ms,
            "Polled with trouble"
        );
    }
}
