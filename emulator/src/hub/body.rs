//! Reading a request's body, bounded.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// How much of a body that is too large is still read (and thrown away): a client that is busy writing
/// sees an answer only when it has finished.
const DRAIN: usize = 4 << 20;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Larger than allowed.
    TooLarge,
    /// Broken off, or broken chunks.
    Broken,
}

/// Reads `body` up to `limit` bytes, without a copy if it came in one piece.
pub(crate) async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Unreadable> {
    let expected = body
        .size_hint()
        .exact()
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0);
    if expected > limit + DRAIN {
        return Err(Unreadable::TooLarge);
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else {
            continue;
        };
        length += data.len();
        if length > limit + DRAIN {
            break;
        } else if length > limit {
            (first, all) = (Bytes::new(), BytesMut::new());
        } else if length == data.len() {
            first = data;
        } else {
            if all.is_empty() {
                all.reserve(expected.clamp(length, limit));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    match length {
        _ if length > limit => Err(Unreadable::TooLarge),
        _ if all.is_empty() => Ok(first),
        _ => Ok(all.freeze()),
    }
}
