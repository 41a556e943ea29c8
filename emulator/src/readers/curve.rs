//! What a meter counts: a household with or without solar panels, as a function of the time and a seed.
//!
//! A year of quarter hours is laid out once (net power of each, and what was drawn and fed until it began). A meter
//! scales and shifts that year by its seed. Inside a quarter hour the power moves each minute around its mean, so that
//! the counters are the exact integral of the power at every instant, and never go back.

use std::sync::LazyLock;

const QUARTER_MS: i64 = 900_000;
const MINUTE_MS: i64 = 60_000;
const DAY_QUARTERS: usize = 96;
const YEAR_QUARTERS: usize = 365 * DAY_QUARTERS;
const YEAR_MS: i64 = YEAR_QUARTERS as i64 * QUARTER_MS;
/// The meter was put up at 2020-01-01T00:00 (+01:00), with the counters its seed gives.
const INSTALLED_MS: i64 = 1_577_833_200_000;
/// Watt milliseconds of a kilowatt hour: the unit in which counters are kept.
const KWH: i64 = 3_600_000_000;
/// Deviation of each minute from its quarter hour's mean, in thousandths. The sum is 0.
const RIPPLE: [i64; 15] = [
    -210, -190, 160, 240, 90, -60, -170, 310, 180, -120, -230, 40, 130, -90, -80,
];

/// What one meter has counted and what flows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Drawn from the grid so far, in watt milliseconds (3 600 000 000 = 1 kWh).
    pub import_wms: i64,
    /// Fed into the grid so far, in watt milliseconds.
    pub export_wms: i64,
    /// Flowing now, in milliwatts; negative while feeding in.
    pub power_mw: i64,
}

/// The load curve of one meter.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    solar: bool,
    /// Size of this household, in 256ths.
    size: i64,
    shift_ms: i64,
    import_start: i64,
    export_start: i64,
}

impl Curve {
    /// The curve of a seed. With `solar`, noon feeds into the grid.
    pub fn new(seed: u64, solar: bool) -> Self {
        let part = |salt: u64, below: u64| (mix(seed ^ mix(salt)) % below) as i64;
        Self {
            solar,
            size: 128 + part(1, 256),
            shift_ms: part(2, 3_600_000),
            import_start: (1_000 + part(3, 15_000)) * KWH + part(4, KWH as u64),
            export_start: if solar {
                (500 + part(5, 12_000)) * KWH + part(6, KWH as u64)
            } else {
                0
            },
        }
    }

    /// What the meter shows at this instant (milliseconds since 1970 UTC). Before 2020 it shows its first values.
    pub fn at(&self, now_ms: i64) -> Load {
        let year = if self.solar { &*SOLAR } else { &*HOUSEHOLD };
        let run_ms = (now_ms - INSTALLED_MS).max(0) + self.shift_ms;
        let (years, in_year) = (run_ms / YEAR_MS, run_ms % YEAR_MS);
        let (index, in_quarter) = ((in_year / QUARTER_MS) as usize, in_year % QUARTER_MS);
        let quarter = year.quarters[index];
        let (minute, turn) = ((in_quarter / MINUTE_MS) as usize, index % RIPPLE.len());
        let share = |minute: usize| 1_000 + RIPPLE[(minute + turn) % RIPPLE.len()];
        // Thousandths of the mean power, times milliseconds.
        let weight =
            (0..minute).map(share).sum::<i64>() * MINUTE_MS + share(minute) * (in_quarter % MINUTE_MS);
        let counted = |per_year: i64, before: i64, power: i64| {
            let quarters = i128::from(years * per_year + before) * i128::from(QUARTER_MS * 1_000);
            let all = quarters + i128::from(power) * i128::from(weight);
            (all * i128::from(self.size) / 256_000) as i64
        };
        let net = i64::from(quarter.net);
        Load {
            import_wms: self.import_start + counted(year.import, quarter.import, net.max(0)),
            export_wms: self.export_start + counted(year.export, quarter.export, (-net).max(0)),
            power_mw: net * share(minute) * self.size / 256,
        }
    }
}

/// A quarter hour of the year.
#[derive(Clone, Copy)]
struct Quarter {
    /// Mean net power in watts; negative: feeding in.
    net: i32,
    /// Drawn since the year began, in watts times quarter hours.
    import: i64,
    /// Fed in since the year began, likewise.
    export: i64,
}

struct Year {
    quarters: Box<[Quarter]>,
    import: i64,
    export: i64,
}

static HOUSEHOLD: LazyLock<Year> = LazyLock::new(|| Year::lay_out(false));
static SOLAR: LazyLock<Year> = LazyLock::new(|| Year::lay_out(true));

