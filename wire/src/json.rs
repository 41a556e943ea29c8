//! The little JSON (RFC 8259) that bodies are made of: escaped strings and the text of numbers.

use alloc::borrow::Cow;
use alloc::string::String;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The inside of a JSON string: quotes, backslashes and control characters escaped, all else as it is
/// (non-ASCII stays UTF-8). The quotes around it are the caller's.
pub fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: char| c < ' ' || c == '"' || c == '\\';
    let Some(first) = text.find(special) else {
        return Cow::Borrowed(text);
    };
    let mut escaped = String::with_capacity(text.len() + 8);
    escaped.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\u{8}' => escaped.push_str("\\b"),
            '\u{c}' => escaped.push_str("\\f"),
            c if c < ' ' => {
                let code = c as usize;
                escaped.push_str("\\u00");
                escaped.push(char::from(HEX[code >> 4]));
                escaped.push(char::from(HEX[code & 15]));
            }
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Whether the text is a JSON number and nothing else, so that it may go into a body as it is.
pub fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        ),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use std::format;

    use super::*;

    #[test]
    fn escapes_what_json_asks_for() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected);
        check("Zähler 1 €/kWh", "Zähler 1 €/kWh");
        check("a\"b\\c", "a\\\"b\\\\c");
        check(
            "\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}",
            "\\n\\r\\t\\b\\f\\u0000\\u001f\u{7f}",
        );
    }

    #[test]
    fn numbers_are_told_from_other_texts() {
        for text in [
            "0",
            "-0",
            "51000",
            "1.50",
            "-1.5e-3",
            "1E+10",
            "0.1",
            "123456789012345678901234567890",
        ] {
            assert!(is_number(text), "{text}");
        }
        for text in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "NaN", "1 ", "0x1", "1,5", "--1", "1e1.5", "null",
            "٣",
        ] {
            assert!(!is_number(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn escapes_as_serde_json_does(text in "(.|[\u{0}-\u{20}\"\\\\])*") {
            prop_assert_eq!(format!("\"{}\"", escape(&text)), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn knows_the_numbers_that_serde_json_knows(text in "-?[0-9]{0,3}[.]?[0-9]{0,3}([eE][+-]?[0-9]{0,2})?") {
            let raw = serde_json::from_str::<std::boxed::Box<serde_json::value::RawValue>>(&text);
            prop_assert_eq!(is_number(&text), raw.is_ok());
        }
    }
}
