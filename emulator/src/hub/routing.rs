//! Message routing: which messages go where (Azure docs, "IoT Hub message routing").
//!
//! A message goes to the endpoint of every route whose condition holds, once to each; one that meets no route takes the
//! fallback route to `events`, the built-in endpoint, which is the feed. Endpoints are Cosmos DB containers and files.
//!
//! # Layout
//!
//! - [`Routes`]: the file they are written in. `names`: what conditions see of a message.
//! - `document`: the shapes endpoints write. `endpoint`: their queues and counters. `cosmos`, `file`: the writing.

mod cosmos;
mod document;
mod endpoint;
mod file;
mod names;
mod settings;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

pub use endpoint::Written;
pub use settings::{BadRoutes, Routes};

use super::message::Message;
use super::registry::Party;
use document::Envelope;
use endpoint::Endpoint;
use names::Seen;
use settings::Route;

/// The built-in endpoint.
const EVENTS: &str = "events";

/// The routes of a running hub.
pub(super) struct Routing {
    routes: Vec<(Route, AtomicU64)>,
    endpoints: BTreeMap<String, Endpoint>,
    fallback: bool,
    fell_back: AtomicU64,
    unrouted: AtomicU64,
    hub: String,
}

/// What became of the messages of a hub with routes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Routed {
    /// Messages that met each route.
    pub routes: BTreeMap<String, u64>,
    /// Messages that met none, and took the fallback route to `events`.
    pub fallback: u64,
    /// Messages that met none, with the fallback route switched off: they are lost.
    pub unrouted: u64,
    /// What became of them at each endpoint.
    pub endpoints: BTreeMap<String, Written>,
}

impl Routing {
    /// Opens the endpoints. `host` is the hub's own name.
    pub(super) fn start(routes: &Routes, host: &str) -> Self {
        Self {
            routes: routes
                .routes
                .iter()
                .cloned()
                .map(|route| (route, AtomicU64::new(0)))
                .collect(),
            endpoints: routes
                .endpoints
                .iter()
                .map(|(name, target)| (name.clone(), Endpoint::open(name, target)))
                .collect(),
            fallback: routes.fallback,
            fell_back: AtomicU64::new(0),
            unrouted: AtomicU64::new(0),
            hub: host.split('.').next().unwrap_or(host).to_owned(),
        }
    }

    /// Sends a message on its routes; returns whether one of them leads to `events`.
    pub(super) fn send(&self, sender: &Party, message: &Message, now_ms: i64) -> bool {
        let seen = Seen::new(sender, message, now_ms);
        let mut reached: Vec<&str> = Vec::new();
        let mut met = false;
        for (route, count) in &self.routes {
            if !route.condition.holds(&seen) {
                continue;
            }
            count.fetch_add(1, Ordering::Relaxed);
            met = true;
            if reached.contains(&route.endpoint.as_str()) {
                continue;
            }
            reached.push(&route.endpoint);
            if let Some(endpoint) = self.endpoints.get(&route.endpoint) {
                endpoint.send(&Envelope {
                    hub: &self.hub,
                    sender,
                    message,
                    body: seen.json(),
                    at_ms: now_ms,
                });
            }
        }
        if met {
            return reached.contains(&EVENTS);
        }
        let count = if self.fallback {
            &self.fell_back
        } else {
            &self.unrouted
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.fallback
    }

    /// The counters.
    pub(super) fn routed(&self) -> Routed {
        Routed {
            routes: self
                .routes
                .iter()
                .map(|(route, count)| (route.name.clone(), count.load(Ordering::Relaxed)))
                .collect(),
            fallback: self.fell_back.load(Ordering::Relaxed),
            unrouted: self.unrouted.load(Ordering::Relaxed),
            endpoints: self
                .endpoints
                .iter()
                .map(|(name, endpoint)| (name.clone(), endpoint.written()))
                .collect(),
        }
    }

    /// Waits until nothing waits at any endpoint.
    pub(super) async fn idle(&self) {
        for endpoint in self.endpoints.values() {
            endpoint.idle().await;
        }
    }
}
