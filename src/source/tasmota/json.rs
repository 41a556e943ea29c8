//! JSON as a reader writes it: number text kept as it stands, repeated keys tolerated, depth bounded.
//!
//! A reader's scripts are free to use one label twice, which a struct or a map would refuse or hide. Here the last one is
//! kept and the repetition is told.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Objects deeper than this are not looked into. Readers nest twice.
pub const MAX_DEPTH: usize = 6;

/// Key paths longer than this are left out: a reader's prefix has at most 7 characters and a label 23.
pub const MAX_PATH: usize = 120;

/// One value that is neither object nor array, with the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// JSON pointer (RFC 6901) below the object that was read: `/SML/Total_in`, with `~0` for `~` and `~1` for `/`.
    pub path: String,
    /// The first key on the way, a meter's prefix: `SML`. Empty for a value directly in the object.
    pub prefix: String,
    /// The last key, as it stands.
    pub label: String,
    /// Whether the same key stood twice in its object.
    pub repeated: bool,
    /// The value.
    pub value: Value,
}

/// A value that is neither object nor array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`: how a reader writes NaN and Inf.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, its text as it stands.
    Number(String),
    /// A text.
    Text(String),
}

/// The members of one object in the order they stand, each key once.
#[derive(Debug, Default)]
pub struct Members<'a> {
    /// Key, value as text, and whether the key stood more than once (then this is its last value).
    pub list: Vec<(String, &'a RawValue, bool)>,
}

impl<'a> Members<'a> {
    /// Reads a whole text as one object.
    ///
    /// # Errors
    /// When the text is not exactly one JSON object (RFC 8259).
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.list
            .iter()
            .find_map(|(k, value, _)| (k == key).then_some(*value))
    }

    /// The value of a key, where it is a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?.get()).ok()
    }
}

/// What one object holds.
#[derive(Debug, Default)]
pub struct Leaves {
    /// Its values in the order they stand.
    pub list: Vec<Leaf>,
    /// Paths of keys that stood twice, each once.
    pub repeated: Vec<String>,
    /// How many keys were left out for their length or depth.
    pub left_out: usize,
    /// Whether there is an object or array at all, even an empty one.
    pub nested: bool,
}

impl Leaves {
    /// Collects the values below an object's members.
    #[must_use]
    pub fn of(members: &Members<'_>) -> Self {
        let mut leaves = Self::default();
        leaves.object(members, "", "", 1);
        leaves
    }

    fn object(&mut self, members: &Members<'_>, path: &str, prefix: &str, depth: usize) {
        for (key, raw, repeated) in &members.list {
            let path = format!("{path}/{}", escaped(key));
            if !self.takes(&path) {
                continue;
            }
            if *repeated {
                self.repeated.push(path.clone());
            }
            self.value(raw, path, prefix, key, *repeated, depth);
        }
    }

    /// Whether a path is short enough; counts those that are not.
    fn takes(&mut self, path: &str) -> bool {
        let takes = path.len() <= MAX_PATH;
        self.left_out += usize::from(!takes);
        takes
    }

    fn value(&mut self, raw: &RawValue, path: String, prefix: &str, key: &str, repeated: bool, depth: usize) {
        let text = raw.get();
        let below = if prefix.is_empty() { key } else { prefix };
        let value = match text.as_bytes().first() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                self.left_out += 1;
                return;
            }
            Some(b'{') => {
                self.nested = true;
                if let Ok(members) = Members::parse(text) {
                    self.object(&members, &path, below, depth + 1);
                }
                return;
            }
            Some(b'[') => {
                self.nested = true;
                let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
                for (i, item) in items.iter().enumerate() {
                    let path = format!("{path}/{i}");
                    if self.takes(&path) {
                        self.value(item, path, below, &i.to_string(), false, depth + 1);
                    }
                }
                return;
            }
            Some(b'"') => serde_json::from_str(text).map_or(Value::Null, Value::Text),
            Some(b't' | b'f') => Value::Bool,
            Some(b'n') | None => Value::Null,
            Some(_) => Value::Number(text.to_owned()),
        };
        self.list.push(Leaf {
            path,
            prefix: prefix.to_owned(),
            label: key.to_owned(),
            repeated,
            value,
        });
    }
}

/// A key as a JSON pointer writes it.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if let Some(&at) = places.get(&key) {
                        let member: &mut (String, &RawValue, bool) = &mut members.list[at];
                        (member.1, member.2) = (value, true);
                    } else {
                        places.insert(key.clone(), members.list.len());
                        members.list.push((key, value, false));
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn paths_are_json_pointers_and_numbers_keep_their_text() {
        let text = r#"{"Time":"x","A/B":{"c~d":1.50," x":null,"1-8-0":"9"},"L":[7,{"y":true}]}"#;
        let leaves = Leaves::of(&Members::parse(text).unwrap());
        let seen: Vec<_> = leaves
            .list
            .iter()
            .map(|l| (l.path.as_str(), l.prefix.as_str(), &l.value))
            .collect();
        assert_eq!(
            seen,
            [
                ("/Time", "", &Value::Text("x".into())),
                ("/A~1B/c~0d", "A/B", &Value::Number("1.50".into())),
                ("/A~1B/ x", "A/B", &Value::Null),
                ("/A~1B/1-8-0", "A/B", &Value::Text("9".into())),
                ("/L/0", "L", &Value::Number("7".into())),
                ("/L/1/y", "L", &Value::Bool),
            ]
        );
    }

    #[test]
    fn the_last_of_repeated_keys_is_kept_and_told() {
        let leaves = Leaves::of(&Members::parse(r#"{"S":{"T":1,"u":2,"T":3}}"#).unwrap());
        assert_eq!(leaves.repeated, ["/S/T"]);
        assert_eq!(leaves.list[0].value, Value::Number("3".into()));
        assert!(leaves.list[0].repeated && !leaves.list[1].repeated);
        assert_eq!(leaves.list.len(), 2);
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
        let leaves = Leaves::of(&Members::parse(&deep).unwrap());
        assert!(leaves.list.is_empty());
        assert_eq!(leaves.left_out, 1);
        let long = format!(r#"{{"{}":1,"b":2}}"#, "a".repeat(MAX_PATH));
        let leaves = Leaves::of(&Members::parse(&long).unwrap());
        assert_eq!((leaves.list.len(), leaves.left_out), (1, 1));
        // The places in a list are part of the path.
        let list = format!(r#"{{"{}":[1,2],"b":[3]}}"#, "a".repeat(MAX_PATH - 2));
        let leaves = Leaves::of(&Members::parse(&list).unwrap());
        assert_eq!((leaves.list.len(), leaves.left_out), (1, 2));
        assert_eq!(leaves.list[0].path, "/b/0");
    }

    #[test]
    fn only_whole_objects_are_read() {
        for bad in [
            "",
            "[]",
            "1",
            "{",
            "{}x",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":NaN}",
            "{\"a\":1,}",
        ] {
            assert!(Members::parse(bad).is_err(), "{bad}");
        }
    }
}
