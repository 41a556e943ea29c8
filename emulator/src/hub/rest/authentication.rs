//! How an identity proves itself, in JSON.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::hub::refusal::Refusal;
use crate::hub::{Authentication, Key};

/// As the SDKs send it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    #[serde(rename = "type")]
    kind: Option<String>,
    symmetric_key: Option<SymmetricKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SymmetricKey {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

/// Reads it. Keys that are absent or empty stay what they are, and are made for a new identity.
pub(super) fn read(asked: Option<&Asked>, known: Option<&Authentication>) -> Result<Authentication, Refusal> {
    let kind = asked.and_then(|asked| asked.kind.as_deref());
    match kind {
        None | Some("sas") => sas(asked.and_then(|asked| asked.symmetric_key.as_ref()), known),
        Some(kind @ ("selfSigned" | "certificateAuthority")) => {
            Err(Refusal::not_offered(&format!("Authentication {kind}")))
        }
        Some(kind) => Err(Refusal::argument(format!(
            "authentication.type {kind} is none of sas, selfSigned and certificateAuthority"
        ))),
    }
}

fn sas(asked: Option<&SymmetricKey>, known: Option<&Authentication>) -> Result<Authentication, Refusal> {
    let text = |key: Option<&String>| key.filter(|key| !key.is_empty()).cloned();
    let primary = text(asked.and_then(|asked| asked.primary_key.as_ref()));
    let secondary = text(asked.and_then(|asked| asked.secondary_key.as_ref()));
    match (primary, secondary) {
        (Some(primary), Some(secondary)) => {
            let key = |text: &str| {
                Key::parse(text).map_err(|error| Refusal::argument(format!("symmetricKey: {error}")))
            };
            Ok(Authentication::Sas {
                primary: key(&primary)?,
                secondary: key(&secondary)?,
            })
        }
        (None, None) => match known {
            Some(known @ Authentication::Sas { .. }) => Ok(known.clone()),
            _ => made(),
        },
        _ => Err(Refusal::argument(
            "symmetricKey: the primary and the secondary key are given together, or neither is",
        )),
    }
}

fn made() -> Result<Authentication, Refusal> {
    let key = || Key::random().map_err(|_| Refusal::internal());
    Ok(Authentication::Sas {
        primary: key()?,
        secondary: key()?,
    })
}

/// Shows it, keys included: who may read the registry may read them.
pub(super) fn view(authentication: &Authentication) -> Value {
    let keys = authentication
        .keys()
        .map(|(primary, secondary)| (primary.text(), secondary.text()));
    let (primary, secondary) = keys.unzip();
    json!({
        "symmetricKey": { "primaryKey": primary, "secondaryKey": secondary },
        "x509Thumbprint": thumbprints(authentication),
        "type": authentication.kind(),
    })
}

/// Thumbprints of certificates, which twins show, too.
pub(in crate::hub) fn thumbprints(authentication: &Authentication) -> Value {
    match authentication {
        Authentication::Sas { .. } => json!({ "primaryThumbprint": null, "secondaryThumbprint": null }),
    }
}
