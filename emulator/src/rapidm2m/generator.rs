/// Makes the rows of a series from their stamps: row `k` is `start_ms + k * interval_ms`, and everything about it
/// follows from `k`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generator {
    /// Stamp of the first row, in milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// No row is stamped at or after this. `None`: rows go on with the clock.
    pub end_ms: Option<i64>,
    /// Time between rows, in milliseconds; at least 1.
    pub interval_ms: i64,
    /// The logger calls in at multiples of this (milliseconds since 1970) and uploads what it has. 0: each row at once.
    pub upload_ms: i64,
    /// Rows that come later still.
    pub late: Option<Late>,
    /// Rows whose values change afterwards.
    pub correction: Option<Correction>,
    /// Every so many values one is missing, in turn as `"NAN"` and `null`. 0: none.
    pub missing_every: u32,
    /// Changes the values.
    pub seed: u64,
}

/// One row in `every` becomes visible `by_ms` later than the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Which rows: those with `k % every == every - 1`. At least 1.
    pub every: u32,
    /// By how much, in milliseconds.
    pub by_ms: i64,
}

/// One row in `every` changes its values `after_ms` after it became visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Which rows: those with `k % every == 0`. At least 1.
    pub every: u32,
    /// When, in milliseconds after it became visible.
    pub after_ms: i64,
}

/// How the values of a channel run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wave {
    /// A counter: whole numbers that only rise.
    Counter {
        /// Of the first row, at least.
        start: i64,
        /// Mean step from row to row; at least 1.
        step: i64,
    },
    /// A measurement that stays near a value.
    Gauge {
        /// The middle, in units of the last digit.
        base: i64,
        /// How far it goes to each side, in units of the last digit.
        spread: i64,
        /// Digits after the point, at most 9.
        decimals: u32,
    },
}

impl Default for Generator {
    /// A row each quarter hour since 2026, without faults.
    fn default() -> Self {
        Self {
            start_ms: 1_767_225_600_000,
            end_ms: None,
            interval_ms: 900_000,
            upload_ms: 0,
            late: None,
            correction: None,
            missing_every: 0,
            seed: 1,
        }
    }
}

impl Generator {
    pub(super) fn stamp(&self, row: i64) -> i64 {
        self.start_ms + row * self.interval_ms
    }

    /// The first row stamped at or after this instant.
    pub(super) fn first_from(&self, ms: i64) -> i64 {
        let since = ms.saturating_sub(self.start_ms).max(0);
        since / self.interval_ms + i64::from(since % self.interval_ms != 0)
    }

    /// The first row stamped after this instant, or after the last one there can be at `now_ms`.
    pub(super) fn end_until(&self, until_ms: i64, now_ms: i64) -> i64 {
        let last = until_ms
            .min(now_ms)
            .min(self.end_ms.map_or(i64::MAX, |end| end - 1));
        if last < self.start_ms {
            0
        } else {
            (last - self.start_ms) / self.interval_ms + 1
        }
    }

    /// When a row becomes visible.
    pub(super) fn visible_ms(&self, row: i64) -> i64 {
        let stamp = self.stamp(row);
        let uploaded = match self.upload_ms {
            ..=0 => stamp,
            period => stamp + (-stamp).rem_euclid(period),
        };
        match self.late {
            Some(late) if row % i64::from(late.every) == i64::from(late.every) - 1 => uploaded + late.by_ms,
            _ => uploaded,
        }
    }

    /// When the values of a row change, if they ever do.
    pub(super) fn corrected_ms(&self, row: i64) -> Option<i64> {
        let correction = self.correction?;
        (row % i64::from(correction.every) == 0).then(|| self.visible_ms(row) + correction.after_ms)
    }

    /// Appends the value of a channel (by its position) in a row; `corrected` is one more in its last digit.
    pub(super) fn write(&self, out: &mut Vec<u8>, wave: Wave, channel: usize, row: i64, corrected: bool) {
        let value_number = row as u64 * 8 + channel as u64;
        if self.missing_every > 0 {
            let nth = value_number % u64::from(self.missing_every);
            if nth == u64::from(self.missing_every) - 1 {
                out.extend_from_slice(if row % 2 == 0 { b"\"NAN\"" } else { b"null" });
                return;
            }
        }
        let chance = scatter(value_number ^ self.seed.rotate_left(32));
        match wave {
            Wave::Counter { start, step } => {
                let within = (chance % step.max(1) as u64) as i64;
                write_integer(out, start + row * step + within + i64::from(corrected));
            }
            Wave::Gauge {
                base,
                spread,
                decimals,
            } => {
                let aside = (chance % (2 * spread.unsigned_abs() + 1)) as i64 - spread.abs();
                write_decimal(out, base + aside + i64::from(corrected), decimals);
            }
        }
    }
}

