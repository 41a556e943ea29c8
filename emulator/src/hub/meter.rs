//! Throttles, the daily quota, and what is charged.
//!
//! # Layout
//!
//! - [`Operation`]: what throttles tell apart. `throttle`: [`Rate`]s, traffic shaping and turns, pure.
//! - [`Charge`]: what is billed. `quota`: the day's units, pure.
//! - [`Meter`]: both, shared; [`Inner::turn`] and [`Inner::charge`] are how the rest of the hub asks it.

mod charge;
mod operation;
mod quota;
mod throttle;

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::sleep;

pub use charge::Charged;
pub(super) use charge::{Charge, Charges};
pub use operation::Operation;
pub(super) use quota::QuotaExceeded;
pub use throttle::{BadRate, Rate, Shaping, Throttles};

use super::Inner;
use super::options::{HubOptions, Tier};
use super::refusal::Refusal;
use super::registry::Entry;
use quota::Day;
use throttle::Turns;

/// What has been used of a hub's rates and of its day. Reads no clock: `now_ms` is an argument.
pub(super) struct Meter {
    tier: Tier,
    /// How many times faster than the hub's clock its own time passes, from `since_ms` on.
    speed: u32,
    since_ms: i64,
    used: Mutex<Used>,
}

struct Used {
    throttles: Throttles,
    units_per_day: Option<u64>,
    turns: Turns,
    day: Day,
}

/// Why an operation does not get its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// 429: too many of its kind came, and the queue is full.
    Throttled(Operation),
    /// 403010: not in this tier.
    NotInTier(Operation),
}

impl Meter {
    pub(super) fn new(options: &HubOptions) -> Self {
        Self {
            tier: options.tier,
            speed: options.clock_speed.max(1),
            since_ms: options.clock.now_ms(),
            used: Mutex::new(Used {
                throttles: options.limits.throttles,
                units_per_day: options.limits.units_per_day,
                turns: Turns::default(),
                day: Day::default(),
            }),
        }
    }

    /// Takes an operation's turn. Returns how long it has to wait for it, milliseconds by the machine's clock.
    pub(super) fn take(&self, operation: Operation, now_ms: i64) -> Result<u64, NoTurn> {
        self.take_many(operation, 1, now_ms)
    }

    /// Takes as many turns of one operation at once: a direct method takes one for each 4 KB.
    pub(super) fn take_many(&self, operation: Operation, turns: u32, now_ms: i64) -> Result<u64, NoTurn> {
        if !self.tier.has(operation) {
            return Err(NoTurn::NotInTier(operation));
        }
        let now_ms = self.time(now_ms);
        let mut used = self.used();
        let throttles = used.throttles;
        let waits_ms = used.turns.take(&throttles, operation, turns, now_ms);
        drop(used);
        match waits_ms {
            Some(waits_ms) => Ok(waits_ms.div_ceil(u64::from(self.speed))),
            None => Err(NoTurn::Throttled(operation)),
        }
    }

    /// Takes billing units from the day, all or none. The count starts again at 00:00 UTC.
    pub(super) fn units(&self, units: u64, now_ms: i64) -> Result<(), QuotaExceeded> {
        let now_ms = self.time(now_ms);
        let mut used = self.used();
        let max = used.units_per_day;
        used.day.take(units, max, now_ms)
    }

    /// Whether the day still holds so many units.
    pub(super) fn has_units(&self, units: u64, now_ms: i64) -> Result<(), QuotaExceeded> {
        let now_ms = self.time(now_ms);
        let mut used = self.used();
        let max = used.units_per_day;
        used.day.has(units, max, now_ms)
    }

    /// Adds units to the day for what has happened already, whether it holds them or not.
    pub(super) fn spend(&self, units: u64, now_ms: i64) {
        let now_ms = self.time(now_ms);
        self.used().day.spend(units, now_ms);
    }

    /// Billing units of so many bytes; nothing at all is one.
    pub(super) fn units_of(&self, bytes: usize) -> u64 {
        bytes.div_ceil(self.tier.unit_bytes()).max(1) as u64
    }

    /// The units of today so far, and how many a day has.
    pub(super) fn today(&self, now_ms: i64) -> (u64, Option<u64>) {
        let now_ms = self.time(now_ms);
        let mut used = self.used();
        let max = used.units_per_day;
        (used.day.used(now_ms), max)
    }

    /// The rates, and how many units a day has.
    pub(super) fn limits(&self) -> (Throttles, Option<u64>) {
        let used = self.used();
        (used.throttles, used.units_per_day)
    }

    /// Goes by others from now on: with full bursts, and with the units that the day has used.
    pub(super) fn set_limits(&self, throttles: Throttles, units_per_day: Option<u64>) {
        let mut used = self.used();
        used.throttles = throttles;
        used.units_per_day = units_per_day;
        used.turns = Turns::default();
    }

    /// The day that units are counted of, from 1970, and its units.
    pub(super) fn day(&self) -> (i64, u64) {
        self.used().day.parts()
    }

    /// Goes on with a day.
    pub(super) fn set_day(&self, number: i64, units: u64) {
        self.used().day = Day::of(number, units);
    }

