//! The one clock of the process, injected so that tests choose the time.

use std::sync::Arc;

/// Milliseconds since 1970-01-01T00:00:00Z. Every instant in this program is one of these, in UTC.
pub type Millis = i64;

/// Tells the time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(|| chrono::Utc::now().timestamp_millis()))
    }

    /// A clock that asks `now`: what tests use.
    pub fn from_fn(now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Millis {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// `2026-01-26T13:15:00.000Z`, for logs and messages to people.
#[must_use]
pub fn iso(at: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(at).map_or_else(
        || format!("{at} ms"),
        |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    )
}

/// `2 h 5 min`: how long something lasted, for people. Two units at most.
#[must_use]
pub fn span(millis: Millis) -> String {
    let seconds = millis.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let pair = |large: i64, large_unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large} {large_unit}")
        } else {
            format!("{large} {large_unit} {small} {small_unit}")
        }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => pair(minutes, "min", seconds % 60, "s"),
        3_600..86_400 => pair(hours, "h", minutes, "min"),
        _ => pair(days, "d", hours, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let check = |millis: Millis, expected: &str| assert_eq!(span(millis), expected, "{millis}");
        check(-5, "0 s");
        check(59_999, "59 s");
        check(60_000, "1 min");
        check(125_000, "2 min 5 s");
        check(7_500_000, "2 h 5 min");
        check(86_400_000, "1 d");
        check(100_000_000, "1 d 3 h");
    }
}
