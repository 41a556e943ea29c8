//! Claim and hold a source: one tick works it at a time.

use std::time::Duration;

use crate::clock::Millis;
use crate::forward::Message;
use crate::retry::Budget;
use crate::store::documents::{Document, Lease, Past, State};
use crate::store::{Batch, Error, Etag, Write};

use super::report::Outcome;
use super::window::millis;
use super::{Poller, Stop, Turn, schedule, shard};

/// A source that is ours for now.
pub(crate) struct Held {
    /// As it will be at the next write.
    pub state: State,
    /// Version of the state as it was last written.
    etag: Etag,
    /// Writes that ride with the next one: confirmations, records of failures.
    queue: Vec<Write>,
    queued_bytes: usize,
    /// Why nothing more is sent within this tick.
    blocked: Option<String>,
    /// Messages that were just frozen, so that they need not be made again from the store.
    pub frozen: Option<Frozen>,
    /// What is left of this tick's repeats.
    pub budget: Budget,
    /// Whether the source was asked in this tick.
    pub asked: bool,
    /// The slowest question of this tick.
    pub slowest: Millis,
    /// Nobody is configured who could send: what is read stays here, and no waiting mends that.
    pub mute: bool,
    /// Whether DPS was asked anew in this tick.
    pub registered: bool,
}

/// A shipment's messages as they were frozen a moment ago, with what confirming them takes.
pub(crate) struct Frozen {
    /// Its number.
    pub number: u64,
    /// One message a part.
    pub messages: Vec<Message>,
    /// The documents that carry its rows, and the shipment itself, with their versions.
    pub documents: Vec<(Document, Etag)>,
}

impl Poller {
    /// Takes the lease, or says why not.
    pub(super) async fn claim(&self, turn: &Turn<'_>) -> Result<Result<Held, Outcome>, Stop> {
        let id = &turn.config.id;
        let now = self.clock.now();
        let nonce = format!("{:016x}", fastrand::u64(..));
        let found = self.store.read(id, State::ID).await.map_err(Stop::Store)?;
        let (mut state, before) = match found {
            Some(found) => match found.document {
                Document::State(state) => (state, Some(found.etag)),
                other => return Err(Stop::Store(damaged(id, &other))),
            },
            None => (new_state(turn, now), None),
        };
        if let Some(other) = &state.lease
            && other.until > now
            && other.until <= now.saturating_add(MAX_LEASE)
        {
            return Ok(Err(Outcome::Busy));
        }
        let plan = schedule::plan(&turn.config.schedule, turn.config.zone);
        if state.plan.as_ref().is_some_and(|old| *old != plan) {
            // Reckoned by a schedule that holds no more: a shorter one takes effect now, not when the old one would have come.
            state.next_due = state.next_due.min(turn.due);
            state.asking.due = state.asking.due.min(turn.due);
        }
        if !turn.force && state.next_due > now.max(turn.due) {
            return Ok(Err(Outcome::NotDue));
        }
        state.plan = Some(plan);
        state.shard = Some(shard::of(turn.config));
        state.naming = Some(turn.config.naming.clone());
        state.lease = Some(Lease {
            nonce: nonce.clone(),
            until: now.saturating_add(millis(LEASE)),
        });
        state.runner.clone_from(&turn.config.runner);
        let document = Document::State(state.clone());
        let write = match before {
            Some(etag) => Write::Replace(document, etag),
            None => Write::Create(document),
        };
        let batch = Batch {
            source: id.clone(),
            writes: vec![write],
        };
        let etag = match self.store.commit(batch).await {
            Ok(committed) => committed.etags.into_iter().next().flatten().ok_or(Stop::Lost)?,
            // Another tick was faster, or the store repeated our own write.
            Err(error) if error.is_conflict() || error.is_transient() => {
                match self.reread(id, &nonce).await? {
                    Some((_, etag)) => etag,
                    None if error.is_conflict() => return Ok(Err(Outcome::Busy)),
                    // Nobody has it, and there may be no state yet: not the same as one that is busy.
                    None => return Err(Stop::Store(error)),
                }
            }
            Err(error) => return Err(Stop::Store(error)),
        };
        Ok(Ok(Held::of(state, etag)))
    }

