//! Fan-out: what one process cannot poll within a tick is handed out by shards, each to one worker at a time.
//!
//! A note in the store says until when a shard is queued or at work. It saves work and holds a backend's request budget in one
//! process; what keeps two ticks off one source is the lease in its state, so a job that comes twice does no harm.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::note::Note;
use super::rounds::Due;
use super::{Round, Rounds};
use crate::clock::Millis;
use crate::store;
use crate::store::documents::ShardDoc;

/// What one process of the timer is to do with what is due.
#[derive(Debug, Default)]
pub struct Share {
    /// Sources to poll here and now.
    pub here: Vec<String>,
    /// Due ones that are defined no more: [`Rounds::finish`].
    pub left: Vec<String>,
    /// Shards to be put into the queue.
    pub jobs: Vec<Ticket>,
    /// Shards that are queued or at work already.
    pub busy: usize,
}

/// One shard's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The shard.
    pub shard: String,
    /// Drawn for this job, so that its second delivery is known from another job.
    pub ticket: String,
}

/// What a worker did with a job.
#[derive(Debug)]
pub enum Worked {
    /// It polled what was due.
    Done(Round),
    /// Another worker has the shard; it sees to what becomes due meanwhile, too.
    Elsewhere,
}

impl Rounds {
    /// Says who polls what is due: this process, as long as it is no more than `limit` sources, else workers, by shards. What is
    /// given out as a job is noted as queued before it is.
    ///
    /// # Errors
    /// When the store does not say what is due or queued, or does not take a note.
    pub async fn share(&self, due: Millis, limit: usize) -> Result<Share, store::Error> {
        let store = &self.poller().store;
        store.prepare().await?;
        let roster = self.roster();
        if roster.ids(None).len() <= limit {
            let Due { ids: here, left } = self.due(due, None).await?;
            return Ok(Share {
                here,
                left,
                ..Share::default()
            });
        }
        let now = self.poller().clock.now();
        let notes: HashMap<String, Note> = Note::all(store.as_ref(), self.runner())
            .await?
            .into_iter()
            .map(|note| (note.doc.shard.clone(), note))
            .collect();
        let is_busy = |shard: &str| notes.get(shard).is_some_and(|note| note.doc.until > now);
        let busy = roster.shards().filter(|shard| is_busy(shard)).count();
        // One more than are polled here is enough to know; the others are never read.
        let until = now.max(due);
        let some = store.due(self.runner(), until, limit.saturating_add(1)).await?;
        let (some, left): (Vec<_>, Vec<_>) = some.into_iter().partition(|id| roster.member(id).is_some());
        if some.len() <= limit {
            let Due { ids: mut here, left } = self.due(due, None).await?;
            if here.len() <= limit {
                here.retain(|id| roster.member(id).is_some_and(|member| !is_busy(&member.shard)));
                return Ok(Share {
                    here,
                    left,
                    busy,
                    ..Share::default()
                });
            }
        }
        let mut idle: Vec<&str> = roster.shards().filter(|shard| !is_busy(shard)).collect();
        // With more shards than go into one answer, those that waited longest come first.
        idle.sort_by_key(|shard| notes.get(*shard).map_or(0, |note| note.doc.at));
        let mut jobs = Vec::new();
        for shard in idle.into_iter().take(MAX_JOBS) {
            let note = notes.get(shard).cloned();
            let mut note = note.unwrap_or_else(|| Note::new(self.runner(), shard));
            note.doc.ticket = format!("{:016x}", fastrand::u64(..));
            note.doc.delivery = 0;
            if note.write(store.as_ref(), now, now + QUEUED).await? {
                jobs.push(Ticket {
                    shard: shard.to_owned(),
                    ticket: note.doc.ticket,
                });
            }
        }
        Ok(Share {
            left,
            jobs,
            busy,
            ..Share::default()
        })
    }

