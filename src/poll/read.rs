//! Asks a source for one slice, again where that can help and time, budget and breaker allow.

use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::claim::Held;
use super::{Poller, Report, Stop, Turn};
use crate::clock::{Millis, iso};
use crate::retry::Backoff;
use crate::source::{Answer, Error, Window};

/// What became of a question.
pub(super) enum Outcome {
    /// An answer.
    Answer(Box<Answered>),
    /// Too many rows, or an answer without an end: the same again in shorter slices.
    Shorter,
    /// Not asked: the tick's time does not suffice for it, or its backend has no room. The next tick goes on.
    Later,
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

const BACKOFF: Backoff = Backoff::fixed(Duration::from_millis(500), Duration::from_secs(10));
/// A reader is a small machine that misses calls now and then; more repeats than this only add to its load.
const REPEATS: u32 = 2;
/// How long a tick waits for its backend to have a request left in the minute: it holds a place there meanwhile, and its source.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one question may take in all: a lease covers it. Sources give up on a silent backend much earlier.
const LONGEST: Duration = Duration::from_secs(90);

impl Poller {
    /// Whether this tick asks the source at all, and does not only send what waits.
    pub(super) fn is_to_be_asked(&self, turn: &Turn<'_>, held: &Held, report: &mut Report) -> bool {
        let now = self.clock.now();
        let asking = &held.state.asking;
        if let Some(after) = asking.after.filter(|&after| after > now) {
            report.remark(format!("its backend asked to be left alone until {}", iso(after)));
            return false;
        }
        turn.force || asking.due <= now.max(turn.due)
    }

    pub(super) async fn read(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        window: Window,
        report: &mut Report,
    ) -> Result<Outcome, Stop> {
        let mut failures = 0;
        loop {
            // What was slow before is likely to be so again, and a tick ends before its deadline. The present of a reader
            // cannot be asked for later.
            if turn.source.has_history() && self.clock.now().saturating_add(held.slowest) >= turn.deadline {
                report.unfinished = true;
                return Ok(Outcome::Later);
            }
            if !self.may_ask(turn).await {
                report.unfinished = true;
                report.remark("the requests a minute of its backend are used up (BACKEND_REQUESTS)");
                return Ok(Outcome::Later);
            }
            held.cover(self, LONGEST).await?;
            let at = self.clock.now();
            let started = Instant::now();
            held.asked = true;
            let asked = tokio::time::timeout(LONGEST, turn.source.read(window)).await;
            held.slowest = held.slowest.max(self.clock.now() - at);
            let error = match asked {
                Ok(Ok(answer)) => {
                    held.budget.earn();
                    self.limits.backends.owe(&turn.config.kind, answer.extra);
                    return Ok(Outcome::Answer(Box::new(Answered {
                        at,
                        took: started.elapsed(),
                        window,
                        answer,
                    })));
                }
                Ok(Err(Error::TooManyRows { .. })) | Err(_) if window_is_divisible(window) => {
                    return Ok(Outcome::Shorter);
                }
                Ok(Err(error)) => error,
                Err(_) => Error::Unreachable {
                    what: turn.config.id.clone(),
                    detail: format!("its answer did not end within {} s", LONGEST.as_secs()),
                    mend: "look at the backend and the network between".into(),
                },
            };
            let took = started.elapsed();
            failures += 1;
            let wait = BACKOFF.wait(failures, fastrand::f64(), error.retry_after());
            let after = self.clock.now().saturating_add(super::window::millis(wait));
            let again = error.is_transient()
                && failures <= REPEATS
                && !self.limits.breaker.is_open(held.state.failures)
                && after < turn.deadline
                && held.budget.take(wait);
            if !again {
                return Ok(Outcome::Failed(Box::new(Failed {
                    at,
                    took,
                    window,
                    error,
                })));
            }
            report.repeats += 1;
            tracing::debug!(source = %turn.config.id, %error, wait_ms = wait.as_millis() as u64, "Asked again after an error");
            tokio::time::sleep(wait).await;
        }
    }
}

impl Poller {
    /// Takes one of the backend's requests of the minute, waiting for it a while; others of this process work meanwhile.
    async fn may_ask(&self, turn: &Turn<'_>) -> bool {
        let left = turn.deadline.saturating_sub(self.clock.now()).max(0);
        let patience = Duration::from_millis(left.unsigned_abs()).min(PATIENCE);
        let mut pace = std::pin::pin!(self.limits.backends.pace(&turn.config.kind));
        if pace.as_mut().now_or_never().is_some() {
            return true;
        }
        let waited = tokio::time::timeout(patience, pace);
        match turn.seat {
            Some(seat) => seat.away(waited).await.is_ok(),
            None => waited.await.is_ok(),
        }
    }
}

fn window_is_divisible(window: Window) -> bool {
    matches!(window, Window::Range { from, until, .. } if until > from)
}
