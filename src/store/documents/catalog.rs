//! Which sources there are besides those of `sources.toml`: definitions, lists of sites, and what tells that one of them changed.

use serde::{Deserialize, Deserializer, Serialize};

use crate::clock::Millis;

/// Written in the transaction of every change of a definition or of a list of sites, in one partition with them: whoever finds it
/// in the version that was read last knows by this one read that nothing has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogDoc {
    /// Always [`CatalogDoc::ID`].
    pub id: String,
    /// Always [`CatalogDoc::PARTITION`].
    pub source: String,
    /// When the last change was made.
    pub at: Millis,
    /// How many there were.
    pub changes: u64,
    /// Drawn for the last one: tells a write of ours from another's.
    pub nonce: String,
}

impl CatalogDoc {
    /// Its id.
    pub const ID: &'static str = "catalog";
    /// The partition that it shares with definitions and lists of sites: no source's id, since those have no `~`.
    pub const PARTITION: &'static str = "~sources";
}

/// A source defined in the store, in the same words as `sources.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDoc {
    /// The source's id; for a customer whose sites are found, the discovery's name.
    pub id: String,
    /// Always [`CatalogDoc::PARTITION`].
    pub source: String,
    /// When it was written. Whatever else stands there counts as 0: a definition that a person spoilt must not hide the others.
    #[serde(default, deserialize_with = "lenient")]
    pub at: Millis,
    /// The definition: the members of a `[[source]]` table. No secrets: those are named as `${SOURCE_…}`.
    #[serde(default)]
    pub definition: serde_json::Value,
}

impl SourceDoc {
    /// A definition.
    #[must_use]
    pub fn new(id: &str, at: Millis, definition: serde_json::Value) -> Self {
        Self {
            id: id.to_owned(),
            source: CatalogDoc::PARTITION.to_owned(),
            at,
            definition,
        }
    }
}

/// The sites of a customer as its backend listed them last, and when it is asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SitesDoc {
    /// [`SitesDoc::id_of`].
    pub id: String,
    /// Always [`CatalogDoc::PARTITION`].
    pub source: String,
    /// Whose processes ask.
    pub runner: String,
    /// The backend's address, without a login.
    pub backend: String,
    /// The customer.
    pub customer: String,
    /// When a list came last; absent until the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// Not asked before: the next refresh, or when whoever asks now counts as dead.
    pub next: Millis,
    /// Questions in vain in a row.
    #[serde(default)]
    pub failures: u32,
    /// What the last of these came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// What of the last list could not be taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The sites in the backend's order, whatever patterns leave out of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<StoredSite>,
}

impl SitesDoc {
    /// Its id. No source's: those have no dot.
    #[must_use]
    pub fn id_of(discovery: &str) -> String {
        format!("sites.{discovery}")
    }
}

/// A site that a backend lists, or listed not long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSite {
    /// Its id, or its uid where it has none.
    pub site: String,
    /// When it was first listed.
    pub since: Millis,
    /// When it was first missing from a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Millis>,
}

fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
    serde_json::Value::deserialize(deserializer).map(|value| value.as_i64().unwrap_or_default())
}
