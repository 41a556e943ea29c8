//! Many readings in columns: one stamp a row, one text column a channel.

use super::Channel;
use crate::clock::Millis;

/// The values of one channel, row by row, as JSON number text. An absent value is empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    text: String,
    ends: Vec<u32>,
}

/// Rows of one source, all with the same channels. Ascending by stamp once [`Rows::normalise`] ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    channels: Vec<Channel>,
    stamps: Vec<Millis>,
    columns: Vec<Column>,
    revised: Vec<u32>,
}

impl Rows {
    /// No rows yet, with these channels.
    #[must_use]
    pub fn new(channels: Vec<Channel>) -> Self {
        let columns = channels.iter().map(|_| Column::default()).collect();
        Self {
            channels,
            stamps: Vec::new(),
            columns,
            revised: Vec::new(),
        }
    }

    /// Adds a row. `value(i)` gives the number text of channel `i`, or `None` where it is missing.
    pub fn push<'a>(&mut self, stamp: Millis, mut value: impl FnMut(usize) -> Option<&'a str>) {
        self.stamps.push(stamp);
        for (i, column) in self.columns.iter_mut().enumerate() {
            column.push(value(i).unwrap_or(""));
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stamps.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stamps.is_empty()
    }

    /// The channels, in column order.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The same, to add what became known of them later (titles, units).
    pub fn channels_mut(&mut self) -> &mut [Channel] {
        &mut self.channels
    }

    /// The stamps, row by row.
    #[must_use]
    pub fn stamps(&self) -> &[Millis] {
        &self.stamps
    }

    /// The columns, in channel order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The value of one channel in one row; `None` where it is missing.
    #[must_use]
    pub fn value(&self, row: usize, channel: usize) -> Option<&str> {
        self.columns[channel].get(row)
    }

    /// Number of readings: values that are present.
    #[must_use]
    pub fn readings(&self) -> usize {
        self.columns.iter().map(Column::present).sum()
    }

    /// Rows that repeat an instant that was stored before with another value, by index, ascending.
    #[must_use]
    pub fn revised(&self) -> &[u32] {
        &self.revised
    }

    /// Whether this row is a revision.
    #[must_use]
    pub fn is_revised(&self, row: usize) -> bool {
        u32::try_from(row).is_ok_and(|row| self.revised.binary_search(&row).is_ok())
    }

    /// Marks the last row as a revision.
    pub fn mark_last_revised(&mut self) {
        if let Ok(row) = u32::try_from(self.len().wrapping_sub(1)) {
            self.revised.push(row);
        }
    }

    /// Copies row `row` of `from`, whose channels must be the same, to the end of this one.
    pub fn push_row_of(&mut self, from: &Self, row: usize) {
        self.push(from.stamps[row], |i| from.value(row, i));
        if from.is_revised(row) {
            self.mark_last_revised();
        }
    }

    /// A copy of these rows alone.
    #[must_use]
    pub fn part(&self, rows: std::ops::Range<usize>) -> Self {
        let within = |&&row: &&u32| rows.contains(&(row as usize));
        let first = u32::try_from(rows.start).unwrap_or(u32::MAX);
        Self {
            channels: self.channels.clone(),
            stamps: self.stamps[rows.clone()].to_vec(),
            columns: self
                .columns
                .iter()
                .map(|column| column.part(rows.clone()))
                .collect(),
            revised: self
                .revised
                .iter()
                .filter(within)
                .map(|row| row - first)
                .collect(),
        }
    }

    /// Appends all of `other`. Channels are matched by name and OBIS code, since rows keep the code that they were read with; those
    /// that one side lacks are missing there.
    pub fn append(&mut self, other: &Self) {
        let mut place = Vec::with_capacity(other.channels.len());
        for channel in &other.channels {
            let at = self
                .channels
                .iter()
                .position(|c| (&c.name, &c.obis) == (&channel.name, &channel.obis))
                .unwrap_or_else(|| {
                    self.channels.push(channel.clone());
                    let mut column = Column::default();
                    for _ in 0..self.stamps.len() {
                        column.push("");
                    }
                    self.columns.push(column);
                    self.channels.len() - 1
                });
            place.push(at);
        }
        let mut from: Vec<Option<usize>> = vec![None; self.channels.len()];
        for (theirs, &ours) in place.iter().enumerate() {
            from[ours] = Some(theirs);
        }
        for row in 0..other.len() {
            self.push(other.stamps[row], |i| from[i].and_then(|c| other.value(row, c)));
            if other.is_revised(row) {
                self.mark_last_revised();
            }
        }
    }

    /// Sorts by stamp and leaves one row per instant: where several rows share one, a later value of a channel wins.
    /// Costs nothing when the rows are in order already.
    pub fn normalise(&mut self) {
        if self.stamps.windows(2).all(|w| w[0] < w[1]) {
            return;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&row| self.stamps[row]);
        let mut sorted = Self::new(self.channels.clone());
        for group in order.chunk_by(|&a, &b| self.stamps[a] == self.stamps[b]) {
            sorted.push(self.stamps[group[0]], |i| {
                group.iter().rev().find_map(|&row| self.value(row, i))
            });
            if group.iter().any(|&row| self.is_revised(row)) {
                sorted.mark_last_revised();
            }
        }
        *self = sorted;
    }
}

