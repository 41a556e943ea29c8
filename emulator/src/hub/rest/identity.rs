//! Identities of devices and modules, in JSON.

use serde::Deserialize;
use serde_json::{Value, json};

use super::authentication;
use crate::hub::identity::{Device, Module, SCOPE};
use crate::hub::refusal::Refusal;
use crate::hub::registry::{Entry, ModuleEntry, is_device_id};
use crate::hub::{Inner, document};

/// An identity as the SDKs send it. What the hub itself says of identities comes back with them, and is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    /// Bulk operations call it `id`.
    #[serde(alias = "id")]
    pub(super) device_id: Option<String>,
    pub(super) module_id: Option<String>,
    managed_by: Option<String>,
    status: Option<String>,
    status_reason: Option<String>,
    authentication: Option<authentication::Asked>,
    capabilities: Option<Capabilities>,
    device_scope: Option<String>,
    parent_scopes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    #[serde(default)]
    iot_edge: bool,
}

impl Asked {
    /// The device `id` as it is to be, from what is known of it.
    pub(super) fn device(&self, id: &str, known: Option<&Device>) -> Result<Device, Refusal> {
        check_id("deviceId", self.device_id.as_deref(), id)?;
        let authentication = authentication::read(
            self.authentication.as_ref(),
            known.map(|known| &known.authentication),
        )?;
        let mut device = known
            .cloned()
            .unwrap_or_else(|| Device::with(id, authentication.clone()));
        device.authentication = authentication;
        match self.status.as_deref() {
            None => {}
            Some(status) if status.eq_ignore_ascii_case("enabled") => device.enabled = true,
            Some(status) if status.eq_ignore_ascii_case("disabled") => device.enabled = false,
            Some(status) => {
                return Err(Refusal::argument(format!(
                    "status {status} is neither enabled nor disabled"
                )));
            }
        }
        device.status_reason.clone_from(&self.status_reason);
        if let Some(capabilities) = &self.capabilities {
            device.edge = capabilities.iot_edge;
        }
        let scopes = self
            .device_scope
            .iter()
            .chain(self.parent_scopes.iter().flatten());
        if let Some(wrong) = scopes.into_iter().find(|scope| !scope.starts_with(SCOPE)) {
            return Err(Refusal::argument(format!("'{wrong}' is no scope: {SCOPE}…")));
        }
        device.scope.clone_from(&self.device_scope);
        device.parents = self.parent_scopes.clone().unwrap_or_default();
        Ok(device)
    }

    /// The module `id` as it is to be.
    pub(super) fn module(&self, device: &str, id: &str, known: Option<&Module>) -> Result<Module, Refusal> {
        check_id("deviceId", self.device_id.as_deref(), device)?;
        check_id("moduleId", self.module_id.as_deref(), id)?;
        let known = known.map(|known| &known.authentication);
        Ok(Module {
            id: id.to_owned(),
            managed_by: self.managed_by.clone(),
            authentication: authentication::read(self.authentication.as_ref(), known)?,
        })
    }
}

/// The id in a body is that of the path, and may be one.
fn check_id(name: &str, body: Option<&str>, path: &str) -> Result<(), Refusal> {
    if !is_device_id(path) {
        return Err(Refusal::argument(format!("'{path}' is no {name}")));
    }
    match body {
        Some(body) if body != path => Err(Refusal::argument(format!(
            "{name} in the body is {body}, in the path {path}"
        ))),
        _ => Ok(()),
    }
}

/// A device as the registry shows it.
pub(super) fn device_view(hub: &Inner, entry: &Entry, now_ms: i64) -> Value {
    let Entry {
        device,
        record,
        activity,
        ..
    } = entry;
    let mut view = json!({
        "deviceId": device.id,
        "generationId": record.generation_id,
        "etag": record.etag,
        "connectionState": document::connection_state(hub, &device.id),
        "status": document::status(device),
        "statusReason": device.status_reason,
        "connectionStateUpdatedTime": document::time(activity.connection_changed_ms()),
        "statusUpdatedTime": document::time(record.status_changed_ms),
        "lastActivityTime": document::time(activity.last_ms()),
        "cloudToDeviceMessageCount": document::waiting(entry, now_ms),
        "authentication": authentication::view(&device.authentication),
        "capabilities": { "iotEdge": device.edge },
    });
    document::add_scopes(&mut view, device);
    view
}

/// A module as the registry shows it.
pub(super) fn module_view(hub: &Inner, device: &str, entry: &ModuleEntry) -> Value {
    let ModuleEntry {
        module,
        record,
        activity,
        ..
    } = entry;
    json!({
        "moduleId": module.id,
        "managedBy": module.managed_by,
        "deviceId": device,
        "generationId": record.generation_id,
        "etag": record.etag,
        "connectionState": document::connection_state(hub, &format!("{device}/{}", module.id)),
        "connectionStateUpdatedTime": document::time(activity.connection_changed_ms()),
        "lastActivityTime": document::time(activity.last_ms()),
        // There are none for modules.
        "cloudToDeviceMessageCount": 0,
        "authentication": authentication::view(&module.authentication),
    })
}
