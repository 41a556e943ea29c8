//! What a state remembers of waits that outlast a tick: towards the source and towards the hub, apart.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// When the source itself is asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asking {
    /// By its schedule, or by the breaker. The state's `nextDue` may come earlier: to send what waits.
    #[serde(default)]
    pub due: Millis,
    /// The backend asked to be left alone until then (`Retry-After`): not asked earlier, whoever wishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Millis>,
    /// When the first of the failures in a row was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Millis>,
}

/// What holds the way to the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sending {
    /// The hub (or DPS) does not take anything for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Box<Hold>>,
    /// When DPS was last asked for this source, whatever came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<Millis>,
}

/// The hub is down, or asked to wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when.
    pub since: Millis,
    /// When the next message is tried.
    pub until: Millis,
    /// Whether the hub named the time itself: then nothing is sent earlier. Otherwise a tick that works anyway tries.
    #[serde(default)]
    pub asked: bool,
    /// Ticks in a row that sent in vain.
    pub failures: u32,
    /// The last error.
    pub why: String,
}
