//! The messages of one device. Reads no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Devicebound, Kept, Waits};

/// How many wait at most (403004).
const MOST: usize = 50;

/// How often a message is delivered at most.
const DELIVERIES: u32 = 10;

/// How many settled ones are remembered.
const SETTLED: usize = 1000;

/// A lock token: what a device settles a message by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock(pub(crate) String);

/// A message as a device gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// What to settle it by; empty of one that is not locked.
    pub(crate) lock: Lock,
    pub(crate) sequence: u64,
    /// When it was sent, milliseconds since 1970.
    pub(crate) enqueued_ms: i64,
    /// How often it was delivered before.
    pub(crate) deliveries: u32,
    pub(crate) message: Arc<Devicebound>,
}

/// Too many messages wait: so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} messages wait already")]
pub struct Full(pub usize);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Outcome {
    /// The device has completed it.
    Success,
    /// The device has rejected it.
    Rejected,
    /// Its time was over.
    Expired,
    /// It was delivered ten times and never settled.
    DeliveryCountExceeded,
    /// It was thrown away over the control API.
    Purged,
}

impl Outcome {
    /// Whether a sender with this `ack` wants to be told.
    fn is_asked_for(self, ack: Option<&str>) -> bool {
        match ack {
            Some("full") => true,
            Some("positive") => self == Self::Success,
            Some("negative") => self != Self::Success,
            _ => false,
        }
    }
}

/// A message that has left the queue; what Azure's feedback tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its sequence number.
    pub sequence: u64,
    /// Its message id.
    pub message_id: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// When, milliseconds since 1970.
    pub at: i64,
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    settled: VecDeque<Settled>,
    /// Of those, what their senders have asked to be told and are not told yet.
    untold: Vec<Settled>,
    last: u64,
}

struct Waiting {
    message: Arc<Devicebound>,
    sequence: u64,
    enqueued_ms: i64,
    /// How often it was delivered so far.
    deliveries: u32,
    locked: Option<(Lock, i64)>,
}

impl Queue {
    pub(super) fn add(&mut self, message: Devicebound, now_ms: i64) -> Result<u64, Full> {
        self.tidy(now_ms);
        if self.waiting.len() >= MOST {
            return Err(Full(self.waiting.len()));
        }
        self.last += 1;
        self.waiting.push_back(Waiting {
            message: Arc::new(message),
            sequence: self.last,
            enqueued_ms: now_ms,
            deliveries: 0,
            locked: None,
        });
        Ok(self.last)
    }

    /// Locks the oldest message that is not locked.
    pub(super) fn receive(&mut self, now_ms: i64, until_ms: i64) -> Option<Received> {
        self.tidy(now_ms);
        let next = self.waiting.iter_mut().find(|waiting| waiting.locked.is_none())?;
        let lock = Lock(crate::hub::reply::guid());
        next.locked = Some((lock.clone(), until_ms));
        let received = next.received(lock);
        next.deliveries += 1;
        Some(received)
    }

    /// Takes a locked message out, or (`None`) gives it back. `false` if nothing is locked by this token.
    pub(super) fn settle(&mut self, lock: &Lock, outcome: Option<Outcome>, now_ms: i64) -> bool {
        self.tidy(now_ms);
        let locked = |waiting: &Waiting| waiting.locked.as_ref().is_some_and(|(held, _)| held == lock);
        let Some(at) = self.waiting.iter().position(locked) else {
            return false;
        };
        match outcome {
            Some(outcome) => self.remove(at, outcome, now_ms),
            None => {
                if let Some(waiting) = self.waiting.get_mut(at) {
                    waiting.locked = None;
                }
            }
        }
        true
    }

    pub(super) fn view(&mut self, now_ms: i64) -> (Vec<Received>, Vec<Settled>) {
        self.tidy(now_ms);
        let lock = |waiting: &Waiting| waiting.locked.as_ref().map(|(lock, _)| lock.clone());
        let waiting = self
            .waiting
            .iter()
            .map(|one| one.received(lock(one).unwrap_or(Lock(String::new()))));
        (waiting.collect(), self.settled.iter().cloned().collect())
    }

    pub(super) fn purge(&mut self, now_ms: i64) -> usize {
        let count = self.waiting.len();
        while !self.waiting.is_empty() {
            self.remove(0, Outcome::Purged, now_ms);
        }
        count
    }

    /// What senders are to be told, in the order in which it happened; it is told once.
    pub(super) fn untold(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.untold)
    }

    pub(super) fn keep(&self) -> Kept {
        let waiting = self.waiting.iter().map(|waiting| Waits {
            sequence: waiting.sequence,
            enqueued_ms: waiting.enqueued_ms,
            deliveries: waiting.deliveries,
            message: (*waiting.message).clone(),
        });
        Kept {
            last: self.last,
            waiting: waiting.collect(),
        }
    }

    pub(super) fn restore(&mut self, kept: Kept) {
        self.last = kept.last;
        let waiting = kept.waiting.into_iter().map(|kept| Waiting {
            message: Arc::new(kept.message),
            sequence: kept.sequence,
            enqueued_ms: kept.enqueued_ms,
            deliveries: kept.deliveries,
            locked: None,
        });
        self.waiting = waiting.collect();
    }

    /// Opens locks that have timed out, and takes out what has expired or was delivered too often.
    pub(super) fn tidy(&mut self, now_ms: i64) {
        let mut at = 0;
        while let Some(waiting) = self.waiting.get_mut(at) {
            if waiting
                .locked
                .as_ref()
                .is_some_and(|(_, until_ms)| *until_ms <= now_ms)
            {
                waiting.locked = None;
            }
            let free = waiting.locked.is_none();
            let expired = waiting.message.expires_ms.is_some_and(|end| end <= now_ms);
            if free && expired {
                self.remove(at, Outcome::Expired, now_ms);
            } else if free && waiting.deliveries >= DELIVERIES {
                self.remove(at, Outcome::DeliveryCountExceeded, now_ms);
            } else {
                at += 1;
            }
        }
    }

    fn remove(&mut self, at: usize, outcome: Outcome, now_ms: i64) {
        let Some(waiting) = self.waiting.remove(at) else {
            return;
        };
        if self.settled.len() == SETTLED {
            self.settled.pop_front();
        }
        let settled = Settled {
            sequence: waiting.sequence,
            message_id: waiting.message.message_id.clone(),
            outcome,
            at: now_ms,
        };
        if outcome.is_asked_for(waiting.message.ack.as_deref()) {
            self.untold.push(settled.clone());
        }
        self.settled.push_back(settled);
    }
}

