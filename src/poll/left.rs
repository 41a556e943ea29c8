//! What sources leave that are defined no more: what waits for the hub goes out, and then their state is put to rest.
//!
//! The store names such a source as due, and no definition says how to ask it. Another process may know one, for files differ while
//! a new version is rolled out; so a source that this process did not see removed is touched only once it is so long overdue that
//! nobody polls it any more.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono_tz::Tz;

use super::claim::Held;
use super::report::Report;
use super::roster::Roster;
use super::{Poller, Round, Rounds, Stop, Turn, round, schedule};
use crate::clock::Millis;
use crate::config::{Kind, Naming, Schedule, SourceConfig, SyntheticConfig};
use crate::source::{Answer, Error as SourceError, Finding, Request, Source, Window};
use crate::store::documents::{Document, Lease, State};
use crate::store::{Batch, Etag, Write};

/// What this process knows of such sources.
#[derive(Default)]
pub(super) struct Left(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Seen removed by this process.
    removed: HashSet<String>,
    /// When it is worth looking at one again.
    later: HashMap<String, Millis>,
}

/// What looking at one came to.
enum Looked {
    /// Nothing was to be done, or somebody else is at it.
    Later(Millis),
    /// What waited was tried.
    Tried(Box<Report>),
}

impl Left {
    /// Notes which sources were removed, and which are there (again).
    pub(super) fn note(&self, old: &Roster, new: &Roster) {
        let mut known = self.lock();
        for id in old.ids(None) {
            if new.member(id).is_none() {
                known.later.remove(id);
                known.removed.insert(id.clone());
            }
        }
        known.removed.retain(|id| new.member(id).is_none());
    }

