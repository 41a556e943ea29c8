//! Symmetric keys of devices, policies and enrolment groups.

use alloc::string::String;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Size of SHA-256's block in bytes, which happens to be the hub's longest key.
const BLOCK: usize = 64;

/// A symmetric key: 16 to 64 bytes (Azure IoT Hub developer guide, "Symmetric keys").
///
/// A secret. `Debug` shows nothing of it; [`Key::to_base64`] is the one way out.
#[derive(Clone)]
pub struct Key {
    /// The key, filled up with zeros. HMAC (RFC 2104) does the same with a key shorter than a block,
    /// so a keyed hash starts from here and cannot fail.
    block: [u8; BLOCK],
    /// How many bytes of the block are the key.
    len: usize,
}

/// Why a text is not a key. Nothing of the text is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Characters or padding that base64 does not have.
    #[error("the key is not base64 (RFC 4648, with padding); copy it whole, as the portal shows it")]
    Base64,
    /// Base64, but of too few or too many bytes.
    #[error("the key has {len} bytes where 16 to 64 are allowed; copy it whole, as the portal shows it")]
    Length {
        /// The decoded length in bytes.
        len: usize,
    },
}

impl Key {
    /// Reads a key from its base64 text; surrounding white space does not matter.
    ///
    /// # Errors
    /// The text is not base64, or not of 16 to 64 bytes.
    pub fn parse(base64: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(base64.trim()).map_err(|_| KeyError::Base64)?;
        let len = bytes.len();
        if !(16..=BLOCK).contains(&len) {
            return Err(KeyError::Length { len });
        }
        let mut block = [0; BLOCK];
        block[..len].copy_from_slice(&bytes);
        Ok(Self { block, len })
    }

    /// The key of one device of an enrolment group: HMAC-SHA256 of the registration id under the
    /// group's key ("Symmetric key attestation", Device Provisioning Service).
    ///
    /// Letter case of the registration id counts. Derive where the group key lives and give the device
    /// only the result: who holds the group key can be any device of the group.
    pub fn derive(group: &Self, registration_id: &str) -> Self {
        let digest = group.digest(&[registration_id.as_bytes()]);
        let mut block = [0; BLOCK];
        block[..digest.len()].copy_from_slice(&digest);
        Self {
            block,
            len: digest.len(),
        }
    }

    /// The key as base64, for a device that is being set up. A secret: never for logs.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.block[..self.len])
    }

    /// HMAC-SHA256 of the parts one after the other.
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether the digest is that of the parts, in a time that does not depend on where they differ.
    pub(crate) fn confirms(&self, parts: &[&[u8]], digest: &[u8; 32]) -> bool {
        self.mac(parts).verify_slice(digest).is_ok()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&self.block.into());
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn takes_16_to_64_bytes_of_base64() {
        let check = |text: &str, expected: Result<(), KeyError>| {
            assert_eq!(Key::parse(text).map(|_| ()), expected, "{text:?}");
        };
        check(&STANDARD.encode([7; 15]), Err(KeyError::Length { len: 15 }));
        check(&STANDARD.encode([7; 16]), Ok(()));
        check(&STANDARD.encode([7; 64]), Ok(()));
        check(&STANDARD.encode([7; 65]), Err(KeyError::Length { len: 65 }));
        check(" AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", Ok(()));
        check(
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            Err(KeyError::Base64),
        );
        check(
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_h8=",
            Err(KeyError::Base64),
        );
        check("", Err(KeyError::Length { len: 0 }));
    }

    /// RFC 4231, test case 1 has a key of 20 bytes, test case 4 one of 25.
    #[test]
    fn hashes_as_rfc_4231_says() {
        let check = |key: &[u8], text: &[u8], expected: &str| {
            let key = Key::parse(&STANDARD.encode(key)).unwrap();
            let hex: String = key
                .digest(&[text])
                .iter()
                .map(|b| std::format!("{b:02x}"))
                .collect();
            assert_eq!(hex, expected);
            let (head, tail) = text.split_at(3);
            assert!(key.confirms(&[head, tail], &key.digest(&[text])));
            assert!(!key.confirms(&[head], &key.digest(&[text])));
        };
        check(
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        );
        let ascending: std::vec::Vec<u8> = (1..=25).collect();
        check(
            &ascending,
            &[0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        );
    }

    #[test]
    fn debug_shows_nothing() {
        let key = Key::parse("c21hcnRtZXRlcnJlYWRlcg==").unwrap();
        assert_eq!(std::format!("{key:?}"), "Key(..)");
        assert_eq!(key.to_base64(), "c21hcnRtZXRlcnJlYWRlcg==");
    }
}
