//! The backend's stamps: `YYYYMMDDhhmmsszzz` in UTC, with the zeros at the right end stripped off, also inside a part.
//!
//! Source: an answer of Microtronics' staff ("Format of timestamp"). A day always has a digit that is not 0, so at most
//! ten are stripped and 7 to 17 remain.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime};

const DIGITS: usize = 17;
/// The shortest stamp that has a day: `2020031` is 2020-03-10.
const SHORTEST: usize = 7;
const DAY_MS: i64 = 86_400_000;

/// Reads a stamp as the vendor's parser does: everything but digits is skipped, missing digits are zeros, and what is
/// finer than a millisecond is cut. So it takes ISO texts too, as long as they are UTC.
///
/// Returns milliseconds since 1970 UTC, or nothing for what is no instant.
pub fn decode(text: &str) -> Option<i64> {
    let mut digits = [0_u32; DIGITS];
    let mut count = 0;
    for digit in text
        .chars()
        .filter_map(|character| character.to_digit(10))
        .take(DIGITS)
    {
        digits[count] = digit;
        count += 1;
    }
    if count < SHORTEST {
        return None;
    }
    let number =
        |range: std::ops::Range<usize>| digits[range].iter().fold(0, |number, digit| number * 10 + digit);
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0..4)).ok()?, number(4..6), number(6..8))?;
    // A 60th second would be taken for a leap second if it came as milliseconds above 999; digits cannot say so.
    let time = NaiveTime::from_hms_milli_opt(number(8..10), number(10..12), number(12..14), number(14..17))?;
    Some(date.and_time(time).and_utc().timestamp_millis())
}

/// Writes an instant (milliseconds since 1970 UTC) as the backend does, zeros stripped.
pub fn encode(ms: i64) -> String {
    let mut out = Vec::with_capacity(DIGITS);
    Pen::new(true).write(&mut out, ms);
    out.into_iter().map(char::from).collect()
}

/// Writes many stamps: the date is worked out once a day.
pub(super) struct Pen {
    strip: bool,
    day: i64,
    date: [u8; 8],
}

impl Pen {
    pub(super) fn new(strip: bool) -> Self {
        Self {
            strip,
            day: i64::MIN,
            date: [b'0'; 8],
        }
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>, ms: i64) {
        let day = ms.div_euclid(DAY_MS);
        if day != self.day {
            self.day = day;
            self.date = date_of(ms);
        }
        let rest = ms.rem_euclid(DAY_MS) as u32;
        let mut digits = [b'0'; DIGITS];
        digits[..8].copy_from_slice(&self.date);
        put(&mut digits[8..10], rest / 3_600_000);
        put(&mut digits[10..12], rest / 60_000 % 60);
        put(&mut digits[12..14], rest / 1_000 % 60);
        put(&mut digits[14..17], rest % 1_000);
        let kept = match self.strip {
            true => digits
                .iter()
                .rposition(|digit| *digit != b'0')
                .map_or(0, |last| last + 1),
            false => DIGITS,
        };
        out.extend_from_slice(&digits[..kept]);
    }
}

fn date_of(ms: i64) -> [u8; 8] {
    let date = DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .date_naive();
    let mut digits = [b'0'; 8];
    put(&mut digits[..4], date.year().unsigned_abs());
    put(&mut digits[4..6], date.month());
    put(&mut digits[6..8], date.day());
    digits
}

/// Fills a field with the last digits of a number.
fn put(field: &mut [u8], mut number: u32) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stamps_are_padded_before_they_are_read() {
        let check = |text: &str, expected: &str| {
            let ms = decode(text).unwrap_or_else(|| panic!("{text} was refused"));
            assert_eq!(
                DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339(),
                expected,
                "{text}"
            );
        };
        check("20170126133", "2017-01-26T13:30:00+00:00");
        check("20190909055906035", "2019-09-09T05:59:06.035+00:00");
        check("2020031", "2020-03-10T00:00:00+00:00");
        check("20200301", "2020-03-01T00:00:00+00:00");
        check("2016022909", "2016-02-29T09:00:00+00:00");
        check("2017-01-26T13:30:00.1000000", "2017-01-26T13:30:00.100+00:00");
        check("2017-01-26T13:30:00Z", "2017-01-26T13:30:00+00:00");
        for wrong in [
            "",
            "*",
            "202003",
            "20190229",
            "20191301",
            "2019010124",
            "20190101236",
            "20190100",
        ] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn zeros_are_stripped_at_any_place() {
        let check = |full: &str, expected: &str| assert_eq!(encode(decode(full).unwrap()), expected);
        check("20170126133000000", "20170126133");
        check("20200310000000000", "2020031");
        check("20201010101010100", "202010101010101");
        check("20190909055906035", "20190909055906035");
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(ms in 0_i64..4_102_444_800_000) {
            let text = encode(ms);
            prop_assert!((SHORTEST..=DIGITS).contains(&text.len()) && !text.ends_with('0'));
            prop_assert_eq!(decode(&text), Some(ms));
            let mut full = Vec::new();
            Pen::new(false).write(&mut full, ms);
            prop_assert_eq!(full.len(), DIGITS);
            prop_assert_eq!(decode(std::str::from_utf8(&full).unwrap()), Some(ms));
        }
    }
}
