//! What the host would write to its log: its own lines, the handler's console, and the functions' `Logs`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::clock::Clock;

/// Category of everything the handler writes to stdout and stderr.
pub const CONSOLE: &str = "Host.Function.Console";

/// Lines kept for [`FunctionsHost::logs`](super::FunctionsHost::logs); older ones are dropped.
const KEPT: usize = 50_000;

/// One line of the host's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// By the host's clock.
    pub at: DateTime<Utc>,
    /// As the host gives it, whatever the line itself says.
    pub level: Level,
    /// [`CONSOLE`], `Function.X` for the host's own lines on function X, `Function.X.User` for its `Logs`, or `Host`.
    pub category: String,
    /// The line without its end.
    pub text: String,
    /// The call it belongs to. Console lines belong to none.
    pub invocation: Option<Uuid>,
}

/// A log level of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// stdout, `Logs`, and the host's own course.
    Information,
    /// A stderr line with "warn" in it, in any case.
    Warning,
    /// Every other stderr line, and what failed.
    Error,
}

impl fmt::Display for LogLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Information => "info",
            Level::Warning => "warn",
            Level::Error => "fail",
        };
        let at = self.at.format("%H:%M:%S%.3f");
        write!(formatter, "{at} {level} {}: {}", self.category, self.text)
    }
}

#[derive(Debug)]
pub(super) struct Logs {
    clock: Clock,
    lines: Mutex<VecDeque<LogLine>>,
    feed: broadcast::Sender<LogLine>,
}

impl Logs {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            lines: Mutex::default(),
            feed: broadcast::Sender::new(1024),
        }
    }

    pub(super) fn write(
        &self,
        level: Level,
        category: &str,
        text: impl Into<String>,
        invocation: Option<Uuid>,
    ) {
        let line = LogLine {
            at: self.clock.now(),
            level,
            category: category.to_owned(),
            text: text.into(),
            invocation,
        };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line.clone());
        // Sent under the lock, so that a subscriber who read the lines first sees no line twice or never.
        let _ = self.feed.send(line);
    }

    pub(super) fn host(&self, level: Level, text: impl Into<String>) {
        self.write(level, "Host", text, None);
    }

    /// A line of the handler's stdout or stderr, sorted as the host sorts it.
    pub(super) fn console(&self, stderr: bool, line: &str) {
        const SYSTEM: &str = "LanguageWorkerConsoleLog";
        // Lines for tooling are taken out of the log.
        if line.starts_with("azfuncjsonlog:") {
            return;
        }
        let level = match stderr {
            false => Level::Information,
            true if line.to_lowercase().contains("warn") => Level::Warning,
            true => Level::Error,
        };
        match line.strip_prefix(SYSTEM) {
            Some(rest) => self.write(level, "Worker.HttpWorkerProcess", rest, None),
            None => self.write(level, CONSOLE, line, None),
        }
    }

    /// The lines so far, and the feed of those to come.
    pub(super) fn subscribe(&self) -> (Vec<LogLine>, broadcast::Receiver<LogLine>) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        (lines.iter().cloned().collect(), self.feed.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_lines_are_sorted_by_stream_and_the_word_warn() {
        let logs = Logs::new(Clock::system());
        for (stderr, line) in [
            (false, "ERROR says the line"),
            (true, "plain"),
            (true, "A WARNing"),
            (false, "azfuncjsonlog:{}"),
            (false, "LanguageWorkerConsoleLogsystem"),
        ] {
            logs.console(stderr, line);
        }
        let seen: Vec<_> = logs
            .subscribe()
            .0
            .into_iter()
            .map(|line| (line.level, line.category, line.text))
            .collect();
        let expected = [
            (Level::Information, CONSOLE, "ERROR says the line"),
            (Level::Error, CONSOLE, "plain"),
            (Level::Warning, CONSOLE, "A WARNing"),
            (Level::Information, "Worker.HttpWorkerProcess", "system"),
        ];
        assert_eq!(
            seen,
            expected.map(|(level, category, text)| (level, category.to_owned(), text.to_owned()))
        );
    }
}
