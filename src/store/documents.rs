//! The documents, as both stores keep them. Field names are camelCase in JSON; instants are milliseconds UTC.

mod catalog;
mod ledger;
mod past;
mod rows;
mod shard;
mod shipment;
mod waits;

pub use catalog::{CatalogDoc, SitesDoc, SourceDoc, StoredSite};
pub use ledger::{Closed, Gap, Gaps, Track};
pub use past::{Backfill, Past, Span};
pub use rows::RowsDoc;
pub use shard::ShardDoc;
pub use shipment::{DeadLetter, Part, Shipment};
pub use waits::{Asking, Hold, Sending};

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::config::Naming;
use crate::forward::Assignment;
use crate::reading::Channel;
use crate::source::Request;

/// Any stored document. In JSON the member `kind` tells which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(
    clippy::large_enum_variant,
    reason = "states are the largest and the most frequent ones; a box would be one more allocation a write"
)]
pub enum Document {
    /// A source defined without a redeploy.
    Source(SourceDoc),
    /// Where a source stands.
    State(State),
    /// What was delivered or is on its way inside the overlap window.
    Digest(DigestDoc),
    /// One question to a source and its answer.
    Attempt(Attempt),
    /// Rows of an attempt that are too many to stand in it.
    Rows(RowsDoc),
    /// Rows frozen into messages.
    Shipment(Shipment),
    /// A message that the hub refused for good.
    DeadLetter(DeadLetter),
    /// A person's wish that a source be polled now.
    Poll(PollWish),
    /// Until when a shard of sources is queued or at work.
    Shard(ShardDoc),
    /// Changes with every definition and every list of sites.
    Catalog(CatalogDoc),
    /// The sites of a customer.
    Sites(SitesDoc),
}

impl Document {
    /// Id within the source.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Source(d) => &d.id,
            Self::State(d) => &d.id,
            Self::Digest(d) => &d.id,
            Self::Attempt(d) => &d.id,
            Self::Rows(d) => &d.id,
            Self::Shipment(d) => &d.id,
            Self::DeadLetter(d) => &d.id,
            Self::Poll(d) => &d.id,
            Self::Shard(d) => &d.id,
            Self::Catalog(d) => &d.id,
            Self::Sites(d) => &d.id,
        }
    }

    /// The partition.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Self::Source(d) => &d.source,
            Self::State(d) => &d.source,
            Self::Digest(d) => &d.source,
            Self::Attempt(d) => &d.source,
            Self::Rows(d) => &d.source,
            Self::Shipment(d) => &d.source,
            Self::DeadLetter(d) => &d.source,
            Self::Poll(d) => &d.source,
            Self::Shard(d) => &d.source,
            Self::Catalog(d) => &d.source,
            Self::Sites(d) => &d.source,
        }
    }

    /// The member `kind`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::State(_) => "state",
            Self::Digest(_) => "digest",
            Self::Attempt(_) => "attempt",
            Self::Rows(_) => "rows",
            Self::Shipment(_) => "shipment",
            Self::DeadLetter(_) => "deadletter",
            Self::Poll(_) => "poll",
            Self::Shard(_) => "shard",
            Self::Catalog(_) => "catalog",
            Self::Sites(_) => "sites",
        }
    }

    /// Seconds after its last write at which it may vanish; `None` keeps it for ever.
    #[must_use]
    pub fn ttl(&self) -> Option<u32> {
        match self {
            Self::Attempt(d) => d.ttl,
            Self::Rows(d) => d.ttl,
            Self::Shipment(d) => d.ttl,
            Self::DeadLetter(d) => d.ttl,
            Self::Source(_)
            | Self::State(_)
            | Self::Digest(_)
            | Self::Poll(_)
            | Self::Shard(_)
            | Self::Catalog(_)
            | Self::Sites(_) => None,
        }
    }
}

/// Where a source stands. Every write is conditional on its version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Always [`State::ID`].
    pub id: String,
    /// The source's id.
    pub source: String,
    /// Who polls it: `cloud`, or the name given to `run`.
    pub runner: String,
    /// When this state was made, and random letters: part of every message id, so that a state made anew never reuses one.
    pub birth: String,
    /// Who works on it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Number of the next attempt or shipment.
    pub next: u64,
    /// Attempts whose rows are in no shipment yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unshipped: Vec<Unshipped>,
    /// Shipments that are not delivered yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<u64>,
    /// How many parts of the first pending shipment are confirmed or dead.
    #[serde(default)]
    pub confirmed: usize,
    /// Refusals for good since the hub last took a message: each dead letter, and each probe of a parked source.
    #[serde(default)]
    pub refused: u32,
    /// Up to here everything is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Millis>,
    /// Up to here everything is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Millis>,
    /// A pass over a window that is not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Pass>,
    /// What is missing between recorded rows, of a source with an expected interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<Box<Gaps>>,
    /// What of the time before the mark is recorded, and the backfill that is under way.
    #[serde(default, skip_serializing_if = "Past::is_empty")]
    pub past: Past,
    /// Failed attempts in a row.
    #[serde(default)]
    pub failures: u32,
    /// What the last attempt came to, in a word and in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Why the hub's refusal stopped this source alone, and until when (`None`: until somebody acts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// Not polled before this instant: asked again, or what waits is sent.
    pub next_due: Millis,
    /// The shard that it belongs to when many sources are handed out: those of one backend host share one. Absent in documents of
    /// older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// Which schedule `next_due` was reckoned by: a source whose schedule has changed since is due at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// When the source itself is asked again.
    #[serde(default)]
    pub asking: Asking,
    /// What holds the way to the hub.
    #[serde(default)]
    pub sending: Sending,
    /// What its bodies name: what waits is frozen under it even where the source is defined no more. Absent in documents of older
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub naming: Option<Naming>,
    /// Hub and device that DPS assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Assignment>,
}

