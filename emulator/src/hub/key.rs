//! Symmetric keys of devices, policies and enrolment groups.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A symmetric key. `Debug` does not show it; [`Key::text`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not standard base64 with padding.
    #[error("the key is not base64; copy it again, with its trailing `=` signs")]
    NotBase64,
    /// IoT Hub takes keys of 16 to 64 bytes.
    #[error("the key has {0} bytes, a hub takes 16 to 64")]
    Length(usize),
}

impl Key {
    /// Reads a key as the portal shows it: base64 of 16 to 64 bytes (Azure docs, device identity properties).
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text).map_err(|_| KeyError::NotBase64)?;
        if !(16..=64).contains(&bytes.len()) {
            return Err(KeyError::Length(bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// A new random key of 32 bytes, as the hub makes them.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn random() -> Result<Self, rustls::Error> {
        let mut bytes = vec![0; 32];
        rustls::crypto::aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut bytes)
            .map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
        Ok(Self(bytes))
    }

    /// The key of one device of an enrolment group: HMAC-SHA256 of the registration id under the group's
    /// key (Azure docs, symmetric key attestation). Letter case counts.
    pub fn derive(&self, registration_id: &str) -> Self {
        Self(
            self.mac(registration_id.as_bytes())
                .finalize()
                .into_bytes()
                .to_vec(),
        )
    }

    /// The key as base64, the way connection strings carry it.
    pub fn text(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// A token over `resource` that ends at `expires_s` (seconds since 1970), for tools and tests.
    pub fn token(&self, resource: &str, expires_s: i64, policy: Option<&str>) -> String {
        let sr = super::token::encode(resource);
        let mac = self.mac(format!("{sr}\n{expires_s}").as_bytes());
        let sig = super::token::encode(&STANDARD.encode(mac.finalize().into_bytes()));
        let skn = policy.map(|name| format!("&skn={name}")).unwrap_or_default();
        format!("SharedAccessSignature sr={sr}&sig={sig}&se={expires_s}{skn}")
    }

    /// This key's HMAC-SHA256 of `text`.
    pub(super) fn sign(&self, text: &str) -> Vec<u8> {
        self.mac(text.as_bytes()).finalize().into_bytes().to_vec()
    }

    /// Whether `signature` is this key's HMAC-SHA256 of `text`, compared in constant time.
    pub(super) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        self.mac(text.as_bytes()).verify_slice(signature).is_ok()
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, text: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(text);
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}
