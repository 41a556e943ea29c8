//! Stamps of the rapidM2M backend: `YYYYMMDDhhmmsszzz`, UTC, zeros at the right end left out.
//!
//! Source: a Microtronics answer in their community forum, "Format of timestamp". Zeros are cut wherever the text ends,
//! even inside a two-digit part: `20170126133` is 13:30. A day always has a digit that is not zero, so at least seven remain.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

use crate::clock::Millis;

/// Digits of a whole stamp.
pub const FULL: usize = 17;

/// Digits of the shortest: `2020031` is 2020-03-10.
pub const SHORTEST: usize = 7;

/// 0001-01-01T00:00:00.000Z, the first instant that 17 digits can name.
const FIRST: Millis = -62_135_596_800_000;

/// 9999-12-31T23:59:59.999Z, the last one.
const LAST: Millis = 253_402_300_799_999;

/// 1970-01-01 in days since 0001-01-01, counted from 1.
const EPOCH: i32 = 719_163;

/// The instant that `text` names; `None` where it is no stamp: too short or long, not only digits, or not in the calendar.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Millis> {
    if !(SHORTEST..=FULL).contains(&text.len()) {
        return None;
    }
    let mut full = [b'0'; FULL];
    full[..text.len()].copy_from_slice(text);
    let mut left: u64 = 0;
    for byte in full {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        left = left * 10 + u64::from(digit);
    }
    // One division by a constant for each part, from the right; every part is below 10 000.
    let mut part = |by: u64| {
        let value = left % by;
        left /= by;
        value as u32
    };
    let milli = part(1000);
    let (second, minute, hour) = (part(100), part(100), part(100));
    let (day, month, year) = (part(100), part(100), part(10_000));
    if second > 59 || minute > 59 || hour > 23 || year == 0 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), month, day)?;
    let days = Millis::from(date.num_days_from_ce() - EPOCH);
    let seconds = Millis::from(hour * 3600 + minute * 60 + second);
    Some((days * 86_400 + seconds) * 1000 + Millis::from(milli))
}

/// All 17 digits for `at`. Instants that have no such text (before year 1, after 9999) become the nearest that has.
#[must_use]
pub fn encode(at: Millis) -> String {
    let at = DateTime::from_timestamp_millis(at.clamp(FIRST, LAST)).unwrap_or_default();
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}{:03}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.timestamp_subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::clock::iso;

    #[test]
    fn stamps_with_their_zeros_cut() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                decode(text.as_bytes()).map(iso).as_deref(),
                Some(expected),
                "{text}"
            );
        };
        check("20170126133", "2017-01-26T13:30:00.000Z");
        check("20190909055906035", "2019-09-09T05:59:06.035Z");
        check("2020031", "2020-03-10T00:00:00.000Z");
        check("20200301", "2020-03-01T00:00:00.000Z");
        check("2016022909", "2016-02-29T09:00:00.000Z");
        check("20160229090000000", "2016-02-29T09:00:00.000Z");
        check("2000101", "2000-10-10T00:00:00.000Z");
        check("20191231235959999", "2019-12-31T23:59:59.999Z");
        check("19691231235959999", "1969-12-31T23:59:59.999Z");
        check("00010101", "0001-01-01T00:00:00.000Z");
        check("99991231235959999", "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_is_no_stamp() {
        for text in [
            "",
            "202003",
            "201909090559060350",
            "2017-01-26",
            "20170126T1330",
            "2017012613 ",
            " 20170126",
            "+2017012",
            "２０１７",
            "20171301",
            "20170001",
            "20170100",
            "20190229",
            "19000229",
            "20170431",
            "2017012624",
            "201701261360",
            "20170126133060",
            "00000101",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn instants_beyond_the_digits_are_the_nearest() {
        assert_eq!(encode(Millis::MIN), "00010101000000000");
        assert_eq!(encode(Millis::MAX), "99991231235959999");
        assert_eq!(encode(0), "19700101000000000");
    }

    proptest! {
        #[test]
        fn every_instant_survives_with_and_without_its_zeros(at in FIRST..=LAST, cut in any::<bool>(), coarse in 0u32..9) {
            // Coarse instants end in many zeros.
            let step = 10_i64.pow(coarse);
            let at = (at / step * step).clamp(FIRST, LAST);
            let full = encode(at);
            prop_assert_eq!(full.len(), FULL);
            let text = if cut { full.trim_end_matches('0') } else { &full };
            prop_assert!(text.len() >= SHORTEST);
            prop_assert_eq!(decode(text.as_bytes()), Some(at));
        }

        #[test]
        fn any_text_is_refused_or_means_one_instant(text in "[0-9]{5,19}") {
            if let Some(at) = decode(text.as_bytes()) {
                let full = encode(at);
                prop_assert_eq!(full.trim_end_matches('0'), text.trim_end_matches('0'));
            }
        }
    }
}
