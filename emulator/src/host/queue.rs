//! The queue behind the app: a small trait, and a queue in memory that keeps time by the host's clock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::clock::Clock;

/// Azure Storage's limit for one message as it is stored, base64 included.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// What the host needs of Azure Queue Storage. Texts are as stored: base64 is the caller's matter.
#[async_trait]
pub trait Queue: std::fmt::Debug + Send + Sync {
    /// Adds a message; a queue that is not there is made.
    ///
    /// # Errors
    /// [`QueueError::TooLarge`] above 64 KiB, [`QueueError::Unavailable`] if the storage cannot be reached.
    async fn put(&self, queue: &str, text: String) -> Result<(), QueueError>;

    /// Takes up to `count` visible messages, oldest first, and hides them for `lease`.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]. A queue that is not there is empty.
    async fn take(&self, queue: &str, count: usize, lease: Duration) -> Result<Vec<Message>, QueueError>;

    /// Makes a taken message visible after `delay`; its receipt and time change.
    ///
    /// # Errors
    /// [`QueueError::Gone`] if the receipt is no longer the last one.
    async fn hide(&self, queue: &str, message: &mut Message, delay: Duration) -> Result<(), QueueError>;

    /// Deletes a taken message.
    ///
    /// # Errors
    /// [`QueueError::Gone`] if the receipt is no longer the last one.
    async fn delete(&self, queue: &str, message: &Message) -> Result<(), QueueError>;

    /// All messages, hidden ones too, without taking them (in Azure only the first 32 visible ones).
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]
    async fn peek(&self, queue: &str) -> Result<Vec<Message>, QueueError>;
}

/// A message as Azure Queue Storage hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Given at insertion, the same in every delivery.
    pub id: String,
    /// Changes with every delivery; the right to hide or delete.
    pub pop_receipt: String,
    /// As stored, base64 as a rule.
    pub text: String,
    /// How often it was taken, this time included.
    pub dequeue_count: u32,
    /// When it was put.
    pub inserted: DateTime<Utc>,
    /// When it is dropped unread: seven days after insertion.
    pub expires: DateTime<Utc>,
    /// When it can be taken again.
    pub next_visible: DateTime<Utc>,
}

/// Why a queue refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The storage answers 400 RequestBodyTooLarge.
    #[error("the message has {0} bytes as stored, a queue takes {MAX_MESSAGE} at most")]
    TooLarge(usize),
    /// The storage answers 404 MessageNotFound or 400 PopReceiptMismatch.
    #[error("message {0} is gone, or was taken by another since")]
    Gone(String),
    /// No answer, or one that makes no sense.
    #[error("queue storage is unavailable: {0}")]
    Unavailable(String),
}

/// How the content of a message is stored: `extensions.queues.messageEncoding` in `host.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Base64,
    None,
}

impl Encoding {
    pub(super) fn encode(self, content: &[u8]) -> String {
        match self {
            Encoding::Base64 => STANDARD.encode(content),
            Encoding::None => String::from_utf8_lossy(content).into_owned(),
        }
    }

