//! Why MQTT connections were closed and AMQP clients refused: what the real hub never says.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many are remembered.
const KEPT: usize = 1000;

/// A connection that the hub, or the DPS behind it, has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The client id, or the policy over AMQP; `None` if the connection ended before it was told or proven.
    pub client: Option<String>,
    /// When, milliseconds since 1970 by the hub's clock.
    pub at: i64,
    /// What kind of reason: the name of the hub's error where there is one.
    pub name: &'static str,
    /// What was wrong, and what to change.
    pub reason: String,
}

/// The last of them, oldest first.
#[derive(Default)]
pub(super) struct Closings(Mutex<VecDeque<Closed>>);

impl Closings {
    pub(super) fn add(&self, closed: Closed) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == KEPT {
            all.pop_front();
        }
        all.push_back(closed);
    }

    pub(super) fn all(&self) -> Vec<Closed> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().cloned().collect()
    }
}
