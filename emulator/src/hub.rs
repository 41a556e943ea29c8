//! Azure IoT Hub as a device sees it over HTTPS and MQTT, and the feed of what arrived.
//!
//! Takes `POST /devices/{id}/messages/events` (one message, or a batch) and MQTT publications (port 8883, or WebSocket
//! on the HTTPS port), checks tokens, sizes, rates and the daily quota as the service documents them, answers with its
//! status codes and bodies (or closes the connection, and tells why), and fails on demand.
//! Cloud-to-device messages wait, are locked, settled and counted for either transport; they are sent over AMQP (port
//! 5671, or WebSocket) or over the control API, as are desired properties and direct methods. Feedback on them and
//! notices of uploaded files are received over AMQP. Files are uploaded to the hub's own port. The rest of the service
//! side is there over HTTPS, for holders of policies with the right for it. Devices do not connect over AMQP.
//!
//! Known differences: names of application properties sent as headers arrive in lower case (the HTTP library
//! folds them); a batch keeps their case. Each message of a batch is metered by itself. Over AMQP, feedback is not held
//! back until a batch is full, and delivery tags are counters, where Azure's are GUIDs (C#'s receivers read them as such).
//!
//! # Layout
//!
//! - [`HubOptions`], [`Limits`]: what a hub is started with. [`Device`], [`Policy`], [`Rights`]: who may do what.
//!   [`Clock`], [`Key`]: time and keys.
//! - `listen`: where it listens.
//! - `service`: the way of a request, on one screen. `route`, `body`, `access`, `message`, `batch`: its steps, in order.
//! - `mqtt`: the same over MQTT. `presence`: who is connected. [`Closed`]: why connections were closed.
//! - `amqp`: back ends over AMQP. `websocket`: both inside WebSocket, on the HTTPS port.
//! - [`Devicebound`] and `devicebound`: cloud-to-device messages. `servicebound`: feedback, and notices of files.
//! - [`Upload`] and `upload`: files that devices upload.
//! - `twin`: device twins. [`Method`] and `method`: direct methods.
//! - `rest`: the service side. `query`: its query language, over `document`, twins as it sees them.
//!   `jobs`: work on many devices.
//! - `access`, `identity`, `authorities`: by key or by certificate, who may send.
//! - `intake`: how messages are taken. `meter`: throttle and daily quota. `refusal`, `reply`: what is answered.
//! - [`Arrived`] and the feed: what was taken. `registry`: the devices and their counters.
//! - [`Fault`]: what goes wrong on demand. [`token`]: shared access signatures.
//! - `control`: the feed, counters, faults and devices over plain HTTP on loopback.
//! - [`Args`], [`run`]: hub and DPS for people, at the command line.

pub(crate) mod access;
mod amqp;
mod authorities;
mod batch;
pub(crate) mod body;
mod clock;
mod closed;
mod command;
mod control;
mod devicebound;
mod document;
pub(crate) mod fault;
mod feed;
mod identity;
mod inner;
mod intake;
mod jobs;
mod key;
mod listen;
mod message;
mod meter;
mod method;
mod mqtt;
mod options;
mod policy;
mod presence;
mod query;
mod refusal;
mod registry;
pub(crate) mod reply;
mod rest;
pub(crate) mod route;
mod service;
mod servicebound;
mod stats;
pub mod token;
mod twin;
mod upload;
mod websocket;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::service::service_fn;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

pub use clock::Clock;
pub use closed::Closed;
pub use command::{Args, CommandError, run};
pub use devicebound::{Devicebound, Full, NotSent, Outcome, Settled};
pub use fault::Fault;
pub use feed::Arrived;
pub use identity::{Authentication, Device, NotAThumbprint, Thumbprint};
pub(crate) use inner::Inner;
pub use key::{Key, KeyError};
pub use listen::StartError;
use listen::listener_on;
pub(crate) use listen::{address, bind, url};
pub use method::{Answered, Method, NoAnswer};
#[cfg(fuzzing)]
pub use mqtt::mqtt_packets;
pub use options::{HubOptions, Keep, Limits, Tier};
pub use policy::{Policy, Rights};
pub use stats::{DeviceStats, Stats};
pub use twin::BadTwin;
pub use upload::{Blob, Told, Upload};

use crate::tls::{self, Authority, Serving};

/// A running hub. Clones are the same hub; it stops when the last one is dropped.
#[derive(Clone)]
pub struct Hub(Arc<Running>);

