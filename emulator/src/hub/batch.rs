//! A batch: several messages of one device in one JSON array.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::message::Message;
use super::refusal::Refusal;

/// The `Content-Type` that makes a request a batch.
const MEDIA_TYPE: &str = "application/vnd.microsoft.iothub.json";

/// An element as the SDKs write it: C# leaves `base64Encoded` out, Java writes true, C sends text with
/// false; Node leaves `properties` out when there are none.
#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(rename = "base64Encoded", default = "yes")]
    base64_encoded: bool,
    #[serde(borrow, default)]
    properties: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// Whether a `Content-Type` names a batch.
pub(super) fn is_batch(content_type: Option<&str>) -> bool {
    let media_type = content_type
        .and_then(|text| text.split(';').next())
        .unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// Reads a batch, all or nothing.
pub(super) fn parse(body: &[u8], strict: bool) -> Result<Vec<Message>, Refusal> {
    let elements: Vec<Element<'_>> = serde_json::from_slice(body)
        .map_err(|error| Refusal::format(format!("The batch is no JSON array of messages: {error}")))?;
    if elements.is_empty() {
        return Err(Refusal::argument("The batch is empty"));
    }
    elements
        .into_iter()
        .enumerate()
        .map(|(at, element)| message(at, element, strict))
        .collect()
}

fn message(at: usize, element: Element<'_>, strict: bool) -> Result<Message, Refusal> {
    let body = if element.base64_encoded {
        STANDARD
            .decode(element.body.as_bytes())
            .map_err(|_| Refusal::argument(format!("Message {at}: the body is not base64")))?
            .into()
    } else {
        Bytes::from(element.body.into_owned())
    };
    let mut message = Message {
        body,
        ..Message::default()
    };
    for (name, value) in element.properties {
        message.set(&name, value.into_owned(), strict)?;
    }
    Ok(message)
}

fn yes() -> bool {
    true
}
