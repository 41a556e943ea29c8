//! What is frozen and confirmed: rows go into one shipment, parts are only cut finer, and nothing is confirmed, counted as
//! delivered or left to age before the hub has it or a dead letter does.

use std::collections::BTreeSet;

use meterbridge::store::documents::{Shipment, State};

use super::Written;
use crate::check::{Breach, broken, ensure};
use crate::ledger::{Frozen, message_id};
use crate::plan::SOURCE;
use crate::world::World;

/// Attempts move from waiting into one shipment, whole; a shipment's parts cover its rows and are never cut again but finer.
pub(super) fn frozen(
    world: &mut World,
    written: &Written<'_>,
    before: Option<&State>,
    after: &State,
) -> Result<(), Breach> {
    let mut waiting: BTreeSet<u64> = before
        .iter()
        .flat_map(|state| &state.unshipped)
        .map(|u| u.number)
        .collect();
    let fresh = before.map_or(0, |state| state.next);
    let with_rows = written
        .attempts
        .iter()
        .filter(|attempt| attempt.rows > 0 && attempt.number >= fresh);
    waiting.extend(with_rows.map(|attempt| attempt.number));
    for shipment in &written.shipments {
        let known = world.ledger.shipments.get(&shipment.number);
        match known {
            None => {
                ensure(
                    after.pending.contains(&shipment.number),
                    "frozen rows are pending",
                    || format!("shipment {} is stored, and not pending", shipment.number),
                )?;
                for number in &shipment.attempts {
                    ensure(waiting.remove(number), "rows go into one shipment", || {
                        format!(
                            "attempt {number} did not wait and is in shipment {}",
                            shipment.number
                        )
                    })?;
                }
            }
            Some(known) => ensure(
                known.attempts == shipment.attempts
                    && (known.at, &known.format) == (shipment.at, &shipment.format),
                "what is frozen stays",
                || {
                    format!(
                        "shipment {} has other rows or another form than before",
                        shipment.number
                    )
                },
            )?,
        }
        let changed = known.is_none_or(|known| known.parts != shipment.parts);
        if changed {
            cut(world, shipment, &after.birth)?;
            world.ledger.open.insert(shipment.number);
        }
        world
            .ledger
            .shipments
            .insert(shipment.number, (*shipment).clone());
    }
    let still: BTreeSet<u64> = after.unshipped.iter().map(|u| u.number).collect();
    ensure(
        waiting.is_subset(&still),
        "recorded rows wait or are frozen",
        || format!("attempts {waiting:?} were waiting, and now {still:?} wait"),
    )?;
    let sorted = after.pending.is_sorted() && after.unshipped.is_sorted_by_key(|u| u.number);
    ensure(sorted, "oldest first", || "what waits is not in order".into())
}

/// The parts cover the rows, and a label that was stored means the same for ever.
fn cut(world: &mut World, shipment: &Shipment, birth: &str) -> Result<(), Breach> {
    let rows = world.ledger.rows_of(shipment).len();
    let mut from = 0;
    for part in &shipment.parts {
        let tiles = part.from == from && part.to > part.from;
        ensure(tiles, "parts cover the rows", || {
            format!("shipment {}: {part:?} after row {from}", shipment.number)
        })?;
        from = part.to;
        let id = message_id(SOURCE, birth, shipment.number, &part.label);
        if let Some(known) = world.ledger.parts.get(&id) {
            ensure(known.hash == part.hash, "what is frozen stays", || {
                format!("{id} is to have another body")
            })?;
        } else {
            let frozen = Frozen {
                hash: part.hash.clone(),
                number: shipment.number,
                rows: part.from..part.to,
            };
            world.ledger.parts.insert(id, frozen);
        }
    }
    ensure(from == rows, "parts cover the rows", || {
        format!("shipment {} has {rows} rows, its parts {from}", shipment.number)
    })
}

