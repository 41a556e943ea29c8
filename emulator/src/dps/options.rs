//! What a DPS is started with.

use std::net::SocketAddr;

use crate::hub::{Clock, Key};

/// Settings of a [`super::Dps`]. Start from `DpsOptions::default()` and change what matters.
#[derive(Debug, Clone)]
pub struct DpsOptions {
    /// Where to listen for TLS; port 0 takes a free one. `None`: on the hub's own listener alone.
    pub bind: Option<SocketAddr>,
    /// The service's id scope, `0ne` and eight characters.
    pub id_scope: String,
    /// Enrolment groups with symmetric keys.
    pub groups: Vec<Group>,
    /// Individual enrolments with symmetric keys; they go before the groups.
    pub individuals: Vec<Individual>,
    /// How often a poll of the operation is answered "assigning" before it is "assigned".
    pub assigning: u32,
    /// `Retry-After` of these answers, seconds.
    pub retry_after: u32,
    /// `assignedHub` in the answer; the linked hub's own name if `None`.
    pub assigned_hub: Option<String>,
    /// The service's clock.
    pub clock: Clock,
}

/// An enrolment group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub id: String,
    /// Devices sign with the key derived from this one.
    pub primary: Key,
    /// Or with the one derived from this.
    pub secondary: Key,
    /// A disabled group refuses its devices.
    pub enabled: bool,
}

/// An individual enrolment.
#[derive(Debug, Clone)]
pub struct Individual {
    /// Whose it is.
    pub registration_id: String,
    /// The device signs with this key.
    pub primary: Key,
    /// Or with this one.
    pub secondary: Key,
    /// The device id at the hub, if it is not the registration id.
    pub device_id: Option<String>,
    /// A disabled enrolment refuses its device.
    pub enabled: bool,
}

impl Default for DpsOptions {
    fn default() -> Self {
        Self {
            bind: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            id_scope: "0ne00EMULATE".to_owned(),
            groups: Vec::new(),
            individuals: Vec::new(),
            assigning: 1,
            retry_after: 1,
            assigned_hub: None,
            clock: Clock::system(),
        }
    }
}

impl Group {
    /// An enabled group; the secondary key is derived from the first.
    pub fn new(id: &str, primary: Key) -> Self {
        let secondary = primary.derive("secondary");
        Self {
            id: id.to_owned(),
            primary,
            secondary,
            enabled: true,
        }
    }
}

impl Individual {
    /// An enabled enrolment; the secondary key is derived from the first.
    pub fn new(registration_id: &str, primary: Key) -> Self {
        let secondary = primary.derive("secondary");
        let registration_id = registration_id.to_owned();
        Self {
            registration_id,
            primary,
            secondary,
            device_id: None,
            enabled: true,
        }
    }
}
