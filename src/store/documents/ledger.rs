//! The gap ledger as it stands in the state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Holes between recorded rows of a source with an expected interval. Works by the rules of `poll/gaps`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gaps {
    /// The newest row that the ledger has seen; never beyond the mark, but for rows of the future that a full digest forgets.
    pub newest: Millis,
    /// How steadily each channel comes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, Track>,
    /// What is missing, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Gap>,
    /// The last gaps that were filled or given up, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Closed>,
    /// Gaps that were filled since the ledger began.
    #[serde(default)]
    pub filled: u64,
    /// Gaps that were given up.
    #[serde(default)]
    pub given_up: u64,
    /// Whether the next row is later than expected. No gap: the poll asks for it anyway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
}

/// One channel, as the ledger has seen it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Rises with each row that has the channel, falls steeply where rows lacked it; from 4 on the channel is expected.
    pub steady: u8,
    /// The newest row that had it.
    pub last: Millis,
}

/// A hole: rows strictly between two instants are missing, or their values of some channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Stamp of the row before.
    pub from: Millis,
    /// Stamp of the row after; of a gap that is open at its end, when that row is expected.
    pub until: Millis,
    /// The channels that rows lack; empty where whole rows are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// Whether the newest rows still lack these channels.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trailing: bool,
    /// When it was found.
    pub since: Millis,
    /// How often it was asked for.
    #[serde(default)]
    pub asked: u32,
    /// Not asked for before this instant.
    pub due: Millis,
    /// Where a question longer than a slice goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
}

/// What became of a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Stamp of the row before.
    pub from: Millis,
    /// Stamp of the row after.
    pub until: Millis,
    /// The channels, as in [`Gap::channels`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// When it was closed.
    pub at: Millis,
    /// `filled`, `given-up`, or `crowded-out` by newer ones.
    pub how: String,
}
