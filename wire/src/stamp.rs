//! Instants as text: milliseconds since 1970 UTC to and from ISO 8601, `2026-01-26T13:15:00.000Z`.
//!
//! Bodies carry a stamp per row and a backfill writes a million rows per second, so a [`Writer`] keeps the
//! date of the stamp before and no formatting machinery is involved. Years are 0001 to 9999, the text
//! always has [`LEN`] bytes, and days have 86 400 seconds, as Unix time has it.

mod civil;
mod parse;

use alloc::vec::Vec;
use core::fmt;

pub use parse::{ParseStampError, parse};

/// Length of every stamp in bytes.
pub const LEN: usize = 24;

/// `0001-01-01T00:00:00.000Z`.
pub const MIN: i64 = -62_135_596_800_000;

/// `9999-12-31T23:59:59.999Z`.
pub const MAX: i64 = 253_402_300_799_999;

const MS_PER_DAY: i64 = 86_400_000;

/// A stamp's text, on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text([u8; LEN]);

/// Writes stamps one after the other. Cheapest when they come in order, since a date is computed once.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The day that `date` is, counted from 1970-01-01.
    day: i64,
    /// `2026-01-26T`.
    date: [u8; 11],
}

/// The text of one instant; instants outside [`MIN`] to [`MAX`] are written as the nearer of the two.
/// Whoever takes readings in refuses such instants with [`is_valid`].
pub fn text(ms: i64) -> Text {
    Writer::new().text(ms)
}

/// Whether the instant can be written: its year is 0001 to 9999.
pub fn is_valid(ms: i64) -> bool {
    (MIN..=MAX).contains(&ms)
}

impl Writer {
    /// A writer that has written nothing yet.
    pub const fn new() -> Self {
        Self {
            day: 0,
            date: *b"1970-01-01T",
        }
    }

    /// The text of one instant, as [`text`] has it.
    pub fn text(&mut self, ms: i64) -> Text {
        let ms = ms.clamp(MIN, MAX);
        let day = ms.div_euclid(MS_PER_DAY);
        if day != self.day {
            self.day = day;
            self.date = date(day);
        }
        // Below 86 400 000, so nothing is cut off, and 32 bits divide faster on small chips.
        let of_day = ms.rem_euclid(MS_PER_DAY) as u32;
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        let [h, hh] = two(seconds / 3600);
        let [m, mm] = two(seconds / 60 % 60);
        let [s, ss] = two(seconds % 60);
        let [f, ff] = two(millis / 10);
        let [_, fff] = two(millis % 10);
        let [y, yy, yyy, yyyy, d1, mo, moo, d2, d, dd, t] = self.date;
        Text([
            y, yy, yyy, yyyy, d1, mo, moo, d2, d, dd, t, h, hh, b':', m, mm, b':', s, ss, b'.', f, ff, fff,
            b'Z',
        ])
    }

    /// Appends the text of one instant.
    pub fn push(&mut self, out: &mut Vec<u8>, ms: i64) {
        out.extend_from_slice(&self.text(ms).0);
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Text {
    /// The ASCII bytes.
    pub fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// The text, to be pushed to a `String` or written to any [`fmt::Write`].
    pub fn as_str(&self) -> &str {
        // Only digits and punctuation were ever put in.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn date(day: i64) -> [u8; 11] {
    let (year, month, day) = civil::date_of(day);
    let [c, cc] = two(year / 100);
    let [y, yy] = two(year % 100);
    let [m, mm] = two(month);
    let [d, dd] = two(day);
    [c, cc, y, yy, b'-', m, mm, b'-', d, dd, b'T']
}

/// The two digits of a number below 100.
fn two(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests;
