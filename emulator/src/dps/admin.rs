//! The service side: enrolments and registrations over REST, as the provisioning service SDKs ask for them.
//!
//! | | |
//! |---|---|
//! | `GET`, `PUT`, `DELETE /enrollments/{id}` | an individual enrolment; `If-Match` to replace one |
//! | `POST /enrollments/{id}/attestationmechanism` | its keys |
//! | `POST /enrollments/query` | all of them, in pages |
//! | `POST /enrollments` | several at once: `{"mode":"create","enrollments":[…]}` |
//! | `…/enrollmentGroups…` | the same for groups, but for the last |
//! | `GET`, `DELETE /registrations/{id}` | a registration |
//! | `POST /registrations/{group}/query` | those that came through a group |

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::Inner;
use super::book::{Kept, NotWritten, Shelf};
use super::bulk::bulk;
use super::central::{Decision, model};
use super::document::{self, Document};
use super::refusal::Refusal;
use super::registration::Registered;
use crate::hub::token::{Token, decode};

/// A request of the service side.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// The path's segments, as they came.
    pub(crate) path: &'a [&'a str],
    pub(crate) body: &'a [u8],
    pub(crate) if_match: Option<&'a str>,
    /// `x-ms-max-item-count`.
    pub(crate) page: Option<usize>,
    /// `x-ms-continuation`.
    pub(crate) after: Option<&'a str>,
    pub(crate) now_ms: i64,
}

/// What is answered.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
    /// Where a list goes on.
    pub(crate) continuation: Option<String>,
}

/// Whether a path is one of the service side.
pub(crate) fn is_asked_for(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    ["enrollments", "enrollmentgroups", "registrations"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word))
}

/// Lets a request of the service side in, or says why not. `writes`: it changes something.
pub(super) fn admit(
    dps: &Inner,
    authorization: Option<&str>,
    writes: bool,
    now_ms: i64,
) -> Result<(), Refusal> {
    let token = authorization
        .and_then(Token::parse)
        .ok_or_else(Refusal::unauthorized)?;
    let name = dps.options.service_name.as_deref();
    let name = name.unwrap_or(&dps.hub.options.host_name);
    let policies = &dps.options.policies;
    let policy = policies.iter().find(|policy| {
        token.policy.as_deref() == Some(policy.name.as_str())
            && (token.is_signed_by(&policy.primary) || token.is_signed_by(&policy.secondary))
    });
    let may = policy.is_some_and(|policy| policy.writes || !writes);
    if may && token.covers(&[name]) && !token.is_expired(now_ms) {
        Ok(())
    } else {
        Err(Refusal::unauthorized())
    }
}

/// Whether a request changes something: queries and the asking for keys do not.
pub(super) fn writes(asked: &Asked<'_>) -> bool {
    let last = asked.path.last().copied().unwrap_or_default();
    let reads = ["query", "attestationmechanism"]
        .iter()
        .any(|word| last.eq_ignore_ascii_case(word));
    *asked.method != Method::GET && !(*asked.method == Method::POST && reads)
}

