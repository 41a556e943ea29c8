//! The Device Provisioning Service as a device sees it over HTTPS and MQTT, for symmetric keys and X.509.
//!
//! Takes `PUT /{idScope}/registrations/{id}/register`, `GET …/operations/{operation}` and
//! `POST /{idScope}/registrations/{id}`, for enrolment groups (the device signs with its derived key) and
//! individual enrolments, by key or certificate. An assigned device comes into being on the linked [`Hub`]. No TPM. Enrolments are
//! seen and changed over the service's REST API, and without tokens over the hub's control API.
//! Over MQTT it answers on the hub's port, as the SDKs dial one port for both.
//!
//! # Layout
//!
//! - [`DpsOptions`], [`Group`], [`Individual`], [`Terms`]: what it is started with. [`Central`]: an IoT Central application.
//! - `service`: the way of a request. `mqtt`: the same over MQTT. `call`: what both ask for. `enrolment`: who may register. `registration`: operations and their
//!   results. `assign`: how they end. `admin`: the service side. `book`: the enrolments, as `document` writes them; `bulk`: several; `data`: what survives a restart. `refusal`: error bodies.
//!   `view`: what people see of it.

pub(crate) mod admin;
mod assign;
mod attestation;
mod book;
mod bulk;
mod call;
mod central;
mod data;
mod document;
mod enrolment;
pub(crate) mod mqtt;
mod options;
mod refusal;
mod registration;
mod service;
mod terms;
mod view;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use hyper::service::service_fn;

pub use attestation::Attestation;
pub use central::{Central, Decision};
pub use options::{DpsOptions, Group, Individual, Policy};
pub use registration::{Failure, Registered, Substatus};
pub use terms::{Reprovision, Terms};

pub(crate) use service::answer;

use crate::hub::fault::Faults;
use crate::hub::{self, Fault, Hub, StartError};
use crate::saved::Saved;
use crate::tls::{self, Serving};

/// A running DPS. Clones are the same service; it stops when the last one is dropped.
#[derive(Clone)]
pub struct Dps(Arc<Running>);

impl Dps {
    /// Starts a DPS that assigns to `hub` and keeps it alive. The hub's own listener serves the DPS too, for
    /// clients that dial one fixed port for both, as the Node SDK does.
    pub async fn start(options: DpsOptions, hub: &Hub) -> Result<Self, StartError> {
        let bind = options.bind;
        let (individuals, groups) = (options.individuals.clone(), options.groups.clone());
        let inner = Arc::new(Inner {
            book: book::Book::new(individuals, groups, options.clock.now_ms()),
            options,
            hub: hub.inner().clone(),
            faults: Faults::default(),
            registrations: registration::Registrations::default(),
        });
        let data = inner.options.data.as_deref();
        let data = data.map(|directory| Saved::open(directory, &inner)).transpose()?;
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
            _data: data,
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

    /// Approves or blocks a device, where an IoT Central application has a say; `None` takes it back.
    pub fn decide(&self, registration_id: &str, decision: Option<Decision>) {
        self.0.inner.registrations.decide(registration_id, decision);
    }

    /// A registration as it stands, if the device ever asked for one.
    pub fn registered(&self, registration_id: &str) -> Option<Registered> {
        self.0.inner.registrations.get(registration_id)
    }
}

struct Running {
    /// Before the service, whose state it writes at the end.
    _data: Option<Saved<Inner>>,
    inner: Arc<Inner>,
    addr: SocketAddr,
    _serving: Option<Serving>,
    _hub: Hub,
}

/// What every request shares.
pub(crate) struct Inner {
    options: DpsOptions,
    book: book::Book,
    hub: Arc<hub::Inner>,
    faults: Faults,
    registrations: registration::Registrations,
}
