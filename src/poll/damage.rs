//! What the store no longer has whole: set aside as dead letters, loudly, in place of stopping the source for ever.
//!
//! A part whose body would differ from the one that was frozen is never sent under its id: the letter has the body as it can be
//! made now, under an id of its own. Where the rows are gone the letter has no body. The documents that are left are kept for good.

use bytes::Bytes;

use crate::forward::Message;
use crate::forward::pack::{self, Frame};
use crate::reading::Rows;
use crate::store::Write;
use crate::store::documents::{Attempt, DeadLetter, Document, Part, Shipment};

use super::cargo::Cargo;
use super::claim::Held;
use super::report::Report;
use super::{Poller, Stop};

/// A part's message as it was frozen, or what can be made of it now and why it is not that.
pub(super) fn remade(rows: &Rows, part: &Part, frame: &Frame<'_>) -> (Message, Option<String>) {
    let aside = |body: Bytes| {
        let part = Part {
            label: format!("{}.d", part.label),
            ..part.clone()
        };
        pack::message(frame, &part, body)
    };
    if part.to > rows.len() || part.from >= part.to {
        let why = format!(
            "rows {} to {} of its shipment are missing from the store, so no body can be made",
            part.from, part.to
        );
        return (aside(Bytes::new()), Some(why));
    }
    let body = pack::body(rows, part.from..part.to, part.revision, frame);
    if pack::fingerprint(&body) == part.hash {
        return (pack::message(frame, part, body), None);
    }
    let why = "its body would differ from the one that was frozen, which may have been sent before: the stored rows changed, or \
               another version wrote them; this letter has the body as it is now";
    (aside(body), Some(why.into()))
}

impl Poller {
    /// A damaged part becomes a dead letter in its turn; the other parts of the shipment go out.
    pub(super) async fn set_aside(
        &self,
        held: &mut Held,
        cargo: &Cargo,
        at: usize,
        why: String,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let why = format!(
            "{} part {}: {why}",
            cargo.shipment.id, cargo.shipment.parts[at].label
        );
        report.dead += 1;
        report.remark(&why);
        let letter = self.dead_letter(held, &cargo.messages[at], &cargo.shipment.parts[at], why);
        self.keep_letter(held, letter).await?;
        held.state.confirmed += 1;
        Ok(())
    }

    /// A pending shipment that is not in the store: one letter tells of it, and the next one goes on.
    pub(super) async fn give_up_shipment(
        &self,
        held: &mut Held,
        number: u64,
        detail: &str,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let id = Shipment::id_of(&held.state.birth, number);
        let why = format!(
            "shipment {id} {detail}: what it carried cannot be sent; the attempts before it that have no lifetime hold its rows"
        );
        self.tell(held, number, "all", why, report).await?;
        held.state.pending.retain(|&pending| pending != number);
        held.state.confirmed = 0;
        Ok(())
    }

    /// An attempt that waited to be sent and is not in the store.
    pub(super) async fn give_up_attempt(
        &self,
        held: &mut Held,
        number: u64,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let id = Attempt::id_of(&held.state.birth, number);
        let why = format!(
            "attempt {id} waited to be sent and is missing from the store, or its rows cannot be read"
        );
        self.tell(held, number, "rows", why, report).await?;
        held.state.unshipped.retain(|waits| waits.number != number);
        Ok(())
    }

    async fn tell(
        &self,
        held: &mut Held,
        number: u64,
        label: &str,
        why: String,
        report: &mut Report,
    ) -> Result<(), Stop> {
        report.dead += 1;
        report.remark(&why);
        let now = self.clock.now();
        let (source, birth) = (held.state.source.clone(), held.state.birth.clone());
        held.make_room(self, 1, why.len() + 1_000).await?;
        let letter = DeadLetter {
            id: DeadLetter::id_of(&birth, number, label),
            message_id: format!("{source}.{birth}.{number}.{label}"),
            source,
            at: now,
            why,
            body: String::new(),
            properties: Vec::new(),
            created: now,
            replayed_at: None,
            ttl: None,
        };
        held.enqueue([Write::Create(Document::DeadLetter(letter))], 2_000);
        Ok(())
    }
}
