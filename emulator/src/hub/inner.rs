//! What every request to a hub shares.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock, Weak};

use serde_json::Value;

use super::devicebound::{Devicebound, NotSent};
use super::identity::{Device, Identity};
use super::meter::{Charge, Denied, Operation};
use super::options::HubOptions;
use super::presence::Order;
use super::refusal::Refusal;
use super::registry::{Condition, Entry, Party, Unwritten};
use super::servicebound::Servicebound;
use super::twin::{BadTwin, Edit, NotEdited};
use super::{
    authorities, closed, fault, feed, jobs, meter, mqtt, presence, registry, routing, stats, upload,
};
use crate::dps;
use crate::mqtt::Closing;

/// What every request shares.
pub(crate) struct Inner {
    pub(crate) options: HubOptions,
    pub(crate) registry: registry::Registry,
    pub(super) faults: fault::Faults,
    /// Whether [`HubOptions::cursed`] holds no more.
    pub(super) blessed: AtomicBool,
    pub(super) feed: feed::Feed,
    pub(super) meter: meter::Meter,
    pub(super) routing: Option<routing::Routing>,
    pub(super) counters: stats::Counters,
    pub(super) presence: presence::Presence,
    pub(super) sessions: mqtt::Sessions,
    pub(super) closings: closed::Closings,
    pub(super) jobs: jobs::Jobs,
    pub(super) uploads: upload::Uploads,
    pub(super) authorities: authorities::Authorities,
    /// What back ends are told of the messages that they have sent to devices.
    pub(super) feedback: Arc<Servicebound>,
    /// What back ends are told of uploaded files.
    pub(super) file_notices: Servicebound,
    /// A DPS without a listener of its own, served here too.
    pub(crate) guest: RwLock<Weak<dps::Inner>>,
}

impl Inner {
    /// # Errors
    /// The operating system gives no random bytes.
    pub(super) fn new(options: HubOptions) -> Result<Self, rustls::Error> {
        let feedback = Arc::new(Servicebound::feedback());
        let registry = registry::Registry::new(options.clock.clone(), feedback.clone());
        for device in &options.devices {
            registry.put(device.clone());
        }
        let faults = fault::Faults::new(options.clock.clone());
        for rule in &options.faults {
            faults.add(rule.clone());
        }
        Ok(Self {
            registry,
            faults,
            blessed: AtomicBool::new(false),
            feed: feed::Feed::new(options.keep),
            meter: meter::Meter::new(&options),
            routing: options
                .routes
                .as_ref()
                .map(|routes| routing::Routing::start(routes, &options.host_name)),
            counters: stats::Counters::default(),
            presence: presence::Presence::default(),
            sessions: mqtt::Sessions::default(),
            closings: closed::Closings::default(),
            jobs: jobs::Jobs::default(),
            uploads: upload::Uploads::new(options.files.clone())?,
            authorities: authorities::Authorities::new(options.authorities.clone()),
            feedback,
            file_notices: Servicebound::file_notices(),
            guest: RwLock::new(Weak::new()),
            options,
        })
    }

    pub(crate) fn put_device(&self, device: Device) {
        // Without a condition it is always written.
        let _ = self.write_device(device, &Condition::None);
    }

    /// A device, or a module; or 404.
    pub(crate) fn find(&self, identity: &Identity) -> Result<Party, Refusal> {
        let device = self.registry.get(&identity.device);
        let device = device.ok_or_else(|| Refusal::no_device(&identity.device))?;
        let Some(id) = &identity.module else {
            return Ok(device.into());
        };
        let module = device.modules.get(id);
        let module = module.ok_or_else(|| Refusal::no_module(&identity.device, id))?;
        Ok(Party {
            device,
            module: Some(module),
        })
    }

