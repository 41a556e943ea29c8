//! Role assignments against `infra/roles.toml`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::deployment::{Deployment, SHAPES};

/// The beginnings of names, and what roles.toml calls what bears them. The longer first.
const NAMES: [(&str, &str); 10] = [
    ("id-app-", "app"),
    ("id-hub-", "hub"),
    ("stphotos", "photos"),
    ("st", "storage"),
    ("cosmos-", "cosmos"),
    ("iot-", "hub"),
    ("dps-", "provisioning"),
    ("kv-", "vault"),
    ("appi-", "insights"),
    ("oai-", "openai"),
];

/// No role more, less or other than listed; and identities only, never a group or a key.
pub fn listed(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    for shape in SHAPES {
        // Counted, so that one that is given twice shows, too.
        let mut count: BTreeMap<(String, String, &str), i32> = BTreeMap::new();
        let roles = &deployment.roles.role;
        for role in roles
            .iter()
            .filter(|role| role.shapes.is_empty() || role.shapes.iter().any(|of| of == shape))
        {
            *count
                .entry((role.who.clone(), role.on.clone(), &role.id))
                .or_default() += 1;
        }
        for (_, resource) in deployment.resources().filter(|(of, _)| *of == shape) {
            let Some(given) = given(resource) else { continue };
            if resource["type"] == "Microsoft.Authorization/roleAssignments" {
                let kind = resource["properties"]["principalType"]
                    .as_str()
                    .unwrap_or_default();
                if (given.0 == "deployer") != (kind == "User") {
                    found.push(format!("{shape}: {} is a {kind}", given.0));
                }
            }
            *count.entry(given).or_default() -= 1;
        }
        for ((who, on, id), count) in count {
            match count {
                0 => {}
                1.. => found.push(format!("{shape}: {who} lacks {} on {on}", title(deployment, id))),
                _ => found.push(format!(
                    "{shape}: {who} has {} on {on}, which roles.toml does not list",
                    title(deployment, id)
                )),
            }
        }
    }
    let nameless = deployment
        .roles
        .role
        .iter()
        .filter(|role| role.role.is_empty() || role.why.is_empty());
    found.extend(nameless.map(|role| format!("roles.toml does not say what {} is for", role.id)));
    found
}

/// Who, on what, which role.
fn given(resource: &Value) -> Option<(String, String, &str)> {
    let properties = &resource["properties"];
    let id = properties["roleDefinitionId"].as_str()?.rsplit('/').next()?;
    let principal = properties["principalId"].as_str()?;
    let who = match principal.split("/userAssignedIdentities/").nth(1) {
        Some(identity) => called(identity),
        None => "deployer".to_owned(),
    };
    // Cosmos DB's own roles name their scope; the others are part of what they are on.
    let on = match properties["scope"].as_str() {
        Some(scope) => {
            let mut below = scope.split("/databaseAccounts/").nth(1)?.split('/');
            let account = called(below.next()?);
            let parts: Vec<&str> = below.skip(1).step_by(2).collect();
            [vec![account.as_str()], parts].concat().join("/")
        }
        None => {
            let target = resource["id"]
                .as_str()?
                .split("/providers/Microsoft.Authorization/")
                .next()?;
            called(target.rsplit('/').next()?)
        }
    };
    Some((who, on, id))
}

fn called(name: &str) -> String {
    let known = NAMES.iter().find(|(begin, _)| name.starts_with(begin));
    known.map_or(name, |(_, called)| called).to_owned()
}

fn title<'d>(deployment: &'d Deployment, id: &'d str) -> &'d str {
    let role = deployment.roles.role.iter().find(|role| role.id == id);
    role.map_or(id, |role| role.role.as_str())
}
