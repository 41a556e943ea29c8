use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Where an emulator takes the time from: the machine, or a hand that a test moves.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// The hand, in milliseconds since 1970 UTC. Absent: the machine's clock.
    hand: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { hand: None }
    }

    /// A clock that stands at `ms` (milliseconds since 1970 UTC) until it is moved. Clones share the hand.
    pub fn standing_at(ms: i64) -> Self {
        Self {
            hand: Some(Arc::new(AtomicI64::new(ms))),
        }
    }

    /// Now, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        match &self.hand {
            Some(hand) => hand.load(Ordering::SeqCst),
            None => chrono::Utc::now().timestamp_millis(),
        }
    }

    /// Moves a standing clock to `ms`. The machine's clock is not moved.
    pub fn set(&self, ms: i64) {
        if let Some(hand) = &self.hand {
            hand.store(ms, Ordering::SeqCst);
        }
    }

    /// Moves a standing clock on by `ms`. The machine's clock is not moved.
    pub fn advance(&self, ms: i64) {
        if let Some(hand) = &self.hand {
            hand.fetch_add(ms, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_only_by_hand_and_for_every_clone() {
        let clock = Clock::standing_at(1_000);
        let other = clock.clone();
        clock.advance(500);
        assert_eq!(other.now_ms(), 1_500);
        other.set(10);
        assert_eq!(clock.now_ms(), 10);
    }

    #[test]
    fn the_machines_clock_is_not_moved() {
        let clock = Clock::system();
        clock.set(0);
        assert!(clock.now_ms() > 1_700_000_000_000);
    }
}
