//! The files that devices uploaded.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::hub::token::encode;

/// How many bytes of one blob's blocks wait at most for their list: what a client that never sends one leaves.
const WAITING: usize = 1 << 30;

/// A file that a device uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its content.
    pub content: Bytes,
    /// Its type, as the client says.
    pub content_type: Option<String>,
    /// When it was written, milliseconds since 1970.
    pub written_ms: i64,
    /// Changes with every write.
    pub(super) version: u64,
}

/// All blobs by name, and the blocks that are no part of one yet.
pub(in crate::hub) struct Shelf {
    inner: Mutex<Inner>,
    /// Where they are written to as well.
    directory: Option<PathBuf>,
}

#[derive(Default)]
struct Inner {
    blobs: BTreeMap<String, Arc<Blob>>,
    /// Uncommitted blocks by blob and block id.
    blocks: BTreeMap<String, BTreeMap<String, Bytes>>,
    /// The blocks that each blob was last put together from.
    committed: BTreeMap<String, BTreeMap<String, Bytes>>,
    writes: u64,
}

/// Where a block of a list is to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Among the new ones, then among those of the blob as it is.
    Latest,
    /// Among those of the blob as it is.
    Committed,
    /// Among the new ones.
    Uncommitted,
}

/// More blocks wait than a blob may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Shelf {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self {
            inner: Mutex::default(),
            directory,
        }
    }

    /// The blob of this name.
    pub(in crate::hub) fn get(&self, name: &str) -> Option<Arc<Blob>> {
        self.lock().blobs.get(name).cloned()
    }

    /// Writes a blob whole.
    pub(super) fn put(
        &self,
        name: &str,
        content: Bytes,
        content_type: Option<String>,
        now_ms: i64,
    ) -> Arc<Blob> {
        let mut inner = self.lock();
        inner.blocks.remove(name);
        inner.committed.remove(name);
        self.write(&mut inner, name, content, content_type, now_ms)
    }

    /// Keeps a block until a list names it.
    pub(super) fn put_block(&self, name: &str, id: &str, content: Bytes) -> Result<(), TooMuch> {
        let mut inner = self.lock();
        let waiting = inner.blocks.entry(name.to_owned()).or_default();
        let others = waiting.iter().filter(|(other, _)| other.as_str() != id);
        if others.map(|(_, block)| block.len()).sum::<usize>() + content.len() > WAITING {
            return Err(TooMuch);
        }
        waiting.insert(id.to_owned(), content);
        Ok(())
    }

    /// Puts a blob together from blocks; `None` if one is not there. The other new blocks are thrown away.
    pub(super) fn put_list(
        &self,
        name: &str,
        list: &[(From, String)],
        content_type: Option<String>,
        now_ms: i64,
    ) -> Option<Arc<Blob>> {
        let mut inner = self.lock();
        let mut blocks = BTreeMap::new();
        let mut content = Vec::new();
        for (from, id) in list {
            let new = || inner.blocks.get(name)?.get(id).cloned();
            let old = || inner.committed.get(name)?.get(id).cloned();
            let block = match from {
                From::Latest => new().or_else(old),
                From::Uncommitted => new(),
                From::Committed => old(),
            }?;
            content.extend_from_slice(&block);
            blocks.insert(id.clone(), block);
        }
        inner.blocks.remove(name);
        inner.committed.insert(name.to_owned(), blocks);
        Some(self.write(&mut inner, name, content.into(), content_type, now_ms))
    }

    fn write(
        &self,
        inner: &mut Inner,
        name: &str,
        content: Bytes,
        content_type: Option<String>,
        now_ms: i64,
    ) -> Arc<Blob> {
        inner.writes += 1;
        if let Some(directory) = &self.directory
            && let Err(error) = keep(directory, name, &content)
        {
            tracing::warn!(%error, blob = name, directory = %directory.display(), "Cannot keep an uploaded file");
        }
        let blob = Arc::new(Blob {
            content,
            content_type,
            written_ms: now_ms,
            version: inner.writes,
        });
        inner.blobs.insert(name.to_owned(), blob.clone());
        blob
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a file whose name is the blob's, percent-encoded, so that no name leads out of the directory.
fn keep(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let new = tempfile::NamedTempFile::new_in(directory)?;
    fs::write(new.path(), content)?;
    new.persist(directory.join(encode(name)))?;
    Ok(())
}
