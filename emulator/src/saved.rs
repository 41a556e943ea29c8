//! State in a file of a directory, replaced as a whole, so that a kill leaves the old file or the new one.
//!
//! It is written a second after a change at the latest, and when the service ends; what changed in the second before a kill is
//! lost.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

/// How often a change is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// What has a state to keep.
pub(crate) trait Save: Send + Sync + 'static {
    /// Its file's name.
    const FILE: &str;

    /// The state as a text.
    fn text(&self) -> io::Result<Vec<u8>>;

    /// Takes the state that a text holds, or says why it is none.
    fn restore(&self, text: &[u8]) -> Result<(), String>;
}

/// State that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the state in {path}: {what}")]
pub struct DataError {
    path: PathBuf,
    what: String,
}

/// The file of a running service; written for the last time when this is dropped.
pub(crate) struct Saved<T: Save> {
    file: Arc<File>,
    of: Weak<T>,
    task: AbortHandle,
}

struct File {
    path: PathBuf,
    /// What it holds.
    text: Mutex<Vec<u8>>,
}

impl<T: Save> Saved<T> {
    /// Puts what `directory` holds into `service`, and writes there from now on.
    pub(crate) fn open(directory: &Path, service: &Arc<T>) -> Result<Self, DataError> {
        let path = directory.join(T::FILE);
        let bad = |what: String| DataError {
            path: path.clone(),
            what,
        };
        fs::create_dir_all(directory).map_err(|error| bad(error.to_string()))?;
        let text = match fs::read(&path) {
            Ok(text) => {
                service
                    .restore(&text)
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
        file.write(service.as_ref())
            .map_err(|error| bad(error.to_string()))?;
        let (writing, of) = (file.clone(), Arc::downgrade(service));
        let task = tokio::spawn(async move {
            loop {
                sleep(EVERY).await;
                let (writing, of) = (writing.clone(), of.clone());
                let written = tokio::task::spawn_blocking(move || match of.upgrade() {
                    Some(service) => writing.write(service.as_ref()),
                    None => Ok(()),
                });
                if let Ok(Err(error)) = written.await {
                    tracing::error!(%error, file = T::FILE, "The state is not written");
                }
            }
        });
        Ok(Self {
            file,
            of: Arc::downgrade(service),
            task: task.abort_handle(),
        })
    }

    /// Writes now.
    pub(crate) fn flush(&self) -> io::Result<()> {
        match self.of.upgrade() {
            Some(service) => self.file.write(service.as_ref()),
            None => Ok(()),
        }
    }
}

impl<T: Save> Drop for Saved<T> {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = self.flush() {
            tracing::error!(%error, file = T::FILE, "The state is not written");
        }
    }
}

impl File {
    /// Replaces the file, if anything has changed. Keys are in it: it is for its owner alone.
    fn write(&self, service: &impl Save) -> io::Result<()> {
        let mut held = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let text = service.text()?;
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
