//! The shapes that endpoints write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::hub::message::Message;
use crate::hub::registry::Party;
use crate::hub::reply::{guid, rfc3339};

/// A message, and what the hub adds to it.
pub(super) struct Envelope<'a> {
    /// The hub's name without its domain.
    pub(super) hub: &'a str,
    pub(super) sender: &'a Party,
    pub(super) message: &'a Message,
    /// The body, where it counts as JSON.
    pub(super) body: Option<&'a Value>,
    pub(super) at_ms: i64,
}

/// How Cosmos DB, and files, call a system property. The first two of the left column were seen in a document of a real hub,
/// as was all that [`Envelope::cosmos`] adds; the others are put together in its manner.
const SYSTEM: [(&str, &str, &str); 9] = [
    ("iothub-contenttype", "iothub-content-type", "contentType"),
    (
        "iothub-contentencoding",
        "iothub-content-encoding",
        "contentEncoding",
    ),
    ("iothub-messageid", "iothub-message-id", "messageId"),
    ("iothub-correlationid", "iothub-correlation-id", "correlationId"),
    ("iothub-userid", "iothub-user-id", "userId"),
    (
        "iothub-creationtimeutc",
        "iothub-creation-time-utc",
        "creationTimeUtc",
    ),
    ("iothub-messageschema", "iothub-message-schema", "messageSchema"),
    ("dt-subject", "dt-subject", "dt-subject"),
    ("dt-dataschema", "dt-dataschema", "dt-dataschema"),
];

impl Envelope<'_> {
    /// A document for Cosmos DB. `key` is the partition key's name and value.
    pub(super) fn cosmos(&self, key: (&str, &str)) -> Value {
        let mut system = self.system(|(_, cosmos, _)| cosmos);
        for (name, value) in [
            ("iothub-connection-device-id", self.sender.device_id().to_owned()),
            ("iothub-connection-auth-method", self.auth_method()),
            ("iothub-connection-auth-generation-id", self.generation()),
            ("iothub-enqueuedtime", rfc3339(self.at_ms)),
            ("iothub-message-source", "Telemetry".to_owned()),
        ] {
            system.insert(name.to_owned(), value.into());
        }
        if let Some(module) = self.sender.module_id() {
            system.insert("iothub-connection-module-id".to_owned(), module.into());
        }
        let mut document = json!({
            "id": guid(),
            "Properties": self.message.properties,
            "SystemProperties": system,
            "iothub-name": self.hub,
            "Body": self.body(),
        });
        document[key.0] = key.1.into();
        document
    }

    /// A line for a file: the storage endpoint's JSON.
    pub(super) fn storage(&self) -> Value {
        let at = rfc3339(self.at_ms);
        let mut system = self.system(|(_, _, storage)| storage);
        for (name, value) in [
            ("connectionDeviceId", self.sender.device_id().to_owned()),
            ("connectionAuthMethod", self.auth_method()),
            ("connectionDeviceGenerationId", self.generation()),
            ("enqueuedTime", at.clone()),
        ] {
            system.insert(name.to_owned(), value.into());
        }
        if let Some(module) = self.sender.module_id() {
            system.insert("connectionModuleId".to_owned(), module.into());
        }
        json!({
            "EnqueuedTimeUtc": at,
            "Properties": self.message.properties,
            "SystemProperties": system,
            "Body": self.body(),
        })
    }

    /// A partition key from its template, such as `{deviceid}-{YYYY}-{MM}`.
    pub(super) fn partition(&self, template: &str) -> String {
        let at = rfc3339(self.at_ms);
        let day = |from: usize, to: usize| at.get(from..to).unwrap_or_default().to_owned();
        let mut text = template.to_owned();
        for (name, value) in [
            ("{YYYY}", day(0, 4)),
            ("{MM}", day(5, 7)),
            ("{DD}", day(8, 10)),
            ("{iothub}", self.hub.to_owned()),
            // The last, for an id may hold braces' names.
            ("{deviceid}", self.sender.device_id().to_owned()),
        ] {
            text = text.replace(name, &value);
        }
        text
    }

    fn system(
        &self,
        name: fn((&'static str, &'static str, &'static str)) -> &'static str,
    ) -> Map<String, Value> {
        let known = SYSTEM.iter().filter_map(|names| {
            let value = self.message.system.get(names.0)?;
            Some((name(*names).to_owned(), Value::String(value.clone())))
        });
        known.collect()
    }

    fn body(&self) -> Value {
        match self.body {
            Some(json) => json.clone(),
            None => STANDARD.encode(&self.message.body).into(),
        }
    }

    fn auth_method(&self) -> String {
        let kind = self.sender.authentication().kind();
        // A module's was seen in documents of real hubs, too.
        let scope = if self.sender.module.is_some() {
            "module"
        } else {
            "device"
        };
        format!(r#"{{"scope":"{scope}","type":"{kind}","issuer":"iothub","acceptingIpFilterRule":null}}"#)
    }

    fn generation(&self) -> String {
        self.sender.record().generation_id.clone()
    }
}
