use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Millis;

/// How far a hub's clock is ahead of ours, learnt from the Date headers of its answers.
#[derive(Debug, Default)]
pub(in crate::forward) struct Skew(AtomicI64);

/// A Date header tells whole seconds and a request takes a while, so less than this is no difference; and tokens have minutes to spare.
const NOTABLE: Millis = 60_000;

impl Skew {
    /// Takes a further observation in.
    pub(in crate::forward) fn observe(&self, sample: Millis) {
        let kept = self.0.load(Ordering::Relaxed);
        self.0.store(smoothed(kept, sample), Ordering::Relaxed);
    }

    /// The difference as it is known now.
    pub(in crate::forward) fn observed(&self) -> Millis {
        self.0.load(Ordering::Relaxed)
    }

    /// The hub's time at our time `now`.
    pub(in crate::forward) fn hub_time(&self, now: Millis) -> Millis {
        let skew = self.0.load(Ordering::Relaxed);
        if is_notable(skew) {
            now.saturating_add(skew)
        } else {
            now
        }
    }
}

/// The remark on a clock that is notably off: `this machine's clock is 7 min behind`.
pub(in crate::forward) fn words(skew: Millis) -> Option<String> {
    if !is_notable(skew) {
        return None;
    }
    let side = if skew > 0 { "behind" } else { "ahead of" };
    let seconds = skew.unsigned_abs() / 1000;
    let amount = match seconds {
        0..600 => format!("{seconds} s"),
        600..36_000 => format!("{} min", seconds / 60),
        36_000..864_000 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    Some(format!(
        "this machine's clock is {amount} {side} the server's, set it by NTP"
    ))
}

fn is_notable(skew: Millis) -> bool {
    skew.saturating_abs() > NOTABLE
}

/// A clock that was set is believed at once; jitter moves the difference only a little.
fn smoothed(kept: Millis, sample: Millis) -> Millis {
    let change = sample.saturating_sub(kept);
    if is_notable(change) {
        sample
    } else {
        kept + change / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_followed_and_jitter_is_not() {
        let skew = Skew::default();
        let check = |sample: Millis, expected: Millis| {
            skew.observe(sample);
            assert_eq!(skew.hub_time(1_000_000) - 1_000_000, expected, "{sample}");
        };
        check(900, 0);
        check(-59_000, 0);
        check(420_000, 420_000);
        check(420_800, 420_100);
        check(-300_000, -300_000);
        check(0, 0);
        check(i64::MAX, i64::MAX - 1_000_000);
        check(i64::MIN, i64::MIN);
    }

    #[test]
    fn a_clock_is_described_only_when_it_is_off() {
        let check = |skew: Millis, expected: Option<&str>| {
            let words = words(skew);
            assert_eq!(
                words.as_deref().and_then(|w| w
                    .split(" the server")
                    .next()?
                    .strip_prefix("this machine's clock is ")),
                expected
            );
        };
        check(60_000, None);
        check(-60_000, None);
        check(61_000, Some("61 s behind"));
        check(-420_000, Some("420 s ahead of"));
        check(-1_800_000, Some("30 min ahead of"));
        check(36_000_000, Some("10 h behind"));
        check(864_000_000_000, Some("10000 days behind"));
    }
}
