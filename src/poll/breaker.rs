//! The breaker: a source that fails again and again is probed once per cool-down. Pure.
//!
//! It has no memory of its own: how many failures there were in a row stands in the state, so that processes and restarts agree.

use std::time::Duration;

/// When a source counts as down, and how it is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that open it.
    after: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { after: 5 }
    }
}

impl Breaker {
    /// A breaker that opens after so many failures in a row; at least one.
    #[must_use]
    pub fn new(after: u32) -> Self {
        Self { after: after.max(1) }
    }

    /// Whether the next question is a probe: asked once, without repeats.
    #[must_use]
    pub fn is_open(&self, failures: u32) -> bool {
        failures >= self.after
    }

    /// How long the source is left alone after so many failures in a row; `None` while the breaker is closed and its schedule holds.
    #[must_use]
    pub fn cool_down(&self, failures: u32, source: &str, history: bool) -> Option<Duration> {
        let step = failures.checked_sub(self.after)?;
        let (first, longest) = if history { HISTORY } else { READER };
        Some(grown(first, longest, step, source))
    }

    /// Whether this failure in a row is worth a line in the log: the first ones are, then at every doubling.
    #[must_use]
    pub fn is_told(&self, failures: u32) -> bool {
        failures <= self.after || failures.is_power_of_two()
    }
}

/// First and longest cool-down of a backend that can be asked for the past later.
const HISTORY: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3_600));
/// The same of a reader: each minute in which it is back and not asked is lost.
const READER: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));

/// A pause that doubles with each step up to `longest`, shortened by up to a quarter by a hash of the id: sources that went down
/// together do not come back together.
#[must_use]
pub fn grown(first: Duration, longest: Duration, step: u32, source: &str) -> Duration {
    let doubled = 2u32.checked_pow(step).unwrap_or(u32::MAX);
    let whole = first.saturating_mul(doubled).min(longest);
    let quarter = whole / 4;
    let hash = xxhash_rust::xxh3::xxh3_64(source.as_bytes()) >> 48;
    whole - quarter.mul_f64(f64::from(u16::try_from(hash).unwrap_or(0)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_opens_after_five_failures() {
        let breaker = Breaker::default();
        let open: Vec<bool> = (0..8).map(|n| breaker.is_open(n)).collect();
        assert_eq!(open, [false, false, false, false, false, true, true, true]);
        assert_eq!(breaker.cool_down(4, "home", true), None);
        assert!(Breaker::new(0).is_open(1) && !Breaker::new(0).is_open(0));
    }

    #[test]
    fn the_first_failures_are_told_and_then_ever_fewer() {
        let told: Vec<u32> = (1..2_000).filter(|&n| Breaker::default().is_told(n)).collect();
        assert_eq!(told, [1, 2, 3, 4, 5, 8, 16, 32, 64, 128, 256, 512, 1024]);
    }

    proptest! {
        #[test]
        fn cool_downs_grow_to_a_cap(id in "[a-z]{1,12}", after in 1u32..20, failures in 0u32..500, history: bool) {
            let breaker = Breaker::new(after);
            let (first, longest) = if history { HISTORY } else { READER };
            let pause = breaker.cool_down(failures, &id, history);
            prop_assert_eq!(pause.is_some(), breaker.is_open(failures));
            if let (Some(pause), Some(next)) = (pause, breaker.cool_down(failures + 1, &id, history)) {
                prop_assert!(pause <= next && next <= longest);
                prop_assert!(pause >= first.mul_f64(0.74));
                prop_assert_eq!(breaker.cool_down(failures, &id, history), Some(pause), "the same in every process");
            }
        }
    }
}
