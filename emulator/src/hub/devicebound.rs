//! Cloud-to-device messages: what the hub keeps for a device until it has settled it.
//!
//! # Layout
//!
//! - [`Devicebound`]: a message. `queue`: those of one device, pure. `Mailbox`: the same, shared.
//! - `https`: as a device receives and settles over HTTPS. Over MQTT, `hub/mqtt` does.

pub(super) mod https;
mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::meter::Denied;
use super::servicebound::{Feedback, Servicebound};
use queue::Queue;
pub use queue::{Full, Outcome, Settled};
pub(super) use queue::{Lock, Received};

/// How long a message lives that names no end, milliseconds (Azure docs, cloud-to-device messages).
const TTL_MS: i64 = 3_600_000;

/// The longest life, milliseconds.
const LONGEST_TTL_MS: i64 = 2 * 86_400_000;

/// The largest message: body, system properties and application properties.
const LARGEST: usize = 64 * 1024;

/// A message for a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devicebound {
    /// System property `message-id`.
    pub message_id: Option<String>,
    /// System property `correlation-id`.
    pub correlation_id: Option<String>,
    /// System property `user-id`.
    pub user_id: Option<String>,
    /// System property `content-type`.
    pub content_type: Option<String>,
    /// System property `content-encoding`.
    pub content_encoding: Option<String>,
    /// Which feedback the sender asks for: `none`, `positive`, `negative`, `full`.
    pub ack: Option<String>,
    /// When it expires, milliseconds since 1970; an hour after it was sent if `None`.
    pub expires_ms: Option<i64>,
    /// Application properties.
    pub properties: BTreeMap<String, String>,
    /// The body.
    pub body: Bytes,
}

/// Why a message is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// There is no such device.
    #[error("device {0} is not registered")]
    NoDevice(String),
    /// 403004.
    #[error("{} messages wait for the device already (403004); it has to receive and complete some, or purge them", .0.0)]
    Full(#[from] Full),
    /// Larger than 64 KB.
    #[error("the message has {0} bytes, and 65536 are the most for a device")]
    TooLarge(usize),
    /// Its life is over, or longer than two days.
    #[error("the message expires in the past or more than two days ahead")]
    Expiry,
    /// An `ack` that does not exist.
    #[error("ack is {0}; it is none, positive, negative or full")]
    Ack(String),
    /// For the rate, the day's quota or the tier.
    #[error(transparent)]
    Denied(#[from] Denied),
}

/// What waits for a device, as it survives a restart: locks do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The last sequence number.
    pub(super) last: u64,
    pub(super) waiting: Vec<Waits>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) sequence: u64,
    pub(super) enqueued_ms: i64,
    pub(super) deliveries: u32,
    pub(super) message: Devicebound,
}

/// The messages of one device.
pub(crate) struct Mailbox {
    device: String,
    /// Tells devices apart that had the same id one after the other.
    generation: String,
    queue: Mutex<Queue>,
    /// What senders are told.
    feedback: Arc<Servicebound>,
    /// Wakes the device's connection.
    pub(super) changed: Notify,
}

impl Devicebound {
    /// The system properties by name, as SDKs abbreviate them in topics, but for `to` and `expiry`.
    pub(super) fn system(&self) -> [(&'static str, &'static str, Option<&str>); 5] {
        [
            ("$.mid", "iothub-messageid", self.message_id.as_deref()),
            ("$.cid", "iothub-correlationid", self.correlation_id.as_deref()),
            ("$.uid", "iothub-userid", self.user_id.as_deref()),
            ("$.ct", "iothub-contenttype", self.content_type.as_deref()),
            ("$.ce", "iothub-contentencoding", self.content_encoding.as_deref()),
        ]
    }

    pub(super) fn size(&self) -> usize {
        let system: usize = self
            .system()
            .iter()
            .filter_map(|(_, _, value)| *value)
            .map(str::len)
            .sum();
        let properties: usize = self.properties.iter().map(|(k, v)| k.len() + v.len()).sum();
        self.body.len() + system + properties
    }
}

impl Mailbox {
    pub(super) fn new(device: &str, generation: &str, feedback: Arc<Servicebound>) -> Self {
        Self {
            device: device.to_owned(),
            generation: generation.to_owned(),
            queue: Mutex::default(),
            feedback,
            changed: Notify::new(),
        }
    }

    /// Takes a message; returns its sequence number.
    pub(super) fn send(&self, mut message: Devicebound, now_ms: i64) -> Result<u64, NotSent> {
        let size = message.size();
        if size > LARGEST {
            return Err(NotSent::TooLarge(size));
        }
        if let Some(ack) = message.ack.as_deref()
            && !["none", "positive", "negative", "full"].contains(&ack)
        {
            return Err(NotSent::Ack(ack.to_owned()));
        }
        let expires_ms = message.expires_ms.unwrap_or(now_ms.saturating_add(TTL_MS));
        if expires_ms <= now_ms || expires_ms > now_ms.saturating_add(LONGEST_TTL_MS) {
            return Err(NotSent::Expiry);
        }
        message.expires_ms = Some(expires_ms);
        let sequence = self.with(now_ms, |queue| queue.add(message, now_ms))?;
        self.changed.notify_waiters();
        Ok(sequence)
    }

    /// Locks the next message. The lock lasts until `locked_until_ms`, or until it is settled.
    pub(super) fn receive(&self, now_ms: i64, locked_until_ms: i64) -> Option<Received> {
        self.with(now_ms, |queue| queue.receive(now_ms, locked_until_ms))
    }

    /// Settles a locked message; `false` if the lock is lost.
    pub(super) fn settle(&self, lock: &Lock, outcome: Option<Outcome>, now_ms: i64) -> bool {
        let settled = self.with(now_ms, |queue| queue.settle(lock, outcome, now_ms));
        self.changed.notify_waiters();
        settled
    }

    /// What waits (locked ones too), and what was settled, oldest first.
    pub(super) fn view(&self, now_ms: i64) -> (Vec<Received>, Vec<Settled>) {
        self.with(now_ms, |queue| queue.view(now_ms))
    }

    /// What survives a restart.
    pub(super) fn keep(&self) -> Kept {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).keep()
    }

    /// Goes on with what has survived.
    pub(super) fn restore(&self, kept: Kept) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .restore(kept);
    }

    /// Throws away what waits; returns how many that were.
    pub(super) fn purge(&self, now_ms: i64) -> usize {
        self.with(now_ms, |queue| queue.purge(now_ms))
    }

    /// Takes out what has expired, which nobody else may look for.
    pub(super) fn tidy(&self, now_ms: i64) {
        self.with(now_ms, |queue| queue.tidy(now_ms));
    }

    /// Works on the queue, and then tells senders what has become of their messages.
    fn with<T>(&self, now_ms: i64, work: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut queue);
        let settled = queue.untold();
        if !settled.is_empty() {
            // Under the lock, so that it is told in the order in which it happened.
            let feedback = Feedback {
                device: &self.device,
                generation: &self.generation,
                settled,
            };
            self.feedback.tell(&feedback, now_ms);
        }
        done
    }
}