/// What leaves the pending shipments, or counts as confirmed, was taken by the hub or is a dead letter; so is all that the
/// checkpoint passes.
pub(super) fn confirmed(
    world: &mut World,
    written: &Written<'_>,
    before: Option<&State>,
    after: &State,
) -> Result<(), Breach> {
    for letter in &written.letters {
        let id = &letter.message_id;
        ensure(
            world.hub.refused.contains(id),
            "dead letters were refused",
            || format!("{id} is a dead letter"),
        )?;
        ensure(
            world.ledger.parts.contains_key(id),
            "dead letters were refused",
            || format!("{id} was never frozen"),
        )?;
        world.ledger.letters.insert(id.clone(), (*letter).clone());
    }
    let Some(before) = before else { return Ok(()) };
    let ended = |world: &World, shipment: &Shipment, count: usize| {
        let parts = shipment.parts.iter().take(count);
        parts
            .map(|part| message_id(SOURCE, &after.birth, shipment.number, &part.label))
            .find(|id| !world.hub.messages.contains_key(id) && !world.ledger.letters.contains_key(id))
    };
    let stored = |world: &World, number: u64| {
        world.ledger.shipments.get(&number).cloned().ok_or_else(|| {
            broken(
                "frozen rows are pending",
                format!("shipment {number} is pending, and not stored"),
            )
        })
    };
    for &number in before
        .pending
        .iter()
        .filter(|number| !after.pending.contains(number))
    {
        let shipment = stored(world, number)?;
        if let Some(id) = ended(world, &shipment, usize::MAX) {
            return Err(broken(
                "confirmed means taken or a dead letter",
                format!("{id} is confirmed, and neither"),
            ));
        }
    }
    if let Some(&number) = after.pending.first() {
        let shipment = stored(world, number)?;
        if let Some(id) = ended(world, &shipment, after.confirmed) {
            return Err(broken(
                "confirmed means taken or a dead letter",
                format!("{id} counts as confirmed, and is neither"),
            ));
        }
    }
    if after.checkpoint > before.checkpoint {
        let checkpoint = after.checkpoint.unwrap_or_default();
        ensure(after.checkpoint <= after.mark, "checkpoint ≤ delivered", || {
            format!("checkpoint {checkpoint}, mark {:?}", after.mark)
        })?;
        let left = before
            .pending
            .iter()
            .chain(written.shipments.iter().map(|s| &s.number));
        let delivered = left.filter(|number| !after.pending.contains(number));
        let last = delivered
            .filter_map(|number| world.ledger.shipments.get(number))
            .flat_map(|shipment| world.ledger.rows_of(shipment))
            .map(|row| row.stamp)
            .max();
        ensure(
            last.is_some_and(|last| checkpoint <= last),
            "checkpoint ≤ delivered",
            || format!("checkpoint {checkpoint}, and the newest row that this write confirms is {last:?}"),
        )?;
    }
    Ok(())
}

/// No lifetime on rows that are not delivered.
pub(super) fn kept(world: &World, written: &Written<'_>, after: &State) -> Result<(), Breach> {
    let waits = |number: u64| {
        let frozen = |number: &u64| {
            world
                .ledger
                .shipments
                .get(number)
                .map(|shipment| &shipment.attempts)
        };
        after.unshipped.iter().any(|u| u.number == number)
            || after
                .pending
                .iter()
                .filter_map(frozen)
                .any(|attempts| attempts.contains(&number))
    };
    const CHECK: &str = "no lifetime before delivery";
    for attempt in written.attempts.iter().filter(|attempt| attempt.ttl.is_some()) {
        ensure(!waits(attempt.number), CHECK, || {
            format!("attempt {} waits and may vanish", attempt.number)
        })?;
    }
    for rows in written.rows.iter().filter(|rows| rows.ttl.is_some()) {
        let number = rows.id.split('.').nth(2).and_then(|number| number.parse().ok());
        ensure(number.is_some_and(|number| !waits(number)), CHECK, || {
            format!("{} waits and may vanish", rows.id)
        })?;
    }
    for shipment in written.shipments.iter().filter(|shipment| shipment.ttl.is_some()) {
        ensure(!after.pending.contains(&shipment.number), CHECK, || {
            format!("shipment {} is pending and may vanish", shipment.number)
        })?;
    }
    for letter in &written.letters {
        let taken = world.hub.messages.contains_key(&letter.message_id);
        ensure(
            letter.replayed_at.is_none() || taken,
            "a letter is marked after its 204",
            || format!("{} is marked as sent again, and the hub never took it", letter.id),
        )?;
        ensure(
            letter.ttl.is_none() || letter.replayed_at.is_some(),
            CHECK,
            || format!("the dead letter {} may vanish", letter.id),
        )?;
    }
    Ok(())
}
