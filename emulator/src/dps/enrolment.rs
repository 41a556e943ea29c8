//! Who may register, and as what.

use super::options::DpsOptions;
use super::refusal::Refusal;
use crate::hub::token::Token;
use crate::hub::{Authentication, Device};

/// What a proven request may have: a device identity with the keys it signs with.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) device: Device,
    /// The enrolment group, unless the enrolment is its own.
    pub(super) group: Option<String>,
}

/// Checks the token of `registration_id` against the enrolments. Of the groups, the one whose key signed
/// counts; a disabled enrolment refuses like a wrong key does.
pub(super) fn admit(
    options: &DpsOptions,
    authorization: Option<&str>,
    registration_id: &str,
    now_ms: i64,
) -> Result<Admitted, Refusal> {
    let token = authorization
        .and_then(Token::parse)
        .ok_or_else(Refusal::unauthorized)?;
    let resource = [options.id_scope.as_str(), "registrations", registration_id];
    // SDKs differ in whether they name the policy; any other one signs for the service side.
    let policy = token.policy.as_deref().is_none_or(|name| name == "registration");
    if token.is_expired(now_ms) || token.resource.len() != 3 || !token.covers(&resource) || !policy {
        return Err(Refusal::unauthorized());
    }
    let signed = |device: &Device| device.authentication.signed(&token);
    if let Some(own) = options
        .individuals
        .iter()
        .find(|i| i.registration_id == registration_id)
    {
        let keys = Authentication::Sas {
            primary: own.primary.clone(),
            secondary: own.secondary.clone(),
        };
        let device = Device::with(own.device_id.as_deref().unwrap_or(registration_id), keys);
        let admitted = own.enabled && signed(&device);
        return if admitted {
            Ok(Admitted { device, group: None })
        } else {
            Err(Refusal::unauthorized())
        };
    }
    if options.groups.is_empty() {
        return Err(Refusal::no_enrolment(registration_id));
    }
    for group in options.groups.iter().filter(|group| group.enabled) {
        let keys = Authentication::Sas {
            primary: group.primary.derive(registration_id),
            secondary: group.secondary.derive(registration_id),
        };
        let device = Device::with(registration_id, keys);
        if signed(&device) {
            return Ok(Admitted {
                device,
                group: Some(group.id.clone()),
            });
        }
    }
    Err(Refusal::unauthorized())
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
