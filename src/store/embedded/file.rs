//! The file: how it is made, opened and recognised.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::error::classify;
use crate::store::Error;

/// How long a process waits for another one's transaction before it gives up.
const BUSY: Duration = Duration::from_secs(5);

/// Version of [`SCHEMA`], kept in `user_version`.
const VERSION: i64 = 2;

/// `due`, `runner` and `shard` stand beside states alone, `expires` beside documents with a time to live. Two indexes serve lists: of one
/// source, and of all.
const SCHEMA: &str = "
CREATE TABLE document (
    source  TEXT NOT NULL,
    id      TEXT NOT NULL,
    kind    TEXT NOT NULL,
    etag    TEXT NOT NULL,
    runner  TEXT,
    due     INTEGER,
    shard   TEXT,
    expires INTEGER,
    doc     TEXT NOT NULL,
    PRIMARY KEY (source, id)
) WITHOUT ROWID;
CREATE INDEX document_due ON document (runner, due, shard) WHERE due IS NOT NULL;
CREATE INDEX document_expires ON document (expires) WHERE expires IS NOT NULL;
CREATE INDEX document_of_source ON document (source, kind, id);
CREATE INDEX document_of_all ON document (kind, id, source);
";

/// From version 1, which knew no shards.
const SHARDS: &str = "
ALTER TABLE document ADD COLUMN shard TEXT;
DROP INDEX document_due;
CREATE INDEX document_due ON document (runner, due, shard) WHERE due IS NOT NULL;
";

/// Opens the file for writing, after making it where it is missing.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    make(path).map_err(|error| Error::Refused {
        what: format!("{} cannot be made: {error}", path.display()),
        mend: "name a file in a directory that this user may write to".into(),
    })?;
    // Two processes that start at once meet while the file is turned into WAL mode, and SQLite does not wait there.
    let mut waited = Duration::ZERO;
    loop {
        match connect(path).and_then(|mut connection| {
            let version = migrate(&mut connection)?;
            Ok((connection, version))
        }) {
            Ok((connection, None)) => return Ok(connection),
            Ok((_, Some(stranger))) => return Err(stranger.error(path)),
            Err(error) => {
                let error = classify(path, &error);
                if !error.is_transient() || waited >= BUSY {
                    return Err(error);
                }
                let pause = Duration::from_millis(20);
                std::thread::sleep(pause);
                waited += pause;
            }
        }
    }
}

/// A connection with the settings that every connection has.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// A file that this version must not touch.
enum Stranger {
    /// Written by a newer version.
    Newer(i64),
    /// Another program's tables.
    Foreign,
}

impl Stranger {
    fn error(&self, path: &Path) -> Error {
        let path = path.display();
        match self {
            Self::Newer(version) => Error::Refused {
                what: format!(
                    "{path} was written by a newer meterbridge (schema {version}, this one knows {VERSION})"
                ),
                mend: "run the newer version, or name another file".into(),
            },
            Self::Foreign => Error::Refused {
                what: format!("{path} is a database of another program"),
                mend: "name another file".into(),
            },
        }
    }
}

/// Makes the tables of an empty file and brings those of an older version up to this one; a file of this version is left as it is.
fn migrate(connection: &mut Connection) -> rusqlite::Result<Option<Stranger>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > VERSION {
        return Ok(Some(Stranger::Newer(version)));
    }
    if version == 1 {
        transaction.execute_batch(SHARDS)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    } else if version < VERSION {
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables > 0 {
            return Ok(Some(Stranger::Foreign));
        }
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(None)
}

/// An empty file for its owner alone, and the directories above it. SQLite gives its side files the same permissions.
fn make(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let mut directories = std::fs::DirBuilder::new();
    let mut file = std::fs::OpenOptions::new();
    directories.recursive(true);
    file.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        directories.mode(0o700);
        file.mode(0o600);
    }
    if let Some(above) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        directories.create(above)?;
    }
    file.open(path).map(drop)
}
