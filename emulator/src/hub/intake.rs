//! How messages are taken, whatever they came over: throttle, sizes, quota, feed.

use std::sync::atomic::Ordering;

use super::Inner;
use super::message::Message;
use super::refusal::Refusal;
use super::registry::Entry;

/// Takes one send operation's turn, or refuses it for the rate.
pub(super) fn turn(hub: &Inner, now_ms: i64) -> Result<(), Refusal> {
    if hub.meter.send(now_ms) {
        Ok(())
    } else {
        Err(Refusal::throttled())
    }
}

/// Meters the messages of one operation and puts them into the feed: all of them, or none.
pub(super) fn take(
    hub: &Inner,
    sender: &Entry,
    now_ms: i64,
    messages: impl IntoIterator<Item = Message>,
) -> Result<(), Refusal> {
    let options = &hub.options;
    let step = options.tier.unit_bytes();
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
        metered.push((message, size.div_ceil(step).max(1) as u64));
    }
    let units = metered.iter().map(|(_, units)| units).sum();
    hub.meter
        .units(units, now_ms)
        .map_err(|over| Refusal::quota(&options.host_name, over.max, over.used))?;
    sender.activity.seen(now_ms);
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
