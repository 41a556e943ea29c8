//! What is known of rows already recorded, inside the overlap window. Pure.
//!
//! One 64-bit hash per instant over the row's channels and values. A row with a known instant and the same hash was delivered (or is
//! on its way) and is dropped; with another hash it is a revision. Below the floor nothing is known, so nothing is taken from there but what lies in an open gap (see [`super::gaps`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use xxhash_rust::xxh3::Xxh3;

use super::gaps::Take;
use crate::clock::Millis;
use crate::reading::Rows;
use crate::store::documents::DigestDoc;

/// At most so many instants are remembered; when full, the floor rises and the overlap is shorter than configured.
pub const CAPACITY: usize = 20_000;

/// Hashes of recorded rows above a floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    floor: Millis,
    hashes: BTreeMap<Millis, u64>,
}

/// Rows after the digest was asked.
#[derive(Debug)]
pub struct Sifted {
    /// Rows to record; those that revise an earlier value are marked.
    pub rows: Rows,
    /// Rows that were known already, or lie at or below the floor.
    pub known: usize,
}

impl Digest {
    /// Knows nothing; takes rows above `floor`.
    #[must_use]
    pub fn new(floor: Millis) -> Self {
        Self {
            floor,
            hashes: BTreeMap::new(),
        }
    }

    /// Rows at or below this instant are not taken.
    #[must_use]
    pub fn floor(&self) -> Millis {
        self.floor
    }

    /// Number of instants known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether no instant is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Splits normalised rows into those to record and those known. Does not remember anything yet: see [`Digest::remember`].
    #[must_use]
    pub fn sift(&self, rows: Rows) -> Sifted {
        self.sift_with(rows, |_| Take::Nothing)
    }

    /// The same; `below` says what is taken of a row at or below the floor, of which nothing is known here.
    #[must_use]
    pub fn sift_with<'a>(&self, rows: Rows, mut below: impl FnMut(Millis) -> Take<'a>) -> Sifted {
        let newest = self
            .hashes
            .last_key_value()
            .map_or(self.floor, |(&stamp, _)| stamp);
        if rows
            .stamps()
            .first()
            .is_none_or(|&first| first > newest.max(self.floor))
        {
            return Sifted { rows, known: 0 };
        }
        let mut sifted = Rows::new(rows.channels().to_vec());
        for (row, &stamp) in rows.stamps().iter().enumerate() {
            if stamp <= self.floor {
                match below(stamp) {
                    Take::Nothing => {}
                    Take::Row => sifted.push_row_of(&rows, row),
                    Take::Channels(names) => push_values(&mut sifted, &rows, row, &names),
                }
                continue;
            }
            match self.hashes.get(&stamp) {
                Some(&known) if known == hash(&rows, row) => {}
                Some(_) => {
                    sifted.push_row_of(&rows, row);
                    if !rows.is_revised(row) {
                        sifted.mark_last_revised();
                    }
                }
                None => sifted.push_row_of(&rows, row),
            }
        }
        let known = rows.len() - sifted.len();
        Sifted { rows: sifted, known }
    }

    /// Whether a row of this instant is known.
    #[must_use]
    pub fn knows(&self, stamp: Millis) -> bool {
        self.hashes.contains_key(&stamp)
    }

    /// Known instants strictly between two.
    #[must_use]
    pub fn between(&self, from: Millis, until: Millis) -> Vec<Millis> {
        if from >= until {
            return Vec::new();
        }
        let inside = (Bound::Excluded(from), Bound::Excluded(until));
        self.hashes.range(inside).map(|(&stamp, _)| stamp).collect()
    }

    /// Remembers recorded rows above `keep_from` and forgets everything at or below it; the floor rises to it, never falls.
    /// Returns whether the capacity made the floor rise further, so that the overlap is shortened.
    #[must_use]
    pub fn remember(&mut self, rows: &Rows, keep_from: Millis) -> bool {
        self.remember_within(CAPACITY, rows, keep_from)
    }

    /// The same with another capacity, at least one row.
    #[must_use]
    pub fn remember_within(&mut self, capacity: usize, rows: &Rows, keep_from: Millis) -> bool {
        self.floor = self.floor.max(keep_from);
        self.hashes = self.hashes.split_off(&self.floor.saturating_add(1));
        let start = rows.stamps().partition_point(|&stamp| stamp <= self.floor);
        for row in start..rows.len() {
            self.hashes.insert(rows.stamps()[row], hash(rows, row));
        }
        let mut shortened = false;
        while self.hashes.len() > capacity.max(1) {
            if let Some((stamp, _)) = self.hashes.pop_first() {
                self.floor = stamp;
                shortened = true;
            }
        }
        shortened
    }

    /// The floor that [`Digest::remember_within`] comes to, if the capacity raises it.
    #[must_use]
    pub fn full_at(&self, capacity: usize, rows: &Rows, keep_from: Millis) -> Option<Millis> {
        if self.hashes.len() + rows.len() <= capacity.max(1) {
            return None;
        }
        let floor = self.floor.max(keep_from);
        let known = self.hashes.keys().chain(rows.stamps()).copied();
        let stamps: BTreeSet<Millis> = known.filter(|&stamp| stamp > floor).collect();
        let surplus = stamps.len().checked_sub(capacity.max(1))?;
        stamps.into_iter().nth(surplus.checked_sub(1)?)
    }

    /// The stored form.
    #[must_use]
    pub fn document(&self, source: &str) -> DigestDoc {
        let (mut stamps, mut hashes) = (String::new(), String::with_capacity(self.hashes.len() * 16));
        let mut digits = itoa::Buffer::new();
        let mut before = self.floor;
        for (&stamp, hash) in &self.hashes {
            if !stamps.is_empty() {
                stamps.push(',');
            }
            stamps.push_str(digits.format(stamp - before));
            for nibble in (0..16).rev() {
                hashes.push(char::from(
                    b"0123456789abcdef"[(hash >> (nibble * 4) & 15) as usize],
                ));
            }
            before = stamp;
        }
        DigestDoc {
            id: DigestDoc::ID.into(),
            source: source.into(),
            floor: self.floor,
            stamps,
            hashes,
        }
    }

    /// Reads the stored form back; `None` when it is damaged.
    #[must_use]
    pub fn from_document(document: &DigestDoc) -> Option<Self> {
        let mut digest = Self::new(document.floor);
        if document.stamps.is_empty() {
            return document.hashes.is_empty().then_some(digest);
        }
        let mut at = document.floor;
        let mut hashes = document.hashes.as_bytes().chunks_exact(16);
        for step in document.stamps.split(',') {
            at = at.checked_add(step.parse().ok()?)?;
            let hash = std::str::from_utf8(hashes.next()?).ok()?;
            digest.hashes.insert(at, u64::from_str_radix(hash, 16).ok()?);
        }
        (hashes.next().is_none() && hashes.remainder().is_empty()).then_some(digest)
    }
}