    /// Of these, the ones worth looking at, no more than a tick's share; and whether each was seen removed.
    fn worth(&self, ids: Vec<String>, now: Millis) -> Vec<(String, bool)> {
        let mut known = self.lock();
        known.later.retain(|_, at| (now..now + HOUR + 1).contains(at));
        let worth = ids.into_iter().filter(|id| !known.later.contains_key(id));
        worth
            .take(SHARE)
            .map(|id| {
                let removed = known.removed.contains(&id);
                (id, removed)
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    /// Sends what sources left that are due and defined no more. Begins none after `deadline`.
    pub async fn finish(&self, ids: Vec<String>, due: Millis, deadline: Millis) -> Round {
        let mut finished = Round::default();
        for (id, removed) in self.left.worth(ids, self.poller().clock.now()) {
            let now = self.poller().clock.now();
            if now >= deadline {
                break;
            }
            let Some(_at_work) = self.working.begin(&id) else {
                continue;
            };
            let turn = (due, deadline);
            match self.poller().finish(&id, self.runner(), turn, removed).await {
                Looked::Later(at) => {
                    self.left.lock().later.insert(id, at.clamp(now, now + HOUR));
                }
                Looked::Tried(report) => {
                    round::log(&report);
                    finished.reports.push(*report);
                }
            }
        }
        finished
    }
}

impl Poller {
    async fn finish(
        &self,
        id: &str,
        runner: &str,
        (due, deadline): (Millis, Millis),
        removed: bool,
    ) -> Looked {
        let now = self.clock.now();
        let found = match self.store.read(id, State::ID).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(source = id, %error, "What a removed source left cannot be looked at");
                return Looked::Later(now + HOUR);
            }
        };
        let Some((Document::State(state), etag)) = found.map(|found| (found.document, found.etag)) else {
            return Looked::Later(now + HOUR);
        };
        if state.runner != runner {
            return Looked::Later(now + HOUR);
        }
        if state.lease.as_ref().is_some_and(|lease| lease.until > now) {
            return Looked::Later(now + MINUTE);
        }
        let overdue = now.saturating_sub(state.next_due);
        if !removed && overdue < ABANDONED {
            return Looked::Later(state.next_due + ABANDONED);
        }
        if state.pending.is_empty() && state.unshipped.is_empty() {
            if overdue >= REST {
                self.rest(id, state, etag).await;
            }
            return Looked::Later(now + HOUR);
        }
        let mut report = Report::new(id, due, now);
        report.remark("this source is defined no more: what it left is sent, and nothing is asked");
        let config = stub(&state);
        let gone = Gone {
            history: matches!(config.naming, Naming::Site { .. }),
        };
        let turn = Turn {
            config: &config,
            source: &gone,
            due,
            deadline,
            force: true,
            seat: None,
        };
        match self.send_what_is_left(&turn, state, etag, &mut report).await {
            Ok(Some(state)) => Looked::Tried(Box::new(report.done(&state, self.clock.now()))),
            Ok(None) => Looked::Later(now + MINUTE),
            Err(stop) => Looked::Tried(Box::new(report.stopped(stop, self.clock.now()))),
        }
    }

    /// Takes the lease, sends, and gives it back; `None` where another process is at it. Schedule, shard and place of the source
    /// stay as they are, for whoever defines it again.
    async fn send_what_is_left(
        &self,
        turn: &Turn<'_>,
        mut state: State,
        etag: Etag,
        report: &mut Report,
    ) -> Result<Option<State>, Stop> {
        let now = self.clock.now();
        state.lease = Some(Lease {
            nonce: format!("{:016x}", fastrand::u64(..)),
            until: now.saturating_add(LEASE),
        });
        let batch = Batch {
            source: state.source.clone(),
            writes: vec![Write::Replace(Document::State(state.clone()), etag)],
        };
        let etag = match self.store.commit(batch).await {
            Ok(committed) => committed.etags.into_iter().next().flatten().ok_or(Stop::Lost)?,
            // Ours or not: a lease ends by itself, and nothing is lost by waiting.
            Err(error) if error.is_conflict() => return Ok(None),
            Err(error) => return Err(Stop::Store(error)),
        };
        let mut held = Held::of(state, etag);
        self.send_pending(turn, &mut held, report).await?;
        self.drain(turn, &mut held, report).await?;
        let now = self.clock.now();
        let state = &mut held.state;
        state.next_due = schedule::send_due(state, Duration::ZERO, now)
            .map_or(state.next_due, |at| at.max(turn.due.saturating_add(1)));
        state.lease = None;
        held.commit(self, Vec::new()).await?;
        Ok(Some(held.state))
    }

    /// Nothing is left, and nobody has asked for a day: the store names it as due no more. Defined again, it is due at once, for
    /// its plan is another one.
    async fn rest(&self, id: &str, mut state: State, etag: Etag) {
        state.next_due = NEVER;
        state.plan = Some(AT_REST.to_owned());
        state.lease = None;
        let batch = Batch {
            source: id.to_owned(),
            writes: vec![Write::Replace(Document::State(state), etag)],
        };
        match self.store.commit(batch).await {
            Ok(_) => tracing::info!(source = id, "Defined no more, and nothing waits: at rest"),
            // Somebody works on it after all; or it is tried again in an hour.
            Err(error) => tracing::debug!(source = id, %error, "Not put to rest"),
        }
    }
}

/// A definition for what is left: enough to name bodies and to send at once.
fn stub(state: &State) -> SourceConfig {
    SourceConfig {
        id: state.source.clone(),
        kind: Kind::Synthetic(SyntheticConfig {
            channels: Vec::new(),
            counter: false,
            interval: Duration::from_secs(60),
            seed: 0,
        }),
        runner: state.runner.clone(),
        schedule: Schedule::Every(Duration::from_secs(60)),
        zone: Tz::UTC,
        overlap: Duration::ZERO,
        expected: None,
        start: None,
        slice: Duration::from_secs(86_400),
        send_every: Duration::ZERO,
        naming: state.naming.clone().unwrap_or(Naming::Source),
        origin: "removed".to_owned(),
    }
}

/// The backend of a source that is defined no more: never asked.
struct Gone {
    history: bool,
}

#[async_trait]
impl Source for Gone {
    fn has_history(&self) -> bool {
        self.history
    }

    fn request(&self, _window: Window) -> Request {
        Request::default()
    }

    async fn read(&self, _window: Window) -> Result<Answer, SourceError> {
        Err(SourceError::Unknown {
            what: "nobody".to_owned(),
            detail: "a source that is defined no more".to_owned(),
        })
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
/// So long overdue, nobody polls it any more.
const ABANDONED: Millis = 10 * MINUTE;
/// So long overdue, nobody will.
const REST: Millis = 24 * HOUR;
/// As long as a tick's lease.
const LEASE: Millis = 150_000;
/// The last day of the year 9999.
pub(super) const NEVER: Millis = 253_402_214_400_000;
const AT_REST: &str = "at rest";
/// How many one round looks at.
const SHARE: usize = 32;
