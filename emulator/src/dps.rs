//! The Device Provisioning Service as a device sees it over HTTPS and MQTT, for symmetric keys.
//!
//! Takes `PUT /{idScope}/registrations/{id}/register`, `GET …/operations/{operation}` and
//! `POST /{idScope}/registrations/{id}`, for enrolment groups (the device signs with its derived key) and
//! individual enrolments. An assigned device comes into being on the linked [`Hub`]. No X.509, no TPM.
//! Over MQTT it answers on the hub's port, as the SDKs dial one port for both.
//!
//! # Layout
//!
//! - [`DpsOptions`], [`Group`], [`Individual`]: what it is started with.
//! - `service`: the way of a request. `mqtt`: the same over MQTT. `call`: what both ask for. `enrolment`: who may register. `registration`: operations and their
//!   results. `refusal`: error bodies.

mod call;
mod enrolment;
pub(crate) mod mqtt;
mod options;
mod refusal;
mod registration;
mod service;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use hyper::service::service_fn;

pub use options::{DpsOptions, Group, Individual};
pub use registration::Registered;

pub(crate) use service::answer;

use crate::hub::fault::Faults;
use crate::hub::{self, Fault, Hub, StartError};
use crate::tls::{self, Serving};

/// A running DPS. Clones are the same service; it stops when the last one is dropped.
#[derive(Clone)]
pub struct Dps(Arc<Running>);

impl Dps {
    /// Starts a DPS that assigns to `hub` and keeps it alive. The hub's own listener serves the DPS too, for
    /// clients that dial one fixed port for both, as the Node SDK does.
    pub async fn start(options: DpsOptions, hub: &Hub) -> Result<Self, StartError> {
        let bind = options.bind;
        let inner = Arc::new(Inner {
            options,
            hub: hub.inner().clone(),
            faults: Faults::default(),
            registrations: registration::Registrations::default(),
        });
        *hub.inner().guest.write().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&inner);
        let (addr, serving) = match bind {
            None => (hub.addr(), None),
            Some(asked) => {
                let config = hub.authority().server_config(&[&asked.ip().to_string()])?;
                let listener = hub::bind(asked).await?;
                let addr = hub::address(&listener, asked)?;
                let shared = inner.clone();
                let service = service_fn(move |request| service::answer(shared.clone(), request));
                (addr, Some(tls::serve(listener, config, service, Arc::default())))
            }
        };
        Ok(Self(Arc::new(Running {
            inner,
            addr,
            _serving: serving,
            _hub: hub.clone(),
        })))
    }

    /// Where the service listens for TLS.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// The service's address as a URL, on `localhost` where that is where it listens.
    pub fn url(&self) -> String {
        hub::url("https", self.0.addr)
    }

    /// The id scope clients have to name.
    pub fn id_scope(&self) -> &str {
        &self.0.inner.options.id_scope
    }

    /// The next `times` requests (`u32::MAX`: all) meet `fault`.
    pub fn fail_next(&self, times: u32, fault: Fault) {
        self.0.inner.faults.arm(None, times, fault);
    }

    /// The next `times` requests of one registration id meet `fault`.
    pub fn fail_next_of(&self, registration_id: &str, times: u32, fault: Fault) {
        self.0.inner.faults.arm(Some(registration_id), times, fault);
    }

    /// Takes all armed faults back; returns for how many requests they still stood.
    pub fn clear_faults(&self) -> u64 {
        self.0.inner.faults.clear()
    }

    /// A registration as it stands, if the device ever asked for one.
    pub fn registered(&self, registration_id: &str) -> Option<Registered> {
        self.0.inner.registrations.get(registration_id)
    }
}

struct Running {
    inner: Arc<Inner>,
    addr: SocketAddr,
    _serving: Option<Serving>,
    _hub: Hub,
}

/// What every request shares.
pub(crate) struct Inner {
    options: DpsOptions,
    hub: Arc<hub::Inner>,
    faults: Faults,
    registrations: registration::Registrations,
}
