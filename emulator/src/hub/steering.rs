//! What tests and programs ask of a running hub: devices, faults, feed, counters.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::sync::broadcast;

use super::{
    Answered, Arrived, BadRule, BadTwin, Blob, Closed, Device, Devicebound, Fault, Hub, Method, NoAnswer,
    NotSent, Routed, Rule, Saved, Settled, Stats, Upload, routing,
};

impl Hub {
    /// Adds a device or replaces its keys and state; its counters stay. A disabled one is disconnected.
    pub fn put_device(&self, device: Device) {
        self.0.inner.put_device(device);
    }

    /// Removes a device and ends its connection; says whether there was one.
    pub fn remove_device(&self, id: &str) -> bool {
        self.0.inner.remove_device(id)
    }

    /// Sends a message to a device; returns its sequence number, or why the hub does not take it.
    pub fn send_to_device(&self, id: &str, message: Devicebound) -> Result<u64, NotSent> {
        self.0.inner.send_to_device(id, message)
    }

    /// What became of the messages that were sent to a device and wait no longer, oldest first; the last 1 000.
    pub fn settled(&self, id: &str) -> Vec<Settled> {
        let now_ms = self.0.inner.options.clock.now_ms();
        let entry = self.0.inner.registry.get(id);
        entry
            .map(|entry| entry.mailbox.view(now_ms).1)
            .unwrap_or_default()
    }

    /// Merges into a device's twin and tells the device; returns the twin.
    ///
    /// # Errors
    /// [`BadTwin`]: no such device, or what the hub does not take; nothing is changed then.
    pub fn change_twin(
        &self,
        id: &str,
        desired: Option<&Value>,
        tags: Option<&Value>,
    ) -> Result<Value, BadTwin> {
        self.0.inner.change_twin(id, desired, tags)
    }

    /// The file uploads of a device, oldest first.
    pub fn uploads(&self, id: &str) -> Vec<Upload> {
        self.0.inner.uploads.of(id)
    }

    /// A file that a device uploaded, by its name with the device id before it.
    pub fn blob(&self, name: &str) -> Option<Arc<Blob>> {
        self.0.inner.uploads.shelf.get(name)
    }

    /// Calls a direct method of a device and waits for its answer.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn invoke(&self, id: &str, method: Method) -> Result<Answered, NoAnswer> {
        self.0.inner.invoke(id, method).await
    }

    /// Whether a device is connected over MQTT, or a module by `{device}/{module}`.
    pub fn is_connected(&self, id: &str) -> bool {
        self.0.inner.presence.is_connected(id)
    }

    /// Why MQTT connections were closed, oldest first; the last 1 000.
    pub fn closed(&self) -> Vec<Closed> {
        self.0.inner.closings.all()
    }

    /// A device as it is now.
    pub fn device(&self, id: &str) -> Option<Device> {
        self.0.inner.registry.get(id).map(|entry| entry.device.clone())
    }

    /// The next `times` requests (`u32::MAX`: all) meet `fault`. Faults armed earlier go first.
    pub fn fail_next(&self, times: u32, fault: Fault) {
        self.0.inner.faults.arm(None, times, fault);
    }

    /// The next `times` requests of one device meet `fault`.
    pub fn fail_next_of(&self, device: &str, times: u32, fault: Fault) {
        self.0.inner.faults.arm(Some(device), times, fault);
    }

    /// Arms a rule: a fault with a probability, a window, a device.
    ///
    /// # Errors
    /// [`BadRule`]: numbers that make no sense.
    pub fn arm(&self, rule: Rule) -> Result<(), BadRule> {
        rule.check()?;
        self.0.inner.faults.add(rule);
        Ok(())
    }

    /// Takes all armed faults back; returns for how many requests they still stood.
    pub fn clear_faults(&self) -> u64 {
        self.0.inner.faults.clear()
    }

    /// Takes from now on what [`super::HubOptions::cursed`] refuses.
    pub fn bless(&self) {
        self.0.inner.blessed.store(true, Ordering::Relaxed);
    }

    /// Every message from now on, as it arrives. A receiver more than 4 096 behind misses some, and is told so.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Arrived>> {
        self.0.inner.feed.subscribe()
    }

    /// The messages kept, oldest first.
    pub fn arrived(&self) -> Vec<Arc<Arrived>> {
        self.0.inner.feed.after(0, usize::MAX)
    }

    /// The messages kept with a number above `after`, oldest first, `limit` at most.
    pub fn arrived_after(&self, after: u64, limit: usize) -> Vec<Arc<Arrived>> {
        self.0.inner.feed.after(after, limit)
    }

    /// Forgets the messages kept. Numbers and counters go on.
    pub fn forget(&self) {
        self.0.inner.feed.forget();
    }

    /// Waits until `messages` have arrived since the start. Never gives up: put a timeout around it.
    pub async fn wait_for(&self, messages: u64) {
        self.0.inner.feed.wait_for(messages).await;
    }

    /// What became of messages on their routes; `None` for a hub without routes.
    pub fn routed(&self) -> Option<Routed> {
        self.0.inner.routing.as_ref().map(routing::Routing::routed)
    }

    /// Waits until all that was routed so far is written or lost. Never gives up: put a timeout around it.
    pub async fn wait_for_endpoints(&self) {
        if let Some(routing) = &self.0.inner.routing {
            routing.idle().await;
        }
    }

    /// Writes the state now, where it is kept in a directory; else nothing happens.
    ///
    /// # Errors
    /// The file cannot be written; it is as it was.
    pub fn save(&self) -> io::Result<()> {
        self.0.data.as_ref().map_or(Ok(()), Saved::flush)
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.0.inner.stats()
    }
}
