//! JSON as the host's Newtonsoft reads and writes it: members keep their order, numbers their text, and
//! strings that look like dates are rewritten on request.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::dates::JsonDate;

/// Newtonsoft's own limit is 64; deeper text is refused as it would be there.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// The number's text: Newtonsoft keeps integers of any length.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        read(serde_json::from_str(text)?, 0)
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Json::Text(text.into())
    }

    /// An object from members in this order.
    pub(super) fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Json::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// A member, its name in any case, as Newtonsoft binds names to properties.
    pub(super) fn member(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    pub(super) fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None);
        out
    }

    /// Two spaces and line feeds, as `JToken.ToString()` writes on Linux.
    pub(super) fn indented(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(0));
        out
    }

    /// The same value with every string that looks like a date rewritten, as reading it with Newtonsoft does.
    pub(super) fn with_dates_rewritten(self) -> Self {
        match self {
            Json::Text(text) => Json::Text(JsonDate::parse(&text).map_or(text, JsonDate::json)),
            Json::Array(items) => Json::Array(items.into_iter().map(Json::with_dates_rewritten).collect()),
            Json::Object(members) => Json::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name, value.with_dates_rewritten()))
                    .collect(),
            ),
            other => other,
        }
    }

    /// What `ToString` gives for a scalar: `True`, `1.5`, `01/02/2026 03:04:05`. `None` for null and containers.
    pub(super) fn invariant(&self) -> Option<String> {
        match self {
            Json::Bool(true) => Some("True".to_owned()),
            Json::Bool(false) => Some("False".to_owned()),
            Json::Number(text) => Some(match text.parse::<f64>() {
                Ok(value) if text.contains(['.', 'e', 'E']) => value.to_string(),
                _ => text.clone(),
            }),
            Json::Text(text) => Some(JsonDate::parse(text).map_or_else(|| text.clone(), JsonDate::invariant)),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// `depth` is the indentation so far; `None` writes on one line.
    fn write(&self, out: &mut String, depth: Option<usize>) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(text) => out.push_str(text),
            Json::Text(text) => write_text(out, text),
            Json::Array(items) => {
                write_all(out, depth, ['[', ']'], items.iter(), |out, item, depth| {
                    item.write(out, depth);
                });
            }
            Json::Object(members) => {
                write_all(
                    out,
                    depth,
                    ['{', '}'],
                    members.iter(),
                    |out, (name, value), depth| {
                        write_text(out, name);
                        out.push_str(if depth.is_some() { ": " } else { ":" });
                        value.write(out, depth);
                    },
                );
            }
        }
    }
}

/// A JSON string whose content is itself the JSON string of `text`: how the host passes strings on.
pub(super) fn quoted(text: &str) -> Json {
    let mut out = String::new();
    write_text(&mut out, text);
    Json::Text(out)
}

fn write_all<'a, T: 'a>(
    out: &mut String,
    depth: Option<usize>,
    [open, close]: [char; 2],
    items: impl ExactSizeIterator<Item = &'a T>,
    mut write: impl FnMut(&mut String, &T, Option<usize>),
) {
    out.push(open);
    let empty = items.len() == 0;
    let inner = depth.map(|depth| depth + 1);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        new_line(out, inner);
        write(out, item, inner);
    }
    if !empty {
        new_line(out, depth);
    }
    out.push(close);
}

fn new_line(out: &mut String, depth: Option<usize>) {
    if let Some(depth) = depth {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

/// Newtonsoft escapes three characters that serde_json leaves: the line separators of Unicode.
fn write_text(out: &mut String, text: &str) {
    use fmt::Write as _;
    out.push('"');
    for symbol in text.chars() {
        match symbol {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(symbol));
            }
            _ => out.push(symbol),
        }
    }
    out.push('"');
}

fn read(raw: &RawValue, depth: usize) -> Result<Json, serde_json::Error> {
    if depth > MAX_DEPTH {
        return Err(serde_json::Error::custom(
            "nested deeper than the host's limit of 64",
        ));
    }
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => Json::Object(
            serde_json::from_str::<Members>(text)?
                .0
                .into_iter()
                .map(|(name, value)| Ok((name, read(value, depth + 1)?)))
                .collect::<Result<_, serde_json::Error>>()?,
        ),
        Some(b'[') => Json::Array(
            serde_json::from_str::<Vec<&RawValue>>(text)?
                .into_iter()
                .map(|item| read(item, depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        Some(b'"') => Json::Text(serde_json::from_str(text)?),
        Some(b't' | b'f') => Json::Bool(serde_json::from_str(text)?),
        Some(b'n') => Json::Null,
        _ => Json::Number(text.to_owned()),
    })
}

/// An object's members in the order of the text, which serde_json's own map does not keep.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_and_numbers_survive() {
        let text =
            r#"{"z":1.0,"a":[12345678901234567890123,-0.10,{}],"m":{"b":null,"a":[]},"t":"ä\"\\\n\u0001"}"#;
        assert_eq!(Json::parse(text).unwrap().compact(), text);
    }

    #[test]
    fn indented_as_the_host_enqueues_it() {
        let value = Json::parse(r#"{"job":{"when":"2026-01-02T03:04:05+01:00","n":1.0},"e":[],"l":[1,2]}"#);
        assert_eq!(
            value.unwrap().with_dates_rewritten().indented(),
            "{\n  \"job\": {\n    \"when\": \"2026-01-02T02:04:05+00:00\",\n    \"n\": 1.0\n  },\n  \"e\": [],\n  \"l\": [\n    1,\n    2\n  ]\n}"
        );
    }

    #[test]
    fn too_deep_is_refused() {
        let text = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(Json::parse(&text).is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let written = Json::text(text.clone()).compact();
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
