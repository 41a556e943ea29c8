//! How an identity proves itself, in JSON.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::hub::document::thumbprints;
use crate::hub::refusal::Refusal;
use crate::hub::{Authentication, Key, Thumbprint};

/// As the SDKs send it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    #[serde(rename = "type")]
    kind: Option<String>,
    symmetric_key: Option<SymmetricKey>,
    x509_thumbprint: Option<X509Thumbprint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SymmetricKey {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct X509Thumbprint {
    primary_thumbprint: Option<String>,
    secondary_thumbprint: Option<String>,
}

/// Reads it. Keys that are absent or empty stay what they are, and are made for a new identity.
pub(super) fn read(asked: Option<&Asked>, known: Option<&Authentication>) -> Result<Authentication, Refusal> {
    let kind = asked.and_then(|asked| asked.kind.as_deref());
    let x509 = asked.and_then(|asked| asked.x509_thumbprint.as_ref());
    match kind {
        None if x509.is_some_and(|x509| x509.primary_thumbprint.is_some()) => self_signed(x509),
        None | Some("sas") => sas(asked.and_then(|asked| asked.symmetric_key.as_ref()), known),
        Some("selfSigned") => self_signed(x509),
        Some("certificateAuthority") => Ok(Authentication::CertificateAuthority),
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

fn self_signed(asked: Option<&X509Thumbprint>) -> Result<Authentication, Refusal> {
    let thumbprint = |text: Option<&String>| {
        let text = text.filter(|text| !text.is_empty());
        let read = text.map(|text| Thumbprint::parse(text)).transpose();
        read.map_err(|error| Refusal::argument(format!("x509Thumbprint: {error}")))
    };
    let primary = thumbprint(asked.and_then(|asked| asked.primary_thumbprint.as_ref()))?;
    let secondary = thumbprint(asked.and_then(|asked| asked.secondary_thumbprint.as_ref()))?;
    if primary.is_none() && secondary.is_none() {
        return Err(Refusal::argument(
            "x509Thumbprint: a selfSigned device has a thumbprint",
        ));
    }
    Ok(Authentication::SelfSigned { primary, secondary })
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