    /// `None` for text that cannot be decoded: such a message never reaches the function.
    pub(super) fn decode(self, text: &str) -> Option<String> {
        match self {
            Encoding::Base64 => {
                let bytes = STANDARD.decode(text).ok()?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            Encoding::None => Some(text.to_owned()),
        }
    }
}

/// Queues in memory. Shared between hosts (one that was killed and its successor), messages survive as in Azure.
#[derive(Debug)]
pub struct MemoryQueue {
    clock: Clock,
    queues: Mutex<HashMap<String, Vec<Message>>>,
}

impl MemoryQueue {
    /// Empty queues whose times come from `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            queues: Mutex::default(),
        }
    }

    fn with<T>(&self, queue: &str, act: impl FnOnce(&mut Vec<Message>, DateTime<Utc>) -> T) -> T {
        let now = self.clock.now();
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = queues.entry(queue.to_owned()).or_default();
        messages.retain(|message| message.expires > now);
        act(messages, now)
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn put(&self, queue: &str, text: String) -> Result<(), QueueError> {
        if text.len() > MAX_MESSAGE {
            return Err(QueueError::TooLarge(text.len()));
        }
        self.with(queue, |messages, now| {
            messages.push(Message {
                id: Uuid::new_v4().to_string(),
                pop_receipt: receipt(now),
                text,
                dequeue_count: 0,
                inserted: now,
                expires: now + TimeDelta::days(7),
                next_visible: now,
            });
        });
        Ok(())
    }

    async fn take(&self, queue: &str, count: usize, lease: Duration) -> Result<Vec<Message>, QueueError> {
        Ok(self.with(queue, |messages, now| {
            let visible = messages.iter_mut().filter(|message| message.next_visible <= now);
            visible
                .take(count)
                .map(|message| {
                    message.dequeue_count += 1;
                    message.pop_receipt = receipt(now);
                    message.next_visible = now + span(lease);
                    message.clone()
                })
                .collect()
        }))
    }

    async fn hide(&self, queue: &str, message: &mut Message, delay: Duration) -> Result<(), QueueError> {
        self.with(queue, |messages, now| {
            let kept = held(messages, message)?;
            kept.pop_receipt = receipt(now);
            kept.next_visible = now + span(delay);
            *message = kept.clone();
            Ok(())
        })
    }

    async fn delete(&self, queue: &str, message: &Message) -> Result<(), QueueError> {
        self.with(queue, |messages, _| {
            held(messages, message)?;
            messages.retain(|kept| kept.id != message.id);
            Ok(())
        })
    }

    async fn peek(&self, queue: &str) -> Result<Vec<Message>, QueueError> {
        Ok(self.with(queue, |messages, _| messages.clone()))
    }
}

fn held<'a>(messages: &'a mut [Message], message: &Message) -> Result<&'a mut Message, QueueError> {
    messages
        .iter_mut()
        .find(|kept| kept.id == message.id && kept.pop_receipt == message.pop_receipt)
        .ok_or_else(|| QueueError::Gone(message.id.clone()))
}

/// In the shape that Azurite gives them: a date and four random digits, in base64.
fn receipt(now: DateTime<Utc>) -> String {
    STANDARD.encode(format!(
        "{}{:04x}",
        now.format("%d%b%Y%H:%M:%S"),
        fastrand::u16(..)
    ))
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(7))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_taken_message_is_hidden_until_its_lease_ends() {
        let start: DateTime<Utc> = "2026-11-22T15:25:27Z".parse().unwrap();
        let clock = Clock::manual(start);
        let queue = MemoryQueue::new(clock.clone());
        queue.put("q", "a".to_owned()).await.unwrap();
        let lease = Duration::from_secs(600);
        let first = queue.take("q", 5, lease).await.unwrap().remove(0);
        assert_eq!(
            (first.dequeue_count, first.next_visible),
            (1, start + TimeDelta::seconds(600))
        );
        assert_eq!(queue.take("q", 5, lease).await.unwrap(), []);
        clock.set(start + TimeDelta::seconds(600));
        let second = queue.take("q", 5, lease).await.unwrap().remove(0);
        assert_eq!((second.dequeue_count, &second.id), (2, &first.id));
        assert_eq!(queue.delete("q", &first).await, Err(QueueError::Gone(first.id)));
        queue.delete("q", &second).await.unwrap();
        assert_eq!(queue.peek("q").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_message_above_the_limit_is_refused() {
        let queue = MemoryQueue::new(Clock::system());
        queue.put("q", "x".repeat(MAX_MESSAGE)).await.unwrap();
        let refused = queue.put("q", "x".repeat(MAX_MESSAGE + 1)).await;
        assert_eq!(refused, Err(QueueError::TooLarge(MAX_MESSAGE + 1)));
    }
}
