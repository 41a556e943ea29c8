//! `GET /api/info`: what runs here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::App;
use crate::clock::iso;

/// What runs here.
#[derive(Debug, Serialize)]
pub(super) struct Info {
    name: &'static str,
    version: &'static str,
    started: String,
    now: String,
    /// The oldest Functions host that proxies HTTP to a custom handler as this one expects.
    needs_host: &'static str,
}

pub(super) async fn show(State(app): State<Arc<App>>) -> Json<Info> {
    Json(Info {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        started: iso(app.started),
        now: iso(app.clock().now()),
        needs_host: "4.1041 (enableProxyingHttpRequest)",
    })
}