    /// The meter's time at `now_ms` of the hub's clock.
    fn time(&self, now_ms: i64) -> i64 {
        let passed = now_ms.saturating_sub(self.since_ms);
        self.since_ms
            .saturating_add(passed.saturating_mul(self.speed.into()))
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Waits for an operation's turn, or refuses it: 429 for the rate, 403 for the tier.
    pub(super) async fn turn(&self, operation: Operation, now_ms: i64) -> Result<(), Refusal> {
        self.turns(operation, 1, now_ms).await
    }

    /// The same for an operation that takes several turns.
    pub(super) async fn turns(&self, operation: Operation, turns: u32, now_ms: i64) -> Result<(), Refusal> {
        let waits_ms = self.meter.take_many(operation, turns, now_ms)?;
        if waits_ms > 0 {
            sleep(Duration::from_millis(waits_ms)).await;
        }
        Ok(())
    }

    /// Charges `bytes` to a device, or refuses for the day's quota (403002).
    pub(super) fn charge(
        &self,
        to: &Entry,
        charge: Charge,
        bytes: usize,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        let units = self.meter.units_of(bytes);
        self.take_units(units, now_ms)?;
        to.counters.charge(charge, units);
        Ok(())
    }

    /// Charges what has happened already, such as the answer to a direct method.
    pub(super) fn charge_anyway(&self, to: &Entry, charge: Charge, bytes: usize, now_ms: i64) {
        let units = self.meter.units_of(bytes);
        self.meter.spend(units, now_ms);
        to.counters.charge(charge, units);
    }

    /// Charges a page of a query, which is no device's.
    pub(super) fn charge_query(&self, bytes: usize, now_ms: i64) -> Result<(), Refusal> {
        let units = self.meter.units_of(bytes);
        self.take_units(units, now_ms)?;
        self.counters.queries.fetch_add(units, Ordering::Relaxed);
        Ok(())
    }

    /// Takes units from the day, or refuses (403002).
    pub(super) fn take_units(&self, units: u64, now_ms: i64) -> Result<(), Refusal> {
        let taken = self.meter.units(units, now_ms);
        taken.map_err(|over| self.over(&over))
    }

    /// Refuses (403002) if the day does not hold `bytes` any more, for what is charged once it has succeeded.
    pub(super) fn can_charge(&self, bytes: usize, now_ms: i64) -> Result<(), Refusal> {
        let has = self.meter.has_units(self.meter.units_of(bytes), now_ms);
        has.map_err(|over| self.over(&over))
    }

    fn over(&self, over: &QuotaExceeded) -> Refusal {
        Refusal::quota(&self.options.host_name, over.max, over.used)
    }
}

/// A refusal for the rate (429), the day's quota or the tier (403), in public.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {text}")]
pub struct Denied {
    /// The number of the error: 403002, 403010, 429003.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// What is said with it.
    pub text: String,
}

impl Denied {
    /// The HTTP status that the number begins with.
    pub(super) fn status(&self) -> StatusCode {
        let status = u16::try_from(self.number / 1000).unwrap_or(500);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self {
            number: refusal.number(),
            name: refusal.name,
            text: refusal.text,
        }
    }
}

impl From<NoTurn> for Refusal {
    fn from(why: NoTurn) -> Self {
        match why {
            NoTurn::Throttled(operation) => Self::throttled(operation),
            NoTurn::NotInTier(operation) => Self::not_in_tier(operation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Clock, Limits};

    const HOUR: i64 = 3_600_000;

    fn meter(tier: Tier, clock_speed: u32, limits: Limits) -> Meter {
        Meter::new(&HubOptions {
            tier,
            clock_speed,
            limits,
            clock: Clock::fixed(HOUR),
            ..HubOptions::default()
        })
    }

    #[test]
    fn a_basic_hub_knows_neither_twins_nor_methods_nor_messages_for_devices() {
        use Operation::{Connect, Method, Query, Receive, Registry, Send, SendToDevice, TwinRead};
        let basic = meter(Tier::B2, 1, Limits::default());
        for there in [Send, Connect, Registry, Query, Operation::Upload] {
            assert_eq!(basic.take(there, HOUR), Ok(0));
        }
        for missing in [SendToDevice, Receive, Method, TwinRead, Operation::TwinUpdate] {
            assert_eq!(basic.take(missing, HOUR), Err(NoTurn::NotInTier(missing)));
            assert_eq!(meter(Tier::F1, 1, Limits::default()).take(missing, HOUR), Ok(0));
        }
    }

    #[test]
    fn a_faster_day_is_over_sooner_and_waits_are_shorter() {
        let shaping = Shaping {
            burst_s: 1,
            queue_s: 60,
        };
        let limits = Limits {
            units_per_day: Some(1),
            throttles: Throttles::default()
                .with(Operation::Send, Rate::per_second(1))
                .shaped(shaping),
            ..Limits::default()
        };
        // At 60 times the speed, a day has 24 minutes; 23 hours are left of it at 01:00.
        let fast = meter(Tier::S1, 60, limits);
        let midnight = HOUR + 23 * 60_000;
        assert_eq!(fast.units(1, HOUR), Ok(()));
        assert!(fast.units(1, midnight - 1).is_err());
        assert_eq!(fast.units(1, midnight), Ok(()));
        let waits = [0; 3].map(|_| fast.take(Operation::Send, midnight));
        assert_eq!(waits, [Ok(0), Ok(17), Ok(34)]);
        assert_eq!(fast.take(Operation::Send, midnight + 51), Ok(0));
    }

    #[test]
    fn units_have_half_a_kilobyte_on_the_free_tier() {
        let of = |tier, bytes| meter(tier, 1, Limits::default()).units_of(bytes);
        assert_eq!([0, 512, 513].map(|bytes| of(Tier::F1, bytes)), [1, 1, 2]);
        assert_eq!([0, 4096, 4097].map(|bytes| of(Tier::B1, bytes)), [1, 1, 2]);
    }
}
