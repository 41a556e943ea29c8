//! Connection strings: `HostName=…;DeviceId=…;SharedAccessKey=…`, as the Azure portal and CLI hand
//! them out for a device, a module or a policy of the service side.
//!
//! Parts come in any order, their names in any letter case, and values may contain `=`. No error repeats
//! anything of the text: a slip of the hand may put the key anywhere.

mod parts;

use alloc::string::String;

use crate::key::{Key, KeyError};
use crate::sas::{ParseError, Token};
use parts::{Part, Parts};

/// Longest id of a device or a module, in characters (IoT Hub developer guide, identity registry).
const ID_MAX: usize = 128;

/// What a connection string is for.
#[derive(Debug, Clone)]
pub enum ConnectionString {
    /// It has a `DeviceId`.
    Device(Device),
    /// It has none.
    Service(Service),
}

/// How one device, or a module of it, reaches its hub.
#[derive(Debug, Clone)]
pub struct Device {
    /// The hub's full host name, as written.
    pub host: String,
    /// The host to dial instead of the hub, where a gateway stands between them.
    pub gateway: Option<String>,
    /// The device's id; letter case counts.
    pub device: String,
    /// The module's id, if this is a module's connection string.
    pub module: Option<String>,
    /// The hub policy whose key this is; none where it is the device's own.
    pub policy: Option<String>,
    /// What the device proves itself with.
    pub credential: Credential,
}

/// How the service side reaches a hub.
#[derive(Debug, Clone)]
pub struct Service {
    /// The hub's full host name, as written.
    pub host: String,
    /// The policy's name, such as `service` or `iothubowner`; it goes into `skn`. None only beside a
    /// ready-made signature that has none.
    pub policy: Option<String>,
    /// The policy's key, or a signature made with it.
    pub credential: Credential,
}

/// A key to sign with, or a signature that is ready. `Debug` shows neither.
#[derive(Debug, Clone)]
pub enum Credential {
    /// `SharedAccessKey`.
    Key(Key),
    /// `SharedAccessSignature`: good until [`Token::expiry`], then a person must replace it.
    Signature(Token),
}

/// What is missing or doubtful in a connection string. Positions count parts from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part that has no `=`.
    #[error(
        "part {0} of the connection string has no '='; parts look like HostName=… and are separated by ';'"
    )]
    NoValue(usize),
    /// A name that no connection string of IoT Hub has.
    #[error(
        "part {0} of the connection string has a name that IoT Hub does not know; the names are HostName, DeviceId, \
         ModuleId, GatewayHostName, SharedAccessKeyName, SharedAccessKey and SharedAccessSignature"
    )]
    Unknown(usize),
    /// The hub's built-in endpoint for reading events.
    #[error(
        "this is an Event Hubs connection string (Endpoint=…); take the one for the IoT hub itself (HostName=…)"
    )]
    EventHubs,
    /// A part that is given twice.
    #[error("{0} appears twice in the connection string")]
    Duplicate(&'static str),
    /// A part that is needed is absent or empty.
    #[error("the connection string has no {0}")]
    Missing(&'static str),
    /// A part that cannot be right.
    #[error("{part} in the connection string {why}")]
    Doubtful {
        /// The part's name.
        part: &'static str,
        /// What is wrong, as the rest of a sentence.
        why: &'static str,
    },
    /// A certificate is meant.
    #[error(
        "x509=true: certificates are not supported, use the SharedAccessKey of a device with symmetric key authentication"
    )]
    Certificate,
    /// The key cannot be one.
    #[error("SharedAccessKey in the connection string: {0}")]
    Key(KeyError),
    /// The ready-made signature cannot be one.
    #[error("SharedAccessSignature in the connection string: {0}")]
    Signature(ParseError),
    /// A policy's connection string where a device's is needed.
    #[error("this connection string is for the service side (it has no DeviceId); take that of the device")]
    NotDevice,
    /// A device's connection string where a policy's is needed.
    #[error(
        "this connection string is for one device (it has a DeviceId); take that of a policy such as \"service\""
    )]
    NotService,
}