/// A row with the values of these channels alone; none where it has none of them.
fn push_values(to: &mut Rows, from: &Rows, row: usize, names: &[&str]) {
    let value = |i: usize| {
        let name = from.channels()[i].name.as_str();
        from.value(row, i).filter(|_| names.contains(&name))
    };
    if (0..from.channels().len()).any(|i| value(i).is_some()) {
        to.push(from.stamps()[row], value);
    }
}

/// Hash of one row: channel names and values, texts that are numerically equal hash the same. Missing channels do not count.
fn hash(rows: &Rows, row: usize) -> u64 {
    let mut hasher = Xxh3::new();
    for (i, channel) in rows.channels().iter().enumerate() {
        if let Some(value) = rows.value(row, i) {
            hasher.update(channel.name.as_bytes());
            hasher.update(b"\0");
            hash_number(&mut hasher, value);
            hasher.update(b"\0");
        }
    }
    hasher.digest()
}

/// Feeds sign, digits without outer zeros and the power of ten, so that `1.50`, `1.5` and `15e-1` are one value.
fn hash_number(hasher: &mut Xxh3, text: &str) {
    let (text, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (int, frac) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = int
        .bytes()
        .chain(frac.bytes())
        .skip_while(|&d| d == b'0')
        .collect();
    let significant = digits.iter().rposition(|&d| d != b'0').map_or(0, |last| last + 1);
    if significant == 0 {
        hasher.update(b"0");
        return;
    }
    // Digits are read as 0.ddd × 10^power, so trailing zeros change nothing.
    let leading = int.len() + frac.len() - digits.len();
    let power = exponent
        .parse::<i64>()
        .unwrap_or(0)
        .saturating_add(i64::try_from(int.len()).unwrap_or(0))
        .saturating_sub(i64::try_from(leading).unwrap_or(0));
    hasher.update(if negative { b"-" } else { b"+" });
    hasher.update(&digits[..significant]);
    hasher.update(&power.to_le_bytes());
}

#[cfg(test)]
#[path = "digest/tests.rs"]
mod tests;
