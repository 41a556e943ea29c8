//! How messages are taken, whatever they came over: sizes, quota, routes, feed. Their turn was taken before.

use std::sync::atomic::Ordering;

use super::Inner;
use super::message::Message;
use super::meter::Charge;
use super::refusal::Refusal;
use super::registry::Party;

/// Meters the messages of one operation and sends them on their routes, the feed's among them: all of them, or none.
pub(super) fn take(
    hub: &Inner,
    sender: &Party,
    now_ms: i64,
    messages: impl IntoIterator<Item = Message>,
) -> Result<(), Refusal> {
    let options = &hub.options;
    let mut metered = Vec::new();
    for message in messages {
        let size = message.size();
        if size > options.limits.message_bytes {
            return Err(Refusal::too_large(options.limits.message_bytes));
        }
        let cursed = options.cursed.as_deref();
        if is_cursed(&message, cursed) && !hub.blessed.load(Ordering::Relaxed) {
            return Err(Refusal::argument("The message cannot be taken"));
        }
        metered.push((message, hub.meter.units_of(size)));
    }
    let units = metered.iter().map(|(_, units)| units).sum();
    hub.take_units(units, now_ms)?;
    let bytes: usize = metered.iter().map(|(message, _)| message.body.len()).sum();
    sender.device.counters.add(metered.len() as u64, bytes as u64);
    sender.device.counters.charge(Charge::Telemetry, units);
    sender.activity().seen(now_ms);
    if let Some(routing) = &hub.routing {
        metered.retain(|(message, _)| routing.send(sender, message, now_ms));
    }
    hub.feed.take(sender, now_ms, metered);
    Ok(())
}

fn is_cursed(message: &Message, text: Option<&str>) -> bool {
    text.is_some_and(|text| {
        message
            .body
            .windows(text.len().max(1))
            .any(|window| window == text.as_bytes())
    })
}
