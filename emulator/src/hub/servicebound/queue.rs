//! The messages of one kind. Reads no clock.

use std::collections::VecDeque;

use serde_json::Value;

use crate::hub::devicebound::Lock;

/// How long a message waits, milliseconds.
const TTL_MS: i64 = 3_600_000;

/// How often a message is delivered at most.
const DELIVERIES: u32 = 10;

/// How many messages are kept; nobody may be there to take them. The oldest go.
const MOST: usize = 1000;

/// A message as a back end gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Parcel {
    /// What to settle it by.
    pub(in crate::hub) lock: Lock,
    pub(in crate::hub) sequence: u64,
    /// When its first record came, milliseconds since 1970.
    pub(in crate::hub) enqueued_ms: i64,
    /// How often it was delivered before.
    pub(in crate::hub) deliveries: u32,
    /// JSON.
    pub(in crate::hub) body: String,
}

/// What a back end does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Settlement {
    /// It is done, or is not wanted.
    Complete,
    /// It is to come again.
    Abandon,
    /// It was never seen: this was no delivery.
    Unsent,
}

pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many records go into one message, an array; `None`: a message is one record.
    batch: Option<usize>,
    last: u64,
}

struct Waiting {
    records: Vec<Value>,
    sequence: u64,
    enqueued_ms: i64,
    deliveries: u32,
    locked: Option<(Lock, i64)>,
}

impl Queue {
    pub(super) fn new(batch: Option<usize>) -> Self {
        Self {
            waiting: VecDeque::new(),
            batch,
            last: 0,
        }
    }

    /// Adds records, to a message that nobody has seen yet where there is room in one.
    pub(super) fn add(&mut self, records: Vec<Value>, now_ms: i64) {
        let room = self.batch.unwrap_or(1);
        for record in records {
            match self.waiting.back_mut() {
                Some(last) if last.deliveries == 0 && last.records.len() < room => last.records.push(record),
                _ => {
                    if self.waiting.len() == MOST {
                        self.waiting.pop_front();
                    }
                    self.last += 1;
                    self.waiting.push_back(Waiting {
                        records: vec![record],
                        sequence: self.last,
                        enqueued_ms: now_ms,
                        deliveries: 0,
                        locked: None,
                    });
                }
            }
        }
    }

    /// Locks the oldest message that is not locked.
    pub(super) fn receive(&mut self, now_ms: i64, until_ms: i64) -> Option<Parcel> {
        self.tidy(now_ms);
        let next = self.waiting.iter_mut().find(|waiting| waiting.locked.is_none())?;
        let lock = Lock(crate::hub::reply::guid());
        next.locked = Some((lock.clone(), until_ms));
        let body = match (self.batch, next.records.as_slice()) {
            (None, [record]) => record.to_string(),
            (_, records) => Value::from(records).to_string(),
        };
        let deliveries = next.deliveries;
        next.deliveries += 1;
        Some(Parcel {
            lock,
            sequence: next.sequence,
            enqueued_ms: next.enqueued_ms,
            deliveries,
            body,
        })
    }

    /// Takes a locked message out, or gives it back. `false` if nothing is locked by this token.
    pub(super) fn settle(&mut self, lock: &Lock, settlement: Settlement, now_ms: i64) -> bool {
        self.tidy(now_ms);
        let locked = |waiting: &Waiting| waiting.locked.as_ref().is_some_and(|(held, _)| held == lock);
        let Some(at) = self.waiting.iter().position(locked) else {
            return false;
        };
        if settlement == Settlement::Complete {
            self.waiting.remove(at);
        } else if let Some(waiting) = self.waiting.get_mut(at) {
            waiting.locked = None;
            if settlement == Settlement::Unsent {
                waiting.deliveries -= 1;
            }
        }
        true
    }

    /// Opens locks that have timed out, and drops what is too old or was delivered too often.
    fn tidy(&mut self, now_ms: i64) {
        self.waiting.retain_mut(|waiting| {
            if waiting
                .locked
                .as_ref()
                .is_some_and(|(_, until_ms)| *until_ms <= now_ms)
            {
                waiting.locked = None;
            }
            let old = waiting.enqueued_ms.saturating_add(TTL_MS) <= now_ms;
            waiting.locked.is_some() || (!old && waiting.deliveries < DELIVERIES)
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn numbers(from: usize, to: usize) -> Vec<Value> {
        (from..to).map(Value::from).collect()
    }

    fn bodies(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.receive(0, 60_000).map(|parcel| parcel.body)).collect()
    }

    #[test]
    fn records_fill_a_message_until_it_was_seen() {
        let mut queue = Queue::new(Some(3));
        queue.add(numbers(0, 4), 0);
        assert_eq!(queue.receive(0, 60_000).unwrap().body, "[0,1,2]");
        queue.add(numbers(4, 5), 0);
        assert_eq!(bodies(&mut queue), ["[3,4]"]);
        queue.add(numbers(5, 6), 0);
        assert_eq!(bodies(&mut queue), ["[5]"]);

        let mut queue = Queue::new(None);
        queue.add(numbers(0, 2), 0);
        assert_eq!(bodies(&mut queue), ["0", "1"]);
    }

    #[test]
    fn what_is_given_back_comes_again_ten_times_and_what_was_not_seen_does_not_count() {
        let mut queue = Queue::new(None);
        queue.add(numbers(0, 1), 0);
        for deliveries in 0..10 {
            let parcel = queue.receive(0, 60_000).unwrap();
            assert_eq!((parcel.deliveries, parcel.sequence), (deliveries, 1));
            assert!(queue.settle(&parcel.lock, Settlement::Unsent, 0));
            let parcel = queue.receive(0, 60_000).unwrap();
            assert!(queue.settle(&parcel.lock, Settlement::Abandon, 0));
            assert!(!queue.settle(&parcel.lock, Settlement::Complete, 0));
        }
        assert_eq!(queue.receive(0, 60_000), None);
    }

    #[test]
    fn locks_time_out_and_an_hour_is_the_end() {
        let mut queue = Queue::new(None);
        queue.add(numbers(0, 2), 0);
        let first = queue.receive(0, 60_000).unwrap();
        assert_eq!(queue.receive(59_999, 7_200_000).unwrap().sequence, 2);
        assert_eq!(queue.receive(59_999, 70_000), None);
        let again = queue.receive(60_000, 120_000).unwrap();
        assert_eq!((again.sequence, again.deliveries), (1, 1));
        assert!(!queue.settle(&first.lock, Settlement::Complete, 60_000));
        // The second one is with a back end still.
        assert_eq!(queue.receive(3_600_000, i64::MAX), None);
        assert_eq!(queue.waiting.len(), 1);
    }

    #[test]
    fn the_oldest_go_when_nobody_takes_them() {
        let mut queue = Queue::new(None);
        queue.add(numbers(0, MOST + 2), 0);
        assert_eq!(queue.receive(0, 60_000).unwrap().body, "2");
    }
}
