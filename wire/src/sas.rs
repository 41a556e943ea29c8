//! Shared access signatures: how a device or a service proves itself to IoT Hub and to the Device
//! Provisioning Service without sending its key.
//!
//! A token is `SharedAccessSignature sr=…&sig=…&se=…[&skn=…]`: the resource, percent-encoded; the
//! HMAC-SHA256 of `{sr}\n{se}` under the key, as base64, percent-encoded; the end of its life in epoch
//! seconds; the policy's name. Source: "Control access to IoT Hub using shared access signatures"
//! (Microsoft Learn); the field order written is that of the Python device SDK.

mod resource;
mod token;

use alloc::string::String;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::key::Key;
use crate::percent;

pub use resource::Resource;
pub use token::{ParseError, Refusal, Token};

/// What a token begins with, and the name of its scheme in an `Authorization` header.
const SCHEME: &str = "SharedAccessSignature";

/// A token for the resource, good until the given second since 1970 UTC.
///
/// A device that signs with its own key has no policy. The result is itself a secret until it expires.
pub fn sign(resource: &Resource, key: &Key, expiry_epoch_seconds: u64, policy: Option<&str>) -> String {
    let sr = resource.encoded();
    let mut decimal = itoa::Buffer::new();
    let se = decimal.format(expiry_epoch_seconds);
    let sig = STANDARD.encode(key.digest(&[sr.as_bytes(), b"\n", se.as_bytes()]));

    let mut token = String::with_capacity(SCHEME.len() + sr.len() + se.len() + 96);
    token.push_str(SCHEME);
    token.push_str(" sr=");
    token.push_str(&sr);
    token.push_str("&sig=");
    percent::push(&mut token, &sig);
    token.push_str("&se=");
    token.push_str(se);
    if let Some(policy) = policy {
        token.push_str("&skn=");
        percent::push(&mut token, policy);
    }
    token
}
