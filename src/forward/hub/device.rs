use reqwest::header::HeaderValue;
use url::Url;
use wire::percent;

use super::{Endpoint, Signer};
use crate::clock::Millis;
use crate::forward::Assignment;

/// One device at one hub, ready to send: what does not change from message to message.
#[derive(Debug)]
pub(super) struct Device {
    hub: String,
    /// Where messages go.
    pub(super) url: Url,
    /// The same as a path, for the header `iothub-to`.
    pub(super) to: HeaderValue,
    credential: Credential,
}

/// What the device proves itself with.
#[derive(Debug)]
pub(super) enum Credential {
    /// Its key.
    Key(Signer),
    /// A token that somebody else made.
    Ready(HeaderValue),
}

/// The newest generally available version of the hub's data plane.
const API_VERSION: &str = "2021-04-12";

impl Device {
    /// `None` where the id cannot be a segment of a path.
    pub(super) fn new(assigned: &Assignment, endpoint: &Endpoint, credential: Credential) -> Option<Self> {
        let path = format!("/devices/{}/messages/events", percent::encode(&assigned.device));
        Some(Self {
            hub: assigned.hub.clone(),
            url: endpoint.url(&format!("{path}?api-version={API_VERSION}"))?,
            to: HeaderValue::try_from(path).ok()?,
            credential,
        })
    }

    /// The hub's name.
    pub(super) fn hub(&self) -> &str {
        &self.hub
    }

    /// Whether a new token can be made.
    pub(super) fn renews(&self) -> bool {
        matches!(self.credential, Credential::Key(_))
    }

    /// The token, at the hub's time `now`.
    pub(super) fn authorization(&self, now: Millis, fresh: bool) -> HeaderValue {
        match &self.credential {
            Credential::Key(signer) => signer.header(now, fresh),
            Credential::Ready(header) => header.clone(),
        }
    }
}