impl State {
    /// Its id.
    pub const ID: &'static str = "state";
}

/// Who works on a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Drawn anew for each claim.
    pub nonce: String,
    /// When it ends by itself.
    pub until: Millis,
}

/// An attempt whose rows wait for a shipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unshipped {
    /// The attempt's number.
    pub number: u64,
    /// When it was recorded: `send_every` counts from here.
    pub at: Millis,
    /// Rows in it.
    pub rows: usize,
    /// Their approximate size in a body, bytes.
    pub bytes: usize,
}

/// A window that is being worked through, slice by slice. Its end never moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The next instant to ask for.
    pub at: Millis,
    /// The last one.
    pub end: Millis,
}

/// A source that the hub refuses stops alone and keeps all it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Since when.
    pub since: Millis,
    /// Until when; `None` until the cause is mended, probed at a slow pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// The hub's refusal and what to do.
    pub why: String,
    /// Tries since then that were refused, too.
    #[serde(default)]
    pub probes: u32,
    /// Whether the device itself was refused (401, 403, 404): when a probe is as well, DPS is asked where it lives now.
    #[serde(default)]
    pub device: bool,
}

/// What is known of rows already recorded, inside the overlap window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestDoc {
    /// Always [`DigestDoc::ID`].
    pub id: String,
    /// The source's id.
    pub source: String,
    /// Below this instant nothing is known any more. Only rises.
    pub floor: Millis,
    /// Stamps as steps in milliseconds from the one before, the first from the floor, joined by commas.
    pub stamps: String,
    /// One 64-bit hash per stamp, 16 hex digits each, joined without a gap.
    pub hashes: String,
}

impl DigestDoc {
    /// Its id.
    pub const ID: &'static str = "digest";
}

/// One question to a source and its answer: the audit, and small rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// [`Attempt::id_of`].
    pub id: String,
    /// The source's id.
    pub source: String,
    /// Its number; numbers rise with time.
    pub number: u64,
    /// The instant the tick was due.
    pub due: Millis,
    /// When the question was asked.
    pub at: Millis,
    /// How long the answer took, milliseconds.
    pub took_ms: u64,
    /// What was asked, without credentials.
    pub request: Request,
    /// First instant asked for; absent when only the newest row was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Millis>,
    /// Last instant asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// HTTP status of the answer; 0 where there was none.
    pub status: u16,
    /// `rows`, `empty`, or the kind of error.
    pub outcome: String,
    /// The error in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Rows recorded: those the digest did not know.
    pub rows: usize,
    /// Rows the digest knew already.
    pub known: usize,
    /// Labels or columns that the channel map does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Remarks for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The device's own instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_time: Option<Millis>,
    /// What it was asked for besides what is new: `gap`, `backfill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aim: Option<String>,
    /// Rows that fit here; else they stand in documents of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<StoredRows>,
    /// How many [`RowsDoc`] belong to it.
    #[serde(default)]
    pub documents: u32,
    /// Seconds to live, set once nothing in it waits for delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
}

impl Attempt {
    /// Its id; sorts by number.
    #[must_use]
    pub fn id_of(birth: &str, number: u64) -> String {
        format!("a.{birth}.{number:010}")
    }
}

/// Rows as text columns: Cosmos DB rewrites numbers, text stays as it was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredRows {
    /// The channels, in column order.
    pub channels: Vec<Channel>,
    /// Stamps: the first, then steps in milliseconds, joined by commas.
    pub stamps: String,
    /// One text per channel: values joined by commas, an absent one empty.
    pub columns: Vec<String>,
    /// Indices of rows that revise an earlier value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revised: Vec<u32>,
}

/// A person's wish that a source be polled at the next tick. Written by the API, which never touches the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollWish {
    /// Always [`PollWish::ID`].
    pub id: String,
    /// The source's id.
    pub source: String,
    /// When it was wished.
    pub at: Millis,
}

impl PollWish {
    /// Its id.
    pub const ID: &'static str = "poll";
}
