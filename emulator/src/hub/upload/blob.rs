//! The small part of the storage's REST API that uploads need: Put Blob, Put Block, Put Block List, and reading.
//!
//! | | |
//! |---|---|
//! | `PUT /{container}/{blob}?{token}` | the whole file; `x-ms-blob-type: BlockBlob` |
//! | `PUT …?{token}&comp=block&blockid={base64}` | a block of it |
//! | `PUT …?{token}&comp=blocklist` | puts it together |
//! | `GET`, `HEAD …?{token}` | reads it, or a part of it |

use std::ops::Range;
use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use hyper::{Method, Request, StatusCode};

use super::refusal::Refusal;
use super::shelf::Blob;
use super::{CONTAINER, blocks};
use crate::hub::Inner;
use crate::hub::body::{self, Unreadable};
use crate::hub::reply::{Reply, Stamp};
use crate::hub::token::decode;

/// Largest body of one request, bytes. The storage takes more; the SDKs send 64 MiB at most unless told to.
const LARGEST: usize = 256 << 20;

/// Version of the storage's API, repeated to the client if it names none.
const VERSION: &str = "2021-12-02";

/// Whether a path is one of the storage.
pub(in crate::hub) fn is_asked_for(path: &str) -> bool {
    blob_of(path).is_some()
}

