//! Ends the process from inside, by SIGKILL, at a chosen poll of a tick or at a chosen operation; or holds it there for a while.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use meterbridge::clock::Millis;
use meterbridge::forward::{Assignment, Delivered, Error as ForwardError, Forward, Message};
use meterbridge::source::{Answer, Error as SourceError, Finding, Request, Source, Window};
use meterbridge::store::{Batch, Committed, Document, Error as StoreError, Found, List, Store, Write};

use crate::child;

/// Where the process ends. Polls and operations are counted from 1, over all ticks of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spark {
    /// A tick was woken, and is not polled any more.
    BeforePoll(u64),
    /// A tick was polled: what it has begun is on its way.
    AfterPoll(u64),
    /// An operation of store, source or hub is not begun.
    Before(u64),
    /// An operation is done, and its result reaches nobody.
    After(u64),
    /// The process stands still before an operation until it is told to go on.
    Stall(u64),
}

/// Sources that are held, with the lease's nonce and since when; and the holds that are over.
#[derive(Default)]
struct Holds {
    held: HashMap<String, (String, i64)>,
    over: Vec<(String, i64, i64)>,
}

/// Counts, and ends the process.
pub(crate) struct Fuse {
    spark: Option<Spark>,
    polls: AtomicU64,
    operations: AtomicU64,
    /// Share of the store's operations whose reply is lost, or that are not done at all.
    unreliable: f64,
    rng: Mutex<fastrand::Rng>,
    holds: Mutex<Holds>,
}

impl Fuse {
    pub(crate) fn new(spark: Option<Spark>, unreliable: f64, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            spark,
            polls: AtomicU64::new(0),
            operations: AtomicU64::new(0),
            unreliable,
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            holds: Mutex::default(),
        })
    }

    /// A tick under this fuse.
    pub(crate) fn tick<F: Future>(self: &Arc<Self>, tick: F) -> Ticking<F> {
        Ticking {
            tick: Box::pin(tick),
            fuse: Arc::clone(self),
        }
    }

    async fn operation<T>(&self, operation: impl Future<Output = T>) -> T {
        let number = self.operations.fetch_add(1, Ordering::SeqCst) + 1;
        match self.spark {
            Some(Spark::Before(at)) if at == number => die(),
            Some(Spark::Stall(at)) if at == number => {
                println!("stalled");
                // Whatever is said, and also the end of the input, lets it go on.
                let _ = child::orders().recv().await;
            }
            _ => {}
        }
        let done = operation.await;
        if self.spark == Some(Spark::After(number)) {
            die();
        }
        done
    }

    /// Every hold that was given back: source, microseconds since 1970 of its first and its last moment.
    pub(crate) fn holds(&self) -> Vec<(String, i64, i64)> {
        self.holds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .over
            .clone()
    }

    /// A lease was written: the source is held from the first time that this is done.
    fn held(&self, (source, nonce): (String, String), now: i64) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let hold = holds.held.entry(source).or_insert_with(|| (nonce.clone(), now));
        if hold.0 != nonce {
            *hold = (nonce, now);
        }
    }

    /// The lease is about to be given back.
    fn released(&self, source: &str, now: i64) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, from)) = holds.held.remove(source) {
            holds.over.push((source.to_owned(), from, now));
        }
    }

    fn chance(&self) -> f64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

/// SIGKILL: no destructor runs, no buffer is flushed.
fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// A tick whose polls are counted: one for each time it was woken at an await.
pub(crate) struct Ticking<F> {
    tick: Pin<Box<F>>,
    fuse: Arc<Fuse>,
}

impl<F: Future> Future for Ticking<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let number = self.fuse.polls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.fuse.spark == Some(Spark::BeforePoll(number)) {
            die();
        }
        let polled = self.tick.as_mut().poll(context);
        if self.fuse.spark == Some(Spark::AfterPoll(number)) {
            die();
        }
        polled
    }
}

