//! What a value under `Outputs` becomes in a queue: the host's rules, quirks included.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::json::Json;

/// As `Convert.FromBase64String` reads it: padding is a must, stray bits in the last symbol are let pass.
const DOTNET: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The contents of the messages that a value becomes, in order.
///
/// A string is taken for base64 if it can be, else for JSON if it starts like it; an array is one message per element, whose
/// strings are passed as they are; an object is indented and its dates rewritten.
pub(super) fn messages(value: &Json) -> Vec<Vec<u8>> {
    match value {
        Json::Null => Vec::new(),
        Json::Text(text) if text.is_empty() => Vec::new(),
        Json::Text(text) => {
            let dense: String = text
                .chars()
                .filter(|symbol| !symbol.is_ascii_whitespace())
                .collect();
            if let Ok(bytes) = DOTNET.decode(dense) {
                return vec![bytes];
            }
            let json = text.trim_start().starts_with(['{', '[']);
            match Json::parse(text) {
                Ok(parsed) if json => messages(&parsed),
                _ => vec![text.clone().into_bytes()],
            }
        }
        Json::Array(items) => items.iter().filter_map(element).collect(),
        other => element(other).into_iter().collect(),
    }
}

fn element(value: &Json) -> Option<Vec<u8>> {
    let text = match value {
        Json::Null => return None,
        Json::Text(text) => text.clone(),
        Json::Object(_) | Json::Array(_) => value.clone().with_dates_rewritten().indented(),
        scalar => scalar.invariant()?,
    };
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;
    use crate::host::answer::{Verdict, judge};

    /// Every recorded answer must become exactly the recorded messages.
    #[test]
    fn as_recorded() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/host/outputs.json");
        let recorded = Json::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        let Json::Array(cases) = recorded else {
            panic!("not an array")
        };
        assert_eq!(cases.len(), 16);
        for case in cases {
            let answer = case.member("answer").unwrap().compact();
            let Verdict::Succeeded(answer) = judge(200, "OK", Some("application/json"), answer.as_bytes())
            else {
                panic!("refused: {case:?}")
            };
            let wire: Vec<String> = answer
                .outputs
                .iter()
                .filter(|(name, _)| name == "jobs")
                .flat_map(|(_, value)| messages(value))
                .map(|bytes| BASE64.encode(bytes))
                .collect();
            let Some(Json::Array(expected)) = case.member("messages") else {
                panic!("{case:?}")
            };
            let expected: Vec<String> = expected
                .iter()
                .map(|message| message.member("wire").unwrap().invariant().unwrap())
                .collect();
            assert_eq!(wire, expected, "{:?}", case.member("case"));
        }
    }
}
