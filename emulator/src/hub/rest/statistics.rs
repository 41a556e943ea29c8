//! How many devices there are, and how many are connected.

use serde_json::json;

use super::Asked;
use crate::hub::reply::Reply;

pub(super) fn registry(asked: &Asked<'_>) -> Reply {
    let devices = asked.hub.registry.all();
    let enabled = devices.values().filter(|entry| entry.device.enabled).count();
    asked.shown(&json!({
        "totalDeviceCount": devices.len(),
        "enabledDeviceCount": enabled,
        "disabledDeviceCount": devices.len() - enabled,
    }))
}

pub(super) fn service(asked: &Asked<'_>) -> Reply {
    let devices = asked.hub.registry.all();
    let connected = devices.keys().filter(|id| asked.hub.presence.is_connected(id));
    asked.shown(&json!({ "connectedDeviceCount": connected.count() }))
}
