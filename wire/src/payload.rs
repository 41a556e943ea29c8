//! The body formats of a message, byte for byte the same for the same rows.
//!
//! A row is a stamp (milliseconds since 1970 UTC) and pairs of channel name and value. Names are already
//! [escaped](crate::json::escape), since a name comes with every row and is escaped once; values are the
//! text of JSON [numbers](crate::json::is_number), kept exactly as they were read. A channel occurs at most
//! once in a row, and a channel without a value is left out.
//!
//! A packer asks a [`Size`] how long a body becomes with each row, and so knows where to cut before
//! anything is written. A [`Writer`] then writes the rows, once:
//!
//! ```
//! use wire::payload::{Envelope, Format, Identity, Size, Timerange, Writer};
//!
//! let envelope = Envelope::new(&Identity::Source { id: "home" }, false);
//! let row = || (1_769_433_300_000, [("ch0", "51000")]);
//!
//! let mut size = Size::new(Format::Timeseries, &envelope);
//! let announced = size.add(row().0, row().1);
//!
//! let mut body = Vec::new();
//! let mut writer = Writer::new(Format::Timeseries);
//! writer.begin(&mut body, &envelope, Timerange { begin: 1_769_432_400_000, end: 1_769_433_300_000 });
//! writer.row(&mut body, row().0, row().1);
//! writer.end(&mut body);
//! assert_eq!(body.len(), announced);
//! ```
//!
//! One file per format: [`timeseries`], [`flat`], [`columns`].

pub mod columns;
pub mod flat;
pub mod timeseries;

mod envelope;

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

pub use envelope::{Envelope, Identity, Timerange};

/// How readings are laid out in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// One object per row, with its channels inside. The default.
    #[default]
    Timeseries,
    /// One object per reading, for consumers that want a table.
    Flat,
    /// One array per channel, for those who pay by the unit.
    Columns,
}

/// The name is none of `timeseries`, `flat` and `columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a body format: choose timeseries, flat or columns")]
pub struct UnknownFormat;

/// The length of a body in bytes, known before it is written.
#[derive(Debug, Clone)]
pub enum Size {
    /// Of [`Format::Timeseries`].
    Timeseries(timeseries::Size),
    /// Of [`Format::Flat`].
    Flat(flat::Size),
    /// Of [`Format::Columns`].
    Columns(columns::Size),
}

/// Writes bodies, one after the other: [`begin`](Self::begin), a [`row`](Self::row) each, [`end`](Self::end).
#[derive(Debug, Clone)]
pub enum Writer {
    /// In [`Format::Timeseries`].
    Timeseries(timeseries::Writer),
    /// In [`Format::Flat`].
    Flat(flat::Writer),
    /// In [`Format::Columns`].
    Columns(columns::Writer),
}

impl Size {
    /// The size of a body without rows.
    pub fn new(format: Format, envelope: &Envelope) -> Self {
        match format {
            Format::Timeseries => Self::Timeseries(timeseries::Size::new(envelope)),
            Format::Flat => Self::Flat(flat::Size::new(envelope)),
            Format::Columns => Self::Columns(columns::Size::new(envelope)),
        }
    }

    /// Bytes of a body without rows.
    pub fn envelope_len(&self) -> usize {
        match self {
            Self::Timeseries(size) => size.envelope_len(),
            Self::Flat(size) => size.envelope_len(),
            Self::Columns(size) => size.envelope_len(),
        }
    }

    /// Bytes of the whole body with the rows added so far, its end included.
    pub fn len(&self) -> usize {
        match self {
            Self::Timeseries(size) => size.len(),
            Self::Flat(size) => size.len(),
            Self::Columns(size) => size.len(),
        }
    }

    /// Whether the body has no row yet (in `flat`, no reading), since the start or the last [`clear`](Self::clear).
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Timeseries(size) => size.is_empty(),
            Self::Flat(size) => size.is_empty(),
            Self::Columns(size) => size.is_empty(),
        }
    }

    /// By how many bytes this row would lengthen the body, which stays as it is.
    pub fn row_len<'a>(&self, stamp: i64, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        match self {
            Self::Timeseries(size) => size.row_len(values),
            Self::Flat(size) => size.row_len(values),
            Self::Columns(size) => size.row_len(stamp, values),
        }
    }

    /// Adds a row and returns the new [`len`](Self::len). If that is too much, the body ends before this
    /// row: [`clear`](Self::clear), and add it again as the first of the next.
    pub fn add<'a>(&mut self, stamp: i64, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        match self {
            Self::Timeseries(size) => size.add(values),
            Self::Flat(size) => size.add(values),
            Self::Columns(size) => size.add(stamp, values),
        }
    }

    /// Starts the next body, with the same envelope.
    pub fn clear(&mut self) {
        match self {
            Self::Timeseries(size) => size.clear(),
            Self::Flat(size) => size.clear(),
            Self::Columns(size) => size.clear(),
        }
    }
}

impl Writer {
    /// A writer for any number of bodies.
    pub fn new(format: Format) -> Self {
        match format {
            Format::Timeseries => Self::Timeseries(timeseries::Writer::default()),
            Format::Flat => Self::Flat(flat::Writer::default()),
            Format::Columns => Self::Columns(columns::Writer::default()),
        }
    }

    /// Begins a body at the end of `out`. What another body left unfinished is forgotten.
    pub fn begin(&mut self, out: &mut Vec<u8>, envelope: &Envelope, range: Timerange) {
        match self {
            Self::Timeseries(writer) => writer.begin(out, envelope, range),
            Self::Flat(writer) => writer.begin(out, envelope),
            Self::Columns(writer) => writer.begin(out, envelope, range),
        }
    }

    /// Writes a row. `out` is the one that the body was begun in.
    pub fn row<'a>(
        &mut self,
        out: &mut Vec<u8>,
        stamp: i64,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        match self {
            Self::Timeseries(writer) => writer.row(out, stamp, values),
            Self::Flat(writer) => writer.row(out, stamp, values),
            Self::Columns(writer) => writer.row(out, stamp, values),
        }
    }

    /// Ends the body.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Timeseries(writer) => writer.end(out),
            Self::Flat(writer) => writer.end(out),
            Self::Columns(writer) => writer.end(out),
        }
    }
}

impl Format {
    /// The format's name in settings and stored documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeseries => "timeseries",
            Self::Flat => "flat",
            Self::Columns => "columns",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        [Self::Timeseries, Self::Flat, Self::Columns]
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or(UnknownFormat)
    }
}

#[cfg(test)]
mod tests;
