//! OBIS codes: what a meter measures, as six numbers (IEC 62056-61, DLMS UA Blue Book).

use core::fmt;
use core::str::FromStr;

/// A code `A-B:C.D.E*F`: medium, channel, quantity, kind of processing, tariff, period.
///
/// `Display` writes the full form, so two spellings of one code become one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Obis(
    /// A to F in this order, the bytes that SML and DLMS send.
    pub [u8; 6],
);

/// What a well-known code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The unit that readers usually show; empty for texts and counts. What the meter itself sends (often
    /// Wh with a scale) goes before this.
    pub unit: &'static str,
    /// A plain name in English.
    pub name: &'static str,
}

/// The text is none of the forms that [`Obis::from_str`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an OBIS code: write A-B:C.D.E*F with numbers up to 255, such as 1-0:1.8.0*255, or C.D.E, such as 1.8.0"
)]
pub struct ParseObisError;

impl Obis {
    /// What the code means, if it is among the well-known ones. The channel (B) and the period (F) do not
    /// matter to that; the identification codes are the same for every medium.
    pub fn meaning(self) -> Option<&'static Meaning> {
        let [a, _, c, d, e, _] = self.0;
        let medium = if a == 0 { 1 } else { a };
        if medium != 1 || (a == 0 && c < ABSTRACT) {
            return None;
        }
        KNOWN
            .binary_search_by_key(&[c, d, e], |(code, _)| *code)
            .ok()
            .map(|index| &KNOWN[index].1)
    }
}

/// Reads `1-0:1.8.0*255`, `1-0:1.8.0`, `1.8.0*255`, `1.8.0` and the dotted `1.0.1.8.0.255` of DLMS tools.
/// What is left out is electricity (A = 1), no channel (B = 0) and the current period (F = 255). In
/// place of C, the letters C, F, L and P of IEC 62056-21 stand for 96 to 99.
impl FromStr for Obis {
    type Err = ParseObisError;

    fn from_str(text: &str) -> Result<Self, ParseObisError> {
        let mut code = [1, 0, 0, 0, 0, 255];
        if text.split('.').count() == code.len() {
            for (place, group) in code.iter_mut().zip(text.split('.')) {
                *place = number(group)?;
            }
            return Ok(Self(code));
        }
        let quantity = match text.split_once(':') {
            None => text,
            Some((medium, rest)) => {
                let (a, b) = medium.split_once('-').ok_or(ParseObisError)?;
                code[0] = number(a)?;
                code[1] = number(b)?;
                rest
            }
        };
        let quantity = match quantity.split_once(['*', '&']) {
            None => quantity,
            Some((rest, period)) => {
                code[5] = number(period)?;
                rest
            }
        };
        let mut groups = quantity.split('.');
        let mut group = || groups.next().ok_or(ParseObisError);
        code[2] = match group()? {
            "C" => 96,
            "F" => 97,
            "L" => 98,
            "P" => 99,
            digits => number(digits)?,
        };
        code[3] = number(group()?)?;
        code[4] = number(group()?)?;
        if groups.next().is_some() {
            Err(ParseObisError)
        } else {
            Ok(Self(code))
        }
    }
}

impl fmt::Display for Obis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a}-{b}:{c}.{d}.{e}*{f}")
    }
}

/// Digits only: `str::parse` would take a plus sign.
fn number(text: &str) -> Result<u8, ParseObisError> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_err(|_| ParseObisError)
    } else {
        Err(ParseObisError)
    }
}

/// From this C on, codes are about the meter itself and are used with A = 0 as well as A = 1.
const ABSTRACT: u8 = 94;

