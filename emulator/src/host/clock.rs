//! The clock that a host goes by, so that tests choose when a timer is due.

use std::sync::Arc;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use tokio::sync::watch;

/// What decides when a timer is due, what the times in calls are, and when a message becomes visible.
/// Timeouts (`functionTimeout`, start, stop) always run in real time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<watch::Sender<DateTime<Utc>>>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `at` until [`Clock::set`] moves it. Clones are the same clock.
    #[must_use]
    pub fn manual(at: DateTime<Utc>) -> Self {
        Self(Source::Manual(Arc::new(watch::Sender::new(at))))
    }

    /// The time, cut to .NET's 100 ns.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.0 {
            Source::System => Utc::now(),
            Source::Manual(clock) => *clock.borrow(),
        };
        now.duration_trunc(TimeDelta::nanoseconds(100)).unwrap_or(now)
    }

    /// Moves a manual clock, forwards only, and wakes who waits for that time. The machine's clock is left alone.
    pub fn set(&self, at: DateTime<Utc>) {
        if let Source::Manual(clock) = &self.0 {
            clock.send_if_modified(|now| {
                let later = at > *now;
                *now = at.max(*now);
                later
            });
        }
    }

    /// Ends once the clock shows `at` or later.
    pub(super) async fn reaches(&self, at: DateTime<Utc>) {
        match &self.0 {
            Source::System => loop {
                let Ok(left) = (at - Utc::now()).to_std() else {
                    return;
                };
                if left.is_zero() {
                    return;
                }
                // In steps, since the machine's clock may be set while we wait.
                tokio::time::sleep(left.min(std::time::Duration::from_secs(30))).await;
            },
            Source::Manual(clock) => {
                // The sender lives in `self`, so this can only end with the time reached.
                let _ = clock.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}
