//! Percent-encoding (RFC 3986, section 2.1) in its strict form.
//!
//! Only the unreserved characters `A-Z a-z 0-9 - . _ ~` stay bare, and the hex digits are upper-case.
//! A signature covers the encoded text, so both ends must agree on every byte; this is what the Python
//! SDK's `urllib.parse.quote(text, safe="")` writes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why a text is not percent-encoded UTF-8. The text itself is not repeated: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A `%` without two hex digits after it.
    #[error("the % at byte {at} is not followed by two hex digits; write a bare % as %25")]
    Digits {
        /// Offset of the `%` in the encoded text, in bytes.
        at: usize,
    },
    /// The bytes are not a text.
    #[error("the decoded bytes are not UTF-8 from byte {at} on; encode the text as UTF-8 first")]
    Utf8 {
        /// Offset in the decoded text, in bytes.
        at: usize,
    },
}

/// The text with everything but unreserved characters as `%XX` of its UTF-8 bytes.
pub fn encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, RESERVED).into()
}

/// Appends [`encode`] of the text.
pub fn push(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, RESERVED));
}

/// The text that was encoded. Hex digits may be of either case, bare characters of any kind are taken,
/// and `+` is a plus sign, not a space.
///
/// # Errors
/// A `%` without two hex digits, or bytes that are not UTF-8.
pub fn decode(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    let Some(first) = text.find('%') else {
        return Ok(Cow::Borrowed(text));
    };
    let encoded = text.as_bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    decoded.extend_from_slice(&encoded[..first]);
    let mut at = first;
    while let Some(&byte) = encoded.get(at) {
        if byte == b'%' {
            let digit = |i: usize| encoded.get(i).and_then(|b| char::from(*b).to_digit(16));
            let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
                return Err(DecodeError::Digits { at });
            };
            decoded.push((high * 16 + low) as u8);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|error| DecodeError::Utf8 {
            at: error.utf8_error().valid_up_to(),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_unreserved_characters_stay_bare() {
        for byte in 0..128u8 {
            let text = String::from(char::from(byte));
            let bare = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let expected = if bare {
                text.clone()
            } else {
                std::format!("%{byte:02X}")
            };
            assert_eq!(encode(&text), expected);
        }
        assert_eq!(encode("a/ü*"), "a%2F%C3%BC%2A");
    }

    #[test]
    fn decodes_or_says_where_not() {
        let check = |text: &str, expected: Result<&str, DecodeError>| {
            assert_eq!(decode(text), expected.map(Cow::Borrowed), "{text:?}");
        };
        check("", Ok(""));
        check("a+b", Ok("a+b"));
        check("%2a%2A%C3%BC/", Ok("**ü/"));
        check("%25%32%35", Ok("%25"));
        check("ab%", Err(DecodeError::Digits { at: 2 }));
        check("%4", Err(DecodeError::Digits { at: 0 }));
        check("%41%+1", Err(DecodeError::Digits { at: 3 }));
        check("%ü", Err(DecodeError::Digits { at: 0 }));
        check("a%FF", Err(DecodeError::Utf8 { at: 1 }));
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(text in ".*") {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            let mut pushed = String::from("x");
            push(&mut pushed, &text);
            prop_assert_eq!(&pushed[1..], &*encoded);
            prop_assert_eq!(decode(&encoded).unwrap(), &*text);
        }

        #[test]
        fn any_text_decodes_or_fails(text in "[%0-9a-fA-Fü]*") {
            if let Ok(decoded) = decode(&text) {
                prop_assert!(decoded.len() <= text.len());
            }
        }
    }
}
