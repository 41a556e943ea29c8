//! What a state remembers of faults, and what is said when they are over. Pure.

use std::time::Duration;

use super::window::millis;
use crate::clock::{Millis, span};
use crate::retry::{Backoff, believable};
use crate::store::documents::{Hold, State};

/// Between ticks that try the hub in vain, where it does not say how long to wait. It grows no further than this, so that what
/// waits goes out soon after an outage.
const HELD: Backoff = Backoff::fixed(Duration::from_secs(10), Duration::from_secs(300));

/// The source was asked in vain.
pub(super) fn failed(state: &mut State, now: Millis, why: &str, asked: Option<Duration>) {
    state.failures = state.failures.saturating_add(1);
    state.asking.failing_since.get_or_insert(now);
    state.asking.after = asked.map(|asked| now.saturating_add(millis(believable(asked))));
    state.trouble = Some(why.to_owned());
}

/// The source answered. Gives the remark on how long it had not.
pub(super) fn answered(state: &mut State, now: Millis) -> Option<String> {
    let failures = std::mem::take(&mut state.failures);
    let since = state.asking.failing_since.take();
    state.asking.after = None;
    settle(state);
    (failures > 0).then(|| {
        let lasted = since.map_or_else(String::new, |since| format!(" in {}", span(now - since)));
        format!("answers again after {failures} failed polls{lasted}")
    })
}

/// The hub (or DPS) does not take anything now, in spite of all repeats; `asked` is what it asked for, `dice` lies in 0..1.
pub(super) fn held(state: &mut State, now: Millis, why: &str, asked: Option<Duration>, dice: f64) {
    let before = state.sending.held.take();
    let failures = before.as_ref().map_or(0, |hold| hold.failures).saturating_add(1);
    // A hub that names the time needs no guess on top of it, but for a little jitter.
    let step = if asked.is_some() { 1 } else { failures };
    state.sending.held = Some(Box::new(Hold {
        since: before.map_or(now, |hold| hold.since),
        until: now.saturating_add(millis(HELD.wait(step, dice, asked))),
        asked: asked.is_some(),
        failures,
        why: why.to_owned(),
    }));
    settle(state);
}

/// The hub took a message. Gives the remark on how long it had not.
pub(super) fn taken(state: &mut State, now: Millis) -> Option<String> {
    let parked = state.parked.take().map(|parked| parked.since);
    let held = state.sending.held.take().map(|hold| hold.since);
    settle(state);
    let since = match (parked, held) {
        (Some(parked), Some(held)) => parked.min(held),
        (one, other) => one.or(other)?,
    };
    Some(format!(
        "the hub takes messages again after {}",
        span(now - since)
    ))
}

/// What troubles the hub's side stands until the hub takes something; a source that answers does not end it.
pub(super) fn settle(state: &mut State) {
    if state.failures > 0 {
        return;
    }
    let parked = state.parked.as_ref().map(|parked| &parked.why);
    let held = state.sending.held.as_ref().map(|hold| &hold.why);
    state.trouble = parked.or(held).cloned();
}
