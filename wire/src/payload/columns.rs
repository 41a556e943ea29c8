//! One array per channel:
//!
//! ```json
//! {"source_id":"…","Timerange":{"begin":"…","end":"…"},"first":"2026-01-26T13:30:00.000Z",
//!  "steps":[900000,900000],"Channels":{"ch0":[51000,51001,null]}}
//! ```
//!
//! without any white space. `first` is the stamp of the first row, and each step leads from one row to the
//! next in milliseconds, so there is one step less than rows. Channels stand in the order in which they
//! first occur; each array has an element for every row, `null` where the row has no value. A body
//! without rows has `"first":null`.

mod size;

use alloc::string::String;
use alloc::vec::Vec;

use super::{Envelope, Timerange};
use crate::stamp;

pub use size::Size;

const FIRST: &[u8] = b",\"first\":";
const STEPS: &[u8] = b",\"steps\":[";
const CHANNELS: &[u8] = b"],\"Channels\":{";
const END: &[u8] = b"}}";
const NULL: &[u8] = b"null";

/// Writes bodies one after the other. Arrays grow side by side while rows come, so they are kept apart
/// until the end.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    stamps: stamp::Writer,
    columns: Vec<Column>,
    /// How many of `columns` belong to this body. The others keep their memory for the next.
    used: usize,
    /// Rows so far.
    rows: usize,
    /// The stamp of the row before.
    last: i64,
}

#[derive(Debug, Clone, Default)]
struct Column {
    /// Escaped.
    name: String,
    /// The elements so far, separated by commas.
    text: Vec<u8>,
    /// How many elements `text` has; those missing at its end are null.
    filled: usize,
}

impl Writer {
    /// Begins a body at the end of `out`.
    pub fn begin(&mut self, out: &mut Vec<u8>, envelope: &Envelope, range: Timerange) {
        self.used = 0;
        self.rows = 0;
        envelope.open(out, range, &mut self.stamps);
        out.extend_from_slice(FIRST);
    }

    /// Writes a row.
    pub fn row<'a>(
        &mut self,
        out: &mut Vec<u8>,
        stamp: i64,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        self.step(out, stamp);
        let mut next = 0;
        for (name, value) in values {
            let index = self.column(name, next);
            next = index + 1;
            let column = &mut self.columns[index];
            // A channel that occurs twice must not shift the rows after it: the first value stays.
            if column.filled <= self.rows {
                column.fill(self.rows);
                column.push(value.as_bytes());
            }
        }
        self.rows += 1;
    }

    /// Ends the body.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.rows == 0 {
            out.extend_from_slice(NULL);
            out.extend_from_slice(STEPS);
        }
        out.extend_from_slice(CHANNELS);
        for (position, column) in self.columns[..self.used].iter_mut().enumerate() {
            column.fill(self.rows);
            out.extend_from_slice(if position == 0 { b"\"" } else { b",\"" });
            out.extend_from_slice(column.name.as_bytes());
            out.extend_from_slice(b"\":[");
            out.extend_from_slice(&column.text);
            out.push(b']');
        }
        out.extend_from_slice(END);
    }

    /// `first` and the opening of `steps` with the first row, a step with each other one.
    fn step(&mut self, out: &mut Vec<u8>, stamp: i64) {
        let stamp = stamp.clamp(stamp::MIN, stamp::MAX);
        if self.rows == 0 {
            out.push(b'"');
            self.stamps.push(out, stamp);
            out.push(b'"');
            out.extend_from_slice(STEPS);
        } else {
            if self.rows > 1 {
                out.push(b',');
            }
            out.extend_from_slice(itoa::Buffer::new().format(stamp - self.last).as_bytes());
        }
        self.last = stamp;
    }

    /// The column of that name, which most often is the one after the column before.
    fn column(&mut self, name: &str, likely: usize) -> usize {
        let used = &self.columns[..self.used];
        if used.get(likely).is_some_and(|column| column.name == name) {
            return likely;
        }
        if let Some(index) = used.iter().position(|column| column.name == name) {
            return index;
        }
        let index = self.used;
        self.used += 1;
        if self.columns.len() < self.used {
            self.columns.push(Column::default());
        }
        let column = &mut self.columns[index];
        column.name.clear();
        column.name.push_str(name);
        column.text.clear();
        column.filled = 0;
        index
    }
}

impl Column {
    /// Nulls up to that many elements.
    fn fill(&mut self, rows: usize) {
        while self.filled < rows {
            self.push(NULL);
        }
    }

    fn push(&mut self, element: &[u8]) {
        if self.filled > 0 {
            self.text.push(b',');
        }
        self.text.extend_from_slice(element);
        self.filled += 1;
    }
}
