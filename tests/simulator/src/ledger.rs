//! What the checks know: read off every batch that the store took.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use meterbridge::clock::Millis;
use meterbridge::reading::Rows;
use meterbridge::store::documents::{DeadLetter, Shipment, State};

/// Everything that was stored, in plain form.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The state as it stands.
    pub state: Option<State>,
    /// The digest as it stands: its floor, and hash by stamp.
    pub digest: Option<(Millis, BTreeMap<Millis, String>)>,
    /// Recorded rows, by attempt.
    pub attempts: BTreeMap<u64, Vec<Recorded>>,
    /// Shipments as they stand, by number.
    pub shipments: BTreeMap<u64, Shipment>,
    /// Shipments of which not every part was taken or refused, as far as is known.
    pub open: BTreeSet<u64>,
    /// Each part that was ever stored, by message id.
    pub parts: HashMap<String, Frozen>,
    /// Dead letters by message id.
    pub letters: BTreeMap<String, DeadLetter>,
    /// What was recorded last for each instant of a source with a history.
    pub last: BTreeMap<Millis, [Option<i64>; 2]>,
    /// Readings of a reader that were recorded.
    pub readings: HashSet<i64>,
    /// Which tick wrote last.
    pub writer: usize,
    /// History begins after this instant.
    pub begin: Option<Millis>,
    /// Up to here the overlap was shortened, since the digest was full.
    pub shortened: Option<Millis>,
    /// Rows that filled gaps below the digest's floor.
    pub filled: u64,
    /// Rows that backfills recorded below it.
    pub gone_back: u64,
}

/// A row as the source shows it, in tenths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFact {
    /// Its instant.
    pub stamp: Millis,
    /// One value a channel.
    pub values: [Option<i64>; 2],
}

/// A row as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its instant.
    pub stamp: Millis,
    /// Name as sent, and value in tenths, of each channel that is there.
    pub values: Vec<(String, i64)>,
    /// Whether it is marked as a revision.
    pub revised: bool,
}

/// A part as it was stored first.
#[derive(Debug)]
pub struct Frozen {
    /// The body's fingerprint.
    pub hash: String,
    /// The shipment's number.
    pub number: u64,
    /// Rows, counted over the shipment.
    pub rows: std::ops::Range<usize>,
}

impl Ledger {
    /// The rows of a shipment, one after another.
    #[must_use]
    pub fn rows_of(&self, shipment: &Shipment) -> Vec<&Recorded> {
        let attempts = shipment.attempts.iter();
        attempts
            .filter_map(|number| self.attempts.get(number))
            .flatten()
            .collect()
    }

    /// Below this instant, and at it, nothing is taken.
    #[must_use]
    pub fn floor(&self) -> Option<Millis> {
        match &self.digest {
            Some((floor, _)) => Some(*floor),
            None => self.state.as_ref()?.mark,
        }
    }
}

/// Rows as they are stored, in plain form.
#[must_use]
pub fn plain(rows: &Rows) -> Vec<(RowFact, Recorded)> {
    let channels = rows.channels();
    let mut all = Vec::with_capacity(rows.len());
    for (row, &stamp) in rows.stamps().iter().enumerate() {
        let mut fact = RowFact {
            stamp,
            values: [None; 2],
        };
        let mut values = Vec::with_capacity(channels.len());
        for (i, channel) in channels.iter().enumerate() {
            if let Some(value) = rows.value(row, i).and_then(tenths) {
                let place = usize::from(channel.name == "ch1");
                fact.values[place] = Some(value);
                values.push((channel.sent_name().to_owned(), value));
            }
        }
        values.sort();
        let revised = rows.is_revised(row);
        all.push((
            fact,
            Recorded {
                stamp,
                values,
                revised,
            },
        ));
    }
    all
}

/// A number text in tenths, which is as fine as any value is here.
#[must_use]
pub fn tenths(text: &str) -> Option<i64> {
    text.parse::<f64>().ok().map(rounded)
}

/// A number in tenths.
#[must_use]
#[allow(clippy::cast_possible_truncation)]
pub fn rounded(value: f64) -> i64 {
    (value * 10.0).round() as i64
}

/// The id under which a part is sent.
#[must_use]
pub fn message_id(source: &str, birth: &str, number: u64, label: &str) -> String {
    format!("{source}.{birth}.{number:010}.{label}")
}
