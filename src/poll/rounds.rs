//! Rounds: every due source of this process gets its tick, several at once, one fault never stopping another.
//!
//! Rounds may overlap: a source that is slow is left to the round that took it, and the others are polled by the next one.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::round::{self, Round};
use super::working::{AtWork, Working};
use super::{Poller, Report, Turn};
use crate::clock::Millis;
use crate::config::SourceConfig;
use crate::source::Source;
use crate::store;

/// The sources of this process and what polls them.
pub struct Rounds {
    poller: Poller,
    runner: String,
    /// One place a source at work, over all rounds.
    places: Arc<Semaphore>,
    working: Arc<Working>,
    /// Held while the store is asked what is due: a store that is slow is not asked once more each second.
    asking: tokio::sync::Mutex<()>,
    stopping: AtomicBool,
    sources: HashMap<String, Arc<Member>>,
    /// Configured order, for a first round.
    order: Vec<String>,
    /// Sources that have a state, so that the store's question for due ones finds them.
    known: Mutex<HashSet<String>>,
}

/// One source with its backend.
pub struct Member {
    /// Definition.
    pub config: SourceConfig,
    /// Backend.
    pub source: Arc<dyn Source>,
}

impl Rounds {
    /// Wires sources to a poller.
    #[must_use]
    pub fn new(
        poller: Poller,
        runner: String,
        concurrency: usize,
        members: Vec<(SourceConfig, Arc<dyn Source>)>,
    ) -> Self {
        let mine = members.into_iter().filter(|(config, _)| config.runner == runner);
        let mut order = Vec::new();
        let mut sources = HashMap::new();
        for (config, source) in mine {
            order.push(config.id.clone());
            sources.insert(config.id.clone(), Arc::new(Member { config, source }));
        }
        Self {
            poller,
            runner,
            places: Arc::new(Semaphore::new(concurrency.max(1))),
            working: Arc::default(),
            asking: tokio::sync::Mutex::default(),
            stopping: AtomicBool::new(false),
            sources,
            order,
            known: Mutex::default(),
        }
    }

    /// What polls the sources.
    #[must_use]
    pub fn poller(&self) -> &Poller {
        &self.poller
    }

    /// A source of this process.
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&Arc<Member>> {
        self.sources.get(id)
    }

    /// Ids of this process' sources, in configured order.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.order
    }

    /// Gives every due source its tick, but for those that another round works on. `due` identifies the round; nothing new is
    /// begun after `deadline`. Does nothing while another round still asks the store.
    ///
    /// # Errors
    /// When the store does not say which sources are due. Errors of single sources are in their reports.
    pub async fn run(&self, due: Millis, deadline: Millis) -> Result<Round, store::Error> {
        let ids = {
            let Ok(_asking) = self.asking.try_lock() else {
                return Ok(Round::default());
            };
            self.poller.store.prepare().await?;
            self.due(due).await?
        };
        Ok(self.poll(ids, due, deadline, false).await)
    }

    /// Begins no tick any more. What is under way ends as it would have.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Polls these sources, due or not when `force`; those that another round works on are left to it.
    pub async fn poll(&self, ids: Vec<String>, due: Millis, deadline: Millis, force: bool) -> Round {
        let due = believable(due, self.poller.clock.now());
        let mut tasks = JoinSet::new();
        let mut round = Round::default();
        // Taken before the first one waits for a place, so that no later round queues them once more.
        let taken: Vec<_> = ids
            .iter()
            .filter_map(|id| Some((self.working.begin(id)?, self.sources.get(id).cloned()?)))
            .collect();
        for (at_work, member) in taken {
            while let Some(done) = tasks.try_join_next() {
                self.note(done, &mut round);
            }
            let Some(place) = self.place(deadline).await else {
                round.left += 1;
                continue;
            };
            let poller = self.poller.clone();
            let tick = async move {
                let _at_work: (AtWork, OwnedSemaphorePermit) = (at_work, place);
                let turn = Turn {
                    config: &member.config,
                    source: member.source.as_ref(),
                    due,
                    deadline,
                    force,
                };
                let report = poller.tick(turn).await;
                round::log(&report);
                report
            };
            // A task has no span of its own: without the caller's, its lines would name no invocation.
            tasks.spawn(tick.in_current_span());
        }
        while let Some(done) = tasks.join_next().await {
            self.note(done, &mut round);
        }
        round
    }

    /// A place to work in; `None` once it is too late to begin.
    async fn place(&self, deadline: Millis) -> Option<OwnedSemaphorePermit> {
        let left = deadline.saturating_sub(self.poller.clock.now());
        let left = Duration::from_millis(u64::try_from(left).ok()?);
        let place = tokio::time::timeout(left, Arc::clone(&self.places).acquire_owned());
        let place = place.await.ok()?.ok()?;
        let late = self.stopping.load(Ordering::Relaxed) || self.poller.clock.now() >= deadline;
        (!late).then_some(place)
    }

    /// Ids of due sources: those whose state says so, and those that have no state yet.
    async fn due(&self, due: Millis) -> Result<Vec<String>, store::Error> {
        let now = self.poller.clock.now();
        let now = now.max(believable(due, now));
        let mut ids = self.poller.store.due(&self.runner, now, MAX_DUE).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(ids.iter().cloned());
        let fresh: Vec<String> = self
            .order
            .iter()
            .filter(|id| !known.contains(*id))
            .cloned()
            .collect();
        drop(known);
        ids.retain(|id| self.sources.contains_key(id));
        ids.extend(fresh);
        Ok(ids)
    }

    fn note(&self, done: Result<Report, tokio::task::JoinError>, round: &mut Round) {
        match done {
            Ok(report) => {
                if !matches!(report.outcome, super::Outcome::Store) {
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.insert(report.source.clone());
                }
                if report.worked() {
                    round.reports.push(report);
                }
            }
            // A panic in one source's tick is a defect, but not the other sources'.
            Err(error) => {
                tracing::error!(%error, "A tick ended by a panic; the source goes on at the next one");
            }
        }
    }
}

/// A due time that the clock has not reached would put its sources off until then; one from a queue may be any number.
fn believable(due: Millis, now: Millis) -> Millis {
    const AHEAD: Millis = 60_000;
    if (0..=now.saturating_add(AHEAD)).contains(&due) {
        due
    } else {
        now
    }
}

/// More than this in one question is found by the next one.
const MAX_DUE: usize = 20_000;
