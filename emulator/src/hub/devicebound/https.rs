//! Receiving and settling over HTTPS.

use bytes::Bytes;
use hyper::header::{ETAG, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use super::{Lock, Mailbox, Outcome, Received};
use crate::hub::refusal::Refusal;
use crate::hub::reply::{Reply, Stamp, rfc3339};

/// How long a received message is locked, seconds, unless the client asks for another time.
const LOCK_S: i64 = 60;

/// What a device does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Settlement {
    /// It is done.
    Complete,
    /// It is to come again.
    Abandon,
    /// It is not to come again.
    Reject,
}

/// Locks the next message and answers with it: 200, or 204 when none waits.
pub(in crate::hub) fn receive(mailbox: &Mailbox, device: &str, query: Option<&str>, stamp: &Stamp) -> Reply {
    let asked = query.unwrap_or_default().split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.eq_ignore_ascii_case("iothub-messagelocktimeout")
            .then(|| value.parse::<i64>().ok())?
    });
    // An hour is more than any client asks for.
    let lock_ms = asked.unwrap_or(LOCK_S).clamp(1, 3600) * 1000;
    match mailbox.receive(stamp.now_ms, stamp.now_ms.saturating_add(lock_ms)) {
        None => stamp.reply(StatusCode::NO_CONTENT, Bytes::new()),
        Some(received) => {
            let mut reply = stamp.reply(StatusCode::OK, received.message.body.clone());
            reply.headers_mut().remove(hyper::header::CONTENT_TYPE);
            reply.headers_mut().extend(headers(&received, device));
            reply
        }
    }
}

/// Settles a message. The lock is in the path; `If-Match` repeats it, and clients that send another one mean
/// another message.
pub(in crate::hub) fn settle(
    mailbox: &Mailbox,
    lock: &str,
    settlement: Settlement,
    now_ms: i64,
) -> Result<(), Refusal> {
    let outcome = match settlement {
        Settlement::Complete => Some(Outcome::Success),
        Settlement::Reject => Some(Outcome::Rejected),
        Settlement::Abandon => None,
    };
    if mailbox.settle(&Lock(lock.to_owned()), outcome, now_ms) {
        Ok(())
    } else {
        Err(Refusal::lock_lost())
    }
}

fn headers(received: &Received, device: &str) -> HeaderMap {
    let Received { lock, message, .. } = received;
    let mut headers = HeaderMap::new();
    let mut set = |name: &str, value: &str| {
        // Names that HTTP cannot carry were for MQTT; a value may be UTF-8.
        if let (Ok(name), Ok(value)) = (
            name.parse::<HeaderName>(),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            headers.insert(name, value);
        }
    };
    set(ETAG.as_str(), &format!("\"{}\"", lock.0));
    set("iothub-sequencenumber", &received.sequence.to_string());
    set("iothub-enqueuedtime", &rfc3339(received.enqueued_ms));
    set("iothub-deliverycount", &received.deliveries.to_string());
    set("iothub-to", &format!("/devices/{device}/messages/deviceBound"));
    if let Some(end) = message.expires_ms {
        set("iothub-expiry", &rfc3339(end));
    }
    set("iothub-ack", message.ack.as_deref().unwrap_or("none"));
    for (_, name, value) in message.system() {
        if let Some(value) = value {
            set(name, value);
        }
    }
    for (name, value) in &message.properties {
        set(&format!("iothub-app-{name}"), value);
    }
    headers
}
