//! What arrived: numbered, kept in a bounded ring, broadcast.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{broadcast, watch};

use super::message::Message;
use super::options::Keep;
use super::registry::Party;

/// How far a subscriber may fall behind.
const BACKLOG: usize = 4096;

/// A message the hub has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Its place among all messages, from 1 on, without gaps.
    pub number: u64,
    /// The device that sent it, or whose module did.
    pub device: String,
    /// The module that sent it; `None` for the device itself.
    pub module: Option<String>,
    /// When, milliseconds since 1970 by the hub's clock.
    pub at: i64,
    /// System property `iothub-messageid`.
    pub message_id: Option<String>,
    /// System property `iothub-contenttype`, the message's own type.
    pub content_type: Option<String>,
    /// System property `iothub-contentencoding`.
    pub content_encoding: Option<String>,
    /// System property `iothub-creationtimeutc`.
    pub creation_time: Option<String>,
    /// Application properties, without their prefix `iothub-app-`.
    pub properties: BTreeMap<String, String>,
    /// System properties, under their HTTP header names in lower case; the four above are among them, and of a
    /// module's message `iothub-connection-device-id` and `iothub-connection-module-id`.
    pub system: BTreeMap<String, String>,
    /// The body, decoded.
    pub body: Bytes,
    /// Billing units.
    pub units: u64,
}

/// The feed of one hub.
pub(super) struct Feed {
    keep: Keep,
    ring: Mutex<Ring>,
    live: broadcast::Sender<Arc<Arrived>>,
    total: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    messages: VecDeque<Arc<Arrived>>,
    bytes: usize,
    last: u64,
}

impl Feed {
    pub(super) fn new(keep: Keep) -> Self {
        let (live, _) = broadcast::channel(BACKLOG);
        Self {
            keep,
            ring: Mutex::default(),
            live,
            total: watch::Sender::new(0),
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Arrived>> {
        self.live.subscribe()
    }

    /// Takes the messages of one request. `units` holds the billing units of each.
    pub(super) fn take(&self, from: &Party, at: i64, messages: Vec<(Message, u64)>) {
        let count = messages.len() as u64;
        let total = {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            let first = ring.last + 1;
            ring.last += count;
            if self.keep != Keep::CountOnly || self.live.receiver_count() > 0 {
                for (number, (message, units)) in (first..).zip(messages) {
                    let arrived = arrived(number, from, at, message, units);
                    // Broadcast under the lock, so that subscribers see the order of the numbers.
                    let _ = self.live.send(arrived.clone());
                    ring.push(arrived, self.keep);
                }
            }
            ring.last
        };
        self.total.send_if_modified(|known| {
            let grown = *known < total;
            *known = total.max(*known);
            grown
        });
    }

    /// The messages kept with a number above `after`, oldest first.
    pub(super) fn after(&self, after: u64, limit: usize) -> Vec<Arc<Arrived>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let start = ring.messages.partition_point(|message| message.number <= after);
        ring.messages.iter().skip(start).take(limit).cloned().collect()
    }

    /// The number of the newest message; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    pub(super) fn forget(&self) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.messages.clear();
        ring.bytes = 0;
    }

    pub(super) async fn wait_for(&self, messages: u64) {
        // The sender lives as long as `self`, so that the wait cannot fail.
        let _ = self.total.subscribe().wait_for(|total| *total >= messages).await;
    }
}

impl Ring {
    fn push(&mut self, message: Arc<Arrived>, keep: Keep) {
        let Keep::Last { messages, bytes } = keep else {
            return;
        };
        self.bytes += message.body.len();
        self.messages.push_back(message);
        while self.messages.len() > messages || self.bytes > bytes {
            let Some(oldest) = self.messages.pop_front() else {
                return;
            };
            self.bytes -= oldest.body.len();
        }
    }
}

fn arrived(number: u64, from: &Party, at: i64, mut message: Message, units: u64) -> Arc<Arrived> {
    if let Some(module) = from.module_id() {
        for (name, id) in [("device", from.device_id()), ("module", module)] {
            message
                .system
                .insert(format!("iothub-connection-{name}-id"), id.to_owned());
        }
    }
    let system = |name: &str| message.system.get(name).cloned();
    Arc::new(Arrived {
        number,
        device: from.device_id().to_owned(),
        module: from.module_id().map(str::to_owned),
        at,
        message_id: system("iothub-messageid"),
        content_type: system("iothub-contenttype"),
        content_encoding: system("iothub-contentencoding"),
        creation_time: system("iothub-creationtimeutc"),
        properties: message.properties,
        system: message.system,
        // A copy, because what came with the request is a slice of a read buffer, which would be kept whole.
        body: Bytes::copy_from_slice(&message.body),
        units,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hub::registry::Entry;
    use crate::hub::servicebound::Servicebound;
    use crate::hub::{Device, Key};

    fn take(feed: &Feed, sizes: &[usize]) {
        let device = Device::new("m", Key::random().unwrap());
        let entry = Entry::new(device, 0, Arc::new(Servicebound::feedback()));
        let message = |n: &usize| {
            (
                Message {
                    body: vec![0; *n].into(),
                    ..Message::default()
                },
                1,
            )
        };
        feed.take(&Arc::new(entry).into(), 7, sizes.iter().map(message).collect());
    }

    fn numbers(feed: &Feed, after: u64, limit: usize) -> Vec<u64> {
        feed.after(after, limit)
            .iter()
            .map(|message| message.number)
            .collect()
    }

    #[test]
    fn the_ring_is_bounded_by_messages_and_by_bytes() {
        let feed = Feed::new(Keep::Last {
            messages: 3,
            bytes: 100,
        });
        take(&feed, &[1, 1]);
        take(&feed, &[1, 1]);
        assert_eq!(numbers(&feed, 0, usize::MAX), [2, 3, 4]);
        take(&feed, &[99]);
        assert_eq!(numbers(&feed, 0, usize::MAX), [4, 5]);
        take(&feed, &[101]);
        assert_eq!(numbers(&feed, 0, usize::MAX), [0; 0]);
        take(&feed, &[1, 2, 3]);
        assert_eq!(numbers(&feed, 7, 1), [8]);
        assert_eq!(numbers(&feed, 9, 10), [0; 0]);
    }

    #[tokio::test]
    async fn count_only_keeps_nothing_and_still_counts_and_broadcasts() {
        let feed = Feed::new(Keep::CountOnly);
        take(&feed, &[5]);
        let mut live = feed.subscribe();
        take(&feed, &[6, 7]);
        feed.wait_for(3).await;
        assert_eq!(numbers(&feed, 0, usize::MAX), [0; 0]);
        assert_eq!(
            [
                live.recv().await.unwrap().number,
                live.recv().await.unwrap().number
            ],
            [2, 3]
        );
    }
}
