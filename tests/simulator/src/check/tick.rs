//! Every tick: what it read is stored unless somebody stopped it, and without a fault it moves something.

use std::collections::BTreeMap;

use meterbridge::clock::Millis;
use meterbridge::poll::{Outcome, Report};
use meterbridge::store::documents::{Pass, State};

use super::{Breach, ensure};
use crate::ledger::RowFact;
use crate::world::World;

/// What moves when something is done. An attempt's number alone is no progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Stand {
    /// Rows recorded, messages taken, dead letters.
    counts: [usize; 3],
    pending: Vec<u64>,
    waiting: usize,
    confirmed: usize,
    mark: Option<Millis>,
    checkpoint: Option<Millis>,
    pass: Option<Pass>,
}

/// Where the source stands.
#[must_use]
pub fn stand(world: &World) -> Stand {
    let ledger = &world.ledger;
    let rows = ledger.attempts.values().map(Vec::len).sum();
    let state = ledger.state.as_ref();
    Stand {
        counts: [rows, world.hub.messages.len(), ledger.letters.len()],
        pending: state.map_or(Vec::new(), |state| state.pending.clone()),
        waiting: state.map_or(0, |state| state.unshipped.len()),
        confirmed: state.map_or(0, |state| state.confirmed),
        mark: state.and_then(|state| state.mark),
        checkpoint: state.and_then(|state| state.checkpoint),
        pass: state.and_then(|state| state.pass),
    }
}

/// Whether there is something to do: to send, to freeze, or to find at the source.
#[must_use]
pub fn has_work(world: &World, now: Millis) -> bool {
    let Some(state) = &world.ledger.state else {
        let shown = world
            .plan
            .rows
            .iter()
            .any(|row| row.at(now).is_some() && world.plan.config.start.is_none());
        return !world.plan.history || shown || !unknown(world, now).is_empty();
    };
    let left_alone = state.asking.after.is_some_and(|after| after > now);
    if on_hold(state).is_some_and(|until| until > now) {
        // A reader is read all the same.
        return !world.plan.history && !left_alone;
    }
    !state.pending.is_empty() || (!left_alone && (!world.plan.history || !unknown(world, now).is_empty()))
}

/// Until when nothing is sent: the source is parked, or the hub asked for it.
#[must_use]
pub fn on_hold(state: &State) -> Option<Millis> {
    let parked = state.parked.as_ref().and_then(|parked| parked.until);
    let held = state
        .sending
        .held
        .as_ref()
        .filter(|held| held.asked)
        .map(|held| held.until);
    parked.max(held)
}

/// Rows that the source shows, that the bridge has promised to find, and that are not recorded.
#[must_use]
pub fn unknown(world: &World, now: Millis) -> Vec<RowFact> {
    let plan = &world.plan;
    let mut unknown = Vec::new();
    let begin = match (world.ledger.begin, plan.config.start) {
        (Some(begin), _) => begin,
        (None, Some(start)) => start - 1,
        (None, None) => return unknown,
    };
    // A clock that is ahead makes passes that end ahead, and the mark goes as far: the overlap is so much shorter.
    let margin = plan.skew;
    for row in plan.rows.iter().filter(|row| row.stamp > begin) {
        let Some(version) = row.at(now) else { continue };
        let in_time = version.from <= row.stamp + plan.least_overlap - margin;
        // Said loudly: below the floor of a digest that was full nothing late is found.
        let shortened = world.ledger.shortened.is_some_and(|floor| row.stamp <= floor);
        if in_time && !shortened && world.ledger.last.get(&row.stamp) != Some(&version.values) {
            unknown.push(RowFact {
                stamp: row.stamp,
                values: version.values,
            });
        }
    }
    unknown
}

/// A tick that came to its end has stored whatever the source told it, but for what lies below the floor and what it will ask
/// for again.
///
/// # Errors
/// What is missing.
pub fn judge(world: &World, tick: usize, report: &Report) -> Result<(), Breach> {
    if matches!(
        report.outcome,
        Outcome::Lost | Outcome::Store | Outcome::Busy | Outcome::NotDue
    ) {
        return Ok(());
    }
    const CHECK: &str = "what was read is stored";
    let (Some(facts), Some(state)) = (world.ticks.get(tick), &world.ledger.state) else {
        return Ok(());
    };
    if !world.plan.history {
        let told = facts
            .answers
            .iter()
            .flat_map(|told| &told.rows)
            .filter_map(|row| row.values[0]);
        let lost: Vec<i64> = told
            .filter(|value| !world.ledger.readings.contains(value))
            .collect();
        return ensure(lost.is_empty(), CHECK, || {
            format!("tick {tick} read {lost:?} and ended {:?}", report.outcome)
        });
    }
    let mut read: BTreeMap<Millis, &RowFact> = BTreeMap::new();
    for row in facts.answers.iter().flat_map(|told| &told.rows) {
        read.insert(row.stamp, row);
    }
    if facts.shortened {
        let told = report.remarks.iter().any(|remark| remark.contains("shortened"));
        ensure(told, "a shortened overlap is told", || {
            format!("tick {tick}: {}", report.remarks.join("; "))
        })?;
    }
    if world.ledger.writer != tick {
        // It ended long ago, others have gone on, and only its answer came late.
        return Ok(());
    }
    let floor = world.ledger.floor();
    for (stamp, row) in read {
        let below = floor.is_some_and(|floor| stamp <= floor);
        let again = state.pass.is_some_and(|pass| stamp >= pass.at)
            || state.past.backfill.is_some_and(|open| stamp >= open.at);
        ensure(
            below || again || world.ledger.last.get(&stamp) == Some(&row.values),
            CHECK,
            || {
                format!(
                    "tick {tick} read {row:?} and ended {:?}; stored is {:?}",
                    report.outcome,
                    world.ledger.last.get(&stamp)
                )
            },
        )?;
    }
    Ok(())
}

/// A tick that nothing befell has moved something, if there was something to do.
///
/// # Errors
/// When all stands as before.
pub fn moved(world: &World, before: &Stand, worked: bool, report: &Report) -> Result<(), Breach> {
    const CHECK: &str = "a calm tick with work moves something";
    ensure(
        !matches!(report.outcome, Outcome::Store | Outcome::Lost),
        CHECK,
        || {
            format!(
                "nothing befell it, and it came to {:?}: {}",
                report.outcome,
                report.remarks.join("; ")
            )
        },
    )?;
    let busy = matches!(report.outcome, Outcome::Busy | Outcome::NotDue);
    ensure(busy || !worked || stand(world) != *before, CHECK, || {
        format!("{:?}: {}; {before:?}", report.outcome, report.remarks.join("; "))
    })
}
