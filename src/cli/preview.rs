//! The messages that rows would become, without a store: what `plan` counts and `poll --dry-run` shows.

use crate::clock::Millis;
use crate::config::{PackConfig, SourceConfig};
use crate::forward::Message;
use crate::forward::pack::{self, Frame};
use crate::reading::Rows;
use crate::store::documents::{Part, Shipment};

/// A message that would be sent.
pub(super) struct Preview {
    /// The message.
    pub message: Message,
    /// Rows in it.
    pub rows: usize,
    /// Billing units it would count for.
    pub units: u32,
}

/// As long as the one that a real message has.
const BIRTH: &str = "0000000000000000";

/// Cuts and packs the rows of `source`, as if they were its first shipment, at `now`.
pub(super) fn of(source: &SourceConfig, rows: &Rows, pack: &PackConfig, now: Millis) -> Vec<Preview> {
    let stamps = rows.stamps();
    let (Some(&begin), Some(&end)) = (stamps.first(), stamps.last()) else {
        return Vec::new();
    };
    let shipment = Shipment {
        id: Shipment::id_of(BIRTH, 1),
        source: source.id.clone(),
        number: 1,
        at: now,
        attempts: vec![1],
        naming: source.naming.clone(),
        format: pack::format_name(pack.format).into(),
        begin,
        end,
        parts: Vec::new(),
        outcome: "preview".into(),
        delivered_at: None,
        units: 0,
        ttl: None,
    };
    let frame = Frame::of(&shipment, BIRTH, pack);
    let cuts = pack::cut(rows, &frame).into_iter().enumerate();
    cuts.map(|(label, cut)| {
        let revision = rows.is_revised(cut.start);
        let part = Part {
            label: label.to_string(),
            from: cut.start,
            to: cut.end,
            revision,
            hash: String::new(),
        };
        let count = cut.len();
        let message = pack::message(&frame, &part, pack::body(rows, cut, revision, &frame));
        Preview {
            rows: count,
            units: pack::units(&message, pack.unit),
            message,
        }
    })
    .collect()
}
