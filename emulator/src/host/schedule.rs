//! When a timer is due: NCRONTAB with five or six fields, or a fixed interval. All in UTC, as in Azure.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::dates::time_span;

/// A timer's `schedule`, after `%Name%` was resolved.
#[derive(Debug, Clone)]
pub(super) enum Schedule {
    Cron(Box<Cron>),
    Every(TimeDelta),
}

impl Schedule {
    /// The next instant strictly after `after`; `None` when there is none (30 February).
    pub(super) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            // Within a second nothing is due, so the search may start at the second's begin.
            Schedule::Cron(cron) => cron.find_next_occurrence(&after.trunc_subsecs(0), false).ok(),
            Schedule::Every(interval) => after.checked_add_signed(*interval),
        }
    }

    /// Whether the host keeps a status for it: never when two runs are less than a minute apart.
    pub(super) fn is_monitorable(&self, from: DateTime<Utc>) -> bool {
        let mut at = from;
        let mut first = true;
        for _ in 0..10 {
            let Some(next) = self.next(at) else { break };
            if !first && next - at < TimeDelta::minutes(1) {
                return false;
            }
            // The distance from now to the first run says nothing, except for an interval.
            first = false;
            at = next;
        }
        !matches!(self, Schedule::Every(interval) if *interval < TimeDelta::minutes(1))
    }

    /// `Schedule.AdjustForDST` in the call: true for cron, false for an interval.
    pub(super) fn adjusts_for_dst(&self) -> bool {
        matches!(self, Schedule::Cron(_))
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(interval) = time_span(text) {
            return match TimeDelta::from_std(interval) {
                Ok(interval) if interval > TimeDelta::zero() => Ok(Schedule::Every(interval)),
                _ => Err(format!("the interval {text:?} is not longer than zero")),
            };
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let six = match fields.len() {
            5 => format!("0 {}", fields.join(" ")),
            6 => fields.join(" "),
            count => {
                return Err(format!(
                    "{text:?} has {count} fields, a cron expression has 5 or 6"
                ));
            }
        };
        // croner knows more than NCRONTAB (L, W, #, ?); what the host refuses must be refused here.
        let foreign = |symbol: char| !(symbol.is_ascii_digit() || " */,-".contains(symbol));
        let names = [
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ]
        .into_iter()
        .chain(["sun", "mon", "tue", "wed", "thu", "fri", "sat"]);
        let bare = names.fold(six.to_ascii_lowercase(), |text, name| text.replace(name, "0"));
        if let Some(symbol) = bare.chars().find(|symbol| foreign(*symbol)) {
            return Err(format!("{text:?}: {symbol:?} is not part of NCRONTAB"));
        }
        CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Disallowed)
            // NCRONTAB wants both the day of the month and the day of the week to match.
            .dom_and_dow(true)
            .sloppy_ranges(true)
            .build()
            .parse(&six)
            .map(|cron| Schedule::Cron(Box::new(cron)))
            .map_err(|error| format!("{text:?}: {error}"))
    }
}

/// A limit such as `functionTimeout`: a span, or `-1` and `Infinite` for none.
pub(super) fn limit(text: &str) -> Option<Option<Duration>> {
    match text {
        "-1" | "Infinite" => Some(None),
        _ => time_span(text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn next_is_strictly_after() {
        let check = |schedule: &str, after: &str, next: &str| {
            let schedule: Schedule = schedule.parse().unwrap();
            assert_eq!(
                schedule.next(at(after)),
                Some(at(next)),
                "{schedule:?} after {after}"
            );
        };
        check("0 * * * * *", "2026-11-22T15:21:00Z", "2026-11-22T15:22:00Z");
        check(
            "0 * * * * *",
            "2026-11-22T15:20:59.9999999Z",
            "2026-11-22T15:21:00Z",
        );
        check(
            "*/10 * * * * *",
            "2026-11-22T15:20:20.1274287Z",
            "2026-11-22T15:20:30Z",
        );
        check("*/5 * * * *", "2026-11-22T15:21:00Z", "2026-11-22T15:25:00Z");
        check(
            "00:01:10",
            "2026-11-22T15:21:43.5991259Z",
            "2026-11-22T15:22:53.5991259Z",
        );
        // The 1st that is a Monday, not the 1st and every Monday.
        check("0 0 0 1 * Mon", "2026-11-22T00:00:00Z", "2027-02-01T00:00:00Z");
        check("0 0 0 29 2 *", "2026-11-22T00:00:00Z", "2028-02-29T00:00:00Z");
    }

    #[test]
    fn only_schedules_of_a_minute_or_more_have_a_status() {
        let check = |schedule: &str, expected: bool| {
            let schedule: Schedule = schedule.parse().unwrap();
            assert_eq!(
                schedule.is_monitorable(at("2026-11-22T15:20:59Z")),
                expected,
                "{schedule:?}"
            );
        };
        check("0 * * * * *", true);
        check("0 0 * * * *", true);
        check("*/10 * * * * *", false);
        check("0,30 0 * * * *", false);
        check("00:01:00", true);
        check("00:00:59", false);
    }

    #[test]
    fn what_the_host_refuses() {
        for text in [
            "",
            "* *",
            "0 0 0 L * *",
            "0 0 0 ? * *",
            "0 0 0 * * 1#2",
            "0 61 * * * *",
            "00:00:00",
            "nonsense",
            "0 0 0 1 1 * 2027",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text:?}");
        }
    }
}
