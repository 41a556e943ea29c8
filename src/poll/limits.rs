//! What keeps one process from asking too much: shared by all its ticks.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::breaker::Breaker;
use crate::config::{Kind, LimitsConfig};

/// The limits of one process.
#[derive(Debug, Default)]
pub struct Limits {
    /// When a source counts as down.
    pub breaker: Breaker,
    /// The budgets of the backends.
    pub backends: Backends,
}

impl Limits {
    /// The limits as they are configured.
    #[must_use]
    pub fn new(config: LimitsConfig) -> Self {
        let ticks = Ticks::default();
        Self {
            breaker: Breaker::new(config.breaker_failures),
            backends: Backends::new(config.backend_concurrency, config.backend_requests, ticks),
        }
    }
}

/// How many questions each backend host gets at once and a minute. A reader answers one call at a time, whatever is set.
#[derive(Debug)]
pub struct Backends {
    concurrency: usize,
    a_minute: Option<NonZeroU32>,
    ticks: Ticks,
    known: Mutex<HashMap<String, Arc<Backend>>>,
}

/// What a backend has no room for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// As many questions as it gets at once are under way.
    Places,
    /// Its requests of the minute are used up.
    Requests,
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
    /// Budgets of `concurrency` questions at once and `requests` a minute (0: no bound), counted by `ticks`.
    #[must_use]
    pub fn new(concurrency: usize, requests: u32, ticks: Ticks) -> Self {
        Self {
            concurrency: concurrency.max(1),
            a_minute: NonZeroU32::new(requests),
            ticks,
            known: Mutex::default(),
        }
    }

    /// Waits for a place at the source's backend, no longer than `patience`.
    ///
    /// # Errors
    /// What there was no room for.
    pub async fn enter(&self, kind: &Kind, patience: Duration) -> Result<Place, Full> {
        let Some((name, reader)) = backend(kind) else {
            return Ok(Place(None));
        };
        let backend = self.backend(name, reader);
        let place = Arc::clone(&backend.places).acquire_owned();
        let place = tokio::time::timeout(patience, place).await;
        let Ok(Ok(place)) = place else {
            return Err(Full::Places);
        };
        // The time slept is counted and not looked up: it ends whatever the clock says.
        let mut left = patience;
        while let Some(pace) = &backend.pace {
            let Err(early) = pace.check() else { break };
            let wait = early
                .wait_time_from(self.ticks.now())
                .max(Duration::from_millis(1));
            left = left.checked_sub(wait).ok_or(Full::Requests)?;
            tokio::time::sleep(wait).await;
        }
        Ok(Place(Some(place)))
    }

    fn backend(&self, name: String, reader: bool) -> Arc<Backend> {
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
                pace,
            })
        };
        Arc::clone(known.entry(name).or_insert_with(new))
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Places => {
                "as many questions as its backend gets at once are under way (BACKEND_CONCURRENCY; a reader gets one)"
            }
            Self::Requests => "the requests a minute of its backend are used up (BACKEND_REQUESTS)",
        })
    }
}

#[derive(Debug)]
struct Backend {
    places: Arc<Semaphore>,
    pace: Option<RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>>,
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
