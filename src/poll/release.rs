//! Release: when the source is due again, and the end of the lease.

use super::claim::Held;
use super::report::Report;
use super::window::millis;
use super::{Poller, Stop, Turn, schedule};
use crate::clock::iso;

impl Poller {
    /// Writes what waits, the next due time and the end of the lease in one batch.
    pub(super) async fn release(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let config = turn.config;
        let now = self.clock.now();
        let blocked = held.is_blocked();
        let mute = held.mute;
        let asked = held.asked || mute;
        let state = &mut held.state;
        // A backlog goes on at the very next tick.
        let soon = turn.due.saturating_add(1);
        let goes_on = state.failures == 0 && (report.unfinished || (state.pass.is_some() && !blocked));
        if goes_on && state.pass.is_some() {
            state.asking.due = state.asking.due.min(soon);
        } else if asked {
            // A poll that a person asked for comes besides the schedule and puts nothing off.
            let done = if turn.force {
                turn.due
            } else {
                turn.due.max(state.asking.due)
            };
            let mut due = schedule::next_due(&config.schedule, config.zone, &config.id, done);
            let history = turn.source.has_history();
            if let Some(pause) = self.limits.breaker.cool_down(state.failures, &config.id, history) {
                due = due.max(now.saturating_add(millis(pause)));
                report.remark(format!(
                    "{} polls in a row failed{}: probed once per cool-down, next at {}",
                    state.failures,
                    state
                        .asking
                        .failing_since
                        .map_or_else(String::new, |since| format!(" since {}", iso(since))),
                    iso(due)
                ));
            }
            state.asking.due = due.max(state.asking.after.unwrap_or(due));
        }
        state.next_due = match schedule::send_due(state, config.send_every, now) {
            _ if goes_on => soon,
            Some(_) if mute => state.asking.due,
            // While the hub holds it, a source with a history is not asked, however long it is due.
            Some(send) if blocked && turn.source.has_history() => send,
            Some(send) => send.min(state.asking.due),
            None => state.asking.due,
        }
        .max(soon);
        if !blocked && !self.limits.breaker.is_open(state.failures) {
            // A backfill comes besides: the source itself is not asked for what is new before its time.
            state.next_due =
                super::backfill::due(state, soon).map_or(state.next_due, |at| at.min(state.next_due));
        }
        state.lease = None;
        held.commit(self, Vec::new()).await
    }
}
