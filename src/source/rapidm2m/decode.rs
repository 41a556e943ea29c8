//! Decodes a time series while it arrives: `[["20170126133",51000,"NAN"],…]` into columns.
//!
//! Written by hand because a year of minutes is half a million rows, and a tree of JSON values for them costs twenty times
//! the rows themselves. Nothing of the body is kept but the row that a chunk ends in.
//!
//! Generous where a value is concerned, for the shapes of values vary between servers: what is not a number is missing, be it
//! null, `"NAN"`, a bare `NaN`, a truth value, or an object. Strict where rows are concerned: a body that is not an array of
//! arrays, or breaks off, is a [`Fault`], and then no row of it counts.

mod row;

#[cfg(test)]
mod tests;

use rust_decimal::Decimal;

use self::row::{Cell, Stop};
use super::scale::scaled;
use super::stamp;
use super::tally::Tally;
use crate::clock::Millis;
use crate::reading::Rows;
use crate::source::Mapped;

/// No row is longer than this: it bounds what is kept of an unfinished row, and how often that is read again.
pub const ROW_LIMIT: usize = 64 * 1024;

/// What of an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows before this instant are left out.
    pub from: Millis,
    /// Rows after it are left out.
    pub until: Millis,
    /// One row more than this in the window is [`Fault::TooManyRows`].
    pub max_rows: usize,
}

/// Why a body cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not an array of rows from the start: an error object, an HTML page.
    #[error("not an array of rows")]
    NotRows,
    /// An array of rows that goes wrong later.
    #[error("row {row}, byte {at}: {expected} is expected")]
    Syntax {
        /// Number of the row, from 1.
        row: u64,
        /// Bytes of the body before it.
        at: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// A row longer than [`ROW_LIMIT`].
    #[error("row {row} is longer than {ROW_LIMIT} bytes")]
    LongRow {
        /// Number of the row, from 1.
        row: u64,
    },
    /// More rows than [`Limits::max_rows`].
    #[error("too many rows")]
    TooManyRows,
    /// The body ended inside the array.
    #[error("the body breaks off; whole rows before that: {rows}")]
    CutShort {
        /// Rows before the break.
        rows: u64,
    },
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Its rows: ascending, one per instant, inside the window, each with at least one value.
    pub rows: Rows,
    /// What was left out.
    pub tally: Tally,
}

/// Takes a body piece by piece. After a fault it must not be fed again.
#[derive(Debug)]
pub struct Decoder {
    rows: Rows,
    scales: Vec<Option<Decimal>>,
    /// Whether any channel has a scale; the plain case copies text and no more.
    scaling: bool,
    limits: Limits,
    tally: Tally,
    place: Place,
    /// The unfinished row at the end of the last piece.
    carry: Vec<u8>,
    /// Bytes before the carry.
    consumed: u64,
    /// Rows seen, kept or not.
    seen: u64,
    /// The values of the row at hand; kept for its memory.
    cells: Vec<Cell>,
}

/// Where in the array the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    BeforeArray,
    FirstRow,
    NextRow,
    AfterRow,
    AfterArray,
}

impl Decoder {
    /// A decoder for rows whose values are those of `channels`, in this order.
    #[must_use]
    pub fn new(channels: &[Mapped], limits: Limits) -> Self {
        let scales: Vec<_> = channels.iter().map(|c| c.scale).collect();
        Self {
            rows: Rows::new(channels.iter().map(|c| c.channel.clone()).collect()),
            scaling: scales.iter().any(Option::is_some),
            cells: vec![Cell::Missing; channels.len()],
            scales,
            limits,
            tally: Tally::default(),
            place: Place::BeforeArray,
            carry: Vec::new(),
            consumed: 0,
            seen: 0,
        }
    }

