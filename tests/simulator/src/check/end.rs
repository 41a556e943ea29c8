//! When the faults are over: everything has arrived, once, and consumers see the truth in whatever order it came.

use std::collections::BTreeMap;

use meterbridge::clock::Millis;
use meterbridge::store::documents::State;

use super::{Breach, body, ensure, tick};
use crate::ledger::message_id;
use crate::plan::{SOURCE, START};
use crate::world::World;

/// Judges a world in which nothing more is to be done.
///
/// # Errors
/// The promise that is broken.
pub fn judge(world: &World, now: Millis) -> Result<(), Breach> {
    if world.plan.history {
        let lost = tick::unknown(world, now);
        ensure(lost.is_empty(), "nothing is lost", || {
            format!("the source shows {lost:?}, and it was never recorded")
        })?;
    }
    let Some(state) = &world.ledger.state else {
        return Ok(());
    };
    filled(world, state, now)?;
    gone_back(world, state)?;
    replayed(world)?;
    // What was recorded last for each instant and channel, of all that the hub took.
    let mut expected: BTreeMap<(Millis, String), i64> = BTreeMap::new();
    let mut shipped = 0;
    for (number, shipment) in &world.ledger.shipments {
        let rows = world.ledger.rows_of(shipment);
        shipped += rows.len();
        for part in &shipment.parts {
            let id = message_id(SOURCE, &state.birth, *number, &part.label);
            let taken = world.hub.messages.contains_key(&id);
            ensure(
                taken || world.ledger.letters.contains_key(&id),
                "nothing is lost",
                || format!("{id} is neither at the hub nor a dead letter"),
            )?;
            if taken {
                for row in rows.get(part.from..part.to).unwrap_or_default() {
                    expected.extend(
                        row.values
                            .iter()
                            .map(|(name, value)| ((row.stamp, name.clone()), *value)),
                    );
                }
            }
        }
        once(world, *number)?;
    }
    // What a reader collects may still wait.
    let waits = |number: &u64| state.unshipped.iter().any(|waiting| waiting.number == *number);
    let recorded = world.ledger.attempts.iter().filter(|(number, _)| !waits(number));
    let recorded: usize = recorded.map(|(_, rows)| rows.len()).sum();
    ensure(recorded == shipped, "nothing is lost", || {
        format!("{recorded} rows were recorded and {shipped} shipped")
    })?;
    let seen = body::newest(world.hub.messages.values());
    ensure(seen == expected, "the newest is right", || {
        let wrong: Vec<_> = expected
            .iter()
            .filter(|(key, value)| seen.get(*key) != Some(*value))
            .collect();
        format!("by highest sequence, part and place a consumer does not find {wrong:?}")
    })
}

/// What the source shows inside a gap was asked for and recorded: no open gap has it still. Where a question goes over days, the
/// calm has asked for them all.
fn filled(world: &World, state: &State, now: Millis) -> Result<(), Breach> {
    const CHECK: &str = "gaps are asked for";
    if !world.plan.asks_for_gaps() {
        return Ok(());
    }
    for gap in state.gaps.iter().flat_map(|gaps| &gaps.open) {
        let inside = world
            .plan
            .rows
            .iter()
            .filter(|row| gap.from < row.stamp && row.stamp < gap.until);
        for (stamp, version) in inside.filter_map(|row| Some((row.stamp, row.at(now)?))) {
            let last = world.ledger.last.get(&stamp);
            let missing = ["ch0", "ch1"].iter().enumerate().any(|(i, name)| {
                let wanted = gap.channels.is_empty() || gap.channels.iter().any(|other| other == name);
                wanted && version.values[i].is_some() && last.is_none_or(|last| last[i].is_none())
            });
            ensure(!missing, CHECK, || {
                format!("{gap:?} is open, and the source shows {stamp} {version:?}; recorded is {last:?}")
            })?;
        }
    }
    Ok(())
}

/// What was there from the beginning, in a range that was filled, is recorded.
fn gone_back(world: &World, state: &State) -> Result<(), Breach> {
    for span in &state.past.filled {
        let rows = world.plan.rows.iter();
        let left = rows
            .filter(|row| (span.from..=span.until).contains(&row.stamp) && row.at(START).is_some())
            .find(|row| !world.ledger.last.contains_key(&row.stamp));
        ensure(left.is_none(), "a backfill leaves nothing out", || {
            format!("{span:?} is filled, and {left:?} was never recorded")
        })?;
    }
    Ok(())
}

/// Where letters are sent again, the hub has them in the end, unless they are too large for it.
fn replayed(world: &World) -> Result<(), Breach> {
    if !world.plan.replays || world.plan.hub_limit.is_some() {
        return Ok(());
    }
    let left = world
        .ledger
        .letters
        .values()
        .find(|letter| letter.replayed_at.is_none());
    ensure(left.is_none(), "letters are sent again", || {
        format!("{left:?} is left")
    })
}

/// No row was taken under two ids.
fn once(world: &World, number: u64) -> Result<(), Breach> {
    let taken = world
        .ledger
        .parts
        .iter()
        .filter(|(id, part)| part.number == number && world.hub.messages.contains_key(*id));
    let mut ranges: Vec<_> = taken
        .map(|(id, part)| (part.rows.start, part.rows.end, id))
        .collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        ensure(pair[0].1 <= pair[1].0, "nothing twice", || {
            format!("{} and {} share rows", pair[0].2, pair[1].2)
        })?;
    }
    Ok(())
}
