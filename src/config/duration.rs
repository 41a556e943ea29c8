//! Durations as people write them: `60s`, `15m`, `1h30m`, `1d`.

use std::time::Duration;

/// Reads a duration: whole numbers, each with its unit `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// What to write instead.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "write a duration with its unit: `30s`, `15m`, `1h` or `1d`";
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return Err(FORM);
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(FORM),
        };
        let number: u64 = rest[..digits].parse().map_err(|_| FORM)?;
        millis = number
            .checked_mul(unit)
            .and_then(|part| millis.checked_add(part))
            .ok_or("the duration is too long")?;
        rest = &rest[digits + letters..];
    }
    Ok(Duration::from_millis(millis))
}

/// A duration as [`parse`] reads it, in its largest units: `1h30m`.
#[must_use]
pub fn show(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, name) in [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ] {
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{parse, show};

    #[test]
    fn a_duration_has_its_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("60s", 60_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("250ms", 250),
            (" 1h30m ", 5_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            "60",
            "s",
            "1.5h",
            "-1s",
            "1 h",
            "1H",
            "1w",
            "1h30",
            "99999999999999999999d",
            "9999999999999999d",
            "1ä",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0..u64::from(u32::MAX) * 100) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&show(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = parse(&text);
        }
    }
}
