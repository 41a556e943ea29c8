//! Certificate authorities over the control API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::super::Inner;
use super::bad;
use crate::tls::Certificate;

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new().route("/certificates", get(list).post(add))
}

async fn list(State(hub): State<Arc<Inner>>) -> Json<Value> {
    Json(hub.authorities.all().iter().map(Certificate::info).collect())
}

async fn add(State(hub): State<Arc<Inner>>, pem: String) -> Response {
    match Certificate::parse(&pem) {
        Ok(authority) => {
            let info = authority.info();
            hub.authorities.add(authority);
            (StatusCode::CREATED, Json(info)).into_response()
        }
        Err(error) => bad(&error.to_string()),
    }
}
