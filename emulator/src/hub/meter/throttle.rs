//! Rates, traffic shaping and turns. Reads no clock.
//!
//! A hub takes a burst above its rate at once, then has operations wait in a queue that runs at the rate, and refuses
//! when the queue is full (Azure docs, traffic shaping). How long a burst and how long a queue is not told but for "the
//! first minute or two"; here both are numbers of seconds at the rate, and a turn is known when the operation comes.

use std::fmt;
use std::str::FromStr;

use super::Operation;
use crate::hub::options::Tier;

/// So many operations in a second or in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    operations: u32,
    seconds: u32,
}

/// How a hub takes more than its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shaping {
    /// A burst of so many seconds' worth is taken at once.
    pub burst_s: u32,
    /// Beyond it, so many seconds' worth wait for their turn; what does not fit is refused.
    pub queue_s: u32,
}

/// The rates of a hub, by operation. None by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throttles {
    rates: [Option<Rate>; Operation::COUNT],
    /// `None`: the worth of one second, or of one minute, whichever a rate counts in, is taken at once and nothing waits.
    shaping: Option<Shaping>,
}

/// A rate that is not written as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rate; write 100/s or 100/min, and at least 1")]
pub struct BadRate(String);

/// When the next turn of each operation is, microseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Turns([i64; Operation::COUNT]);

impl Rate {
    /// Operations in a second.
    pub fn per_second(operations: u32) -> Self {
        let seconds = 1;
        Self { operations, seconds }
    }

    /// Operations in a minute.
    pub fn per_minute(operations: u32) -> Self {
        let seconds = 60;
        Self { operations, seconds }
    }

    /// How long one operation keeps the next waiting, microseconds.
    fn interval_us(self) -> i64 {
        i64::from(self.seconds) * 1_000_000 / i64::from(self.operations.max(1))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.seconds == 1 { "s" } else { "min" };
        write!(f, "{}/{unit}", self.operations)
    }
}

impl FromStr for Rate {
    type Err = BadRate;

    /// Reads `100/s` and `100/min`.
    fn from_str(text: &str) -> Result<Self, BadRate> {
        let bad = || BadRate(text.to_owned());
        let (operations, unit) = text.split_once('/').ok_or_else(bad)?;
        let operations = operations.parse().ok().filter(|n| *n > 0).ok_or_else(bad)?;
        match unit {
            "s" => Ok(Self::per_second(operations)),
            "min" => Ok(Self::per_minute(operations)),
            _ => Err(bad()),
        }
    }
}

impl Shaping {
    /// What a hub is taken to do: a minute's worth at once, and 10 s of queue, for it tells who is refused to wait 10 s.
    pub const LIKE_AZURE: Self = Self {
        burst_s: 60,
        queue_s: 10,
    };
}

impl Throttles {
    /// The documented rates of `units` hub units, shaped (Azure docs, IoT Hub quotas and throttling, 2025-05).
    pub fn documented(tier: Tier, units: u32) -> Self {
        use Operation::{
            Connect, Method, Query, Receive, Registry, Send, SendToDevice, TwinRead, TwinUpdate, Upload,
        };
        let times = |n: u32| units.saturating_mul(n);
        // Methods in turns of 4 KB: 160 KB, 480 KB and 24 MB a second.
        let (sends, methods, reads, updates) = match tier {
            Tier::F1 | Tier::B1 | Tier::S1 => (times(12).max(100), times(40), 100, 50),
            Tier::B2 | Tier::S2 => (times(120), times(120), times(10).max(100), times(5).max(50)),
            Tier::B3 | Tier::S3 => (times(6_000), times(6_000), times(500), times(250)),
        };
        // The third tiers have fifty times as much of what counts by the minute.
        let minute = |n: u32| {
            let more = if matches!(tier, Tier::B3 | Tier::S3) {
                50
            } else {
                1
            };
            Rate::per_minute(times(n).saturating_mul(more))
        };
        [
            (Send, Rate::per_second(sends)),
            (Connect, Rate::per_second(sends)),
            (Registry, minute(100)),
            (Query, minute(20)),
            (SendToDevice, minute(100)),
            (Receive, minute(1_000)),
            (Method, Rate::per_second(methods)),
            (TwinRead, Rate::per_second(reads)),
            (TwinUpdate, Rate::per_second(updates)),
            (Upload, minute(100)),
        ]
        .into_iter()
        .fold(Self::default(), |all, (operation, rate)| {
            all.with(operation, rate)
        })
        .shaped(Shaping::LIKE_AZURE)
    }

    /// The same with another rate of one operation.
    pub fn with(mut self, operation: Operation, rate: Rate) -> Self {
        self.rates[operation as usize] = Some(rate);
        self
    }

    /// The same with traffic shaping.
    pub fn shaped(self, shaping: Shaping) -> Self {
        let shaping = Some(shaping);
        Self { shaping, ..self }
    }

    /// How it takes more than its rates, if it does.
    pub fn shaping(&self) -> Option<Shaping> {
        self.shaping
    }

    /// The rate of an operation; `None`: as many as come.
    pub fn rate(&self, operation: Operation) -> Option<Rate> {
        self.rates[operation as usize]
    }
}

