//! How much of an answer one batch of the store takes. Pure.

use super::deliver::PART;
use super::digest::{CAPACITY, Digest};
use crate::config::PackConfig;
use crate::forward::pack;
use crate::reading::Rows;

/// Rows of one document, bytes of text: 256 KB with its envelope.
const MAX_DOCUMENT: usize = 240_000;
/// Rows documents of one attempt.
const MAX_DOCUMENTS: usize = 6;
/// Rows, digest and shipment of one batch, bytes: 2 MB is all that Cosmos DB takes, with everything else.
const MAX_RECORD: usize = 1_500_000;
/// One remembered row in the stored digest: a step and a hash.
const HASH: usize = 26;

/// Bytes of text that rows may have in one batch, besides the digest and the parts of their shipment.
pub(super) fn room(rows: &Rows, known: &Digest, overlap: bool, pack: &PackConfig) -> usize {
    let remembered = if overlap {
        known.len() + rows.len()
    } else {
        known.len()
    };
    let room = MAX_RECORD.saturating_sub(remembered.min(CAPACITY) * HASH);
    // Each body takes a part; what properties take of a unit matters where units are small.
    let text = text_bytes(rows, 0..rows.len()).max(1);
    let body = pack::limit(pack).saturating_sub(300).max(pack::MIN_BODY);
    let parts = (pack::estimate(rows, pack.format) / body).min(rows.len()) * PART;
    // A share of both: text × room / (text + parts).
    usize::try_from(text as u128 * room as u128 / (text + parts) as u128).unwrap_or(room)
}

/// Where the rows from `from` on are cut into documents; at most [`MAX_DOCUMENTS`] of them, with `room` bytes of text in all.
pub(super) fn cut_documents(rows: &Rows, from: usize, room: usize) -> Vec<std::ops::Range<usize>> {
    let mut cuts = Vec::new();
    let mut start = from;
    let mut size = 0;
    let mut left = room;
    for row in from..rows.len() {
        let bytes = text_bytes(rows, row..row + 1);
        if bytes > left && row > from {
            if row > start {
                cuts.push(start..row);
            }
            return cuts;
        }
        left = left.saturating_sub(bytes);
        if size + bytes > MAX_DOCUMENT && row > start {
            cuts.push(start..row);
            if cuts.len() == MAX_DOCUMENTS {
                return cuts;
            }
            start = row;
            size = 0;
        }
        size += bytes;
    }
    cuts.push(start..rows.len());
    cuts
}

/// Bytes of the stored text of rows, steps between stamps counted generously.
pub(super) fn text_bytes(rows: &Rows, range: std::ops::Range<usize>) -> usize {
    rows.columns()
        .iter()
        .map(|column| column.bytes(range.clone()) + range.len())
        .sum::<usize>()
        + range.len() * 12
}
