//! Azure IoT Hub as a device sees it over HTTPS and MQTT, and the feed of what arrived.
//!
//! Takes `POST /devices/{id}/messages/events` (one message, or a batch) and MQTT publications (port 8883, or WebSocket
//! on the HTTPS port), checks tokens, sizes, rates and the daily quota as the service documents them, answers with its
//! status codes and bodies (or closes the connection, and tells why), and fails on demand.
//! Cloud-to-device messages wait, are locked, settled and counted for either transport; they are sent over AMQP (port
//! 5671, or WebSocket) or over the control API, as are desired properties and direct methods. Feedback on them and
//! notices of uploaded files are received over AMQP. Files are uploaded to the hub's own port. The rest of the service
//! side is there over HTTPS, for holders of policies with the right for it. Devices do not connect over AMQP. Modules of
//! devices connect over MQTT as devices do, for telemetry, twins and methods; what is an IoT Edge hub's (inputs, calls from
//! module to module) and cloud-to-device messages, which officially no module has, are refused.
//!
//! Known differences: names of application properties sent as headers arrive in lower case (the HTTP library
//! folds them); a batch keeps their case. Each message of a batch is metered by itself. Over AMQP, feedback is not held
//! back until a batch is full, and delivery tags are counters, where Azure's are GUIDs (C#'s receivers read them as such).
//! Traffic shaping is a model (see `meter/throttle`); what the control API does to twins is neither throttled nor charged.
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
//! - `access`, `identity`, `authorities`: by key or by certificate, who may send, device or module.
//! - `intake`: how messages are taken. [`Throttles`], [`Charged`] and `meter`: throttles, daily quota, what is charged. `refusal`, `reply`: what is answered.
//! - [`Routes`] and `routing`: which messages go where, by conditions (`expression`).
//! - [`Arrived`] and the feed: what was taken. `registry`: the devices and their counters.
//! - `data`: state that survives a restart. [`Fault`]: what goes wrong on demand. [`token`]: shared access signatures.
//! - `steering`: what tests and programs ask of a running [`Hub`].
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
mod data;
mod devicebound;
mod document;
mod expression;
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
mod routing;
mod service;
mod servicebound;
mod stats;
mod steering;
pub mod token;
mod twin;
mod upload;
mod websocket;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::service::service_fn;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

pub use clock::Clock;
pub use closed::Closed;
pub use command::{Args, CommandError, run};
pub use devicebound::{Devicebound, Full, NotSent, Outcome, Settled};
pub use fault::{BadRule, BadRules, Fault, Rule};
pub use feed::Arrived;
pub use identity::{Authentication, Device, NotAThumbprint, Thumbprint};
pub(crate) use inner::Inner;
pub use key::{Key, KeyError};
pub use listen::StartError;
use listen::listener_on;
pub(crate) use listen::{address, bind, url};
pub use meter::{BadRate, Charged, Denied, Operation, Rate, Shaping, Throttles};
pub use method::{Answered, Method, NoAnswer};
#[cfg(fuzzing)]
pub use mqtt::mqtt_packets;
pub use options::{HubOptions, Keep, Limits, Tier};
pub use policy::{Policy, Rights};
pub use routing::{BadRoutes, Routed, Routes, Written};
pub use stats::{DeviceStats, Stats};
pub use twin::BadTwin;
pub use upload::{Blob, Told, Upload};

pub use crate::saved::DataError;
use crate::saved::Saved;
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
        let data = inner.options.data.as_deref();
        let data = data.map(|directory| Saved::open(directory, &inner)).transpose()?;
        let faults = Arc::downgrade(&inner);
        let config = authority.or_expired(&config, &names, move || {
            faults
                .upgrade()
                .is_some_and(|inner| inner.faults.is_certificate_expired())
        })?;
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
            data,
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
    /// Before the hub, whose state it writes at the end.
    data: Option<Saved<Inner>>,
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