    /// The state as it stands, if its lease is still ours.
    async fn reread(&self, source: &str, nonce: &str) -> Result<Option<(State, Etag)>, Stop> {
        let found = self.store.read(source, State::ID).await.map_err(Stop::Store)?;
        Ok(found.and_then(|found| match found.document {
            Document::State(state) if state.lease.as_ref().is_some_and(|l| l.nonce == nonce) => {
                Some((state, found.etag))
            }
            _ => None,
        }))
    }
}

impl Held {
    /// A source whose lease was just written.
    pub(super) fn of(state: State, etag: Etag) -> Self {
        Self {
            state,
            etag,
            queue: Vec::new(),
            queued_bytes: 0,
            blocked: None,
            frozen: None,
            budget: Budget::new(REPEATS, PATIENCE),
            asked: false,
            slowest: 0,
            mute: false,
            registered: false,
        }
    }

    /// Nothing more is sent within this tick.
    pub(super) fn block(&mut self, why: impl Into<String>) {
        self.blocked = Some(why.into());
    }

    /// Whether the hub (or our time) holds this source.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Makes sure that the lease outlasts a call of this length, by our clock: renews it where it does not. A tick that cannot
    /// renew it has lost the source and must not make the call.
    pub(super) async fn cover(&mut self, poller: &Poller, call: Duration) -> Result<(), Stop> {
        loop {
            let needed = poller.clock.now().saturating_add(millis(call + MARGIN));
            let until = self.state.lease.as_ref().map_or(Millis::MIN, |lease| lease.until);
            if until >= needed {
                return Ok(());
            }
            // The renewal itself may have taken long; so it is looked at again.
            self.commit(poller, Vec::new()).await?;
        }
    }

    /// How many writes ride with the next commit.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Lets writes ride with the next commit.
    pub(super) fn enqueue(&mut self, writes: impl IntoIterator<Item = Write>, bytes: usize) {
        self.queue.extend(writes);
        self.queued_bytes += bytes;
    }

    /// Writes what waits on its own where it cannot share a batch with `writes` more of `bytes`. To be called before the state
    /// is changed for those.
    pub(super) async fn make_room(
        &mut self,
        poller: &Poller,
        writes: usize,
        bytes: usize,
    ) -> Result<(), Stop> {
        if !self.queue.is_empty()
            && (self.queue.len() + writes > MAX_WRITES || self.queued_bytes + bytes > MAX_BYTES)
        {
            self.commit(poller, Vec::new()).await?;
        }
        Ok(())
    }

    /// Writes what waits, `more` and the state, in one batch. The lease is renewed with it, unless it was ended.
    pub(super) async fn commit(&mut self, poller: &Poller, more: Vec<Write>) -> Result<(), Stop> {
        self.commit_for_versions(poller, more).await.map(|_| ())
    }

    /// The same; gives back the versions of `more`, in order.
    pub(super) async fn commit_for_versions(
        &mut self,
        poller: &Poller,
        more: Vec<Write>,
    ) -> Result<Vec<Option<Etag>>, Stop> {
        if let Some(lease) = &mut self.state.lease {
            lease.until = poller.clock.now().saturating_add(millis(LEASE));
        }
        let skip = self.queue.len();
        let mut writes = std::mem::take(&mut self.queue);
        self.queued_bytes = 0;
        writes.extend(more);
        let intended = Document::State(self.state.clone());
        let source = self.state.source.clone();
        let mut tries = 0;
        loop {
            let mut attempt = writes.clone();
            attempt.push(Write::Replace(intended.clone(), self.etag.clone()));
            let error = match poller
                .store
                .commit(Batch {
                    source: source.clone(),
                    writes: attempt,
                })
                .await
            {
                Ok(mut committed) => {
                    self.etag = committed.etags.pop().flatten().ok_or(Stop::Lost)?;
                    return Ok(committed.etags.split_off(skip.min(committed.etags.len())));
                }
                Err(error) => error,
            };
            if !error.is_conflict() && !error.is_transient() {
                return Err(Stop::Store(error));
            }
            // The reply may be lost though the write was not, or somebody else holds the source: look before anything else.
            match self.look(poller, &intended).await? {
                Look::Written(etag) => {
                    self.etag = etag;
                    return self.versions(poller, &writes[skip..]).await;
                }
                Look::NotWritten if tries < 3 => tries += 1,
                Look::NotWritten => return Err(Stop::Store(error)),
                Look::Lost => return Err(Stop::Lost),
            }
        }
    }

