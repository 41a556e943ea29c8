//! The one thread that writes. Batches that wait share one transaction, and so one fsync.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::{Connection, Savepoint, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::error::classify;
use super::row::Step;
use crate::clock::Millis;
use crate::store::{Committed, Error, Etag};

/// Batches in one transaction: others must not wait for ever for its end.
const GROUP: usize = 128;

/// Bytes in one transaction, roughly: a few of the largest batches.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Expired documents deleted in one transaction.
const SWEEP_STEP: usize = 64;

/// How often expired documents are looked for, milliseconds.
const SWEEP_EVERY: Millis = 10_000;

/// A batch on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) source: String,
    pub(super) steps: Vec<Step>,
    /// When it was asked for: what has expired by then does not exist.
    pub(super) now: Millis,
    pub(super) reply: oneshot::Sender<Result<Committed, Error>>,
}

/// Hands batches to the writing thread, and waits for it at the end.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What a caller hears when the thread is gone.
pub(super) fn ended() -> Error {
    Error::Unavailable {
        detail: "the writing thread has ended; restart the process".into(),
    }
}

impl Writer {
    pub(super) fn start(connection: Connection, path: &Path) -> Result<Self, Error> {
        // Versions are this text and a count: no two processes, and no two lives of one, ever give the same.
        let life: String = connection
            .query_row("SELECT lower(hex(randomblob(6)))", [], |row| row.get(0))
            .map_err(|error| classify(path, &error))?;
        let (jobs, waiting) = mpsc::channel(GROUP);
        let mut thread = Thread {
            connection,
            path: path.to_owned(),
            life,
            versions: 0,
            sweep_at: Millis::MIN,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || thread.run(waiting))
            .map_err(|error| Error::Unavailable {
                detail: format!("no thread for the store: {error}"),
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    pub(super) async fn send(&self, job: Job) -> Result<(), Error> {
        match &self.jobs {
            Some(jobs) => jobs.send(job).await.map_err(|_| ended()),
            None => Err(ended()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None; // The thread ends once it has answered what is in the channel.
        if let Some(thread) = self.thread.take() {
            // A panic over there was its callers' error already.
            let _ = thread.join();
        }
    }
}

struct Thread {
    connection: Connection,
    path: PathBuf,
    life: String,
    versions: u64,
    sweep_at: Millis,
}

impl Thread {
    fn run(&mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while let Some(first) = waiting.blocking_recv() {
            let mut bytes = size(&first);
            group.push(first);
            while group.len() < GROUP && bytes < GROUP_BYTES {
                let Ok(next) = waiting.try_recv() else { break };
                bytes += size(&next);
                group.push(next);
            }
            match self.transact(&group) {
                Ok(results) => {
                    for (job, result) in group.drain(..).zip(results) {
                        let _ = job.reply.send(result); // A caller who gave up does not hear it.
                    }
                }
                Err(error) => {
                    let error = classify(&self.path, &error);
                    for job in group.drain(..) {
                        let _ = job.reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// All batches of a group in one transaction; one that meets a conflict takes back its own writes alone.
    /// An error means that nothing of the group was written, or (I/O errors at the end) that nobody knows.
    fn transact(&mut self, group: &[Job]) -> rusqlite::Result<Vec<Result<Committed, Error>>> {
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut results = Vec::with_capacity(group.len());
        for job in group {
            let mut savepoint = transaction.savepoint()?;
            let mut etags = Vec::with_capacity(job.steps.len());
            let mut conflict = None;
            for step in &job.steps {
                self.versions += 1;
                let etag = format!("{}-{:x}", self.life, self.versions);
                if apply(&savepoint, job, step, &etag)? == 0 {
                    conflict = Some(conflict_of(job, step));
                    break;
                }
                etags.push((!matches!(step, Step::Delete(..))).then_some(Etag(etag)));
            }
            results.push(match conflict {
                None => {
                    savepoint.commit()?;
                    Ok(Committed { etags, charge: 0.0 })
                }
                Some(conflict) => {
                    savepoint.rollback()?;
                    savepoint.commit()?;
                    Err(conflict)
                }
            });
        }
        let now = group.iter().map(|job| job.now).max().unwrap_or(Millis::MIN);
        // A clock that was set back must not stop the sweeping for as long as it was wrong.
        if now >= self.sweep_at || now < self.sweep_at.saturating_sub(SWEEP_EVERY) {
            let swept = transaction
                .prepare_cached(
                    "DELETE FROM document WHERE (source, id) IN
                       (SELECT source, id FROM document WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
                )?
                .execute(params![now, SWEEP_STEP as i64])?;
            self.sweep_at = if swept < SWEEP_STEP {
                now.saturating_add(SWEEP_EVERY)
            } else {
                now
            };
        }
        transaction.commit()?;
        Ok(results)
    }
}

fn size(job: &Job) -> usize {
    job.steps.iter().map(Step::bytes).sum()
}

/// Rows changed: 0 is a conflict.
fn apply(savepoint: &Savepoint<'_>, job: &Job, step: &Step, etag: &str) -> rusqlite::Result<usize> {
    match step {
        Step::Create(row) => savepoint
            .prepare_cached(
            "INSERT INTO document (source, id, kind, etag, runner, due, shard, expires, doc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (source, id) DO UPDATE
             SET kind = ?3, etag = ?4, runner = ?5, due = ?6, shard = ?7, expires = ?8, doc = ?9 WHERE document.expires <= ?10",
            )?
            .execute(params![
                job.source, row.id, row.kind, etag, row.runner, row.due, row.shard, row.expires, row.doc, job.now
            ]),
        Step::Upsert(row) => savepoint
            .prepare_cached(
                "INSERT INTO document (source, id, kind, etag, runner, due, shard, expires, doc)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (source, id) DO UPDATE
                 SET kind = ?3, etag = ?4, runner = ?5, due = ?6, shard = ?7, expires = ?8, doc = ?9",
            )?
            .execute(params![
                job.source, row.id, row.kind, etag, row.runner, row.due, row.shard, row.expires, row.doc
            ]),
        Step::Replace(row, old) => savepoint
            // A document never changes its kind, so the indexes of kinds stay untouched.
            .prepare_cached(
                "UPDATE document SET etag = ?3, runner = ?4, due = ?5, shard = ?6, expires = ?7, doc = ?8
                 WHERE source = ?1 AND id = ?2 AND etag = ?9 AND kind = ?10 AND (expires IS NULL OR expires > ?11)",
            )?
            .execute(params![
                job.source, row.id, etag, row.runner, row.due, row.shard, row.expires, row.doc, old.0, row.kind, job.now
            ]),
        Step::Delete(id, old) => savepoint
            .prepare_cached(
                "DELETE FROM document WHERE source = ?1 AND id = ?2 AND (?3 IS NULL OR etag = ?3)
                 AND (expires IS NULL OR expires > ?4)",
            )?
            .execute(params![job.source, id, old.as_ref().map(|etag| &etag.0), job.now]),
    }
}

fn conflict_of(job: &Job, step: &Step) -> Error {
    let (source_id, id) = (job.source.clone(), step.id().to_owned());
    match step {
        Step::Create(_) => Error::Exists { source_id, id },
        _ => Error::Changed { source_id, id },
    }
}
