//! A window of a series, row by row, as the JSON that is sent. Generated rows are made here and kept nowhere.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;

use super::Order;
use super::series::{Row, Series};
use super::stamp::Pen;

/// Full enough for a system call, small enough to stay in the processor's cache.
const CHUNK: usize = 64 * 1024;

/// From when to when, both inclusive, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
}

/// Goes through a window once.
pub(super) struct Walk {
    series: Arc<Series>,
    /// The channels wanted, by position, in the order wanted.
    columns: Vec<usize>,
    now_ms: i64,
    pen: Pen,
    /// The next generated row, and the one after the last.
    next: i64,
    end: i64,
    /// Nothing but stamps decides what is visible, so that rows need not be asked one by one.
    plain: bool,
    written: Peekable<IntoIter<Row>>,
    left: usize,
}

/// What is sent, and how.
pub(super) struct Shape {
    pub(super) columns: Vec<usize>,
    pub(super) strip_stamps: bool,
    pub(super) max_rows: Option<usize>,
}

impl Walk {
    pub(super) fn new(series: Arc<Series>, window: Window, shape: Shape, now_ms: i64) -> Self {
        let (next, end) = match &series.generator {
            Some(generator) => (
                generator.first_from(window.from_ms),
                generator.end_until(window.until_ms, now_ms),
            ),
            None => (0, 0),
        };
        let plain = series
            .generator
            .as_ref()
            .is_some_and(|made| made.upload_ms <= 0 && made.late.is_none());
        let written = series.written(window, now_ms).into_iter().peekable();
        let pen = Pen::new(shape.strip_stamps);
        let left = shape.max_rows.unwrap_or(usize::MAX);
        Self {
            series,
            columns: shape.columns,
            now_ms,
            pen,
            next,
            end,
            plain,
            written,
            left,
        }
    }

    /// Appends the next row, and tells its stamp. Nothing when there is none left.
    fn write_next(&mut self, out: &mut Vec<u8>) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        let made = self.next_made();
        let stamp_ms = match (self.written.peek(), made) {
            (Some(row), Some((_, stamp_ms))) => row.stamp_ms.min(stamp_ms),
            (Some(row), None) => row.stamp_ms,
            (None, Some((_, stamp_ms))) => stamp_ms,
            (None, None) => return None,
        };
        if made.is_some_and(|(_, made_ms)| made_ms == stamp_ms) {
            self.next += 1;
        }
        out.extend_from_slice(b"[\"");
        self.pen.write(out, stamp_ms);
        out.push(b'"');
        match (self.written.next_if(|row| row.stamp_ms == stamp_ms), made) {
            (Some(row), _) => self.write_cells(out, &row),
            (None, Some((row, _))) => self.make_cells(out, row),
            (None, None) => {}
        }
        out.push(b']');
        Some(stamp_ms)
    }

    /// The next generated row that is visible, with its stamp.
    fn next_made(&mut self) -> Option<(i64, i64)> {
        let generator = self.series.generator.as_ref()?;
        if !self.plain {
            while self.next < self.end && generator.visible_ms(self.next) > self.now_ms {
                self.next += 1;
            }
        }
        (self.next < self.end).then(|| (self.next, generator.stamp(self.next)))
    }

    fn make_cells(&self, out: &mut Vec<u8>, row: i64) {
        let Some(generator) = &self.series.generator else {
            return;
        };
        let corrected = generator.corrected_ms(row).is_some_and(|at| at <= self.now_ms);
        for &channel in &self.columns {
            out.push(b',');
            generator.write(out, self.series.channels[channel].wave, channel, row, corrected);
        }
    }

    /// A short row ends where its cells end; cells beyond the channels come after all others.
    fn write_cells(&self, out: &mut Vec<u8>, row: &Row) {
        let wanted = self.columns.iter().map_while(|&channel| row.cells.get(channel));
        for cell in wanted.chain(row.cells.iter().skip(self.series.channels.len())) {
            out.push(b',');
            out.extend_from_slice(cell.as_json().as_bytes());
        }
    }
}

/// An answer: all at once if it is small, else piece by piece.
pub(super) enum Answered {
    Whole(Bytes),
    Pieces(Box<dyn FnMut() -> Option<Bytes> + Send>),
}

/// The JSON array of a walk in an order.
pub(super) fn answer(mut walk: Walk, order: Order) -> Answered {
    if order != Order::Ascending {
        return Answered::Whole(reordered(walk, order).into());
    }
    let mut begun = false;
    let mut ended = false;
    let mut piece = move || {
        if ended {
            return None;
        }
        let mut out = Vec::with_capacity(if begun { CHUNK + 4_096 } else { 4_096 });
        while out.len() < CHUNK {
            // The mark before a row is taken back when there is no row.
            out.push(if begun { b',' } else { b'[' });
            if walk.write_next(&mut out).is_none() {
                if begun {
                    out.pop();
                }
                out.push(b']');
                ended = true;
                break;
            }
            begun = true;
        }
        Some((Bytes::from(out), ended))
    };
    let Some((first, only)) = piece() else {
        return Answered::Whole(Bytes::from_static(b"[]"));
    };
    if only {
        return Answered::Whole(first);
    }
    let mut first = Some(first);
    Answered::Pieces(Box::new(move || {
        first.take().or_else(|| piece().map(|(bytes, _)| bytes))
    }))
}

fn reordered(mut walk: Walk, order: Order) -> Vec<u8> {
    let mut rows = Vec::new();
    loop {
        let mut row = Vec::new();
        match walk.write_next(&mut row) {
            Some(stamp_ms) => rows.push((stamp_ms, row)),
            None => break,
        }
    }
    match order {
        // Multiplying by a large odd number scatters stamps that are multiples of a minute.
        Order::Shuffled => {
            rows.sort_by_key(|(stamp_ms, _)| stamp_ms.wrapping_mul(0x2545_f491_4f6c_dd1d));
        }
        _ => rows.reverse(),
    }
    let rows: Vec<Vec<u8>> = rows.into_iter().map(|(_, row)| row).collect();
    [b"[".as_slice(), &rows.join(&b','), b"]"].concat()
}
