//! What of a source's past is recorded, as it stands in the state.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Which time before the mark is recorded, and the backfill that is under way. Works by the rules of `poll/past`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// Where the live polls began: from here to the mark everything was asked for. Absent before the first row; and with a mark
    /// in states of an older version, where it counts as "always".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Millis>,
    /// Ranges that backfills have asked for, ascending, apart from each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<Span>,
    /// A backfill that is not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
}

impl Past {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A range of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First instant.
    pub from: Millis,
    /// Last instant.
    pub until: Millis,
}

/// A backfill under way: it has a place of its own, and the marks of the live polls do not move with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backfill {
    /// First instant.
    pub from: Millis,
    /// Last instant: never beyond the mark at which it was opened, for what is newer is the live polls'.
    pub until: Millis,
    /// The last instant that was wished for: the same wish goes on with this backfill.
    pub wished: Millis,
    /// Whether rows are sent again that were recorded before; then as revisions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// When it was opened.
    pub since: Millis,
    /// The next instant to ask for.
    pub at: Millis,
    /// Rows recorded so far.
    #[serde(default)]
    pub rows: u64,
    /// Rows left out so far, since they were recorded before.
    #[serde(default)]
    pub left_out: u64,
    /// Questions without an answer in a row.
    #[serde(default)]
    pub failures: u32,
    /// Not gone on with before this instant by a tick.
    #[serde(default)]
    pub due: Millis,
}
