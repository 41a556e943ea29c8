//! When each property was changed last: `$metadata`, which the service side sees and the device does not.

use serde_json::{Map, Value, json};

use crate::hub::reply::rfc3339;

/// The time of a change, and the version that came of it.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) at_ms: i64,
    /// Desired properties name it.
    pub(super) version: Option<u64>,
}

/// Marks what a patch touches, as `merge` goes through it; what it removes is forgotten.
pub(super) fn touch(metadata: &mut Map<String, Value>, patch: &Map<String, Value>, stamp: Stamp) {
    stamp.put(metadata);
    for (key, value) in patch {
        match value {
            Value::Null => {
                metadata.remove(key);
            }
            Value::Object(members) => {
                let inside = metadata.entry(key.clone()).or_insert_with(|| json!({}));
                if let Value::Object(inside) = inside {
                    touch(inside, members, stamp);
                }
            }
            _ => {
                let mut fresh = Map::new();
                stamp.put(&mut fresh);
                metadata.insert(key.clone(), fresh.into());
            }
        }
    }
}

/// The metadata as it is shown; of properties that never changed, too.
pub(super) fn view(metadata: &Map<String, Value>) -> Value {
    if metadata.is_empty() {
        return json!({ "$lastUpdated": "0001-01-01T00:00:00Z" });
    }
    metadata.clone().into()
}

impl Stamp {
    fn put(self, metadata: &mut Map<String, Value>) {
        metadata.insert("$lastUpdated".to_owned(), rfc3339(self.at_ms).into());
        if let Some(version) = self.version {
            metadata.insert("$lastUpdatedVersion".to_owned(), version.into());
        }
    }
}
