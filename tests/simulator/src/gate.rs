//! Where every operation of a tick waits: once before it reaches the other side, once before its answer comes back.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// One process' gate.
#[derive(Debug, Default)]
pub struct Gate {
    open: AtomicBool,
    waits: AtomicBool,
}

impl Gate {
    /// Waits until the schedule opens the gate, for one operation alone.
    pub async fn pass(&self) {
        poll_fn(|_| {
            if self.open.swap(false, Ordering::Relaxed) {
                self.waits.store(false, Ordering::Relaxed);
                Poll::Ready(())
            } else {
                self.waits.store(true, Ordering::Relaxed);
                Poll::Pending
            }
        })
        .await;
    }

    /// Lets one operation pass at the next poll.
    pub fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Whether an operation waits here. A tick that does not is asleep.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }
}
