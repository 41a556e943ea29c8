//! File uploads over the control API.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::super::reply::rfc3339;
use super::super::{Inner, Upload};

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/devices/{id}/files", get(list))
        .route("/devices/{id}/files/{*name}", get(read))
}

async fn list(State(hub): State<Arc<Inner>>, Path(id): Path<String>) -> Response {
    if hub.registry.get(&id).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let uploads = hub.uploads.of(&id);
    Json(uploads.iter().map(|upload| view(&hub, upload)).collect::<Value>()).into_response()
}

async fn read(State(hub): State<Arc<Inner>>, Path((id, name)): Path<(String, String)>) -> Response {
    let Some(blob) = hub.uploads.shelf.get(&format!("{id}/{name}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = blob.content_type.as_deref().unwrap_or("application/octet-stream");
    ([(CONTENT_TYPE, kind)], blob.content.clone()).into_response()
}

fn view(hub: &Inner, upload: &Upload) -> Value {
    let blob = hub.uploads.shelf.get(&upload.blob);
    json!({
        "correlationId": upload.correlation_id,
        "blobName": upload.blob,
        "began": rfc3339(upload.began_ms),
        "expires": rfc3339(upload.expires_ms),
        "told": upload.told,
        "bytes": blob.as_ref().map(|blob| blob.content.len()),
        "written": blob.as_ref().map(|blob| rfc3339(blob.written_ms)),
    })
}
