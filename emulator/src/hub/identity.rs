//! A device as the hub's registry has it: its id, how it proves itself, and whether it may.

use super::key::Key;
use super::token::Token;

/// A device identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Device id: up to 128 characters, letter case counts.
    pub id: String,
    /// How it proves that it is the device.
    pub authentication: Authentication,
    /// A disabled device is known, yet refused.
    pub enabled: bool,
    /// Why it is disabled, or enabled, in the words of whoever did it.
    pub status_reason: Option<String>,
    /// Whether it is an IoT Edge device. Kept and shown, and without consequences here, as are the next two.
    pub edge: bool,
    /// Its place in a hierarchy of IoT Edge devices.
    pub scope: Option<String>,
    /// The scopes of the IoT Edge devices above it.
    pub parents: Vec<String>,
}

/// A module of a device. Modules are known, and none connects here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Module id, of the same characters as a device id.
    pub(crate) id: String,
    /// Who manages it, such as `iotEdge`.
    pub(crate) managed_by: Option<String>,
    /// How it would prove that it is the module.
    pub(crate) authentication: Authentication,
}

/// How a device, or a module, proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// By tokens; either key signs.
    Sas {
        /// Either key signs.
        primary: Key,
        /// Either key signs.
        secondary: Key,
    },
}

impl Device {
    /// An enabled device with symmetric keys; the secondary key is derived from the first.
    pub fn new(id: &str, primary: Key) -> Self {
        Self::with(id, Authentication::sas(primary))
    }

    /// An enabled device.
    pub fn with(id: &str, authentication: Authentication) -> Self {
        Self {
            id: id.to_owned(),
            authentication,
            enabled: true,
            status_reason: None,
            edge: false,
            scope: None,
            parents: Vec::new(),
        }
    }

    /// The first of its symmetric keys, if it has such.
    pub fn primary_key(&self) -> Option<&Key> {
        self.authentication.keys().map(|(primary, _)| primary)
    }

    /// What a client is configured with: with the primary key, where the device has keys.
    pub fn connection_string(&self, host_name: &str) -> String {
        let mut text = format!("HostName={host_name};DeviceId={}", self.id);
        if let Some(key) = self.primary_key() {
            text += &format!(";SharedAccessKey={}", key.text());
        }
        text
    }
}

impl Authentication {
    /// Two symmetric keys; the secondary one is derived from the first.
    pub fn sas(primary: Key) -> Self {
        let secondary = primary.derive("secondary");
        Self::Sas { primary, secondary }
    }

    /// Primary and secondary key, of what has keys.
    pub fn keys(&self) -> Option<(&Key, &Key)> {
        match self {
            Self::Sas { primary, secondary } => Some((primary, secondary)),
        }
    }

    /// Its name in the registry and in twins (`authentication.type`, `authenticationType`).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sas { .. } => "sas",
        }
    }

    /// Whether one of the keys signed `token`.
    pub(crate) fn signed(&self, token: &Token<'_>) -> bool {
        self.keys()
            .is_some_and(|(primary, secondary)| token.is_signed_by(primary) || token.is_signed_by(secondary))
    }
}
