//! What a hub is and how it is reached, and the DPS behind it.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::super::Inner;
use super::super::meter::{Operation, Rate};
use super::super::reply::rfc3339;

/// Where clients find the hub.
#[derive(Debug, Clone)]
pub(in crate::hub) struct Reached {
    pub(in crate::hub) https: String,
    pub(in crate::hub) mqtt: Option<String>,
    /// The certificate to trust, if it is kept in a file.
    pub(in crate::hub) ca: Option<PathBuf>,
}

pub(super) fn routes(reached: Reached) -> Router<Arc<Inner>> {
    let hub = async move |State(hub): State<Arc<Inner>>| Json(hub_view(&hub, &reached));
    Router::new().route("/hub", get(hub)).route("/dps", get(dps))
}

fn hub_view(hub: &Inner, reached: &Reached) -> Value {
    let options = &hub.options;
    let (throttles, units_per_day) = hub.meter.limits();
    json!({
        "hostName": options.host_name,
        "https": reached.https,
        "mqtt": reached.mqtt,
        "ca": reached.ca,
        "now": rfc3339(options.clock.now_ms()),
        "unitBytes": options.tier.unit_bytes(),
        "sends": throttles.rate(Operation::Send).map(|rate: Rate| rate.to_string()),
        "unitsPerDay": units_per_day,
    })
}

async fn dps(State(hub): State<Arc<Inner>>) -> Response {
    let dps = hub.guest.read().unwrap_or_else(PoisonError::into_inner).upgrade();
    match dps {
        Some(dps) => Json(dps.view()).into_response(),
        None => {
            let error = "this hub has no provisioning service";
            (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response()
        }
    }
}
