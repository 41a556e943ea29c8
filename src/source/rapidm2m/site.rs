//! A site as the backend describes it.
//!
//! Members seen in the vendor's own code: `_uid`, `customer_id`, `site_id`, `name`, `class`, `state`, and
//! `device` with `device_id`, `stamp`, `state`.

use serde_json::Value;

/// What is used of a site's description. Absent members are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Its id, as paths want it; the uid where it has no id of its own.
    pub id: String,
    /// Its 16 hex digits.
    pub uid: String,
    /// Its name for people.
    pub name: String,
    /// The device's id.
    pub device: String,
    /// The device's last stamp, as it came.
    pub stamp: String,
}

impl Site {
    /// Reads one description. `None` where it names no site.
    #[must_use]
    pub fn read(document: &Value) -> Option<Self> {
        let text = |path: &str| {
            let text = document.pointer(path).and_then(Value::as_str).unwrap_or_default();
            text.to_owned()
        };
        let (id, uid) = (text("/site_id"), text("/_uid"));
        let id = if id.is_empty() { uid.clone() } else { id };
        (!id.is_empty()).then(|| Self {
            id,
            uid,
            name: text("/name"),
            device: text("/device/device_id"),
            stamp: text("/device/stamp"),
        })
    }

    /// Reads a list of them; entries that name no site are passed over. `None` where it is no list.
    #[must_use]
    pub fn list(document: &Value) -> Option<Vec<Self>> {
        Some(document.as_array()?.iter().filter_map(Self::read).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_site_is_known_by_its_id_or_uid() {
        let list = json!([
            {"_uid": "0011223344556677", "site_id": "Energy meter 1", "name": "House",
             "device": {"device_id": "D1", "stamp": "20170126133"}},
            {"_uid": "8899AABBCCDDEEFF"},
            {"name": "no id"},
            7,
        ]);
        let sites = Site::list(&list).unwrap_or_default();
        assert_eq!(
            sites.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
            ["Energy meter 1", "8899AABBCCDDEEFF"]
        );
        assert_eq!(sites[0].stamp, "20170126133");
        assert_eq!(Site::list(&json!({})), None);
    }
}