impl Hub {
    /// Starts a hub and listens. With no authority in `options`, a new one is made.
    pub async fn start(options: HubOptions) -> Result<Self, StartError> {
        if let Some(addr) = options.control.filter(|addr| !addr.ip().is_loopback()) {
            return Err(StartError::ControlNotLoopback(addr));
        }
        let authority = match &options.authority {
            Some(authority) => authority.clone(),
            None => Authority::in_memory()?,
        };
        let mut names = vec![options.host_name.clone()];
        names.extend(
            [Some(options.bind), options.mqtt, options.amqp]
                .into_iter()
                .flatten()
                .map(|addr| addr.ip().to_string()),
        );
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let config = authority.server_config(&names)?;
        let listener = bind(options.bind).await?;
        let https = address(&listener, options.bind)?;
        let mqtt = listener_on(options.mqtt).await?;
        let amqp = listener_on(options.amqp).await?;
        let control = options.control;
        let inner = Arc::new(Inner::new(options).map_err(tls::Error::from)?);
        let control = match control {
            None => None,
            Some(addr) => {
                let listener = bind(addr).await?;
                let reached = control::Reached {
                    https: url("https", https),
                    mqtt: mqtt.as_ref().map(|(addr, _)| url("mqtts", *addr)),
                    ca: authority.ca_path().map(std::path::Path::to_owned),
                };
                let at = address(&listener, addr)?;
                Some((at, control::serve(listener, inner.clone(), reached)))
            }
        };
        let running = Running {
            inner,
            authority,
            config,
            addr: https,
            mqtt: mqtt.as_ref().map(|(addr, _)| *addr),
            amqp: amqp.as_ref().map(|(addr, _)| *addr),
            serving: Mutex::default(),
            control,
        };
        let hub = Self(Arc::new(running));
        hub.listen(
            listener,
            mqtt.map(|(_, listener)| listener),
            amqp.map(|(_, listener)| listener),
        );
        Ok(hub)
    }

    /// Where the hub listens for TLS.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// Where the hub listens for MQTT over TLS, if it does. A DPS started on this hub answers here too.
    pub fn mqtt_addr(&self) -> Option<SocketAddr> {
        self.0.mqtt
    }

    /// Where the hub listens for AMQP over TLS, if it does.
    pub fn amqp_addr(&self) -> Option<SocketAddr> {
        self.0.amqp
    }

    /// The hub's address as a URL, on `localhost` where that is where it listens.
    pub fn url(&self) -> String {
        url("https", self.0.addr)
    }

    /// The hub's own name: what `sr` must name.
    pub fn host_name(&self) -> &str {
        &self.0.inner.options.host_name
    }

    /// Who signed the hub's certificate.
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// The certificate clients have to trust, in PEM.
    pub fn ca_pem(&self) -> &str {
        self.0.authority.ca_pem()
    }

    /// Where the control API listens, if it does.
    pub fn control_addr(&self) -> Option<SocketAddr> {
        self.0.control.as_ref().map(|(addr, _)| *addr)
    }

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
        desired: Option<&serde_json::Value>,
        tags: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, BadTwin> {
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

    /// Whether a device is connected over MQTT.
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

    /// Takes all armed faults back; returns for how many requests they still stood.
    pub fn clear_faults(&self) -> u64 {
        self.0.inner.faults.clear()
    }

    /// Takes from now on what [`HubOptions::cursed`] refuses.
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

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.0.inner.stats()
    }

    /// An outage: closes the listener and all connections. Devices, feed and counters stay.
    pub fn go_down(&self) {
        self.serving().clear();
    }

    /// The end of an outage: listens again, on the same address.
    pub async fn come_up(&self) -> Result<(), StartError> {
        let listener = bind(self.0.addr).await?;
        let [mqtt, amqp] = [listener_on(self.0.mqtt).await?, listener_on(self.0.amqp).await?];
        self.listen(
            listener,
            mqtt.map(|(_, listener)| listener),
            amqp.map(|(_, listener)| listener),
        );
        Ok(())
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0.inner
    }

    fn listen(&self, listener: TcpListener, mqtt: Option<TcpListener>, amqp: Option<TcpListener>) {
        let inner = self.0.inner.clone();
        let opened = inner.counters.connections.clone();
        let mqtt = mqtt.map(|mqtt| mqtt::listen(mqtt, &self.0.config, inner.clone(), opened.clone()));
        let amqp = amqp.map(|amqp| amqp::listen(amqp, &self.0.config, inner.clone(), opened.clone()));
        let service = service_fn(move |request| service::answer(inner.clone(), request));
        let https = tls::serve(listener, self.0.config.clone(), service, opened);
        *self.serving() = mqtt.into_iter().chain(amqp).chain([https]).collect();
    }

    fn serving(&self) -> std::sync::MutexGuard<'_, Vec<Serving>> {
        self.0.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ends with the last handle.
struct Running {
    inner: Arc<Inner>,
    authority: Authority,
    config: Arc<ServerConfig>,
    addr: SocketAddr,
    mqtt: Option<SocketAddr>,
    amqp: Option<SocketAddr>,
    /// Empty during an outage.
    serving: Mutex<Vec<Serving>>,
    control: Option<(SocketAddr, AbortHandle)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.control {
            task.abort();
        }
    }
}
