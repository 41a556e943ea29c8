//! Application properties of a message where HTTP carries them, as headers `iothub-app-{name}`.
//!
//! Names and values may only have ASCII letters, digits and ``! # $ % & ' * + - . ^ _ ` | ~``
//! ("Create and read IoT Hub messages", Microsoft Learn). Spaces, slashes, colons and accents are not
//! among them, so a site's name may not fit as it is.

use alloc::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What the name of an application property is prefixed with to make the header's name.
pub const HEADER_PREFIX: &str = "iothub-app-";

/// Everything that is not allowed, and `%`, without which an encoded text could not be told from a bare one.
const NOT_ALLOWED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Whether the text may be a property's name or value over HTTP as it is.
pub fn http_safe(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// The text in characters that are allowed: every other one as `%XX` of its UTF-8 bytes, and `%` as
/// `%25`, so that [`percent::decode`](crate::percent::decode) gives back any text.
///
/// A text of allowed characters other than `%` stays as it is. Empty stays empty, which as a value means
/// that the property is better left out.
pub fn http_encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, NOT_ALLOWED).into()
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::percent;

    #[test]
    fn names_are_judged_by_their_characters() {
        for text in ["Customer_Id", "Site_Id", "a-b.c", "!#$%&'*+-.^_`|~", "1"] {
            assert!(http_safe(text), "{text}");
        }
        for text in [
            "",
            "Energy meter 1",
            "1-0:1.8.0*255",
            "a/b",
            "a=b",
            "a,b",
            "ü",
            "a\r\nb",
            "(",
            "{",
            "\"",
            "\\",
            "@",
        ] {
            assert!(!http_safe(text), "{text:?}");
        }
    }

    #[test]
    fn values_are_encoded_where_needed() {
        let check = |text: &str, expected: &str| assert_eq!(http_encode(text), expected);
        check("c-1_a~b", "c-1_a~b");
        check("Energy meter 1", "Energy%20meter%201");
        check("1-0:1.8.0*255", "1-0%3A1.8.0*255");
        check("Zähler", "Z%C3%A4hler");
        check("100%", "100%25");
        check("a\r\nInjected: b", "a%0D%0AInjected%3A%20b");
    }

    proptest! {
        #[test]
        fn encoding_is_safe_and_reversible(text in ".+") {
            let encoded = http_encode(&text);
            prop_assert!(http_safe(&encoded));
            prop_assert_eq!(percent::decode(&encoded).unwrap(), &*text);
        }
    }
}
