//! How long to wait before a repeat, and how many repeats there are. Pure: the dice and the time are arguments.

use std::time::Duration;

/// Full-jitter exponential backoff: a wait drawn evenly from zero to a bound that doubles with every failure
/// ("Exponential Backoff And Jitter", AWS Architecture Blog).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

/// Why a backoff or a budget cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Bounds of zero would be a busy loop.
    #[error("the first bound of a backoff is zero")]
    Zero,
    /// The bounds fall instead of rising.
    #[error("the cap of a backoff lies below its first bound")]
    Falling,
    /// Longer than [`LONGEST`], which nobody would live to see end.
    #[error("the cap of a backoff is longer than a day")]
    Endless,
}

/// The longest wait that is believed, whoever asks for it: a `Retry-After` of a year is a mistake, not a wish.
pub const LONGEST: Duration = Duration::from_secs(86_400);

impl Backoff {
    /// A backoff whose first bound is `base` and whose bounds never pass `cap`.
    ///
    /// # Errors
    /// `base` is zero, `cap` lies below it, or `cap` is longer than a day.
    pub const fn try_new(base: Duration, cap: Duration) -> Result<Self, Invalid> {
        if base.is_zero() {
            Err(Invalid::Zero)
        } else if cap.as_nanos() < base.as_nanos() {
            Err(Invalid::Falling)
        } else if cap.as_nanos() > LONGEST.as_nanos() {
            Err(Invalid::Endless)
        } else {
            Ok(Self { base, cap })
        }
    }

    /// The same for a constant: what is not valid does not compile.
    #[must_use]
    pub const fn fixed(base: Duration, cap: Duration) -> Self {
        match Self::try_new(base, cap) {
            Ok(backoff) => backoff,
            Err(_) => panic!("a backoff needs 0 < base <= cap <= one day"),
        }
    }

    /// The largest wait after `failures` failures in a row (one or more).
    #[must_use]
    pub fn bound(&self, failures: u32) -> Duration {
        let doubled = 2u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// The wait after `failures` failures; `dice` lies in 0..1. What the other side asked for is the least, and the jitter comes
    /// on top of it, so that those who were told the same do not come back in the same instant.
    #[must_use]
    pub fn wait(&self, failures: u32, dice: f64, asked: Option<Duration>) -> Duration {
        let jitter = self.bound(failures).mul_f64(dice.clamp(0.0, 1.0));
        believable(asked.unwrap_or_default())
            .saturating_add(jitter)
            .min(LONGEST)
    }
}

/// What was asked for, at most a day.
#[must_use]
pub fn believable(asked: Duration) -> Duration {
    asked.min(LONGEST)
}

/// The repeats of one tick, shared by questions and sends: so many, with one more for each ten successes, and so much waiting in
/// all. A long tick with a fault now and then gets through; one against a wall ends soon and leaves its place to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tenths of repeats that are left.
    tenths: u32,
    /// Most of them at once.
    full: u32,
    patience: Duration,
}

impl Budget {
    /// A budget of `repeats` repeats that wait no longer than `patience` in all.
    #[must_use]
    pub const fn new(repeats: u32, patience: Duration) -> Self {
        let full = repeats.saturating_mul(10);
        Self {
            tenths: full,
            full,
            patience,
        }
    }

    /// Takes one repeat after `wait` out of the budget; `false` where it does not hold one.
    #[must_use]
    pub fn take(&mut self, wait: Duration) -> bool {
        if self.tenths < 10 || wait > self.patience {
            return false;
        }
        self.tenths -= 10;
        self.patience -= wait;
        true
    }

    /// A question or a send went well.
    pub fn earn(&mut self) {
        self.tenths = self.tenths.saturating_add(1).min(self.full);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_backoff_is_checked_when_it_is_made() {
        let check = |base, cap, expected| {
            assert_eq!(
                Backoff::try_new(base, cap).map(|_| ()),
                expected,
                "{base:?} {cap:?}"
            );
        };
        check(SECOND, SECOND, Ok(()));
        check(SECOND, LONGEST, Ok(()));
        check(Duration::ZERO, SECOND, Err(Invalid::Zero));
        check(2 * SECOND, SECOND, Err(Invalid::Falling));
        check(SECOND, LONGEST + SECOND, Err(Invalid::Endless));
    }

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let backoff = Backoff::fixed(SECOND, 30 * SECOND);
        let bounds: Vec<u64> = (1..8).map(|n| backoff.bound(n).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_budget_counts_repeats_and_their_waits() {
        let mut budget = Budget::new(3, 10 * SECOND);
        assert!(budget.take(4 * SECOND));
        assert!(!budget.take(7 * SECOND), "more than the patience that is left");
        assert!(budget.take(6 * SECOND));
        assert!(!budget.take(SECOND));
        assert!(budget.take(Duration::ZERO));
        assert!(!budget.take(Duration::ZERO), "all three are used");
        for _ in 0..10 {
            budget.earn();
        }
        assert!(budget.take(Duration::ZERO), "ten successes are worth a repeat");
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_obey_what_was_asked(failures in 1u32..200, dice in -1.0f64..2.0, asked in proptest::option::of(0u64..200_000)) {
            let cap = 30 * SECOND;
            let backoff = Backoff::fixed(Duration::from_millis(500), cap);
            let asked = asked.map(Duration::from_secs);
            let wait = backoff.wait(failures, dice, asked);
            let least = asked.unwrap_or_default().min(LONGEST);
            prop_assert!(wait >= least && wait <= (least + cap).min(LONGEST));
            prop_assert!(backoff.bound(failures) <= backoff.bound(failures + 1));
        }

        #[test]
        fn the_jitter_is_full(failures in 1u32..20) {
            let backoff = Backoff::fixed(SECOND, 60 * SECOND);
            prop_assert_eq!(backoff.wait(failures, 0.0, None), Duration::ZERO);
            prop_assert_eq!(backoff.wait(failures, 1.0, None), backoff.bound(failures));
        }

        #[test]
        fn a_budget_never_gives_more_than_it_has(repeats in 0u32..20, patience in 0u64..100, steps in prop::collection::vec(prop::option::of(0u64..20), 0..400)) {
            let mut budget = Budget::new(repeats, Duration::from_secs(patience));
            let (mut taken, mut waited, mut earned) = (0u64, 0, 0u64);
            for step in steps {
                match step {
                    Some(wait) if budget.take(Duration::from_secs(wait)) => {
                        taken += 1;
                        waited += wait;
                    }
                    Some(_) => {}
                    None => {
                        budget.earn();
                        earned += 1;
                    }
                }
                prop_assert!(waited <= patience);
                prop_assert!(taken * 10 <= u64::from(repeats) * 10 + earned);
            }
        }
    }
}
