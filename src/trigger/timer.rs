//! TimerPoll: every due source of this app gets its tick, here or from a worker.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::invocation::{Answer, Invocation};
use super::job::Shard;
use super::trace::Trace;
use crate::app::App;
use crate::clock::iso;
use crate::poll::Share;
use crate::poll::window::millis;

/// Answers the timer's call.
pub(super) async fn poll(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let trace = Trace::of(header(&headers, "traceparent"));
    let span = invocation_span("TimerPoll", &headers, &trace);
    work(app, body, trace).instrument(span).await
}

async fn work(app: Arc<App>, body: Bytes, trace: Trace) -> Response {
    let now = app.clock().now();
    let tick = match Invocation::parse(&body, "timer").and_then(|call| call.tick(now)) {
        Ok(tick) => tick,
        Err(error) => return failed(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let wired = match app.wired().await {
        Ok(wired) => wired,
        Err(faults) => return failed(StatusCode::INTERNAL_SERVER_ERROR, &faults),
    };
    wired.refresh().await;
    let (rounds, settings) = (&wired.rounds, &wired.config.settings);
    // Runs of one timer never overlap: the next tick waits until this one is answered, so it ends in time for it.
    let deadline = now.saturating_add(millis(settings.tick));
    let Share {
        here,
        left,
        jobs,
        busy,
    } = match rounds.share(tick.due, settings.inline_limit).await {
        Ok(share) => share,
        Err(error) => return failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    // A backend that is slow to list its sites holds up no source.
    let (mut round, left, ()) = tokio::join!(
        rounds.poll(here, tick.due, deadline, false),
        rounds.finish(left, tick.due, deadline),
        wired.catalog.discover(deadline)
    );
    round.join(left);
    app.note_round(tick.due, &round);
    let mut logs = Vec::new();
    if tick.past_due {
        logs.push(format!("Late run of the tick of {}", iso(tick.due)));
    }
    logs.push(round.summary());
    if !jobs.is_empty() || busy > 0 {
        logs.push(format!(
            "{} shards handed to workers, {busy} still with them",
            jobs.len()
        ));
    }
    logs.extend(round.troubles());
    logs.extend(wired.catalog.current().troubles());
    tracing::info!(
        due = %iso(tick.due), past_due = tick.past_due, sources = round.reports.len(), left = round.left, jobs = jobs.len(), busy,
        "Tick done"
    );
    let texts = jobs
        .into_iter()
        .map(|ticket| Shard::new(ticket, rounds.runner(), tick.due, trace.next()).text());
    Json(Answer::success(logs).with_jobs(texts.collect())).into_response()
}

/// Fields that every line logged within a call carries.
pub(super) fn invocation_span(function: &'static str, headers: &HeaderMap, trace: &Trace) -> tracing::Span {
    let text = |name: &str| header(headers, name).unwrap_or_default().to_owned();
    tracing::info_span!(
        "invocation",
        function,
        invocation_id = text("x-azure-functions-invocationid"),
        trace_parent = text("traceparent"),
        trace_id = trace.id,
    )
}

/// A header's text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A failed call. The host throws the body away, so the reason is logged first.
pub(super) fn failed(status: StatusCode, why: &str) -> Response {
    tracing::error!(error = why, "The call failed");
    (status, Json(serde_json::json!({ "error": why }))).into_response()
}
