//! A household's load: low at night, a breakfast, a long evening, more in winter, and never twice the same quarter of an hour.
//!
//! All in whole numbers, so that every machine draws the same curve. Power is constant within a minute; the energy register is
//! its exact sum since the meter was mounted.

use crate::clock::Millis;
use crate::source::Mapped;

use super::BIRTH;

const MINUTE: Millis = 60_000;
const MINUTES: i64 = 15;
const QUARTER: Millis = MINUTE * MINUTES;
const QUARTERS: i64 = 96;
const DAY: Millis = QUARTER * QUARTERS;
/// Power is counted so finely that nothing has to be divided: quarters of a watt, by hundredths of the season, of the
/// household's size and of the day.
const WATT: i64 = 4 * 100 * 100 * 100;
const WATT_HOUR: i128 = WATT as i128 * 3_600_000;

/// Watts in a middling season, by hour of the day (UTC).
const BY_HOUR: [i64; 24] = [
    170, 150, 140, 140, 160, 280, 520, 610, 430, 340, 330, 480, //
    510, 370, 320, 340, 460, 720, 930, 880, 690, 520, 360, 230,
];

/// Hundredths of that, by month, at the middle of each.
const BY_MONTH: [i64; 12] = [135, 128, 113, 98, 86, 79, 76, 79, 90, 104, 122, 134];

/// What a channel measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Energy drawn, in kWh with three decimals.
    KiloWattHours,
    /// Energy drawn, in whole Wh.
    WattHours,
    /// Power, in whole W.
    Watts,
    /// Power, in kW with three decimals.
    KiloWatts,
    /// Voltage, in V with one decimal.
    Volts,
    /// Energy fed in: none, this household has no roof of its own.
    Export,
}

/// One household among as many as there are seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Household {
    seed: u64,
    /// Per cent of the common load.
    size: i64,
}

/// A household's meter at one instant.
#[derive(Clone, Debug)]
pub struct Meter {
    household: Household,
    at: Millis,
    /// Energy since the meter was mounted, in [`WATT`]ths of a watt, by milliseconds.
    energy: i128,
}

/// What each channel measures: by OBIS code, else by unit. Of channels with neither, the first is the energy register and the
/// others are power.
#[must_use]
pub fn kinds(channels: &[Mapped]) -> Vec<Kind> {
    let kind = |(i, mapped): (usize, &Mapped)| {
        let unit = mapped.channel.unit.as_deref();
        // Of `1-0:16.7.0*255` the middle tells the quantity.
        let quantity = mapped.channel.obis.as_deref().map(|obis| {
            let tail = obis.rsplit(':').next().unwrap_or(obis);
            tail.split('*').next().unwrap_or(tail)
        });
        match (quantity, unit) {
            (Some("2.8.0" | "2.7.0"), _) => Kind::Export,
            (_, Some("Wh")) => Kind::WattHours,
            (_, Some("kWh")) => Kind::KiloWattHours,
            (_, Some("W")) => Kind::Watts,
            (_, Some("kW")) => Kind::KiloWatts,
            (_, Some("V")) | (Some("32.7.0" | "52.7.0" | "72.7.0"), _) => Kind::Volts,
            (Some("1.8.0"), _) => Kind::KiloWattHours,
            (Some(_), _) => Kind::Watts,
            (None, _) if i == 0 => Kind::KiloWattHours,
            (None, _) => Kind::Watts,
        }
    };
    channels.iter().enumerate().map(kind).collect()
}

