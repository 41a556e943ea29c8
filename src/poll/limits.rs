//! What keeps one process from asking too much: shared by all its ticks.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::breaker::Breaker;
use super::digest::CAPACITY;
use crate::config::{Kind, LimitsConfig};

/// The limits of one process.
#[derive(Debug)]
pub struct Limits {
    /// When a source counts as down.
    pub breaker: Breaker,
    /// The budgets of the backends.
    pub backends: Backends,
    /// Rows that a source's digest holds.
    pub digest: usize,
}

impl Limits {
    /// The limits as they are configured.
    #[must_use]
    pub fn new(config: LimitsConfig) -> Self {
        let ticks = Ticks::default();
        Self {
            breaker: Breaker::new(config.breaker_failures),
            backends: Backends::new(config.backend_concurrency, config.backend_requests, ticks),
            digest: CAPACITY,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            breaker: Breaker::default(),
            backends: Backends::default(),
            digest: CAPACITY,
        }
    }
}

/// How many ticks each backend host has at once, one question each at a time, and how many questions a minute. A reader answers
/// one call at a time, whatever is set.
#[derive(Debug)]
pub struct Backends {
    concurrency: usize,
    a_minute: Option<NonZeroU32>,
    ticks: Ticks,
    known: Mutex<HashMap<String, Arc<Backend>>>,
}

/// A place at a backend; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place(#[allow(dead_code, reason = "held, never read")] Option<OwnedSemaphorePermit>);

impl Default for Backends {
    fn default() -> Self {
        Self::new(16, 0, Ticks::default())
    }
}

impl Backends {
    /// Budgets of `concurrency` ticks at once and `requests` a minute (0: no bound), counted by `ticks`.
    #[must_use]
    pub fn new(concurrency: usize, requests: u32, ticks: Ticks) -> Self {
        Self {
            concurrency: concurrency.max(1),
            a_minute: NonZeroU32::new(requests),
            ticks,
            known: Mutex::default(),
        }
    }

    /// Waits for a place at the source's backend, which a tick keeps to its end: as many ticks as a backend gets questions at once.
    pub async fn enter(&self, kind: &Kind) -> Place {
        let Some(backend) = self.backend(kind) else {
            return Place(None);
        };
        Place(Arc::clone(&backend.places).acquire_owned().await.ok())
    }

    /// Waits for one of the requests that the source's backend gets a minute, in the order of asking; what is owed comes first.
    pub async fn pace(&self, kind: &Kind) {
        let Some(backend) = self.backend(kind) else { return };
        let Some(pace) = &backend.pace else { return };
        let _line = backend.line.lock().await;
        loop {
            if let Err(early) = pace.check() {
                tokio::time::sleep(early.wait_time_from(self.ticks.now()).max(SHORTEST)).await;
            } else if !backend.pay() {
                return;
            }
        }
    }

    /// Counts requests that were made without [`Backends::pace`], because an answer showed that they were needed.
    pub fn owe(&self, kind: &Kind, requests: u32) {
        if requests > 0
            && let Some(backend) = self.backend(kind)
        {
            backend.owed.fetch_add(requests, Ordering::Relaxed);
        }
    }

    fn backend(&self, kind: &Kind) -> Option<Arc<Backend>> {
        let (name, reader) = backend(kind)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let places = if reader { 1 } else { self.concurrency };
            let pace = self.a_minute.map(|requests| {
                // A tenth of the minute's requests at once: more would be a burst that no backend asked for.
                let burst = NonZeroU32::new(requests.get() / 10).unwrap_or(NonZeroU32::MIN);
                let quota = Quota::per_minute(requests).allow_burst(burst);
                RateLimiter::direct_with_clock(quota, self.ticks.clone())
            });
            Arc::new(Backend {
                places: Arc::new(Semaphore::new(places)),
                line: tokio::sync::Mutex::default(),
                pace,
                owed: AtomicU32::new(0),
            })
        };
        Some(Arc::clone(known.entry(name).or_insert_with(new)))
    }
}

/// A wait of nothing would be no wait.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Backend {
    places: Arc<Semaphore>,
    /// Held by the tick whose request is next.
    line: tokio::sync::Mutex<()>,
    pace: Option<RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>>,
    /// Requests made that the pace has not counted yet.
    owed: AtomicU32,
}

impl Backend {
    /// Takes one request off what is owed; `false` where nothing is.
    fn pay(&self) -> bool {
        let less = |owed: u32| owed.checked_sub(1);
        self.owed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// What a budget is counted for: a backend's host with its port, or one reader (several may stand behind one gateway, each under a
/// path), and whether it is a reader.
fn backend(kind: &Kind) -> Option<(String, bool)> {
    match kind {
        Kind::Tasmota(reader) => Some((reader.url.as_str().trim_end_matches('/').to_owned(), true)),
        Kind::RapidM2m(site) => {
            let host = site.url.host_str().unwrap_or_default();
            let port = site.url.port_or_known_default().unwrap_or_default();
            Some((format!("{host}:{port}"), false))
        }
        Kind::Synthetic(_) => None,
    }
}

/// A clock that only goes forward: a budget must not stand still because somebody set the wall clock back.
#[derive(Clone)]
pub struct Ticks(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Ticks {
    /// A clock that asks `since`: how long ago some fixed instant was.
    pub fn from_fn(since: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(since))
    }
}

impl Default for Ticks {
    fn default() -> Self {
        let start = Instant::now();
        Self::from_fn(move || start.elapsed())
    }
}

impl fmt::Debug for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticks")
    }
}

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        (self.0)().into()
    }
}

#[cfg(test)]
#[path = "limits/tests.rs"]
mod tests;
