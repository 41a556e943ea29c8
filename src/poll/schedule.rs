//! When a source is due next. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::breaker;
use super::window::millis;
use crate::clock::Millis;
use crate::config::Schedule;
use crate::store::documents::State;

/// The first instant after `due` at which the source is to be polled again. Intervals stand on a grid that a hash of the
/// id shifts, so that many sources do not fall due in one instant.
#[must_use]
pub fn next_due(schedule: &Schedule, zone: Tz, source: &str, due: Millis) -> Millis {
    match schedule {
        Schedule::Every(every) => {
            let every = millis(*every).max(1);
            let shift =
                i64::try_from(xxhash_rust::xxh3::xxh3_64(source.as_bytes()) >> 1).unwrap_or(0) % every;
            (due - shift)
                .div_euclid(every)
                .saturating_add(1)
                .saturating_mul(every)
                .saturating_add(shift)
        }
        Schedule::Cron(text) => cron_after(text, zone, due).unwrap_or(due.saturating_add(60_000)),
    }
}

/// When what waits for the hub is tried (again); `None` where nothing waits. Parked sources are spread over a minute, for a quota
/// begins anew for all of them at once.
#[must_use]
pub fn send_due(state: &State, send_every: Duration, now: Millis) -> Option<Millis> {
    let oldest = state.unshipped.first();
    if state.pending.is_empty() && oldest.is_none() {
        return None;
    }
    let held = state.sending.held.as_ref().map(|hold| hold.until);
    let parked = state.parked.as_ref().and_then(|parked| parked.until);
    let spread = MINUTE - breaker::grown(MINUTE, MINUTE, 0, &state.source);
    let parked = parked.map(|until| until.saturating_add(millis(spread * 4)));
    if let Some(until) = parked.max(held) {
        return Some(until);
    }
    if !state.pending.is_empty() {
        return Some(now);
    }
    oldest.map(|oldest| oldest.at.saturating_add(millis(send_every)))
}

const MINUTE: Duration = Duration::from_secs(60);

/// A short name for a schedule, kept beside the due time that was reckoned by it: another name means that it was changed since.
#[must_use]
pub fn plan(schedule: &Schedule, zone: Tz) -> String {
    let words = match schedule {
        Schedule::Every(every) => format!("every {}", every.as_millis()),
        // An interval is the same everywhere, a time of day is not.
        Schedule::Cron(text) => format!("cron {text} {zone}"),
    };
    format!("{:08x}", xxhash_rust::xxh3::xxh3_64(words.as_bytes()) >> 32)
}

/// The first instant after `at` that a cron expression names in `zone`; `None` for an expression that names none.
#[must_use]
pub fn cron_after(text: &str, zone: Tz, at: Millis) -> Option<Millis> {
    let cron = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Optional)
        .build()
        .parse(text)
        .ok()?;
    let at: DateTime<Utc> = DateTime::from_timestamp_millis(at)?;
    let local = zone.from_utc_datetime(&at.naive_utc());
    Some(cron.find_next_occurrence(&local, false).ok()?.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cron_knows_the_zone_and_the_long_day() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().map_or(0, |t| t.timestamp_millis());
        let check = |cron: &str, after: &str, expected: &str| {
            assert_eq!(
                cron_after(cron, chrono_tz::Europe::Vienna, at(after)),
                Some(at(expected)),
                "{cron} {after}"
            );
        };
        check("0 15 0 * * *", "2026-06-01T00:00:00Z", "2026-06-01T22:15:00Z");
        check("15 0 * * *", "2026-01-01T00:00:00Z", "2026-01-01T23:15:00Z");
        // The night of the clock change in autumn has 25 hours.
        check("0 0 12 * * *", "2026-10-24T10:00:00Z", "2026-10-25T11:00:00Z");
    }

    proptest! {
        #[test]
        fn every_is_a_fixed_grid(id in "[a-z]{1,8}", due in 0i64..2_000_000_000_000, every in 1_000u64..86_400_000) {
            let schedule = Schedule::Every(Duration::from_millis(every));
            let next = next_due(&schedule, Tz::UTC, &id, due);
            let every = i64::try_from(every).unwrap_or(1);
            prop_assert!(next > due && next <= due + every);
            prop_assert_eq!(next_due(&schedule, Tz::UTC, &id, next), next + every);
        }
    }
}