/// Cheaper than a good hash, and good enough to make neighbouring rows differ.
fn scatter(number: u64) -> u64 {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread ^ (spread >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// Appends a number's digits without the cost of formatting.
pub(super) fn write_integer(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

fn write_decimal(out: &mut Vec<u8>, number: i64, decimals: u32) {
    if decimals == 0 {
        return write_integer(out, number);
    }
    let decimals = decimals.min(9);
    let digits = number.unsigned_abs();
    if number < 0 {
        out.push(b'-');
    }
    write_integer(out, (digits / 10_u64.pow(decimals)) as i64);
    out.push(b'.');
    out.extend(
        (0..decimals)
            .rev()
            .map(|place| b'0' + (digits / 10_u64.pow(place) % 10) as u8),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use proptest::prelude::*;

    use super::*;

    fn value(generator: &Generator, wave: Wave, row: i64, corrected: bool) -> String {
        let mut out = Vec::new();
        generator.write(&mut out, wave, 0, row, corrected);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_become_visible_with_the_upload_and_later() {
        let generator = Generator {
            start_ms: 1_000,
            interval_ms: 100,
            upload_ms: 1_000,
            late: Some(Late {
                every: 3,
                by_ms: 5_000,
            }),
            ..Generator::default()
        };
        let visible: Vec<_> = [0, 1, 2, 9, 10, 11].map(|row| generator.visible_ms(row)).into();
        assert_eq!(visible, [1_000, 2_000, 7_000, 2_000, 2_000, 8_000]);
    }

    #[test]
    fn windows_become_rows() {
        let generator = Generator {
            start_ms: 1_000,
            interval_ms: 100,
            end_ms: Some(2_000),
            ..Generator::default()
        };
        assert_eq!(
            [0, 1_000, 1_001, 1_100].map(|ms| generator.first_from(ms)),
            [0, 0, 1, 1]
        );
        assert_eq!(
            [999, 1_000, 1_099, 1_100, 9_999].map(|ms| generator.end_until(ms, i64::MAX)),
            [0, 1, 1, 2, 10]
        );
        assert_eq!(generator.end_until(9_999, 1_250), 3);
    }

    #[test]
    fn values_are_written_with_all_their_digits() {
        let mut out = Vec::new();
        for (number, decimals) in [(0, 0), (-5, 0), (2_305, 1), (-5, 2), (7, 3), (i64::MIN, 0)] {
            write_decimal(&mut out, number, decimals);
            out.push(b' ');
        }
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "0 -5 230.5 -0.05 0.007 -9223372036854775808 "
        );
    }

    #[test]
    fn missing_values_come_in_both_forms_and_corrections_change_a_value() {
        let generator = Generator {
            missing_every: 5,
            ..Generator::default()
        };
        let wave = Wave::Counter { start: 0, step: 10 };
        let all: Vec<_> = (0..40).map(|row| value(&generator, wave, row, false)).collect();
        assert_eq!(all.iter().filter(|text| *text == "\"NAN\"").count(), 4);
        assert_eq!(all.iter().filter(|text| *text == "null").count(), 4);
        let (before, after) = (
            value(&generator, wave, 0, false),
            value(&generator, wave, 0, true),
        );
        assert_eq!(before.parse::<i64>().unwrap() + 1, after.parse::<i64>().unwrap());
    }

    proptest! {
        #[test]
        fn a_counter_never_goes_back(seed: u64, row in 0_i64..1_000_000_000, step in 1_i64..10_000) {
            let generator = Generator { seed, ..Generator::default() };
            let of = |row| value(&generator, Wave::Counter { start: 5, step }, row, false).parse::<i64>().unwrap();
            prop_assert!(of(row) <= of(row + 1));
        }
    }
}
