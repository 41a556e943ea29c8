//! A shipment on its way: its messages, and what confirming them takes.

use crate::forward::Message;
use crate::forward::pack::{self, Frame};
use crate::reading::Rows;
use crate::store::documents::{Attempt, Document, Part, RowsDoc, Shipment};
use crate::store::{Error as StoreError, Etag, Write};

use super::claim::{Frozen, Held};
use super::{Poller, Stop, Turn};

/// A shipment on its way.
pub(super) struct Cargo {
    pub shipment: Shipment,
    pub version: Etag,
    /// One a part.
    pub messages: Vec<Message>,
    /// The attempts and rows it carries.
    pub carried: Vec<(Document, Etag)>,
}

impl Poller {
    /// A shipment from memory, where it was frozen just now, or from the store, with its bodies made again and compared.
    pub(super) async fn load(&self, turn: &Turn<'_>, held: &mut Held, number: u64) -> Result<Cargo, Stop> {
        if let Some(frozen) = held.frozen.take_if(|frozen| frozen.number == number) {
            return cargo_of(frozen).ok_or(Stop::Lost);
        }
        held.frozen = None;
        let source = turn.config.id.as_str();
        let birth = held.state.birth.clone();
        let (shipment, version) = match self.document(source, &Shipment::id_of(&birth, number)).await? {
            (Document::Shipment(shipment), version) => (shipment, version),
            (other, _) => {
                return Err(Stop::Store(damaged_document(
                    source,
                    other.id(),
                    "it is no shipment",
                )));
            }
        };
        let carried = self.carried(source, &birth, &shipment.attempts).await?;
        let rows = rows_of(&carried).ok_or_else(|| Stop::Store(damaged(&shipment, "its rows")))?;
        let frame = Frame::of(&shipment, &birth, &self.pack);
        let mut messages = Vec::with_capacity(shipment.parts.len());
        for part in &shipment.parts {
            if part.to > rows.len() || part.from >= part.to {
                return Err(Stop::Store(damaged(&shipment, "a part's rows")));
            }
            let body = pack::body(&rows, part.from..part.to, part.revision, &frame);
            if pack::fingerprint(&body) != part.hash {
                return Err(Stop::Store(damaged(
                    &shipment,
                    "a body would differ from the one that was frozen",
                )));
            }
            messages.push(pack::message(&frame, part, body));
        }
        Ok(Cargo {
            shipment,
            version,
            messages,
            carried,
        })
    }

    /// 413: the part is stored as two halves under new labels before either is sent.
    pub(super) async fn cut_finer(&self, held: &mut Held, cargo: &mut Cargo, at: usize) -> Result<(), Stop> {
        let rows =
            rows_of(&cargo.carried).ok_or_else(|| Stop::Store(damaged(&cargo.shipment, "its rows")))?;
        let bytes = 1_000 + cargo.shipment.parts.len() * super::deliver::PART;
        held.make_room(self, 1, bytes).await?;
        let whole = cargo.shipment.parts.remove(at);
        cargo.messages.remove(at);
        let middle = whole.from + (whole.to - whole.from) / 2;
        let frame = Frame::of(&cargo.shipment, &held.state.birth, &self.pack);
        let mut halves = Vec::with_capacity(2);
        for (half, range) in [whole.from..middle, middle..whole.to].into_iter().enumerate() {
            let body = pack::body(&rows, range.clone(), whole.revision, &frame);
            let part = Part {
                label: format!("{}.{half}", whole.label),
                from: range.start,
                to: range.end,
                revision: whole.revision,
                hash: pack::fingerprint(&body),
            };
            halves.push((pack::message(&frame, &part, body), part));
        }
        for (half, (message, part)) in halves.into_iter().enumerate() {
            cargo.messages.insert(at + half, message);
            cargo.shipment.parts.insert(at + half, part);
        }
        let write = Write::Replace(Document::Shipment(cargo.shipment.clone()), cargo.version.clone());
        let versions = held.commit_for_versions(self, vec![write]).await?;
        cargo.version = versions.into_iter().next().flatten().ok_or(Stop::Lost)?;
        Ok(())
    }

    /// Attempts and their rows, in order.
    pub(super) async fn carried(
        &self,
        source: &str,
        birth: &str,
        attempts: &[u64],
    ) -> Result<Vec<(Document, Etag)>, Stop> {
        let mut carried = Vec::new();
        for &number in attempts {
            let (document, version) = self.document(source, &Attempt::id_of(birth, number)).await?;
            let count = match &document {
                Document::Attempt(attempt) => attempt.documents,
                _ => 0,
            };
            carried.push((document, version));
            for place in 0..count {
                carried.push(
                    self.document(source, &RowsDoc::id_of(birth, number, place))
                        .await?,
                );
            }
        }
        Ok(carried)
    }

    pub(super) async fn document(&self, source: &str, id: &str) -> Result<(Document, Etag), Stop> {
        let found = self.store.read(source, id).await.map_err(Stop::Store)?;
        let found = found.ok_or_else(|| Stop::Store(damaged_document(source, id, "it is missing")))?;
        Ok((found.document, found.etag))
    }
}

fn cargo_of(frozen: Frozen) -> Option<Cargo> {
    let mut carried = frozen.documents;
    let at = carried
        .iter()
        .position(|(document, _)| matches!(document, Document::Shipment(_)))?;
    let (Document::Shipment(shipment), version) = carried.swap_remove(at) else {
        return None;
    };
    Some(Cargo {
        shipment,
        version,
        messages: frozen.messages,
        carried,
    })
}

/// The rows of carried documents, one after another.
pub(super) fn rows_of(carried: &[(Document, Etag)]) -> Option<Rows> {
    let mut all: Option<Rows> = None;
    for (document, _) in carried {
        let stored = match document {
            Document::Attempt(attempt) => attempt.inline.as_ref(),
            Document::Rows(rows) => Some(rows.rows.as_ref()),
            _ => None,
        };
        if let Some(stored) = stored {
            let rows = stored.rows()?;
            match &mut all {
                Some(all) => all.append(&rows),
                None => all = Some(rows),
            }
        }
    }
    Some(all.unwrap_or_default())
}

fn damaged(shipment: &Shipment, what: &str) -> StoreError {
    damaged_document(
        &shipment.source,
        &shipment.id,
        &format!("{what}: stored and frozen forms differ"),
    )
}

pub(super) fn damaged_document(source: &str, id: &str, detail: &str) -> StoreError {
    StoreError::Damaged {
        source_id: source.into(),
        id: id.into(),
        detail: detail.into(),
    }
}