/// Answers a request that was let in.
pub(crate) fn handle(dps: &Inner, asked: &Asked<'_>) -> Result<Answered, Refusal> {
    // The Node SDK ends one of its paths with a slash.
    let words = asked.path.iter().filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(|word| word.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Ids keep their case.
    let id = asked.path.get(1).and_then(|id| decode(id)).unwrap_or_default();
    match (asked.method, words.as_slice()) {
        (&Method::POST, ["enrollments"]) => Ok(Answered::ok(bulk(dps, asked.body, asked.now_ms)?)),
        (&Method::POST, ["enrollments", "query"]) => {
            list(asked, &dps.book.individuals.all(), document::individual)
        }
        (&Method::POST, ["enrollmentgroups", "query"]) => {
            list(asked, &dps.book.groups.all(), document::group)
        }
        (&Method::POST, ["registrations", _, "query"]) => {
            let mut all = dps.registrations.all();
            all.retain(|known| known.group.as_deref() == Some(&id));
            list(asked, &all, Registered::state)
        }
        (&Method::POST, ["enrollments", _, "attestationmechanism"]) => {
            let kept = found(&dps.book.individuals, &id)?;
            Ok(Answered::ok(document::attestation(
                &kept.value.attestation,
                false,
            )))
        }
        (&Method::POST, ["enrollmentgroups", _, "attestationmechanism"]) => {
            let kept = found(&dps.book.groups, &id)?;
            Ok(Answered::ok(document::attestation(&kept.value.attestation, true)))
        }
        (&Method::GET, ["enrollments", _]) => {
            let kept = found(&dps.book.individuals, &id)?;
            let mut view = document::individual(&kept);
            if let Some(known) = dps.registrations.get(&id) {
                view["registrationState"] = known.state();
            }
            Ok(Answered::ok(view))
        }
        (&Method::GET, ["enrollmentgroups", _]) => {
            Ok(Answered::ok(document::group(&found(&dps.book.groups, &id)?)))
        }
        (&Method::PUT, ["enrollments", _]) => put_individual(dps, &id, asked),
        (&Method::PUT, ["enrollmentgroups", _]) => put_group(dps, &id, asked),
        (&Method::DELETE, ["enrollments", _]) => remove(&dps.book.individuals, &id, asked),
        (&Method::DELETE, ["enrollmentgroups", _]) => remove(&dps.book.groups, &id, asked),
        (&Method::GET, ["registrations", _]) => {
            let known = dps.registrations.get(&id);
            Ok(Answered::ok(
                known.ok_or_else(|| Refusal::not_found("Registration"))?.state(),
            ))
        }
        (&Method::DELETE, ["registrations", _]) => match dps.registrations.remove(&id) {
            true => Ok(Answered::done()),
            false => Err(Refusal::not_found("Registration")),
        },
        _ => Err(Refusal::not_found("Resource")),
    }
}

fn put_individual(dps: &Inner, id: &str, asked: &Asked<'_>) -> Result<Answered, Refusal> {
    let shelf = &dps.book.individuals;
    let document = Document::parse(asked.body)?;
    let known = shelf.get(id).map(|kept| kept.value);
    let own = document.individual(id, known.as_ref())?;
    let kept = shelf.put(id, own, asked.if_match, asked.now_ms);
    let kept = kept.map_err(|why| not_written(why, id))?;
    let mut view = document::individual(&kept);
    view["attestation"] = document::attestation(&kept.value.attestation, false);
    Ok(Answered::ok(view))
}

fn put_group(dps: &Inner, id: &str, asked: &Asked<'_>) -> Result<Answered, Refusal> {
    let shelf = &dps.book.groups;
    let document = Document::parse(asked.body)?;
    let known = shelf.get(id).map(|kept| kept.value);
    let group = document.group(id, known.as_ref())?;
    let kept = shelf.put(id, group, asked.if_match, asked.now_ms);
    let kept = kept.map_err(|why| not_written(why, id))?;
    let mut view = document::group(&kept);
    view["attestation"] = document::attestation(&kept.value.attestation, true);
    Ok(Answered::ok(view))
}

fn remove<T: Clone>(shelf: &Shelf<T>, id: &str, asked: &Asked<'_>) -> Result<Answered, Refusal> {
    let removed = shelf.remove(id, asked.if_match);
    removed.map_err(|why| not_written(why, id))?;
    Ok(Answered::done())
}

fn found<T: Clone>(shelf: &Shelf<T>, id: &str) -> Result<Kept<T>, Refusal> {
    shelf.get(id).ok_or_else(|| Refusal::no_enrolment(id))
}

/// Whether there is an enrolment at `path`.
pub(crate) fn is_there(dps: &Inner, path: &[&str]) -> bool {
    let [kind, id] = path else {
        return false;
    };
    let id = decode(id).unwrap_or_default();
    if kind.eq_ignore_ascii_case("enrollments") {
        dps.book.individuals.get(&id).is_some()
    } else {
        dps.book.groups.get(&id).is_some()
    }
}

/// One page. The only queries that are read are those that the SDKs' samples send.
fn list<T>(asked: &Asked<'_>, all: &[T], view: impl Fn(&T) -> Value) -> Result<Answered, Refusal> {
    let query: Value =
        serde_json::from_slice(asked.body).map_err(|_| Refusal::argument("The body is no query"))?;
    let text = query["query"].as_str().unwrap_or_default();
    let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    if !matches!(
        words.iter().map(String::as_str).collect::<Vec<_>>()[..],
        ["*"] | ["select", "*"] | ["select", "*", "from", _]
    ) {
        return Err(Refusal::argument(
            "The query is invalid; this service reads * and SELECT * [FROM …] alone",
        ));
    }
    let from: usize = match asked.after {
        None => 0,
        Some(after) => after
            .parse()
            .map_err(|_| Refusal::argument("The continuation is invalid"))?,
    };
    let to = from.saturating_add(asked.page.unwrap_or(100)).min(all.len());
    let part = all.get(from..to).unwrap_or_default();
    Ok(Answered {
        status: StatusCode::OK,
        body: Some(part.iter().map(view).collect()),
        continuation: (to < all.len()).then(|| to.to_string()),
    })
}

pub(super) fn not_written(why: NotWritten, id: &str) -> Refusal {
    match why {
        NotWritten::Exists => Refusal::exists(id),
        NotWritten::Changed => Refusal::changed(),
        NotWritten::Missing => Refusal::no_enrolment(id),
    }
}

impl Answered {
    fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body),
            continuation: None,
        }
    }

    fn done() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            continuation: None,
        }
    }
}

/// For the control API.
impl Inner {
    /// All registrations, with what the devices sent along and the model that they named.
    pub(crate) fn registrations(&self) -> Value {
        let view = |known: &Registered| {
            let mut view = known.state();
            view["sent"] = json!(known.payload);
            view["modelId"] = json!(known.payload.as_ref().and_then(model));
            view["requests"] = known.requests.into();
            view["enrollmentGroupId"] = json!(known.group);
            view["decision"] = json!(self.registrations.decision(&known.registration_id));
            view
        };
        self.registrations.all().iter().map(view).collect()
    }

    /// Notes what a person decided on a device.
    pub(crate) fn decide(&self, id: &str, decision: Option<Decision>) {
        self.registrations.decide(id, decision);
    }
}

impl Refusal {
    /// For the control API: status and words.
    pub(crate) fn told(&self) -> (StatusCode, Value) {
        (
            self.status,
            json!({ "error": self.message, "errorCode": self.code }),
        )
    }
}
