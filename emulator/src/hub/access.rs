//! Who may send for which device, and who may use the service side.

use std::sync::Arc;

use super::Inner;
use super::identity::{Authentication, Device};
use super::policy::Rights;
use super::refusal::Refusal;
use super::registry::{Entry, is_device_id};
use super::token::Token;
use crate::tls::Chain;

/// What a client shows of itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct Proof<'a> {
    /// `Authorization`, or the password.
    pub(crate) token: Option<&'a str>,
    /// What it presented to TLS.
    pub(crate) chain: Option<&'a Chain>,
}

/// Lets a request act for `device` by what it shows. A token goes before a certificate.
pub(super) fn admit_by(
    hub: &Inner,
    proof: Proof<'_>,
    device: &str,
    now_ms: i64,
) -> Result<Arc<Entry>, Refusal> {
    match proof {
        Proof {
            token: None,
            chain: Some(chain),
        } => by_certificate(hub, chain, device, now_ms),
        Proof { token, .. } => admit(hub, token, device, now_ms),
    }
}

/// Lets a request act for `device`, or says why not. A token signs either with one of the device's own keys,
/// for this device alone, or with a policy (`skn`) that has the right "device connect", for the hub, for
/// all its devices or for this one.
pub(super) fn admit(
    hub: &Inner,
    authorization: Option<&str>,
    device: &str,
    now_ms: i64,
) -> Result<Arc<Entry>, Refusal> {
    if !is_device_id(device) {
        return Err(Refusal::argument(format!("'{device}' is no device id")));
    }
    let token = authorization
        .and_then(Token::parse)
        .ok_or_else(Refusal::unauthorized)?;
    let resource = [hub.options.host_name.as_str(), "devices", device];
    if token.is_expired(now_ms) || !token.covers(&resource) {
        return Err(Refusal::unauthorized());
    }
    let entry = if token.policy.is_some() {
        by_policy(hub, &token, device)?
    } else if token.resource.len() == resource.len() {
        by_device_key(hub, &token, device)?
    } else {
        return Err(Refusal::unauthorized());
    };
    if entry.device.enabled {
        entry.activity.seen(now_ms);
        Ok(entry)
    } else {
        Err(Refusal::disabled(device))
    }
}

/// Lets a call of the service side through, or says why not. Its token signs with a policy that has the right `needed`,
/// for the hub or for a part of it that holds `path`.
pub(super) fn permit(
    hub: &Inner,
    authorization: Option<&str>,
    needed: Rights,
    path: &[String],
    now_ms: i64,
) -> Result<(), Refusal> {
    let token = authorization
        .and_then(Token::parse)
        .ok_or_else(Refusal::unauthorized)?;
    let mut resource = vec![hub.options.host_name.as_str()];
    resource.extend(path.iter().map(String::as_str));
    if token.is_expired(now_ms) || !token.covers(&resource) {
        return Err(Refusal::unauthorized());
    }
    let policy = hub.options.policies.iter().find(|policy| policy.signed(&token));
    let policy = policy.filter(|policy| policy.rights.hold(needed));
    policy.map(drop).ok_or_else(Refusal::unauthorized)
}

/// A device is what its certificate says: by thumbprint, or by name and the authority above it.
fn by_certificate(hub: &Inner, chain: &Chain, device: &str, now_ms: i64) -> Result<Arc<Entry>, Refusal> {
    if !is_device_id(device) {
        return Err(Refusal::argument(format!("'{device}' is no device id")));
    }
    let entry = hub
        .registry
        .get(device)
        .ok_or_else(|| Refusal::no_device(device))?;
    let leaf = &chain.leaf;
    let proven = match &entry.device.authentication {
        Authentication::Sas { .. } => false,
        Authentication::SelfSigned { primary, secondary } => {
            let mut thumbprints = [primary, secondary].into_iter().flatten();
            leaf.is_valid_at(now_ms) && thumbprints.any(|thumbprint| thumbprint.names(leaf))
        }
        Authentication::CertificateAuthority => {
            leaf.common_name() == Some(device) && hub.authorities.vouch_for(chain, now_ms)
        }
    };
    if !proven {
        return Err(Refusal::unauthorized());
    }
    if entry.device.enabled {
        entry.activity.seen(now_ms);
        Ok(entry)
    } else {
        Err(Refusal::disabled(device))
    }
}

fn by_policy(hub: &Inner, token: &Token<'_>, device: &str) -> Result<Arc<Entry>, Refusal> {
    let policy = hub.options.policies.iter().find(|policy| policy.signed(token));
    let policy = policy.filter(|policy| policy.rights.hold(Rights::DEVICE_CONNECT));
    policy.ok_or_else(Refusal::unauthorized)?;
    match (hub.registry.get(device), &hub.options.auto_create) {
        (Some(entry), _) => Ok(entry),
        (None, Some(group)) => Ok(hub
            .registry
            .get_or_put(device, || Device::new(device, group.derive(device)))),
        (None, None) => Err(Refusal::no_device(device)),
    }
}

fn by_device_key(hub: &Inner, token: &Token<'_>, device: &str) -> Result<Arc<Entry>, Refusal> {
    let signed = |device: &Device| device.authentication.signed(token);
    match (hub.registry.get(device), &hub.options.auto_create) {
        (Some(entry), _) if signed(&entry.device) => Ok(entry),
        (None, Some(group)) => {
            let new = Device::new(device, group.derive(device));
            if !signed(&new) {
                return Err(Refusal::unauthorized());
            }
            Ok(hub.registry.get_or_put(device, || new))
        }
        (None, None) => Err(Refusal::no_device(device)),
        (Some(_), _) => Err(Refusal::unauthorized()),
    }
}
