//! Tokens under arbitrary input.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use emulator::hub::Key;
use emulator::hub::token::{Token, encode};
use proptest::prelude::*;

fn a_key() -> impl Strategy<Value = Key> {
    prop::collection::vec(any::<u8>(), 16..=64).prop_map(|bytes| {
        use base64::Engine;
        Key::parse(&base64::engine::general_purpose::STANDARD.encode(bytes)).unwrap()
    })
}

proptest! {
    /// What a key signs it verifies, the scope comes back as it was, and another key's signature fails.
    #[test]
    fn a_token_round_trips(key in a_key(), other in a_key(), id in "[!-~&&[^/]]{1,40}", se in 0..i64::MAX) {
        let resource = format!("hub.example/devices/{id}");
        let text = key.token(&resource, se, None);
        let token = Token::parse(&text).unwrap();
        prop_assert!(token.is_signed_by(&key));
        prop_assert_eq!(token.is_signed_by(&other), key == other);
        prop_assert_eq!(token.resource.join("/"), resource);
        prop_assert!(token.covers(&["HUB.example", "devices", &id]));
        prop_assert_eq!(token.expires_s, se);
    }

    /// A change of any one character of the signed text or of the signature is noticed, or no token any more.
    #[test]
    fn a_changed_character_never_verifies(key in a_key(), at in 25_usize..120, with in "[A-Za-z0-9%/]") {
        let text = key.token("hub.example/devices/meter-001", 1_800_000_000, None);
        let at = at.min(text.len() - 1);
        let mut changed = text.clone();
        changed.replace_range(at..=at, &with);
        let verifies = Token::parse(&changed).is_some_and(|token| token.is_signed_by(&key));
        // Hex digits of the signature's escapes may change their case; nothing else may.
        prop_assert!(!verifies || changed.eq_ignore_ascii_case(&text), "{}", changed);
    }

    /// Arbitrary text is refused or read; it never panics.
    #[test]
    fn arbitrary_text_is_survived(text in "\\PC{0,80}", fields in "(sr|sig|se|skn|[=&%+/A2]){0,40}") {
        let _ = Token::parse(&text);
        let _ = Token::parse(&format!("SharedAccessSignature {fields}"));
        prop_assert!(encode(&text).bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
    }
}
