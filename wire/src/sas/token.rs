use alloc::string::String;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Resource, SCHEME};
use crate::key::Key;
use crate::percent::{self, DecodeError};

/// A token as somebody sent it.
///
/// The SDKs differ in the order of the fields and in what they encode (Node's provisioning client sends
/// `sr` bare, and hex digits in lower case elsewhere). The signature covers `sr` as sent, so it is kept so
/// and decoded only to compare scopes.
///
/// A bearer's secret until it expires: `Debug` shows all but the signature.
#[derive(Clone)]
pub struct Token {
    /// The whole token as sent, white space around it removed.
    text: String,
    /// `sr` as sent.
    sr: String,
    /// `sr` decoded.
    scope: String,
    /// `se` as sent, since it is signed as text.
    se: String,
    /// `se` as a number.
    expiry: u64,
    signature: [u8; 32],
    policy: Option<String>,
}

/// Why a text is not a token. Nothing of the text is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Another scheme, or none.
    #[error("a token begins with \"SharedAccessSignature \" (followed by sr=…&sig=…&se=…)")]
    Scheme,
    /// A field without `=`, or one that tokens do not have.
    #[error("field {position} of the token is none of sr=, sig=, se=, skn=")]
    Unknown {
        /// Counted from 1.
        position: usize,
    },
    /// A field given twice, of which a verifier might read one and a router the other.
    #[error("the token has the field {0} twice")]
    Duplicate(&'static str),
    /// A field that every token needs is absent or empty.
    #[error("the token has no {0}")]
    Missing(&'static str),
    /// A field is not percent-encoded text.
    #[error("the token's field {field}: {source}")]
    Encoding {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// `se` is not a count of seconds.
    #[error("the token's se is not a whole number of seconds since 1970")]
    Expiry,
    /// `sig` cannot be a signature.
    #[error("the token's sig is not the base64 of 32 bytes; it may have lost its percent-encoding")]
    Signature,
}

/// Why a token that can be read is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not signed with this key, or changed since.
    #[error("the token's signature does not belong to this key")]
    Signature,
    /// Signed with this key, but its time is over.
    #[error(
        "the token expired at {expiry} (epoch seconds), it is now {now}; sign a new one, or set the clock"
    )]
    Expired {
        /// The token's end in seconds since 1970 UTC.
        expiry: u64,
        /// The verifier's time in seconds since 1970 UTC.
        now: u64,
    },
}

impl Token {
    /// Reads a token; its fields may come in any order, the scheme in any letter case, and an empty
    /// `skn` counts as none.
    ///
    /// # Errors
    /// Another scheme, a missing, unknown or repeated field, or a field of the wrong shape.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let (scheme, fields) = text.split_once(' ').ok_or(ParseError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(ParseError::Scheme);
        }
        let [mut sr, mut sig, mut se, mut skn] = [None; 4];
        for (index, field) in fields.split('&').enumerate() {
            let unknown = ParseError::Unknown { position: index + 1 };
            let (name, value) = field.split_once('=').ok_or(unknown)?;
            let (name, place) = match name {
                "sr" => ("sr", &mut sr),
                "sig" => ("sig", &mut sig),
                "se" => ("se", &mut se),
                "skn" => ("skn", &mut skn),
                _ => return Err(unknown),
            };
            if place.replace(value).is_some() {
                return Err(ParseError::Duplicate(name));
            }
        }
        let sr = required("sr", sr)?;
        let sig = required("sig", sig)?;
        let se = required("se", se)?;
        let policy = match skn {
            Some(name) if !name.is_empty() => Some(decoded("skn", name)?),
            _ => None,
        };
        Ok(Self {
            text: text.into(),
            sr: sr.into(),
            scope: decoded("sr", sr)?,
            se: se.into(),
            expiry: seconds(se).ok_or(ParseError::Expiry)?,
            signature: STANDARD
                .decode(decoded("sig", sig)?)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(ParseError::Signature)?,
            policy,
        })
    }

    /// Whether the key signed this token and its time is not over.
    ///
    /// `now` is in seconds since 1970 UTC. `slack` in seconds is how long after its end a token is still
    /// taken: the hub allows about 5 minutes on HTTP and 10 on MQTT. The signature is looked at first, in
    /// constant time, so that a stranger learns nothing else. What the token opens is
    /// [another question](Self::covers).
    ///
    /// # Errors
    /// The reason to refuse it.
    pub fn verify(&self, key: &Key, now: u64, slack: u64) -> Result<(), Refusal> {
        if !key.confirms(&[self.sr.as_bytes(), b"\n", self.se.as_bytes()], &self.signature) {
            return Err(Refusal::Signature);
        }
        if now > self.expiry.saturating_add(slack) {
            return Err(Refusal::Expired {
                expiry: self.expiry,
                now,
            });
        }
        Ok(())
    }

    /// Whether the resource lies at or below what the token names, by whole path segments: `devices/m-1`
    /// does not cover `devices/m-11`. Letter case counts, except in the host's name.
    pub fn covers(&self, resource: &Resource) -> bool {
        resource.is_within(&self.scope)
    }

    /// The end of its life in seconds since 1970 UTC.
    pub fn expiry(&self) -> u64 {
        self.expiry
    }

    /// The policy whose key signed it; none where a device's own key did.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// What the token names, decoded.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The whole token, to be sent on. A secret: never for logs.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("scope", &self.scope)
            .field("expiry", &self.expiry)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

fn required<'a>(field: &'static str, value: Option<&'a str>) -> Result<&'a str, ParseError> {
    value
        .filter(|text| !text.is_empty())
        .ok_or(ParseError::Missing(field))
}

fn decoded(field: &'static str, value: &str) -> Result<String, ParseError> {
    let text = percent::decode(value).map_err(|source| ParseError::Encoding { field, source })?;
    Ok(text.into_owned())
}

/// Digits only: `str::parse` would take a plus sign.
fn seconds(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