    /// Writes an identity, if the condition is met. A device that is disabled by it is disconnected, and its modules are.
    pub(super) fn write_device(
        &self,
        device: Device,
        condition: &Condition,
    ) -> Result<Arc<Entry>, Unwritten> {
        let entry = self.registry.write(device, condition)?;
        if !entry.device.enabled {
            self.close(&entry, &Closing::new("DeviceDisabled", "the device was disabled"));
        }
        Ok(entry)
    }

    pub(crate) fn remove_device(&self, id: &str) -> bool {
        self.delete_device(id, &Condition::Exists).is_ok()
    }

    /// Removes a device with its modules, if the condition is met, and ends their connections.
    pub(super) fn delete_device(&self, id: &str, condition: &Condition) -> Result<(), Unwritten> {
        let entry = self.registry.remove(id, condition)?;
        self.close(&entry, &Closing::new("DeviceNotFound", "the device was removed"));
        Ok(())
    }

    /// Removes a module of a device, if the condition is met, and ends its connection.
    pub(super) fn delete_module(
        &self,
        device: &Entry,
        id: &str,
        condition: &Condition,
    ) -> Result<(), Unwritten> {
        device.modules.remove(id, condition)?;
        let client = format!("{}/{id}", device.device.id);
        self.presence
            .close(&client, Closing::new("ModuleNotFound", "the module was removed"));
        Ok(())
    }

    pub(super) fn send_to_device(&self, id: &str, message: Devicebound) -> Result<u64, NotSent> {
        let entry = self
            .registry
            .get(id)
            .ok_or_else(|| NotSent::NoDevice(id.to_owned()))?;
        let now_ms = self.options.clock.now_ms();
        let bytes = message.size();
        // The queue of a busy hub is the device's queue, too: nobody waits here.
        let turn = self
            .meter
            .take(Operation::SendToDevice, now_ms)
            .map_err(Refusal::from);
        turn.and_then(|_| self.can_charge(bytes, now_ms))
            .map_err(Denied::from)?;
        let sequence = entry.mailbox.send(message, now_ms)?;
        self.charge_anyway(&entry, Charge::Devicebound, bytes, now_ms);
        Ok(sequence)
    }

    /// Takes out messages that have expired at devices which do not ask for them, so that their senders are told.
    pub(super) fn sweep(&self, now_ms: i64) {
        for entry in self.registry.all().values() {
            entry.mailbox.tidy(now_ms);
        }
    }

    pub(crate) fn change_twin(
        &self,
        id: &str,
        desired: Option<&Value>,
        tags: Option<&Value>,
    ) -> Result<Value, BadTwin> {
        let entry = self.registry.get(id);
        let entry = entry.ok_or_else(|| BadTwin(format!("device {id} is not registered")))?;
        let edit = Edit::merge(desired.cloned(), tags.cloned());
        let party = Party::from(entry);
        match self.edit_twin(&party, edit, &Condition::None) {
            Ok(()) => Ok(party.twin().lock().whole()),
            Err(NotEdited::Bad(why)) => Err(why),
            Err(NotEdited::Changed) => Err(BadTwin("the twin was changed meanwhile".to_owned())),
        }
    }

    /// Changes a twin, if the condition is met, and tells whose it is.
    pub(super) fn edit_twin(&self, of: &Party, edit: Edit, condition: &Condition) -> Result<(), NotEdited> {
        let mut twin = of.twin().lock();
        if let Some(told) = twin.edit(edit, condition, self.options.clock.now_ms())? {
            // Under the lock, so that it is told in the order of the versions.
            let client = of.identity().to_string();
            self.presence.order(&client, Order::Desired(told));
        }
        Ok(())
    }

    /// Ends the connections of a device and of its modules.
    fn close(&self, of: &Entry, why: &Closing) {
        let id = &of.device.id;
        self.presence.close(id, why.clone());
        for entry in of.modules.all() {
            let client = format!("{id}/{}", entry.module.id);
            self.presence.close(&client, why.clone());
        }
    }
}
