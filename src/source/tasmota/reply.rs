//! What a reader answers to `Status 10`, read from the body's bytes.
//!
//! The firmware assembles the reply from what it logs meanwhile, so other keys may stand beside `StatusSNS`, and now and then
//! the JSON is broken or empty. Such a reply is worth asking again; the others tell what to change.

use std::borrow::Cow;

use super::json::{Leaf, Leaves, Members, Value};
use crate::http;

/// A reply that holds sensors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What the reader says of the time.
    pub clue: Clue,
    /// All values, in the order they stand; not the time.
    pub leaves: Vec<Leaf>,
    /// Remarks for people: repeated keys, bytes that are not UTF-8.
    pub remarks: Vec<String>,
}

/// What the reader says of the time, as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clue {
    /// `Time` as text: the device's local time.
    pub text: Option<String>,
    /// `Epoch`, or `Time` as a number (command `Time 3`): seconds UTC.
    pub epoch: Option<i64>,
}

/// Why a body holds no readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing at all.
    Empty,
    /// A page for people.
    Html,
    /// The key `WARNING`, with its text in the reader's language.
    Warning(String),
    /// `{"Command":"Unknown"}` and the like, with the value.
    Command(String),
    /// Not one JSON object, or one without `StatusSNS`: what is wrong.
    Garbled(String),
    /// `StatusSNS` holds the time and nothing else.
    NoSensor,
}

/// Reads a body. Never panics, whatever the bytes.
///
/// # Errors
/// A [`Fault`] that says what the body is instead.
pub fn parse(body: &[u8]) -> Result<Reply, Fault> {
    let (text, utf8) = decode(body);
    let members = object(&text)?;
    let Some(raw) = members.get("StatusSNS") else {
        return Err(Fault::Garbled(format!(
            "there is no StatusSNS in {}",
            http::excerpt(&text)
        )));
    };
    let sensors =
        Members::parse(raw.get()).map_err(|_| Fault::Garbled("StatusSNS is not an object".into()))?;
    let leaves = Leaves::of(&sensors);

    let mut reply = Reply::default();
    let mut values = 0;
    for leaf in leaves.list {
        match (leaf.path.as_str(), &leaf.value) {
            ("/Time", Value::Text(text)) => reply.clue.text = Some(text.clone()),
            ("/Epoch", Value::Number(n)) => reply.clue.epoch = n.parse().ok(),
            ("/Time", Value::Number(n)) => reply.clue.epoch = reply.clue.epoch.or_else(|| n.parse().ok()),
            ("/Time" | "/Epoch", _) => {}
            (_, value) => {
                values += usize::from(!leaf.prefix.is_empty() || matches!(value, Value::Number(_)));
                reply.leaves.push(leaf);
            }
        }
    }
    if values == 0 && !leaves.nested {
        return Err(Fault::NoSensor);
    }
    for path in leaves.repeated {
        reply.remarks.push(format!(
            "{path} stands more than once in the reply; the last one is used"
        ));
    }
    if leaves.left_out > 0 {
        reply.remarks.push(format!(
            "{} keys are too long or too deep and were left out",
            leaves.left_out
        ));
    }
    if !utf8 {
        reply
            .remarks
            .push("the reply is not UTF-8; it was read as Latin-1".into());
    }
    Ok(reply)
}

/// Reads any reply as one object, after the forms that are no readings are told apart.
///
/// # Errors
/// A [`Fault`] that says what the body is instead.
pub fn object(text: &str) -> Result<Members<'_>, Fault> {
    let start = text.trim_start();
    if start.is_empty() {
        return Err(Fault::Empty);
    }
    if start.starts_with('<') {
        return Err(Fault::Html);
    }
    // The parser's own words may repeat a whole text of the body.
    let members = Members::parse(text).map_err(|error| {
        let why = http::excerpt_of(&error.to_string(), 100);
        Fault::Garbled(format!("{why}, in {}", http::excerpt(text)))
    })?;
    // The key tells; the text is in the reader's language.
    if let Some(raw) = members.get("WARNING") {
        let words = members.text("WARNING").unwrap_or_else(|| raw.get().to_owned());
        return Err(Fault::Warning(http::excerpt(&words)));
    }
    if members.get("StatusSNS").is_none()
        && let Some(raw) = members.get("Command")
    {
        let words = members.text("Command").unwrap_or_else(|| raw.get().to_owned());
        return Err(Fault::Command(http::excerpt(&words)));
    }
    Ok(members)
}

/// The body as text, and whether it was UTF-8. Else every byte is one character (Latin-1), so that two labels never fall
/// together as they would with replacement characters.
#[must_use]
pub fn decode(body: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(body) {
        Ok(text) => (Cow::Borrowed(text), true),
        Err(_) => (Cow::Owned(body.iter().map(|&b| char::from(b)).collect()), false),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bodies_without_readings_are_told_apart() {
        let check = |body: &str, expected: Fault| assert_eq!(parse(body.as_bytes()), Err(expected), "{body}");
        check("", Fault::Empty);
        check(" \r\n", Fault::Empty);
        check("<!DOCTYPE html><html>", Fault::Html);
        check(
            r#"{"WARNING":"Benötige user=<username>"}"#,
            Fault::Warning("Benötige user=<username>".into()),
        );
        check(r#"{"WARNING":1}"#, Fault::Warning("1".into()));
        check(r#"{"Command":"Unknown"}"#, Fault::Command("Unknown".into()));
        check("{}", Fault::Garbled("there is no StatusSNS in {}".into()));
        check(
            r#"{"StatusSNS":7}"#,
            Fault::Garbled("StatusSNS is not an object".into()),
        );
        check(r#"{"StatusSNS":{"Time":"2022-11-20T12:28:45"}}"#, Fault::NoSensor);
        check(r#"{"StatusSNS":{"Time":"x","TempUnit":"C"}}"#, Fault::NoSensor);
        assert!(matches!(parse(b"{\"Ufs\":{}}}}"), Err(Fault::Garbled(_))));
        let Err(Fault::Garbled(words)) = parse(format!("{:?}", "l".repeat(5000)).as_bytes()) else {
            panic!("a text is no reply")
        };
        assert!(words.chars().count() < 320, "{words}");
    }

    #[test]
    fn the_clue_comes_from_every_time_format() {
        let check = |inner: &str, text: Option<&str>, epoch: Option<i64>| {
            let body = format!(r#"{{"StatusSNS":{{{inner},"SML":{{"P":1}}}}}}"#);
            let clue = parse(body.as_bytes()).unwrap().clue;
            assert_eq!((clue.text.as_deref(), clue.epoch), (text, epoch), "{inner}");
        };
        check(r#""Time":"a""#, Some("a"), None);
        check(r#""Time":"a","Epoch":5"#, Some("a"), Some(5));
        check(r#""Epoch":5,"Time":6"#, None, Some(5));
        check(r#""Time":6"#, None, Some(6));
        check(r#""Time":null"#, None, None);
        check(r#""Time":1e99"#, None, None);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_latin1() {
        let reply = parse(b"{\"StatusSNS\":{\"Z\xe4hler\":{\"P\":1}}}").unwrap();
        assert_eq!(reply.leaves[0].path, "/Zähler/P");
        assert_eq!(reply.remarks.len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&body);
        }

        #[test]
        fn no_inner_json_makes_it_panic(inner in "[\\[\\]{}\",:a-zA-Z0-9.~/ \\\\-]{0,80}") {
            let _ = parse(format!(r#"{{"StatusSNS":{{{inner}}}}}"#).as_bytes());
        }
    }
}
