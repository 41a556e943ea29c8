//! A question that failed for good within its tick.

use crate::source::Answer;
use crate::store::Write;
use crate::store::documents::Document;

use super::claim::Held;
use super::read::{Answered, Failed};
use super::record::attempt;
use super::report::{Outcome, Report};
use super::{Poller, Turn, trouble};

impl Poller {
    /// A question without an answer: kept for the audit, written with the release.
    pub(super) fn record_failure(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        failed: &Failed,
        report: &mut Report,
    ) {
        let number = held.state.next;
        held.state.next += 1;
        let text = failed.error.to_string();
        let now = self.clock.now();
        trouble::failed(&mut held.state, now, &text, failed.error.retry_after());
        report.quiet = !self.limits.breaker.is_told(held.state.failures);
        let answered = Answered {
            at: failed.at,
            took: failed.took,
            window: failed.window,
            answer: Answer {
                request: turn.source.request(failed.window),
                ..Answer::default()
            },
        };
        let mut attempt = attempt(turn, &held.state, &answered, number);
        attempt.status = failed.error.status().unwrap_or(0);
        attempt.outcome = failed.error.kind().into();
        attempt.error = Some(text.clone());
        attempt.ttl = Some(self.retention);
        held.enqueue([Write::Create(Document::Attempt(attempt))], 2_000);
        report.outcome = Outcome::Failed;
        report.remarks.insert(0, text);
    }
}