    /// Takes the next piece of the body, cut anywhere.
    ///
    /// # Errors
    /// At the first byte that cannot belong to an array of rows, and at the first row too many.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if self.carry.is_empty() {
            let used = self.run(piece)?;
            self.carry.extend_from_slice(&piece[used..]);
            return Ok(());
        }
        self.carry.extend_from_slice(piece);
        // Only a closing bracket can end the row, so a body that drips is not read again at every byte.
        if self.carry.len() < ROW_LIMIT && !piece.contains(&b']') {
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        let used = self.run(&carry)?;
        carry.drain(..used);
        self.carry = carry;
        Ok(())
    }

    /// Ends the body. An empty one has no rows, as has `[]`.
    ///
    /// # Errors
    /// When the body ended too early.
    pub fn finish(mut self) -> Result<Decoded, Fault> {
        let carry = std::mem::take(&mut self.carry);
        self.run(&carry)?;
        if !matches!(self.place, Place::BeforeArray | Place::AfterArray) {
            return Err(Fault::CutShort { rows: self.seen });
        }
        let before = self.rows.len();
        self.rows.normalise();
        self.tally.merged = before - self.rows.len();
        Ok(Decoded {
            rows: self.rows,
            tally: self.tally,
        })
    }

    /// Reads all whole rows in `bytes` and tells how many bytes they are; what follows is an unfinished row.
    fn run(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                at += 1;
                continue;
            }
            match (self.place, byte) {
                (Place::FirstRow | Place::NextRow, b'[') => {
                    // Never more than a row may have, so that a fault does not depend on where the pieces were cut.
                    let row = &bytes[at..bytes.len().min(at + ROW_LIMIT)];
                    match row::read(row, &mut self.cells) {
                        Ok(found) => {
                            self.seen += 1;
                            self.take(row, &found)?;
                            at += found.length;
                            self.place = Place::AfterRow;
                            continue;
                        }
                        Err(Stop::Unfinished) if row.len() == ROW_LIMIT => {
                            return Err(Fault::LongRow { row: self.seen + 1 });
                        }
                        Err(Stop::Unfinished) => break,
                        Err(Stop::Unexpected(inside, expected)) => {
                            return Err(self.syntax(at + inside, expected));
                        }
                    }
                }
                (Place::BeforeArray, b'[') => self.place = Place::FirstRow,
                (Place::AfterRow, b',') => self.place = Place::NextRow,
                (Place::FirstRow | Place::AfterRow, b']') => self.place = Place::AfterArray,
                (Place::BeforeArray | Place::FirstRow, _) => return Err(Fault::NotRows),
                (Place::NextRow, _) => return Err(self.syntax(at, "the next row")),
                (Place::AfterRow, _) => return Err(self.syntax(at, "`,` or `]`")),
                (Place::AfterArray, _) => return Err(self.syntax(at, "the end")),
            }
            at += 1;
        }
        self.consumed += at as u64;
        Ok(at)
    }

    fn syntax(&self, at: usize, expected: &'static str) -> Fault {
        Fault::Syntax {
            row: self.seen + u64::from(self.place != Place::AfterRow && self.place != Place::AfterArray),
            at: self.consumed + at as u64,
            expected,
        }
    }

    /// Keeps a row that was read, or counts why not.
    fn take(&mut self, bytes: &[u8], found: &row::Found) -> Result<(), Fault> {
        let Some(text) = &found.stamp else {
            self.tally.without_stamp += 1;
            return Ok(());
        };
        let text = &bytes[text.clone()];
        let Some(stamp) = stamp::decode(text) else {
            self.tally.count_bad_stamp(text);
            return Ok(());
        };
        if stamp < self.limits.from || stamp > self.limits.until {
            self.tally.outside += 1;
            return Ok(());
        }
        self.tally.surplus = self.tally.surplus.max(found.surplus);
        if found.plain && !self.scaling {
            return self.keep(stamp, |_, number| Some(number), bytes);
        }
        self.count_missing(bytes);
        if self.scaling {
            let products: Vec<Option<String>> = (0..self.cells.len())
                .map(|i| {
                    let number = self.cells[i].number(bytes)?;
                    let Some(factor) = self.scales[i] else {
                        return Some(number.to_owned());
                    };
                    let product = scaled(number, factor);
                    self.tally.unscaled += usize::from(product.is_none());
                    product
                })
                .collect();
            return self.keep(stamp, |i, _| products[i].as_deref(), bytes);
        }
        self.keep(stamp, |_, number| Some(number), bytes)
    }

    /// Adds a row, unless it has no value at all. `value` may replace the text of channel `i`.
    fn keep<'a>(
        &mut self,
        stamp: Millis,
        value: impl Fn(usize, &'a str) -> Option<&'a str>,
        bytes: &'a [u8],
    ) -> Result<(), Fault> {
        let cells = &self.cells;
        let get = |i: usize| cells[i].number(bytes).and_then(|number| value(i, number));
        if !(0..cells.len()).any(|i| get(i).is_some()) {
            self.tally.hollow += 1;
            return Ok(());
        }
        if self.rows.len() >= self.limits.max_rows {
            return Err(Fault::TooManyRows);
        }
        self.rows.push(stamp, get);
        Ok(())
    }

    fn count_missing(&mut self, bytes: &[u8]) {
        for (cell, channel) in self.cells.iter().zip(self.rows.channels()) {
            match cell {
                Cell::Missing => self.tally.missing += 1,
                Cell::Junk(text) => self.tally.count_junk(&channel.name, &bytes[text.clone()]),
                Cell::Number(_) | Cell::Absent => {}
            }
        }
    }
}
