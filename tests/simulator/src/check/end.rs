//! When the faults are over: everything has arrived, once, and consumers see the truth in whatever order it came.

use std::collections::BTreeMap;

use meterbridge::clock::Millis;

use super::{Breach, body, ensure, tick};
use crate::ledger::message_id;
use crate::plan::SOURCE;
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
