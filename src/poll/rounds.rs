//! Rounds: every due source of this process gets its tick, several at once, one fault never stopping another.
//!
//! Rounds may overlap: a source that is slow is left to the round that took it, and the others are polled by the next one.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::left::Left;
use super::limits::Place;
use super::roster::{Member, Roster};
use super::round::{self, Round};
use super::seat::{Seat, Seats};
use super::settled::Settled;
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
    /// One seat a source at work, over all rounds.
    seats: Seats,
    pub(super) working: Arc<Working>,
    /// What sources left that are defined no more.
    pub(super) left: Left,
    /// Held while the store is asked what is due: a store that is slow is not asked once more each second.
    asking: tokio::sync::Mutex<()>,
    stopping: AtomicBool,
    roster: RwLock<Arc<Roster>>,
    settled: Settled,
    /// How often a worker is heard of, see [`Rounds::work`].
    pub(super) beat: Duration,
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
        let roster = Roster::of(mine.map(|(config, source)| Arc::new(Member::new(config, source))));
        Self {
            poller,
            runner,
            seats: Seats::new(concurrency),
            working: Arc::default(),
            left: Left::default(),
            asking: tokio::sync::Mutex::default(),
            stopping: AtomicBool::new(false),
            roster: RwLock::new(Arc::new(roster)),
            settled: Settled::default(),
            beat: super::fanout::BEAT,
        }
    }

    /// The same, with a worker that is heard of this often: for tests.
    #[must_use]
    pub fn with_beat(mut self, beat: Duration) -> Self {
        self.beat = beat;
        self
    }

    /// Takes over what is defined now. Ticks that are under way end as they began; what is new or has changed is looked at by the
    /// next round, whatever is known of its state.
    pub fn define(&self, members: impl IntoIterator<Item = Arc<Member>>) {
        let mine = members.into_iter();
        let fresh = Arc::new(Roster::of(
            mine.filter(|member| member.config.runner == self.runner),
        ));
        let old = {
            let mut roster = self.roster.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *roster, Arc::clone(&fresh))
        };
        self.settled.forget(fresh.differing(&old));
        self.left.note(&old, &fresh);
    }

    /// What polls the sources.
    #[must_use]
    pub fn poller(&self) -> &Poller {
        &self.poller
    }

    /// Whose sources are polled.
    #[must_use]
    pub fn runner(&self) -> &str {
        &self.runner
    }

    /// A source of this process.
    #[must_use]
    pub fn member(&self, id: &str) -> Option<Arc<Member>> {
        self.roster().member(id).cloned()
    }

    /// Ids of this process' sources, in the order in which they were defined.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.roster().ids(None).to_vec()
    }

    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives every due source its tick, but for those that another round works on. `due` identifies the round; nothing new is
    /// begun after `deadline`. Does nothing while another round still asks the store.
    ///
    /// # Errors
    /// When the store does not say which sources are due. Errors of single sources are in their reports.
    pub async fn run(&self, due: Millis, deadline: Millis) -> Result<Round, store::Error> {
        let Due { ids, left } = {
            let Ok(_asking) = self.asking.try_lock() else {
                return Ok(Round::default());
            };
            self.poller.store.prepare().await?;
            self.due(due, None).await?
        };
        let (mut round, left) = tokio::join!(
            self.poll(ids, due, deadline, false),
            self.finish(left, due, deadline)
        );
        round.join(left);
        Ok(round)
    }

    /// Begins no tick any more. What is under way ends as it would have.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Polls these sources, due or not when `force`; those that another round works on are left to it.
    pub async fn poll(&self, ids: Vec<String>, due: Millis, deadline: Millis, force: bool) -> Round {
        self.poll_while(ids, due, deadline, force, &AtomicBool::new(true))
            .await
    }

    /// The same, but nothing is begun any more once `going` is false.
    pub(super) async fn poll_while(
        &self,
        ids: Vec<String>,
        due: Millis,
        deadline: Millis,
        force: bool,
        going: &AtomicBool,
    ) -> Round {
        let due = believable(due, self.poller.clock.now());
        let mut tasks = JoinSet::new();
        let mut round = Round::default();
        let roster = self.roster();
        // Taken before the first one waits for a place, so that no later round queues them once more.
        let taken = ids
            .iter()
            .filter_map(|id| Some((self.working.begin(id)?, roster.member(id).cloned()?)));
        let mut waiting: FuturesUnordered<_> = taken
            .map(|(at_work, member)| async move {
                let admitted = self.admit(&member, deadline).await;
                (at_work, member, admitted)
            })
            .collect();
        loop {
            let (at_work, member, admitted) = tokio::select! {
                Some(next) = waiting.next() => next,
                Some(done) = tasks.join_next() => {
                    self.note(done, &mut round);
                    continue;
                }
                else => break,
            };
            let Some((place, seat)) = admitted.filter(|_| going.load(Ordering::Relaxed)) else {
                round.left += 1;
                continue;
            };
            let poller = self.poller.clone();
            let tick = async move {
                let _at_work: (AtWork, Place) = (at_work, place);
                let turn = Turn {
                    config: &member.config,
                    source: member.source.as_ref(),
                    due,
                    deadline,
                    force,
                    seat: Some(&seat),
                };
                let report = poller.tick(turn).await;
                round::log(&report);
                report
            };
            // A task has no span of its own: without the caller's, its lines would name no invocation.
            tasks.spawn(tick.in_current_span());
        }
        round
    }

    /// A place at the backend, and only then a seat in this process: what waits for a slow backend holds up no other source.
    /// `None` once it is too late to begin.
    async fn admit(&self, member: &Member, deadline: Millis) -> Option<(Place, Seat)> {
        let left = deadline.saturating_sub(self.poller.clock.now());
        let left = Duration::from_millis(u64::try_from(left).ok()?);
        let admitted = async {
            let place = self.poller.limits.backends.enter(&member.config.kind).await;
            (place, self.seats.take().await)
        };
        let admitted = tokio::time::timeout(left, admitted).await.ok()?;
        let late = self.stopping.load(Ordering::Relaxed) || self.poller.clock.now() >= deadline;
        (!late).then_some(admitted)
    }

    /// Ids of due sources, in one shard or all: those whose state says so, and those that have none yet.
    pub(super) async fn due(&self, due: Millis, shard: Option<&str>) -> Result<Due, store::Error> {
        let now = self.poller.clock.now();
        let until = now.max(believable(due, now));
        let (store, roster) = (&self.poller.store, self.roster());
        let mut ids = match shard {
            None => store.due(&self.runner, until, MAX_DUE).await?,
            Some(shard) => store.due_in(&self.runner, shard, until, MAX_DUE).await?,
        };
        let mine = |id: &String| {
            let member = roster.member(id);
            member.is_some_and(|member| shard.is_none_or(|shard| member.shard == shard))
        };
        let left = ids
            .iter()
            .filter(|id| roster.member(id).is_none())
            .cloned()
            .collect();
        ids.retain(mine);
        let unsettled = self
            .settled
            .unsettled(store.as_ref(), &self.runner, &roster, shard, now)
            .await?;
        if !unsettled.is_empty() {
            let found: HashSet<String> = ids.iter().cloned().collect();
            ids.extend(unsettled.into_iter().filter(|id| !found.contains(id)));
        }
        Ok(Due { ids, left })
    }

    fn note(&self, done: Result<Report, tokio::task::JoinError>, round: &mut Round) {
        match done {
            Ok(report) => {
                if let Some(member) = self.roster().member(&report.source) {
                    self.settled.note(member, report.outcome);
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

/// What the store says is due.
pub(super) struct Due {
    /// Sources of this process.
    pub(super) ids: Vec<String>,
    /// Sources that are defined no more, or by another process alone.
    pub(super) left: Vec<String>,
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
