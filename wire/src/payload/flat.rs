//! One object per reading, in an array:
//!
//! ```json
//! [{"source_id":"…","t":"…","channel":"…","v":51000}]
//! ```
//!
//! without any white space, or with `customer_id` and `site_id` in place of `source_id`. A row without
//! values writes nothing, and there is no time range.

use alloc::vec::Vec;

use super::Envelope;
use crate::stamp;

const OPEN: &[u8] = b"{";
const STAMP: &[u8] = b",\"t\":\"";
const CHANNEL: &[u8] = b"\",\"channel\":\"";
const VALUE: &[u8] = b"\",\"v\":";
const CLOSE: &[u8] = b"}";

/// `[` and `]`.
const BRACKETS: usize = 2;

/// The length of a body, known before it is written.
#[derive(Debug, Clone)]
pub struct Size {
    /// Bytes of a reading without its channel and value, with a comma before it.
    reading: usize,
    /// Bytes of the readings, each with a comma before it.
    readings: usize,
}

/// Writes bodies one after the other.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    stamps: stamp::Writer,
    /// Everything of a reading before its stamp.
    head: Vec<u8>,
    /// Whether the body has a reading already.
    started: bool,
}

impl Size {
    /// The size of a body without rows.
    pub fn new(envelope: &Envelope) -> Self {
        let members = envelope.members().len();
        let fixed = OPEN.len() + STAMP.len() + stamp::LEN + CHANNEL.len() + VALUE.len() + CLOSE.len();
        Self {
            reading: members + fixed + 1,
            readings: 0,
        }
    }

    /// Bytes of a body without rows.
    pub fn envelope_len(&self) -> usize {
        BRACKETS
    }

    /// Bytes of the whole body with the rows added so far.
    pub fn len(&self) -> usize {
        // The first reading has no comma before it.
        BRACKETS + self.readings.saturating_sub(1)
    }

    /// Whether no reading was added.
    pub fn is_empty(&self) -> bool {
        self.readings == 0
    }

    /// By how many bytes this row would lengthen the body.
    pub fn row_len<'a>(&self, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        (self.readings + self.commas_and_readings(values)).saturating_sub(1) - self.readings.saturating_sub(1)
    }

    /// Adds a row and returns the new length of the body.
    pub fn add<'a>(&mut self, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        self.readings += self.commas_and_readings(values);
        self.len()
    }

    /// Starts the next body.
    pub fn clear(&mut self) {
        self.readings = 0;
    }

    fn commas_and_readings<'a>(&self, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        values
            .into_iter()
            .map(|(name, value)| self.reading + name.len() + value.len())
            .sum()
    }
}

impl Writer {
    /// Begins a body at the end of `out`.
    pub fn begin(&mut self, out: &mut Vec<u8>, envelope: &Envelope) {
        self.started = false;
        self.head.clear();
        for piece in [OPEN, envelope.members(), STAMP] {
            self.head.extend_from_slice(piece);
        }
        out.push(b'[');
    }

    /// Writes a row: a reading for each value.
    pub fn row<'a>(
        &mut self,
        out: &mut Vec<u8>,
        stamp: i64,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let stamp = self.stamps.text(stamp);
        for (name, value) in values {
            if self.started {
                out.push(b',');
            }
            self.started = true;
            for piece in [
                &self.head,
                &stamp.as_bytes()[..],
                CHANNEL,
                name.as_bytes(),
                VALUE,
                value.as_bytes(),
                CLOSE,
            ] {
                out.extend_from_slice(piece);
            }
        }
    }

    /// Ends the body.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.push(b']');
    }
}
