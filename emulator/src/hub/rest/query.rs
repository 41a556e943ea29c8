//! Queries, page by page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Asked;
use crate::hub::document;
use crate::hub::query::{self, Collection, Query, Select};
use crate::hub::refusal::Refusal;
use crate::hub::reply::Reply;

const MAX_ITEM_COUNT: &str = "x-ms-max-item-count";
pub(super) const CONTINUATION: &str = "x-ms-continuation";
const ITEM_TYPE: HeaderName = HeaderName::from_static("x-ms-item-type");

/// Rows of a page, unless asked for fewer or more.
const USUAL: usize = 100;

/// Rows of a page at most; the service may give other pages than were asked for.
const MOST: usize = 1000;

#[derive(Deserialize)]
struct Body {
    query: String,
}

/// Where the next page begins. Of one query alone: with another it is refused.
#[derive(Debug, Serialize, Deserialize)]
struct Continuation {
    query: String,
    /// The last row of the page before.
    after: String,
    /// How many rows were given so far, for `TOP`.
    given: usize,
}

pub(super) fn answer(asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let body: Body = asked.json()?;
    let query =
        query::parse(&body.query).map_err(|why| Refusal::argument(why.to_string().replace(';', ",")))?;
    let size = page_size(asked)?;
    let from = asked
        .header(CONTINUATION)
        .filter(|token| !token.is_empty())
        .map(|token| Continuation::read(token, &body.query))
        .transpose()?;
    let given = from.as_ref().map_or(0, |from| from.given);
    let left = query.top.map_or(usize::MAX, |top| top.saturating_sub(given));
    let mut rows = rows(asked, &query, from.as_ref().map(|from| from.after.as_str()));
    let size = size.min(left);
    let more = rows.len() > size && left > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|(key, _)| Continuation {
        query: digest(&body.query),
        after: key.clone(),
        given: given + rows.len(),
    });
    let rows: Value = rows.into_iter().map(|(_, row)| row).collect();
    let mut reply = asked.shown(&rows);
    let kind = match (&query.select, query.from) {
        (Select::Columns(_), _) => "Raw",
        (Select::All, Collection::Jobs) => "DeviceJob",
        (Select::All, _) => "Twin",
    };
    reply
        .headers_mut()
        .insert(ITEM_TYPE, HeaderValue::from_static(kind));
    if let Some(token) = next.and_then(|next| HeaderValue::from_str(&next.text()).ok()) {
        reply
            .headers_mut()
            .insert(HeaderName::from_static(CONTINUATION), token);
    }
    Ok(reply)
}

/// How many rows a page holds.
pub(super) fn page_size(asked: &Asked<'_>) -> Result<usize, Refusal> {
    let Some(text) = asked.header(MAX_ITEM_COUNT) else {
        return Ok(USUAL);
    };
    let size: Option<usize> = text.trim().parse().ok().filter(|size| *size > 0);
    let size =
        size.ok_or_else(|| Refusal::argument(format!("{MAX_ITEM_COUNT}: '{text}' is no number of rows")))?;
    Ok(size.min(MOST))
}

/// The rows behind `after`, each with the key that a page goes on from.
fn rows(asked: &Asked<'_>, query: &Query, after: Option<&str>) -> Vec<(String, Value)> {
    let documents = documents(asked, query.from);
    let taken = documents
        .into_iter()
        .filter(|(_, document)| query.takes(document));
    let is_next = |key: &String| after.is_none_or(|after| key.as_str() > after);
    if query.is_grouped() {
        let taken: Vec<Value> = taken.map(|(_, document)| document).collect();
        let rows = query.groups(taken.iter()).into_iter().enumerate();
        let rows = rows.map(|(at, row)| (format!("{at:012}"), row));
        return rows.filter(|(key, _)| is_next(key)).collect();
    }
    taken
        .filter(|(key, _)| is_next(key))
        .map(|(key, document)| (key, query.row(document)))
        .collect()
}

/// What a query goes through, in the order of its keys.
fn documents(asked: &Asked<'_>, from: Collection) -> Vec<(String, Value)> {
    let devices = asked.hub.registry.all();
    match from {
        Collection::Devices => devices
            .into_iter()
            .map(|(id, entry)| (id, document::of_device(asked.hub, &entry, asked.stamp.now_ms)))
            .collect(),
        Collection::Jobs => {
            let jobs = asked.hub.jobs.all();
            let mut documents: Vec<_> = jobs.iter().flat_map(|job| job.tasks()).collect();
            documents.sort_by(|(left, _), (right, _)| left.cmp(right));
            documents
        }
        Collection::Modules => {
            let mut documents: Vec<(String, Value)> = devices
                .iter()
                .flat_map(|(id, entry)| {
                    let modules = entry.modules.all().into_iter();
                    modules.map(move |module| {
                        (
                            format!("{id}/{}", module.module.id),
                            document::of_module(asked.hub, id, &module),
                        )
                    })
                })
                .collect();
            documents.sort_by(|(left, _), (right, _)| left.cmp(right));
            documents
        }
    }
}

impl Continuation {
    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::json!(self).to_string())
    }

    fn read(token: &str, query: &str) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let read: Option<Self> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        read.filter(|read| read.query == digest(query))
            .ok_or_else(|| Refusal::argument(format!("{CONTINUATION} is no token of this query")))
    }
}

/// Tells queries apart.
fn digest(query: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(query)[..12])
}
