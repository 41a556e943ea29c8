//! Credentials: are they whole? No message shows one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wire::key::Key;
use wire::sas::Token;

/// Reads a `SharedAccessSignature sr=…&sig=…&se=…`.
pub(super) fn token(text: &str) -> Result<Token, String> {
    Token::parse(text).map_err(|error| format!("{error}; copy the whole token"))
}

/// A key of an IoT Hub device or enrolment group.
pub(super) fn hub_key(text: &str) -> Result<Key, String> {
    Key::parse(text).map_err(|error| error.to_string())
}

/// A Cosmos DB account's key.
pub(super) fn account_key(text: &str) -> Result<(), String> {
    match STANDARD.decode(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(()),
        _ => Err("is not base64; copy the whole key with its closing `=`, without the endpoint".to_owned()),
    }
}

/// `user:password` in base64, as `Authorization: Basic` carries it.
pub(super) fn basic(text: &str) -> Result<(), String> {
    let plain = STANDARD.decode(text).map_err(|_| {
        if text.contains(':') {
            "is `user:password` as it is; encode it in base64".to_owned()
        } else {
            "is not base64 of `user:password`".to_owned()
        }
    })?;
    if plain.contains(&b':') && plain.first() != Some(&b':') {
        Ok(())
    } else {
        Err("is base64, but not of `user:password`".to_owned())
    }
}

/// The same from its parts.
pub(super) fn basic_of(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

/// A device id as IoT Hub allows it: up to 128 ASCII letters, digits and `-:.+%_#*?!(),=@$'`.
pub(super) fn device_id(text: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@$'".contains(&b);
    if text.len() <= 128 && !text.is_empty() && text.bytes().all(allowed) {
        Ok(())
    } else {
        Err("is not a device id: up to 128 letters, digits and -:.+%_#*?!(),=@$'".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{basic, hub_key, token};

    const SIGNATURE: &str = "XmAg9nWIvF6XOjSO6XbtrkBxpFQPrHa%2FbIAwxIgdUMY%3D";

    #[test]
    fn what_is_cut_off_is_said() {
        for (text, expected) in [
            (
                "sr=a&sig=b&se=1".to_owned(),
                "a token begins with \"SharedAccessSignature \"",
            ),
            (
                format!("SharedAccessSignature sig={SIGNATURE}&se=1"),
                "has no sr; copy the whole token",
            ),
            (
                "SharedAccessSignature sr=a&sig=c2VjcmV0&se=1".to_owned(),
                "sig is not the base64 of 32 bytes",
            ),
        ] {
            let fault = token(&text).err().unwrap_or_default();
            assert!(
                fault.contains(expected) && !fault.contains("XmAg") && !fault.contains("c2Vj"),
                "{fault}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}", fields in "[a-z=&%0-9]{0,40}") {
            let _ = token(&text);
            let _ = token(&format!("SharedAccessSignature {fields}"));
            let _ = hub_key(&text);
            let _ = basic(&text);
        }
    }
}
