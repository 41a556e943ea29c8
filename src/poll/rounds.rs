//! One round: every due source of this process gets its tick, several at once, one fault never stopping another.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::{Poller, Report, Turn};
use crate::clock::Millis;
use crate::config::SourceConfig;
use crate::source::Source;
use crate::store;

/// The sources of this process and what polls them.
pub struct Rounds {
    poller: Poller,
    runner: String,
    concurrency: usize,
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

/// What a round came to.
#[derive(Debug, Default)]
pub struct Round {
    /// One report for each source that was worked.
    pub reports: Vec<Report>,
    /// Sources that were due but not begun before the time was up.
    pub left: usize,
}

impl Round {
    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let sum = |of: fn(&Report) -> usize| self.reports.iter().map(of).sum::<usize>();
        let troubled = self.reports.iter().filter(|report| !report.is_good()).count();
        let mut line = format!(
            "{} sources polled, {} readings, {} messages taken by the hub",
            self.reports.len(),
            sum(|report| report.readings),
            sum(|report| report.messages)
        );
        if troubled > 0 {
            line.push_str(&format!(", {troubled} with trouble"));
        }
        if self.left > 0 {
            line.push_str(&format!(", {} left for the next tick", self.left));
        }
        line
    }
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
            concurrency: concurrency.max(1),
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

    /// Gives every due source its tick. `due` identifies the round; nothing new is begun after `deadline`.
    ///
    /// # Errors
    /// When the store does not say which sources are due. Errors of single sources are in their reports.
    pub async fn run(&self, due: Millis, deadline: Millis) -> Result<Round, store::Error> {
        self.poller.store.prepare().await?;
        let ids = self.due(due).await?;
        Ok(self.poll(ids, due, deadline, false).await)
    }

    /// Polls these sources, due or not when `force`.
    pub async fn poll(&self, ids: Vec<String>, due: Millis, deadline: Millis, force: bool) -> Round {
        let due = believable(due, self.poller.clock.now());
        let places = Arc::new(Semaphore::new(self.concurrency));
        let mut tasks = JoinSet::new();
        let mut round = Round::default();
        for id in ids {
            let Some(member) = self.sources.get(&id).cloned() else {
                continue;
            };
            while let Some(done) = tasks.try_join_next() {
                self.note(done, &mut round);
            }
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                break;
            };
            if self.poller.clock.now() >= deadline {
                round.left += 1;
                continue;
            }
            let poller = self.poller.clone();
            let tick = async move {
                let _place = place;
                let turn = Turn {
                    config: &member.config,
                    source: member.source.as_ref(),
                    due,
                    deadline,
                    force,
                };
                let report = poller.tick(turn).await;
                log(&report);
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

fn log(report: &Report) {
    if !report.worked() {
        tracing::debug!(source = %report.source, outcome = report.outcome.word(), "Not polled");
        return;
    }
    let took_ms = report.ended - report.began;
    let remarks = report.remarks.join("; ");
    if report.is_good() {
        tracing::info!(
            source = %report.source,
            outcome = report.outcome.word(),
            rows = report.rows,
            readings = report.readings,
            known = report.known,
            messages = report.messages,
            units = report.units,
            pending = report.pending,
            checkpoint = report.checkpoint.map(crate::clock::iso),
            remarks,
            unknown = report.unknown.join(", "),
            took_ms,
            "Polled"
        );
    } else {
        tracing::warn!(
            source = %report.source,
            outcome = report.outcome.word(),
            dead = report.dead,
            pending = report.pending,
            remarks,
            took_ms,
            "Polled with trouble"
        );
    }
}