impl Waiting {
    fn received(&self, lock: Lock) -> Received {
        Received {
            lock,
            sequence: self.sequence,
            enqueued_ms: self.enqueued_ms,
            deliveries: self.deliveries,
            message: self.message.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn queue(count: u64) -> Queue {
        let mut queue = Queue::default();
        for _ in 0..count {
            let message = Devicebound {
                expires_ms: Some(1_000_000),
                ..Devicebound::default()
            };
            queue.add(message, 0).unwrap();
        }
        queue
    }

    fn receive(queue: &mut Queue, now_ms: i64) -> Option<(u64, u32, Lock)> {
        let received = queue.receive(now_ms, now_ms + 60_000)?;
        Some((received.sequence, received.deliveries, received.lock))
    }

    fn outcomes(queue: &mut Queue) -> Vec<(u64, Outcome)> {
        let settled = queue.view(0).1;
        settled.iter().map(|one| (one.sequence, one.outcome)).collect()
    }

    #[test]
    fn locked_ones_are_passed_over_and_come_back_in_their_order() {
        let mut queue = queue(3);
        let (first, deliveries, lock) = receive(&mut queue, 0).unwrap();
        assert_eq!((first, deliveries), (1, 0));
        let (second, _, other) = receive(&mut queue, 0).unwrap();
        assert_eq!(second, 2);
        assert!(queue.settle(&lock, None, 0));
        assert!(
            !queue.settle(&lock, Some(Outcome::Success), 0),
            "the lock is gone"
        );
        let (again, deliveries, lock) = receive(&mut queue, 0).unwrap();
        assert_eq!((again, deliveries), (1, 1));
        assert!(queue.settle(&lock, Some(Outcome::Success), 0));
        assert!(queue.settle(&other, Some(Outcome::Rejected), 0));
        assert_eq!(receive(&mut queue, 0).unwrap().0, 3);
        assert_eq!(receive(&mut queue, 0), None);
        assert_eq!(
            outcomes(&mut queue),
            [(1, Outcome::Success), (2, Outcome::Rejected)]
        );
    }

    #[test]
    fn locks_time_out() {
        let mut queue = queue(1);
        let (_, _, lock) = receive(&mut queue, 0).unwrap();
        assert_eq!(receive(&mut queue, 59_999), None);
        assert_eq!(receive(&mut queue, 60_000).unwrap().1, 1);
        assert!(!queue.settle(&lock, Some(Outcome::Success), 60_000));
    }

    #[test]
    fn the_eleventh_delivery_never_comes() {
        let mut queue = queue(2);
        for deliveries in 0..10 {
            let (sequence, before, lock) = receive(&mut queue, 0).unwrap();
            assert_eq!((sequence, before), (1, deliveries));
            assert!(queue.settle(&lock, None, 0));
        }
        assert_eq!(receive(&mut queue, 0).unwrap().0, 2);
        assert_eq!(outcomes(&mut queue), [(1, Outcome::DeliveryCountExceeded)]);
    }

    #[test]
    fn what_has_expired_goes_unless_a_device_has_it() {
        let mut queue = queue(2);
        let lock = queue.receive(999_999, 2_000_000).unwrap().lock;
        assert_eq!(queue.view(1_000_000).0.len(), 1);
        assert!(queue.settle(&lock, Some(Outcome::Success), 1_500_000));
        assert_eq!(
            outcomes(&mut queue),
            [(2, Outcome::Expired), (1, Outcome::Success)]
        );
    }

    #[test]
    fn senders_are_told_what_they_asked_for_once() {
        for (ack, told) in [
            (None, &[][..]),
            (Some("none"), &[]),
            (Some("positive"), &[1]),
            (Some("negative"), &[2, 3]),
            (Some("full"), &[1, 2, 3]),
        ] {
            let mut queue = Queue::default();
            for _ in 0..3 {
                let message = Devicebound {
                    ack: ack.map(str::to_owned),
                    expires_ms: Some(1_000),
                    ..Devicebound::default()
                };
                queue.add(message, 0).unwrap();
            }
            let (_, _, first) = receive(&mut queue, 0).unwrap();
            let (_, _, second) = receive(&mut queue, 0).unwrap();
            assert!(queue.settle(&first, Some(Outcome::Success), 1));
            assert!(queue.settle(&second, Some(Outcome::Rejected), 2));
            queue.tidy(1_000);
            let untold: Vec<u64> = queue.untold().iter().map(|one| one.sequence).collect();
            assert_eq!(untold, told, "{ack:?}");
            assert!(queue.untold().is_empty());
        }
    }

    #[test]
    fn fifty_wait_at_most() {
        let mut queue = queue(50);
        assert_eq!(queue.add(Devicebound::default(), 0), Err(Full(50)));
        assert_eq!((queue.purge(0), queue.purge(0)), (50, 0));
        assert_eq!(queue.add(Devicebound::default(), 0), Ok(51));
    }
}
