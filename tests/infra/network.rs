//! The private shape: every door to the public is shut, and each has its private one.

use std::collections::BTreeSet;

use crate::deployment::{Deployment, name, place};

/// Types with a private door, and the sub-resources behind it. Roles of storage accounts differ, so they are told apart by name.
const DOORS: [(&str, &str, &[&str]); 6] = [
    ("Microsoft.Storage/storageAccounts", "stphotos", &["blob"]),
    ("Microsoft.Storage/storageAccounts", "st", &["blob", "queue"]),
    ("Microsoft.DocumentDB/databaseAccounts", "cosmos-", &["Sql"]),
    ("Microsoft.KeyVault/vaults", "kv-", &["vault"]),
    ("Microsoft.Devices/IotHubs", "iot-", &["iotHub"]),
    ("Microsoft.Devices/provisioningServices", "dps-", &["iotDps"]),
];

pub fn private(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    let own = |(shape, _): &(&str, _)| *shape == "private";
    let mut seen = BTreeSet::new();
    for (shape, resource) in deployment.resources().filter(own) {
        let public = &resource["properties"]["publicNetworkAccess"];
        if !public.is_null() && public != "Disabled" && !deployment.accepts(resource, "publicNetworkAccess") {
            found.push(format!("{}: public access is {public}", place(shape, resource)));
        }
        let action = &resource["properties"]["networkAcls"]["defaultAction"];
        if !action.is_null() && action != "Deny" {
            found.push(format!("{}: others are let in, {action}", place(shape, resource)));
        }
        let door = DOORS
            .iter()
            .find(|(kind, begin, _)| resource["type"] == *kind && name(resource).starts_with(begin));
        let Some((_, begin, groups)) = door else { continue };
        seen.insert(begin);
        for group in *groups {
            let leads = |endpoint: &serde_json::Value| {
                let connection = &endpoint["properties"]["privateLinkServiceConnections"][0]["properties"];
                connection["privateLinkServiceId"] == resource["id"] && connection["groupIds"][0] == *group
            };
            let endpoint = deployment
                .of_type("Microsoft.Network/privateEndpoints")
                .find(|found| own(found) && leads(found.1));
            let Some((_, endpoint)) = endpoint else {
                found.push(format!(
                    "{}: no private endpoint to {group}",
                    place(shape, resource)
                ));
                continue;
            };
            // Its name leads to it only by a zone.
            let zones = deployment
                .of_type("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
                .find(|found| own(found) && name(found.1) == format!("{}/default", name(endpoint)));
            let configs = zones.map(|(_, group)| &group["properties"]["privateDnsZoneConfigs"]);
            let id = configs.and_then(|configs| configs[0]["properties"]["privateDnsZoneId"].as_str());
            let zone = match *group {
                "blob" => "privatelink.blob.",
                "queue" => "privatelink.queue.",
                "Sql" => "privatelink.documents.azure.com",
                "vault" => "privatelink.vaultcore.azure.net",
                "iotHub" => "privatelink.azure-devices.net",
                _ => "privatelink.azure-devices-provisioning.net",
            };
            if !id.is_some_and(|id| id.contains(zone)) {
                found.push(format!(
                    "{}: {group} is in the zone {id:?}",
                    place(shape, resource)
                ));
            }
        }
    }
    if seen.len() != DOORS.len() {
        found.push(format!("private: only {seen:?}"));
    }
    let zones = deployment
        .of_type("Microsoft.Network/privateDnsZones")
        .filter(own)
        .count();
    let links = deployment
        .of_type("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
        .filter(own)
        .count();
    if zones == 0 || zones != links {
        found.push(format!("private: {zones} zones, {links} linked"));
    }
    for (_, site) in deployment.of_type("Microsoft.Web/sites").filter(own) {
        let subnet = site["properties"]["virtualNetworkSubnetId"]
            .as_str()
            .unwrap_or_default();
        let network = deployment.of_type("Microsoft.Network/virtualNetworks").find(own);
        let subnets = network
            .map(|(_, network)| network["properties"]["subnets"].clone())
            .unwrap_or_default();
        let mut subnets = subnets.as_array().cloned().unwrap_or_default().into_iter();
        let own = subnets
            .find(|own| subnet.ends_with(&format!("/subnets/{}", own["name"].as_str().unwrap_or_default())));
        let delegated =
            own.map(|own| own["properties"]["delegations"][0]["properties"]["serviceName"].clone());
        if delegated != Some("Microsoft.App/environments".into()) {
            found.push(format!(
                "private: the app calls out from {subnet:?}, delegated to {delegated:?}"
            ));
        }
    }
    // The global name of the provisioning service is not reached through a private endpoint.
    for (shape, member) in [
        ("private", "serviceOperationsHostName"),
        ("full", "deviceProvisioningHostName"),
    ] {
        if !deployment
            .settings(shape)
            .get("DPS_ENDPOINT")
            .is_some_and(|value| value.contains(member))
        {
            found.push(format!("{shape}: DPS_ENDPOINT is not {member}"));
        }
    }
    found
}
