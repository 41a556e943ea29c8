//! Cosmos DB against the store.

use meterbridge::config::SETTINGS;
use meterbridge::store::cosmos::container_properties;
use serde_json::Value;

use crate::deployment::{Deployment, SHAPES, name};

const CONTAINERS: &str = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers";

/// The container is what the program itself would make: name, key path, indexes, time to live; a route writes where there is a container
/// with its key.
pub fn fits(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    let default = |name: &str| {
        SETTINGS
            .iter()
            .find(|setting| setting.name == name)
            .unwrap()
            .default
    };
    for shape in SHAPES {
        let set = deployment.settings(shape);
        let of = |setting: &str| set.get(setting).copied().unwrap_or_default();
        let (database, container) = (of("COSMOS_DATABASE"), of("COSMOS_CONTAINER"));
        if (Some(database), Some(container)) != (default("COSMOS_DATABASE"), default("COSMOS_CONTAINER")) {
            found.push(format!(
                "{shape}: {database}/{container} are not the program's defaults"
            ));
        }
        let resource = |wanted: &str| {
            let mut made = deployment.of_type(CONTAINERS);
            made.find(|(of, made)| *of == shape && name(made).ends_with(wanted))
                .map(|(_, made)| made["properties"]["resource"].clone())
        };
        let Some(made) = resource(&format!("/{database}/{container}")) else {
            found.push(format!("{shape}: no container {database}/{container}"));
            continue;
        };
        let expected = serde_json::to_value(container_properties(container)).unwrap();
        for member in ["id", "partitionKey", "defaultTtl"] {
            if made[member] != expected[member] {
                found.push(format!(
                    "{shape}: {member} of {container} is {}, the program makes {}",
                    made[member], expected[member]
                ));
            }
        }
        let (made_index, index) = (&made["indexingPolicy"], &expected["indexingPolicy"]);
        let mode = |policy: &Value| policy["indexingMode"].as_str().unwrap_or_default().to_lowercase();
        if paths(&made_index["includedPaths"]) != paths(&index["includedPaths"])
            || paths(&made_index["excludedPaths"]) != paths(&index["excludedPaths"])
            || mode(made_index) != mode(index)
        {
            found.push(format!(
                "{shape}: {made_index} is indexed, the program makes {index}"
            ));
        }
        let account = deployment
            .of_type("Microsoft.DocumentDB/databaseAccounts")
            .find(|(of, _)| *of == shape);
        // Weaker, a read after a claim may see the state before it.
        let consistency = account
            .map(|(_, account)| &account["properties"]["consistencyPolicy"]["defaultConsistencyLevel"]);
        if !consistency
            .is_some_and(|level| ["Session", "Strong"].contains(&level.as_str().unwrap_or_default()))
        {
            found.push(format!("{shape}: consistency is {consistency:?}"));
        }
        let hub = deployment
            .of_type("Microsoft.Devices/IotHubs")
            .find(|(of, _)| *of == shape);
        let Some((_, hub)) = hub else {
            found.push(format!("{shape}: no hub"));
            continue;
        };
        let routing = &hub["properties"]["routing"];
        for endpoint in routing["endpoints"]["cosmosDBSqlContainers"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let member = |name: &str| endpoint[name].as_str().unwrap_or_default();
            let target = format!("/{}/{}", member("databaseName"), member("containerName"));
            let key = resource(&target).map(|made| made["partitionKey"]["paths"].clone());
            if key != Some(serde_json::json!([format!("/{}", member("partitionKeyName"))])) {
                found.push(format!(
                    "{shape}: the route to {target} does not write its key, {key:?}"
                ));
            }
            if member("containerName") == container {
                found.push(format!("{shape}: the hub writes into the store"));
            }
        }
        // A route takes messages away from the built-in endpoint, unless another one leads there.
        let routes = routing["routes"].as_array().into_iter().flatten();
        let targets: Vec<&str> = routes
            .filter_map(|route| route["endpointNames"][0].as_str())
            .collect();
        if !targets.is_empty() && !targets.contains(&"events") {
            found.push(format!(
                "{shape}: with the routes {targets:?} consumers see nothing"
            ));
        }
    }
    found
}

fn paths(of: &Value) -> Vec<&str> {
    let mut paths: Vec<&str> = of
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|path| path["path"].as_str())
        .collect();
    paths.sort_unstable();
    paths
}