/// Answers a storage client.
pub(in crate::hub) async fn answer(hub: &Inner, request: Request<Incoming>) -> Reply {
    hub.counters.requests.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    let body = body::read(body, LARGEST).await;
    let stamp = Stamp::new(hub.options.clock.now_ms());
    let call = Call {
        hub,
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        stamp: &stamp,
    };
    let mut reply = match call.handle(&head.method, head.uri.path(), body) {
        Ok(reply) => reply,
        Err(refusal) => {
            hub.counters.refuse(refusal.code);
            refusal.reply(&stamp)
        }
    };
    for name in ["x-ms-version", "x-ms-client-request-id"] {
        let asked = head.headers.get(name).cloned();
        let version = (name == "x-ms-version").then(|| HeaderValue::from_static(VERSION));
        if let Some(value) = asked.or(version) {
            reply.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    reply
}

struct Call<'a> {
    hub: &'a Inner,
    query: &'a str,
    headers: &'a HeaderMap,
    stamp: &'a Stamp,
}

impl Call<'_> {
    fn handle(&self, method: &Method, path: &str, body: Result<Bytes, Unreadable>) -> Result<Reply, Refusal> {
        let name = blob_of(path).ok_or_else(Refusal::no_blob)?;
        let uploads = &self.hub.uploads;
        uploads.opens(self.query, &name, self.stamp.now_ms)?;
        let body = body.map_err(|why| match why {
            Unreadable::TooLarge => Refusal::too_large(),
            Unreadable::Broken => Refusal::broken(),
        })?;
        match (method, self.value("comp").as_deref()) {
            (&Method::PUT, None) => self.put(&name, body),
            (&Method::PUT, Some("block")) => self.put_block(&name, body),
            (&Method::PUT, Some("blocklist")) => self.put_list(&name, &body),
            (&Method::GET | &Method::HEAD, None) => self.get(&name),
            (&Method::PUT | &Method::GET | &Method::HEAD, Some(_)) => Err(Refusal::query()),
            _ => Err(Refusal::method()),
        }
    }

    fn put(&self, name: &str, body: Bytes) -> Result<Reply, Refusal> {
        if self.header("x-ms-blob-type") != Some("BlockBlob") {
            return Err(Refusal::header());
        }
        self.check_conditions(name)?;
        let shelf = &self.hub.uploads.shelf;
        let blob = shelf.put(name, body, self.content_type(true), self.stamp.now_ms);
        Ok(self.written(&blob))
    }

    fn put_block(&self, name: &str, body: Bytes) -> Result<Reply, Refusal> {
        let id = self.value("blockid").ok_or_else(Refusal::query)?;
        // Base64 of 64 bytes at most [docs: Put Block].
        let bytes = STANDARD.decode(&id).map_err(|_| Refusal::query())?;
        if bytes.is_empty() || bytes.len() > 64 {
            return Err(Refusal::query());
        }
        let shelf = &self.hub.uploads.shelf;
        shelf
            .put_block(name, &id, body)
            .map_err(|_| Refusal::too_large())?;
        Ok(self.stamp.reply(StatusCode::CREATED, Bytes::new()))
    }

    fn put_list(&self, name: &str, body: &[u8]) -> Result<Reply, Refusal> {
        self.check_conditions(name)?;
        let list = blocks::parse(body).ok_or_else(Refusal::list)?;
        let shelf = &self.hub.uploads.shelf;
        let blob = shelf.put_list(name, &list, self.content_type(false), self.stamp.now_ms);
        let blob = blob.ok_or_else(Refusal::list)?;
        Ok(self.written(&blob))
    }

    fn get(&self, name: &str) -> Result<Reply, Refusal> {
        let blob = self.hub.uploads.shelf.get(name).ok_or_else(Refusal::no_blob)?;
        let whole = blob.content.len();
        let part = self.header("x-ms-range").or_else(|| self.header("range"));
        let part = part.and_then(|part| range(part, whole)).transpose()?;
        let mut reply = match &part {
            None => self.stamp.reply(StatusCode::OK, blob.content.clone()),
            Some(part) => {
                let content = blob.content.slice(part.clone());
                let mut reply = self.stamp.reply(StatusCode::PARTIAL_CONTENT, content);
                let told = format!("bytes {}-{}/{whole}", part.start, part.end - 1);
                if let Ok(told) = HeaderValue::from_str(&told) {
                    reply.headers_mut().insert(CONTENT_RANGE, told);
                }
                reply
            }
        };
        let kind = blob.content_type.as_deref().unwrap_or("application/octet-stream");
        let headers = reply.headers_mut();
        if let Ok(kind) = HeaderValue::from_str(kind) {
            headers.insert(CONTENT_TYPE, kind);
        }
        headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
        describe(headers, &blob);
        Ok(reply)
    }

    /// `If-None-Match: *` is what SDKs send so as not to overwrite.
    fn check_conditions(&self, name: &str) -> Result<(), Refusal> {
        let there = self.hub.uploads.shelf.get(name);
        let wishes_none = self.headers.get(IF_NONE_MATCH).is_some_and(|tag| tag == "*");
        let wishes_one = self.headers.get(IF_MATCH).is_some_and(|tag| tag == "*");
        match there {
            Some(_) if wishes_none => Err(Refusal::exists()),
            None if wishes_one => Err(Refusal::no_blob()),
            _ => Ok(()),
        }
    }

    fn written(&self, blob: &Blob) -> Reply {
        let mut reply = self.stamp.reply(StatusCode::CREATED, Bytes::new());
        describe(reply.headers_mut(), blob);
        let encrypted = HeaderName::from_static("x-ms-request-server-encrypted");
        reply
            .headers_mut()
            .insert(encrypted, HeaderValue::from_static("true"));
        reply
    }

    /// The file's type. `Content-Type` speaks of the request, which with a list is XML.
    fn content_type(&self, body_is_file: bool) -> Option<String> {
        let own = self.header("x-ms-blob-content-type");
        let other = || self.header(CONTENT_TYPE.as_str()).filter(|_| body_is_file);
        own.or_else(other).map(str::to_owned)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn value(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| decode(value))
    }
}

fn describe(headers: &mut HeaderMap, blob: &Blob) {
    let since = std::time::Duration::from_millis(u64::try_from(blob.written_ms).unwrap_or(0));
    let time = httpdate::fmt_http_date(std::time::UNIX_EPOCH + since);
    let tag = format!("\"0x8D{:013X}\"", blob.version);
    for (name, text) in [(LAST_MODIFIED, time), (ETAG, tag)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

/// The part of `whole` bytes that `bytes=from-to` asks for; `None` for another kind of range, which is not heeded.
fn range(text: &str, whole: usize) -> Option<Result<Range<usize>, Refusal>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() {
        whole
    } else {
        to.parse::<usize>().ok()?.saturating_add(1).min(whole)
    };
    Some(if from < to {
        Ok(from..to)
    } else {
        Err(Refusal::range())
    })
}

/// The name of the blob that a path means.
fn blob_of(path: &str) -> Option<String> {
    let (container, blob) = path.strip_prefix('/')?.split_once('/')?;
    (container == CONTAINER && !blob.is_empty()).then(|| decode(blob))?
}