impl Turns {
    /// Takes turns of an operation, all or none: how long they have to wait, milliseconds, or `None` if the queue is full.
    /// Alone, what takes more turns than a burst holds goes too: it makes the next one wait.
    pub(super) fn take(
        &mut self,
        throttles: &Throttles,
        operation: Operation,
        turns: u32,
        now_ms: i64,
    ) -> Option<u64> {
        let Some(rate) = throttles.rate(operation) else {
            return Some(0);
        };
        let (burst_s, queue_s) = throttles
            .shaping
            .map_or((rate.seconds, 0), |shaping| (shaping.burst_s, shaping.queue_s));
        let [burst_us, queue_us] = [burst_s, queue_s].map(|s| i64::from(s) * 1_000_000);
        let now_us = now_ms.saturating_mul(1000);
        let next = &mut self.0[operation as usize];
        let from = (*next).max(now_us);
        let to = from.saturating_add(rate.interval_us().saturating_mul(turns.into()));
        let late_us = to - now_us - burst_us;
        if late_us > queue_us && from > now_us {
            return None;
        }
        *next = to;
        Some(u64::try_from(late_us.min(queue_us)).unwrap_or(0).div_ceil(1000))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Takes turns one after the other, each at its time and of its size.
    fn take(throttles: Throttles, asked: &[(i64, u32)]) -> Vec<Option<u64>> {
        let mut turns = Turns::default();
        asked
            .iter()
            .map(|(now_ms, n)| turns.take(&throttles, Operation::Method, *n, *now_ms))
            .collect()
    }

    #[test]
    fn a_rate_allows_its_own_time_of_burst_and_refills() {
        let two = Throttles::default().with(Operation::Method, Rate::per_second(2));
        let at = [0, 0, 0, 499, 500, 500, 10_000, 10_000, 10_000].map(|now| (now, 1));
        let taken: Vec<bool> = take(two, &at).iter().map(Option::is_some).collect();
        assert_eq!(taken, [true, true, false, false, true, false, true, true, false]);
        let twenty = Throttles::default().with(Operation::Method, Rate::per_minute(20));
        let at: Vec<_> = [0; 21]
            .into_iter()
            .chain([2_999, 3_000])
            .map(|now| (now, 1))
            .collect();
        let taken = take(twenty, &at);
        assert_eq!(taken.iter().filter(|taken| taken.is_some()).count(), 21);
        assert_eq!(taken[20..], [None, None, Some(0)]);
    }

    #[test]
    fn a_burst_goes_at_once_then_turns_wait_then_none_is_given() {
        let shaping = Shaping {
            burst_s: 2,
            queue_s: 1,
        };
        let shaped = Throttles::default()
            .with(Operation::Method, Rate::per_second(2))
            .shaped(shaping);
        let at = [0, 0, 0, 0, 0, 0, 0, 500, 500, 3_000].map(|now| (now, 1));
        let some = Some;
        assert_eq!(
            take(shaped, &at),
            [
                some(0),
                some(0),
                some(0),
                some(0),
                some(500),
                some(1000),
                None,
                some(1000),
                None,
                some(0)
            ]
        );
    }

    #[test]
    fn several_turns_are_taken_together_or_not_at_all() {
        let ten = Throttles::default().with(Operation::Method, Rate::per_second(10));
        assert_eq!(
            take(
                ten,
                &[(0, 8), (0, 3), (0, 2), (1_000, 32), (2_000, 1), (4_200, 1)]
            ),
            [Some(0), None, Some(0), Some(0), None, Some(0)]
        );
    }

    #[test]
    fn the_documented_rates() {
        use Operation::{Method, Query, Receive, Registry, Send, TwinRead, TwinUpdate};
        let (second, minute) = (Rate::per_second, Rate::per_minute);
        for (tier, units, operation, rate) in [
            (Tier::F1, 1, Send, second(100)),
            (Tier::S1, 2, Send, second(100)),
            (Tier::S1, 10, Send, second(120)),
            (Tier::B2, 2, Send, second(240)),
            (Tier::S3, 1, Send, second(6_000)),
            (Tier::S1, 3, Registry, minute(300)),
            (Tier::S3, 2, Registry, minute(10_000)),
            (Tier::S3, 1, Query, minute(1_000)),
            (Tier::S3, 1, Receive, minute(50_000)),
            (Tier::S1, 1, Method, second(40)),
            (Tier::S1, 5, TwinRead, second(100)),
            (Tier::S2, 20, TwinRead, second(200)),
            (Tier::S2, 20, TwinUpdate, second(100)),
            (Tier::S3, 2, TwinUpdate, second(500)),
        ] {
            let documented = Throttles::documented(tier, units).rate(operation);
            assert_eq!(documented, Some(rate), "{tier:?} {units} {operation:?}");
        }
    }

    #[test]
    fn rates_are_read() {
        assert_eq!("5/s".parse(), Ok(Rate::per_second(5)));
        assert_eq!("7/min".parse(), Ok(Rate::per_minute(7)));
        assert_eq!(
            [Rate::per_second(5), Rate::per_minute(7)].map(|rate| rate.to_string()),
            ["5/s", "7/min"]
        );
        for bad in ["", "5", "5/h", "0/s", "-1/s", "x/s", "5/s "] {
            let error = bad.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains("100/min"), "{error}");
        }
    }
}
