//! A device's twin: what it is to be (desired), what it says it is (reported), and tags. Reads no clock.
//!
//! # Layout
//!
//! - [`Twin`] and merging. `limits`: what the hub takes. `metadata`: when it was changed.
//! - [`Edit`] and `edit`: changes by the service side.

mod edit;
mod limits;
mod metadata;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

pub(super) use edit::{Edit, NotEdited};

/// One of the parts of a twin.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Part {
    pub(super) properties: Map<String, Value>,
    /// When each of them was changed.
    metadata: Map<String, Value>,
    /// Grows by one with each change.
    pub(super) version: u64,
}

/// A twin.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Twin {
    pub(super) desired: Part,
    pub(super) reported: Part,
    pub(super) tags: Map<String, Value>,
    /// The model that the device named when it connected; empty for none.
    pub(super) model_id: String,
    /// Grows by one with each change, whoever makes it.
    pub(super) version: u64,
    /// Grows by one with each change that the service side makes.
    edits: u64,
}

/// Why a change is not taken: the hub's 400, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadTwin(pub(super) String);

/// The twin of one device, shared.
#[derive(Default)]
pub(crate) struct Shadow(Mutex<Twin>);

impl Default for Twin {
    /// A new device's twin is at version 1, and empty.
    fn default() -> Self {
        let part = Part {
            version: 1,
            ..Part::default()
        };
        Self {
            desired: part.clone(),
            reported: part,
            tags: Map::new(),
            model_id: String::new(),
            version: 1,
            edits: 1,
        }
    }
}

impl Shadow {
    pub(super) fn lock(&self) -> MutexGuard<'_, Twin> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Twin {
    /// What a device gets: both kinds of properties, each with its `$version`.
    pub(super) fn for_device(&self) -> Value {
        json!({ "desired": self.desired.view(), "reported": self.reported.view() })
    }

    /// What the service side gets of it.
    pub(super) fn whole(&self) -> Value {
        json!({ "properties": self.for_device(), "tags": self.tags })
    }

    /// The same with `$metadata`, for the service side.
    pub(super) fn with_metadata(&self) -> Value {
        json!({ "desired": self.desired.with_metadata(), "reported": self.reported.with_metadata() })
    }

    /// Merges what a device reports; returns the new version.
    pub(super) fn report(&mut self, patch: &[u8], now_ms: i64) -> Result<u64, BadTwin> {
        let patch: Value = serde_json::from_slice(patch)
            .map_err(|error| BadTwin(format!("the reported properties are not JSON: {error}")))?;
        let version = self.reported.change("reported", &patch, now_ms)?;
        self.version += 1;
        Ok(version)
    }

    /// Merges desired properties; returns what a device is told, with its `$version`. `null` removes each of them
    /// (Microsoft's `e2etests/test/twin_e2e_tests.js`, "can null out all desired properties").
    fn desire(&mut self, patch: &Value, now_ms: i64) -> Result<Value, BadTwin> {
        let mut told = match patch {
            Value::Null => {
                let known = self.desired.properties.keys();
                known.map(|name| (name.clone(), Value::Null)).collect()
            }
            patch => patch.clone(),
        };
        let version = self.desired.change("desired", &told, now_ms)?;
        told["$version"] = version.into();
        Ok(told)
    }

    /// Merges tags.
    fn tag(&mut self, patch: &Value) -> Result<(), BadTwin> {
        let mut tags = self.tags.clone();
        merge_checked("tags", &mut tags, patch)?;
        self.tags = tags;
        Ok(())
    }
}

impl Part {
    fn view(&self) -> Value {
        let mut view = self.properties.clone();
        view.insert("$version".to_owned(), self.version.into());
        Value::Object(view)
    }

    fn with_metadata(&self) -> Value {
        let mut view = self.view();
        view["$metadata"] = metadata::view(&self.metadata);
        view
    }

    /// All or nothing.
    fn change(&mut self, name: &'static str, patch: &Value, now_ms: i64) -> Result<u64, BadTwin> {
        let mut properties = self.properties.clone();
        merge_checked(name, &mut properties, patch)?;
        self.properties = properties;
        self.version += 1;
        if let Value::Object(patch) = patch {
            let version = (name == "desired").then_some(self.version);
            let stamp = metadata::Stamp {
                at_ms: now_ms,
                version,
            };
            metadata::touch(&mut self.metadata, patch, stamp);
        }
        Ok(self.version)
    }

    /// Takes all properties out; the version stays.
    fn clear(&mut self) {
        self.properties.clear();
        self.metadata.clear();
    }
}

fn merge_checked(
    name: &'static str,
    properties: &mut Map<String, Value>,
    patch: &Value,
) -> Result<(), BadTwin> {
    let Value::Object(members) = patch else {
        return Err(BadTwin(format!("{name} is no JSON object")));
    };
    limits::check_members(name, members)?;
    merge(properties, members);
    limits::check_size(name, properties)
}

/// Merges as the hub does: objects member by member, null removes, anything else replaces.
fn merge(properties: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match (properties.get_mut(key), value) {
            (_, Value::Null) => {
                properties.remove(key);
            }
            (Some(Value::Object(known)), Value::Object(members)) => merge(known, members),
            (_, Value::Object(members)) => {
                let mut new = Map::new();
                merge(&mut new, members);
                properties.insert(key.clone(), Value::Object(new));
            }
            _ => {
                properties.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patches_merge_and_null_removes() {
        let mut twin = Twin::default();
        let steps = [
            (
                json!({"a": 1, "b": {"c": 1, "d": [1, 2]}}),
                json!({"a": 1, "b": {"c": 1, "d": [1, 2]}}),
            ),
            (
                json!({"b": {"c": null, "e": "x"}}),
                json!({"a": 1, "b": {"d": [1, 2], "e": "x"}}),
            ),
            (
                json!({"b": {"d": [3]}, "n": {"gone": null}}),
                json!({"a": 1, "b": {"d": [3], "e": "x"}, "n": {}}),
            ),
            (json!({"b": 2, "n": null, "never": null}), json!({"a": 1, "b": 2})),
            (json!({}), json!({"a": 1, "b": 2})),
        ];
        for (number, (patch, expected)) in (2..).zip(steps) {
            assert_eq!(twin.report(patch.to_string().as_bytes(), 0), Ok(number));
            let mut expected = expected;
            expected["$version"] = number.into();
            assert_eq!(twin.for_device()["reported"], expected);
        }
        assert_eq!(
            twin.desire(&json!({"x": null}), 0),
            Ok(json!({"x": null, "$version": 2}))
        );
        assert_eq!(twin.for_device()["desired"], json!({"$version": 2}));
    }

    #[test]
    fn a_bad_change_changes_nothing() {
        let mut twin = Twin::default();
        for patch in ["", "[1]", "null", "\"a\"", "{", r#"{"good":1,"b.d":1}"#] {
            assert!(twin.report(patch.as_bytes(), 0).is_err(), "{patch}");
        }
        assert!(twin.desire(&json!([]), 0).is_err() && twin.tag(&json!({"$x": 1})).is_err());
        assert_eq!(twin, Twin::default());
    }
}
