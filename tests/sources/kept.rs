//! A store that counts what is asked of it, and may lose a reply or refuse at one operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use meterbridge::store::{Batch, Committed, Error, Found, List, Store};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The call is never answered, and was not made.
    KilledBefore,
    /// The call is never answered, though it was made.
    KilledAfter,
    /// It was made, and its reply is lost.
    ReplyLost,
    /// It was made, and the client repeated it and met its own write.
    MetItself,
}

pub struct Counted {
    pub inner: Arc<dyn Store>,
    pub reads: AtomicUsize,
    pub lists: AtomicUsize,
    pub commits: AtomicUsize,
    /// What happens at which operation, counted from 0.
    pub fate: Option<(usize, Fate)>,
    count: AtomicUsize,
    /// Told when the process is dead.
    pub killed: tokio::sync::Notify,
}

impl Counted {
    pub fn of(inner: Arc<dyn Store>, fate: Option<(usize, Fate)>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reads: AtomicUsize::new(0),
            lists: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            fate,
            count: AtomicUsize::new(0),
            killed: tokio::sync::Notify::new(),
        })
    }

    pub fn operations(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    fn next(&self) -> Option<Fate> {
        let at = self.count.fetch_add(1, Ordering::SeqCst);
        self.fate.filter(|(fated, _)| *fated == at).map(|(_, fate)| fate)
    }

    async fn through<T>(&self, call: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        let fate = self.next();
        if fate == Some(Fate::KilledBefore) {
            self.killed.notify_one();
            std::future::pending::<()>().await;
        }
        let answer = call.await;
        match fate {
            None | Some(Fate::KilledBefore) => answer,
            Some(Fate::KilledAfter) => {
                self.killed.notify_one();
                std::future::pending().await
            }
            Some(Fate::ReplyLost) => Err(Error::Unavailable {
                detail: "the reply was lost".into(),
            }),
            Some(Fate::MetItself) => Err(Error::Changed {
                source_id: "~sources".into(),
                id: "catalog".into(),
            }),
        }
    }
}

#[async_trait]
impl Store for Counted {
    async fn prepare(&self) -> Result<(), Error> {
        self.inner.prepare().await
    }

    async fn read(&self, source: &str, id: &str) -> Result<Option<Found>, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read(source, id).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.through(self.inner.commit(batch)).await
    }

    async fn due(&self, runner: &str, now: i64, limit: usize) -> Result<Vec<String>, Error> {
        self.inner.due(runner, now, limit).await
    }

    async fn list(&self, list: List) -> Result<Vec<Found>, Error> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        self.inner.list(list).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
