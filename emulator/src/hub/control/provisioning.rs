//! The DPS over the control API: the documents of its own REST API, without tokens.

use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, put};
use axum::{Json, Router};
use serde::Deserialize;

use super::super::Inner;
use crate::dps;
use crate::dps::admin::{self, Asked};

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/enrollments", any(ask))
        .route("/enrollments/{*rest}", any(ask))
        .route("/enrollmentGroups/{*rest}", any(ask))
        .route("/registrations", get(registrations))
        .route("/registrations/{id}", any(ask))
        .route("/registrations/{id}/query", any(ask))
        .route("/registrations/{id}/decision", put(decide))
}

/// What a person decided.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    /// `approved`, `blocked`, or null for neither.
    decision: Option<dps::Decision>,
}

async fn ask(
    State(hub): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(dps) = guest(&hub) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    let header = |name: &str| headers.get(name)?.to_str().ok();
    // Without a version in mind, whoever writes means to write.
    let any = (method == Method::PUT && admin::is_there(&dps, &path)).then_some("*");
    let asked = Asked {
        method: &method,
        path: &path,
        body: &body,
        if_match: header("if-match").or(any),
        page: None,
        after: None,
        now_ms: hub.options.clock.now_ms(),
    };
    match admin::handle(&dps, &asked) {
        Ok(answered) => match answered.body {
            Some(body) => (answered.status, Json(body)).into_response(),
            None => answered.status.into_response(),
        },
        Err(refusal) => {
            let (status, body) = refusal.told();
            (status, Json(body)).into_response()
        }
    }
}

async fn registrations(State(hub): State<Arc<Inner>>) -> Response {
    match guest(&hub) {
        Some(dps) => Json(dps.registrations()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn decide(
    State(hub): State<Arc<Inner>>,
    Path(id): Path<String>,
    Json(decided): Json<Decided>,
) -> StatusCode {
    let Some(dps) = guest(&hub) else {
        return StatusCode::NOT_FOUND;
    };
    dps.decide(&id, decided.decision);
    StatusCode::NO_CONTENT
}

fn guest(hub: &Inner) -> Option<Arc<dps::Inner>> {
    hub.guest.read().unwrap_or_else(PoisonError::into_inner).upgrade()
}
