//! Faults on demand: what goes wrong, and for which requests.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// One thing that goes wrong. In JSON: `{"status":{"code":503,"retry_after":5}}`, `"reset"`,
/// `"reset_mid_body"`, `"reset_after_accept"`, `{"delay":250}`, `{"clock_skew":-600}`.
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
    /// So many milliseconds pass before the request is looked at.
    Delay(u64),
    /// The service's clock is wrong by so many seconds, in the `Date` header and in the check of tokens.
    ClockSkew(i64),
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

/// Faults waiting for their requests, first armed first served.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<VecDeque<Armed>>,
    /// Length of `armed`, so that the usual case (none) costs no lock.
    count: AtomicUsize,
}

/// A fault that waits; in JSON as it was armed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Armed {
    /// For requests of this device alone; of any if `None`.
    device: Option<String>,
    #[serde(rename = "times")]
    left: u32,
    fault: Fault,
}

impl Faults {
    /// Arms `fault` for the next `times` requests (of `device`, if named). `u32::MAX` times is for good.
    pub(crate) fn arm(&self, device: Option<&str>, times: u32, fault: Fault) {
        if times == 0 {
            return;
        }
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        armed.push_back(Armed {
            device: device.map(str::to_owned),
            left: times,
            fault,
        });
        self.count.store(armed.len(), Ordering::Release);
    }

    /// The fault for a request of `device`, if one is waiting.
    pub(crate) fn take(&self, device: Option<&str>) -> Option<Fault> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |entry: &Armed| entry.device.is_none() || entry.device.as_deref() == device;
        let at = armed.iter().position(fits)?;
        let entry = armed.get_mut(at)?;
        let fault = entry.fault.clone();
        if entry.left != u32::MAX {
            entry.left -= 1;
        }
        if entry.left == 0 {
            armed.remove(at);
        }
        self.count.store(armed.len(), Ordering::Release);
        Some(fault)
    }

    /// The armed faults, in the order they are met.
    pub(crate) fn all(&self) -> Vec<Armed> {
        let armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        armed.iter().cloned().collect()
    }

    /// Forgets all armed faults and says how many requests they were still meant for.
    pub(crate) fn clear(&self) -> u64 {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        self.count.store(0, Ordering::Release);
        armed.drain(..).map(|entry| u64::from(entry.left)).sum()
    }
}
