//! Many identities in one call: `POST /devices`.

#![allow(
    clippy::disallowed_types,
    reason = "what serde makes of a flattened member takes numbers of every width"
)]

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, device, identity, module, twin};
use crate::hub::Inner;
use crate::hub::identity::Identity;
use crate::hub::refusal::Refusal;
use crate::hub::registry::Condition;
use crate::hub::reply::Reply;
use crate::hub::twin::Edit;

/// How many one call may hold (REST reference, "Bulk Registry - Update Registry").
const MOST: usize = 100;

/// One identity, and what is to become of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(flatten)]
    identity: identity::Asked,
    import_mode: Option<String>,
    #[serde(alias = "eTag")]
    etag: Option<String>,
    #[serde(alias = "twinETag")]
    twin_etag: Option<String>,
    tags: Option<Value>,
    properties: Option<twin::Properties>,
}

/// Does one after the other; what fails keeps nothing else from being done, and makes the answer a 400.
pub(super) fn answer(asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let items: Vec<Item> = asked.json()?;
    if items.len() > MOST {
        return Err(Refusal::too_many_devices());
    }
    let mut errors = Vec::new();
    for item in &items {
        if let Err(refusal) = item.apply(asked.hub, asked.stamp.now_ms) {
            errors.push(json!({
                "deviceId": item.identity.device_id,
                "moduleId": item.identity.module_id,
                "errorCode": refusal.name,
                "errorStatus": refusal.text,
            }));
        }
    }
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    };
    let result = json!({ "isSuccessful": errors.is_empty(), "errors": errors, "warnings": [] });
    Ok(asked.stamp.reply(status, result.to_string().into()))
}

impl Item {
    fn apply(&self, hub: &Inner, now_ms: i64) -> Result<(), Refusal> {
        let device = self.identity.device_id.clone();
        let target = Identity {
            device: device.ok_or_else(|| Refusal::argument("an identity has no id"))?,
            module: self.identity.module_id.clone(),
        };
        let tag = |etag: &Option<String>| {
            let condition = Condition::of(etag.as_deref());
            condition.ok_or_else(|| Refusal::argument("importMode names an ETag, and there is none"))
        };
        let mode = self.import_mode.as_deref().unwrap_or("createOrUpdate");
        match mode.to_ascii_lowercase().as_str() {
            "create" => {
                self.write(hub, &target, &Condition::New, now_ms)?;
                self.edit_twin(hub, &target, &Condition::None, now_ms)
            }
            "createorupdate" => {
                self.write(hub, &target, &Condition::None, now_ms)?;
                self.edit_twin(hub, &target, &Condition::None, now_ms)
            }
            "update" => self.write(hub, &target, &Condition::Exists, now_ms),
            "updateifmatchetag" => self.write(hub, &target, &tag(&self.etag)?, now_ms),
            "delete" => remove(hub, &target, &Condition::Exists),
            "deleteifmatchetag" => remove(hub, &target, &tag(&self.etag)?),
            "updatetwin" => self.edit_twin(hub, &target, &Condition::None, now_ms),
            "updatetwinifmatchetag" => self.edit_twin(hub, &target, &tag(&self.twin_etag)?, now_ms),
            _ => Err(Refusal::argument(format!("{mode} is no importMode"))),
        }
    }

    fn write(
        &self,
        hub: &Inner,
        target: &Identity,
        condition: &Condition,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        match &target.module {
            None => device::write(hub, &target.device, &self.identity, condition).map(drop),
            Some(_) => module::write(hub, target, &self.identity, condition, now_ms).map(drop),
        }
    }

    fn edit_twin(
        &self,
        hub: &Inner,
        target: &Identity,
        condition: &Condition,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        let desired = self.properties.as_ref().and_then(|all| all.desired.clone());
        let edit = Edit::merge(desired, self.tags.clone());
        if edit.is_empty() {
            return Ok(());
        }
        twin::edit(hub, target, edit, condition, now_ms).map(drop)
    }
}

fn remove(hub: &Inner, target: &Identity, condition: &Condition) -> Result<(), Refusal> {
    match &target.module {
        None => device::remove(hub, &target.device, condition),
        Some(_) => module::remove(hub, target, condition),
    }
}
