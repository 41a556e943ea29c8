//! The units of a day.

const DAY_MS: i64 = 86_400_000;

/// What was used of the day. Reads no clock.
#[derive(Debug, Default)]
pub(super) struct Day {
    /// Which one, counted from 1970, UTC.
    number: i64,
    units: u64,
}

/// The day's quota does not hold what was sent.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::hub) struct QuotaExceeded {
    pub(in crate::hub) max: u64,
    pub(in crate::hub) used: u64,
}

impl Day {
    /// A day with units used already.
    pub(super) fn of(number: i64, units: u64) -> Self {
        Self { number, units }
    }

    /// Its number, and the units.
    pub(super) fn parts(&self) -> (i64, u64) {
        (self.number, self.units)
    }

    /// Takes units, all or none, if the day has `max` at most. The count starts again at 00:00 UTC.
    pub(super) fn take(&mut self, units: u64, max: Option<u64>, now_ms: i64) -> Result<(), QuotaExceeded> {
        self.has(units, max, now_ms)?;
        self.spend(units, now_ms);
        Ok(())
    }

    /// Whether the day still holds so many.
    pub(super) fn has(&mut self, units: u64, max: Option<u64>, now_ms: i64) -> Result<(), QuotaExceeded> {
        let used = self.used(now_ms);
        match max {
            Some(max) if used.saturating_add(units) > max => Err(QuotaExceeded { max, used }),
            _ => Ok(()),
        }
    }

    /// Adds units, whether the day holds them or not.
    pub(super) fn spend(&mut self, units: u64, now_ms: i64) {
        self.units = self.used(now_ms).saturating_add(units);
    }

    /// The units of the day that `now_ms` is in.
    pub(super) fn used(&mut self, now_ms: i64) -> u64 {
        let number = now_ms.div_euclid(DAY_MS);
        if self.number != number {
            (self.number, self.units) = (number, 0);
        }
        self.units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_is_all_or_nothing_and_starts_again_at_midnight() {
        let mut day = Day::default();
        let over = |used| Err(QuotaExceeded { max: 5, used });
        assert_eq!(day.take(3, Some(5), 1_000), Ok(()));
        assert_eq!(day.take(3, Some(5), DAY_MS - 1), over(3));
        assert_eq!(day.take(2, Some(5), DAY_MS - 1), Ok(()));
        assert_eq!(day.take(5, Some(5), DAY_MS), Ok(()));
        assert_eq!(day.take(1, Some(5), DAY_MS), over(5));
        day.spend(2, DAY_MS);
        assert_eq!(day.take(1, Some(5), DAY_MS), over(7));
        assert_eq!((day.take(1, None, DAY_MS), day.used(DAY_MS)), (Ok(()), 8));
    }
}
