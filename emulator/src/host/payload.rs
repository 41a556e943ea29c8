//! The bodies that the host posts for timer and queue calls, member for member as recorded from it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::dates::{never, whole_seconds, with_offset, with_z};
use super::json::{Json, quoted};
use super::queue::Message;
use super::timer::Status;

/// `Metadata.sys`: in every call.
#[derive(Debug, Clone)]
pub(super) struct Sys<'a> {
    pub(super) method: &'a str,
    pub(super) now: DateTime<Utc>,
    pub(super) guid: Uuid,
}

/// What a timer call says besides `sys`.
#[derive(Debug, Clone)]
pub(super) struct TimerCall<'a> {
    /// The binding's name, the member under `Data`.
    pub(super) binding: &'a str,
    pub(super) adjusts_for_dst: bool,
    /// `None` without a monitor.
    pub(super) status: Option<Status>,
    pub(super) past_due: bool,
    /// Text given to the admin endpoint.
    pub(super) input: Option<&'a str>,
}

pub(super) fn timer(call: &TimerCall<'_>, sys: &Sys<'_>) -> String {
    let status = call.status.map_or(Json::Null, |status| {
        Json::object([
            ("Last", Json::Text(with_offset(status.last))),
            ("Next", Json::Text(with_offset(status.next))),
            ("LastUpdated", Json::Text(with_offset(status.last_updated))),
        ])
    });
    let info = Json::object([
        (
            "Schedule",
            Json::object([("AdjustForDST", Json::Bool(call.adjusts_for_dst))]),
        ),
        ("ScheduleStatus", status),
        ("IsPastDue", Json::Bool(call.past_due)),
    ]);
    let mut metadata = Vec::new();
    if let Some(input) = call.input {
        metadata.push((call.binding.to_owned(), quoted(input)));
    }
    metadata.push(("sys".to_owned(), system(sys)));
    whole(call.binding, info, metadata)
}

/// A message taken from the queue, `text` being its content after base64.
pub(super) fn queue(binding: &str, message: &Message, text: &str, sys: &Sys<'_>) -> String {
    let metadata = vec![
        (
            "DequeueCount".to_owned(),
            Json::text(message.dequeue_count.to_string()),
        ),
        (
            "ExpirationTime".to_owned(),
            Json::Text(whole_seconds(message.expires)),
        ),
        ("Id".to_owned(), quoted(&message.id)),
        (
            "InsertionTime".to_owned(),
            Json::Text(whole_seconds(message.inserted)),
        ),
        (
            "NextVisibleTime".to_owned(),
            Json::Text(whole_seconds(message.next_visible)),
        ),
        ("PopReceipt".to_owned(), quoted(&message.pop_receipt)),
        ("sys".to_owned(), system(sys)),
    ];
    whole(binding, quoted(text), merged(metadata, text))
}

/// A queue function run through the admin endpoint: a message that was never in a queue.
pub(super) fn queue_by_hand(binding: &str, text: &str, sys: &Sys<'_>) -> String {
    const END_OF_TIME: &str = "9999-12-31T23:59:59+00:00";
    let metadata = vec![
        ("DequeueCount".to_owned(), Json::text("0")),
        ("ExpirationTime".to_owned(), Json::text(END_OF_TIME)),
        ("InsertionTime".to_owned(), Json::Text(whole_seconds(sys.now))),
        ("NextVisibleTime".to_owned(), Json::text(END_OF_TIME)),
        (binding.to_owned(), quoted(text)),
        ("sys".to_owned(), system(sys)),
    ];
    whole(binding, quoted(text), merged(metadata, text))
}

impl Status {
    /// Before the first run ever: due at `next`, never run, never written.
    pub(super) fn first(next: DateTime<Utc>) -> Self {
        Self {
            last: never(),
            next,
            last_updated: never(),
        }
    }
}

/// The members of a JSON message become metadata, over members of the same name in any case: scalars as quoted text,
/// objects as they are (dates rewritten), nulls and arrays not at all. Any other message adds nothing.
fn merged(mut metadata: Vec<(String, Json)>, text: &str) -> Vec<(String, Json)> {
    let Ok(Json::Object(members)) = Json::parse(text) else {
        return metadata;
    };
    for (name, value) in members {
        let value = match value {
            Json::Null | Json::Array(_) => continue,
            Json::Object(_) => value.with_dates_rewritten(),
            scalar => match scalar.invariant() {
                Some(text) => quoted(&text),
                None => continue,
            },
        };
        match metadata
            .iter_mut()
            .find(|(key, _)| key.eq_ignore_ascii_case(&name))
        {
            Some((_, old)) => *old = value,
            None => metadata.push((name, value)),
        }
    }
    metadata
}

fn system(sys: &Sys<'_>) -> Json {
    Json::object([
        ("MethodName", Json::text(sys.method)),
        ("UtcNow", Json::Text(with_z(sys.now))),
        ("RandGuid", Json::text(sys.guid.to_string())),
    ])
}

fn whole(binding: &str, data: Json, metadata: Vec<(String, Json)>) -> String {
    Json::object([
        ("Data", Json::object([(binding, data)])),
        ("Metadata", Json::Object(metadata)),
    ])
    .compact()
}
