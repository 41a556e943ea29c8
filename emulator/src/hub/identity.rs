//! A device as the hub's registry has it: its id, how it proves itself, and whether it may. The same of a module.

use std::fmt;

use super::key::Key;
use super::token::Token;
use crate::tls::Certificate;

/// What every scope begins with.
pub(super) const SCOPE: &str = "ms-azure-iot-edge://";

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

/// A module of a device. It is enabled when its device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Module id, of the same characters as a device id.
    pub(crate) id: String,
    /// Who manages it, such as `iotEdge`.
    pub(crate) managed_by: Option<String>,
    /// How it proves that it is the module.
    pub(crate) authentication: Authentication,
}

/// Whose something is: a device's, or that of a module of it. Shown as `{device}` or `{device}/{module}`, which is MQTT's
/// client id, too; no id holds a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: String,
    pub(crate) module: Option<String>,
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
    /// By a certificate that one of two thumbprints names, whoever signed it.
    SelfSigned {
        /// The certificate's thumbprint.
        primary: Option<Thumbprint>,
        /// Another one's.
        secondary: Option<Thumbprint>,
    },
    /// By a certificate whose common name is the device id (of a module `{device}/{module}`), and which leads to an authority
    /// that the hub knows.
    CertificateAuthority,
}

/// A certificate's SHA-1 or SHA-256, in upper-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbprint(String);

/// Neither 40 nor 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a thumbprint has 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")]
pub struct NotAThumbprint;

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

    /// An IoT Edge device begins a scope of its own, unless it has one: what is below it names that.
    pub(super) fn begin_scope(&mut self, generation_id: &str) {
        if self.edge && self.scope.is_none() {
            self.scope = Some(format!("{SCOPE}{}-{generation_id}", self.id));
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
        } else {
            text += ";x509=true";
        }
        text
    }
}

impl Module {
    /// What a client is configured with: with the primary key, where the module has keys.
    pub(crate) fn connection_string(&self, host_name: &str, device: &str) -> String {
        let mut text = format!("HostName={host_name};DeviceId={device};ModuleId={}", self.id);
        if let Some((key, _)) = self.authentication.keys() {
            text += &format!(";SharedAccessKey={}", key.text());
        } else {
            text += ";x509=true";
        }
        text
    }
}

impl Identity {
    pub(crate) fn of_device(id: &str) -> Self {
        Self {
            device: id.to_owned(),
            module: None,
        }
    }

    /// Reads a client id; `None` for more parts than two.
    pub(crate) fn parse(client_id: &str) -> Option<Self> {
        let (device, module) = match client_id.split_once('/') {
            Some((_, module)) if module.contains('/') => return None,
            Some((device, module)) => (device, Some(module.to_owned())),
            None => (client_id, None),
        };
        Some(Self {
            device: device.to_owned(),
            module,
        })
    }

    /// What its paths and topics begin with: `devices/{device}`, or `devices/{device}/modules/{module}`.
    pub(crate) fn path(&self) -> String {
        match &self.module {
            None => format!("devices/{}", self.device),
            Some(module) => format!("devices/{}/modules/{module}", self.device),
        }
    }

    /// The same with what it is, for people.
    pub(crate) fn told(&self) -> String {
        match &self.module {
            None => format!("the device {self}"),
            Some(_) => format!("the module {self}"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device)?;
        match &self.module {
            None => Ok(()),
            Some(module) => write!(f, "/{module}"),
        }
    }
}

impl Authentication {
    /// Two symmetric keys; the secondary one is derived from the first.
    pub fn sas(primary: Key) -> Self {
        let secondary = primary.derive("secondary");
        Self::Sas { primary, secondary }
    }

    /// By this certificate.
    pub fn self_signed(certificate: &Certificate) -> Self {
        Self::SelfSigned {
            primary: Some(Thumbprint(certificate.sha256())),
            secondary: None,
        }
    }

    /// Primary and secondary thumbprint, of what has such.
    pub fn thumbprints(&self) -> Option<(Option<&Thumbprint>, Option<&Thumbprint>)> {
        match self {
            Self::SelfSigned { primary, secondary } => Some((primary.as_ref(), secondary.as_ref())),
            Self::Sas { .. } | Self::CertificateAuthority => None,
        }
    }

    /// Primary and secondary key, of what has keys.
    pub fn keys(&self) -> Option<(&Key, &Key)> {
        match self {
            Self::Sas { primary, secondary } => Some((primary, secondary)),
            Self::SelfSigned { .. } | Self::CertificateAuthority => None,
        }
    }

    /// Its name in the registry and in twins (`authentication.type`, `authenticationType`).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sas { .. } => "sas",
            Self::SelfSigned { .. } => "selfSigned",
            Self::CertificateAuthority => "certificateAuthority",
        }
    }

    /// Whether one of the keys signed `token`.
    pub(crate) fn signed(&self, token: &Token<'_>) -> bool {
        self.keys()
            .is_some_and(|(primary, secondary)| token.is_signed_by(primary) || token.is_signed_by(secondary))
    }
}

impl Thumbprint {
    /// Reads one in either letter case, with or without colons.
    ///
    /// # Errors
    /// [`NotAThumbprint`].
    pub fn parse(text: &str) -> Result<Self, NotAThumbprint> {
        let digits = text.replace(':', "").to_ascii_uppercase();
        if matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(digits))
        } else {
            Err(NotAThumbprint)
        }
    }

    /// Its digits.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether it is that of `certificate`.
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self.0.len() {
            40 => self.0 == certificate.sha1(),
            _ => self.0 == certificate.sha256(),
        }
    }
}
