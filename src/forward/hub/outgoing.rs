//! Messages as one HTTP request: a single send, or the batch envelope.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request};
use wire::properties::{HEADER_PREFIX, http_safe};
use wire::{json, stamp};

use super::device::Device;
use crate::forward::{Message, pack};

/// The part of a request that is the same for every token.
pub(super) struct Outgoing {
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing {
    /// One message goes as it is, several go in the envelope.
    ///
    /// One whose properties have capitals in their names (`Customer_Id`) goes in an envelope of its own: header names lose their
    /// letter case in HTTP clients, the hub hands a property on as it came, and a repeat that travels in other company must not
    /// rename it. Only a body that the envelope would make too large for a request goes without, properties in small letters.
    pub(super) fn of(messages: &[Message]) -> Self {
        if let [message] = messages
            && (keeps_names(message) || envelope_bound(message) > REQUEST)
            && let Some(headers) = headers(message)
        {
            return Self {
                headers,
                body: message.body.clone(),
            };
        }
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/vnd.microsoft.iothub.json"),
        );
        Self {
            headers,
            body: Bytes::from(envelope(messages)),
        }
    }

    /// An empty batch: the hub checks who sends it, and there is nothing in it to deliver.
    pub(super) fn nothing() -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/vnd.microsoft.iothub.json"),
        );
        Self {
            headers,
            body: Bytes::from_static(b"[]"),
        }
    }

    /// The request with a token.
    pub(super) fn request(&self, device: &Device, token: HeaderValue, timeout: Duration) -> Request {
        let mut request = Request::new(Method::POST, device.url.clone());
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(AUTHORIZATION, token);
        headers.insert(&TO, device.to.clone());
        *request.body_mut() = Some(self.body.clone().into());
        *request.timeout_mut() = Some(timeout);
        request
    }
}

/// Bytes that one request may have, as the C and Java SDKs have it; the hub's limit is 256 KB.
const REQUEST: usize = 255 * 1024;

// System properties by their header names (C# SDK, `CustomHeaderConstants`).
static TO: HeaderName = HeaderName::from_static("iothub-to");
static MESSAGE_ID: HeaderName = HeaderName::from_static("iothub-messageid");
static MESSAGE_TYPE: HeaderName = HeaderName::from_static("iothub-contenttype");
static MESSAGE_ENCODING: HeaderName = HeaderName::from_static("iothub-contentencoding");
static CREATED: HeaderName = HeaderName::from_static("iothub-creationtimeutc");

/// The headers of a single send; `None` where a property does not fit into one.
fn headers(message: &Message) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(8 + message.properties.len());
    // What HTTP carries is bytes; what the message is made of is said in its own properties.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(&MESSAGE_ID, HeaderValue::from_str(&message.id).ok()?);
    headers.insert(&MESSAGE_TYPE, HeaderValue::from_static(pack::CONTENT_TYPE));
    headers.insert(
        &MESSAGE_ENCODING,
        HeaderValue::from_static(pack::CONTENT_ENCODING),
    );
    headers.insert(
        &CREATED,
        HeaderValue::from_bytes(stamp::text(message.created).as_bytes()).ok()?,
    );
    let mut name = String::with_capacity(48);
    for (key, value) in &message.properties {
        if !http_safe(key) || !http_safe(value) {
            return None;
        }
        name.clear();
        name.push_str(HEADER_PREFIX);
        name.push_str(key);
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(value).ok()?);
    }
    Some(headers)
}

/// Whether property names survive as header names.
fn keeps_names(message: &Message) -> bool {
    message
        .properties
        .iter()
        .all(|(name, _)| !name.bytes().any(|b| b.is_ascii_uppercase()))
}

/// What a message takes in the envelope, at most, where nothing needs escapes: what [`pack::envelope`] reckons with.
fn envelope_bound(message: &Message) -> usize {
    let properties: usize = message
        .properties
        .iter()
        .map(|(n, v)| n.len() + v.len() + 24)
        .sum();
    message.body.len().div_ceil(3) * 4 + message.id.len() + properties + 256
}

/// The batch envelope: one JSON array. System properties stand among the properties under their header names.
fn envelope(messages: &[Message]) -> String {
    let mut out = String::with_capacity(2 + messages.iter().map(envelope_bound).sum::<usize>());
    for (position, message) in messages.iter().enumerate() {
        out.push(if position == 0 { '[' } else { ',' });
        out.push_str("{\"body\":\"");
        STANDARD.encode_string(&message.body, &mut out);
        out.push_str("\",\"base64Encoded\":true,\"properties\":{\"iothub-contenttype\":\"");
        out.push_str(pack::CONTENT_TYPE);
        out.push_str("\",\"iothub-contentencoding\":\"");
        out.push_str(pack::CONTENT_ENCODING);
        out.push_str("\",\"iothub-messageid\":\"");
        out.push_str(&json::escape(&message.id));
        out.push_str("\",\"iothub-creationtimeutc\":\"");
        out.push_str(stamp::text(message.created).as_str());
        for (name, value) in &message.properties {
            out.push_str("\",\"");
            out.push_str(HEADER_PREFIX);
            out.push_str(&json::escape(name));
            out.push_str("\":\"");
            out.push_str(&json::escape(value));
        }
        out.push_str("\"}}");
    }
    out.push(']');
    out
}

#[cfg(test)]
#[path = "outgoing/tests.rs"]
mod tests;
