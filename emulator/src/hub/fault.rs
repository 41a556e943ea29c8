//! Faults on demand: what goes wrong, and for which requests.
//!
//! A fault is armed for the next so many requests, or stands as a rule with a probability and a window. Rules draw by seed,
//! device and the device's own count of requests, so that a run can be repeated however its devices interleave.
//!
//! # Layout
//!
//! - [`Fault`]: what goes wrong. [`Faults`]: what waits for its requests. `rule`: [`Rule`]s and the file of them.

mod rule;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::clock::Clock;
pub use rule::{BadRule, BadRules, Rule};

/// One thing that goes wrong. In JSON: `{"status":{"code":503,"retry_after":5}}`, `"reset"`, `"reset_mid_body"`,
/// `"reset_after_accept"`, `"no_answer"`, `"duplicate"`, `"throttle"`, `{"delay":250}`, `{"clock_skew":-600}`,
/// `"expired_certificate"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answered with this status, and nothing is taken.
    Status {
        /// HTTP status.
        code: u16,
        /// `Retry-After`, seconds.
        #[serde(default)]
        retry_after: Option<u32>,
        /// Body in place of the one that belongs to the status.
        #[serde(default)]
        body: Option<String>,
    },
    /// The connection is reset before anything is taken.
    Reset,
    /// The connection is reset while the client still writes its body.
    ResetMidBody,
    /// The message is taken, then the connection is reset: the lost reply.
    ResetAfterAccept,
    /// The message is taken and never answered, neither by 204 nor by PUBACK; the connection stays.
    NoAnswer,
    /// The message is taken twice.
    Duplicate,
    /// Too many requests: 429, or over MQTT a closed connection.
    Throttle,
    /// So many milliseconds pass before the request is looked at.
    Delay(u64),
    /// The service's clock is wrong by so many seconds, in the `Date` header and in the check of tokens.
    ClockSkew(i64),
    /// A TLS handshake gets a certificate that ended yesterday. Of no device, since none has said who it is.
    ExpiredCertificate,
}

/// Faults waiting for their requests, first armed first served.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<VecDeque<Armed>>,
    /// Length of `armed`, so that the usual case (none) costs no lock.
    count: AtomicUsize,
    clock: Clock,
}

/// A fault that waits; in JSON as it was armed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Armed {
    /// For requests of this device alone; of any if `None`.
    device: Option<String>,
    /// For good if it is `u32::MAX`.
    #[serde(rename = "times")]
    left: u32,
    #[serde(skip_serializing_if = "is_sure")]
    probability: f64,
    #[serde(skip_serializing_if = "is_zero")]
    seed: u64,
    /// From when to when, milliseconds since 1970.
    #[serde(skip)]
    from_ms: i64,
    #[serde(skip_serializing_if = "is_for_good")]
    until_ms: i64,
    /// How many requests of each device have drawn.
    #[serde(skip)]
    drawn: BTreeMap<String, u64>,
    fault: Fault,
}

impl Fault {
    /// A status with the body that belongs to it.
    pub fn status(code: u16) -> Self {
        Self::Status {
            code,
            retry_after: None,
            body: None,
        }
    }
}

