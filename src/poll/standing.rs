//! What a source waits for, in words, for `check` and the API. Pure.

use crate::clock::{Millis, iso, span};
use crate::source::Finding;
use crate::store::documents::State;

/// What the last ticks left: nothing where all is well. What heals by itself is good, what somebody must mend is not.
#[must_use]
pub fn standing(state: &State, now: Millis) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |good, text| findings.push(Finding { good, text });
    if state.failures > 0 {
        let since = state.asking.failing_since.map_or_else(String::new, |since| {
            format!(" in {}, since {}", span(now - since), iso(since))
        });
        let last = state.trouble.as_deref().unwrap_or("no reason is known");
        say(
            false,
            format!(
                "its last {} polls failed{since}; asked again at {}: {last}",
                state.failures,
                iso(state.asking.due)
            ),
        );
    }
    if let Some(after) = state.asking.after.filter(|&after| after > now) {
        say(
            true,
            format!("its backend asked to be left alone until {}", iso(after)),
        );
    }
    if let Some(parked) = &state.parked {
        let since = span(now - parked.since);
        say(
            false,
            format!("{}; for {since}, after {} probes", parked.why, parked.probes),
        );
    }
    if let Some(hold) = &state.sending.held {
        say(
            true,
            format!(
                "the hub takes nothing since {}; tried again at {}: {}",
                iso(hold.since),
                iso(hold.until),
                hold.why
            ),
        );
    }
    if !state.pending.is_empty() {
        say(
            true,
            format!("{} shipments wait for the hub", state.pending.len()),
        );
    }
    findings
}
