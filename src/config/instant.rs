//! Instants as people write them: `2026-01-26T13:30:00Z`.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;

use crate::clock::Millis;

/// 2000-01-01T00:00:00Z. An earlier start is a mistake (the old connector writes the year 1 for "never").
const EARLIEST: Millis = 946_684_800_000;

/// Reads an ISO instant. Without an offset it is local time of `zone` (of the repeated autumn hour, the first); without a
/// time it is that day's start. The old connector's seven digits behind the comma are fine.
///
/// # Errors
/// What to write instead.
pub fn parse(text: &str, zone: Tz) -> Result<Millis, String> {
    const FORM: &str = "write an instant such as `2026-01-26T13:30:00Z`";
    let text = text.trim();
    let at = if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        instant.timestamp_millis()
    } else {
        let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .or_else(|| {
                NaiveDate::parse_from_str(text, "%Y-%m-%d")
                    .ok()
                    .map(|day| day.and_time(NaiveTime::MIN))
            })
            .ok_or(FORM)?;
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.timestamp_millis(),
            LocalResult::None => {
                return Err(format!(
                    "does not exist in {zone}: the clocks skip it; write it with an offset"
                ));
            }
        }
    };
    if at < EARLIEST {
        return Err("is before the year 2000; leave it out to begin with the newest row".to_owned());
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use chrono_tz::{Europe::Berlin, Tz, UTC};

    use super::parse;

    #[test]
    fn an_instant_has_an_offset_or_takes_the_zone() {
        let check = |text: &str, zone: Tz, expected: &str| {
            assert_eq!(
                parse(text, zone).map(crate::clock::iso).as_deref(),
                Ok(expected),
                "{text}"
            );
        };
        check("2026-01-26T13:30:00Z", Berlin, "2026-01-26T13:30:00.000Z");
        check("2026-01-26T13:30:00+01:00", UTC, "2026-01-26T12:30:00.000Z");
        check("2017-01-26T13:30:00", UTC, "2017-01-26T13:30:00.000Z");
        check("2017-01-26T13:30:00.1000000", UTC, "2017-01-26T13:30:00.100Z");
        check("2026-07-01", Berlin, "2026-06-30T22:00:00.000Z");
        check("2026-07-01T12:00", Berlin, "2026-07-01T10:00:00.000Z");
        check("2025-10-26T02:30:00", Berlin, "2025-10-26T00:30:00.000Z");
    }

    #[test]
    fn what_is_no_instant_is_said() {
        for (text, zone, expected) in [
            ("yesterday", UTC, "write an instant"),
            ("2026-02-30T00:00:00Z", UTC, "write an instant"),
            ("0001-01-01T00:00:00", UTC, "before the year 2000"),
            ("2026-03-29T02:30:00", Berlin, "does not exist in Europe/Berlin"),
        ] {
            let text_of_fault = parse(text, zone).err().unwrap_or_default();
            assert!(text_of_fault.contains(expected), "{text}: {text_of_fault}");
        }
    }
}
