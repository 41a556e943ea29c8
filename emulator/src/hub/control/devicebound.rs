//! Cloud-to-device messages over the control API, for who has no AMQP: the service SDKs send them over that alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::devicebound::{Devicebound, NotSent, Received};
use super::super::reply::rfc3339;
use super::super::{Inner, Settled};
use super::bad;

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new().route("/devices/{id}/messages", post(send).get(view).delete(purge))
}

/// What a message is made from.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    body: Option<String>,
    body_base64: Option<String>,
    message_id: Option<String>,
    correlation_id: Option<String>,
    user_id: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    ack: Option<String>,
    /// Seconds that the message lives.
    ttl: Option<u32>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

async fn send(State(hub): State<Arc<Inner>>, Path(id): Path<String>, Json(asked): Json<Asked>) -> Response {
    let body = match (asked.body, asked.body_base64) {
        (Some(_), Some(_)) => return bad("body and bodyBase64 exclude each other"),
        (text, None) => text.unwrap_or_default().into_bytes(),
        (None, Some(text)) => match STANDARD.decode(text) {
            Ok(bytes) => bytes,
            Err(_) => return bad("bodyBase64 is not base64"),
        },
    };
    let now_ms = hub.options.clock.now_ms();
    let message = Devicebound {
        message_id: asked.message_id,
        correlation_id: asked.correlation_id,
        user_id: asked.user_id,
        content_type: asked.content_type,
        content_encoding: asked.content_encoding,
        ack: asked.ack,
        expires_ms: asked
            .ttl
            .map(|seconds| now_ms.saturating_add(i64::from(seconds) * 1000)),
        properties: asked.properties,
        body: body.into(),
    };
    match hub.send_to_device(&id, message) {
        Ok(sequence) => (StatusCode::CREATED, Json(json!({ "sequence": sequence }))).into_response(),
        Err(error) => {
            let status = match &error {
                NotSent::NoDevice(_) => StatusCode::NOT_FOUND,
                NotSent::Full(_) => StatusCode::FORBIDDEN,
                NotSent::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                NotSent::Expiry | NotSent::Ack(_) => StatusCode::BAD_REQUEST,
                NotSent::Denied(denied) => denied.status(),
            };
            (status, Json(json!({ "error": error.to_string() }))).into_response()
        }
    }
}

async fn view(State(hub): State<Arc<Inner>>, Path(id): Path<String>) -> Response {
    let Some(entry) = hub.registry.get(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (waiting, settled) = entry.mailbox.view(hub.options.clock.now_ms());
    let waiting: Vec<Value> = waiting.iter().map(waiting_view).collect();
    let settled: Vec<Value> = settled.iter().map(settled_view).collect();
    Json(json!({ "waiting": waiting, "settled": settled })).into_response()
}

async fn purge(State(hub): State<Arc<Inner>>, Path(id): Path<String>) -> Response {
    let Some(entry) = hub.registry.get(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    Json(json!({ "purged": entry.mailbox.purge(hub.options.clock.now_ms()) })).into_response()
}

fn waiting_view(received: &Received) -> Value {
    json!({
        "sequence": received.sequence,
        "messageId": received.message.message_id,
        "enqueued": rfc3339(received.enqueued_ms),
        "expires": received.message.expires_ms.map(rfc3339),
        "deliveries": received.deliveries,
        "locked": !received.lock.0.is_empty(),
    })
}

fn settled_view(settled: &Settled) -> Value {
    json!({
        "sequence": settled.sequence,
        "messageId": settled.message_id,
        "outcome": settled.outcome,
        "at": rfc3339(settled.at),
    })
}
