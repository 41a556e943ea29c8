//! Several individual enrolments in one request.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Inner;
use super::admin::not_written;
use super::document::Document;
use super::refusal::Refusal;

/// Enrolments in one request at most [docs: DPS quotas and limits].
const MOST: usize = 10;

#[derive(Deserialize)]
struct Asked {
    mode: Mode,
    enrollments: Vec<Value>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mode {
    Create,
    Update,
    UpdateIfMatchEtag,
    Delete,
}

/// Does each, whatever became of the others.
pub(super) fn bulk(dps: &Inner, body: &[u8], now_ms: i64) -> Result<Value, Refusal> {
    let Asked { mode, enrollments } = serde_json::from_slice(body)
        .map_err(|error| Refusal::argument(&format!("The body is no bulk operation: {error}")))?;
    if enrollments.len() > MOST {
        return Err(Refusal::argument("A bulk operation has 10 enrolments at most"));
    }
    let mut errors = Vec::new();
    // Twice the same is refused as a whole (Microsoft's sample `run_bulk_operation.js`).
    let mut ids = HashSet::new();
    if !enrollments
        .iter()
        .all(|one| ids.insert(one["registrationId"].as_str()))
    {
        return Err(Refusal::argument("A bulk operation has each enrolment once"));
    }
    for one in &enrollments {
        let id = one["registrationId"].as_str().unwrap_or_default();
        if let Err(refusal) = single(dps, mode, id, one, now_ms) {
            errors.push(json!({
                "registrationId": id, "errorCode": refusal.code, "errorStatus": refusal.message,
            }));
        }
    }
    Ok(json!({ "isSuccessful": errors.is_empty(), "errors": errors }))
}

fn single(dps: &Inner, mode: Mode, id: &str, one: &Value, now_ms: i64) -> Result<(), Refusal> {
    let shelf = &dps.book.individuals;
    if let Mode::Delete = mode {
        return shelf.remove(id, None).map_err(|why| not_written(why, id));
    }
    let document = Document::parse(one.to_string().as_bytes())?;
    let if_match = match mode {
        Mode::Create | Mode::Delete => None,
        Mode::Update => Some("*".to_owned()),
        Mode::UpdateIfMatchEtag => Some(document.etag.clone().unwrap_or_default()),
    };
    let known = shelf.get(id).map(|kept| kept.value);
    let own = document.individual(id, known.as_ref())?;
    let written = shelf.put(id, own, if_match.as_deref(), now_ms);
    written.map(|_| ()).map_err(|why| not_written(why, id))
}
