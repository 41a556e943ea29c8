//! What a host is started with.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::app::Settings;
use super::clock::Clock;
use super::queue::Queue;

/// Everything a host can be told; [`HostOptions::new`] gives what `func start` would do.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The folder of `host.json`.
    pub app_root: PathBuf,
    /// The handler's binary, in place of `defaultExecutablePath` (which the app root has only once it is packaged).
    pub executable: Option<PathBuf>,
    /// Application settings. They resolve `%Name%`, override `host.json` through `AzureFunctionsJobHost__a__b`, and are the
    /// handler's environment besides this process's own, over which they win.
    pub settings: Settings,
    /// A `local.settings.json` whose `Values` are settings too; this process's environment and `settings` win.
    pub settings_file: Option<PathBuf>,
    /// The storage queues; in memory, and gone with the host, unless given.
    pub queue: Option<Arc<dyn Queue>>,
    /// What timers and messages go by.
    pub clock: Clock,
    /// Who fires the timers.
    pub timers: Timers,
    /// Where monitored timers are remembered, so that the next host knows what it missed; in memory unless given.
    pub status_file: Option<PathBuf>,
    /// The keys callers must show; `None` lets everyone in, as `func start` does.
    pub keys: Option<Keys>,
    /// Where the HTTP functions are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The host's own limits.
    pub times: Times,
    /// Crashes that end the host, each within [`Times::crash_window`] of the one before: 3 in the real one.
    pub crash_limit: usize,
}

/// Who fires the timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timers {
    /// Their schedules, by the host's clock.
    OnSchedule,
    /// Only [`FunctionsHost::fire_timer`](super::FunctionsHost::fire_timer) and the admin endpoint.
    ByHand,
}

/// The keys of an app. `Debug` shows neither.
#[derive(Clone)]
pub struct Keys {
    /// Opens `admin/…` and everything else.
    pub master: String,
    /// Opens functions of level `function`.
    pub function: String,
}

/// Limits that the real host has built in; tests may shorten them. All run in real time.
#[derive(Debug, Clone)]
pub struct Times {
    /// From a call's `functionTimeout` to SIGKILL: 2 s.
    pub kill_after_timeout: Duration,
    /// How long a stop waits for calls in flight before it leaves the handler as an orphan: 10 s.
    pub stop_wait: Duration,
    /// A crash later than this after the one before starts the count again: 30 min.
    pub crash_window: Duration,
    /// How long a taken message is hidden, renewed at its half: 10 min. By the host's clock.
    pub lease: Duration,
}

impl HostOptions {
    /// The machine's clock, timers on schedule, no keys, any free port on loopback.
    #[must_use]
    pub fn new(app_root: impl Into<PathBuf>) -> Self {
        Self {
            app_root: app_root.into(),
            executable: None,
            settings: Settings::new(),
            settings_file: None,
            queue: None,
            clock: Clock::system(),
            timers: Timers::OnSchedule,
            status_file: None,
            keys: None,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            times: Times::default(),
            crash_limit: 3,
        }
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            kill_after_timeout: Duration::from_secs(2),
            stop_wait: Duration::from_secs(10),
            crash_window: Duration::from_secs(30 * 60),
            lease: Duration::from_secs(10 * 60),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys(…)")
    }
}
