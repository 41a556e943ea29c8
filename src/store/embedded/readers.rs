//! A few connections that only read, each used by one blocking thread at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Params, Row};
use tokio::sync::Semaphore;

use super::{error::classify, file};
use crate::store::Error;

/// Reads at once. More would only wait for the same disk.
const READERS: usize = 4;

/// Connections for reading, opened when they are first needed.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Runs `question` on a free connection, away from the threads that must not block.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let gone = |detail: String| Error::Unavailable { detail };
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|error| gone(error.to_string()))?;
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let idle = this.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => this.open().map_err(|error| classify(&this.path, &error))?,
            };
            let answer = question(&Reader {
                connection: &connection,
                path: &this.path,
            });
            this.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            answer
        })
        .await
        .unwrap_or_else(|error| Err(gone(format!("a read was given up: {error}"))))
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = file::connect(&self.path)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }
}

/// One connection, with errors already sorted.
pub(super) struct Reader<'a> {
    connection: &'a Connection,
    path: &'a Path,
}

impl Reader<'_> {
    /// The row that `sql` finds, if any.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, read).optional())
            .map_err(|error| classify(self.path, &error))
    }

    /// All rows that `sql` finds.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(|error| classify(self.path, &error))
    }
}
