//! When a device was last heard of.

use std::sync::atomic::{AtomicI64, Ordering};

/// Milliseconds since 1970; 0 for never.
#[derive(Default)]
pub(crate) struct Activity {
    last: AtomicI64,
    connection_changed: AtomicI64,
}

impl Activity {
    /// The device has connected, sent or received.
    pub(crate) fn seen(&self, now_ms: i64) {
        self.last.store(now_ms, Ordering::Relaxed);
    }

    /// The device has connected or disconnected.
    pub(crate) fn connection_changed(&self, now_ms: i64) {
        self.connection_changed.store(now_ms, Ordering::Relaxed);
    }

    /// When the device was last active.
    pub(crate) fn last_ms(&self) -> Option<i64> {
        Some(self.last.load(Ordering::Relaxed)).filter(|ms| *ms != 0)
    }

    /// When it came or went last.
    pub(crate) fn connection_changed_ms(&self) -> Option<i64> {
        Some(self.connection_changed.load(Ordering::Relaxed)).filter(|ms| *ms != 0)
    }
}
