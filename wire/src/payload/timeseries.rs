//! One object per row:
//!
//! ```json
//! {"customer_id":"…","site_id":"…","Timerange":{"begin":"…","end":"…"},
//!  "Timeseries":[{"Timestamp":"…","Channels":{"ch0":51000}}]}
//! ```
//!
//! without any white space. A row without values is `{"Timestamp":"…","Channels":{}}`.

use alloc::vec::Vec;

use super::{Envelope, Timerange};
use crate::stamp;

const ROWS: &[u8] = b",\"Timeseries\":[";
const STAMP: &[u8] = b"{\"Timestamp\":\"";
const CHANNELS: &[u8] = b"\",\"Channels\":{";
const ROW_END: &[u8] = b"}}";
const END: &[u8] = b"]}";

/// A row without its values: braces, names and the stamp.
const ROW_LEN: usize = STAMP.len() + stamp::LEN + CHANNELS.len() + ROW_END.len();

/// The length of a body, known before it is written.
#[derive(Debug, Clone)]
pub struct Size {
    envelope: usize,
    /// Bytes of the rows, each with a comma before it.
    rows: usize,
}

/// Writes bodies one after the other.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    stamps: stamp::Writer,
    /// Whether the body has a row already.
    started: bool,
}

impl Size {
    /// The size of a body without rows.
    pub fn new(envelope: &Envelope) -> Self {
        Self {
            envelope: envelope.open_len() + ROWS.len() + END.len(),
            rows: 0,
        }
    }

    /// Bytes of a body without rows.
    pub fn envelope_len(&self) -> usize {
        self.envelope
    }

    /// Bytes of the whole body with the rows added so far.
    pub fn len(&self) -> usize {
        // The first row has no comma before it.
        self.envelope + self.rows.saturating_sub(1)
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// By how many bytes this row would lengthen the body.
    pub fn row_len<'a>(&self, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        row_len(values) + usize::from(!self.is_empty())
    }

    /// Adds a row and returns the new length of the body.
    pub fn add<'a>(&mut self, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        self.rows += row_len(values) + 1;
        self.len()
    }

    /// Starts the next body.
    pub fn clear(&mut self) {
        self.rows = 0;
    }
}

impl Writer {
    /// Begins a body at the end of `out`.
    pub fn begin(&mut self, out: &mut Vec<u8>, envelope: &Envelope, range: Timerange) {
        self.started = false;
        envelope.open(out, range, &mut self.stamps);
        out.extend_from_slice(ROWS);
    }

    /// Writes a row.
    pub fn row<'a>(
        &mut self,
        out: &mut Vec<u8>,
        stamp: i64,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        if self.started {
            out.push(b',');
        }
        self.started = true;
        out.extend_from_slice(STAMP);
        self.stamps.push(out, stamp);
        out.extend_from_slice(CHANNELS);
        for (position, (name, value)) in values.into_iter().enumerate() {
            out.extend_from_slice(if position == 0 { b"\"" } else { b",\"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(ROW_END);
    }

    /// Ends the body.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(END);
    }
}

/// Bytes of a row without the comma before it.
fn row_len<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
    // Quotes, colon and a comma for each value; the first has no comma.
    let values = values
        .into_iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum::<usize>();
    ROW_LEN + values.saturating_sub(1)
}
