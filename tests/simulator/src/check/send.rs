//! Every send: what is stored, under its own id, after all that is older, and by a process whose lease lasts.

use meterbridge::clock::Millis;
use meterbridge::forward::{Message, pack};

use super::{Breach, body, broken, ensure};
use crate::ledger::message_id;
use crate::plan::SOURCE;
use crate::world::World;

/// Judges messages at the moment they are sent.
///
/// # Errors
/// The promise that this breaks.
pub fn judge(world: &mut World, tick: usize, messages: &[Message], now: Millis) -> Result<(), Breach> {
    if let Some(tick) = world.ticks.get(tick) {
        let own = now + tick.skew;
        ensure(own <= tick.until, "no send after the lease", || {
            format!("a send at {own} by its clock, with a lease until {}", tick.until)
        })?;
    }
    for message in messages {
        let id = &message.id;
        let frozen = world
            .ledger
            .parts
            .get(id)
            .ok_or_else(|| broken("stored before it is sent", id.clone()))?;
        ensure(
            frozen.hash == pack::fingerprint(&message.body),
            "one id, one body",
            || format!("{id} is sent with another body than was stored"),
        )?;
        let number = frozen.number;
        older_first(world, number)?;
        if let Some(letter) = world.ledger.letters.get(id) {
            ensure(
                letter.body.as_bytes() == &message.body[..]
                    && letter.properties == message.properties
                    && letter.created == message.created,
                "one id, one body",
                || format!("the dead letter {id} is sent again and differs"),
            )?;
        }
        match world.hub.messages.get(id) {
            Some(before) => ensure(
                before.body == message.body
                    && before.properties == message.properties
                    && before.created == message.created,
                "one id, one body",
                || format!("{id} is sent again and differs"),
            )?,
            None => body::judge(world, message)?,
        }
    }
    Ok(())
}

/// Nothing of a shipment is sent before every older one is taken or dead.
fn older_first(world: &mut World, number: u64) -> Result<(), Breach> {
    let older: Vec<u64> = world.ledger.open.range(..number).copied().collect();
    for older in older {
        let Some(shipment) = world.ledger.shipments.get(&older) else {
            continue;
        };
        let birth = world.ledger.state.as_ref().map_or("", |state| &state.birth);
        let missing = shipment
            .parts
            .iter()
            .map(|part| message_id(SOURCE, birth, older, &part.label))
            .find(|id| !world.hub.messages.contains_key(id) && !world.hub.refused.contains(id));
        if let Some(id) = missing {
            return Err(broken(
                "older ones first",
                format!("{number} is sent, and {id} is neither taken nor dead"),
            ));
        }
        world.ledger.open.remove(&older);
    }
    Ok(())
}
