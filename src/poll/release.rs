//! Release: when the source is due again, and the end of the lease.

use super::claim::Held;
use super::report::Report;
use super::{Poller, Stop, Turn, schedule};

impl Poller {
    /// Writes what waits, the next due time and the end of the lease in one batch.
    pub(super) async fn release(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        report: &Report,
    ) -> Result<(), Stop> {
        let config = turn.config;
        let goes_on = report.unfinished || (held.state.pass.is_some() && !held.is_blocked());
        held.state.next_due = if goes_on && held.state.failures == 0 {
            // A backlog goes on at the very next tick.
            turn.due.saturating_add(1)
        } else {
            // A poll that a person asked for comes besides the schedule and puts nothing off.
            let done = if turn.force {
                turn.due
            } else {
                turn.due.max(held.state.next_due)
            };
            schedule::next_due(&config.schedule, config.zone, &config.id, done)
        };
        held.state.lease = None;
        held.commit(self, Vec::new()).await
    }
}
