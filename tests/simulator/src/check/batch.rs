//! Every write: by whoever holds the source, rows with their digest, marks that only rise, confirmations of what was taken.

mod deliver;
mod fence;
mod past;
mod record;

use meterbridge::clock::Millis;
use meterbridge::store::documents::{Document, State};
use meterbridge::store::{Batch, Write};

use super::{Breach, ensure};
use crate::world::World;

/// The documents of a batch by kind, as they will be.
pub(super) struct Written<'a> {
    pub state: Option<&'a State>,
    pub digest: Option<&'a meterbridge::store::documents::DigestDoc>,
    pub attempts: Vec<&'a meterbridge::store::documents::Attempt>,
    pub rows: Vec<&'a meterbridge::store::documents::RowsDoc>,
    pub shipments: Vec<&'a meterbridge::store::documents::Shipment>,
    pub letters: Vec<&'a meterbridge::store::documents::DeadLetter>,
}

impl<'a> Written<'a> {
    fn of(batch: &'a Batch) -> Self {
        let mut written = Self {
            state: None,
            digest: None,
            attempts: Vec::new(),
            rows: Vec::new(),
            shipments: Vec::new(),
            letters: Vec::new(),
        };
        for write in &batch.writes {
            let (Write::Create(document) | Write::Replace(document, _) | Write::Upsert(document)) = write
            else {
                continue;
            };
            match document {
                Document::State(state) => written.state = Some(state),
                Document::Digest(digest) => written.digest = Some(digest),
                Document::Attempt(attempt) => written.attempts.push(attempt),
                Document::Rows(rows) => written.rows.push(rows),
                Document::Shipment(shipment) => written.shipments.push(shipment),
                Document::DeadLetter(letter) => written.letters.push(letter),
                _ => {}
            }
        }
        written
    }
}

/// Judges a batch that the store is about to take, and learns from it.
///
/// # Errors
/// The promise that it breaks.
pub fn judge(world: &mut World, tick: usize, batch: &Batch) -> Result<(), Breach> {
    let written = Written::of(batch);
    let before = world.ledger.state.take();
    fence::judge(world, tick, before.as_ref(), written.state)?;
    let Some(after) = written.state.or(before.as_ref()) else {
        return Ok(());
    };
    rising(before.as_ref(), after)?;
    // What was recorded comes before what is frozen of it, and that before what is confirmed.
    past::judge(&written, before.as_ref(), after)?;
    record::judge(world, tick, &written, before.as_ref(), after)?;
    deliver::frozen(world, &written, before.as_ref(), after)?;
    deliver::confirmed(world, &written, before.as_ref(), after)?;
    deliver::kept(world, &written, after)?;
    world.ledger.state = Some(after.clone());
    world.ledger.writer = tick;
    Ok(())
}

/// What only rises, and what stands still.
fn rising(before: Option<&State>, after: &State) -> Result<(), Breach> {
    let Some(before) = before else { return Ok(()) };
    ensure(before.birth == after.birth, "birth", || {
        "the birth is another".into()
    })?;
    ensure(before.next <= after.next, "numbers", || {
        format!("next number {} after {}", after.next, before.next)
    })?;
    let rises = |name, before: Option<Millis>, after: Option<Millis>| {
        ensure(before <= after, "marks only rise", || {
            format!("{name} {after:?} after {before:?}")
        })
    };
    rises("mark", before.mark, after.mark)?;
    rises("checkpoint", before.checkpoint, after.checkpoint)?;
    if let (Some(before), Some(after)) = (before.pass, after.pass) {
        ensure(before.end == after.end, "the end of a pass stands still", || {
            format!("end {} after {}", after.end, before.end)
        })?;
        ensure(before.at <= after.at, "a pass goes on", || {
            format!("at {} after {}", after.at, before.at)
        })?;
    }
    past::goes_on(&before.past, &after.past)
}
