//! Forward: packs, signs, sends, and says what the hub's answer means.
//!
//! Knows neither sources nor the store.

pub mod hub;
pub mod pack;
pub mod provision;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::source::Finding;

/// Delivers messages of one device.
#[async_trait]
pub trait Forward: Send + Sync {
    /// Finds the hub and device of a source. `cached` is what an earlier call returned; `fresh` asks to register again.
    /// At most one registration is tried in a call.
    async fn device(
        &self,
        source: &str,
        cached: Option<&Assignment>,
        fresh: bool,
    ) -> Result<Assignment, Error>;

    /// Whether [`Forward::device`] asks DPS where nothing is cached, which is to be done sparingly.
    fn registers(&self) -> bool {
        false
    }

    /// Sends messages of one device in one request: a single send for one, the batch envelope for several.
    /// `Ok` means the hub answered 204 to all of them.
    async fn send(&self, to: &Assignment, messages: &[Message]) -> Result<Delivered, Error>;

    /// What a person wants to know before the first send: identity, token, its expiry, the hub in reach, the clock. One finding a line.
    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// Where a source's messages go: what DPS assigned, or what is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Host name of the hub, `contoso.azure-devices.net`.
    pub hub: String,
    /// Device id at that hub.
    pub device: String,
}

/// One device-to-cloud message. The id names the body for ever: the same id never carries another body.
#[derive(Clone, Debug)]
pub struct Message {
    /// `source.birth.number.part`.
    pub id: String,
    /// When its shipment was frozen; sent as the creation time, so a repeat is equal to the letter.
    pub created: Millis,
    /// JSON in UTF-8.
    pub body: Bytes,
    /// Application properties, already limited to what HTTP carries.
    pub properties: Vec<(String, String)>,
}

/// What is known after a 204.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Billing units by our own count (4 KB steps, 0.5 KB on the free tier).
    pub units: u32,
    /// Hub's clock minus ours, milliseconds, from the answer's Date header.
    pub skew: Option<Millis>,
}

/// Why the hub (or DPS) did not take it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// 401 in spite of a fresh token.
    #[error(
        "{hub} refused device {device}: {detail}; check its key (IOTHUB_DEVICE_CONNECTION_STRING, IOTHUB_DEVICE_KEY or DPS_GROUP_KEY) and this machine's clock"
    )]
    Unauthorized {
        /// Hub.
        hub: String,
        /// Device id.
        device: String,
        /// The hub's words.
        detail: String,
    },
    /// The hub does not know the device, or has disabled it (403, 404).
    #[error("{hub} does not accept device {device}: {detail}; register or enable the device")]
    Device {
        /// Hub.
        hub: String,
        /// Device id.
        device: String,
        /// The hub's words.
        detail: String,
    },
    /// 403002: the day's quota is used up; it starts anew at 00:00 UTC.
    #[error(
        "the daily message quota of {hub} is used up; it starts anew at 00:00 UTC, more units or a longer send_every help"
    )]
    Quota {
        /// Hub.
        hub: String,
    },
    /// 413: the body or batch is too large for the hub.
    #[error("{hub} says the message is too large")]
    TooLarge {
        /// Hub.
        hub: String,
    },
    /// 400 or another refusal of this very message: repeating it cannot help.
    #[error("{hub} refuses the message ({status}): {detail}")]
    Refused {
        /// Hub.
        hub: String,
        /// HTTP status.
        status: u16,
        /// The hub's words.
        detail: String,
    },
    /// 408, 429, 5xx, or no answer: the same messages again, later.
    #[error("{hub} is not taking messages now: {detail}")]
    Unavailable {
        /// Hub.
        hub: String,
        /// HTTP status; 0 where there was no answer.
        status: u16,
        /// The hub's words, or what happened to the connection.
        detail: String,
        /// How long it asked to wait.
        after: Option<Duration>,
    },
    /// DPS does not assign the device: unknown or disabled enrolment, wrong group key.
    #[error(
        "DPS does not assign {registration}: {detail}; check DPS_ID_SCOPE, DPS_GROUP_KEY and the enrolment group"
    )]
    NotAssigned {
        /// Registration id.
        registration: String,
        /// Its words.
        detail: String,
    },
    /// No identity is configured at all.
    #[error(
        "no device identity: set IOTHUB_DEVICE_CONNECTION_STRING, or IOTHUB_HOST with IOTHUB_DEVICE_ID and a key, or DPS_ID_SCOPE with DPS_GROUP_KEY"
    )]
    NoIdentity,
}

impl Error {
    /// Whether the same messages may be taken later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// How long the hub asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { after, .. } => *after,
            _ => None,
        }
    }

    /// One word for the stored outcome and for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "unauthorized",
            Self::Device { .. } => "device",
            Self::Quota { .. } => "quota",
            Self::TooLarge { .. } => "too-large",
            Self::Refused { .. } => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::NotAssigned { .. } => "not-assigned",
            Self::NoIdentity => "no-identity",
        }
    }
}

/// What the fuzz targets need of the private parsers.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::{Assignment, Error};

    /// The error that the hub's answer means; `name` is the header `iothub-errorcode`.
    #[must_use]
    pub fn hub(status: u16, name: Option<&str>, body: &[u8]) -> Error {
        let to = Assignment {
            hub: "hub.azure-devices.net".into(),
            device: "meter".into(),
        };
        super::hub::Answer::of(status, name, body).hub_error(&to, None)
    }

    /// What an answer of DPS leads to: an assignment, or asking again.
    ///
    /// # Errors
    /// DPS' reason, or what the answer is instead.
    pub fn dps(body: &[u8]) -> Result<Option<Assignment>, String> {
        super::provision::progress(body)
    }
}
