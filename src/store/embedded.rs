//! The embedded store: one SQLite file.
//!
//! Several processes may share it. One thread per process writes, and batches that wait share one transaction and one fsync;
//! readers have connections of their own and never wait for it. Nothing is kept in memory that a SIGKILL could lose: a commit is
//! answered after its transaction is on the disk (`WAL`, `synchronous=FULL`).

mod error;
mod file;
mod readers;
mod row;
mod writer;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::named_params;
use tokio::sync::oneshot;

use self::readers::Readers;
use self::row::{Step, decode};
use self::writer::{Job, Writer};
use super::{Batch, Committed, Error, Etag, Found, List, Standing, Store};
use crate::clock::{Clock, Millis};

/// A batch larger than this is refused, as Cosmos DB refuses it: what runs here runs there.
const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Sorts after every id: the last character of Unicode.
const AFTER_ALL_IDS: &str = "\u{10FFFF}";

/// One SQLite file. Dropping it waits for the batches that are on their way.
#[derive(Debug)]
pub struct Embedded {
    path: PathBuf,
    clock: Clock,
    writer: Writer,
    readers: Readers,
}

impl Embedded {
    /// Opens the file, or makes it (readable by its owner alone) with the directories above it. `clock` decides what has expired.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the file cannot be made, is damaged, belongs to another program or was written by a newer version;
    /// [`Error::Unavailable`] when another process keeps it locked.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, Error> {
        let connection = file::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            clock,
            writer: Writer::start(connection, path)?,
            readers: Readers::of(path),
        })
    }
}

#[async_trait]
impl Store for Embedded {
    async fn prepare(&self) -> Result<(), Error> {
        Ok(()) // The file was made when it was opened.
    }

    async fn read(&self, source: &str, id: &str) -> Result<Option<Found>, Error> {
        let (source, id, now) = (source.to_owned(), id.to_owned(), self.clock.now());
        self.readers
            .ask(move |connection| {
                connection
                    .one(
                        "SELECT etag, doc FROM document
                     WHERE source = :source AND id = :id AND (expires IS NULL OR expires > :now)",
                        named_params! { ":source": source, ":id": id, ":now": now },
                        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
                    )?
                    .map(|(etag, doc)| found(&source, &id, etag, &doc))
                    .transpose()
            })
            .await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        batch.check()?;
        let now = self.clock.now();
        let mut steps = Vec::with_capacity(batch.writes.len());
        let mut bytes = 0;
        for write in &batch.writes {
            let step = Step::of(&batch.source, write, now)?;
            bytes += step.bytes();
            steps.push(step);
        }
        if bytes > MAX_BATCH_BYTES {
            return Err(Error::Refused {
                what: format!("a batch of {} is too large ({bytes} bytes)", batch.source),
                mend: "store fewer rows at once: a shorter slice".into(),
            });
        }
        if steps.is_empty() {
            return Ok(Committed::default());
        }
        let (reply, answer) = oneshot::channel();
        self.writer
            .send(Job {
                source: batch.source,
                steps,
                now,
                reply,
            })
            .await?;
        answer.await.unwrap_or_else(|_| Err(writer::ended()))
    }

    async fn due(&self, runner: &str, now: Millis, limit: usize) -> Result<Vec<String>, Error> {
        let runner = runner.to_owned();
        self.readers
            .ask(move |connection| {
                connection.all(
                    "SELECT source FROM document WHERE runner = :runner AND due <= :now ORDER BY due, source LIMIT :limit",
                    named_params! { ":runner": runner, ":now": now, ":limit": sql_limit(limit) },
                    |row| row.get(0),
                )
            })
            .await
    }

    async fn due_in(
        &self,
        runner: &str,
        shard: &str,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let (runner, shard) = (runner.to_owned(), shard.to_owned());
        self.readers
            .ask(move |connection| {
                connection.all(
                    "SELECT source FROM document WHERE runner = :runner AND due <= :now AND shard = :shard
                     ORDER BY due, source LIMIT :limit",
                    named_params! { ":runner": runner, ":shard": shard, ":now": now, ":limit": sql_limit(limit) },
                    |row| row.get(0),
                )
            })
            .await
    }

    async fn standings(&self, runner: &str, shard: Option<&str>) -> Result<Vec<Standing>, Error> {
        let (runner, shard) = (runner.to_owned(), shard.map(str::to_owned));
        self.readers
            .ask(move |connection| {
                connection.all(
                    "SELECT source, shard, json_extract(doc, '$.plan') FROM document
                     WHERE runner = :runner AND due IS NOT NULL AND (:shard IS NULL OR shard = :shard)",
                    named_params! { ":runner": runner, ":shard": shard },
                    |row| {
                        Ok(Standing {
                            source: row.get(0)?,
                            shard: row.get(1)?,
                            plan: row.get(2)?,
                        })
                    },
                )
            })
            .await
    }

    async fn list(&self, list: List) -> Result<Vec<Found>, Error> {
        let now = self.clock.now();
        self.readers
            .ask(move |connection| {
                let before = list.before.as_deref().unwrap_or(AFTER_ALL_IDS);
                let limit = sql_limit(list.limit);
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
                let rows: Vec<(String, String, String, String)> = match &list.source {
                    Some(source) => connection.all(
                        "SELECT source, id, etag, doc FROM document
                         WHERE kind = :kind AND source = :source AND id < :before AND (expires IS NULL OR expires > :now)
                         ORDER BY id DESC LIMIT :limit",
                        named_params! { ":kind": list.kind, ":source": source, ":before": before, ":now": now, ":limit": limit },
                        read,
                    )?,
                    None => connection.all(
                        "SELECT source, id, etag, doc FROM document
                         WHERE kind = :kind AND id < :before AND (expires IS NULL OR expires > :now)
                         ORDER BY id DESC, source DESC LIMIT :limit",
                        named_params! { ":kind": list.kind, ":before": before, ":now": now, ":limit": limit },
                        read,
                    )?,
                };
                rows.into_iter()
                    .map(|(source, id, etag, doc)| found(&source, &id, etag, &doc))
                    .collect()
            })
            .await
    }

    fn describe(&self) -> String {
        format!("SQLite file {}", self.path.display())
    }
}

fn found(source: &str, id: &str, etag: String, doc: &str) -> Result<Found, Error> {
    Ok(Found {
        document: decode(source, id, doc)?,
        etag: Etag(etag),
    })
}

/// SQLite counts in signed 64 bits.
fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
