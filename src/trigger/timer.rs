//! TimerPoll: every due source of this app gets its tick.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::invocation::{Answer, Invocation};
use crate::app::App;
use crate::clock::iso;
use crate::poll::window::millis;

/// Answers the timer's call.
pub(super) async fn poll(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let span = invocation_span("TimerPoll", &headers);
    work(app, body).instrument(span).await
}

async fn work(app: Arc<App>, body: Bytes) -> Response {
    let now = app.clock().now();
    let tick = match Invocation::parse(&body, "timer").and_then(|call| call.tick(now)) {
        Ok(tick) => tick,
        Err(error) => return failed(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let wired = match app.wired().await {
        Ok(wired) => wired,
        Err(faults) => return failed(StatusCode::INTERNAL_SERVER_ERROR, &faults),
    };
    // Runs of one timer never overlap: the next tick waits until this one is answered, so it ends in time for it.
    let deadline = now.saturating_add(millis(wired.config.settings.tick));
    match wired.rounds.run(tick.due, deadline).await {
        Ok(round) => {
            app.note_round(tick.due, &round);
            let mut logs = Vec::new();
            if tick.past_due {
                logs.push(format!("Late run of the tick of {}", iso(tick.due)));
            }
            logs.push(round.summary());
            // The host repeats each line as a trace of its own: enough to see what went wrong, not a line a source.
            logs.extend(
                round
                    .reports
                    .iter()
                    .filter(|r| !r.is_good() || r.dead > 0)
                    .take(20)
                    .map(crate::poll::Report::line),
            );
            tracing::info!(due = %iso(tick.due), past_due = tick.past_due, sources = round.reports.len(), left = round.left, "Tick done");
            Json(Answer::success(logs)).into_response()
        }
        Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Fields that every line logged within a call carries.
pub(super) fn invocation_span(function: &'static str, headers: &HeaderMap) -> tracing::Span {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    tracing::info_span!(
        "invocation",
        function,
        invocation_id = text("x-azure-functions-invocationid"),
        trace_parent = text("traceparent"),
    )
}

/// A failed call. The host throws the body away, so the reason is logged first.
pub(super) fn failed(status: StatusCode, why: &str) -> Response {
    tracing::error!(error = why, "The call failed");
    (status, Json(serde_json::json!({ "error": why }))).into_response()
}
