//! Which store the settings choose.

use std::path::PathBuf;

use crate::secret::Secret;

use super::values::Values;
use super::{StoreConfig, address, credential};

/// The Cosmos DB account where one is named, else the embedded store; not inside Azure, where the disk does not last.
pub(super) fn read(values: &Values<'_>) -> StoreConfig {
    let found = values.found;
    let endpoint = values.either("COSMOS_ENDPOINT", "M2MDocumentsDBUri");
    let key = values.either("COSMOS_KEY", "M2MDocumentsDBPrimaryKey");
    let client_id = values.set("COSMOS_CLIENT_ID");
    let database = values.text("COSMOS_DATABASE");
    let container = values.text("COSMOS_CONTAINER");
    let path = PathBuf::from(values.text("STORE_PATH"));
    let in_azure = values.set("WEBSITE_INSTANCE_ID").is_some();

    if let Some(key) = &key {
        found.keep(key.name, credential::account_key(&key.text));
    }
    if let Some(id) = &client_id
        && !is_guid(id)
    {
        found.fault(
            "COSMOS_CLIENT_ID",
            "is not a client id such as `00000000-0000-0000-0000-000000000000`",
        );
    }
    for (place, name) in [("COSMOS_DATABASE", &database), ("COSMOS_CONTAINER", &container)] {
        if name.len() > 255 || name.contains(['/', '\\', '#', '?']) || name.chars().any(char::is_control) {
            found.fault(place, "is not a name: up to 255 characters, none of / \\ # ?");
        }
    }
    let Some(endpoint) = endpoint else {
        if let Some(key) = &key {
            found.fault(
                "COSMOS_ENDPOINT",
                format!("is not set, though {} is; name the account", key.name),
            );
        } else if in_azure {
            found.fault(
                "COSMOS_ENDPOINT",
                "is not set, and inside Azure the disk does not last: the embedded store would lose what it keeps. Name a \
                 Cosmos DB account",
            );
        }
        return StoreConfig::Embedded { path };
    };
    if key.is_some() && client_id.is_some() {
        found.warning(
            "COSMOS_CLIENT_ID",
            "has no effect beside a key; remove the key to use the identity",
        );
    }
    StoreConfig::Cosmos {
        endpoint: found
            .keep(endpoint.name, address::account(&endpoint.text))
            .unwrap_or_default(),
        key: key.map(|k| Secret::new(k.text)),
        client_id,
        database,
        container,
    }
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}
