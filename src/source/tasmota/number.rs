//! Number text: taken as it is, from texts too, and scaled in decimal arithmetic only.

use rust_decimal::Decimal;
use wire::json::is_number;

use super::json::Value;

/// Longer number texts are no meter's: they would only fill the store.
pub const MAX_TEXT: usize = 40;

/// The JSON number text of a value. Texts count when they hold nothing but a number (`"9755.000"`, ` 009755.5`): some
/// scripts write them so. `None` for everything else, and for numbers that no receiver could hold.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(text) => text.clone(),
        Value::Text(text) => from_text(text)?,
        Value::Null | Value::Bool => return None,
    };
    let holds = text.len() <= MAX_TEXT && is_number(&text) && text.parse::<f64>().is_ok_and(f64::is_finite);
    holds.then_some(text)
}

/// Whether a number text is zero: `0`, `-0.00`, `0e5`.
#[must_use]
pub fn is_zero(text: &str) -> bool {
    text.chars()
        .take_while(|c| !matches!(c, 'e' | 'E'))
        .all(|c| matches!(c, '0' | '.' | '-'))
}

/// A number text multiplied exactly; as it stands without a scale. `None` where decimal arithmetic cannot hold the
/// product without rounding (28 digits).
#[must_use]
pub fn scaled(text: &str, scale: Option<Decimal>) -> Option<String> {
    let Some(scale) = scale else {
        return Some(text.to_owned());
    };
    let value = if text.contains(['e', 'E']) {
        Decimal::from_scientific(text).ok()?
    } else {
        Decimal::from_str_exact(text).ok()?
    };
    let product = value.checked_mul(scale)?;
    let exact = product.is_zero() && (value.is_zero() || scale.is_zero())
        || product.scale() == value.scale() + scale.scale();
    exact.then(|| product.normalize().to_string())
}

/// A text that is nothing but a number, with the sign and zeros in front that JSON does not allow taken away.
fn from_text(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let zeros = digits
        .bytes()
        .zip(digits.bytes().skip(1))
        .take_while(|&(c, next)| c == b'0' && next.is_ascii_digit())
        .count();
    let number = format!("{sign}{}", &digits[zeros..]);
    is_number(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_that_are_numbers_count() {
        let check = |given: &str, expected: Option<&str>| {
            assert_eq!(text(&Value::Text(given.into())).as_deref(), expected, "{given}");
        };
        check("9755.000", Some("9755.000"));
        check(" 9755.000 ", Some("9755.000"));
        check("009755.000", Some("9755.000"));
        check("000", Some("0"));
        check("00.5", Some("0.5"));
        check("+5", Some("5"));
        check("-007", Some("-7"));
        check("9755,000", None);
        check("0901454d480000000000", None);
        check("", None);
        check("ON", None);
        check("1e999", None);
        check(&"9".repeat(41), None);
    }

    #[test]
    fn scaling_is_exact_or_refused() {
        let check = |value: &str, scale: &str, expected: Option<&str>| {
            let scale = Some(scale.parse().unwrap());
            assert_eq!(scaled(value, scale).as_deref(), expected, "{value}");
        };
        check("9798031", "0.001", Some("9798.031"));
        check("0.1", "3", Some("0.3"));
        check("-0.789", "1000", Some("-789"));
        check("1.50", "1", Some("1.5"));
        check("1.5e2", "0.1", Some("15"));
        check("0", "0.001", Some("0"));
        check("0.1234567890123456789012345678", "0.1", None);
        check("79228162514264337593543950335", "10", None);
        assert_eq!(scaled("9755.000", None).as_deref(), Some("9755.000"));
    }

    proptest! {
        #[test]
        fn whatever_comes_out_is_a_json_number(given in "\\PC{0,50}") {
            if let Some(text) = text(&Value::Text(given)) {
                prop_assert!(is_number(&text), "{text}");
            }
        }

        #[test]
        fn scaling_there_and_back_is_the_same_number(units in -1_000_000_000_000i64..1_000_000_000_000, places in 0u32..9) {
            let value = Decimal::new(units, places);
            let down = scaled(&value.to_string(), Some(Decimal::new(1, 3))).unwrap();
            let up = scaled(&down, Some(Decimal::from(1000))).unwrap();
            prop_assert_eq!(up.parse::<Decimal>().unwrap(), value);
            prop_assert!(is_number(&up));
        }
    }
}