    /// Works a job, delivered for the `delivery`-th time: polls what is due in its shard, and what becomes due there while a slow
    /// source is still being worked. Begins nothing after `deadline`.
    ///
    /// # Errors
    /// When the store does not say what is due, or takes no note: the queue hands the job out again.
    pub async fn work(
        &self,
        job: &Ticket,
        delivery: u32,
        due: Millis,
        deadline: Millis,
    ) -> Result<Worked, store::Error> {
        let store = &self.poller().store;
        store.prepare().await?;
        let Some(mut note) = self.take(job, delivery).await? else {
            return Ok(Worked::Elsewhere);
        };
        let going = AtomicBool::new(true);
        let round = async |due: Millis| {
            let Due { ids, .. } = self.due(due, Some(&job.shard)).await?;
            Ok::<_, store::Error>(self.poll_while(ids, due, deadline, false, &going).await)
        };
        let mut rounds = FuturesUnordered::new();
        rounds.push(round(due));
        let mut beat = tokio::time::interval(self.beat);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        beat.reset();
        let mut worked = Round::default();
        let mut failed = None;
        loop {
            tokio::select! {
                done = rounds.next() => match done {
                    Some(Ok(round)) => worked.join(round),
                    Some(Err(error)) => failed = Some(error),
                    None => break,
                },
                _ = beat.tick() => {
                    let now = self.poller().clock.now();
                    match note.write(store.as_ref(), now, now + AT_WORK).await {
                        Ok(true) => {}
                        // A later delivery, or another job after a long silence of the store, has the shard now.
                        Ok(false) => going.store(false, Ordering::Relaxed),
                        Err(error) => tracing::warn!(shard = job.shard, %error, "The note on this shard was not renewed"),
                    }
                    if going.load(Ordering::Relaxed) && now < deadline {
                        rounds.push(round(now));
                    }
                }
            }
        }
        if going.load(Ordering::Relaxed) {
            note.doc.delivery = 0;
            // Not worth a failed call: it is over by itself soon.
            let now = self.poller().clock.now();
            if let Err(error) = note.write(store.as_ref(), now, 0).await {
                tracing::warn!(shard = job.shard, %error, "The note on this shard was not ended");
            }
        }
        match failed {
            Some(error) if worked.reports.is_empty() => Err(error),
            _ => Ok(Worked::Done(worked)),
        }
    }

    /// Notes that this delivery of the job is at work; `None` where another one is.
    async fn take(&self, job: &Ticket, delivery: u32) -> Result<Option<Note>, store::Error> {
        let store = self.poller().store.as_ref();
        loop {
            let now = self.poller().clock.now();
            let found = Note::read(store, self.runner(), &job.shard).await?;
            let mut note = found.unwrap_or_else(|| Note::new(self.runner(), &job.shard));
            let doc = &note.doc;
            // The queue hands a message out again when its worker is dead, or seems to be.
            let again = doc.ticket == job.ticket && doc.delivery < delivery;
            if doc.until > now && doc.delivery > 0 && !again {
                return Ok(None);
            }
            note.doc.ticket.clone_from(&job.ticket);
            note.doc.delivery = delivery.max(1);
            if note.write(store, now, now + AT_WORK).await? {
                return Ok(Some(note));
            }
        }
    }

    /// Notes a job that failed at its last delivery and so goes to the poison queue. Only told, never repeated.
    pub async fn poisoned(&self, job: &Ticket, why: &str) {
        let store = self.poller().store.as_ref();
        let noted = async {
            store.prepare().await?;
            for _ in 0..3 {
                let now = self.poller().clock.now();
                let found = Note::read(store, self.runner(), &job.shard).await?;
                let mut note = found.unwrap_or_else(|| Note::new(self.runner(), &job.shard));
                // The next tick may hand the shard out again, unless another job has it.
                let until = if note.doc.ticket == job.ticket {
                    0
                } else {
                    note.doc.until
                };
                note.doc.poisoned += 1;
                note.doc.poisoned_at = Some(now);
                note.doc.poisoned_by = Some(why.chars().take(500).collect());
                if note.write(store, now, until).await? {
                    break;
                }
            }
            Ok::<_, store::Error>(())
        };
        if let Err(error) = noted.await {
            tracing::warn!(shard = job.shard, %error, "The poisoned job is not noted");
        }
    }

    /// The notes on this runner's shards, for health.
    ///
    /// # Errors
    /// When the store does not list them.
    pub async fn shards(&self) -> Result<Vec<ShardDoc>, store::Error> {
        let notes = Note::all(self.poller().store.as_ref(), self.runner()).await?;
        Ok(notes.into_iter().map(|note| note.doc).collect())
    }
}

/// How long a job may wait in the queue before it is taken for lost: a little more than the queue's latency and a cold start. A
/// job that was only slow then comes twice, which costs one question.
const QUEUED: Millis = 120_000;
/// How long a worker that is not heard of counts as at work.
const AT_WORK: Millis = 90_000;
/// How often it is heard of, and looks for what became due.
pub(super) const BEAT: Duration = Duration::from_secs(30);
/// Jobs in one answer: the host puts them one after the other, while the timer waits.
const MAX_JOBS: usize = 500;
