//! `GET /api/health`: is it configured, does it poll, how far behind is each source.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::{App, Wired};
use crate::catalog::{Discovered, Sources};
use crate::clock::{Millis, iso};
use crate::store::documents::ShardDoc;
use crate::store::{Document, List};

/// The state of this app.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    /// `ok`, `troubled` (a source or the hub is), or `faulty` (the configuration is).
    status: &'static str,
    /// Faults of the configuration: nothing is polled until they are mended.
    faults: Vec<String>,
    /// Allowed, but doubtful.
    warnings: Vec<String>,
    /// The store, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// The last tick of this very process; other functions of the app run in processes of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_tick: Option<LastTick>,
    /// Work that was handed to PollWorker; absent where none ever was.
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<Jobs>,
    /// Faults of definitions in the store: these sources alone are not polled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    definitions: Vec<String>,
    /// Customers whose sites are found at their backend.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discoveries: Vec<Discovery>,
    sources: Vec<SourceHealth>,
}

/// A customer whose sites are found at the backend.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Discovery {
    name: String,
    customer: String,
    backend: String,
    /// When they were listed last; absent until they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<String>,
    /// Sites that are sources.
    taken: usize,
    /// Sites that the patterns leave out.
    left_out: usize,
    /// Sites that the last list did not hold and that are polled on for a while.
    vanished: usize,
    /// Why they could not be listed the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// Jobs, counted by what the workers themselves noted: the host does not tell what lies in its queues.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Jobs {
    /// Shards that wait in the queue.
    queued: usize,
    /// Shards at work.
    at_work: usize,
    /// Jobs that failed at their last delivery and went to the poison queue.
    poisoned: u32,
    /// When the last of them did.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_poisoned: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LastTick {
    due: String,
    ended: String,
    worked: usize,
    troubled: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceHealth {
    id: String,
    /// Up to here everything is delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    /// How long ago that was, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<i64>,
    /// Shipments that wait for the hub.
    pending: usize,
    /// Failed polls in a row.
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    next_due: String,
}

pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    let health = match app.parts().await {
        Ok(wired) => of(&app, &wired).await,
        Err(faults) => Health {
            status: "faulty",
            faults: faults.iter().map(ToString::to_string).collect(),
            warnings: Vec::new(),
            store: None,
            last_tick: None,
            jobs: None,
            definitions: Vec::new(),
            discoveries: Vec::new(),
            sources: Vec::new(),
        },
    };
    let status = if health.status == "faulty" {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(health)).into_response()
}

async fn of(app: &App, wired: &Wired) -> Health {
    let store = &wired.rounds.poller().store;
    let mut health = Health {
        status: "ok",
        faults: Vec::new(),
        warnings: wired.config.warnings.clone(),
        store: Some(store.describe()),
        last_tick: app.last_round().map(|last| LastTick {
            due: iso(last.due),
            ended: iso(last.ended),
            worked: last.worked,
            troubled: last.troubled,
        }),
        jobs: None,
        definitions: Vec::new(),
        discoveries: Vec::new(),
        sources: Vec::new(),
    };
    wired.refresh().await;
    defined(&wired.catalog.current(), &mut health);
    let now = app.clock().now();
    let question = List {
        source: None,
        kind: "state",
        limit: MOST,
        before: None,
    };
    let found = match store.prepare().await {
        Ok(()) => store.list(question).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(found) => {
            for found in found {
                if let Document::State(state) = found.document {
                    let troubled = state.trouble.is_some();
                    health.sources.push(SourceHealth {
                        lag_seconds: state.checkpoint.map(|at: Millis| (now - at) / 1000),
                        id: state.source,
                        checkpoint: state.checkpoint.map(iso),
                        pending: state.pending.len(),
                        failures: state.failures,
                        trouble: state.trouble,
                        next_due: iso(state.next_due),
                    });
                    if troubled {
                        health.status = "troubled";
                    }
                }
            }
            health.sources.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Err(error) => {
            health.status = "troubled";
            health.warnings.push(error.to_string());
        }
    }
    match wired.rounds.shards().await {
        Ok(shards) => {
            let lately = |note: &ShardDoc| note.poisoned_at.is_some_and(|at| at > now - DAY);
            if shards.iter().any(lately) {
                health.status = "troubled";
            }
            health.jobs = jobs(&shards, now);
        }
        Err(error) => health.warnings.push(error.to_string()),
    }
    health
}

/// What the store defines and backends list, as far as it is in trouble.
fn defined(known: &Sources, health: &mut Health) {
    health.warnings.extend(known.warnings.iter().cloned());
    health.warnings.extend(
        known
            .trouble
            .iter()
            .map(|why| format!("definitions in the store: {why}")),
    );
    health.definitions = known.faults.iter().map(ToString::to_string).collect();
    health.discoveries = known.discoveries.iter().map(discovery).collect();
    let is_troubled = |one: &Discovery| one.trouble.is_some() || one.vanished > 0;
    if !known.troubles().is_empty() || health.discoveries.iter().any(is_troubled) {
        health.status = "troubled";
    }
}

fn discovery(discovered: &Discovered) -> Discovery {
    let (backend, customer) = discovered.config.subject();
    let doc = discovered.sites.as_ref();
    let gone = doc
        .iter()
        .flat_map(|doc| &doc.sites)
        .filter(|site| site.gone.is_some());
    Discovery {
        name: discovered.config.name.clone(),
        customer: customer.to_owned(),
        backend,
        listed: doc.and_then(|doc| doc.at).map(iso),
        taken: discovered.taken,
        left_out: discovered.left_out,
        vanished: gone.count(),
        trouble: doc.and_then(|doc| doc.trouble.clone()),
    }
}

fn jobs(shards: &[ShardDoc], now: Millis) -> Option<Jobs> {
    let live = |at_work: bool| {
        let is = |note: &&ShardDoc| note.until > now && (note.delivery > 0) == at_work;
        shards.iter().filter(is).count()
    };
    let last = shards.iter().max_by_key(|note| note.poisoned_at)?;
    Some(Jobs {
        queued: live(false),
        at_work: live(true),
        poisoned: shards.iter().map(|note| note.poisoned).sum(),
        last_poisoned: last.poisoned_at.map(iso),
        why: last.poisoned_by.clone(),
    })
}

/// How long a poisoned job troubles, milliseconds.
const DAY: Millis = 86_400_000;

/// More sources than this are not listed one by one.
const MOST: usize = 1_000;
