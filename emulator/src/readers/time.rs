use std::fmt::Write;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use clap::ValueEnum;

/// How the device writes `Time` (its `Time` command and `SetOption52`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TimeFormat {
    /// `Time 1`: `"2026-03-14T21:08:38"`, local, without its offset.
    #[default]
    Local,
    /// `SetOption52 1`: `"2026-03-14T21:08:38+01:00"`.
    Offset,
    /// `Time 2`: local text and `"Epoch"` in seconds UTC.
    Epoch,
    /// `Time 3`: `"Time"` is a number, seconds UTC.
    Number,
    /// `Time 4`: local with milliseconds, `"2026-03-14T21:08:38.492"`.
    Millis,
    /// Firmware 5: `"2018.02.04 23:17:01"`.
    Dots,
}

/// The device's zone: `Timezone +01:00` and the like, or `Timezone 99`, which adds the rules of summer time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The same offset all year, in minutes east of UTC.
    Fixed(i32),
    /// This offset in winter, in minutes, and an hour more between the last Sundays of March and October, 01:00 UTC.
    European(i32),
}

impl Default for Zone {
    /// What the samples of owners show: one hour, all year.
    fn default() -> Self {
        Self::Fixed(60)
    }
}

impl FromStr for Zone {
    type Err = String;

    /// `+01:00`, `-03:30`, or `europe` for +01:00 with summer time.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("europe") {
            return Ok(Self::European(60));
        }
        let wrong = || format!("{text:?} is no zone; write +01:00, or europe for +01:00 with summer time");
        let sign = match text.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(wrong()),
        };
        let (hours, minutes) = text[1..].split_once(':').ok_or_else(wrong)?;
        match (hours.parse::<u8>(), minutes.parse::<u8>()) {
            (Ok(hours @ 0..=14), Ok(minutes @ 0..=59)) => {
                Ok(Self::Fixed(sign * (i32::from(hours) * 60 + i32::from(minutes))))
            }
            _ => Err(wrong()),
        }
    }
}

impl Zone {
    /// Minutes east of UTC at this instant.
    pub fn offset_minutes(self, utc_ms: i64) -> i32 {
        match self {
            Self::Fixed(minutes) => minutes,
            Self::European(winter) => {
                let (start, end) = summer(instant(utc_ms).year());
                if (start..end).contains(&utc_ms) {
                    winter + 60
                } else {
                    winter
                }
            }
        }
    }

    /// `StatusTIM`: the only answer that tells the offset of a device that writes local times without it.
    pub(super) fn status(self, utc_ms: i64, format: TimeFormat) -> String {
        let offset = i64::from(self.offset_minutes(utc_ms)) * 60_000;
        let (winter, zone) = match self {
            Self::Fixed(minutes) => (minutes, format!("\"{}\"", offset_text(minutes))),
            Self::European(winter) => (winter, "99".to_owned()),
        };
        let (start, end) = summer(instant(utc_ms + offset).year());
        let local = |ms: i64, minutes: i32| text(ms + i64::from(minutes) * 60_000, format);
        format!(
            r#""StatusTIM":{{"UTC":"{}","Local":"{}","StartDST":"{}","EndDST":"{}","Timezone":{zone},"Sunrise":"06:12","Sunset":"20:47"}}"#,
            text(utc_ms, format),
            text(utc_ms + offset, format),
            local(start, winter),
            local(end, winter + 60),
        )
    }
}

