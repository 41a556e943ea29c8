//! Store: remembers every poll, every row until it is delivered, and where each source stands.
//!
//! One container; the partition is the source, so that one source's documents change in one transaction. Two implementations,
//! [`embedded`] (one SQLite file) and [`cosmos`], pass one shared suite of tests.

pub mod cosmos;
pub mod documents;
pub mod embedded;

pub use documents::Document;

use async_trait::async_trait;
use serde::Deserialize;

use crate::clock::Millis;

/// Version of one stored document. A write can be made conditional on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Etag(pub String);

/// A document together with its version.
#[derive(Clone, Debug)]
pub struct Found {
    /// The document.
    pub document: Document,
    /// Its version.
    pub etag: Etag,
}

/// What remembers.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes database and container where that is allowed, or says which are missing. Called before first use; cheap when repeated.
    async fn prepare(&self) -> Result<(), Error>;

    /// One document of a source by its id; `None` when there is none (or its time to live is over).
    async fn read(&self, source: &str, id: &str) -> Result<Option<Found>, Error>;

    /// All writes of a batch, or none: at most 100 writes and 2 MB, all of one source.
    async fn commit(&self, batch: Batch) -> Result<Committed, Error>;

    /// Ids of sources of this runner whose state has `nextDue ≤ now`, the longest due first.
    async fn due(&self, runner: &str, now: Millis, limit: usize) -> Result<Vec<String>, Error>;

    /// The same of one shard. A store that keeps no shards may name sources of others, too.
    async fn due_in(
        &self,
        runner: &str,
        shard: &str,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let _ = shard;
        self.due(runner, now, limit).await
    }

    /// What is known of every source of this runner that has a state, or of those in one shard: asked once by a process, so that it
    /// learns which of its sources have none yet.
    async fn standings(&self, runner: &str, shard: Option<&str>) -> Result<Vec<Standing>, Error> {
        // Nothing is known: sources are looked at one by one until they have been polled.
        let _ = (runner, shard);
        Ok(Vec::new())
    }

    /// Documents of one kind, newest id first: of one source, or of all of them.
    async fn list(&self, list: List) -> Result<Vec<Found>, Error>;

    /// One line for people: what and where this store is. No secret.
    fn describe(&self) -> String;
}

/// A source that has a state.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// Its id.
    pub source: String,
    /// [`documents::State::shard`].
    #[serde(default)]
    pub shard: Option<String>,
    /// [`documents::State::plan`].
    #[serde(default)]
    pub plan: Option<String>,
}

/// One transaction on one source's documents.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The partition.
    pub source: String,
    /// Writes in order.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Writes in one batch, Cosmos DB's limit (<https://learn.microsoft.com/azure/cosmos-db/concepts-limits>).
    pub const MAX_WRITES: usize = 100;

    /// What every store asks of a batch before it looks at it: not too many writes, and all of them of its source.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: the caller is at fault.
    pub fn check(&self) -> Result<(), Error> {
        let refused = |what: String| {
            Err(Error::Refused {
                what,
                mend: "this is a fault in meterbridge; please report it".into(),
            })
        };
        if self.writes.len() > Self::MAX_WRITES {
            return refused(format!(
                "a batch of {} has {} writes",
                self.source,
                self.writes.len()
            ));
        }
        for write in &self.writes {
            if let Write::Create(d) | Write::Replace(d, _) | Write::Upsert(d) = write
                && d.source() != self.source
            {
                return refused(format!(
                    "a batch of {} holds a document of {}",
                    self.source,
                    d.source()
                ));
            }
        }
        Ok(())
    }
}

/// One write of a batch.
#[derive(Clone, Debug)]
pub enum Write {
    /// Makes a document that must not exist.
    Create(Document),
    /// Replaces a document that must still have this version.
    Replace(Document, Etag),
    /// Writes a document whatever is there: only for definitions that people own.
    Upsert(Document),
    /// Deletes a document that must still have this version; without one, whatever is there. Something must be there: a document
    /// that is missing already is [`Error::Changed`], since a transaction of Cosmos DB fails on it.
    Delete(String, Option<Etag>),
}

/// What a committed batch gives back.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// The new version of each written document, in the order of the writes; `None` for a delete.
    pub etags: Vec<Option<Etag>>,
    /// Request units charged; 0 for the embedded store.
    pub charge: f64,
}

/// A question for documents of one kind.
#[derive(Clone, Debug)]
pub struct List {
    /// Only this source's; `None` for all.
    pub source: Option<String>,
    /// [`Document::kind`].
    pub kind: &'static str,
    /// At most so many.
    pub limit: usize,
    /// Only ids below this one: the last id of the page before.
    pub before: Option<String>,
}

/// Why the store could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A `Replace` or `Delete` met another version, or none (412): somebody else wrote.
    #[error("{id} of {source_id} was changed by somebody else")]
    Changed {
        /// Partition.
        source_id: String,
        /// Document.
        id: String,
    },
    /// A `Create` met an existing document (409).
    #[error("{id} of {source_id} exists already")]
    Exists {
        /// Partition.
        source_id: String,
        /// Document.
        id: String,
    },
    /// Overloaded, unreachable or too slow: the write may or may not have happened.
    #[error("the store is not answering: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
    },
    /// The store refuses for a reason that will not pass: wrong key, missing container, disk full, document too large.
    #[error("{what}; {mend}")]
    Refused {
        /// What is wrong.
        what: String,
        /// What to change.
        mend: String,
    },
    /// A stored document cannot be understood.
    #[error("{id} of {source_id} cannot be read: {detail}; it was written by another version, or damaged")]
    Damaged {
        /// Partition.
        source_id: String,
        /// Document.
        id: String,
        /// Where it differs.
        detail: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether the outcome of the write is known to be "not written".
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::Exists { .. })
    }
}
