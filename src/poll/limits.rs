//! What keeps one process from asking too much: shared by all its ticks.

use super::breaker::Breaker;

/// The limits of one process.
#[derive(Debug, Default)]
pub struct Limits {
    /// When a source counts as down.
    pub breaker: Breaker,
}
