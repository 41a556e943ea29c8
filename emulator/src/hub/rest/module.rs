//! Identities of modules.

use std::sync::Arc;

use serde_json::Value;

use super::Asked;
use super::device::known;
use super::identity::{self, module_view};
use crate::hub::Inner;
use crate::hub::identity::Identity;
use crate::hub::refusal::Refusal;
use crate::hub::registry::{Condition, ModuleEntry};
use crate::hub::reply::Reply;

pub(super) fn list(asked: &Asked<'_>, device: &str) -> Result<Reply, Refusal> {
    let modules = known(asked.hub, device)?.modules.all();
    let views = modules
        .iter()
        .map(|module| module_view(asked.hub, device, module));
    Ok(asked.shown(&views.collect::<Value>()))
}

pub(super) fn get(asked: &Asked<'_>, target: &Identity) -> Result<Reply, Refusal> {
    let id = target.module.as_deref().unwrap_or_default();
    let entry = known(asked.hub, &target.device)?.modules.get(id);
    let entry = entry.ok_or_else(|| Refusal::no_module(&target.device, id))?;
    Ok(shown(asked, target, &entry))
}

/// Creates without `If-Match`, updates with it.
pub(super) fn put(asked: &Asked<'_>, target: &Identity) -> Result<Reply, Refusal> {
    let identity: identity::Asked = asked.json()?;
    let condition = asked.condition().unwrap_or(Condition::New);
    let entry = write(asked.hub, target, &identity, &condition, asked.stamp.now_ms)?;
    Ok(shown(asked, target, &entry))
}

pub(super) fn delete(asked: &Asked<'_>, target: &Identity) -> Result<Reply, Refusal> {
    let condition = asked
        .condition()
        .ok_or_else(|| Refusal::argument("The header If-Match is missing: * or the ETag of the identity"))?;
    remove(asked.hub, target, &condition)?;
    Ok(asked.done())
}

/// Writes an identity, if the condition is met.
pub(super) fn write(
    hub: &Inner,
    target: &Identity,
    identity: &identity::Asked,
    condition: &Condition,
    now_ms: i64,
) -> Result<Arc<ModuleEntry>, Refusal> {
    let device = known(hub, &target.device)?;
    let modules = &device.modules;
    let id = target.module.as_deref().unwrap_or_default();
    let before = modules.get(id);
    if !modules.has_room_for(id) {
        return Err(Refusal::too_many_modules());
    }
    let module = identity.module(&target.device, id, before.as_deref().map(|entry| &entry.module))?;
    modules
        .write(module, condition, now_ms)
        .map_err(|why| Refusal::of_module(why, &target.device, id))
}

pub(super) fn remove(hub: &Inner, target: &Identity, condition: &Condition) -> Result<(), Refusal> {
    let id = target.module.as_deref().unwrap_or_default();
    let device = known(hub, &target.device)?;
    hub.delete_module(&device, id, condition)
        .map_err(|why| Refusal::of_module(why, &target.device, id))
}

fn shown(asked: &Asked<'_>, target: &Identity, entry: &ModuleEntry) -> Reply {
    asked.tagged(&module_view(asked.hub, &target.device, entry), &entry.record.etag)
}
