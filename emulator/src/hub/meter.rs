//! Throttle and daily quota.

use std::sync::{Mutex, PoisonError};

use super::options::Limits;

const DAY_MS: i64 = 86_400_000;

/// What has been used of a hub's rate and of its day. Reads no clock: `now_ms` is an argument.
pub(super) struct Meter {
    limits: Limits,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// Sends that may follow at once; fills up by the second.
    sends: f64,
    sends_at: Option<i64>,
    /// The day (since 1970, UTC) that `units` counts.
    day: i64,
    units: u64,
}

/// The day's quota does not hold what was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QuotaExceeded {
    pub(super) max: u64,
    pub(super) used: u64,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            used: Mutex::default(),
        }
    }

    /// Takes one send operation; `false` when the rate is exceeded. A second's worth may come in one burst.
    pub(super) fn send(&self, now_ms: i64) -> bool {
        let Some(rate) = self.limits.sends_per_second.map(f64::from) else {
            return true;
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.sends = match used.sends_at {
            None => rate,
            Some(then) => {
                let seconds = now_ms.saturating_sub(then).max(0) as f64 / 1000.0;
                (used.sends + seconds * rate).min(rate)
            }
        };
        used.sends_at = Some(now_ms);
        let allowed = used.sends >= 1.0;
        if allowed {
            used.sends -= 1.0;
        }
        allowed
    }

    /// Takes billing units from the day, all or none. The count starts again at 00:00 UTC.
    pub(super) fn units(&self, units: u64, now_ms: i64) -> Result<(), QuotaExceeded> {
        let Some(max) = self.limits.units_per_day else {
            return Ok(());
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now_ms.div_euclid(DAY_MS);
        if used.day != day {
            (used.day, used.units) = (day, 0);
        }
        if used.units + units > max {
            return Err(QuotaExceeded {
                max,
                used: used.units,
            });
        }
        used.units += units;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_allows_a_second_of_burst_and_refills() {
        let limits = Limits {
            sends_per_second: Some(2),
            ..Limits::default()
        };
        let meter = Meter::new(limits);
        let at = [0, 0, 0, 499, 500, 500, 10_000, 10_000, 10_000];
        let taken: Vec<bool> = at.into_iter().map(|now| meter.send(now)).collect();
        assert_eq!(taken, [true, true, false, false, true, false, true, true, false]);
    }

    #[test]
    fn the_quota_is_all_or_nothing_and_starts_again_at_midnight() {
        let meter = Meter::new(Limits {
            units_per_day: Some(5),
            ..Limits::default()
        });
        assert_eq!(meter.units(3, 1_000), Ok(()));
        assert_eq!(meter.units(3, DAY_MS - 1), Err(QuotaExceeded { max: 5, used: 3 }));
        assert_eq!(meter.units(2, DAY_MS - 1), Ok(()));
        assert_eq!(meter.units(5, DAY_MS), Ok(()));
        assert_eq!(meter.units(1, DAY_MS), Err(QuotaExceeded { max: 5, used: 5 }));
    }
}
