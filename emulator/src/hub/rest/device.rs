//! Identities of devices.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Asked;
use super::identity::{self, device_view};
use crate::hub::Inner;
use crate::hub::refusal::Refusal;
use crate::hub::registry::{Condition, Entry};
use crate::hub::reply::Reply;

/// How many devices a list shows at most (REST reference, "Devices - Get Devices").
const MOST: usize = 1000;

pub(super) fn list(asked: &Asked<'_>) -> Reply {
    let top = asked.parameter("top").and_then(|top| top.parse().ok());
    // Whatever is out of range counts as the most.
    let top = top.filter(|top| (1..=MOST).contains(top)).unwrap_or(MOST);
    let devices = asked.hub.registry.all();
    let views = devices
        .values()
        .take(top)
        .map(|entry| device_view(asked.hub, entry, asked.stamp.now_ms));
    asked.shown(&views.collect::<Value>())
}

pub(super) fn get(asked: &Asked<'_>, id: &str) -> Result<Reply, Refusal> {
    let entry = known(asked.hub, id)?;
    Ok(shown(asked, &entry))
}

/// Creates without `If-Match`, updates with it.
pub(super) fn put(asked: &Asked<'_>, id: &str) -> Result<Reply, Refusal> {
    let identity: identity::Asked = asked.json()?;
    let condition = asked.condition().unwrap_or(Condition::New);
    let entry = write(asked.hub, id, &identity, &condition)?;
    Ok(shown(asked, &entry))
}

pub(super) fn delete(asked: &Asked<'_>, id: &str) -> Result<Reply, Refusal> {
    let condition = asked
        .condition()
        .ok_or_else(|| Refusal::argument("The header If-Match is missing: * or the ETag of the identity"))?;
    remove(asked.hub, id, &condition)?;
    Ok(asked.done())
}

/// Throws away what waits for the device.
pub(super) fn purge(asked: &Asked<'_>, id: &str) -> Result<Reply, Refusal> {
    let entry = known(asked.hub, id)?;
    let purged = entry.mailbox.purge(asked.stamp.now_ms);
    Ok(asked.shown(&json!({
        "totalMessagesPurged": purged,
        "deviceId": id,
        "moduleId": null,
    })))
}

/// Writes an identity, if the condition is met.
pub(super) fn write(
    hub: &Inner,
    id: &str,
    identity: &identity::Asked,
    condition: &Condition,
) -> Result<Arc<Entry>, Refusal> {
    let known = hub.registry.get(id);
    let device = identity.device(id, known.as_deref().map(|entry| &entry.device))?;
    hub.write_device(device, condition)
        .map_err(|why| Refusal::of_device(why, id))
}

pub(super) fn remove(hub: &Inner, id: &str, condition: &Condition) -> Result<(), Refusal> {
    hub.delete_device(id, condition)
        .map_err(|why| Refusal::of_device(why, id))
}

/// The device, or 404.
pub(super) fn known(hub: &Inner, id: &str) -> Result<Arc<Entry>, Refusal> {
    hub.registry.get(id).ok_or_else(|| Refusal::no_device(id))
}

fn shown(asked: &Asked<'_>, entry: &Entry) -> Reply {
    let view = device_view(asked.hub, entry, asked.stamp.now_ms);
    asked.tagged(&view, &entry.record.etag)
}
