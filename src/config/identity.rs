//! Who the settings say speaks to the hub: a group of devices, one device with its key, or one with a token.

use wire::connection_string::Credential as Given;
use wire::sas::{Resource, Token};

use crate::clock::{Millis, iso};
use crate::secret::Secret;

use super::values::{Named, Values};
use super::{Identity, address, connection, credential};

/// A token's end is announced so many milliseconds ahead.
const ANNOUNCED: Millis = 14 * 86_400_000;

/// Reads the identity, preferring a group to a device and a key to a token.
pub(super) fn read(values: &Values<'_>, now: Millis) -> Identity {
    let group = group(values);
    let device = device(values, now);
    let Some(group) = group else { return device };
    if !matches!(device, Identity::None) {
        values.found.warning(
            "DPS_ID_SCOPE",
            "every source has a device of its own; the single device that is set, too, is not used",
        );
    }
    group
}

fn group(values: &Values<'_>) -> Option<Identity> {
    let found = values.found;
    let scope = values.set("DPS_ID_SCOPE");
    let key = values.set("DPS_GROUP_KEY");
    let endpoint = found.keep("DPS_ENDPOINT", address::host(&values.text("DPS_ENDPOINT"), true));
    if let Some(scope) = &scope
        && (scope.len() > 64 || !scope.bytes().all(|b| b.is_ascii_alphanumeric()))
    {
        found.fault("DPS_ID_SCOPE", "is not an id scope such as `0ne00000A0A`");
    }
    if let Some(key) = &key {
        found.keep("DPS_GROUP_KEY", credential::hub_key(key));
    }
    match (scope, key) {
        (Some(id_scope), Some(key)) => Some(Identity::Group {
            endpoint: endpoint.unwrap_or_default(),
            id_scope,
            key: Secret::new(key),
        }),
        (Some(_), None) => {
            found.fault(
                "DPS_GROUP_KEY",
                "is not set, though DPS_ID_SCOPE is; give the enrolment group's key",
            );
            None
        }
        (None, Some(_)) => {
            found.fault(
                "DPS_ID_SCOPE",
                "is not set, though DPS_GROUP_KEY is; give the service's id scope",
            );
            None
        }
        (None, None) => None,
    }
}

