use alloc::string::String;
use alloc::vec::Vec;

use super::{CHANNELS, END, Envelope, FIRST, NULL, STEPS};
use crate::stamp;

/// The length of a body, known before it is written. A new channel pays a `null` for every row before it,
/// and a row one for every channel it lacks.
#[derive(Debug, Clone)]
pub struct Size {
    /// Everything but `first`, the steps and the channels.
    frame: usize,
    columns: Vec<Column>,
    /// How many of `columns` belong to this body. The others keep their memory for the next.
    used: usize,
    totals: Totals,
}

#[derive(Debug, Clone)]
struct Column {
    /// Escaped.
    name: String,
    /// The row (counted from 1) that last had a value for this channel.
    row: usize,
}

/// What the length is computed from.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    rows: usize,
    /// The stamp of the row before.
    last: i64,
    /// Bytes of the steps without commas.
    steps: usize,
    columns: usize,
    /// Bytes of the channels' names without quotes.
    names: usize,
    /// Elements that are not null.
    values: usize,
    /// Bytes of those.
    text: usize,
}

impl Size {
    /// The size of a body without rows.
    pub fn new(envelope: &Envelope) -> Self {
        let frame = envelope.open_len() + FIRST.len() + STEPS.len() + CHANNELS.len() + END.len();
        Self {
            frame,
            columns: Vec::new(),
            used: 0,
            totals: Totals::default(),
        }
    }

    /// Bytes of a body without rows.
    pub fn envelope_len(&self) -> usize {
        self.frame + Totals::default().len()
    }

    /// Bytes of the whole body with the rows added so far.
    pub fn len(&self) -> usize {
        self.frame + self.totals.len()
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.totals.rows == 0
    }

    /// By how many bytes this row would lengthen the body.
    pub fn row_len<'a>(&self, stamp: i64, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        let mut totals = self.totals;
        totals.step(stamp);
        let mut next = 0;
        for (name, value) in values {
            match self.position(name, next) {
                Some(index) => next = index + 1,
                None => totals.column(name),
            }
            totals.value(value);
        }
        totals.len() - self.totals.len()
    }

    /// Adds a row and returns the new length of the body.
    pub fn add<'a>(&mut self, stamp: i64, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        self.totals.step(stamp);
        let mut next = 0;
        for (name, value) in values {
            let index = self.position(name, next).unwrap_or_else(|| self.column(name));
            next = index + 1;
            let row = self.totals.rows;
            // Of a channel that occurs twice, the writer takes the first value.
            if core::mem::replace(&mut self.columns[index].row, row) != row {
                self.totals.value(value);
            }
        }
        self.len()
    }

    /// Starts the next body.
    pub fn clear(&mut self) {
        self.used = 0;
        self.totals = Totals::default();
    }

    fn position(&self, name: &str, likely: usize) -> Option<usize> {
        let used = &self.columns[..self.used];
        if used.get(likely).is_some_and(|column| column.name == name) {
            return Some(likely);
        }
        used.iter().position(|column| column.name == name)
    }

    fn column(&mut self, name: &str) -> usize {
        self.totals.column(name);
        match self.columns.get_mut(self.used) {
            Some(column) => {
                column.name.clear();
                column.name.push_str(name);
                column.row = 0;
            }
            None => self.columns.push(Column {
                name: name.into(),
                row: 0,
            }),
        }
        self.used += 1;
        self.used - 1
    }
}

impl Totals {
    fn step(&mut self, stamp: i64) {
        let stamp = stamp.clamp(stamp::MIN, stamp::MAX);
        if self.rows > 0 {
            self.steps += decimal_len(stamp - self.last);
        }
        self.rows += 1;
        self.last = stamp;
    }

    fn column(&mut self, name: &str) {
        self.columns += 1;
        self.names += name.len();
    }

    fn value(&mut self, text: &str) {
        self.values += 1;
        self.text += text.len();
    }

    /// Bytes of `first`, the steps and the channels.
    fn len(&self) -> usize {
        let first = if self.rows == 0 {
            NULL.len()
        } else {
            stamp::LEN + 2
        };
        let steps = self.steps + self.rows.saturating_sub(2);
        // `"name":[…]` for each, and commas between them.
        let columns = self.names + self.columns * 5 + self.columns.saturating_sub(1);
        // More values than elements are only there if `row_len` was asked about a channel twice.
        let nulls = (self.rows * self.columns).saturating_sub(self.values);
        let commas = self.columns * self.rows.saturating_sub(1);
        first + steps + columns + self.text + nulls * NULL.len() + commas
    }
}

/// Characters of the number in decimal.
fn decimal_len(number: i64) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(number < 0)
}
