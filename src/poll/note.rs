//! The note on a shard, with the version it was read in.

use crate::clock::Millis;
use crate::store::documents::ShardDoc;
use crate::store::{Batch, Document, Error, Etag, Found, List, Store, Write};

/// A note, and what its next write is conditional on.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) doc: ShardDoc,
    etag: Option<Etag>,
}

impl Note {
    /// One that is not written yet.
    pub(super) fn new(runner: &str, shard: &str) -> Self {
        Self {
            doc: ShardDoc {
                id: ShardDoc::id_of(runner, shard),
                source: ShardDoc::partition(runner, shard),
                runner: runner.into(),
                shard: shard.into(),
                ..ShardDoc::default()
            },
            etag: None,
        }
    }

    pub(super) async fn read(store: &dyn Store, runner: &str, shard: &str) -> Result<Option<Self>, Error> {
        let partition = ShardDoc::partition(runner, shard);
        let found = store.read(&partition, &ShardDoc::id_of(runner, shard)).await?;
        Ok(found.and_then(Self::of))
    }

    /// All notes on a runner's shards.
    pub(super) async fn all(store: &dyn Store, runner: &str) -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        let mut before = None;
        loop {
            let list = List {
                source: None,
                kind: "shard",
                limit: PAGE,
                before: before.take(),
            };
            let found = store.list(list).await?;
            let full = found.len() == PAGE;
            before = found.last().map(|found| found.document.id().to_owned());
            let notes = found.into_iter().filter_map(Self::of);
            all.extend(notes.filter(|note| note.doc.runner == runner));
            if !full {
                return Ok(all);
            }
        }
    }

    fn of(found: Found) -> Option<Self> {
        match found.document {
            Document::Shard(doc) => Some(Self {
                doc,
                etag: Some(found.etag),
            }),
            _ => None,
        }
    }

    /// Writes it, with this end; `false` where somebody else wrote first.
    pub(super) async fn write(
        &mut self,
        store: &dyn Store,
        now: Millis,
        until: Millis,
    ) -> Result<bool, Error> {
        self.doc.at = now;
        self.doc.until = until;
        let document = Document::Shard(self.doc.clone());
        let batch = Batch {
            source: self.doc.source.clone(),
            writes: vec![match self.etag.clone() {
                Some(etag) => Write::Replace(document, etag),
                None => Write::Create(document),
            }],
        };
        match store.commit(batch).await {
            Ok(committed) => {
                self.etag = committed.etags.into_iter().next().flatten();
                Ok(true)
            }
            Err(error) if error.is_conflict() => {
                // The store may have repeated our own write after its reply was lost.
                let found = store
                    .read(&self.doc.source, &self.doc.id)
                    .await?
                    .and_then(Self::of);
                let ours = found.filter(|found| found.doc == self.doc);
                let written = ours.is_some();
                if let Some(found) = ours {
                    self.etag = found.etag;
                }
                Ok(written)
            }
            Err(error) => Err(error),
        }
    }
}

/// Notes in one question.
const PAGE: usize = 1_000;
