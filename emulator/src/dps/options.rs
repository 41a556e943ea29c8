//! What a DPS is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::attestation::Attestation;
use super::central::Central;
use super::terms::Terms;
use crate::hub::{Clock, Key};
use crate::tls::Certificate;

/// Settings of a [`super::Dps`]. Start from `DpsOptions::default()` and change what matters.
#[derive(Debug, Clone)]
pub struct DpsOptions {
    /// Where to listen for TLS; port 0 takes a free one. `None`: on the hub's own listener alone.
    pub bind: Option<SocketAddr>,
    /// The service's id scope, `0ne` and eight characters.
    pub id_scope: String,
    /// Enrolment groups that there are from the start.
    pub groups: Vec<Group>,
    /// Individual enrolments that there are from the start; they go before the groups.
    pub individuals: Vec<Individual>,
    /// Who may see and change enrolments, at the service's own name, [`Self::service_name`].
    pub policies: Vec<Policy>,
    /// The name that `sr` must name on the service side; the linked hub's own name if `None`.
    pub service_name: Option<String>,
    /// How often a poll of the operation is answered "assigning" before it is "assigned".
    pub assigning: u32,
    /// `Retry-After` of these answers, seconds.
    pub retry_after: u32,
    /// `assignedHub` in the answer, where the enrolment names none; the linked hub's own name if `None`.
    pub assigned_hub: Option<String>,
    /// The service belongs to an IoT Central application, which has a say in who is assigned.
    pub central: Option<Central>,
    /// Keeps enrolments and registrations in this directory, so that they survive a restart.
    pub data: Option<PathBuf>,
    /// The service's clock.
    pub clock: Clock,
}

/// An enrolment group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name.
    pub id: String,
    /// How its devices prove that they belong to it: with keys, each with the one that is derived for
    /// it; with certificates, each with one that was signed by the group's.
    pub attestation: Attestation,
    /// What its devices get.
    pub terms: Terms,
}

/// An individual enrolment.
#[derive(Debug, Clone, PartialEq)]
pub struct Individual {
    /// Whose it is.
    pub registration_id: String,
    /// How the device proves that it is the one.
    pub attestation: Attestation,
    /// The device id at the hub, if it is not the registration id.
    pub device_id: Option<String>,
    /// What the device gets.
    pub terms: Terms,
}

/// A shared access policy of the service.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name, as in `skn`.
    pub name: String,
    /// Either key signs.
    pub primary: Key,
    /// Either key signs.
    pub secondary: Key,
    /// Whether it may change enrolments and registrations, too.
    pub writes: bool,
}

impl Default for DpsOptions {
    fn default() -> Self {
        Self {
            bind: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            id_scope: "0ne00EMULATE".to_owned(),
            groups: Vec::new(),
            individuals: Vec::new(),
            policies: Vec::new(),
            service_name: None,
            assigning: 1,
            retry_after: 1,
            assigned_hub: None,
            central: None,
            data: None,
            clock: Clock::system(),
        }
    }
}

impl Group {
    /// An enabled group; the secondary key is derived from the first.
    pub fn new(id: &str, primary: Key) -> Self {
        Self {
            id: id.to_owned(),
            attestation: Attestation::keys(primary),
            terms: Terms::default(),
        }
    }
}

impl Group {
    /// An enabled group of the devices whose certificates this one signed, or is above.
    pub fn signed_by(id: &str, authority: Certificate) -> Self {
        Self {
            id: id.to_owned(),
            attestation: Attestation::certificate(authority),
            terms: Terms::default(),
        }
    }
}

impl Individual {
    /// An enabled enrolment of the device with this certificate.
    pub fn certified(registration_id: &str, certificate: Certificate) -> Self {
        Self {
            registration_id: registration_id.to_owned(),
            attestation: Attestation::certificate(certificate),
            device_id: None,
            terms: Terms::default(),
        }
    }

    /// An enabled enrolment; the secondary key is derived from the first.
    pub fn new(registration_id: &str, primary: Key) -> Self {
        Self {
            registration_id: registration_id.to_owned(),
            attestation: Attestation::keys(primary),
            device_id: None,
            terms: Terms::default(),
        }
    }

    /// The device's id at the hub.
    pub fn device_id(&self) -> &str {
        self.device_id.as_deref().unwrap_or(&self.registration_id)
    }
}

impl Policy {
    /// The policy that every service has, `provisioningserviceowner`; the secondary key is derived from the first.
    pub fn owner(primary: Key) -> Self {
        let secondary = primary.derive("secondary");
        Self {
            name: "provisioningserviceowner".to_owned(),
            primary,
            secondary,
            writes: true,
        }
    }

    /// What a service is configured with.
    pub fn connection_string(&self, host_name: &str) -> String {
        let (name, key) = (&self.name, self.primary.text());
        format!("HostName={host_name};SharedAccessKeyName={name};SharedAccessKey={key}")
    }
}