impl Household {
    /// The household of this seed: between half and one and a half times the common load.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            size: 50 + draw(seed, 0, 101),
        }
    }

    /// Its meter as it stands at `at`, which is not before [`BIRTH`].
    #[must_use]
    pub fn meter(&self, at: Millis) -> Meter {
        let mut meter = Meter {
            household: *self,
            at: BIRTH,
            energy: 0,
        };
        meter.advance(at);
        meter
    }

    /// What the load of a day is multiplied by: season, size and the people's mood. Days are numbered from [`BIRTH`].
    fn day(&self, number: i64) -> i64 {
        // Twelve equal months in a year of 365.25 days, the first of which has its middle on 16 January; in quarters of days.
        let (month, year) = (1461 / 12, 1461);
        let since = ((number - 15) * 4).rem_euclid(year);
        let by_month = between(&BY_MONTH, since / month, since % month, month);
        by_month * self.size * (80 + draw(self.seed, number, 41))
    }

    /// Mean power of a quarter of an hour. What one has more than is common at this hour, its mirror in the day has less, so
    /// that the sum of a day is known without looking at its quarters.
    fn quarter(&self, number: i64) -> i64 {
        let (day, quarter) = (number / QUARTERS, number % QUARTERS);
        let (common, mirror) = (common(quarter), QUARTERS - 1 - quarter);
        let place = day * QUARTERS + quarter.min(mirror);
        let swing = common.min(self::common(mirror)) * (draw(self.seed ^ 1, place, 81) - 40) / 100;
        let swing = if quarter < mirror { swing } else { -swing };
        (common + swing) * self.day(day)
    }

    /// Power in a minute of a quarter with this mean; mirrored like the quarters of a day.
    fn minute(&self, number: i64, minute: i64, mean: i64) -> i64 {
        let mirror = MINUTES - 1 - minute;
        let place = number * MINUTES + minute.min(mirror);
        let swing = mean / 100 * (draw(self.seed ^ 2, place, 51) - 25);
        mean + swing * (mirror - minute).signum()
    }
}

impl Meter {
    /// Lets the time pass until `at`; a meter never runs backwards.
    pub fn advance(&mut self, at: Millis) {
        while self.at < at {
            let (since, left) = (self.at - BIRTH, at - self.at);
            if since % DAY == 0 && left >= DAY {
                let factor = self.household.day(since / DAY);
                // The sum over its quarters, each as long as a quarter.
                self.energy += i128::from(COMMON_DAY * factor) * i128::from(QUARTER);
                self.at += DAY;
                continue;
            }
            let number = since / QUARTER;
            let mean = self.household.quarter(number);
            let inside = since % QUARTER;
            if inside == 0 && left >= QUARTER {
                self.add(mean, QUARTER);
                continue;
            }
            let power = self.household.minute(number, inside / MINUTE, mean);
            self.add(power, (MINUTE - inside % MINUTE).min(left));
        }
    }

    /// Energy since the meter was mounted, whole Wh.
    #[must_use]
    pub fn watt_hours(&self) -> i64 {
        i64::try_from(self.energy / WATT_HOUR).unwrap_or(i64::MAX)
    }

    /// Present power, whole W.
    #[must_use]
    pub fn watts(&self) -> i64 {
        let since = self.at - BIRTH;
        let number = since / QUARTER;
        let mean = self.household.quarter(number);
        let minute = since % QUARTER / MINUTE;
        self.household.minute(number, minute, mean) / WATT
    }

    /// Lets so many milliseconds pass at this power.
    fn add(&mut self, power: i64, time: Millis) {
        self.energy += i128::from(power) * i128::from(time);
        self.at += time;
    }

    /// The number text of one kind of value.
    #[must_use]
    pub fn read(&self, kind: Kind) -> String {
        let thousandths = |n: i64| format!("{}.{:03}", n / 1000, n % 1000);
        match kind {
            Kind::KiloWattHours => thousandths(self.watt_hours()),
            Kind::WattHours => self.watt_hours().to_string(),
            Kind::Watts => self.watts().to_string(),
            Kind::KiloWatts => thousandths(self.watts()),
            Kind::Volts => {
                // A little lower under load.
                let tenths = 2320 - self.watts() / 200 + draw(self.household.seed, self.at / MINUTE, 21) - 10;
                format!("{}.{}", tenths / 10, tenths % 10)
            }
            Kind::Export => "0".into(),
        }
    }
}

