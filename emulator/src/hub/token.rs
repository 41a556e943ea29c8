//! Shared access signatures, read as a service reads them.
//!
//! The signature covers the text of `sr` exactly as sent, because SDKs differ in what they percent-encode
//! and in which letter case. Only to compare scopes is it decoded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::key::Key;

/// How long after its end a token still passes over HTTPS: the service allows clocks to differ by about
/// five minutes (Azure/azure-iot-sdk-csharp#564).
pub const SLACK_S: i64 = 300;

/// What stays bare in `sr` and `sig`: the unreserved characters of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A well-formed token. Nothing in it is proven before [`Token::is_signed_by`].
#[derive(Debug, PartialEq, Eq)]
pub struct Token<'a> {
    sr: &'a str,
    se: &'a str,
    signature: Vec<u8>,
    /// End of life, seconds since 1970.
    pub expires_s: i64,
    /// What the token is for, as decoded path segments: host, `devices`, device id.
    pub resource: Vec<String>,
    /// The policy whose key signed (`skn`); none for a device's own key.
    pub policy: Option<String>,
}

impl<'a> Token<'a> {
    /// Reads an `Authorization` value. Takes the fields in any order, `sig` with a raw `/` or `+`, and `sr`
    /// encoded or not. `None` for anything malformed: another scheme, a field missing or twice, a signature
    /// that is not 32 bytes of base64.
    pub fn parse(authorization: &'a str) -> Option<Self> {
        let (scheme, fields) = authorization.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("SharedAccessSignature") {
            return None;
        }
        let (mut sr, mut sig, mut se, mut skn) = (None, None, None, None);
        for field in fields.trim().split('&') {
            let (name, value) = field.split_once('=')?;
            let slot = match name {
                "sr" => &mut sr,
                "sig" => &mut sig,
                "se" => &mut se,
                "skn" => &mut skn,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let (sr, sig, se) = (sr?, sig?, se?);
        let signature = STANDARD
            .decode(decode(sig)?)
            .ok()
            .filter(|bytes| bytes.len() == 32)?;
        if !se.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let resource: Vec<String> = decode(sr)?.split('/').map(str::to_owned).collect();
        if resource.iter().any(String::is_empty) {
            return None;
        }
        let policy = match skn {
            // Clients of the device SDKs may send the field empty.
            None | Some("") => None,
            Some(name) => Some(decode(name)?),
        };
        Some(Self {
            sr,
            se,
            signature,
            expires_s: se.parse().ok()?,
            resource,
            policy,
        })
    }

    /// Whether `key` signed this token.
    pub fn is_signed_by(&self, key: &Key) -> bool {
        key.verifies(&format!("{}\n{}", self.sr, self.se), &self.signature)
    }

    /// Whether the token is past its end, slack included.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        now_ms.div_euclid(1000) > self.expires_s.saturating_add(SLACK_S)
    }

    /// Whether the token's scope holds `resource`: the same, or a parent of it, by whole path segments.
    /// The first segment (a host name, or an id scope) and fixed words compare without regard to letter
    /// case, ids (every third segment) with.
    pub fn covers(&self, resource: &[&str]) -> bool {
        self.resource.len() <= resource.len()
            && self
                .resource
                .iter()
                .zip(resource)
                .enumerate()
                .all(|(at, (ours, theirs))| {
                    if at > 0 && at % 2 == 0 {
                        ours == theirs
                    } else {
                        ours.eq_ignore_ascii_case(theirs)
                    }
                })
    }
}

/// Strict percent-encoding: all but the unreserved characters of RFC 3986.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

/// Percent-decodes `text` once; `None` for a `%` without two hex digits behind it or for broken UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let broken = bytes.iter().enumerate().any(|(at, &byte)| {
        byte == b'%'
            && !bytes
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return None;
    }
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}
