//! One tick works a source at a time: a write is made by whoever holds the lease, and a lease is taken only when it is over.

use meterbridge::clock::Millis;
use meterbridge::store::documents::State;

use crate::check::{Breach, ensure};
use crate::world::World;

/// A lease that ends further ahead than this counts as over, says DESIGN: a broken clock wrote it.
const ABSURD: Millis = 3_600_000;

pub(super) fn judge(
    world: &mut World,
    tick: usize,
    before: Option<&State>,
    after: Option<&State>,
) -> Result<(), Breach> {
    let lease = before.and_then(|state| state.lease.as_ref());
    let Some(facts) = world.ticks.get_mut(tick) else {
        return Ok(());
    };
    if let Some(nonce) = &facts.nonce {
        ensure(
            lease.is_some_and(|lease| lease.nonce == *nonce),
            "the fence",
            || {
                format!(
                    "tick {tick} writes, though its lease {nonce} was taken or is over; there is {lease:?}"
                )
            },
        )?;
    } else if let Some(lease) = lease {
        let (least, most) = facts.clock;
        ensure(
            lease.until <= most || lease.until > least + ABSURD,
            "the lease",
            || {
                format!(
                    "tick {tick} takes a lease that lasts until {}, its clock at {most}",
                    lease.until
                )
            },
        )?;
    }
    if let Some(lease) = after.and_then(|state| state.lease.as_ref()) {
        if facts.nonce.is_none() {
            facts.nonce = Some(lease.nonce.clone());
        }
        facts.until = lease.until;
    }
    Ok(())
}
