//! PollWorker: one job of the queue names the sources to poll.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tracing::Instrument;

use super::invocation::{Answer, Invocation};
use super::timer::{failed, invocation_span};
use crate::app::App;
use crate::clock::Millis;
use crate::http;
use crate::poll::window::millis;

/// A queue message: everything stands under one member, since the host merges top-level members into its own metadata.
#[derive(Debug, Deserialize)]
struct Envelope {
    job: Job,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Job {
    /// Version of this layout.
    v: u32,
    /// The tick it belongs to; the present instant where it is missing.
    #[serde(default)]
    due: Option<Millis>,
    /// Sources to poll.
    sources: Vec<String>,
}

/// Answers the queue's call.
pub(super) async fn work(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let span = invocation_span("PollWorker", &headers);
    poll(app, body).instrument(span).await
}

/// The job in a call's body, or the status and the words that refuse it.
pub(super) fn job(body: &[u8]) -> Result<Job, (StatusCode, String)> {
    let call = Invocation::parse(body, "job")
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?
        .job();
    let attempt = call.dequeue_count;
    let why = match serde_json::from_value::<Envelope>(call.message) {
        Ok(Envelope { job }) if job.v == 1 => return Ok(job),
        Ok(Envelope { job }) => format!(
            "the job has layout {}, this handler knows 1: was the app rolled back?",
            job.v
        ),
        // Its words may repeat a whole text of the message.
        Err(error) => format!(
            "the message is no job ({}); it goes to the poison queue after its last attempt (this is {attempt})",
            http::excerpt_of(&error.to_string(), 200)
        ),
    };
    Err((StatusCode::UNPROCESSABLE_ENTITY, why))
}

async fn poll(app: Arc<App>, body: Bytes) -> Response {
    let job = match job(&body) {
        Ok(job) => job,
        Err((status, why)) => return failed(status, &why),
    };
    let wired = match app.wired().await {
        Ok(wired) => wired,
        Err(faults) => return failed(StatusCode::INTERNAL_SERVER_ERROR, &faults),
    };
    let now = app.clock().now();
    let due = job.due.unwrap_or(now);
    let deadline = now.saturating_add(millis(wired.config.settings.worker_tick));
    if let Err(error) = wired.rounds.poller().store.prepare().await {
        return failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
    }
    let mut logs = Vec::new();
    let strangers: Vec<&str> = job
        .sources
        .iter()
        .filter(|id| wired.rounds.member(id).is_none())
        .take(20)
        .map(String::as_str)
        .collect();
    if !strangers.is_empty() {
        let text = format!(
            "no sources of this app, or of another runner: {}; they are not polled",
            strangers.join(", ")
        );
        tracing::warn!("{text}");
        logs.push(text);
    }
    let round = wired.rounds.poll(job.sources, due, deadline, false).await;
    app.note_round(due, &round);
    logs.insert(0, round.summary());
    logs.extend(
        round
            .reports
            .iter()
            .filter(|r| !r.is_good())
            .take(20)
            .map(crate::poll::Report::line),
    );
    Json(Answer::success(logs)).into_response()
}
