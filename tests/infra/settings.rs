//! Settings: those of a deployment, the program's, the example's, the README's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use meterbridge::config::{Identity, SETTINGS, StoreConfig, load};

use crate::deployment::{Deployment, SHAPES};

/// 2026-01-26T13:15:00Z.
const NOW: i64 = 1_769_433_300_000;

/// What the example holds besides the program's settings: for the host on a developer's machine.
const LOCAL: [&str; 3] = [
    "FUNCTIONS_WORKER_RUNTIME",
    "AzureWebJobsStorage",
    "AzureWebJobsDisableHomepage",
];

/// Each setting of the program is either set or left for a reason, and each that is set has a reader.
pub fn known(deployment: &Deployment) -> Vec<String> {
    let relation = &deployment.relation;
    let program: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    let set = deployment.set();
    let mut found = Vec::new();
    let foreign = |name: &str| relation.platform.contains_key(name) || relation.sources.contains_key(name);
    for name in &set {
        if !program.contains(name) && !foreign(name) {
            found.push(format!("{name} is set, and nobody reads it"));
        }
    }
    for name in &program {
        match (set.contains(name), relation.left.contains_key(*name)) {
            (false, false) => found.push(format!(
                "{name} is neither set in infra/settings.bicep nor listed under `left` in infra/settings.toml"
            )),
            (true, true) => found.push(format!("{name} is set, and infra/settings.toml says it is left")),
            _ => {}
        }
    }
    let stale = relation
        .left
        .keys()
        .filter(|name| !program.contains(name.as_str()));
    found.extend(stale.map(|name| format!("infra/settings.toml leaves {name}, which is no setting")));
    let stale = relation.platform.keys().chain(relation.sources.keys());
    found.extend(
        stale
            .filter(|name| !set.contains(name.as_str()))
            .map(|name| format!("infra/settings.toml lists {name}, which is not set")),
    );
    // All shapes set the same, but for what sources name.
    for shape in SHAPES {
        let own = deployment.settings(shape);
        let missing = set
            .iter()
            .filter(|name| !own.contains_key(*name) && !relation.sources.contains_key(**name));
        found.extend(missing.map(|name| format!("{shape}: {name} is not set")));
    }

    let mut example: BTreeSet<&str> = deployment.example["Values"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for name in LOCAL {
        if !example.remove(name) {
            found.push(format!("local.settings.json.example lacks {name}"));
        }
    }
    let differing = |of: &str, names: &BTreeSet<&str>| {
        let differing: Vec<&&str> = names.symmetric_difference(&program).collect();
        (!differing.is_empty()).then(|| format!("{of} and the program differ in {differing:?}"))
    };
    found.extend(differing("local.settings.json.example", &example));
    let (_, table) = deployment
        .readme
        .split_once("| Setting | Default | Meaning |")
        .unwrap();
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
    let rows: BTreeSet<&str> = rows.filter_map(|line| line.split('`').next()).collect();
    found.extend(differing("README.md", &rows));
    // What the host replaces by a setting.
    for function in deployment.functions.values() {
        let text = function.to_string();
        let placeholders = text.split('%').skip(1).step_by(2);
        found.extend(
            placeholders
                .filter(|name| !set.contains(name))
                .map(|name| format!("a function needs {name}, which is not set")),
        );
    }
    found
}

/// A setting whose value is a secret names one of the vault.
pub fn vaulted(deployment: &Deployment) -> Vec<String> {
    let is_secret = |name: &str| {
        let own = SETTINGS
            .iter()
            .any(|setting| setting.secret && setting.name == name);
        own || deployment.relation.sources.contains_key(name)
    };
    let mut found = Vec::new();
    for shape in SHAPES {
        for (name, value) in deployment.settings(shape) {
            let vaulted = value.contains("@Microsoft.KeyVault(SecretUri=") && value.contains(".vaultUri");
            if is_secret(name) != vaulted {
                found.push(format!("{shape}: {name} is {value}"));
            }
        }
    }
    found
}

/// The settings with what Azure puts in place of the expressions, as the program reads them inside Azure.
pub fn accepted(deployment: &Deployment) -> Vec<String> {
    // The end of an expression, and what Azure makes of it.
    const MADE: [(&str, &str); 6] = [
        (".documentEndpoint]", "https://cosmos-x.documents.azure.com:443/"),
        (".clientId]", "8d2c0f3a-5b7e-4b43-9d51-0f2c4f0f8a11"),
        (".idScope]", "0ne00000A0A"),
        (
            ".deviceProvisioningHostName]",
            "global.azure-devices-provisioning.net",
        ),
        (
            ".serviceOperationsHostName]",
            "dps-x.azure-devices-provisioning.net",
        ),
        // What a reference to the vault becomes, before the program sees it.
        (".vaultUri)]", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"),
    ];
    let mut found = Vec::new();
    for shape in SHAPES {
        let mut settings: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in deployment.settings(shape) {
            let made = MADE.iter().find(|(end, _)| value.ends_with(end));
            let value = made.map_or(value, |(_, value)| value);
            settings.insert(name, value.to_owned());
        }
        settings.insert("WEBSITE_INSTANCE_ID", "instance".into());
        let get = |name: &str| settings.get(name).cloned();
        let source = "[[source]]\nid = \"demo\"\nkind = \"synthetic\"\n";
        let read = |path: &std::path::Path| match path.to_str() {
            Some("sources.toml") => Ok(source.to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        match load(&get, &read, NOW) {
            Err(faults) => found.push(format!("{shape}: {faults:?}")),
            Ok(config) => {
                let by_identity = matches!(
                    &config.settings.store,
                    StoreConfig::Cosmos {
                        key: None,
                        client_id: Some(_),
                        ..
                    }
                );
                let is_group = matches!(&config.settings.identity, Identity::Group { .. });
                if !by_identity || !is_group || !config.warnings.is_empty() {
                    found.push(format!("{shape}: {:?} {:?}", config.settings, config.warnings));
                }
            }
        }
        // The billing unit follows from the tier.
        let hub = deployment
            .of_type("Microsoft.Devices/IotHubs")
            .find(|(of, _)| *of == shape);
        let tier = hub
            .and_then(|(_, hub)| hub["sku"]["name"].as_str())
            .unwrap_or_default();
        if settings.get("IOTHUB_TIER").map(String::as_str) != Some(tier) {
            found.push(format!("{shape}: IOTHUB_TIER is not the hub's {tier}"));
        }
    }
    found
}
