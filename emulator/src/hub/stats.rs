//! Counters of a hub and of each device.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::Inner;
use super::meter::{Charge, Charged, Charges};

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
    /// Billing units: what is charged, in steps of 4 KB (512 bytes on the free tier).
    pub units: u64,
    /// The same by what they were charged for.
    pub charged: Charged,
    /// Units of this day (UTC) so far, of devices removed since too.
    pub units_today: u64,
    /// How many the day has, if there is a quota.
    pub units_per_day: Option<u64>,
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
    /// The same by what they were charged for.
    pub charged: Charged,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) connections: Arc<AtomicU64>,
    pub(super) requests: AtomicU64,
    pub(super) faults: AtomicU64,
    /// Billing units of queries, which are no device's.
    pub(super) queries: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// One device's counters.
#[derive(Default)]
pub(crate) struct DeviceCounters {
    messages: AtomicU64,
    bytes: AtomicU64,
    charges: Charges,
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
    pub(super) fn add(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn charge(&self, charge: Charge, units: u64) {
        self.charges.add(charge, units);
    }

    pub(super) fn stats(&self) -> DeviceStats {
        let charged = self.charges.view();
        DeviceStats {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            units: charged.total(),
            charged,
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
        let mut charged = Charged {
            queries: self.counters.queries.load(Ordering::Relaxed),
            ..Charged::default()
        };
        for device in devices.values() {
            charged += device.charged;
        }
        let (units_today, units_per_day) = self.meter.today(self.options.clock.now_ms());
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
            units: charged.total(),
            charged,
            units_today,
            units_per_day,
            devices,
        }
    }
}
