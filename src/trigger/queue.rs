//! PollWorker: one job of the queue names a shard of sources; those that are due are polled.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::invocation::{Answer, Invocation};
use super::job::{Fault, Job, Shard};
use super::timer::{failed, header, invocation_span};
use super::trace::Trace;
use crate::app::{App, Wired};
use crate::clock::Millis;
use crate::poll::window::millis;
use crate::poll::{Round, Ticket, Worked};

/// Answers the queue's call.
pub(super) async fn work(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let call = Invocation::parse(&body, "job").map(|call| call.job());
    let job = call.as_ref().ok().map(|call| Job::read(&call.message));
    // The host links nothing across the queue: the trace is that of the tick which wrote the job.
    let trace = match &job {
        Some(Ok(Job::Shard(shard))) => Trace::of(Some(&shard.traceparent)),
        _ => Trace::of(header(&headers, "traceparent")),
    };
    let span = invocation_span("PollWorker", &headers, &trace);
    let answer = async {
        match (call, job) {
            (Ok(call), Some(job)) => deliver(&app, job, call.dequeue_count).await,
            (Err(error), _) => failed(StatusCode::BAD_REQUEST, &error.to_string()),
            (Ok(_), None) => failed(StatusCode::BAD_REQUEST, "there is no job"),
        }
    };
    answer.instrument(span).await
}

/// One delivery of a message; a failure says whether it was the last one.
async fn deliver(app: &Arc<App>, job: Result<Job, Fault>, delivery: u32) -> Response {
    let most = most_deliveries();
    if delivery >= most {
        tracing::warn!(delivery, most, "The last delivery of this job");
    }
    let ticket = match &job {
        Ok(Job::Shard(shard)) => shard.ticket(),
        _ => Ticket {
            shard: NO_SHARD.into(),
            ticket: String::new(),
        },
    };
    let worked = match job {
        Ok(job) => poll(app, job, delivery).await,
        Err(fault) => Err((StatusCode::UNPROCESSABLE_ENTITY, fault.to_string())),
    };
    let (status, why) = match worked {
        Ok(logs) => return Json(Answer::success(logs)).into_response(),
        Err(failure) => failure,
    };
    if delivery < most {
        let again = format!(
            "{why}; delivery {delivery} of {most}, the message comes again before it goes to the poison queue"
        );
        return failed(status, &again);
    }
    let last =
        format!("{why}; delivery {delivery} of {most} was the last, the message goes to the poison queue");
    if let Ok(wired) = app.wired().await {
        wired.rounds.poisoned(&ticket, &why).await;
    }
    failed(status, &last)
}

async fn poll(app: &Arc<App>, job: Job, delivery: u32) -> Result<Vec<String>, (StatusCode, String)> {
    let broken = |why: String| (StatusCode::INTERNAL_SERVER_ERROR, why);
    let wired = app.wired().await.map_err(broken)?;
    wired.refresh().await;
    let now = app.clock().now();
    let deadline = now.saturating_add(millis(wired.config.settings.worker_tick));
    match job {
        Job::Sources { due, sources } => {
            let store = &wired.rounds.poller().store;
            store.prepare().await.map_err(|error| broken(error.to_string()))?;
            let strangers = strangers(&wired, &sources);
            let due = due.unwrap_or(now);
            let round = wired.rounds.poll(sources, due, deadline, false).await;
            let mut logs = told(app, due, &round);
            logs.extend(strangers);
            Ok(logs)
        }
        Job::Shard(job) => shard(app, &wired, &job, delivery, deadline).await,
    }
}

async fn shard(
    app: &Arc<App>,
    wired: &Wired,
    job: &Shard,
    delivery: u32,
    deadline: Millis,
) -> Result<Vec<String>, (StatusCode, String)> {
    let rounds = &wired.rounds;
    if job.runner != rounds.runner() {
        // Another app that shares the queue may take it.
        let why = format!(
            "the job is for the runner {}, this app polls for {}: give each app a queue of its own",
            job.runner,
            rounds.runner()
        );
        return Err((StatusCode::CONFLICT, why));
    }
    let worked = rounds.work(&job.ticket(), delivery, job.due, deadline).await;
    match worked.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))? {
        Worked::Done(round) => {
            tracing::info!(
                shard = job.shard,
                sources = round.reports.len(),
                left = round.left,
                "Job done"
            );
            Ok(told(app, job.due, &round))
        }
        Worked::Elsewhere => {
            let text = format!(
                "Shard {} is at work elsewhere; it is left to that worker",
                job.shard
            );
            tracing::info!("{text}");
            Ok(vec![text])
        }
    }
}

fn told(app: &App, due: Millis, round: &Round) -> Vec<String> {
    app.note_round(due, round);
    let mut logs = vec![round.summary()];
    logs.extend(round.troubles());
    logs
}

fn strangers(wired: &Wired, sources: &[String]) -> Option<String> {
    let unknown = sources.iter().filter(|id| wired.rounds.member(id).is_none());
    let names: Vec<&str> = unknown.take(20).map(String::as_str).collect();
    if names.is_empty() {
        return None;
    }
    let text = format!(
        "no sources of this app, or of another runner: {}; they are not polled",
        names.join(", ")
    );
    tracing::warn!("{text}");
    Some(text)
}

/// What stands for the shard of a message that names none.
const NO_SHARD: &str = "none";

/// How often the queue hands a message out. The host tells it to nobody, so its own file is asked: it stands in the working directory.
fn most_deliveries() -> u32 {
    /// The host's own default.
    const DEFAULT: u64 = 5;
    if let Some(count) = crate::config::process().max_dequeue_count() {
        return count;
    }
    let file = std::fs::read("host.json")
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let count = file
        .and_then(|file| file.pointer("/extensions/queues/maxDequeueCount")?.as_u64())
        .unwrap_or(DEFAULT);
    u32::try_from(count).unwrap_or(u32::MAX)
}
