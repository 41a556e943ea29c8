//! Identities of modules. The service side has them all; none connects to this hub.

use std::sync::Arc;

use serde_json::Value;

use super::Asked;
use super::call::Target;
use super::device::known;
use super::identity::{self, module_view};
use crate::hub::Inner;
use crate::hub::refusal::Refusal;
use crate::hub::registry::{Condition, ModuleEntry};
use crate::hub::reply::Reply;

/// How many a device may have (Azure docs, module identities).
const MOST: usize = 50;

pub(super) fn list(asked: &Asked<'_>, device: &str) -> Result<Reply, Refusal> {
    let modules = known(asked.hub, device)?.modules.all();
    let views = modules.iter().map(|module| module_view(device, module));
    Ok(asked.shown(&views.collect::<Value>()))
}

pub(super) fn get(asked: &Asked<'_>, target: &Target) -> Result<Reply, Refusal> {
    let entry = find(asked.hub, target)?;
    Ok(shown(asked, target, &entry))
}

/// Creates without `If-Match`, updates with it.
pub(super) fn put(asked: &Asked<'_>, target: &Target) -> Result<Reply, Refusal> {
    let identity: identity::Asked = asked.json()?;
    let condition = asked.condition().unwrap_or(Condition::New);
    let entry = write(asked.hub, target, &identity, &condition, asked.stamp.now_ms)?;
    Ok(shown(asked, target, &entry))
}

pub(super) fn delete(asked: &Asked<'_>, target: &Target) -> Result<Reply, Refusal> {
    let condition = asked
        .condition()
        .ok_or_else(|| Refusal::argument("The header If-Match is missing: * or the ETag of the identity"))?;
    remove(asked.hub, target, &condition)?;
    Ok(asked.done())
}

/// Writes an identity, if the condition is met.
pub(super) fn write(
    hub: &Inner,
    target: &Target,
    identity: &identity::Asked,
    condition: &Condition,
    now_ms: i64,
) -> Result<Arc<ModuleEntry>, Refusal> {
    let device = known(hub, &target.device)?;
    let modules = &device.modules;
    let id = target.module.as_deref().unwrap_or_default();
    let before = modules.get(id);
    if before.is_none() && modules.all().len() >= MOST {
        return Err(Refusal::too_many_modules());
    }
    let module = identity.module(&target.device, id, before.as_deref().map(|entry| &entry.module))?;
    modules
        .write(module, condition, now_ms)
        .map_err(|why| Refusal::of_module(why, &target.device, id))
}

pub(super) fn remove(hub: &Inner, target: &Target, condition: &Condition) -> Result<(), Refusal> {
    let id = target.module.as_deref().unwrap_or_default();
    let device = known(hub, &target.device)?;
    let modules = &device.modules;
    modules
        .remove(id, condition)
        .map_err(|why| Refusal::of_module(why, &target.device, id))
}

/// The module, or 404.
pub(super) fn find(hub: &Inner, target: &Target) -> Result<Arc<ModuleEntry>, Refusal> {
    let id = target.module.as_deref().unwrap_or_default();
    let module = known(hub, &target.device)?.modules.get(id);
    module.ok_or_else(|| Refusal::no_module(&target.device, id))
}

fn shown(asked: &Asked<'_>, target: &Target, entry: &ModuleEntry) -> Reply {
    asked.tagged(&module_view(&target.device, entry), &entry.record.etag)
}
