//! Twins of devices and modules.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::call::Target;
use super::{Asked, device, module};
use crate::hub::refusal::Refusal;
use crate::hub::registry::Condition;
use crate::hub::reply::Reply;
use crate::hub::twin::{Edit, NotEdited};
use crate::hub::{Inner, document};

/// What may be changed of a twin. SDKs send whole twins back; the rest is passed over.
#[derive(Deserialize)]
pub(super) struct Change {
    tags: Option<Value>,
    properties: Option<Properties>,
}

/// Reported properties are the device's own.
#[derive(Deserialize)]
pub(super) struct Properties {
    /// `null` is told from nothing: it takes all of them away.
    #[serde(default, deserialize_with = "sent")]
    pub(super) desired: Option<Value>,
}

fn sent<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

pub(super) fn get(asked: &Asked<'_>, target: &Target) -> Result<Reply, Refusal> {
    let document = whole(asked.hub, target, asked.stamp.now_ms)?;
    Ok(shown(asked, &document))
}

/// Merges (PATCH), or puts in place of what is there (PUT).
pub(super) fn change(asked: &Asked<'_>, target: &Target, replaces: bool) -> Result<Reply, Refusal> {
    let change: Change = asked.json()?;
    let edit = if replaces {
        change.replaced()
    } else {
        change.merged()
    };
    let condition = asked.condition().unwrap_or(Condition::None);
    let document = self::edit(asked.hub, target, edit, &condition, asked.stamp.now_ms)?;
    Ok(shown(asked, &document))
}

impl Change {
    pub(super) fn merged(self) -> Edit {
        Edit::merge(self.properties.and_then(|all| all.desired), self.tags)
    }

    fn replaced(self) -> Edit {
        Edit::replace(self.properties.and_then(|all| all.desired), self.tags)
    }
}

/// Changes a twin, if the condition is met; returns all of it.
pub(super) fn edit(
    hub: &Inner,
    target: &Target,
    edit: Edit,
    condition: &Condition,
    now_ms: i64,
) -> Result<Value, Refusal> {
    let edited = match &target.module {
        None => {
            let entry = device::known(hub, &target.device)?;
            hub.edit_twin(&entry, edit, condition)
        }
        Some(_) => module::find(hub, target)?
            .twin
            .lock()
            .edit(edit, condition, now_ms)
            .map(drop),
    };
    edited.map_err(|why| match why {
        NotEdited::Changed => Refusal::precondition(),
        NotEdited::Bad(why) => Refusal::argument(why.to_string()),
    })?;
    whole(hub, target, now_ms)
}

fn whole(hub: &Inner, target: &Target, now_ms: i64) -> Result<Value, Refusal> {
    if target.module.is_some() {
        let entry = module::find(hub, target)?;
        return Ok(document::of_module(&target.device, &entry));
    }
    let entry = device::known(hub, &target.device)?;
    Ok(document::of_device(hub, &entry, now_ms))
}

fn shown(asked: &Asked<'_>, document: &Value) -> Reply {
    asked.tagged(document, document["etag"].as_str().unwrap_or_default())
}
