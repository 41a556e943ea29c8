//! State in a directory: `hub.json`, replaced as a whole, so that a kill leaves the old file or the new one.
//!
//! It holds the devices and their modules with their keys and twins, waiting cloud-to-device messages, and the day's units. It is written a second
//! after a change at the latest, and when the hub ends; what changed in the second before a kill is lost. The feed, counters,
//! connections, uploads and armed faults are not in it.
//!
//! # Layout
//!
//! - [`Data`]: the file. `stored`: what is in it.

mod stored;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::Inner;
use stored::Stored;

const FILE: &str = "hub.json";

/// How often a change is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// State that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the hub's state in {path}: {what}")]
pub struct DataError {
    path: PathBuf,
    what: String,
}

/// The file of a running hub; written for the last time when it is dropped.
pub(super) struct Data {
    file: Arc<File>,
    hub: Weak<Inner>,
    task: AbortHandle,
}

struct File {
    path: PathBuf,
    /// What it holds.
    text: Mutex<Vec<u8>>,
}

impl Data {
    /// Puts what `directory` holds into `hub`, and writes there from now on.
    pub(super) fn open(directory: &Path, hub: &Arc<Inner>) -> Result<Self, DataError> {
        let path = directory.join(FILE);
        let bad = |what: String| DataError {
            path: path.clone(),
            what,
        };
        fs::create_dir_all(directory).map_err(|error| bad(error.to_string()))?;
        let text = match fs::read(&path) {
            Ok(text) => {
                let stored = Stored::read(&text);
                stored
                    .and_then(|stored| stored.restore(hub))
                    .map_err(|what| bad(format!("{what}; mend the file, or move it away to begin anew")))?;
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(bad(error.to_string())),
        };
        let file = Arc::new(File {
            path: path.clone(),
            text: Mutex::new(text),
        });
        // At once, so that a directory without room or right is told at the start.
        file.write(hub).map_err(|error| bad(error.to_string()))?;
        let (writing, of) = (file.clone(), Arc::downgrade(hub));
        let task = tokio::spawn(async move {
            loop {
                sleep(EVERY).await;
                let (writing, of) = (writing.clone(), of.clone());
                let written = tokio::task::spawn_blocking(move || match of.upgrade() {
                    Some(hub) => writing.write(&hub),
                    None => Ok(()),
                });
                if let Ok(Err(error)) = written.await {
                    tracing::error!(%error, "The hub's state is not written");
                }
            }
        });
        Ok(Self {
            file,
            hub: Arc::downgrade(hub),
            task: task.abort_handle(),
        })
    }

    /// Writes now.
    pub(super) fn flush(&self) -> io::Result<()> {
        match self.hub.upgrade() {
            Some(hub) => self.file.write(&hub),
            None => Ok(()),
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = self.flush() {
            tracing::error!(%error, "The hub's state is not written");
        }
    }
}

impl File {
    /// Replaces the file, if anything has changed. Keys are in it: it is for its owner alone.
    fn write(&self, hub: &Inner) -> io::Result<()> {
        let mut held = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let text = Stored::of(hub).text()?;
        if *held == text {
            return Ok(());
        }
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(directory)?;
        new.write_all(&text)?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        // The name is safe once its directory is.
        fs::File::open(directory)?.sync_all()?;
        *held = text;
        Ok(())
    }
}
