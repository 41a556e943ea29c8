//! Who may register, and as what.

use super::attestation::Attestation;
use super::book::Book;
use super::refusal::Refusal;
use super::terms::Terms;
use crate::hub::access::Proof;
use crate::hub::token::Token;
use crate::hub::{Authentication, Key};
use crate::tls::{Certificate, Chain};

/// What a proven request may have: a device identity, and what its enrolment gives.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) device_id: String,
    /// How the device will prove itself at the hub.
    pub(super) authentication: Authentication,
    /// The certificate that it came with.
    pub(super) certificate: Option<Certificate>,
    /// The enrolment group, unless the enrolment is its own.
    pub(super) group: Option<String>,
    pub(super) terms: Terms,
}

/// What a device shows, as far as it can be looked at without its enrolment.
enum Shown<'a> {
    Token(Token<'a>),
    Chain(&'a Chain),
}

/// Checks what `registration_id` shows against the enrolments. Of the groups, the one that fits counts; a disabled
/// enrolment refuses like a wrong key does.
pub(super) fn admit(
    id_scope: &str,
    book: &Book,
    proof: Proof<'_>,
    registration_id: &str,
    now_ms: i64,
) -> Result<Admitted, Refusal> {
    let shown = match proof {
        Proof {
            token: None,
            chain: Some(chain),
        } => {
            // The certificate says whose it is.
            let leaf = &chain.leaf;
            if leaf.common_name() != Some(registration_id) || !leaf.is_valid_at(now_ms) {
                return Err(Refusal::unauthorized());
            }
            Shown::Chain(chain)
        }
        Proof { token, .. } => Shown::Token(token_for(id_scope, token, registration_id, now_ms)?),
    };
    if let Some(own) = book.individuals.get(registration_id) {
        let own = own.value;
        let authentication = shown.alone(&own.attestation).filter(|_| own.terms.enabled);
        return authentication
            .ok_or_else(Refusal::unauthorized)
            .map(|authentication| Admitted {
                device_id: own.device_id().to_owned(),
                authentication,
                certificate: shown.certificate(),
                group: None,
                terms: own.terms,
            });
    }
    let groups = book.groups.all();
    if groups.is_empty() {
        return Err(Refusal::no_enrolment(registration_id));
    }
    let enabled = groups
        .into_iter()
        .map(|kept| kept.value)
        .filter(|group| group.terms.enabled);
    for group in enabled {
        if let Some(authentication) = shown.in_group(&group.attestation, registration_id, now_ms) {
            return Ok(Admitted {
                device_id: registration_id.to_owned(),
                authentication,
                certificate: shown.certificate(),
                group: Some(group.id),
                terms: group.terms,
            });
        }
    }
    Err(Refusal::unauthorized())
}

/// A token that is meant for this registration and not over. Who signed it is not proven yet.
fn token_for<'a>(
    id_scope: &str,
    authorization: Option<&'a str>,
    registration_id: &str,
    now_ms: i64,
) -> Result<Token<'a>, Refusal> {
    let token = authorization
        .and_then(Token::parse)
        .ok_or_else(Refusal::unauthorized)?;
    let resource = [id_scope, "registrations", registration_id];
    // SDKs differ in whether they name the policy; any other one signs for the service side.
    let policy = token.policy.as_deref().is_none_or(|name| name == "registration");
    if token.is_expired(now_ms) || token.resource.len() != 3 || !token.covers(&resource) || !policy {
        return Err(Refusal::unauthorized());
    }
    Ok(token)
}

impl Shown<'_> {
    /// What the device is at the hub, if this proves that it is the one with this attestation.
    fn alone(&self, attestation: &Attestation) -> Option<Authentication> {
        match (self, attestation) {
            (Self::Token(token), Attestation::Keys { primary, secondary }) => {
                signed(token, primary.clone(), secondary.clone())
            }
            (Self::Chain(chain), Attestation::Certificates { primary, secondary }) => {
                let leaf = &chain.leaf;
                (leaf == primary || Some(leaf) == secondary.as_ref())
                    .then(|| Authentication::self_signed(leaf))
            }
            _ => None,
        }
    }

    /// The same for one of the devices of a group.
    fn in_group(&self, attestation: &Attestation, id: &str, now_ms: i64) -> Option<Authentication> {
        match (self, attestation) {
            (Self::Token(token), Attestation::Keys { primary, secondary }) => {
                signed(token, primary.derive(id), secondary.derive(id))
            }
            (Self::Chain(chain), Attestation::Certificates { primary, secondary }) => {
                let mut signers = [Some(primary), secondary.as_ref()].into_iter().flatten();
                let leads = signers.any(|signer| chain.leads_to(signer, now_ms));
                leads.then(|| Authentication::self_signed(&chain.leaf))
            }
            _ => None,
        }
    }

    fn certificate(&self) -> Option<Certificate> {
        match self {
            Self::Chain(chain) => Some(chain.leaf.clone()),
            Self::Token(_) => None,
        }
    }
}

fn signed(token: &Token<'_>, primary: Key, secondary: Key) -> Option<Authentication> {
    let keys = Authentication::Sas { primary, secondary };
    keys.signed(token).then_some(keys)
}

/// Whether `id` may be a registration id: letters, digits and `-._:`, 128 at most, a letter or digit at the
/// end (Azure docs, DPS concepts).
pub(super) fn is_registration_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b))
        && id.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
}
