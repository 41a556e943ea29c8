//! Counters of a hub and of each device.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::Inner;

/// What a hub has seen since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// TLS connections opened, for HTTPS and MQTT.
    pub connections: u64,
    /// HTTP requests, MQTT logins and publications; faulted and refused ones too.
    pub requests: u64,
    /// Requests that met a fault on demand.
    pub faults: u64,
    /// Requests refused and MQTT connections closed, by the reason's name (`iothub-errorcode` over HTTPS);
    /// faults on demand are not among them.
    pub refused: BTreeMap<String, u64>,
    /// Messages taken; each one of a batch counts.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Billing units: each message in steps of 4 KB (512 bytes on the free tier).
    pub units: u64,
    /// The same by device.
    pub devices: BTreeMap<String, DeviceStats>,
}

/// What a hub has taken from one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeviceStats {
    /// Messages taken.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Billing units.
    pub units: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) connections: Arc<AtomicU64>,
    pub(super) requests: AtomicU64,
    pub(super) faults: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// One device's counters.
#[derive(Default)]
pub(crate) struct DeviceCounters {
    messages: AtomicU64,
    bytes: AtomicU64,
    units: AtomicU64,
}

impl Counters {
    pub(super) fn refuse(&self, name: &'static str) {
        *self
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name)
            .or_default() += 1;
    }
}

impl DeviceCounters {
    pub(super) fn add(&self, messages: u64, bytes: u64, units: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.units.fetch_add(units, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> DeviceStats {
        DeviceStats {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            units: self.units.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    /// A snapshot of all counters. The sums are those of the devices known now.
    pub(crate) fn stats(&self) -> Stats {
        let entries = self.registry.all();
        let devices: BTreeMap<_, _> = entries
            .into_iter()
            .map(|(id, entry)| (id, entry.counters.stats()))
            .collect();
        let refused = self
            .counters
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Stats {
            connections: self.counters.connections.load(Ordering::Relaxed),
            requests: self.counters.requests.load(Ordering::Relaxed),
            faults: self.counters.faults.load(Ordering::Relaxed),
            refused: refused.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            messages: devices.values().map(|d| d.messages).sum(),
            bytes: devices.values().map(|d| d.bytes).sum(),
            units: devices.values().map(|d| d.units).sum(),
            devices,
        }
    }
}
