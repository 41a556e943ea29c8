//! Throttles and quota over the control API.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::Inner;
use super::super::meter::{BadRate, Operation, Shaping, Throttles};
use super::bad;

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new().route("/limits", get(show).put(change))
}

/// What a hub is limited to; what is left out is not limited.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    /// Rates by operation, named as at the command line.
    #[serde(default)]
    throttles: BTreeMap<String, String>,
    burst_seconds: Option<u32>,
    queue_seconds: Option<u32>,
    units_per_day: Option<u64>,
}

async fn show(State(hub): State<Arc<Inner>>) -> Json<Value> {
    Json(view(&hub))
}

async fn change(State(hub): State<Arc<Inner>>, Json(asked): Json<Asked>) -> Response {
    let mut throttles = Throttles::default();
    for (name, rate) in &asked.throttles {
        let Ok(operation) = Operation::from_str(name, true) else {
            return bad(&format!("{name} is no operation"));
        };
        match rate.parse() {
            Ok(rate) => throttles = throttles.with(operation, rate),
            Err(error) => return bad(&BadRate::to_string(&error)),
        }
    }
    throttles = match (asked.burst_seconds, asked.queue_seconds) {
        (None, None) => throttles,
        (burst, queue) => throttles.shaped(Shaping {
            burst_s: burst.unwrap_or(1),
            queue_s: queue.unwrap_or(0),
        }),
    };
    hub.meter.set_limits(throttles, asked.units_per_day);
    Json(view(&hub)).into_response()
}

fn view(hub: &Inner) -> Value {
    let (throttles, units_per_day) = hub.meter.limits();
    let rates: Map<String, Value> = Operation::value_variants()
        .iter()
        .filter_map(|operation| {
            let name = operation.to_possible_value()?.get_name().to_owned();
            Some((name, throttles.rate(*operation)?.to_string().into()))
        })
        .collect();
    let shaping = throttles.shaping();
    json!({
        "throttles": rates,
        "burstSeconds": shaping.map(|shaping| shaping.burst_s),
        "queueSeconds": shaping.map(|shaping| shaping.queue_s),
        "unitsPerDay": units_per_day,
    })
}