/// Sorted by C, D, E.
const KNOWN: &[([u8; 3], Meaning)] = &[
    ([0, 2, 0], meaning("", "firmware version")),
    ([0, 9, 1], meaning("", "time of day")),
    ([0, 9, 2], meaning("", "date")),
    ([1, 7, 0], meaning("W", "power, import")),
    ([1, 8, 0], meaning("kWh", "energy, import")),
    ([1, 8, 1], meaning("kWh", "energy, import, tariff 1")),
    ([1, 8, 2], meaning("kWh", "energy, import, tariff 2")),
    ([1, 8, 3], meaning("kWh", "energy, import, tariff 3")),
    ([1, 8, 4], meaning("kWh", "energy, import, tariff 4")),
    ([2, 7, 0], meaning("W", "power, export")),
    ([2, 8, 0], meaning("kWh", "energy, export")),
    ([2, 8, 1], meaning("kWh", "energy, export, tariff 1")),
    ([2, 8, 2], meaning("kWh", "energy, export, tariff 2")),
    ([3, 7, 0], meaning("var", "reactive power, import")),
    ([3, 8, 0], meaning("kvarh", "reactive energy, import")),
    ([4, 7, 0], meaning("var", "reactive power, export")),
    ([4, 8, 0], meaning("kvarh", "reactive energy, export")),
    ([9, 7, 0], meaning("VA", "apparent power, import")),
    ([13, 7, 0], meaning("", "power factor")),
    ([14, 7, 0], meaning("Hz", "frequency")),
    ([16, 7, 0], meaning("W", "power")),
    ([21, 7, 0], meaning("W", "power, import, phase 1")),
    ([22, 7, 0], meaning("W", "power, export, phase 1")),
    ([31, 7, 0], meaning("A", "current, phase 1")),
    ([32, 7, 0], meaning("V", "voltage, phase 1")),
    ([33, 7, 0], meaning("", "power factor, phase 1")),
    ([36, 7, 0], meaning("W", "power, phase 1")),
    ([41, 7, 0], meaning("W", "power, import, phase 2")),
    ([42, 7, 0], meaning("W", "power, export, phase 2")),
    ([51, 7, 0], meaning("A", "current, phase 2")),
    ([52, 7, 0], meaning("V", "voltage, phase 2")),
    ([53, 7, 0], meaning("", "power factor, phase 2")),
    ([56, 7, 0], meaning("W", "power, phase 2")),
    ([61, 7, 0], meaning("W", "power, import, phase 3")),
    ([62, 7, 0], meaning("W", "power, export, phase 3")),
    ([71, 7, 0], meaning("A", "current, phase 3")),
    ([72, 7, 0], meaning("V", "voltage, phase 3")),
    ([73, 7, 0], meaning("", "power factor, phase 3")),
    ([76, 7, 0], meaning("W", "power, phase 3")),
    ([81, 7, 1], meaning("°", "angle, voltage of phase 2 to phase 1")),
    ([81, 7, 2], meaning("°", "angle, voltage of phase 3 to phase 1")),
    ([81, 7, 4], meaning("°", "angle, current to voltage, phase 1")),
    ([81, 7, 15], meaning("°", "angle, current to voltage, phase 2")),
    ([81, 7, 26], meaning("°", "angle, current to voltage, phase 3")),
    ([96, 1, 0], meaning("", "meter's id")),
    ([96, 5, 0], meaning("", "status")),
    ([96, 50, 1], meaning("", "manufacturer")),
    ([97, 97, 0], meaning("", "fault")),
];

const fn meaning(unit: &'static str, name: &'static str) -> Meaning {
    Meaning { unit, name }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use std::string::ToString;

    use super::*;

    #[test]
    fn spellings_of_one_code_become_one() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Obis>().unwrap().to_string(), expected, "{text}");
        };
        check("1-0:1.8.0*255", "1-0:1.8.0*255");
        check("1-0:1.8.0", "1-0:1.8.0*255");
        check("1.8.0*255", "1-0:1.8.0*255");
        check("1.8.0", "1-0:1.8.0*255");
        check("1.0.1.8.0.255", "1-0:1.8.0*255");
        check("1-1:2.8.1*0", "1-1:2.8.1*0");
        check("1.8.0&01", "1-0:1.8.0*1");
        check("0-0:C.1.0", "0-0:96.1.0*255");
        check("7-20:3.0.0", "7-20:3.0.0*255");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "1",
            "1.8",
            "1.8.0.1",
            "1.8.0.0.0.0.0",
            "1:1.8.0",
            "1-0:",
            "1-0:1.8",
            "256.8.0",
            "1-0:1.8.0*256",
            "1.8.0*",
            "+1.8.0",
            "1. 8.0",
            "-1.8.0",
            "1-0:1.8.0*255*1",
            "C.C.0",
            "ch0",
            "1-0:1.0.1.8.0.255",
            "1..0",
        ] {
            assert_eq!(text.parse::<Obis>(), Err(ParseObisError), "{text:?}");
        }
    }

    #[test]
    fn well_known_codes_have_a_unit_and_a_name() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = text.parse::<Obis>().unwrap().meaning().map(|m| (m.unit, m.name));
            assert_eq!(found, expected, "{text}");
        };
        check("1-0:1.8.0*255", Some(("kWh", "energy, import")));
        check("1-0:2.8.0", Some(("kWh", "energy, export")));
        check("16.7.0", Some(("W", "power")));
        check("76.7.0", Some(("W", "power, phase 3")));
        check("52.7.0", Some(("V", "voltage, phase 2")));
        check("31.7.0", Some(("A", "current, phase 1")));
        check("14.7.0", Some(("Hz", "frequency")));
        check("0-0:96.1.0*255", Some(("", "meter's id")));
        check("1-0:96.1.0*255", Some(("", "meter's id")));
        check("0-0:1.8.0", None);
        check("8-0:1.8.0", None);
        check("1.8.9", None);
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(KNOWN.is_sorted_by(|(one, _), (next, _)| one < next));
    }

    proptest! {
        #[test]
        fn every_code_survives_its_text(code: [u8; 6]) {
            prop_assert_eq!(Obis(code).to_string().parse(), Ok(Obis(code)));
        }

        #[test]
        fn never_panics(text in "[0-9.:*&CFLP-]{0,24}|.*") {
            let _ = text.parse::<Obis>();
        }
    }
}