/// Appends `"Time":…` as the device writes it. `before_ntp` is the time since the start, shown from 1970 on.
pub(super) fn write_time(
    out: &mut String,
    zone: Zone,
    format: TimeFormat,
    utc_ms: i64,
    before_ntp: Option<i64>,
) {
    let (utc_ms, minutes) = match before_ntp {
        Some(uptime_ms) => (uptime_ms, 0),
        None => (utc_ms, zone.offset_minutes(utc_ms)),
    };
    let seconds = utc_ms.div_euclid(1_000);
    // Writing to a string cannot fail.
    let _ = match format {
        TimeFormat::Number => write!(out, r#""Time":{seconds}"#),
        _ => {
            out.push_str(r#""Time":""#);
            write_text(out, utc_ms + i64::from(minutes) * 60_000, format);
            match format {
                TimeFormat::Offset => write!(out, r#"{}""#, offset_text(minutes)),
                TimeFormat::Epoch => write!(out, r#"","Epoch":{seconds}"#),
                TimeFormat::Millis => write!(out, r#".{:03}""#, utc_ms.rem_euclid(1_000)),
                _ => write!(out, "\""),
            }
        }
    };
}

fn text(local_ms: i64, format: TimeFormat) -> String {
    let mut out = String::with_capacity(20);
    write_text(&mut out, local_ms, format);
    out
}

fn write_text(out: &mut String, local_ms: i64, format: TimeFormat) {
    let time = instant(local_ms);
    let (dash, between) = if format == TimeFormat::Dots {
        ('.', ' ')
    } else {
        ('-', 'T')
    };
    let _ = write!(
        out,
        "{:04}{dash}{:02}{dash}{:02}{between}{:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
}

fn offset_text(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// Begin and end of European summer time of a year, in milliseconds UTC.
fn summer(year: i32) -> (i64, i64) {
    (last_sunday(year, 3), last_sunday(year, 10))
}

/// 01:00 UTC of the last Sunday of a month that has 31 days.
fn last_sunday(year: i32, month: u32) -> i64 {
    let last = NaiveDate::from_ymd_opt(year, month, 31).unwrap_or_default();
    let sunday = last - TimeDelta::days(i64::from(last.weekday().num_days_from_sunday()));
    sunday
        .and_time(chrono::NaiveTime::MIN)
        .and_utc()
        .timestamp_millis()
        + 3_600_000
}

fn instant(ms: i64) -> NaiveDateTime {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .naive_utc()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// 2026-03-14T20:08:38.492Z
    const AT: i64 = 1_773_518_918_492;

    #[test]
    fn times_are_written_as_each_setting_does() {
        let check = |format, expected: &str| {
            let mut out = String::new();
            write_time(&mut out, Zone::default(), format, AT, None);
            assert_eq!(out, expected);
        };
        check(TimeFormat::Local, r#""Time":"2026-03-14T21:08:38""#);
        check(TimeFormat::Offset, r#""Time":"2026-03-14T21:08:38+01:00""#);
        check(
            TimeFormat::Epoch,
            r#""Time":"2026-03-14T21:08:38","Epoch":1773518918"#,
        );
        check(TimeFormat::Number, r#""Time":1773518918"#);
        check(TimeFormat::Millis, r#""Time":"2026-03-14T21:08:38.492""#);
        check(TimeFormat::Dots, r#""Time":"2026.03.14 21:08:38""#);
    }

    #[test]
    fn an_unset_clock_counts_from_1970() {
        let mut out = String::new();
        write_time(&mut out, Zone::default(), TimeFormat::Local, AT, Some(12_345));
        assert_eq!(out, r#""Time":"1970-01-01T00:00:12""#);
    }

    #[test]
    fn summer_time_begins_and_ends_on_its_sundays() {
        let check = |utc: &str, expected| {
            let ms = DateTime::parse_from_rfc3339(utc).unwrap().timestamp_millis();
            assert_eq!(Zone::European(60).offset_minutes(ms), expected, "{utc}");
        };
        check("2026-03-29T00:59:59Z", 60);
        check("2026-03-29T01:00:00Z", 120);
        check("2026-10-25T00:59:59Z", 120);
        check("2026-10-25T01:00:00Z", 60);
        check("2027-03-28T01:00:00Z", 120);
        check("2024-03-31T00:59:59Z", 60);
    }

    #[test]
    fn status_7_tells_the_offset() {
        assert_eq!(
            Zone::European(60).status(1_782_900_000_000, TimeFormat::Local),
            r#""StatusTIM":{"UTC":"2026-07-01T10:00:00","Local":"2026-07-01T12:00:00","StartDST":"2026-03-29T02:00:00","EndDST":"2026-10-25T03:00:00","Timezone":99,"Sunrise":"06:12","Sunset":"20:47"}"#
        );
        assert!(
            Zone::Fixed(-210)
                .status(AT, TimeFormat::Local)
                .contains(r#""Timezone":"-03:30""#)
        );
    }

    #[test]
    fn zones_are_read_from_text() {
        assert_eq!("+01:00".parse(), Ok(Zone::Fixed(60)));
        assert_eq!("-03:30".parse(), Ok(Zone::Fixed(-210)));
        assert_eq!("Europe".parse(), Ok(Zone::European(60)));
        for wrong in ["", "1", "+1", "+25:00", "+01:75", "Europe/Berlin", "ü"] {
            assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
        }
    }
}