impl ConnectionString {
    /// Takes a connection string apart.
    ///
    /// # Errors
    /// The first thing that is missing or doubtful, by its name.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = Parts::split(text)?;
        match parts.get(Part::X509) {
            None => {}
            Some(value) if value.eq_ignore_ascii_case("false") => {}
            Some(value) if value.eq_ignore_ascii_case("true") => return Err(Error::Certificate),
            Some(_) => return Err(doubtful(Part::X509, "is neither true nor false")),
        }
        let host = host(Part::HostName, parts.required(Part::HostName)?)?;
        let policy = parts.optional(Part::SharedAccessKeyName)?;
        let gateway = match parts.optional(Part::GatewayHostName)? {
            Some(name) => Some(self::host(Part::GatewayHostName, name)?),
            None => None,
        };
        let device = parts.optional(Part::DeviceId)?;
        let module = parts.optional(Part::ModuleId)?;
        let credential = credential(&parts)?;

        let Some(device) = device else {
            return match (module, gateway, policy) {
                (Some(_), ..) => Err(Error::Missing(Part::DeviceId.name())),
                (_, Some(_), _) => Err(doubtful(
                    Part::GatewayHostName,
                    "is only for devices, and there is no DeviceId",
                )),
                (_, _, None) if matches!(credential, Credential::Key(_)) => Err(Error::Missing(
                    "DeviceId (of a device) and no SharedAccessKeyName (of a policy)",
                )),
                (_, _, policy) => Ok(Self::Service(Service {
                    host,
                    policy: policy.map(String::from),
                    credential,
                })),
            };
        };
        Ok(Self::Device(Device {
            host,
            gateway,
            device: id(Part::DeviceId, device)?,
            module: module.map(|text| id(Part::ModuleId, text)).transpose()?,
            policy: policy.map(String::from),
            credential,
        }))
    }
}

impl Device {
    /// As [`ConnectionString::parse`], for a device's only.
    ///
    /// # Errors
    /// As there, and [`Error::NotDevice`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        match ConnectionString::parse(text)? {
            ConnectionString::Device(device) => Ok(device),
            ConnectionString::Service(_) => Err(Error::NotDevice),
        }
    }
}

impl Service {
    /// As [`ConnectionString::parse`], for a policy's only.
    ///
    /// # Errors
    /// As there, and [`Error::NotService`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        match ConnectionString::parse(text)? {
            ConnectionString::Service(service) => Ok(service),
            ConnectionString::Device(_) => Err(Error::NotService),
        }
    }
}

fn credential(parts: &Parts<'_>) -> Result<Credential, Error> {
    let key = parts.optional(Part::SharedAccessKey)?;
    match (key, parts.optional(Part::SharedAccessSignature)?) {
        (Some(text), None) => Key::parse(text).map(Credential::Key).map_err(Error::Key),
        (None, Some(text)) => Token::parse(text)
            .map(Credential::Signature)
            .map_err(Error::Signature),
        (Some(_), Some(_)) => Err(doubtful(
            Part::SharedAccessSignature,
            "stands beside a SharedAccessKey; keep one of the two",
        )),
        (None, None) => Err(Error::Missing("SharedAccessKey")),
    }
}

fn host(part: Part, text: &str) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if text.chars().all(plain) {
        Ok(text.into())
    } else {
        Err(doubtful(
            part,
            "is not a bare host name; leave out https:// and any path",
        ))
    }
}

fn id(part: Part, text: &str) -> Result<String, Error> {
    if text.len() > ID_MAX {
        Err(doubtful(part, "is longer than 128 characters"))
    } else if !text.chars().all(|c| c.is_ascii_graphic() && c != '/') {
        Err(doubtful(
            part,
            "has characters that ids may not have, such as spaces, slashes or accents",
        ))
    } else {
        Ok(text.into())
    }
}

fn doubtful(part: Part, why: &'static str) -> Error {
    Error::Doubtful {
        part: part.name(),
        why,
    }
}

#[cfg(test)]
mod tests;
