//! Schedules: the Functions host's NCRONTAB and time spans, and a source's own cron expression.

use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// From here occurrences are counted to find how close together they are. A leap year, so 29 February is near.
const COUNTED_FROM: i64 = 1_704_067_200;
const NEVER: &str = "never comes due";

/// Reads a source's cron expression: five fields, or six with seconds first. A day of the month and a day of the week
/// together mean either, as in every Unix.
///
/// # Errors
/// What is wrong with it.
pub fn cron(text: &str) -> Result<Cron, String> {
    parse(text, false)
}

/// How far apart the host starts TimerPoll at the closest: `TimerSchedule` as NCRONTAB or as a time span.
///
/// # Errors
/// What is wrong with it, in the host's terms.
pub fn timer_period(text: &str) -> Result<Duration, String> {
    if text.contains(':') {
        return time_span(text);
    }
    let fields: Vec<_> = text.split_whitespace().collect();
    if let Some(field) = fields.iter().find(|f| f.starts_with('/')) {
        return Err(format!(
            "`{}` is not a field of NCRONTAB; write `*{}`",
            short(field),
            short(field)
        ));
    }
    if let Some(bad) = text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "*,-/".contains(*c)))
    {
        return Err(format!("`{}` is not part of NCRONTAB", bad.escape_default()));
    }
    if fields
        .last()
        .is_some_and(|days| days.split(|c: char| !c.is_ascii_digit()).any(|n| n == "7"))
    {
        return Err(
            "the host counts days of the week from 0 (Sunday) to 6; write 0 in place of 7".to_owned(),
        );
    }
    // The host takes whole names, croner their first three letters.
    if text
        .split(|c: char| !c.is_ascii_alphabetic())
        .any(|name| matches!(name.len(), 1 | 2))
    {
        return Err(format!(
            "`{}` is not NCRONTAB: it knows names of months and days, no other letters",
            short(text)
        ));
    }
    let mut shortened = String::with_capacity(text.len());
    let mut letters = 0;
    for c in text.chars() {
        letters = if c.is_ascii_alphabetic() { letters + 1 } else { 0 };
        if letters <= 3 {
            shortened.push(c);
        }
    }
    closest(&parse(&shortened, true)?)
}

/// Whether `cron` has an occurrence at all.
///
/// # Errors
/// That it never comes due.
pub(super) fn comes_due(cron: &Cron) -> Result<(), String> {
    let from: DateTime<Utc> = DateTime::from_timestamp(COUNTED_FROM, 0).unwrap_or_default();
    let next = cron.find_next_occurrence(&from, false);
    next.map(drop).map_err(|_| NEVER.to_owned())
}

/// How far apart the first occurrences of `cron` are at the closest.
///
/// # Errors
/// That it never comes due.
pub(super) fn closest(cron: &Cron) -> Result<Duration, String> {
    let mut at: DateTime<Utc> = DateTime::from_timestamp(COUNTED_FROM, 0).unwrap_or_default();
    let mut least: Option<Duration> = None;
    for n in 0..64 {
        let Ok(next) = cron.find_next_occurrence(&at, false) else {
            break;
        };
        if n > 0 {
            let apart = (next - at).to_std().unwrap_or_default();
            least = Some(least.map_or(apart, |l| l.min(apart)));
        }
        at = next;
    }
    least.ok_or_else(|| NEVER.to_owned())
}

fn parse(text: &str, host: bool) -> Result<Cron, String> {
    let fields = text.split_whitespace().count();
    if fields != 5 && fields != 6 {
        return Err(format!(
            "has {fields} fields; write five (minute hour day month weekday) or six with seconds first"
        ));
    }
    if text.len() > 200 || !text.is_ascii() || text.contains('@') {
        return Err("is not a cron expression".to_owned());
    }
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .dom_and_dow(host)
        .sloppy_ranges(host)
        .build()
        .parse(text)
        .map_err(|error| format!("`{}` is not a schedule: {error}", short(text)))
}

/// .NET's `[d.]hh:mm[:ss]`. As the host has it, `24:00:00` is 24 days: from 24 on the first number counts days.
fn time_span(text: &str) -> Result<Duration, String> {
    const FORM: &str = "is neither NCRONTAB (`0 * * * * *`) nor a time span (`00:01:00`)";
    let (days, clock) = match text.trim().split_once('.') {
        Some((days, clock)) if !days.contains(':') => (Some(days), clock),
        _ => (None, text.trim()),
    };
    let parts: Vec<u64> = clock
        .split(':')
        .map(|part| {
            let digits = !part.is_empty() && part.len() <= 8 && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        })
        .collect::<Option<_>>()
        .ok_or(FORM)?;
    let days: u64 = days.map_or(Ok(0), str::parse).map_err(|_| FORM)?;
    if days > 10_000 {
        return Err(FORM.to_owned());
    }
    let seconds = match parts[..] {
        [h, m] if h < 24 && m < 60 => h * 3600 + m * 60,
        [h, m, s] if h < 24 && m < 60 && s < 60 => h * 3600 + m * 60 + s,
        [d, _, _] if d >= 24 => {
            return Err(format!(
                "would be {d} days to the host; write hours up to 23, or days as `{d}.00:00:00`"
            ));
        }
        _ => return Err(FORM.to_owned()),
    };
    match days * 86_400 + seconds {
        0 => Err("is a time span of zero".to_owned()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

fn short(text: &str) -> String {
    super::values::short(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{closest, cron, timer_period};

    #[test]
    fn the_hosts_schedules_have_a_period() {
        for (text, seconds) in [
            ("0 * * * * *", 60),
            ("* * * * *", 60),
            ("*/10 * * * * *", 10),
            ("0 */5 * * * *", 300),
            ("0 0/15 * * * *", 900),
            ("0 0 8-17 * * Mon-Fri", 3600),
            ("0 30 9 * January Monday", 7 * 86_400),
            ("0 0,10,15 * * * *", 300),
            ("00:01:00", 60),
            ("00:00:30", 30),
            ("01:30", 5400),
            ("1.00:00:00", 86_400),
        ] {
            assert_eq!(timer_period(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_the_host_would_not_take_is_said() {
        for (text, expected) in [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("* * * * * * *", "7 fields"),
            ("0 61 * * * *", "not a schedule"),
            ("0 0 0 L * *", "no other letters"),
            ("0 0 0 ? * *", "`?` is not part"),
            ("0 0 0 * * 7", "from 0 (Sunday) to 6"),
            ("0 /5 * * * *", "write `*/5`"),
            ("0 0 0 30 2 *", "never comes due"),
            ("24:00:00", "24 days"),
            ("00:00:00", "zero"),
            ("00:60:00", "neither"),
            ("::", "neither"),
            ("@daily", "`@` is not part"),
        ] {
            let fault = timer_period(text).err().unwrap_or_default();
            assert!(fault.contains(expected), "{text}: {fault}");
        }
    }

    #[test]
    fn a_sources_cron_has_five_or_six_fields() {
        for (text, seconds) in [
            ("*/5 * * * *", 300),
            ("30 */5 * * * *", 300),
            ("0 6 1 * MON", 86_400),
        ] {
            assert_eq!(
                cron(text).and_then(|c| closest(&c)),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,24}", close in "[0-9*,/LW#? a-z-]{5,24}") {
            let _ = timer_period(&text);
            let _ = timer_period(&close);
            let _ = cron(&text);
            let _ = cron(&close);
        }
    }
}
