//! The devices a hub knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::devicebound::Mailbox;
use super::identity::Device;
use super::stats::DeviceCounters;
use super::twin::Shadow;

/// The devices by id.
#[derive(Default)]
pub(crate) struct Registry(RwLock<HashMap<String, Arc<Entry>>>);

/// A device, and what is kept for it whatever becomes of its keys.
pub(crate) struct Entry {
    pub(crate) device: Device,
    pub(crate) counters: Arc<DeviceCounters>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) twin: Arc<Shadow>,
}

impl Entry {
    /// A device of which nothing is known yet.
    pub(crate) fn new(device: Device) -> Self {
        Self {
            device,
            counters: Arc::default(),
            mailbox: Arc::default(),
            twin: Arc::default(),
        }
    }

    /// The same with other keys or another state.
    fn with(&self, device: Device) -> Self {
        Self {
            device,
            counters: self.counters.clone(),
            mailbox: self.mailbox.clone(),
            twin: self.twin.clone(),
        }
    }
}

impl Registry {
    /// Adds a device, or replaces its keys and state.
    pub(crate) fn put(&self, device: Device) -> Arc<Entry> {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let id = device.id.clone();
        let entry = Arc::new(match devices.get(&id) {
            Some(known) => known.with(device),
            None => Entry::new(device),
        });
        devices.insert(id, entry.clone());
        entry
    }

    /// The device, made by `new` if it is not known.
    pub(crate) fn get_or_put(&self, id: &str, new: impl FnOnce() -> Device) -> Arc<Entry> {
        if let Some(known) = self.get(id) {
            return known;
        }
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let entry = || Arc::new(Entry::new(new()));
        devices.entry(id.to_owned()).or_insert_with(entry).clone()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Entry>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    pub(crate) fn remove(&self, id: &str) -> bool {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
            .is_some()
    }

    /// All devices, by id.
    pub(crate) fn all(&self) -> BTreeMap<String, Arc<Entry>> {
        let devices = self.0.read().unwrap_or_else(PoisonError::into_inner);
        devices
            .iter()
            .map(|(id, entry)| (id.clone(), entry.clone()))
            .collect()
    }
}

/// Whether `id` may be a device id: 1 to 128 characters of the documented set (Azure docs, identity registry).
pub(crate) fn is_device_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@$'".contains(&b))
}
