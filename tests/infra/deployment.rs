//! A deployment as data, and how its parts are found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::{handler, logged};

/// The shapes, by the names of their files.
pub const SHAPES: [&str; 3] = ["least", "full", "private"];

/// Everything that must fit together.
#[derive(Clone)]
pub struct Deployment {
    /// The evaluated form of each shape, as `bicep snapshot` writes it.
    pub shapes: BTreeMap<String, Value>,
    /// `host.json`.
    pub host: Value,
    /// The functions' folders, each with its `function.json`.
    pub functions: BTreeMap<String, Value>,
    /// `local.settings.json.example`.
    pub example: Value,
    /// `azure.yaml`.
    pub azd: String,
    /// `Dockerfile`.
    pub image: String,
    /// `README.md`.
    pub readme: String,
    /// `infra/settings.toml`.
    pub relation: Relation,
    /// `infra/roles.toml`.
    pub roles: Roles,
    /// `infra/accepted.toml`.
    pub accepted: Accepted,
    /// How the real handler answers calls: function and binding to an HTTP status.
    pub handler: handler::Handler,
    /// What the real program logs.
    pub logged: logged::Logged,
}

/// What settings of a deployment have to do with the program's own.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    pub platform: BTreeMap<String, String>,
    pub sources: BTreeMap<String, String>,
    pub left: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    pub role: Vec<Role>,
}

/// One line of the table of roles.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    pub who: String,
    pub on: String,
    pub role: String,
    pub id: String,
    pub why: String,
    #[serde(rename = "in", default)]
    pub shapes: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// What our own rules let pass.
    pub exception: Vec<Exception>,
    /// What checkov's rules let pass; compared by `cargo xtask infra`.
    pub finding: Vec<Finding>,
}

/// One thing that a rule lets pass.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Name of the resource without its last letters, and what is let pass there.
    pub on: String,
    pub what: String,
    pub why: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub check: String,
    /// Type of the resource.
    pub on: String,
    pub why: String,
    #[serde(rename = "in", default)]
    pub shapes: Vec<String>,
}

impl Deployment {
    /// The repository's own.
    pub fn load() -> Self {
        let json = |path: &str| serde_json::from_str::<Value>(&text(path)).unwrap();
        let shapes = SHAPES.map(|shape| (shape.to_owned(), json(&format!("infra/{shape}.snapshot.json"))));
        let folders = std::fs::read_dir(root()).unwrap().filter_map(|entry| {
            let path = entry.unwrap().path().join("function.json");
            let name = path.parent()?.file_name()?.to_str()?.to_owned();
            let function = std::fs::read(path).ok()?;
            Some((name, serde_json::from_slice(&function).unwrap()))
        });
        Self {
            shapes: shapes.into(),
            host: json("host.json"),
            functions: folders.collect(),
            example: json("local.settings.json.example"),
            azd: text("azure.yaml"),
            image: text("Dockerfile"),
            readme: text("README.md"),
            relation: toml::from_str(&text("infra/settings.toml")).unwrap(),
            roles: toml::from_str(&text("infra/roles.toml")).unwrap(),
            accepted: toml::from_str(&text("infra/accepted.toml")).unwrap(),
            handler: handler::Handler::real(),
            logged: logged::Logged::real(),
        }
    }

    /// All resources, with the shape that each belongs to.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.shapes.iter().flat_map(|(shape, snapshot)| {
            let resources = snapshot["predictedResources"].as_array().unwrap();
            resources.iter().map(move |resource| (shape.as_str(), resource))
        })
    }

    /// The resources of one type.
    pub fn of_type<'d>(&'d self, kind: &'d str) -> impl Iterator<Item = (&'d str, &'d Value)> {
        self.resources()
            .filter(move |(_, resource)| resource["type"] == kind)
    }

    /// The app's settings in a shape.
    pub fn settings(&self, shape: &str) -> BTreeMap<&str, &str> {
        self.of_type("Microsoft.Web/sites/config")
            .filter(|(of, resource)| *of == shape && name(resource).ends_with("/appsettings"))
            .filter_map(|(_, resource)| resource["properties"].as_object())
            .flatten()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect()
    }

    /// The names of the settings of all shapes.
    pub fn set(&self) -> BTreeSet<&str> {
        SHAPES
            .iter()
            .flat_map(|shape| self.settings(shape).into_keys())
            .collect()
    }

    /// Whether `infra/accepted.toml` lets this pass.
    pub fn accepts(&self, resource: &Value, what: &str) -> bool {
        let letters = name(resource).split('/').next().unwrap().to_owned();
        self.accepted
            .exception
            .iter()
            .any(|exception| exception.what == what && letters.starts_with(&exception.on))
    }
}

/// A resource's name.
pub fn name(resource: &Value) -> &str {
    resource["name"].as_str().unwrap_or_default()
}

/// Where a finding is.
pub fn place(shape: &str, resource: &Value) -> String {
    format!(
        "{shape}, {} {}",
        resource["type"].as_str().unwrap_or_default(),
        name(resource)
    )
}

/// Nothing was left out because it could not be computed: what Bicep cannot compute beforehand, Azure may refuse.
pub fn evaluated(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    for (shape, snapshot) in &deployment.shapes {
        if snapshot["diagnostics"] != Value::Array(Vec::new()) {
            found.push(format!("{shape}: {}", snapshot["diagnostics"]));
        }
    }
    for (shape, resource) in deployment.resources() {
        let version = resource["apiVersion"].as_str().unwrap_or_default();
        if version.is_empty() || version.contains("preview") {
            found.push(format!(
                "{}: `{version}` is no stable API version",
                place(shape, resource)
            ));
        }
    }
    found
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
