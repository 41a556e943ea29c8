//! What was frozen to be sent: a shipment, its parts, and the dead letters among them.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::config::Naming;

/// Rows frozen into messages. What is frozen is never cut again but for a 413, and then under new labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    /// [`Shipment::id_of`].
    pub id: String,
    /// The source's id.
    pub source: String,
    /// Its number: that of its newest attempt.
    pub number: u64,
    /// When it was frozen: the creation time of its messages.
    pub at: Millis,
    /// Attempts whose rows it carries, in order; their rows stand one after another.
    pub attempts: Vec<u64>,
    /// What its bodies name: a source may be renamed while its messages wait.
    pub naming: Naming,
    /// Body format and its version, `timeseries/1`.
    pub format: String,
    /// Begin of the time range that its bodies name.
    pub begin: Millis,
    /// End of it.
    pub end: Millis,
    /// The messages.
    pub parts: Vec<Part>,
    /// `pending`, `delivered` (parts that the hub refused are dead letters), or `damaged` where the store had not kept all of it.
    pub outcome: String,
    /// When the last part was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Millis>,
    /// Billing units by our count, over all parts.
    #[serde(default)]
    pub units: u32,
    /// Seconds to live, set on delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
}

impl Shipment {
    /// Its id; sorts by number.
    #[must_use]
    pub fn id_of(birth: &str, number: u64) -> String {
        format!("s.{birth}.{number:010}")
    }
}

/// One message of a shipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `0`, `1`, …; halves of part 3 are `3.0` and `3.1`.
    pub label: String,
    /// First row, counted over the shipment's rows.
    pub from: usize,
    /// One past the last row.
    pub to: usize,
    /// Whether its rows are revisions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revision: bool,
    /// XXH3-64 of the body, hex: a repeat that would differ is never sent.
    pub hash: String,
}

/// A message that the hub refused for good, kept to be looked at and sent again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// [`DeadLetter::id_of`].
    pub id: String,
    /// The source's id.
    pub source: String,
    /// When it was given up.
    pub at: Millis,
    /// The message id under which it was sent.
    pub message_id: String,
    /// The hub's refusal.
    pub why: String,
    /// The body, as it was sent.
    pub body: String,
    /// Application properties, as they were sent.
    pub properties: Vec<(String, String)>,
    /// When it was frozen: its creation time.
    pub created: Millis,
    /// When it was sent again and taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_at: Option<Millis>,
    /// Seconds to live, set on a successful replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
}

impl DeadLetter {
    /// Its id.
    #[must_use]
    pub fn id_of(birth: &str, number: u64, label: &str) -> String {
        format!("x.{birth}.{number:010}.{label}")
    }
}
