//! Rows in their stored form, and back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoredRows;
use crate::clock::Millis;
use crate::reading::{Column, Rows};

/// Rows of an attempt that are too many to stand in it. Immutable, at most 256 KB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowsDoc {
    /// [`RowsDoc::id_of`].
    pub id: String,
    /// The source's id.
    pub source: String,
    /// The rows. Shared: a write that may have to be repeated, and the confirmation after it, hold the same text.
    pub rows: Arc<StoredRows>,
    /// Seconds to live, set on delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
}

impl RowsDoc {
    /// Its id: the attempt's number and its place in it.
    #[must_use]
    pub fn id_of(birth: &str, number: u64, place: u32) -> String {
        format!("r.{birth}.{number:010}.{place:02}")
    }
}

impl StoredRows {
    /// Rows `range` in their stored form.
    #[must_use]
    pub fn of(rows: &Rows, range: std::ops::Range<usize>) -> Self {
        let mut stamps = String::with_capacity(range.len() * 6);
        let mut digits = itoa::Buffer::new();
        let mut before = 0;
        for (i, &stamp) in rows.stamps()[range.clone()].iter().enumerate() {
            if i > 0 {
                stamps.push(',');
            }
            stamps.push_str(digits.format(stamp - before));
            before = stamp;
        }
        let within = |&&row: &&u32| range.contains(&(row as usize));
        let first = u32::try_from(range.start).unwrap_or(u32::MAX);
        Self {
            channels: rows.channels().to_vec(),
            stamps,
            columns: rows.columns().iter().map(|c| c.joined(range.clone())).collect(),
            revised: rows
                .revised()
                .iter()
                .filter(within)
                .map(|row| row - first)
                .collect(),
        }
    }

    /// The newest stamp; `None` when there is no row or the stored form is damaged.
    #[must_use]
    pub fn last_stamp(&self) -> Option<Millis> {
        let (mut at, mut last) = (0 as Millis, None);
        for step in self.stamps.split(',') {
            at = at.checked_add(step.parse().ok()?)?;
            last = last.max(Some(at));
        }
        last
    }

    /// The rows again; `None` when the stored form is damaged.
    #[must_use]
    pub fn rows(&self) -> Option<Rows> {
        let mut stamps = Vec::new();
        let mut at: Millis = 0;
        if !self.stamps.is_empty() {
            for step in self.stamps.split(',') {
                at = at.checked_add(step.parse().ok()?)?;
                stamps.push(at);
            }
        }
        let columns: Option<Vec<_>> = self
            .columns
            .iter()
            .map(|joined| Column::from_joined(joined, stamps.len()))
            .collect();
        Rows::from_parts(self.channels.clone(), stamps, columns?, self.revised.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Channel;

    #[test]
    fn rows_survive_their_stored_form() {
        let mut rows = Rows::new(vec![Channel::named("a"), Channel::named("b")]);
        for (stamp, a, b) in [(-5, "1", ""), (0, "", "2.50"), (1_700_000_000_000, "3", "4")] {
            rows.push(stamp, |i| Some([a, b][i]).filter(|v| !v.is_empty()));
        }
        rows.mark_last_revised();
        assert_eq!(StoredRows::of(&rows, 0..3).rows().as_ref(), Some(&rows));
        let tail = StoredRows::of(&rows, 1..3);
        assert_eq!(tail.revised, [1]);
        assert_eq!(tail.rows().map(|r| r.len()), Some(2));
        let broken = StoredRows {
            stamps: "1,x".into(),
            ..tail.clone()
        };
        assert_eq!(broken.rows(), None);
        for revised in [vec![2], vec![1, 0], vec![1, 1]] {
            let broken = StoredRows {
                revised,
                ..tail.clone()
            };
            assert_eq!(broken.rows(), None, "{:?}", broken.revised);
        }
    }
}
