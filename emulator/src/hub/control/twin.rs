//! Twins and direct methods, of devices and modules, over the control API.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Inner;
use super::super::identity::Identity;
use super::super::method::{MethodCall, NoAnswer};
use super::super::registry::{Condition, Party};
use super::super::twin::{Edit, NotEdited};
use super::bad;

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/devices/{id}/twin", get(view).patch(change))
        .route("/devices/{id}/methods", post(call))
        .route("/devices/{id}/modules/{module}/twin", get(view).patch(change))
        .route("/devices/{id}/modules/{module}/methods", post(call))
}

/// What a path names.
#[derive(Deserialize)]
struct Named {
    id: String,
    module: Option<String>,
}

impl Named {
    fn identity(self) -> Identity {
        Identity {
            device: self.id,
            module: self.module,
        }
    }

    fn find(self, hub: &Inner) -> Option<Party> {
        hub.find(&self.identity()).ok()
    }
}

async fn view(State(hub): State<Arc<Inner>>, Path(named): Path<Named>) -> Response {
    match named.find(&hub) {
        Some(party) => Json(party.twin().lock().whole()).into_response(),
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
    Path(named): Path<Named>,
    Json(change): Json<Change>,
) -> Response {
    let Some(party) = named.find(&hub) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let edit = Edit::merge(change.desired, change.tags);
    match hub.edit_twin(&party, edit, &Condition::None) {
        Ok(()) => Json(party.twin().lock().whole()).into_response(),
        Err(NotEdited::Bad(error)) => bad(&error.to_string()),
        Err(NotEdited::Changed) => StatusCode::PRECONDITION_FAILED.into_response(),
    }
}

async fn call(
    State(hub): State<Arc<Inner>>,
    Path(named): Path<Named>,
    Json(call): Json<MethodCall>,
) -> Response {
    let identity = named.identity();
    let answer = match hub.find(&identity) {
        Ok(party) => hub.call(&party, call.method()).await,
        Err(_) => Err(NoAnswer::NoDevice(identity.to_string())),
    };
    let refusal = match answer {
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
