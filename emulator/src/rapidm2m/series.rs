use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::walk::Window;
use super::{Cell, Channel, Generator, SeriesOptions};

/// A row that is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its stamp, in milliseconds since 1970 UTC.
    pub stamp_ms: i64,
    /// Its values in the order of the channels. Fewer make a short row; those beyond the channels come in every answer.
    pub cells: Vec<Cell>,
    /// From when on it is visible, in milliseconds since 1970 UTC. Of several rows with one stamp, the latest visible counts.
    pub visible_ms: i64,
}

/// A row that was visible once: with its values, and since when it had them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The customer's id.
    pub customer: String,
    /// The site's id.
    pub site: String,
    /// The number of the series.
    pub series: u8,
    /// The row. `visible_ms` is when these values became visible.
    pub row: Row,
}

/// The rows of a series, and when each became visible.
pub(super) struct Series {
    pub(super) channels: Vec<Channel>,
    pub(super) generator: Option<Generator>,
    /// By stamp, then by when they became visible.
    written: RwLock<BTreeMap<i64, Vec<Row>>>,
}

impl Series {
    pub(super) fn new(options: SeriesOptions) -> Self {
        // An interval or a period of nothing would never end.
        let generator = options.generator.map(|generator| Generator {
            interval_ms: generator.interval_ms.max(1),
            late: generator.late.filter(|late| late.every > 0),
            correction: generator.correction.filter(|correction| correction.every > 0),
            ..generator
        });
        let series = Self {
            channels: options.channels,
            generator,
            written: RwLock::default(),
        };
        for row in options.rows {
            series.push(row);
        }
        series
    }

    /// Adds a row, or a later version of one.
    pub(super) fn push(&self, row: Row) {
        let mut written = self.written.write().unwrap_or_else(PoisonError::into_inner);
        let versions = written.entry(row.stamp_ms).or_default();
        let after = versions.partition_point(|other| other.visible_ms <= row.visible_ms);
        versions.insert(after, row);
    }

    /// The position of a channel by name or alias.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.channels
            .iter()
            .position(|channel| channel.name == name || channel.alias.as_deref() == Some(name))
    }

    /// The written rows of a window as they are visible now, in order.
    pub(super) fn written(&self, window: Window, now_ms: i64) -> Vec<Row> {
        let written = self.written.read().unwrap_or_else(PoisonError::into_inner);
        if window.from_ms > window.until_ms {
            return Vec::new();
        }
        let versions = written.range(window.from_ms..=window.until_ms);
        versions
            .filter_map(|(_, versions)| visible(versions, now_ms))
            .cloned()
            .collect()
    }

    /// The stamp of the newest row that is visible now.
    pub(super) fn youngest(&self, now_ms: i64) -> Option<i64> {
        let written = self.written.read().unwrap_or_else(PoisonError::into_inner);
        let newest = written
            .iter()
            .rev()
            .find(|(_, versions)| visible(versions, now_ms).is_some())
            .map(|(stamp, _)| *stamp);
        let made = self.generator.as_ref().and_then(|generator| {
            let row = (0..generator.end_until(i64::MAX, now_ms))
                .rev()
                .find(|row| generator.visible_ms(*row) <= now_ms)?;
            Some(generator.stamp(row))
        });
        newest.max(made)
    }

    /// Every version of every row that is or was visible, by stamp and then by time. A generated version that a written
    /// row hid before it came is left out.
    pub(super) fn ledger(&self, now_ms: i64) -> Vec<Row> {
        let written = self.written.read().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Vec::new();
        if let Some(generator) = &self.generator {
            for row in 0..generator.end_until(i64::MAX, now_ms) {
                let stamp_ms = generator.stamp(row);
                let seen = |at: i64| {
                    let over = written.get(&stamp_ms);
                    at <= now_ms && over.is_none_or(|over| visible(over, at - 1).is_none())
                };
                let first = (Some(generator.visible_ms(row)), false);
                for (visible_ms, corrected) in [first, (generator.corrected_ms(row), true)] {
                    if let Some(visible_ms) = visible_ms.filter(|at| seen(*at)) {
                        let cells = self.made(generator, row, corrected);
                        rows.push(Row {
                            stamp_ms,
                            cells,
                            visible_ms,
                        });
                    }
                }
            }
        }
        // The sort keeps written rows behind generated ones of the same instants, as they lie over them.
        rows.extend(
            written
                .values()
                .flatten()
                .filter(|row| row.visible_ms <= now_ms)
                .cloned(),
        );
        rows.sort_by_key(|row| (row.stamp_ms, row.visible_ms));
        rows
    }

    fn made(&self, generator: &Generator, row: i64, corrected: bool) -> Vec<Cell> {
        let cell = |(channel, of): (usize, &Channel)| {
            let mut out = Vec::new();
            generator.write(&mut out, of.wave, channel, row, corrected);
            Cell::json(out.into_iter().map(char::from).collect::<String>())
        };
        self.channels.iter().enumerate().map(cell).collect()
    }
}

fn visible(versions: &[Row], now_ms: i64) -> Option<&Row> {
    versions.iter().rev().find(|row| row.visible_ms <= now_ms)
}