/// Source and nonce of the lease that a batch writes.
fn lease(batch: &Batch) -> Option<(String, String)> {
    batch.writes.iter().find_map(|write| match write {
        Write::Create(Document::State(state)) | Write::Replace(Document::State(state), _) => {
            let lease = state.lease.as_ref()?;
            Some((batch.source.clone(), lease.nonce.clone()))
        }
        _ => None,
    })
}

fn micros() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// A store under a fuse, and a little unreliable.
pub(crate) struct FusedStore(pub(crate) Arc<dyn Store>, pub(crate) Arc<Fuse>);

impl FusedStore {
    fn fails(&self) -> Result<(), StoreError> {
        if self.1.chance() < self.1.unreliable {
            return Err(StoreError::Unavailable { detail: "429".into() });
        }
        Ok(())
    }
}

#[async_trait]
impl Store for FusedStore {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.0.prepare().await
    }

    async fn read(&self, source: &str, id: &str) -> Result<Option<Found>, StoreError> {
        self.fails()?;
        self.1.operation(self.0.read(source, id)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.fails()?;
        let lease = lease(&batch);
        if lease.is_none() {
            self.1.released(&batch.source, micros());
        }
        let committed = self.1.operation(self.0.commit(batch)).await;
        if let (true, Some(lease)) = (committed.is_ok(), lease) {
            self.1.held(lease, micros());
        }
        // Done, and nobody is told.
        self.fails()?;
        committed
    }

    async fn due(&self, runner: &str, now: Millis, limit: usize) -> Result<Vec<String>, StoreError> {
        self.0.due(runner, now, limit).await
    }

    async fn list(&self, list: List) -> Result<Vec<Found>, StoreError> {
        self.1.operation(self.0.list(list)).await
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// A source under a fuse.
pub(crate) struct FusedSource(pub(crate) Arc<dyn Source>, pub(crate) Arc<Fuse>);

#[async_trait]
impl Source for FusedSource {
    fn has_history(&self) -> bool {
        self.0.has_history()
    }

    fn request(&self, window: Window) -> Request {
        self.0.request(window)
    }

    async fn read(&self, window: Window) -> Result<Answer, SourceError> {
        self.1.operation(self.0.read(window)).await
    }

    async fn inspect(&self) -> Vec<Finding> {
        self.0.inspect().await
    }
}

/// A hub under a fuse.
pub(crate) struct FusedForward(pub(crate) Arc<dyn Forward>, pub(crate) Arc<Fuse>);

#[async_trait]
impl Forward for FusedForward {
    async fn device(
        &self,
        source: &str,
        cached: Option<&Assignment>,
        fresh: bool,
    ) -> Result<Assignment, ForwardError> {
        self.0.device(source, cached, fresh).await
    }

    async fn send(&self, to: &Assignment, messages: &[Message]) -> Result<Delivered, ForwardError> {
        self.1.operation(self.0.send(to, messages)).await
    }
}

impl fmt::Display for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforePoll(at) => write!(f, "before-poll:{at}"),
            Self::AfterPoll(at) => write!(f, "after-poll:{at}"),
            Self::Before(at) => write!(f, "before:{at}"),
            Self::After(at) => write!(f, "after:{at}"),
            Self::Stall(at) => write!(f, "stall:{at}"),
        }
    }
}

impl FromStr for Spark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is no instant; write before-poll:N, after-poll:N, before:N, after:N or stall:N")
        };
        let (what, at) = text.split_once(':').ok_or_else(wrong)?;
        let at = at.parse().map_err(|_| wrong())?;
        Ok(match what {
            "before-poll" => Self::BeforePoll(at),
            "after-poll" => Self::AfterPoll(at),
            "before" => Self::Before(at),
            "after" => Self::After(at),
            "stall" => Self::Stall(at),
            _ => return Err(wrong()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spark_survives_its_text() {
        for spark in [
            Spark::BeforePoll(1),
            Spark::AfterPoll(2),
            Spark::Before(3),
            Spark::After(4),
            Spark::Stall(5),
        ] {
            assert_eq!(spark.to_string().parse(), Ok(spark));
        }
        assert!("after".parse::<Spark>().is_err());
    }
}