fn device(values: &Values<'_>, now: Millis) -> Identity {
    let found = values.found;
    let host = values.either("IOTHUB_HOST", "IoTHubURL").and_then(|given| {
        let text = found.keep(given.name, address::host(&given.text, false))?;
        Some(Named { text, ..given })
    });
    let id = values.either("IOTHUB_DEVICE_ID", "IoTHubDeviceId");
    let key = values.set("IOTHUB_DEVICE_KEY");
    let token = values.either("IOTHUB_SAS_TOKEN", "IoTHubSharedAccessSignature");
    let connect = values
        .set("IOTHUB_CONNECT")
        .and_then(|text| found.keep("IOTHUB_CONNECT", address::host(&text, true)));
    if let Some(id) = &id {
        found.keep(id.name, credential::device_id(&id.text));
    }
    if let Some(key) = &key {
        found.keep("IOTHUB_DEVICE_KEY", credential::hub_key(key));
    }

    if let Some(given) = values.either("IOTHUB_DEVICE_CONNECTION_STRING", "IoTHubConnection") {
        let Some(whole) = found.keep(given.name, connection::parse(&given.text)) else {
            return Identity::None;
        };
        same(values, &given, host.as_ref(), "HostName", |text| {
            text.eq_ignore_ascii_case(&whole.host)
        });
        same(values, &given, id.as_ref(), "DeviceId", |text| {
            text == whole.device
        });
        let connect = connect.or(whole.gateway).unwrap_or_else(|| whole.host.clone());
        return match whole.credential {
            Given::Key(whole_key) => {
                let secret = Secret::new(whole_key.to_base64());
                if key.is_some_and(|key| key != secret.reveal()) {
                    let text = format!(
                        "differs from SharedAccessKey in {}; remove one of the two",
                        given.name
                    );
                    found.fault("IOTHUB_DEVICE_KEY", text);
                }
                Identity::Device {
                    hub: whole.host,
                    connect,
                    device: whole.device,
                    key: secret,
                }
            }
            Given::Signature(token) => {
                check_token(
                    values,
                    given.name,
                    &token,
                    Some((&whole.host, &whole.device)),
                    now,
                );
                Identity::Token {
                    hub: whole.host,
                    connect,
                    device: whole.device,
                    token: Secret::new(token.text().to_owned()),
                }
            }
        };
    }

    let owner = host
        .as_ref()
        .zip(id.as_ref())
        .map(|(host, id)| (host.text.as_str(), id.text.as_str()));
    if let Some(token) = &token {
        if let Some(read) = found.keep(token.name, credential::token(&token.text)) {
            check_token(values, token.name, &read, owner, now);
        }
        if key.is_some() {
            found.warning(token.name, "is not used, since IOTHUB_DEVICE_KEY is set");
        }
    }
    let credential = match (key, token) {
        (Some(key), _) => Some(("IOTHUB_DEVICE_KEY", Credential::Key(Secret::new(key)))),
        (None, Some(token)) => Some((token.name, Credential::Token(Secret::new(token.text)))),
        (None, None) => None,
    };
    let Some((name, credential)) = credential else {
        match (&host, &id) {
            (_, Some(id)) => found.fault(
                "IOTHUB_DEVICE_KEY",
                format!(
                    "is not set, though {} is; give the device's key, or IOTHUB_SAS_TOKEN",
                    id.name
                ),
            ),
            (Some(host), None) => found.warning(host.name, "names a hub, but no device; nothing can be sent"),
            (None, None) => {}
        }
        return Identity::None;
    };
    for (missing, place) in [
        (host.is_none(), "IOTHUB_HOST"),
        (id.is_none(), "IOTHUB_DEVICE_ID"),
    ] {
        // A host that is set and wrong has its own fault already.
        if missing
            && values.set(place).is_none()
            && !(place == "IOTHUB_HOST" && values.set("IoTHubURL").is_some())
        {
            found.fault(place, format!("is not set, though {name} is"));
        }
    }
    let (Some(hub), Some(device)) = (host.map(|h| h.text), id.map(|i| i.text)) else {
        return Identity::None;
    };
    let connect = connect.unwrap_or_else(|| hub.clone());
    match credential {
        Credential::Key(key) => Identity::Device {
            hub,
            connect,
            device,
            key,
        },
        Credential::Token(token) => Identity::Token {
            hub,
            connect,
            device,
            token,
        },
    }
}

/// A part that is given twice must be the same twice.
fn same(values: &Values<'_>, whole: &Named, part: Option<&Named>, name: &str, is: impl Fn(&str) -> bool) {
    if let Some(part) = part.filter(|part| !is(&part.text)) {
        values.found.fault(
            part.name,
            format!("differs from {name} in {}; remove one of the two", whole.name),
        );
    }
}

fn check_token(values: &Values<'_>, place: &str, token: &Token, owner: Option<(&str, &str)>, now: Millis) {
    let found = values.found;
    if let Some((hub, device)) = owner
        && !token.covers(&Resource::device(hub, device))
    {
        found.fault(
            place,
            format!(
                "is for `{}`, not for device `{device}` of `{hub}`",
                super::values::short(token.scope())
            ),
        );
    }
    let expiry = i64::try_from(token.expiry())
        .unwrap_or(i64::MAX)
        .saturating_mul(1000);
    if expiry <= now {
        found.warning(
            place,
            &format!(
                "expired at {}; make a new one, or give the device's key",
                iso(expiry)
            ),
        );
    } else if expiry - now < ANNOUNCED {
        found.warning(
            place,
            &format!(
                "expires at {}; make a new one in time, or give the device's key",
                iso(expiry)
            ),
        );
    }
}

/// What a single device proves itself with, from its settings.
enum Credential {
    Key(Secret),
    Token(Secret),
}
