//! What the registry itself says of an identity.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Ticks of 100 ns between the year 1 and 1970: a generation id looks like a time in ticks.
const TICKS_TO_1970: i64 = 621_355_968_000_000_000;

/// Which identity this is, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Record {
    /// Tells devices apart that had the same id one after the other.
    pub(crate) generation_id: String,
    /// Another one after each write of the identity.
    pub(crate) etag: String,
    /// When the device was enabled or disabled last, milliseconds since 1970; none since it was made.
    pub(crate) status_changed_ms: Option<i64>,
}

impl Record {
    pub(crate) fn new(now_ms: i64) -> Self {
        let ticks = now_ms.saturating_mul(10_000).saturating_add(TICKS_TO_1970);
        Self {
            generation_id: ticks.saturating_add(fastrand::i64(0..10_000)).to_string(),
            etag: etag(),
            status_changed_ms: None,
        }
    }

    /// The same identity after a write; `switched_ms` if it was enabled or disabled by it.
    pub(super) fn rewritten(&self, switched_ms: Option<i64>) -> Self {
        Self {
            generation_id: self.generation_id.clone(),
            etag: etag(),
            status_changed_ms: switched_ms.or(self.status_changed_ms),
        }
    }
}

/// The base64 of a number's digits, as the hub's tags of identities are.
fn etag() -> String {
    STANDARD.encode(fastrand::u32(100_000_000..1_000_000_000).to_string())
}
