//! What the service side changes of a twin.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{BadTwin, Twin};
use crate::hub::registry::Condition;

/// A change of desired properties and tags.
#[derive(Debug, Clone, Default)]
pub(in crate::hub) struct Edit {
    desired: Option<Value>,
    tags: Option<Value>,
    /// Put in the place of what is there, and not merged.
    replaces: bool,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum NotEdited {
    /// The twin has another tag.
    Changed,
    /// The hub does not take it.
    Bad(BadTwin),
}

impl Edit {
    /// Merges; what is absent stays.
    pub(in crate::hub) fn merge(desired: Option<Value>, tags: Option<Value>) -> Self {
        Self {
            desired: desired.map(without_ours),
            tags,
            replaces: false,
        }
    }

    /// Puts this in the place of what is there; what is absent is empty afterwards.
    pub(in crate::hub) fn replace(desired: Option<Value>, tags: Option<Value>) -> Self {
        let or_empty = |value: Option<Value>| Some(value.unwrap_or_else(|| Map::new().into()));
        Self {
            desired: or_empty(desired.map(without_ours)),
            tags: or_empty(tags),
            replaces: true,
        }
    }

    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.desired.is_none() && self.tags.is_none()
    }
}

impl Twin {
    /// Changes both or none, if the condition is met; returns what the device is told, with its `$version`.
    pub(in crate::hub) fn edit(
        &mut self,
        edit: Edit,
        condition: &Condition,
        now_ms: i64,
    ) -> Result<Option<Value>, NotEdited> {
        condition
            .check_tag(Some(&self.etag()))
            .map_err(|_| NotEdited::Changed)?;
        let mut changed = self.clone();
        if let Some(tags) = &edit.tags {
            if edit.replaces {
                changed.tags.clear();
            }
            changed.tag(tags).map_err(NotEdited::Bad)?;
        }
        if edit.replaces {
            changed.desired.clear();
        }
        let told = edit.desired.map(|desired| changed.desire(&desired, now_ms));
        let told = told.transpose().map_err(NotEdited::Bad)?;
        changed.edits += 1;
        changed.version += 1;
        *self = changed;
        Ok(told)
    }

    /// Another one after each change by the service side: eight bytes in base64, as the hub's are.
    pub(in crate::hub) fn etag(&self) -> String {
        STANDARD.encode(self.edits.to_be_bytes())
    }
}

/// Without what the hub itself writes among desired properties: clients send back what they got.
fn without_ours(mut desired: Value) -> Value {
    if let Some(members) = desired.as_object_mut() {
        members.remove("$metadata");
        members.remove("$version");
    }
    desired
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn merged_and_replaced_under_a_tag() {
        let mut twin = Twin::default();
        assert_eq!(twin.etag(), "AAAAAAAAAAE=");
        let tag = |text: &str| Condition::Tag(text.to_owned());
        let merged = Edit::merge(Some(json!({"a": 1, "b": {"c": 1}})), Some(json!({"site": "x"})));
        let told = twin.edit(merged, &tag("AAAAAAAAAAE="), 0).unwrap();
        assert_eq!(told, Some(json!({"a": 1, "b": {"c": 1}, "$version": 2})));

        let before = twin.clone();
        let late = Edit::merge(Some(json!({"a": 2})), None);
        assert_eq!(twin.edit(late, &tag("AAAAAAAAAAE="), 0), Err(NotEdited::Changed));
        let bad = Edit::replace(Some(json!({"a b": 2})), Some(json!({"site": "y"})));
        assert!(matches!(
            twin.edit(bad, &Condition::Exists, 0),
            Err(NotEdited::Bad(_))
        ));
        assert_eq!(twin, before);

        // As it was got, with what the hub had put in.
        let whole = json!({"b": {"d": 2}, "$version": 2, "$metadata": {"$lastUpdated": "?"}});
        let told = twin
            .edit(Edit::replace(Some(whole), None), &tag("AAAAAAAAAAI="), 0)
            .unwrap();
        assert_eq!(told, Some(json!({"b": {"d": 2}, "$version": 3})));
        assert_eq!(twin.whole()["tags"], json!({}));
        assert_eq!(
            twin.for_device()["desired"],
            json!({"b": {"d": 2}, "$version": 3})
        );
        assert_eq!((twin.etag().as_str(), twin.version), ("AAAAAAAAAAM=", 3));
    }

    #[test]
    fn metadata_say_when_and_in_which_version() {
        let mut twin = Twin::default();
        let never = json!({"$lastUpdated": "0001-01-01T00:00:00Z"});
        assert_eq!(
            twin.with_metadata()["reported"],
            json!({"$metadata": never, "$version": 1})
        );
        let edit = |twin: &mut Twin, patch: Value, now_ms| {
            twin.edit(Edit::merge(Some(patch), None), &Condition::None, now_ms)
                .unwrap();
        };
        edit(&mut twin, json!({"a": {"x": 1, "y": 1}, "b": 1}), 1000);
        edit(&mut twin, json!({"a": {"x": 2}, "b": null}), 2000);
        let first = json!({"$lastUpdated": "1970-01-01T00:00:01.000Z", "$lastUpdatedVersion": 2});
        let second = json!({"$lastUpdated": "1970-01-01T00:00:02.000Z", "$lastUpdatedVersion": 3});
        let mut inner = second.clone();
        inner["x"] = second.clone();
        inner["y"] = first;
        let mut expected = second;
        expected["a"] = inner;
        assert_eq!(twin.with_metadata()["desired"]["$metadata"], expected);
        twin.report(br#"{"n": 1}"#, 3000).unwrap();
        let reported = &twin.with_metadata()["reported"]["$metadata"];
        assert_eq!(reported["n"], json!({"$lastUpdated": "1970-01-01T00:00:03.000Z"}));
        assert_eq!(twin.version, 4);
    }
}
