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
