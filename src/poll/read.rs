//! Asks a source for one slice, again where that can help and time allows.

use std::time::{Duration, Instant};

use super::{Poller, Report, Turn};
use crate::clock::Millis;
use crate::retry::Backoff;
use crate::source::{Answer, Error, Window};

/// What became of a question.
pub(super) enum Outcome {
    /// An answer.
    Answer(Box<Answered>),
    /// Too many rows: the same again in shorter slices.
    Shorter,
    /// No answer, after all repeats.
    Failed(Box<Failed>),
}

/// An answer and when it was asked for.
pub(super) struct Answered {
    pub at: Millis,
    pub took: Duration,
    pub window: Window,
    pub answer: Answer,
}

/// The last error and when it was met.
pub(super) struct Failed {
    pub at: Millis,
    pub took: Duration,
    pub window: Window,
    pub error: Error,
}

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
/// A reader is a small machine that misses calls now and then; more repeats than this only add to its load.
const REPEATS: u32 = 2;

impl Poller {
    pub(super) async fn read(&self, turn: &Turn<'_>, window: Window, report: &mut Report) -> Outcome {
        let mut failures = 0;
        loop {
            let at = self.clock.now();
            let started = Instant::now();
            let error = match turn.source.read(window).await {
                Ok(answer) => {
                    let took = started.elapsed();
                    return Outcome::Answer(Box::new(Answered {
                        at,
                        took,
                        window,
                        answer,
                    }));
                }
                Err(Error::TooManyRows { .. }) if window_is_divisible(window) => return Outcome::Shorter,
                Err(error) => error,
            };
            let took = started.elapsed();
            failures += 1;
            let wait = BACKOFF.wait(failures, fastrand::f64(), error.retry_after());
            let after = self.clock.now().saturating_add(super::window::millis(wait));
            if !error.is_transient() || failures > REPEATS || after >= turn.deadline {
                return Outcome::Failed(Box::new(Failed {
                    at,
                    took,
                    window,
                    error,
                }));
            }
            report.repeats += 1;
            tracing::debug!(source = %turn.config.id, %error, wait_ms = wait.as_millis() as u64, "Asked again after an error");
            tokio::time::sleep(wait).await;
        }
    }
}

fn window_is_divisible(window: Window) -> bool {
    matches!(window, Window::Range { from, until, .. } if until > from)
}
