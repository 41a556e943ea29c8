//! A shipment on its way: its messages, and what confirming them takes.

use std::collections::BTreeMap;

use crate::forward::Message;
use crate::forward::pack::{self, Frame};
use crate::reading::Rows;
use crate::store::documents::{Attempt, Document, Part, RowsDoc, Shipment, StoredRows};
use crate::store::{Error as StoreError, Etag, Write};

use super::claim::{Frozen, Held};
use super::report::Report;
use super::{Poller, Stop, Turn, damage};

/// A shipment on its way.
pub(super) struct Cargo {
    pub shipment: Shipment,
    pub version: Etag,
    /// One a part.
    pub messages: Vec<Message>,
    /// The attempts and rows it carries.
    pub carried: Vec<(Document, Etag)>,
    /// Why parts cannot be sent as they were frozen, by label.
    pub damaged: BTreeMap<String, String>,
}

impl Poller {
    /// A shipment from memory, where it was frozen just now, or from the store, with its bodies made again and compared. `None`
    /// where the store has none: it was given up.
    pub(super) async fn load(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        number: u64,
        report: &mut Report,
    ) -> Result<Option<Cargo>, Stop> {
        if let Some(frozen) = held.frozen.take_if(|frozen| frozen.number == number) {
            return cargo_of(frozen).ok_or(Stop::Lost).map(Some);
        }
        held.frozen = None;
        let source = turn.config.id.as_str();
        let birth = held.state.birth.clone();
        let Some((Document::Shipment(shipment), version)) =
            self.document(source, &Shipment::id_of(&birth, number)).await?
        else {
            let detail = "is missing from the store, or cannot be read";
            self.give_up_shipment(held, number, detail, report).await?;
            return Ok(None);
        };
        let carried = self.carried(source, &birth, &shipment.attempts).await?;
        let rows = rows_of(&carried);
        let frame = Frame::of(&shipment, &birth, &self.pack);
        let mut messages = Vec::with_capacity(shipment.parts.len());
        let mut damaged = BTreeMap::new();
        for part in &shipment.parts {
            let (message, why) = damage::remade(&rows, part, &frame);
            messages.push(message);
            if let Some(why) = why {
                damaged.insert(part.label.clone(), why);
            }
        }
        Ok(Some(Cargo {
            shipment,
            version,
            messages,
            carried,
            damaged,
        }))
    }

    /// 413: the part is stored as two halves under new labels before either is sent.
    pub(super) async fn cut_finer(&self, held: &mut Held, cargo: &mut Cargo, at: usize) -> Result<(), Stop> {
        let rows = rows_of(&cargo.carried);
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

    /// Attempts and their rows, in order. What is missing is left out: the hashes of the parts tell whether that matters.
    pub(super) async fn carried(
        &self,
        source: &str,
        birth: &str,
        attempts: &[u64],
    ) -> Result<Vec<(Document, Etag)>, Stop> {
        let mut carried = Vec::new();
        for &number in attempts {
            let Some((document, version)) = self.document(source, &Attempt::id_of(birth, number)).await?
            else {
                continue;
            };
            let count = match &document {
                Document::Attempt(attempt) => attempt.documents,
                _ => 0,
            };
            carried.push((document, version));
            for place in 0..count {
                let rows = self
                    .document(source, &RowsDoc::id_of(birth, number, place))
                    .await?;
                carried.extend(rows);
            }
        }
        Ok(carried)
    }

    /// A document; `None` where it is missing or cannot be understood.
    async fn document(&self, source: &str, id: &str) -> Result<Option<(Document, Etag)>, Stop> {
        match self.store.read(source, id).await {
            Ok(found) => Ok(found.map(|found| (found.document, found.etag))),
            Err(StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(Stop::Store(error)),
        }
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
        damaged: BTreeMap::new(),
    })
}

/// The rows of carried documents, one after another; those that cannot be read are left out.
pub(super) fn rows_of(carried: &[(Document, Etag)]) -> Rows {
    let mut all: Option<Rows> = None;
    for (document, _) in carried {
        let stored = match document {
            Document::Attempt(attempt) => attempt.inline.as_ref(),
            Document::Rows(rows) => Some(rows.rows.as_ref()),
            _ => None,
        };
        if let Some(rows) = stored.and_then(StoredRows::rows) {
            match &mut all {
                Some(all) => all.append(&rows),
                None => all = Some(rows),
            }
        }
    }
    all.unwrap_or_default()
}
