//! The note on a shard: whose turn its sources are.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Until when a shard of sources is queued or at work, so that a slow worker is not handed the same work each minute. No more than
/// a note: what keeps two workers off one source is the lease in its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardDoc {
    /// [`ShardDoc::id_of`].
    pub id: String,
    /// [`ShardDoc::partition`]: no source's id, since those have no `~`.
    pub source: String,
    /// Whose sources they are.
    pub runner: String,
    /// The shard.
    pub shard: String,
    /// When this was written.
    pub at: Millis,
    /// Queued or at work until then; over by itself, since a job may be lost and a worker killed.
    pub until: Millis,
    /// Drawn for each job: which one was put into the queue last, or is at work.
    pub ticket: String,
    /// Which delivery of that job is at work; 0 while it waits in the queue.
    #[serde(default)]
    pub delivery: u32,
    /// Jobs that failed at their last delivery and so went to the poison queue.
    #[serde(default)]
    pub poisoned: u32,
    /// When the last of these did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poisoned_at: Option<Millis>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poisoned_by: Option<String>,
}

impl ShardDoc {
    /// Its id.
    #[must_use]
    pub fn id_of(runner: &str, shard: &str) -> String {
        format!("shard.{runner}.{shard}")
    }

    /// The partition that it has to itself.
    #[must_use]
    pub fn partition(runner: &str, shard: &str) -> String {
        format!("~{runner}.{shard}")
    }
}
