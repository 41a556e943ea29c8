//! Scaling in decimal arithmetic: `51000` times `0.001` is `51`, never `51.00000000000001`.

use rust_decimal::Decimal;

/// `number`, the text of a JSON number, times `factor`, without zeros at the right end. `None` where the number has more digits
/// than a decimal holds (28), so that its product would be rounded or wrong.
#[must_use]
pub(crate) fn scaled(number: &str, factor: Decimal) -> Option<String> {
    let value = if number.contains(['e', 'E']) {
        Decimal::from_scientific(number).ok()?
    } else {
        Decimal::from_str_exact(number).ok()?
    };
    // A product with more decimals than fit would be rounded.
    if value.normalize().scale() + factor.normalize().scale() > Decimal::MAX_SCALE {
        return None;
    }
    Some(value.checked_mul(factor)?.normalize().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn products_are_exact_or_none() {
        let check = |number: &str, factor: &str, expected: Option<&str>| {
            assert_eq!(
                scaled(number, factor.parse().unwrap()).as_deref(),
                expected,
                "{number} × {factor}"
            );
        };
        check("51000", "0.001", Some("51"));
        check("51001", "0.001", Some("51.001"));
        check("0.1", "3", Some("0.3"));
        check("-2.50", "10", Some("-25"));
        check("0", "0.001", Some("0"));
        check("-0", "5", Some("0"));
        check("1e3", "2", Some("2000"));
        check("15E-1", "2", Some("3"));
        check("12345678901234567890", "0.001", Some("12345678901234567.89"));
        check("123456789012345678901234567890", "1", None);
        check("1e400", "1", None);
        check("0.0000000000000000000000000001", "0.1", None);
        check("79228162514264337593543950335", "10", None);
    }
}
