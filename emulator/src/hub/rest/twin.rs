//! Twins of devices and modules.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Asked;
use crate::hub::identity::Identity;
use crate::hub::refusal::Refusal;
use crate::hub::registry::{Condition, Party};
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

pub(super) fn get(asked: &Asked<'_>, target: &Identity) -> Result<Reply, Refusal> {
    let party = asked.hub.find(target)?;
    let document = whole(asked.hub, &party, asked.stamp.now_ms);
    Ok(shown(asked, &document))
}

/// Merges (PATCH), or puts in place of what is there (PUT).
pub(super) fn change(asked: &Asked<'_>, target: &Identity, replaces: bool) -> Result<Reply, Refusal> {
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
    target: &Identity,
    edit: Edit,
    condition: &Condition,
    now_ms: i64,
) -> Result<Value, Refusal> {
    let party = hub.find(target)?;
    hub.edit_twin(&party, edit, condition).map_err(|why| match why {
        NotEdited::Changed => Refusal::precondition(),
        NotEdited::Bad(why) => Refusal::argument(why.to_string()),
    })?;
    Ok(whole(hub, &party, now_ms))
}

fn whole(hub: &Inner, party: &Party, now_ms: i64) -> Value {
    match &party.module {
        None => document::of_device(hub, &party.device, now_ms),
        Some(entry) => document::of_module(hub, party.device_id(), entry),
    }
}

fn shown(asked: &Asked<'_>, document: &Value) -> Reply {
    asked.tagged(document, document["etag"].as_str().unwrap_or_default())
}