impl Faults {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            ..Self::default()
        }
    }

    /// Arms `fault` for the next `times` requests (of `device`, if named). `u32::MAX` times is for good.
    pub(crate) fn arm(&self, device: Option<&str>, times: u32, fault: Fault) {
        self.add(Rule {
            device: device.map(str::to_owned),
            times: Some(times),
            ..Rule::of(fault)
        });
    }

    /// Arms a rule, from now on.
    pub(crate) fn add(&self, rule: Rule) {
        let usual = if rule.probability < 1.0 || rule.for_s.is_some() {
            u32::MAX
        } else {
            1
        };
        let times = rule.times.unwrap_or(usual);
        if times == 0 {
            return;
        }
        let later = |from: i64, seconds: f64| from.saturating_add((seconds * 1000.0) as i64);
        let from_ms = later(self.clock.now_ms(), rule.after_s);
        let mut armed = self.lock();
        armed.push_back(Armed {
            device: rule.device,
            left: times,
            probability: rule.probability,
            seed: rule.seed,
            from_ms,
            until_ms: rule.for_s.map_or(i64::MAX, |seconds| later(from_ms, seconds)),
            drawn: BTreeMap::new(),
            fault: rule.fault,
        });
        self.count.store(armed.len(), Ordering::Release);
    }

    /// The fault for a request of `device`, if one is waiting.
    pub(crate) fn take(&self, device: Option<&str>) -> Option<Fault> {
        self.draw(device, |fault| *fault != Fault::ExpiredCertificate)
    }

    /// Whether a handshake is to meet an expired certificate.
    pub(crate) fn is_certificate_expired(&self) -> bool {
        self.draw(None, |fault| *fault == Fault::ExpiredCertificate)
            .is_some()
    }

    /// The armed faults, in the order they are met.
    pub(crate) fn all(&self) -> Vec<Armed> {
        self.lock().iter().cloned().collect()
    }

    /// Forgets all armed faults and says how many requests they were still meant for.
    pub(crate) fn clear(&self) -> u64 {
        let mut armed = self.lock();
        self.count.store(0, Ordering::Release);
        armed.drain(..).map(|entry| u64::from(entry.left)).sum()
    }

    fn draw(&self, device: Option<&str>, is_asked_for: impl Fn(&Fault) -> bool) -> Option<Fault> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let now_ms = self.clock.now_ms();
        let mut armed = self.lock();
        armed.retain(|entry| entry.until_ms > now_ms);
        let met = armed.iter_mut().position(|entry| {
            let fits = entry.device.is_none() || entry.device.as_deref() == device;
            is_asked_for(&entry.fault) && fits && entry.from_ms <= now_ms && entry.is_drawn(device)
        });
        let fault = met.and_then(|at| {
            let entry = armed.get_mut(at)?;
            let fault = entry.fault.clone();
            if entry.left != u32::MAX {
                entry.left -= 1;
            }
            if entry.left == 0 {
                armed.remove(at);
            }
            Some(fault)
        });
        self.count.store(armed.len(), Ordering::Release);
        fault
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    /// Draws for the next request of a device.
    fn is_drawn(&mut self, device: Option<&str>) -> bool {
        if self.probability >= 1.0 {
            return true;
        }
        let device = device.unwrap_or_default();
        let count = self.drawn.entry(device.to_owned()).or_default();
        *count += 1;
        // FNV-1a: it has to be the same in every run and with every compiler.
        let mixed = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let bytes = self.seed.to_le_bytes().into_iter().chain(count.to_le_bytes());
        let hash = bytes.chain(device.bytes()).fold(0xcbf2_9ce4_8422_2325, mixed);
        fastrand::Rng::with_seed(hash).f64() < self.probability
    }
}

fn is_sure(probability: &f64) -> bool {
    *probability >= 1.0
}

fn is_zero(seed: &u64) -> bool {
    *seed == 0
}

fn is_for_good(until_ms: &i64) -> bool {
    *until_ms == i64::MAX
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use super::*;

    fn likely(seed: u64) -> Faults {
        let faults = Faults::default();
        faults.add(Rule {
            probability: 0.3,
            seed,
            ..Rule::of(Fault::Reset)
        });
        faults
    }

    #[test]
    fn the_same_seed_draws_the_same_however_devices_interleave() {
        let alone = |seed: u64, device: &str| {
            let faults = likely(seed);
            [0; 200].map(|_| faults.take(Some(device)).is_some())
        };
        let mixed = likely(7);
        let both: Vec<[bool; 2]> = (0..200)
            .map(|_| ["a", "b"].map(|device| mixed.take(Some(device)).is_some()))
            .collect();
        assert!(both.iter().map(|[a, _]| *a).eq(alone(7, "a")));
        assert!(both.iter().map(|[_, b]| *b).eq(alone(7, "b")));
        assert_ne!(alone(7, "a"), alone(8, "a"));
        assert_ne!(alone(7, "a"), alone(7, "b"));
        let met = alone(7, "a").iter().filter(|met| **met).count();
        assert!((40..80).contains(&met), "{met} of 200 at 0.3");
    }

    #[test]
    fn a_window_opens_and_closes_by_the_hubs_clock() {
        let now = Arc::new(AtomicI64::new(0));
        let read = now.clone();
        let faults = Faults::new(Clock::new(move || read.load(Ordering::Relaxed)));
        faults.add(Rule {
            after_s: 1.0,
            for_s: Some(0.5),
            ..Rule::of(Fault::Duplicate)
        });
        let met = [0, 999, 1000, 1499, 1500].map(|ms| {
            now.store(ms, Ordering::Relaxed);
            faults.take(None).is_some()
        });
        assert_eq!(met, [false, false, true, true, false]);
        assert!(faults.all().is_empty(), "what is over is forgotten");
    }

    #[test]
    fn a_rule_that_draws_not_leaves_the_next_one_its_turn() {
        let faults = Faults::default();
        for (probability, fault) in [(0.0, Fault::Reset), (1.0, Fault::Throttle)] {
            faults.add(Rule {
                probability,
                ..Rule::of(fault)
            });
        }
        assert_eq!(
            [faults.take(None), faults.take(None)],
            [Some(Fault::Throttle), None]
        );
    }

    #[test]
    fn handshakes_and_requests_have_faults_of_their_own() {
        let faults = Faults::default();
        faults.arm(None, 1, Fault::ExpiredCertificate);
        faults.arm(None, 1, Fault::Reset);
        assert_eq!(faults.take(None), Some(Fault::Reset));
        assert!(faults.is_certificate_expired() && !faults.is_certificate_expired());
    }
}
