//! One message: its properties and size, and how it is read from a request's headers.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::HeaderMap;

use super::refusal::Refusal;

/// The prefix of application properties.
const APP: &str = "iothub-app-";

/// System properties a device may set, under their header names in lower case
/// (`CustomHeaderConstants.cs` in Azure/azure-iot-sdk-csharp).
const SYSTEM: [&str; 12] = [
    "iothub-messageid",
    "iothub-correlationid",
    "iothub-userid",
    "iothub-to",
    "iothub-contenttype",
    "iothub-contentencoding",
    "iothub-creationtimeutc",
    "iothub-expiry",
    "iothub-ack",
    "iothub-messageschema",
    "iothub-interface-id",
    "dt-subject",
];

/// A message as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) system: BTreeMap<String, String>,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) body: Bytes,
}

impl Message {
    /// Reads the message of a plain (not batched) request.
    pub(super) fn from_request(headers: &HeaderMap, body: Bytes, strict: bool) -> Result<Self, Refusal> {
        let mut message = Self {
            body,
            ..Self::default()
        };
        for (name, value) in headers {
            let name = name.as_str();
            // Everything else belongs to HTTP.
            if name.starts_with("iothub-") || name == "dt-subject" {
                let value = value.to_str().map_err(|_| {
                    Refusal::argument(format!("Header {name} holds characters outside ASCII"))
                })?;
                message.set(name, value.to_owned(), strict)?;
            }
        }
        Ok(message)
    }

    /// Sets a property by its header name. Names that mean nothing to the hub are ignored.
    pub(super) fn set(&mut self, name: &str, value: String, strict: bool) -> Result<(), Refusal> {
        if name
            .get(..APP.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(APP))
        {
            let name = &name[APP.len()..];
            if name.is_empty() || strict && !(is_token(name) && is_token(&value)) {
                return Err(Refusal::argument(format!(
                    "Application property '{name}': over HTTPS, names and values hold ASCII letters, \
                     digits and !#$%&'*+-.^_`|~ only"
                )));
            }
            self.properties.insert(name.to_owned(), value);
        } else if let Some(known) = SYSTEM.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            let fits = match *known {
                "iothub-messageid" | "iothub-correlationid" | "iothub-userid" => is_id(&value),
                "iothub-creationtimeutc" => is_instant(&value),
                _ => true,
            };
            if !fits {
                return Err(Refusal::argument(format!("'{value}' does not fit {known}")));
            }
            self.system.insert((*known).to_owned(), value);
        }
        Ok(())
    }

    /// What counts against the largest message and is metered: body, values of system properties, names
    /// and values of application properties (Azure docs, create and read messages).
    pub(super) fn size(&self) -> usize {
        let properties: usize = self.properties.iter().map(|(k, v)| k.len() + v.len()).sum();
        let system: usize = self.system.values().map(String::len).sum();
        self.body.len() + properties + system
    }
}

/// The characters that the documentation allows in application properties over HTTPS.
fn is_token(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Ids of messages: up to 128 characters of the documented set.
fn is_id(text: &str) -> bool {
    text.len() <= 128
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@;$'".contains(&b))
}

/// A UTC instant as `iothub-creationtimeutc` wants it: ISO 8601 ending in `Z`, without an offset.
fn is_instant(text: &str) -> bool {
    text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}