    async fn look(&self, poller: &Poller, intended: &Document) -> Result<Look, Stop> {
        let found = poller
            .store
            .read(&self.state.source, State::ID)
            .await
            .map_err(Stop::Store)?;
        let Some(found) = found else { return Ok(Look::Lost) };
        // The version first: a write that leaves the state as it was cannot be told by its words.
        Ok(if found.etag == self.etag {
            Look::NotWritten
        } else if found.document == *intended {
            Look::Written(found.etag)
        } else {
            Look::Lost
        })
    }

    async fn versions(&self, poller: &Poller, writes: &[Write]) -> Result<Vec<Option<Etag>>, Stop> {
        let mut versions = Vec::with_capacity(writes.len());
        for write in writes {
            versions.push(match write {
                Write::Create(document) | Write::Replace(document, _) | Write::Upsert(document) => {
                    let found = poller.store.read(document.source(), document.id()).await;
                    found.map_err(Stop::Store)?.map(|found| found.etag)
                }
                Write::Delete(..) => None,
            });
        }
        Ok(versions)
    }
}

enum Look {
    Written(Etag),
    NotWritten,
    Lost,
}

/// How long a lease lasts from each write on: the longest call, its margin, and a while to work in between.
const LEASE: Duration = Duration::from_secs(150);
/// What a lease must have left when a call that takes all its time is over: clocks of two processes differ.
const MARGIN: Duration = Duration::from_secs(30);
/// Repeats of one tick, and how long they may wait in all. What was asked for beyond that is remembered for the next tick.
const REPEATS: u32 = 6;
const PATIENCE: Duration = Duration::from_secs(20);
/// A lease that ends further ahead than this was written by a broken clock and counts as over.
const MAX_LEASE: Millis = 3_600_000;
/// Cosmos DB takes 100 writes and 2 MB in a batch; the state rides along.
const MAX_WRITES: usize = 95;
const MAX_BYTES: usize = 1_700_000;

fn new_state(turn: &Turn<'_>, now: Millis) -> State {
    let config = turn.config;
    State {
        id: State::ID.into(),
        source: config.id.clone(),
        runner: config.runner.clone(),
        birth: format!("{now:011x}{:05x}", fastrand::u32(..0x10_0000)),
        lease: None,
        next: 1,
        unshipped: Vec::new(),
        pending: Vec::new(),
        confirmed: 0,
        refused: 0,
        mark: config
            .start
            .filter(|_| turn.source.has_history())
            .map(|start| start.saturating_sub(1)),
        checkpoint: None,
        pass: None,
        gaps: None,
        past: Past {
            began: config.start.filter(|_| turn.source.has_history()),
            ..Past::default()
        },
        failures: 0,
        trouble: None,
        parked: None,
        next_due: 0,
        shard: None,
        plan: None,
        asking: Default::default(),
        sending: Default::default(),
        naming: None,
        assignment: None,
    }
}

fn damaged(source: &str, other: &Document) -> Error {
    Error::Damaged {
        source_id: source.into(),
        id: State::ID.into(),
        detail: format!("it is a {}", other.kind()),
    }
}
