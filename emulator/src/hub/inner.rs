//! What every request to a hub shares.

use std::sync::{RwLock, Weak};

use serde_json::Value;

use super::devicebound::{Devicebound, NotSent};
use super::identity::Device;
use super::options::HubOptions;
use super::presence::Order;
use super::twin::BadTwin;
use super::{closed, fault, feed, meter, presence, registry, stats};
use crate::dps;
use crate::mqtt::Closing;

/// What every request shares.
pub(crate) struct Inner {
    pub(crate) options: HubOptions,
    pub(crate) registry: registry::Registry,
    pub(super) faults: fault::Faults,
    pub(super) feed: feed::Feed,
    pub(super) meter: meter::Meter,
    pub(super) counters: stats::Counters,
    pub(super) presence: presence::Presence,
    pub(super) closings: closed::Closings,
    /// A DPS without a listener of its own, served here too.
    pub(crate) guest: RwLock<Weak<dps::Inner>>,
}

impl Inner {
    pub(super) fn new(options: HubOptions) -> Self {
        let registry = registry::Registry::default();
        for device in &options.devices {
            registry.put(device.clone());
        }
        Self {
            registry,
            faults: fault::Faults::default(),
            feed: feed::Feed::new(options.keep),
            meter: meter::Meter::new(options.limits),
            counters: stats::Counters::default(),
            presence: presence::Presence::default(),
            closings: closed::Closings::default(),
            guest: RwLock::new(Weak::new()),
            options,
        }
    }

    pub(super) fn put_device(&self, device: Device) {
        let (id, enabled) = (device.id.clone(), device.enabled);
        self.registry.put(device);
        if !enabled {
            self.presence
                .close(&id, Closing::new("DeviceDisabled", "the device was disabled"));
        }
    }

    pub(super) fn remove_device(&self, id: &str) -> bool {
        let removed = self.registry.remove(id);
        self.presence
            .close(id, Closing::new("DeviceNotFound", "the device was removed"));
        removed
    }

    pub(super) fn send_to_device(&self, id: &str, message: Devicebound) -> Result<u64, NotSent> {
        let entry = self
            .registry
            .get(id)
            .ok_or_else(|| NotSent::NoDevice(id.to_owned()))?;
        entry.mailbox.send(message, self.options.clock.now_ms())
    }

    pub(super) fn change_twin(
        &self,
        id: &str,
        desired: Option<&Value>,
        tags: Option<&Value>,
    ) -> Result<Value, BadTwin> {
        let entry = self.registry.get(id);
        let entry = entry.ok_or_else(|| BadTwin(format!("device {id} is not registered")))?;
        let mut twin = entry.twin.lock();
        // Both or none.
        let mut changed = twin.clone();
        if let Some(tags) = tags {
            changed.tag(tags)?;
        }
        let told = desired.map(|desired| changed.desire(desired)).transpose()?;
        *twin = changed;
        if let Some(told) = told {
            // Under the lock, so that the device is told in the order of the versions.
            self.presence.order(id, Order::Desired(told));
        }
        Ok(twin.whole())
    }
}
