//! What the hub keeps for back ends: feedback on cloud-to-device messages, and notices of uploaded files.
//!
//! A message waits an hour, is locked while a back end has it, and comes at most ten times (Azure docs, the settings of
//! `feedback` and `fileNotifications`).
//!
//! # Layout
//!
//! - `queue`: the messages of one kind, pure. `Servicebound`: the same, shared.
//! - `feedback`: what is told of a cloud-to-device message. `file`: of an uploaded file.

mod feedback;
mod file;
mod queue;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use super::devicebound::Lock;
pub(super) use feedback::Feedback;
pub(super) use file::FileNotice;
use queue::Queue;
pub(super) use queue::{Parcel, Settlement};

/// The messages of one kind.
pub(crate) struct Servicebound {
    queue: Mutex<Queue>,
    /// The type of a message's body, `application/vnd.microsoft.iothub.….json`.
    pub(super) content_type: &'static str,
    /// Wakes who waits for a message.
    pub(super) changed: Notify,
}

impl Servicebound {
    /// Feedback: a message is an array of up to 64 records (Azure docs, cloud-to-device messages).
    pub(super) fn feedback() -> Self {
        Self::new("application/vnd.microsoft.iothub.feedback.json", Some(64))
    }

    /// Notices of uploaded files: a message is one of them.
    pub(super) fn file_notices() -> Self {
        Self::new("application/vnd.microsoft.iothub.filenotification.json", None)
    }

    fn new(content_type: &'static str, batch: Option<usize>) -> Self {
        Self {
            queue: Mutex::new(Queue::new(batch)),
            content_type,
            changed: Notify::new(),
        }
    }

    fn add(&self, records: Vec<Value>, now_ms: i64) {
        if records.is_empty() {
            return;
        }
        self.queue().add(records, now_ms);
        self.changed.notify_waiters();
    }

    /// Locks the next message until `until_ms`, or until it is settled.
    pub(super) fn receive(&self, now_ms: i64, until_ms: i64) -> Option<Parcel> {
        self.queue().receive(now_ms, until_ms)
    }

    /// Settles a locked message; `false` if the lock is lost.
    pub(super) fn settle(&self, lock: &Lock, settlement: Settlement, now_ms: i64) -> bool {
        let settled = self.queue().settle(lock, settlement, now_ms);
        self.changed.notify_waiters();
        settled
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
