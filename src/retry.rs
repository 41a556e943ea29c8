//! How long to wait before a repeat. Pure: the dice are an argument.

use std::time::Duration;

/// Full-jitter exponential backoff: a wait drawn evenly from zero to a bound that doubles with every failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// A backoff whose first bound is `base` and whose bounds never pass `cap`.
    #[must_use]
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The largest wait after `failures` failures in a row (one or more).
    #[must_use]
    pub fn bound(&self, failures: u32) -> Duration {
        let doubled = 2u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// The wait after `failures` failures; `dice` lies in 0..1. What the other side asked for is the least.
    #[must_use]
    pub fn wait(&self, failures: u32, dice: f64, asked: Option<Duration>) -> Duration {
        let jittered = self.bound(failures).mul_f64(dice.clamp(0.0, 1.0));
        asked.map_or(jittered, |asked| asked.max(jittered))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_are_bounded_and_obey_what_was_asked(failures in 1u32..200, dice in 0.0f64..1.0, asked in proptest::option::of(0u64..100_000)) {
            let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
            let asked = asked.map(Duration::from_millis);
            let wait = backoff.wait(failures, dice, asked);
            prop_assert!(wait <= Duration::from_secs(30).max(asked.unwrap_or_default()));
            prop_assert!(wait >= asked.unwrap_or_default());
            prop_assert!(backoff.bound(failures) <= backoff.bound(failures + 1));
        }
    }
}
