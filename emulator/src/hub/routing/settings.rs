//! The file that routes are written in: TOML, or JSON by its name's end.
//!
//! ```toml
//! fallback = true                       # what meets no route goes to events
//!
//! [[endpoint]]
//! name = "readings"
//! kind = "cosmos"
//! url = "https://contoso.documents.azure.com"
//! key = "${COSMOS_KEY}"                 # from the environment
//! database = "telemetry"
//! container = "readings"
//! partition_key = "/deviceMonth"
//! partition_key_template = "{deviceid}-{YYYY}-{MM}"
//!
//! [[endpoint]]
//! name = "archive"
//! kind = "file"
//! path = "archive.jsonl"
//!
//! [[route]]
//! name = "alarms"
//! condition = "level = 'high' AND $body.Wh > 1000"
//! endpoint = "readings"                 # or "events"
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::EVENTS;
use crate::hub::Key;
use crate::hub::expression::Expression;

/// Routes and their endpoints, checked.
#[derive(Debug, Clone)]
pub struct Routes {
    pub(super) routes: Vec<Route>,
    pub(super) endpoints: Vec<(String, Target)>,
    pub(super) fallback: bool,
}

/// A file of routes that does not hold: all its faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {}", .faults.join("\n  "))]
pub struct BadRoutes {
    path: String,
    faults: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) name: String,
    pub(super) condition: Expression,
    pub(super) endpoint: String,
}

/// Where an endpoint writes.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Cosmos(Box<Container>),
    File(PathBuf),
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) url: Url,
    pub(super) account_key: Key,
    pub(super) database: String,
    pub(super) container: String,
    /// Name of the partition key's member.
    pub(super) key: String,
    /// Its value, with placeholders.
    pub(super) template: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default = "yes")]
    fallback: bool,
    #[serde(default)]
    endpoint: Vec<EndpointSection>,
    #[serde(default)]
    route: Vec<RouteSection>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum EndpointSection {
    Cosmos {
        name: String,
        url: String,
        key: String,
        database: String,
        container: String,
        partition_key: String,
        #[serde(default = "by_device_and_month")]
        partition_key_template: String,
    },
    File {
        name: String,
        path: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteSection {
    name: String,
    #[serde(default = "always")]
    condition: String,
    endpoint: String,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

fn always() -> String {
    "true".to_owned()
}

fn by_device_and_month() -> String {
    "{deviceid}-{YYYY}-{MM}".to_owned()
}

impl Routes {
    /// Reads a file; `environment` gives the values of `${NAME}`.
    ///
    /// # Errors
    /// [`BadRoutes`], with all faults at once.
    pub fn read(path: &Path, environment: impl Fn(&str) -> Option<String>) -> Result<Self, BadRoutes> {
        let is_json = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("json"));
        let named = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&named, &text, is_json, environment),
            Err(error) => Err(BadRoutes {
                path: named,
                faults: vec![error.to_string()],
            }),
        }
    }

    fn parse(
        path: &str,
        text: &str,
        is_json: bool,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadRoutes> {
        let bad = |faults| BadRoutes {
            path: path.to_owned(),
            faults,
        };
        let document: Result<Document, String> = if is_json {
            serde_json::from_str(text).map_err(|error| error.to_string())
        } else {
            toml::from_str(text).map_err(|error: toml::de::Error| error.to_string())
        };
        let document = document.map_err(|fault| bad(vec![fault]))?;
        let mut faults = Vec::new();
        let mut endpoints: Vec<(String, Target)> = Vec::new();
        for section in document.endpoint {
            let (name, target) = target(section, &environment);
            if name == EVENTS || endpoints.iter().any(|(known, _)| *known == name) {
                faults.push(format!("endpoint {name}: the name is taken"));
            }
            match target {
                Ok(target) => endpoints.push((name, target)),
                Err(found) => faults.extend(found.into_iter().map(|what| format!("endpoint {name}: {what}"))),
            }
        }
        let known = |name: &str| name == EVENTS || endpoints.iter().any(|(known, _)| known == name);
        let mut routes: Vec<Route> = Vec::new();
        for RouteSection {
            name,
            condition,
            endpoint,
            enabled,
        } in document.route
        {
            if routes.iter().any(|route| route.name == name) {
                faults.push(format!("route {name}: the name is taken"));
            }
            // Not told twice: an endpoint with faults of its own is missing here.
            if !known(&endpoint)
                && !faults
                    .iter()
                    .any(|fault| fault.starts_with(&format!("endpoint {endpoint}:")))
            {
                faults.push(format!("route {name}: there is no endpoint {endpoint}"));
            }
            match Expression::parse(&condition) {
                Ok(condition) if enabled => routes.push(Route {
                    name,
                    condition,
                    endpoint,
                }),
                Ok(_) => {}
                Err(error) => faults.push(format!("route {name}: the condition {condition:?}: {error}")),
            }
        }
        if !faults.is_empty() {
            return Err(bad(faults));
        }
        Ok(Self {
            routes,
            endpoints,
            fallback: document.fallback,
        })
    }
}

fn target(
    section: EndpointSection,
    environment: impl Fn(&str) -> Option<String>,
) -> (String, Result<Target, Vec<String>>) {
    let (name, url, key, database, container, partition_key, template) = match section {
        EndpointSection::File { name, path } => return (name, Ok(Target::File(path))),
        EndpointSection::Cosmos {
            name,
            url,
            key,
            database,
            container,
            partition_key,
            partition_key_template,
        } => (
            name,
            url,
            key,
            database,
            container,
            partition_key,
            partition_key_template,
        ),
    };
    let mut faults = Vec::new();
    let url = Url::parse(&url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    if url.is_none() {
        faults.push("url is no http or https address".to_owned());
    }
    let variable = key.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let text = match variable {
        Some(variable) => environment(variable).ok_or_else(|| format!("key: {variable} is not set")),
        None => Ok(key),
    };
    // What is wrong is told, never the key.
    let account_key = text.and_then(|text| Key::parse(text.trim()).map_err(|error| format!("key: {error}")));
    if let Err(fault) = &account_key {
        faults.push(fault.clone());
    }
    let partition_key = partition_key.trim_start_matches('/').to_owned();
    if partition_key.is_empty() || partition_key.contains('/') {
        faults.push("partition_key is one member, such as /deviceMonth".to_owned());
    }
    for (name, value) in [("database", &database), ("container", &container)] {
        if value.is_empty() || value.contains(['/', '\\', '?', '#']) {
            faults.push(format!("{name} is no name of one"));
        }
    }
    faults.extend(placeholders(&template));
    match (url, account_key) {
        (Some(url), Ok(account_key)) if faults.is_empty() => {
            let container = Container {
                url,
                account_key,
                database,
                container,
                key: partition_key,
                template,
            };
            (name, Ok(Target::Cosmos(Box::new(container))))
        }
        _ => (name, Err(faults)),
    }
}

/// What is wrong with a template of partition keys.
fn placeholders(template: &str) -> Option<String> {
    const KNOWN: [&str; 5] = ["{iothub}", "{deviceid}", "{DD}", "{MM}", "{YYYY}"];
    let rest = KNOWN
        .iter()
        .fold(template.to_owned(), |text, known| text.replace(known, ""));
    let plain = !rest.contains(['{', '}']) && rest != template;
    (!plain).then(|| {
        format!(
            "partition_key_template has {} and nothing else in braces",
            KNOWN.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
