//! Azure IoT Hub over HTTPS: sends messages as their device and says what the hub's answer means.
//!
//! Protocol: "Send Device Event" of the hub's REST interface, api-version 2021-04-12; tokens as in "Control access to IoT Hub
//! using shared access signatures" (both Microsoft Learn).

mod answer;
mod device;
mod endpoint;
mod inspect;
mod outgoing;
mod setup;
mod signer;
mod skew;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Client, StatusCode};
use wire::key::Key;
use wire::sas::{Resource, Token};

use super::provision::Provisioning;
use super::{Assignment, Delivered, Error, Forward, Message, pack};
use crate::clock::{Clock, Millis, iso};
use crate::config::Identity;
use crate::source::Finding;

pub(super) use answer::{Answer, Peer, fault};
pub(super) use endpoint::Endpoint;
pub use setup::SetupError;
pub(super) use signer::Signer;
pub(super) use skew::{Skew, words as skew_words};
pub(super) use words::masked;

use device::{Credential, Device};
use outgoing::Outgoing;

/// Sends to every hub that its identity reaches. One per process: connections, tokens and clock differences are kept inside.
#[derive(Debug)]
pub struct Hub {
    who: Who,
    /// Bytes of one billing unit.
    unit: usize,
    /// Keeps the connections, one pool per hub.
    client: Client,
    clock: Clock,
    /// Where to connect in place of the hub's own name.
    connect: Option<Endpoint>,
    /// Hubs met so far, by name.
    hosts: RwLock<HashMap<String, Arc<Host>>>,
}

impl Hub {
    /// A hub client that speaks as `identity`; `unit` is the size of a billing unit in bytes.
    ///
    /// # Errors
    /// A key, token or host name that cannot be one. No identity at all is not an error here: what needs one says
    /// [`Error::NoIdentity`].
    pub fn new(identity: Identity, unit: usize, client: Client, clock: Clock) -> Result<Self, SetupError> {
        let (who, connect) = match identity {
            Identity::Group {
                endpoint,
                id_scope,
                key,
            } => {
                let provisioning =
                    Provisioning::new(&endpoint, id_scope, &key, client.clone(), clock.clone())?;
                (Who::Group(Box::new(provisioning)), None)
            }
            Identity::Device {
                hub,
                connect,
                device,
                key,
            } => {
                let key = Key::parse(key.reveal()).map_err(SetupError::Key)?;
                let endpoint = Endpoint::parse(&connect)?;
                (Who::Device(Assignment { hub, device }, key), Some(endpoint))
            }
            Identity::Token {
                hub,
                connect,
                device,
                token,
            } => {
                let token = Token::parse(token.reveal()).map_err(SetupError::Token)?;
                let endpoint = Endpoint::parse(&connect)?;
                let who = Who::ready(Assignment { hub, device }, &token)?;
                (who, Some(endpoint))
            }
            Identity::None => (Who::Nobody, None),
        };
        Ok(Self {
            who,
            unit,
            client,
            clock,
            connect,
            hosts: RwLock::default(),
        })
    }

    /// Connects to `host[:port]` whatever the hub's name is: a gateway or an emulator. Tokens keep the hub's name.
    /// `http://` is taken for loopback addresses. `None` changes nothing.
    ///
    /// # Errors
    /// The text is not a host name with an optional port.
    pub fn with_connect(mut self, connect: Option<&str>) -> Result<Self, SetupError> {
        if let Some(connect) = connect {
            self.connect = Some(Endpoint::parse(connect)?);
        }
        Ok(self)
    }

    /// When a ready-made token ends; `None` where tokens are made here and renew themselves.
    #[must_use]
    pub fn expiry(&self) -> Option<Millis> {
        match &self.who {
            Who::Token { expiry, .. } => Some(*expiry),
            _ => None,
        }
    }

