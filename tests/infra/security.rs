//! Our own rules on what is shut: checkov lets much of this pass, and knows no IoT Hub.

use serde_json::{Value, json};

use crate::deployment::{Deployment, name, place};

/// What resources of a type must have.
fn required() -> Vec<(&'static str, &'static str, Value)> {
    const STORAGE: &str = "Microsoft.Storage/storageAccounts";
    const COSMOS: &str = "Microsoft.DocumentDB/databaseAccounts";
    const HUB: &str = "Microsoft.Devices/IotHubs";
    const SITE: &str = "Microsoft.Web/sites";
    const VAULT: &str = "Microsoft.KeyVault/vaults";
    vec![
        (STORAGE, "/properties/allowBlobPublicAccess", json!(false)),
        (STORAGE, "/properties/allowSharedKeyAccess", json!(false)),
        (STORAGE, "/properties/allowCrossTenantReplication", json!(false)),
        (STORAGE, "/properties/minimumTlsVersion", json!("TLS1_2")),
        (STORAGE, "/properties/supportsHttpsTrafficOnly", json!(true)),
        (
            "Microsoft.Storage/storageAccounts/blobServices/containers",
            "/properties/publicAccess",
            json!("None"),
        ),
        (COSMOS, "/properties/disableLocalAuth", json!(true)),
        (
            COSMOS,
            "/properties/disableKeyBasedMetadataWriteAccess",
            json!(true),
        ),
        (COSMOS, "/properties/minimalTlsVersion", json!("Tls12")),
        (HUB, "/properties/minTlsVersion", json!("1.2")),
        (HUB, "/properties/disableLocalAuth", json!(true)),
        (HUB, "/properties/disableModuleSAS", json!(true)),
        (HUB, "/properties/disableDeviceSAS", json!(true)),
        (HUB, "/identity/type", json!("UserAssigned")),
        (SITE, "/properties/httpsOnly", json!(true)),
        (SITE, "/properties/siteConfig/minTlsVersion", json!("1.2")),
        (SITE, "/properties/siteConfig/scmMinTlsVersion", json!("1.2")),
        (SITE, "/properties/siteConfig/ftpsState", json!("Disabled")),
        (
            SITE,
            "/properties/siteConfig/remoteDebuggingEnabled",
            json!(false),
        ),
        (SITE, "/identity/type", json!("UserAssigned")),
        (
            "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
            "/properties/allow",
            json!(false),
        ),
        (VAULT, "/properties/enableRbacAuthorization", json!(true)),
        (VAULT, "/properties/enableSoftDelete", json!(true)),
        (VAULT, "/properties/enablePurgeProtection", json!(true)),
        (
            "Microsoft.OperationalInsights/workspaces",
            "/properties/features/disableLocalAuth",
            json!(true),
        ),
        (
            "Microsoft.Insights/components",
            "/properties/DisableLocalAuth",
            json!(true),
        ),
        (
            "Microsoft.CognitiveServices/accounts",
            "/properties/disableLocalAuth",
            json!(true),
        ),
    ]
}

/// What can be shut is shut, but for what `infra/accepted.toml` names.
pub fn shut(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    let mut used = vec![false; deployment.accepted.exception.len()];
    for (kind, pointer, expected) in required() {
        let mut seen = false;
        for (shape, resource) in deployment.of_type(kind) {
            seen = true;
            let value = resource.pointer(pointer).cloned().unwrap_or_default();
            if value == expected {
                continue;
            }
            let what = pointer.rsplit('/').next().unwrap();
            if deployment.accepts(resource, what) {
                for (used, exception) in used.iter_mut().zip(&deployment.accepted.exception) {
                    *used |= exception.what == what && name(resource).starts_with(&exception.on);
                }
            } else {
                found.push(format!(
                    "{}: {pointer} is {value}, not {expected}",
                    place(shape, resource)
                ));
            }
        }
        if !seen {
            found.push(format!("no {kind} at all"));
        }
    }
    // Both ways of publishing with a password are named.
    for shape in crate::deployment::SHAPES {
        let ways = deployment.of_type("Microsoft.Web/sites/basicPublishingCredentialsPolicies");
        if ways.filter(|(of, _)| *of == shape).count() != 2 {
            found.push(format!("{shape}: publishing by password is not off"));
        }
    }
    for (used, exception) in used.iter().zip(&deployment.accepted.exception) {
        if exception.why.is_empty() {
            found.push(format!("accepted.toml gives no reason for {}", exception.what));
        }
        // Exceptions of other rules are theirs to look after.
        let ours = required()
            .iter()
            .any(|(_, pointer, _)| pointer.ends_with(&format!("/{}", exception.what)));
        if ours && !used {
            found.push(format!(
                "accepted.toml lets {} of {} pass for nothing",
                exception.what, exception.on
            ));
        }
    }
    found
}

/// Signs of a key, or of an expression that gives one.
const KEYS: [&str; 6] = [
    "listkeys(",
    "listaccountsas(",
    "accountkey=",
    "sharedaccesskey=",
    "primarykey",
    "sharedaccesssignature",
];

/// No key in what is made or put out, but for what `infra/accepted.toml` names; and there only with the rights that it needs.
pub fn keyless(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    for (shape, resource) in deployment.resources() {
        let text = resource.to_string().to_lowercase();
        let keys: Vec<&&str> = KEYS.iter().filter(|key| text.contains(**key)).collect();
        if !keys.is_empty() && !deployment.accepts(resource, "key") {
            found.push(format!("{}: {keys:?}", place(shape, resource)));
        }
    }
    for (shape, snapshot) in &deployment.shapes {
        let outputs = snapshot["outputs"].to_string().to_lowercase();
        let shown = KEYS.iter().chain(&["connectionstring", "secret", "password"]);
        let shown: Vec<&&str> = shown.filter(|key| outputs.contains(**key)).collect();
        if !shown.is_empty() {
            found.push(format!("{shape}: an output shows {shown:?}"));
        }
    }
    for (shape, hub) in deployment.of_type("Microsoft.Devices/IotHubs") {
        let policies = &hub["properties"]["authorizationPolicies"];
        if *policies != json!([{"keyName": "provisioning", "rights": "RegistryWrite, ServiceConnect"}]) {
            found.push(format!("{shape}: the hub has the policies {policies}"));
        }
        let properties = &hub["properties"];
        let endpoints = properties["routing"]["endpoints"]
            .as_object()
            .into_iter()
            .flatten();
        let endpoints = endpoints.flat_map(|(_, list)| list.as_array().into_iter().flatten());
        let uploads = properties["storageEndpoints"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, one)| one);
        for endpoint in endpoints.chain(uploads) {
            if endpoint["authenticationType"] != "identityBased" {
                found.push(format!("{shape}: the hub logs in by key, {endpoint}"));
            }
        }
    }
    found
}
