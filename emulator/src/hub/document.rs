//! Twins as the service side sees them: what a GET answers and what queries go through.
//!
//! Shape: `Twin` in azure-rest-api-specs (IoT Hub data plane, 2021-04-12).

use serde_json::{Value, json};

use super::Inner;
use super::identity::{Authentication, Device, Thumbprint};
use super::registry::{Entry, ModuleEntry};
use super::reply::rfc3339;

/// What the hub writes for a time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The twin of a device.
pub(super) fn of_device(hub: &Inner, entry: &Entry, now_ms: i64) -> Value {
    let Entry {
        device,
        record,
        activity,
        ..
    } = entry;
    let twin = entry.twin.lock();
    let mut document = json!({
        "deviceId": device.id,
        "etag": twin.etag(),
        "deviceEtag": record.etag,
        "status": status(device),
        "statusUpdateTime": time(record.status_changed_ms),
        "connectionState": connection_state(hub, &device.id),
        "lastActivityTime": time(activity.last_ms()),
        "cloudToDeviceMessageCount": waiting(entry, now_ms),
        "authenticationType": device.authentication.kind(),
        "x509Thumbprint": thumbprints(&device.authentication),
        "modelId": twin.model_id,
        "version": twin.version,
        "tags": twin.tags,
        "properties": twin.with_metadata(),
        "capabilities": { "iotEdge": device.edge },
    });
    if let Some(reason) = &device.status_reason {
        document["statusReason"] = reason.clone().into();
    }
    add_scopes(&mut document, device);
    document
}

/// The twin of a module.
pub(super) fn of_module(hub: &Inner, device: &str, entry: &ModuleEntry) -> Value {
    let client = format!("{device}/{}", entry.module.id);
    let twin = entry.twin.lock();
    json!({
        "deviceId": device,
        "moduleId": entry.module.id,
        "etag": twin.etag(),
        "deviceEtag": entry.record.etag,
        "status": "enabled",
        "statusUpdateTime": NEVER,
        "connectionState": connection_state(hub, &client),
        "lastActivityTime": time(entry.activity.last_ms()),
        "cloudToDeviceMessageCount": 0,
        "authenticationType": entry.module.authentication.kind(),
        "x509Thumbprint": thumbprints(&entry.module.authentication),
        "modelId": twin.model_id,
        "version": twin.version,
        "tags": twin.tags,
        "properties": twin.with_metadata(),
    })
}

/// Thumbprints of certificates, as twins and identities show them.
pub(super) fn thumbprints(authentication: &Authentication) -> Value {
    let (primary, secondary) = authentication.thumbprints().unwrap_or_default();
    json!({
        "primaryThumbprint": primary.map(Thumbprint::text),
        "secondaryThumbprint": secondary.map(Thumbprint::text),
    })
}

pub(super) fn status(device: &Device) -> &'static str {
    if device.enabled { "enabled" } else { "disabled" }
}

/// `client` is a device's id, or `{device}/{module}`.
pub(super) fn connection_state(hub: &Inner, client: &str) -> &'static str {
    if hub.presence.is_connected(client) {
        "Connected"
    } else {
        "Disconnected"
    }
}

/// How many cloud-to-device messages wait.
pub(super) fn waiting(entry: &Entry, now_ms: i64) -> usize {
    entry.mailbox.view(now_ms).0.len()
}

pub(super) fn time(ms: Option<i64>) -> String {
    ms.map_or_else(|| NEVER.to_owned(), rfc3339)
}

/// Where in a hierarchy of Edge devices a device is, if it is in one.
pub(super) fn add_scopes(view: &mut Value, device: &Device) {
    if let Some(scope) = &device.scope {
        view["deviceScope"] = scope.clone().into();
    }
    if !device.parents.is_empty() {
        view["parentScopes"] = device.parents.clone().into();
    }
}
