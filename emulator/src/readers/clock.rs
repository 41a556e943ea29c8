use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Where an emulator takes the time from: the machine, a hand that a test moves, or whoever the caller asks.
#[derive(Clone, Default)]
pub struct Clock {
    /// Who is asked. Absent: the machine's clock.
    told: Option<Told>,
}

#[derive(Clone)]
enum Told {
    /// Milliseconds since 1970 UTC.
    Hand(Arc<AtomicI64>),
    Other(Arc<dyn Fn() -> i64 + Send + Sync>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { told: None }
    }

    /// A clock of the caller's own, which gives milliseconds since 1970 UTC.
    pub fn from_fn(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            told: Some(Told::Other(Arc::new(now_ms))),
        }
    }

    /// A clock that stands at `ms` (milliseconds since 1970 UTC) until it is moved. Clones share the hand.
    pub fn standing_at(ms: i64) -> Self {
        Self {
            told: Some(Told::Hand(Arc::new(AtomicI64::new(ms)))),
        }
    }

    /// Now, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        match &self.told {
            Some(Told::Hand(hand)) => hand.load(Ordering::SeqCst),
            Some(Told::Other(now_ms)) => now_ms(),
            None => chrono::Utc::now().timestamp_millis(),
        }
    }

    /// Moves a standing clock to `ms`. No other clock is moved.
    pub fn set(&self, ms: i64) {
        if let Some(Told::Hand(hand)) = &self.told {
            hand.store(ms, Ordering::SeqCst);
        }
    }

    /// Moves a standing clock on by `ms`. No other clock is moved.
    pub fn advance(&self, ms: i64) {
        if let Some(Told::Hand(hand)) = &self.told {
            hand.fetch_add(ms, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_ms())
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
