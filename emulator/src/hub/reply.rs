//! Parts that all answers share: `Date`, request id, body.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");

/// An answer as it goes out.
pub(crate) type Reply = Response<Full<Bytes>>;

/// What an answer carries whatever it says.
pub(crate) struct Stamp {
    /// The service's time, milliseconds since 1970.
    pub(crate) now_ms: i64,
    /// A random id for this request, in the form of a GUID.
    pub(crate) id: String,
}

impl Stamp {
    pub(crate) fn new(now_ms: i64) -> Self {
        Self { now_ms, id: guid() }
    }

    /// The time in RFC 3339.
    pub(crate) fn time(&self) -> String {
        rfc3339(self.now_ms)
    }

    /// An answer with `Date` and `x-ms-request-id`; with a `Content-Type` if there is a body.
    pub(crate) fn reply(&self, status: StatusCode, body: Bytes) -> Reply {
        let since = Duration::from_millis(u64::try_from(self.now_ms).unwrap_or(0));
        let date = httpdate::fmt_http_date(UNIX_EPOCH + since);
        let has_body = !body.is_empty();
        let mut reply = Response::new(Full::new(body));
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        if has_body {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(CONTENT_TYPE, json);
        }
        for (name, text) in [(DATE, &date), (REQUEST_ID, &self.id)] {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
        reply
    }
}

/// Adds `Retry-After`, if there is one.
pub(crate) fn retry_after(mut reply: Reply, seconds: Option<u32>) -> Reply {
    if let Some(seconds) = seconds {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// Milliseconds since 1970 in RFC 3339, UTC.
pub(crate) fn rfc3339(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// A random id in the form of a GUID.
pub(crate) fn guid() -> String {
    let hex = format!("{:032x}", fastrand::u128(..));
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.map(|(from, to)| &hex[from..to]).join("-")
}