impl Column {
    /// Rebuilds a column from its stored form: values joined by commas.
    #[must_use]
    pub fn from_joined(joined: &str, rows: usize) -> Option<Self> {
        let mut column = Self {
            text: String::with_capacity(joined.len()),
            ends: Vec::with_capacity(rows),
        };
        if rows > 0 {
            for value in joined.split(',') {
                column.push(value);
            }
        }
        (column.ends.len() == rows).then_some(column)
    }

    /// Values joined by commas, an absent one as empty text: how a column is stored.
    #[must_use]
    pub fn joined(&self, rows: std::ops::Range<usize>) -> String {
        let start = self.start(rows.start);
        let end = self.start(rows.end);
        let mut joined = String::with_capacity(end - start + rows.len());
        for row in rows.clone() {
            if row > rows.start {
                joined.push(',');
            }
            joined.push_str(&self.text[self.start(row)..self.ends[row] as usize]);
        }
        joined
    }

    /// The value of one row; `None` where it is missing.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        let value = &self.text[self.start(row)..self.ends[row] as usize];
        (!value.is_empty()).then_some(value)
    }

    /// Bytes of the values of these rows.
    #[must_use]
    pub fn bytes(&self, rows: std::ops::Range<usize>) -> usize {
        self.start(rows.end) - self.start(rows.start)
    }

    fn part(&self, rows: std::ops::Range<usize>) -> Self {
        let (start, end) = (self.start(rows.start), self.start(rows.end));
        // Ends are 32 bits wide, so their difference is, too.
        let before = u32::try_from(start).unwrap_or(u32::MAX);
        Self {
            text: self.text[start..end].to_owned(),
            ends: self.ends[rows].iter().map(|end| end - before).collect(),
        }
    }

    fn push(&mut self, value: &str) {
        self.text.push_str(value);
        // A slice is cut long before four gigabytes.
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    fn present(&self) -> usize {
        let mut start = 0;
        self.ends
            .iter()
            .filter(|&&end| std::mem::replace(&mut start, end) != end)
            .count()
    }

    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }
}

impl Rows {
    /// Rebuilds rows from stored parts. `None` when the columns do not fit the stamps, or what is revised is no ascending list
    /// of rows.
    #[must_use]
    pub fn from_parts(
        channels: Vec<Channel>,
        stamps: Vec<Millis>,
        columns: Vec<Column>,
        revised: Vec<u32>,
    ) -> Option<Self> {
        let fits = columns.len() == channels.len()
            && columns.iter().all(|c| c.ends.len() == stamps.len())
            && revised.is_sorted_by(|a, b| a < b)
            && revised.last().is_none_or(|&last| (last as usize) < stamps.len());
        fits.then_some(Self {
            channels,
            stamps,
            columns,
            revised,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[(Millis, &[&str])]) -> Rows {
        let width = of.first().map_or(0, |(_, v)| v.len());
        let mut rows = Rows::new((0..width).map(|i| Channel::named(format!("ch{i}"))).collect());
        for (stamp, values) in of {
            rows.push(*stamp, |i| Some(values[i]).filter(|v| !v.is_empty()));
        }
        rows
    }

    #[test]
    fn columns_survive_their_stored_form() {
        let rows = rows(&[(1, &["1", ""]), (2, &["", "2.50"]), (3, &["-3", "4"])]);
        for column in rows.columns() {
            assert_eq!(
                Column::from_joined(&column.joined(0..3), 3).as_ref(),
                Some(column)
            );
        }
        assert_eq!(rows.columns()[1].joined(1..3), "2.50,4");
        assert_eq!(Column::from_joined("1,2", 3), None);
        assert_eq!(rows.readings(), 4);
    }

    #[test]
    fn unordered_rows_are_sorted_and_merged() {
        let mut unordered = rows(&[
            (3, &["3", ""]),
            (1, &["1", "x"]),
            (3, &["", "9"]),
            (3, &["4", ""]),
        ]);
        unordered.normalise();
        assert_eq!(unordered, rows(&[(1, &["1", "x"]), (3, &["4", "9"])]));
    }

    #[test]
    fn a_part_is_what_pushing_its_rows_makes() {
        let mut all = rows(&[(1, &["1", ""]), (2, &["", "2.50"])]);
        all.mark_last_revised();
        all.push(3, |i| Some(["-3", "4"][i]));
        for range in [0..3, 0..1, 1..3, 2..3, 3..3, 1..2] {
            let mut pushed = Rows::new(all.channels().to_vec());
            for row in range.clone() {
                pushed.push_row_of(&all, row);
            }
            assert_eq!(all.part(range.clone()), pushed, "{range:?}");
        }
    }

    #[test]
    fn appending_matches_channels_by_name() {
        let mut left = rows(&[(1, &["1"])]);
        let mut right = Rows::new(vec![Channel::named("other"), Channel::named("ch0")]);
        right.push(2, |i| Some(["7", "2"][i]));
        left.append(&right);
        assert_eq!(left.len(), 2);
        assert_eq!(left.value(0, 1), None);
        assert_eq!((left.value(1, 0), left.value(1, 1)), (Some("2"), Some("7")));
    }
}
