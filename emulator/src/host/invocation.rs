//! The calls a host made, running and ended.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use uuid::Uuid;

/// Invocations kept; the oldest ended ones are dropped.
const KEPT: usize = 50_000;

/// One call of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What the handler sees as `X-Azure-Functions-InvocationId`.
    pub id: Uuid,
    /// The function's folder name.
    pub function: String,
    /// Why it was called.
    pub cause: Cause,
    /// When, by the host's clock.
    pub started: DateTime<Utc>,
    /// How long it took in real time; `None` while it runs.
    pub duration: Option<Duration>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// Messages that its outputs put into queues.
    pub messages: usize,
}

/// What caused an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A timer came due.
    Timer {
        /// The tick this run is for; `None` for schedules below a minute, which have no status.
        next: Option<DateTime<Utc>>,
        /// The tick was missed while the host was down.
        past_due: bool,
    },
    /// A queue message.
    Queue {
        /// Its id.
        message: String,
        /// How often it was taken, this time included.
        dequeue_count: u32,
    },
    /// The admin endpoint.
    Admin,
    /// A caller's HTTP request.
    Http {
        /// Its method.
        method: String,
        /// Path and query as the handler gets them, a `code` blacked out.
        target: String,
    },
}

/// How an invocation ended. Passing on an HTTP answer is a success whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The answer was good and its outputs are bound.
    Succeeded,
    /// The host's reason.
    Failed(String),
}

impl Invocation {
    /// Whether it ended well.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.outcome == Some(Outcome::Succeeded)
    }

    /// The reason it failed for, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match &self.outcome {
            Some(Outcome::Failed(reason)) => Some(reason),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Mutex<VecDeque<Invocation>>,
    /// How many run; every begin and end is announced.
    running: watch::Sender<usize>,
}

impl Ledger {
    pub(super) fn begin(&self, id: Uuid, function: &str, cause: Cause, started: DateTime<Utc>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= KEPT
            && let Some(oldest) = entries.iter().position(|entry| entry.outcome.is_some())
        {
            entries.remove(oldest);
        }
        entries.push_back(Invocation {
            id,
            function: function.to_owned(),
            cause,
            started,
            duration: None,
            outcome: None,
            messages: 0,
        });
        drop(entries);
        self.running.send_modify(|running| *running += 1);
    }

    pub(super) fn end(&self, id: Uuid, duration: Duration, outcome: Outcome, messages: usize) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.iter_mut().rev().find(|entry| entry.id == id) {
            entry.duration = Some(duration);
            entry.outcome = Some(outcome);
            entry.messages = messages;
        }
        drop(entries);
        self.running
            .send_modify(|running| *running = running.saturating_sub(1));
    }

    pub(super) fn all(&self) -> Vec<Invocation> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().cloned().collect()
    }

    pub(super) fn find(&self, id: Uuid) -> Option<Invocation> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().rev().find(|entry| entry.id == id).cloned()
    }

    /// The first invocation, ended or running, past ones included, that `wanted` accepts.
    pub(super) async fn wait(&self, wanted: impl Fn(&Invocation) -> bool) -> Invocation {
        let mut running = self.running.subscribe();
        loop {
            running.mark_unchanged();
            let found = {
                let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                entries.iter().find(|entry| wanted(entry)).cloned()
            };
            match found {
                Some(found) => return found,
                // The sender lives in `self`; its end cannot come before ours.
                None => {
                    let _ = running.changed().await;
                }
            }
        }
    }

    /// Ends once nothing runs.
    pub(super) async fn idle(&self) {
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}