/// Load in a quarter of the day, in quarters of a watt: between two hours.
const fn common(quarter: i64) -> i64 {
    let (hour, part) = ((quarter / 4) as usize, quarter % 4);
    BY_HOUR[hour] * (4 - part) + BY_HOUR[(hour + 1) % 24] * part
}

/// The sum of all quarters of a day.
const COMMON_DAY: i64 = {
    let (mut sum, mut quarter) = (0, 0);
    while quarter < QUARTERS {
        sum += common(quarter);
        quarter += 1;
    }
    sum
};

/// Between two neighbours of a ring of values, `part` of `parts` on the way.
fn between(ring: &[i64], at: i64, part: i64, parts: i64) -> i64 {
    let value = |i: i64| ring[i.rem_euclid(ring.len() as i64) as usize];
    (value(at) * (parts - part) + value(at + 1) * part) / parts
}

/// A number below `bound`, always the same for the same seed and place.
fn draw(seed: u64, place: i64, bound: u64) -> i64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&place.to_le_bytes(), seed);
    (hash % bound).cast_signed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::reading::Channel;

    fn energy(seed: u64, from: Millis, until: Millis) -> i64 {
        let household = Household::new(seed);
        household.meter(until).watt_hours() - household.meter(from).watt_hours()
    }

    #[test]
    fn nights_and_summers_are_cheaper() {
        for seed in 0..20 {
            let january = BIRTH + 8 * 365 * DAY;
            let july = january + 181 * DAY;
            let month = |from| energy(seed, from, from + 30 * DAY);
            assert!(month(january) * 10 > month(july) * 13, "seed {seed}");
            let over_days = |hour: i64| -> i64 {
                (0..30)
                    .map(|day| january + day * DAY + hour * 3_600_000)
                    .map(|from| energy(seed, from, from + 3_600_000))
                    .sum()
            };
            assert!(over_days(18) > over_days(2) * 4, "seed {seed}");
            let year = energy(seed, january, january + 365 * DAY) / 1000;
            assert!((1500..7500).contains(&year), "seed {seed}: {year} kWh a year");
        }
    }

    #[test]
    fn what_a_channel_measures() {
        let channel = |obis: &str, unit: &str| Mapped {
            channel: Channel {
                obis: Some(obis.to_owned()).filter(|o| !o.is_empty()),
                unit: Some(unit.to_owned()).filter(|u| !u.is_empty()),
                ..Channel::named("x")
            },
            scale: None,
        };
        let check = |channels: &[(&str, &str)], expected: &[Kind]| {
            let channels: Vec<Mapped> = channels.iter().map(|(o, u)| channel(o, u)).collect();
            assert_eq!(kinds(&channels), expected, "{channels:?}");
        };
        check(&[("", ""), ("", "")], &[Kind::KiloWattHours, Kind::Watts]);
        check(
            &[
                ("1-0:16.7.0*255", ""),
                ("1-0:1.8.0*255", "Wh"),
                ("1-0:2.8.0*255", "kWh"),
            ],
            &[Kind::Watts, Kind::WattHours, Kind::Export],
        );
        check(
            &[("1-0:32.7.0*255", ""), ("", "kW")],
            &[Kind::Volts, Kind::KiloWatts],
        );
    }

    proptest! {
        #[test]
        fn a_meter_read_in_steps_is_the_meter_read_at_once(
            seed in any::<u64>(),
            start in BIRTH..BIRTH + 4000 * DAY,
            steps in prop::collection::vec(prop_oneof![1..2 * QUARTER, 1..3 * DAY], 1..20),
        ) {
            let household = Household::new(seed);
            let mut meter = household.meter(start);
            let mut at = start;
            for step in steps {
                at += step;
                let before = meter.energy;
                meter.advance(at);
                prop_assert!(meter.energy > before);
                prop_assert!(meter.watts() > 0 && meter.watts() < 5000, "{} W", meter.watts());
            }
            let once = household.meter(at);
            prop_assert_eq!(once.energy, meter.energy);
        }
    }
}
