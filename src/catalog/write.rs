//! Changes of definitions, each in one transaction with the document that tells every process of it.

use serde_json::Value;

use crate::clock::Millis;
use crate::store::documents::{CatalogDoc, SourceDoc};
use crate::store::{self, Batch, Document, Etag, Store, Write};

/// What must be there for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Anything or nothing: the last one wins.
    Any,
    /// No definition under this id.
    Absent,
    /// The definition in this version.
    Version(Etag),
}

/// A change of one definition.
#[derive(Clone, Debug)]
pub struct Change {
    /// The id of its document.
    pub id: String,
    /// The new definition; none removes it.
    pub definition: Option<Value>,
    /// What must be there.
    pub when: When,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// There was none before.
    Added,
    /// There was another one.
    Changed,
    /// It stood so already, and nothing was written.
    Unchanged,
    /// It is gone.
    Removed,
}

/// Why changes were not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another version is there, or none where there should be one, or one where there should be none.
    #[error(
        "{id} was changed by somebody else meanwhile; look at it (`meterbridge sources show {id}`) and try again"
    )]
    Elsewhere {
        /// The document.
        id: String,
    },
    /// Nothing to remove.
    #[error("the store defines no source {id}")]
    Missing {
        /// The document.
        id: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Changes in one transaction, at most: with the largest definitions it is far below what a store takes.
pub const TOGETHER: usize = 20;

/// Makes up to [`TOGETHER`] changes, all of them or none. Every process takes them over at its next tick.
///
/// # Errors
/// When one of them finds something else than its `when`, or the store fails. After an error of the store it is not known whether
/// they were made; making them again is harmless.
pub async fn change(store: &dyn Store, now: Millis, changes: &[Change]) -> Result<Vec<Done>, Error> {
    let mut done = Vec::with_capacity(changes.len());
    let mut writes = Vec::with_capacity(changes.len());
    for change in changes {
        let found = store.read(CatalogDoc::PARTITION, &change.id).await?;
        let is_met = match (&change.when, &found) {
            (When::Any, _) | (When::Absent, None) => true,
            (When::Version(version), Some(found)) => *version == found.etag,
            _ => false,
        };
        let old = found.map(|found| (found.document, found.etag));
        let outcome = match (&change.definition, &old) {
            (None, None) => {
                return Err(Error::Missing {
                    id: change.id.clone(),
                });
            }
            (Some(new), Some((Document::Source(old), _))) if old.definition == *new => Done::Unchanged,
            _ if !is_met => {
                return Err(Error::Elsewhere {
                    id: change.id.clone(),
                });
            }
            (None, Some(_)) => Done::Removed,
            (Some(_), None) => Done::Added,
            (Some(_), Some(_)) => Done::Changed,
        };
        done.push(outcome);
        let document = |new: &Value| Document::Source(SourceDoc::new(&change.id, now, new.clone()));
        writes.extend(match (outcome, &change.definition, old) {
            (Done::Unchanged, ..) => None,
            (_, Some(new), None) => Some(Write::Create(document(new))),
            (_, Some(new), Some((_, etag))) => Some(Write::Replace(document(new), etag)),
            (_, None, old) => Some(Write::Delete(change.id.clone(), old.map(|(_, etag)| etag))),
        });
    }
    if writes.is_empty() {
        return Ok(done);
    }
    match commit(store, now, writes).await {
        Ok(()) => Ok(done),
        Err(store::Error::Changed { id, .. } | store::Error::Exists { id, .. }) => {
            Err(Error::Elsewhere { id })
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes to the catalogue's partition, with the document that tells of it. Another's change of that document alone is no conflict.
pub(super) async fn commit(store: &dyn Store, now: Millis, writes: Vec<Write>) -> Result<(), store::Error> {
    let nonce = format!("{:016x}", fastrand::u64(..));
    let mut head = head(store).await?;
    for _ in 0..TRIES {
        let changes = match &head {
            Head::Whole(old, _) => old.changes,
            _ => 0,
        };
        let document = Document::Catalog(CatalogDoc {
            id: CatalogDoc::ID.to_owned(),
            source: CatalogDoc::PARTITION.to_owned(),
            at: now,
            changes: changes.saturating_add(1),
            nonce: nonce.clone(),
        });
        let mut all = writes.clone();
        all.push(match &head {
            Head::None => Write::Create(document),
            Head::Whole(_, etag) => Write::Replace(document, etag.clone()),
            Head::Damaged => Write::Upsert(document),
        });
        let batch = Batch {
            source: CatalogDoc::PARTITION.to_owned(),
            writes: all,
        };
        let Err(error) = store.commit(batch).await else {
            return Ok(());
        };
        if !error.is_conflict() && !error.is_transient() {
            return Err(error);
        }
        // The reply may be lost though the write was not; or somebody else's change came first.
        let found = self::head(store).await?;
        if matches!(&found, Head::Whole(found, _) if found.nonce == nonce) {
            return Ok(());
        }
        if error.is_transient() || found.is(&head) {
            return Err(error);
        }
        head = found;
    }
    Err(store::Error::Unavailable {
        detail: "the definitions are being changed by others all the time".to_owned(),
    })
}

/// The document that tells of changes.
#[derive(Debug)]
pub(super) enum Head {
    /// Nothing was ever defined in this store.
    None,
    /// As it stands.
    Whole(CatalogDoc, Etag),
    /// Somebody spoilt it.
    Damaged,
}

impl Head {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) | (Self::Damaged, Self::Damaged) => true,
            (Self::Whole(_, one), Self::Whole(_, other)) => one == other,
            _ => false,
        }
    }

    /// Its version, where it has one.
    pub(super) fn etag(&self) -> Option<&Etag> {
        match self {
            Self::Whole(_, etag) => Some(etag),
            _ => None,
        }
    }
}

pub(super) async fn head(store: &dyn Store) -> Result<Head, store::Error> {
    match store.read(CatalogDoc::PARTITION, CatalogDoc::ID).await {
        Ok(None) => Ok(Head::None),
        Ok(Some(found)) => Ok(match found.document {
            Document::Catalog(doc) => Head::Whole(doc, found.etag),
            _ => Head::Damaged,
        }),
        Err(store::Error::Damaged { .. }) => Ok(Head::Damaged),
        Err(error) => Err(error),
    }
}

/// So often another's change may come first.
const TRIES: usize = 10;
