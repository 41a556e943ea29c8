//! Who may act for which device or module, and who may use the service side.

use super::Inner;
use super::identity::{Authentication, Device, Identity};
use super::key::Key;
use super::policy::Rights;
use super::refusal::Refusal;
use super::registry::{Party, is_device_id};
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

/// Lets a request act for a device or a module by what it shows, or says why not. A token goes before a certificate. A
/// module of a disabled device is refused as its device is.
pub(super) fn admit_by(hub: &Inner, proof: Proof<'_>, who: &Identity, now_ms: i64) -> Result<Party, Refusal> {
    if !is_device_id(&who.device) {
        return Err(Refusal::argument(format!("'{}' is no device id", who.device)));
    }
    if let Some(module) = who.module.as_ref().filter(|id| !is_device_id(id)) {
        return Err(Refusal::argument(format!("'{module}' is no module id")));
    }
    let party = match proof {
        Proof {
            token: None,
            chain: Some(chain),
        } => by_certificate(hub, chain, who, now_ms),
        Proof { token, .. } => by_token(hub, token, who, now_ms),
    }?;
    if !party.device.device.enabled {
        return Err(Refusal::disabled(&who.device));
    }
    party.activity().seen(now_ms);
    Ok(party)
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

/// A token signs either with one of the own keys, for this device or this module alone, or with a policy (`skn`) that has the
/// right "device connect", for the hub, for all its devices or for this one. A device's key does not sign for its modules.
fn by_token(hub: &Inner, authorization: Option<&str>, who: &Identity, now_ms: i64) -> Result<Party, Refusal> {
    let token = authorization
        .and_then(Token::parse)
        .ok_or_else(Refusal::unauthorized)?;
    let mut resource = vec![hub.options.host_name.as_str(), "devices", who.device.as_str()];
    if let Some(module) = &who.module {
        resource.extend(["modules", module.as_str()]);
    }
    if token.is_expired(now_ms) || !token.covers(&resource) {
        return Err(Refusal::unauthorized());
    }
    if token.policy.is_some() {
        by_policy(hub, &token, who)
    } else if token.resource.len() == resource.len() {
        by_own_key(hub, &token, who)
    } else {
        Err(Refusal::unauthorized())
    }
}

/// A device is what its certificate says: by thumbprint, or by name and the authority above it; so is a module, whose name is
/// `{device}/{module}` (Azure docs, "Get started with module identities and module twins").
fn by_certificate(hub: &Inner, chain: &Chain, who: &Identity, now_ms: i64) -> Result<Party, Refusal> {
    let party = hub.find(who)?;
    let leaf = &chain.leaf;
    let proven = match party.authentication() {
        Authentication::Sas { .. } => false,
        Authentication::SelfSigned { primary, secondary } => {
            let mut thumbprints = [primary, secondary].into_iter().flatten();
            leaf.is_valid_at(now_ms) && thumbprints.any(|thumbprint| thumbprint.names(leaf))
        }
        Authentication::CertificateAuthority => {
            leaf.common_name() == Some(who.to_string().as_str()) && hub.authorities.vouch_for(chain, now_ms)
        }
    };
    if proven {
        Ok(party)
    } else {
        Err(Refusal::unauthorized())
    }
}

fn by_policy(hub: &Inner, token: &Token<'_>, who: &Identity) -> Result<Party, Refusal> {
    let policy = hub.options.policies.iter().find(|policy| policy.signed(token));
    let policy = policy.filter(|policy| policy.rights.hold(Rights::DEVICE_CONNECT));
    policy.ok_or_else(Refusal::unauthorized)?;
    match (hub.find(who), group(hub, who)) {
        (Err(_), Some(group)) => {
            let new = || Device::new(&who.device, group.derive(&who.device));
            Ok(hub.registry.get_or_put(&who.device, new).into())
        }
        (found, _) => found,
    }
}

fn by_own_key(hub: &Inner, token: &Token<'_>, who: &Identity) -> Result<Party, Refusal> {
    match (hub.find(who), group(hub, who)) {
        (Ok(party), _) if party.authentication().signed(token) => Ok(party),
        (Ok(_), _) => Err(Refusal::unauthorized()),
        (Err(_), Some(group)) => {
            let new = Device::new(&who.device, group.derive(&who.device));
            if !new.authentication.signed(token) {
                return Err(Refusal::unauthorized());
            }
            Ok(hub.registry.get_or_put(&who.device, || new).into())
        }
        (Err(refusal), None) => Err(refusal),
    }
}

/// The group whose devices come into being when they come. Modules do not.
fn group<'a>(hub: &'a Inner, who: &Identity) -> Option<&'a Key> {
    hub.options.auto_create.as_ref().filter(|_| who.module.is_none())
}
