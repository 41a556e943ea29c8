//! What is counted over rounds.

use std::ops::AddAssign;

use serde_json::{Value, json};

/// Counts of one round, or of all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// SIGKILLs by the clock, of the real program.
    pub(crate) by_clock: u64,
    /// SIGKILLs by the clock, of a victim.
    pub(crate) by_clock_victim: u64,
    /// SIGKILLs at a poll of a tick.
    pub(crate) by_poll: u64,
    /// SIGKILLs before or after an operation.
    pub(crate) by_operation: u64,
    /// Of all kills: on Cosmos DB.
    pub(crate) on_cosmos: u64,
    /// Times that two processes worked on one store.
    pub(crate) together: u64,
    /// Versions of rows that the source showed in the end.
    pub(crate) rows: u64,
    /// Messages that the hub took.
    pub(crate) messages: u64,
    /// Of these: under an id, with the body, that it had taken before.
    pub(crate) repeats: u64,
    /// Messages kept as dead letters.
    pub(crate) dead: u64,
    /// Of these: sent again, and taken.
    pub(crate) replayed: u64,
    /// Rows that were found in gaps, long after the overlap.
    pub(crate) filled: u64,
    /// Rows that backfills went back for.
    pub(crate) gone_back: u64,
    /// Faults that requests met at the hub.
    pub(crate) faults: u64,
    /// Rows whose last value reached neither the hub nor a dead letter, or is not the newest there.
    pub(crate) lost: u64,
    /// Rows that arrived under more than one message id.
    pub(crate) doubled: u64,
    /// Message ids with more than one body.
    pub(crate) bodies: u64,
    /// Rows at the hub that the source never showed.
    pub(crate) invented: u64,
    /// Messages that arrived before an older one of their source had.
    pub(crate) disorder: u64,
    /// What did not hold in the store.
    pub(crate) broken: u64,
    /// Looks into the store after a kill.
    pub(crate) looks: u64,
}

impl Figures {
    /// All kills.
    pub(crate) fn kills(&self) -> u64 {
        self.by_clock + self.by_clock_victim + self.by_poll + self.by_operation
    }

    /// Whether the promise held.
    pub(crate) fn are_clean(&self) -> bool {
        self.lost + self.doubled + self.bodies + self.invented + self.disorder + self.broken == 0
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "kills": self.kills(), "by_clock": self.by_clock, "by_clock_victim": self.by_clock_victim,
            "by_poll": self.by_poll, "by_operation": self.by_operation, "on_cosmos": self.on_cosmos,
            "together": self.together, "rows": self.rows, "messages": self.messages, "repeats": self.repeats,
            "dead": self.dead, "replayed": self.replayed, "filled": self.filled, "gone_back": self.gone_back, "faults": self.faults, "lost": self.lost, "doubled": self.doubled,
            "bodies": self.bodies, "invented": self.invented, "disorder": self.disorder, "broken": self.broken,
            "looks": self.looks,
        })
    }
}

impl AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        self.by_clock += other.by_clock;
        self.by_clock_victim += other.by_clock_victim;
        self.by_poll += other.by_poll;
        self.by_operation += other.by_operation;
        self.on_cosmos += other.on_cosmos;
        self.together += other.together;
        self.rows += other.rows;
        self.messages += other.messages;
        self.repeats += other.repeats;
        self.dead += other.dead;
        self.replayed += other.replayed;
        self.filled += other.filled;
        self.gone_back += other.gone_back;
        self.faults += other.faults;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.bodies += other.bodies;
        self.invented += other.invented;
        self.disorder += other.disorder;
        self.broken += other.broken;
        self.looks += other.looks;
    }
}
