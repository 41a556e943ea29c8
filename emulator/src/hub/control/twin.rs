//! Twins and direct methods over the control API.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Inner;
use super::super::method::{MethodCall, NoAnswer};
use super::bad;

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/devices/{id}/twin", get(view).patch(change))
        .route("/devices/{id}/methods", post(call))
}

async fn view(State(hub): State<Arc<Inner>>, Path(id): Path<String>) -> Response {
    match hub.registry.get(&id) {
        Some(entry) => Json(entry.twin.lock().whole()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    desired: Option<Value>,
    tags: Option<Value>,
}

async fn change(
    State(hub): State<Arc<Inner>>,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Response {
    if hub.registry.get(&id).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    match hub.change_twin(&id, change.desired.as_ref(), change.tags.as_ref()) {
        Ok(twin) => Json(twin).into_response(),
        Err(error) => bad(&error.to_string()),
    }
}

async fn call(
    State(hub): State<Arc<Inner>>,
    Path(id): Path<String>,
    Json(call): Json<MethodCall>,
) -> Response {
    let refusal = match hub.invoke(&id, call.method()).await {
        Ok(answered) => return Json(json!(answered)).into_response(),
        Err(refusal) => refusal,
    };
    let (status, code) = match &refusal {
        NoAnswer::NoDevice(_) => (StatusCode::NOT_FOUND, 404_001),
        NoAnswer::NotOnline(_) => (StatusCode::NOT_FOUND, 404_103),
        NoAnswer::TimedOut(_) => (StatusCode::GATEWAY_TIMEOUT, 504_101),
        NoAnswer::Invalid(_) => (StatusCode::BAD_REQUEST, 400_004),
        NoAnswer::Denied(denied) => (denied.status(), denied.number),
    };
    (
        status,
        Json(json!({ "errorCode": code, "error": refusal.to_string() })),
    )
        .into_response()
}
