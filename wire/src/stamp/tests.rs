#![allow(clippy::unwrap_used)]

use std::string::{String, ToString};

use chrono::{DateTime, SecondsFormat, Utc};
use proptest::prelude::*;

use super::*;

#[test]
fn known_instants() {
    let check = |ms: i64, expected: &str| {
        assert_eq!(text(ms).as_str(), expected);
        assert_eq!(parse(expected), Ok(ms));
    };
    check(0, "1970-01-01T00:00:00.000Z");
    check(-1, "1969-12-31T23:59:59.999Z");
    check(1_769_433_300_000, "2026-01-26T13:15:00.000Z");
    check(951_782_400_123, "2000-02-29T00:00:00.123Z");
    check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
    check(MIN, "0001-01-01T00:00:00.000Z");
    check(MAX, "9999-12-31T23:59:59.999Z");
}

#[test]
fn instants_without_a_text_become_the_nearest() {
    assert_eq!(text(i64::MIN), text(MIN));
    assert_eq!(text(i64::MAX), text(MAX));
    assert!(is_valid(MIN) && is_valid(MAX) && !is_valid(MIN - 1) && !is_valid(MAX + 1));
}

#[test]
fn other_forms_are_read_or_refused() {
    let check = |text: &str, expected: Result<i64, ParseStampError>| {
        assert_eq!(parse(text), expected, "{text}");
    };
    check("1970-01-01T00:00:00Z", Ok(0));
    check("1970-01-01T00:00:00.5Z", Ok(500));
    check("1970-01-01T00:00:00.1239999999999Z", Ok(123));
    check("1970-01-01T01:00:00.000+01:00", Ok(0));
    check("1969-12-31T18:30:00-05:30", Ok(0));
    check("1970-01-01T00:00:00", Err(ParseStampError::Zone));
    check("1970-01-01T00:00:00.", Err(ParseStampError::Form));
    check("1970-01-01T00:00:00.Z", Err(ParseStampError::Form));
    check("1970-01-01T00:00:00ZZ", Err(ParseStampError::Form));
    check("1970-01-01T00:00:00z", Err(ParseStampError::Form));
    check("1970-01-01 00:00:00Z", Err(ParseStampError::Form));
    check("1970-01-01T00:00Z", Err(ParseStampError::Form));
    check("1970-01-01T00:00:00+0100", Err(ParseStampError::Form));
    check("+970-01-01T00:00:00Z", Err(ParseStampError::Form));
    check("", Err(ParseStampError::Form));
    check("2026-02-29T00:00:00Z", Err(ParseStampError::Value));
    check("1900-02-29T00:00:00Z", Err(ParseStampError::Value));
    check("2026-13-01T00:00:00Z", Err(ParseStampError::Value));
    check("2026-00-01T00:00:00Z", Err(ParseStampError::Value));
    check("2026-01-00T00:00:00Z", Err(ParseStampError::Value));
    check("2026-04-31T00:00:00Z", Err(ParseStampError::Value));
    check("2026-01-01T24:00:00Z", Err(ParseStampError::Value));
    check("2026-01-01T00:60:00Z", Err(ParseStampError::Value));
    check("2026-01-01T00:00:60Z", Err(ParseStampError::Value));
    check("2026-01-01T00:00:00+24:00", Err(ParseStampError::Value));
    check("0000-12-31T23:59:59Z", Err(ParseStampError::Value));
    check("0001-01-01T00:00:00+00:01", Err(ParseStampError::Value));
    check("9999-12-31T23:59:59-00:01", Err(ParseStampError::Value));
}

/// Every day of the calendar, once, against chrono.
#[test]
fn every_day_is_the_one_that_chrono_says() {
    let mut writer = Writer::new();
    for day in MIN / MS_PER_DAY..=MAX / MS_PER_DAY {
        let ms = day * MS_PER_DAY;
        let text = writer.text(ms);
        assert_eq!(
            text.as_str(),
            DateTime::<Utc>::from_timestamp_millis(ms)
                .unwrap()
                .to_rfc3339_opts(SecondsFormat::Millis, true)
        );
        assert_eq!(parse(text.as_str()), Ok(ms));
    }
}

proptest! {
    #[test]
    fn text_and_instant_agree_with_chrono(instants in proptest::collection::vec(MIN..=MAX, 1..8)) {
        let mut writer = Writer::new();
        let mut out = std::vec::Vec::new();
        let mut expected = String::new();
        for ms in instants {
            // The instant after it has the same date as a rule, so the kept date is used too.
            for ms in [ms, (ms + 1).min(MAX)] {
                writer.push(&mut out, ms);
                let instant = DateTime::<Utc>::from_timestamp_millis(ms).unwrap();
                expected.push_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true));
                prop_assert_eq!(parse(&text(ms).to_string()), Ok(ms));
            }
        }
        prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn parsing_never_panics(text in ".*", near in "[0-9]{3,5}-[0-9]{2}-[0-9]{2}T[0-9:.Z+-]{0,20}") {
        let _ = parse(&text);
        if let Ok(ms) = parse(&near) {
            prop_assert!(is_valid(ms));
        }
    }
}
