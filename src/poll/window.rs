//! Which window a tick asks for, slice by slice. Pure.

use std::time::Duration;

use crate::clock::Millis;
use crate::source::Window;
use crate::store::documents::Pass;

/// One question of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// What the source is asked.
    pub window: Window,
    /// Where the pass stands after it.
    pub next: Millis,
}

/// Opens a pass: from the overlap before the mark (never at or below the digest's floor) to `now`.
/// The end never moves while the pass lasts, so late work does not chase the present.
#[must_use]
pub fn open(mark: Millis, floor: Millis, overlap: Duration, now: Millis) -> Pass {
    let at = mark.saturating_sub(millis(overlap)).max(floor.saturating_add(1));
    Pass { at, end: now.max(at) }
}

/// The next slice of a pass; `None` when it is finished. The last one is open where the pass was opened just now (`fresh`): behind
/// the end of an older pass lies what came since, which may be more than one answer holds.
#[must_use]
pub fn slice(pass: Pass, longest: Duration, fresh: bool) -> Option<Slice> {
    cut(pass.at, pass.end, longest, fresh)
}

/// The next slice of a range of the past; `None` when it is finished. It never ends in the present.
#[must_use]
pub fn of_range(at: Millis, end: Millis, longest: Duration) -> Option<Slice> {
    cut(at, end, longest, false)
}

fn cut(from: Millis, end: Millis, longest: Duration, open: bool) -> Option<Slice> {
    if from > end {
        return None;
    }
    let until = from.saturating_add(millis(longest).max(1) - 1).min(end);
    Some(Slice {
        window: Window::Range {
            from,
            until,
            open: open && until == end,
        },
        next: until.saturating_add(1),
    })
}

/// Half of a span that turned out too large; never shorter than a millisecond.
#[must_use]
pub fn halve(longest: Duration, window: Window) -> Duration {
    let asked = match window {
        Window::Youngest => longest,
        Window::Range { from, until, .. } => {
            Duration::from_millis(u64::try_from(until - from).unwrap_or(0).saturating_add(1)).min(longest)
        }
    };
    (asked / 2).max(Duration::from_millis(1))
}

/// A duration in milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pass_starts_before_the_mark_and_above_the_floor() {
        let hour = Duration::from_secs(3600);
        assert_eq!(
            open(10_000_000, 0, hour, 11_000_000),
            Pass {
                at: 6_400_000,
                end: 11_000_000
            }
        );
        assert_eq!(
            open(10_000_000, 9_000_000, hour, 11_000_000),
            Pass {
                at: 9_000_001,
                end: 11_000_000
            }
        );
        assert_eq!(open(10, 10, Duration::ZERO, 5), Pass { at: 11, end: 11 });
    }

    proptest! {
        #[test]
        fn slices_cover_a_pass_once_and_only_the_last_is_open(
            at in 0i64..10_000, length in 0i64..10_000, step in 1u64..3_000, fresh: bool
        ) {
            let mut pass = Pass { at, end: at + length };
            let mut covered = at;
            while let Some(slice) = slice(pass, Duration::from_millis(step), fresh) {
                let Window::Range { from, until, open } = slice.window else { panic!("a range") };
                prop_assert_eq!(from, covered);
                prop_assert!(until - from < i64::try_from(step).unwrap_or(0) && until >= from);
                prop_assert_eq!(open, fresh && until == pass.end);
                covered = until + 1;
                pass.at = slice.next;
            }
            prop_assert_eq!(covered, at + length + 1);
        }
    }
}
