//! A document as a row of the table, and back.

use crate::clock::Millis;
use crate::store::{Document, Error, Etag, Write};

/// One write, ready to be bound: the caller's task has done all the work that needs no database.
#[derive(Debug)]
pub(super) enum Step {
    /// Must not exist.
    Create(Row),
    /// Must have this version.
    Replace(Row, Etag),
    /// Whatever is there.
    Upsert(Row),
    /// Must exist, and have this version where one is given.
    Delete(String, Option<Etag>),
}

/// The columns of a document that are not its key.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) runner: Option<String>,
    pub(super) due: Option<Millis>,
    pub(super) shard: Option<String>,
    pub(super) expires: Option<Millis>,
    pub(super) doc: String,
}

impl Step {
    /// `now` is when its time to live begins.
    pub(super) fn of(source: &str, write: &Write, now: Millis) -> Result<Self, Error> {
        Ok(match write {
            Write::Create(document) => Self::Create(Row::of(source, document, now)?),
            Write::Replace(document, etag) => Self::Replace(Row::of(source, document, now)?, etag.clone()),
            Write::Upsert(document) => Self::Upsert(Row::of(source, document, now)?),
            Write::Delete(id, etag) => Self::Delete(id.clone(), etag.clone()),
        })
    }

    /// The id it writes.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Create(row) | Self::Replace(row, _) | Self::Upsert(row) => &row.id,
            Self::Delete(id, _) => id,
        }
    }

    /// Its share of the batch's size.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Create(row) | Self::Replace(row, _) | Self::Upsert(row) => row.doc.len(),
            Self::Delete(id, _) => id.len(),
        }
    }
}

impl Row {
    fn of(source: &str, document: &Document, now: Millis) -> Result<Self, Error> {
        let (runner, due, shard) = match document {
            Document::State(state) => (
                Some(state.runner.clone()),
                Some(state.next_due),
                state.shard.clone(),
            ),
            _ => (None, None, None),
        };
        Ok(Self {
            id: document.id().to_owned(),
            kind: document.kind(),
            runner,
            due,
            shard,
            expires: document.ttl().map(|s| now.saturating_add(i64::from(s) * 1000)),
            doc: serde_json::to_string(document).map_err(|error| Error::Damaged {
                source_id: source.to_owned(),
                id: document.id().to_owned(),
                detail: error.to_string(),
            })?,
        })
    }
}

/// The document of a row.
pub(super) fn decode(source: &str, id: &str, doc: &str) -> Result<Document, Error> {
    serde_json::from_str(doc).map_err(|error| Error::Damaged {
        source_id: source.to_owned(),
        id: id.to_owned(),
        detail: error.to_string(),
    })
}
