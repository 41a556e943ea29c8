//! What a twin may hold (Azure docs, "Understand and use device twins", format).

use serde_json::{Map, Value};

use super::BadTwin;

/// Objects inside objects.
const DEPTH: usize = 10;
/// Bytes of a key.
const KEY: usize = 1024;
/// Bytes of a text.
const TEXT: usize = 4096;
/// The largest whole number, and with the other sign the smallest: 2^52 − 1.
const INTEGER: u64 = 4_503_599_627_370_495;

/// Checks what a patch brings.
pub(super) fn check_members(name: &str, members: &Map<String, Value>) -> Result<(), BadTwin> {
    object(name, members, 1)
}

/// Checks what has come of it: 32 KB of desired and of reported properties each, 8 KB of tags.
pub(super) fn check_size(name: &str, properties: &Map<String, Value>) -> Result<(), BadTwin> {
    let most = if name == "tags" { 8 } else { 32 } * 1024;
    let size = properties
        .iter()
        .map(|(key, value)| key.len() + size(value))
        .sum::<usize>();
    if size > most {
        return Err(BadTwin(format!(
            "{name} would hold {size} bytes, more than {most}"
        )));
    }
    Ok(())
}

fn object(path: &str, members: &Map<String, Value>, depth: usize) -> Result<(), BadTwin> {
    if depth > DEPTH {
        return Err(BadTwin(format!("{path} is nested deeper than {DEPTH}")));
    }
    for (key, value) in members {
        if key.is_empty() || key.len() > KEY {
            return Err(BadTwin(format!(
                "a key in {path} has {} bytes, not 1 to {KEY}",
                key.len()
            )));
        }
        if key.contains(|c: char| c.is_control() || matches!(c, '.' | '$' | ' ')) {
            return Err(BadTwin(format!(
                "the key {key:?} in {path} holds a dot, a dollar sign, a space or a control character"
            )));
        }
        inside(&format!("{path}.{key}"), value, depth)?;
    }
    Ok(())
}

fn inside(path: &str, value: &Value, depth: usize) -> Result<(), BadTwin> {
    match value {
        Value::Object(members) => object(path, members, depth + 1),
        Value::Array(values) => values.iter().try_for_each(|value| inside(path, value, depth)),
        Value::String(text) if text.len() > TEXT => Err(BadTwin(format!(
            "{path} is a text of {} bytes, more than {TEXT}",
            text.len()
        ))),
        Value::Number(number) => {
            let magnitude = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            // What has a fraction or an exponent is a double, and any will do.
            match magnitude {
                Some(magnitude) if magnitude > INTEGER => {
                    Err(BadTwin(format!("{path} is {number}, beyond ±{INTEGER}")))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Bytes as the hub counts them: keys and texts by their UTF-8, numbers 8, booleans 4.
fn size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn nested(depth: usize) -> Value {
        (1..depth).fold(json!({"end": 1}), |inner, _| json!({ "x": inner }))
    }

    #[track_caller]
    fn check(members: &Value, expected: Option<&str>) {
        let members = members.as_object().unwrap();
        let outcome = check_members("reported", members).and_then(|()| check_size("reported", members));
        match expected {
            None => assert_eq!(outcome, Ok(())),
            Some(expected) => {
                let why = outcome.unwrap_err().to_string();
                assert!(why.contains(expected), "{why}");
            }
        }
    }

    #[test]
    fn limits_are_met_to_the_byte() {
        let key = |length: usize| json!({ "k".repeat(length): 1 });
        let text = |length: usize| json!({ "a": "x".repeat(length) });
        let many = |bytes: usize| {
            let count = bytes / 4096;
            // Keys of two bytes, texts of 4 094.
            (0..count)
                .map(|n| (format!("{n:02}"), json!("x".repeat(4094))))
                .collect::<Value>()
        };
        check(&nested(10), None);
        check(&nested(11), Some("nested deeper than 10"));
        check(&key(1024), None);
        check(&key(1025), Some("1025 bytes"));
        check(&json!({"": 1}), Some("0 bytes"));
        check(&text(4096), None);
        check(&text(4097), Some("reported.a is a text of 4097 bytes"));
        check(&json!({"a": [["x".repeat(4097)]]}), Some("4097"));
        check(&many(32 * 1024), None);
        check(&many(36 * 1024), Some("more than 32768"));
        for bad in ["a.b", "$a", "a b", "a\n"] {
            check(&json!({ "ok": { bad: 1 } }), Some("in reported.ok holds a dot"));
        }
        for good in [
            json!(4_503_599_627_370_495_i64),
            json!(-4_503_599_627_370_495_i64),
            json!(1e300),
            json!(true),
        ] {
            check(&json!({ "n": good }), None);
        }
        for bad in [
            json!(4_503_599_627_370_496_i64),
            json!(-4_503_599_627_370_496_i64),
            json!(u64::MAX),
        ] {
            check(&json!({ "n": bad }), Some("reported.n is"));
        }
    }

    #[test]
    fn tags_hold_less() {
        let text = "x".repeat(4095);
        let two = json!({"a": text, "b": text});
        assert_eq!(check_size("tags", two.as_object().unwrap()), Ok(()));
        let three = json!({"a": text, "b": text, "c": 1});
        assert!(check_size("tags", three.as_object().unwrap()).is_err());
    }
}
