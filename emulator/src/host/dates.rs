//! Dates and spans as .NET writes and reads them. Seven digits of fraction, trailing zeros dropped.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};

/// What `default(DateTime)` is: "never", in a timer's status.
pub(super) fn never() -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(1, 1, 1)
        .unwrap_or_default()
        .and_time(chrono::NaiveTime::MIN)
        .and_utc()
}

/// A `DateTime` of kind Local on a machine that runs in UTC.
pub(super) fn with_offset(at: DateTime<Utc>) -> String {
    format!("{}+00:00", stem(at.naive_utc()))
}

/// A `DateTime` of kind Utc.
pub(super) fn with_z(at: DateTime<Utc>) -> String {
    format!("{}Z", stem(at.naive_utc()))
}

/// A time in a queue call's metadata: whole seconds, because the host reparses `ToString()`.
pub(super) fn whole_seconds(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// A string that Newtonsoft takes for a date when it reads JSON: it never comes out as it went in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonDate {
    at: NaiveDateTime,
    zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Utc,
    Local,
    Unspecified,
}

impl JsonDate {
    /// Exactly `yyyy-MM-ddTHH:mm:ss.FFFFFFFK`, the one form Newtonsoft looks for; `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !(19..=40).contains(&text.len()) || text.as_bytes().get(10) != Some(&b'T') {
            return None;
        }
        let seconds = NaiveDateTime::parse_from_str(text.get(..19)?, "%Y-%m-%dT%H:%M:%S").ok()?;
        // chrono takes "2026-1-2" too; .NET does not.
        if seconds.format("%Y-%m-%dT%H:%M:%S").to_string() != text[..19] {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut at = seconds;
        if let Some(fraction) = rest.strip_prefix('.') {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=7).contains(&digits) {
                return None;
            }
            let ticks: u32 = format!("{:0<7}", &fraction[..digits]).parse().ok()?;
            at = at.with_nanosecond(ticks * 100)?;
            rest = &fraction[digits..];
        }
        let (zone, ahead) = match rest {
            "" => (Zone::Unspecified, 0),
            "Z" => (Zone::Utc, 0),
            _ => (Zone::Local, offset_minutes(rest)?),
        };
        Some(Self {
            at: at.checked_sub_signed(TimeDelta::minutes(ahead))?,
            zone,
        })
    }

    /// As it is written back inside JSON: an offset has become the machine's, UTC.
    pub(super) fn json(self) -> String {
        let stem = stem(self.at);
        match self.zone {
            Zone::Utc => format!("{stem}Z"),
            Zone::Local => format!("{stem}+00:00"),
            Zone::Unspecified => stem,
        }
    }

    /// As `ToString` gives it in the invariant culture.
    pub(super) fn invariant(self) -> String {
        self.at.format("%m/%d/%Y %H:%M:%S").to_string()
    }
}

/// A `TimeSpan`: `hh:mm:ss`, `d.hh:mm:ss`, with an optional fraction; `None` for any other text.
pub(super) fn time_span(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let (first, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (days, hours) = match first.split_once('.') {
        Some((days, hours)) => (days.parse::<u64>().ok()?, hours),
        None => (0, first),
    };
    let hours: u64 = hours.parse().ok().filter(|hours| *hours < 24)?;
    let minutes: u64 = minutes.parse().ok().filter(|minutes| *minutes < 60)?;
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let seconds: u64 = seconds.parse().ok().filter(|seconds| *seconds < 60)?;
    if fraction.len() > 7 {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    let total = ((days.checked_mul(24)? + hours) * 60 + minutes) * 60 + seconds;
    Some(Duration::new(total, nanos))
}

fn offset_minutes(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let hours: i64 = hours.parse().ok().filter(|hours| (0..=14).contains(hours))?;
    let minutes: i64 = minutes.parse().ok().filter(|minutes| (0..60).contains(minutes))?;
    Some(sign * (hours * 60 + minutes))
}

fn stem(at: NaiveDateTime) -> String {
    let seconds = at.format("%Y-%m-%dT%H:%M:%S");
    match at.nanosecond() / 100 {
        0 => seconds.to_string(),
        ticks => format!("{seconds}.{}", format!("{ticks:07}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn never_is_the_first_of_january_of_the_year_one() {
        assert_eq!(with_offset(never()), "0001-01-01T00:00:00+00:00");
    }

    #[test]
    fn fractions_lose_their_trailing_zeros() {
        let check = |text: &str| {
            let at: DateTime<Utc> = text.parse().unwrap();
            assert_eq!(with_z(at), text);
        };
        check("2026-11-22T15:33:10.393662Z");
        check("2026-11-22T15:21:00.1182685Z");
        check("2026-11-22T15:21:00Z");
    }

    #[test]
    fn only_the_one_form_is_taken_for_a_date() {
        let check = |text: &str, json: Option<&str>| {
            assert_eq!(
                JsonDate::parse(text).map(JsonDate::json).as_deref(),
                json,
                "{text}"
            );
        };
        check("2026-01-02T03:04:05+01:00", Some("2026-01-02T02:04:05+00:00"));
        check("2026-01-02T03:04:05.250Z", Some("2026-01-02T03:04:05.25Z"));
        check("2026-01-02T03:04:05Z", Some("2026-01-02T03:04:05Z"));
        check("2026-01-02T03:04:05", Some("2026-01-02T03:04:05"));
        check("2026-01-02T03:04Z", None);
        check("2026-01-02 03:04:05", None);
        check("2026-01-02T03:04:05.12345678Z", None);
        check("2026-1-002T03:04:05", None);
        check("ä026-01-02T03:04:05", None);
    }

    #[test]
    fn spans() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(time_span(text), millis.map(Duration::from_millis), "{text}");
        };
        check("00:01:10", Some(70_000));
        check("1.00:00:00.5", Some(86_400_500));
        check("0 * * * * *", None);
        check("24:00:00", None);
        check("00:60:00", None);
        check("-1", None);
    }
}