impl Year {
    fn lay_out(solar: bool) -> Self {
        let (mut import, mut export) = (0, 0);
        let quarters = (0..YEAR_QUARTERS)
            .map(|index| {
                let (day, quarter) = (index / DAY_QUARTERS, index % DAY_QUARTERS);
                let sun = if solar { sun(day, quarter) } else { 0.0 };
                let net = (demand(day, quarter) - sun).round() as i32;
                let this = Quarter { net, import, export };
                import += i64::from(net.max(0));
                export += i64::from((-net).max(0));
                this
            })
            .collect();
        Self {
            quarters,
            import,
            export,
        }
    }
}

/// Watts that a household uses: a base load, a peak in the morning, a larger one in the evening, more in winter.
fn demand(day: usize, quarter: usize) -> f64 {
    let hour = quarter as f64 / 4.0;
    let bell = |at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
    let mood = 0.7 + 0.6 * fraction(day as u64);
    let noise = 0.85 + 0.3 * fraction((day * DAY_QUARTERS + quarter) as u64);
    let winter = 1.0 + 0.35 * season(day);
    (140.0 + mood * (620.0 * bell(7.2, 1.1) + 380.0 * bell(12.5, 1.0) + 1_150.0 * bell(19.2, 1.9)))
        * winter
        * noise
}

/// Watts that the panels give: by the height of the sun, the season and the clouds of the day.
fn sun(day: usize, quarter: usize) -> f64 {
    let hour = quarter as f64 / 4.0;
    let half_day = 6.2 - 2.0 * season(day);
    let height = (1.0 - ((hour - 12.4) / half_day).powi(2)).max(0.0);
    let clouds = 0.15 + 0.85 * fraction(day as u64 ^ 0x5afe);
    height * clouds * (3_900.0 - 2_300.0 * season(day))
}

/// 1 in early January, -1 in early July.
fn season(day: usize) -> f64 {
    (std::f64::consts::TAU * (day as f64 - 5.0) / 365.0).cos()
}

fn fraction(seed: u64) -> f64 {
    (mix(seed) >> 11) as f64 / (1u64 << 53) as f64
}

/// SplitMix64's finisher: spreads neighbouring numbers over all bits.
pub(super) fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-06-21T00:00+01:00
    const MIDSUMMER: i64 = 1_781_996_400_000;

    #[test]
    fn the_ripple_keeps_the_mean() {
        assert_eq!(RIPPLE.iter().sum::<i64>(), 0);
        assert!(RIPPLE.iter().all(|minute| minute.abs() < 1_000));
    }

    #[test]
    fn a_day_has_an_evening_peak_and_sun_at_noon() {
        let mean = |curve: &Curve, hours: std::ops::Range<i64>| {
            let of = |hour: i64| curve.at(MIDSUMMER + hour * 3_600_000);
            let (begin, end) = (of(hours.start), of(hours.end));
            (
                end.import_wms - begin.import_wms,
                end.export_wms - begin.export_wms,
            )
        };
        for seed in 0..20 {
            let (home, solar) = (Curve::new(seed, false), Curve::new(seed, true));
            assert!(mean(&home, 18..20).0 > 2 * mean(&home, 2..4).0, "{seed}");
            assert_eq!(mean(&home, 0..24).1, 0, "{seed}");
            assert!(mean(&solar, 11..14).1 > 0, "{seed}");
            assert_eq!(mean(&solar, 0..3).1, 0, "{seed}");
        }
    }

    #[test]
    fn a_year_is_that_of_a_household() {
        let curve = Curve {
            size: 256,
            ..Curve::new(1, false)
        };
        let year = curve.at(INSTALLED_MS + YEAR_MS).import_wms - curve.at(INSTALLED_MS).import_wms;
        assert!((2_500..5_500).contains(&(year / KWH)), "{} kWh", year / KWH);
    }

    proptest! {
        #[test]
        fn counters_never_go_back_and_are_the_integral_of_the_power(
            seed: u64, solar: bool, start in 0_i64..20 * YEAR_MS, step in 0_i64..MINUTE_MS,
        ) {
            let curve = Curve::new(seed, solar);
            // Within one minute the power stands still, so its integral is a product.
            let start = INSTALLED_MS + start;
            let start = start - (start - INSTALLED_MS + curve.shift_ms) % MINUTE_MS;
            let (begin, end) = (curve.at(start), curve.at(start + step));
            prop_assert!(end.import_wms >= begin.import_wms && end.export_wms >= begin.export_wms);
            let counted = (end.import_wms - begin.import_wms) - (end.export_wms - begin.export_wms);
            let expected = begin.power_mw * step / 1_000;
            // The power is cut to milliwatts, and each of the three figures is cut once more.
            let cut = 3 + step / 1_000;
            prop_assert!((counted - expected).abs() <= cut, "{counted} is not {expected}");
        }

        #[test]
        fn counters_never_go_back_over_any_step(seed: u64, solar: bool, start: i32, step in 0_i64..YEAR_MS * 3) {
            let curve = Curve::new(seed, solar);
            let start = i64::from(start) * 1_000;
            let (begin, end) = (curve.at(start), curve.at(start + step));
            prop_assert!(end.import_wms >= begin.import_wms && end.export_wms >= begin.export_wms);
        }
    }
}
