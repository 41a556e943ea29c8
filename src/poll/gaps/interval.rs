//! How far apart rows should be, on the local grid where that matters. Pure.

use std::time::Duration;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::clock::Millis;
use crate::poll::window::millis;

/// An expected interval. A row may come up to half of it early or late without being taken for missing.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// Its length.
    pub every: Millis,
    zone: Tz,
}

impl Interval {
    /// An interval of a source in this zone.
    #[must_use]
    pub fn new(expected: Duration, zone: Tz) -> Self {
        let every = millis(expected).clamp(1, MAX);
        Self { every, zone }
    }

    /// How many rows are missing strictly between two stamps.
    ///
    /// Where the clocks change, days have 23 or 25 hours, and rows may stand on a grid of local time (days from midnight to
    /// midnight) or of UTC. So the longer of both distances counts, as long as the change is no more than half an interval and
    /// cannot be taken for a missing row: for a change of one hour, from intervals of two hours on. Shorter ones stand in UTC.
    #[must_use]
    pub fn missing(self, from: Millis, until: Millis) -> u64 {
        let mut apart = until.saturating_sub(from);
        if apart <= self.every {
            return 0;
        }
        let change = self.local(until).saturating_sub(self.local(from)) - apart;
        if change > 0 && self.every >= 2 * change {
            apart += change;
        }
        // Those k ≥ 1 with k · every < apart − every / 2.
        let doubled = apart.saturating_mul(2) - self.every - 1;
        u64::try_from(doubled.div_euclid(2 * self.every)).unwrap_or(0)
    }

    /// When a row after this one is late: half an interval, at least five minutes, after it was expected.
    #[must_use]
    pub fn overdue(self, newest: Millis) -> Millis {
        let grace = (self.every / 2).max(5 * 60_000);
        newest.saturating_add(self.every).saturating_add(grace)
    }

    /// What a clock on the wall shows, as milliseconds.
    fn local(self, at: Millis) -> Millis {
        let Some(utc) = DateTime::from_timestamp_millis(at) else {
            return at;
        };
        let offset = self.zone.offset_from_utc_datetime(&utc.naive_utc()).fix();
        at + Millis::from(offset.local_minus_utc()) * 1000
    }
}

const HOUR: Millis = 3_600_000;
/// Longer than any interval that can be configured.
const MAX: Millis = 400 * 24 * HOUR;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono_tz::Europe::{Berlin, Vienna};
    use proptest::prelude::*;

    use super::*;

    fn check(zone: Tz, expected: &str, from: &str, until: &str, missing: u64) {
        let at = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        let expected_for = crate::config::duration::parse(expected).unwrap();
        assert_eq!(
            Interval::new(expected_for, zone).missing(at(from), at(until)),
            missing,
            "{zone} {expected}: {from} to {until}"
        );
    }

    #[test]
    fn days_of_23_and_25_hours_are_no_holes() {
        for zone in [Vienna, Berlin] {
            // Local midnights around the change in spring (29 March 2026) and in autumn (25 October 2026).
            check(zone, "1d", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 0);
            check(zone, "1d", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 0);
            // One day missing: 47 and 49 hours; two: 71 and 73.
            check(zone, "1d", "2026-03-27T23:00:00Z", "2026-03-29T22:00:00Z", 1);
            check(zone, "1d", "2026-10-23T22:00:00Z", "2026-10-25T23:00:00Z", 1);
            check(zone, "1d", "2026-03-26T23:00:00Z", "2026-03-29T22:00:00Z", 2);
            check(zone, "1d", "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z", 2);
            // Days of a logger that counts in UTC.
            check(zone, "1d", "2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z", 0);
            check(zone, "1d", "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z", 1);
            // A quarter of a day, local: 5 and 7 hours.
            check(zone, "6h", "2026-03-28T23:00:00Z", "2026-03-29T04:00:00Z", 0);
            check(zone, "6h", "2026-10-24T22:00:00Z", "2026-10-25T05:00:00Z", 0);
            check(zone, "6h", "2026-10-24T16:00:00Z", "2026-10-25T05:00:00Z", 1);
            // Three hours at night in autumn, of a grid of two: none is missing; in spring one hour less hides none.
            check(zone, "2h", "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z", 0);
            check(zone, "2h", "2026-03-28T23:00:00Z", "2026-03-29T02:00:00Z", 1);
        }
    }

    #[test]
    fn short_intervals_stand_in_utc() {
        for zone in [Vienna, Berlin] {
            check(zone, "1h", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", 0);
            check(zone, "1h", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", 0);
            check(zone, "1h", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", 1);
            check(zone, "15m", "2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", 0);
            check(zone, "15m", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z", 2);
        }
    }

    proptest! {
        #[test]
        fn a_jitter_below_half_an_interval_changes_nothing(every in 1_000i64..40 * 86_400_000, count in 1i64..500, early in 0f64..0.49) {
            let interval = Interval::new(Duration::from_millis(every.unsigned_abs()), Tz::UTC);
            #[allow(clippy::cast_possible_truncation)]
            let jitter = (every as f64 * early) as i64;
            for apart in [every * count - jitter, every * count, every * count + jitter] {
                prop_assert_eq!(interval.missing(0, apart), count.unsigned_abs() - 1);
            }
        }

        #[test]
        fn a_full_series_has_no_hole_in_any_zone(zone in 0usize..chrono_tz::TZ_VARIANTS.len(), start in 946_684_800_000i64..1_893_456_000_000, minutes in 1u64..3_000) {
            let interval = Interval::new(Duration::from_secs(minutes * 60), chrono_tz::TZ_VARIANTS[zone]);
            let mut at = start;
            for _ in 0..200 {
                prop_assert_eq!(interval.missing(at, at + interval.every), 0);
                at += interval.every;
            }
        }
    }
}
