//! The devices a hub knows, and their modules.
//!
//! # Layout
//!
//! - [`Entry`]: a device. `module`: the modules of one. [`Party`]: either. `record`: what the registry itself says of an identity.
//! - [`Condition`]: what a write depends on. `activity`: when a device was last heard of.

mod activity;
mod condition;
mod module;
mod party;
mod record;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::clock::Clock;
use super::devicebound::Mailbox;
use super::identity::Device;
use super::servicebound::Servicebound;
use super::stats::DeviceCounters;
use super::twin::Shadow;

pub(crate) use activity::Activity;
pub(crate) use condition::{Condition, Unwritten};
pub(crate) use module::{ModuleEntry, Modules};
pub(crate) use party::Party;
pub(crate) use record::Record;

/// The devices by id.
pub(crate) struct Registry {
    devices: RwLock<HashMap<String, Arc<Entry>>>,
    clock: Clock,
    /// Where mailboxes tell what became of their messages.
    feedback: Arc<Servicebound>,
}

/// A device, and what is kept for it whatever becomes of its keys.
pub(crate) struct Entry {
    pub(crate) device: Device,
    pub(crate) record: Record,
    pub(crate) activity: Arc<Activity>,
    pub(crate) counters: Arc<DeviceCounters>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) twin: Arc<Shadow>,
    pub(crate) modules: Arc<Modules>,
}

impl Entry {
    /// A device of which nothing is known yet.
    pub(super) fn new(mut device: Device, now_ms: i64, feedback: Arc<Servicebound>) -> Self {
        let record = Record::new(now_ms);
        device.begin_scope(&record.generation_id);
        Self {
            mailbox: Arc::new(Mailbox::new(&device.id, &record.generation_id, feedback)),
            device,
            record,
            activity: Arc::default(),
            counters: Arc::default(),
            twin: Arc::default(),
            modules: Arc::default(),
        }
    }

    /// The same with other keys or another state.
    fn with(&self, mut device: Device, now_ms: i64) -> Self {
        let switched = device.enabled != self.device.enabled;
        device.begin_scope(&self.record.generation_id);
        Self {
            device,
            record: self.record.rewritten(switched.then_some(now_ms)),
            activity: self.activity.clone(),
            counters: self.counters.clone(),
            mailbox: self.mailbox.clone(),
            twin: self.twin.clone(),
            modules: self.modules.clone(),
        }
    }
}

impl Registry {
    /// No devices yet.
    pub(super) fn new(clock: Clock, feedback: Arc<Servicebound>) -> Self {
        Self {
            devices: RwLock::default(),
            clock,
            feedback,
        }
    }

    /// Adds a device, or replaces its keys and state.
    pub(crate) fn put(&self, device: Device) {
        // Without a condition it is always written.
        let _ = self.write(device, &Condition::None);
    }

    /// Adds a device, or replaces its keys and state, if the condition is met.
    pub(crate) fn write(&self, device: Device, condition: &Condition) -> Result<Arc<Entry>, Unwritten> {
        let now_ms = self.clock.now_ms();
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let known = devices.get(&device.id);
        condition.check(known.map(|known| &known.record))?;
        let id = device.id.clone();
        let entry = Arc::new(match known {
            Some(known) => known.with(device, now_ms),
            None => Entry::new(device, now_ms, self.feedback.clone()),
        });
        devices.insert(id, entry.clone());
        Ok(entry)
    }

    /// A device from before a restart, with what the registry said of it.
    pub(crate) fn restore(&self, device: Device, record: Record) -> Arc<Entry> {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let id = device.id.clone();
        let mailbox = Mailbox::new(&device.id, &record.generation_id, self.feedback.clone());
        let entry = Arc::new(Entry {
            record,
            mailbox: Arc::new(mailbox),
            ..Entry::new(device, self.clock.now_ms(), self.feedback.clone())
        });
        devices.insert(id, entry.clone());
        entry
    }

    /// The device, made by `new` if it is not known.
    pub(crate) fn get_or_put(&self, id: &str, new: impl FnOnce() -> Device) -> Arc<Entry> {
        if let Some(known) = self.get(id) {
            return known;
        }
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let entry = || Arc::new(Entry::new(new(), self.clock.now_ms(), self.feedback.clone()));
        devices.entry(id.to_owned()).or_insert_with(entry).clone()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Entry>> {
        self.devices
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Removes a device with all that is kept for it, if the condition is met.
    pub(crate) fn remove(&self, id: &str, condition: &Condition) -> Result<Arc<Entry>, Unwritten> {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let known = devices.get(id).ok_or(Unwritten::Missing)?;
        condition.check(Some(&known.record))?;
        devices.remove(id).ok_or(Unwritten::Missing)
    }

    /// All devices, by id.
    pub(crate) fn all(&self) -> BTreeMap<String, Arc<Entry>> {
        let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
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