    /// Sends one request and, where the connection broke before any answer, once more: a connection that was kept may have been
    /// closed by the hub in the meantime, and the same ids and bodies can always be repeated.
    async fn exchange(
        &self,
        host: &Host,
        device: &Device,
        outgoing: &Outgoing,
        fresh: bool,
    ) -> Result<Answer, reqwest::Error> {
        let mut repeated = false;
        loop {
            let sent = self.clock.now();
            let token = device.authorization(host.skew.hub_time(sent), fresh && !repeated);
            let request = outgoing.request(device, token, TIMEOUT);
            match self.client.execute(request).await {
                Ok(response) => return Ok(Answer::read(response, sent, &self.clock).await),
                Err(error) if !repeated && !error.is_timeout() && !error.is_connect() => {
                    tracing::debug!(hub = %device.hub(), "The connection broke before an answer; repeating at once");
                    repeated = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn host(&self, name: &str) -> Result<Arc<Host>, SetupError> {
        let known = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = known.get(name) {
            return Ok(Arc::clone(host));
        }
        drop(known);
        let endpoint = match &self.connect {
            Some(endpoint) => endpoint.clone(),
            None => Endpoint::named(name)?,
        };
        let host = Host {
            endpoint,
            skew: Skew::default(),
            devices: RwLock::default(),
        };
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(
            hosts.entry(name.to_owned()).or_insert_with(|| Arc::new(host)),
        ))
    }

    /// What is kept of a device, made at its first message.
    fn line(&self, to: &Assignment) -> Result<(Arc<Host>, Arc<Device>), Error> {
        let wrong = |detail: String| Error::Device {
            hub: to.hub.clone(),
            device: to.device.clone(),
            detail,
        };
        let host = self.host(&to.hub).map_err(|error| wrong(error.to_string()))?;
        let known = host.devices.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = known.get(&to.device) {
            let device = Arc::clone(device);
            drop(known);
            return Ok((host, device));
        }
        drop(known);
        let credential = self.who.credential(to)?;
        let device = Device::new(to, &host.endpoint, credential)
            .ok_or_else(|| wrong("the name is no device id".into()))?;
        let mut devices = host.devices.write().unwrap_or_else(PoisonError::into_inner);
        let device = Arc::clone(
            devices
                .entry(to.device.clone())
                .or_insert_with(|| Arc::new(device)),
        );
        drop(devices);
        Ok((host, device))
    }

    /// Posts one request, with a new token where the first is refused. Gives the hub's clock minus ours after a 2xx.
    async fn post(&self, to: &Assignment, outgoing: &Outgoing) -> Result<Option<Millis>, Error> {
        let (host, device) = self.line(to)?;
        let mut fresh = false;
        loop {
            let answer = match self.exchange(&host, &device, outgoing, fresh).await {
                Ok(answer) => answer,
                Err(error) => {
                    return Err(Error::Unavailable {
                        hub: to.hub.clone(),
                        status: 0,
                        detail: fault(&error, Peer::Hub),
                        after: None,
                    });
                }
            };
            if let Some(skew) = answer.skew {
                host.skew.observe(skew);
            }
            if answer.is_success() {
                return Ok(answer.skew);
            }
            if answer.status == StatusCode::UNAUTHORIZED && !fresh && device.renews() {
                fresh = true;
                continue;
            }
            return Err(answer.hub_error(to, self.suspicion(answer.skew)));
        }
    }

    /// What to say of a 401 besides the hub's words: a clock that is off, or a token that has ended.
    fn suspicion(&self, skew: Option<Millis>) -> Option<String> {
        if let Who::Token { expiry, .. } = &self.who
            && self.clock.now() + skew.unwrap_or_default() >= *expiry
        {
            return Some(format!(
                "its token ended at {}; set a new one, or the device's key, with which tokens renew themselves",
                iso(*expiry)
            ));
        }
        skew.and_then(skew_words)
    }
}

#[async_trait]
impl Forward for Hub {
    async fn device(
        &self,
        source: &str,
        cached: Option<&Assignment>,
        fresh: bool,
    ) -> Result<Assignment, Error> {
        match &self.who {
            Who::Group(provisioning) => match cached {
                Some(known) if !fresh => {
                    provisioning.remember(source, known);
                    Ok(known.clone())
                }
                _ => provisioning.assign(source).await,
            },
            Who::Device(assignment, _) | Who::Token { assignment, .. } => Ok(assignment.clone()),
            Who::Nobody => Err(Error::NoIdentity),
        }
    }

    fn registers(&self) -> bool {
        matches!(self.who, Who::Group(_))
    }

    async fn send(&self, to: &Assignment, messages: &[Message]) -> Result<Delivered, Error> {
        if messages.is_empty() {
            return Ok(Delivered::default());
        }
        let outgoing = Outgoing::of(messages);
        let posted = tokio::time::timeout(PATIENCE, self.post(to, &outgoing)).await;
        let skew = posted.map_err(|_| Error::Unavailable {
            hub: to.hub.clone(),
            status: 0,
            detail: format!("no answer within {} s, repeats included", PATIENCE.as_secs()),
            after: None,
        })??;
        let units = messages.iter().map(|message| pack::units(message, self.unit));
        Ok(Delivered {
            units: units.fold(0, u32::saturating_add),
            skew,
        })
    }

    async fn inspect(&self) -> Vec<Finding> {
        inspect::all(self).await
    }
}

/// How long one request may take: the hub shapes bursts by answering late.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a send may take with its repeats: the sender's lease covers it.
const PATIENCE: Duration = Duration::from_secs(75);

/// One hub.
#[derive(Debug)]
struct Host {
    endpoint: Endpoint,
    /// Its clock minus ours.
    skew: Skew,
    /// Devices that sent there, by id.
    devices: RwLock<HashMap<String, Arc<Device>>>,
}

/// The identity, with keys and tokens read.
#[derive(Debug)]
enum Who {
    Group(Box<Provisioning>),
    Device(Assignment, Key),
    Token {
        assignment: Assignment,
        header: HeaderValue,
        expiry: Millis,
    },
    Nobody,
}

impl Who {
    fn ready(assignment: Assignment, token: &Token) -> Result<Self, SetupError> {
        if !token.covers(&Resource::device(&assignment.hub, &assignment.device)) {
            return Err(SetupError::Scope {
                scope: token.scope().to_owned(),
                hub: assignment.hub,
                device: assignment.device,
            });
        }
        let mut header = HeaderValue::from_str(token.text()).map_err(|_| SetupError::TokenText)?;
        header.set_sensitive(true);
        let expiry = i64::try_from(token.expiry())
            .unwrap_or(i64::MAX)
            .saturating_mul(1000);
        Ok(Self::Token {
            assignment,
            header,
            expiry,
        })
    }

    fn credential(&self, to: &Assignment) -> Result<Credential, Error> {
        let signs = |key: Key| Credential::Key(Signer::new(Resource::device(&to.hub, &to.device), key, None));
        match self {
            Self::Group(provisioning) => Ok(signs(provisioning.key_of(&to.device))),
            Self::Device(_, key) => Ok(signs(key.clone())),
            Self::Token { header, .. } => Ok(Credential::Ready(header.clone())),
            Self::Nobody => Err(Error::NoIdentity),
        }
    }
}
