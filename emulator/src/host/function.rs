//! One function: what triggers it and which queues it writes to, from its `function.json`.

use std::path::Path;

use serde::Deserialize;

use super::app::{AppError, Settings, parse};
use super::schedule::Schedule;

/// A function by the name of its folder.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) trigger: Trigger,
    pub(super) outputs: Vec<QueueOutput>,
}

/// What starts a function; `binding` is the member under `Data` in a call.
#[derive(Debug, Clone)]
pub(super) enum Trigger {
    Timer {
        binding: String,
        schedule: Schedule,
        monitored: bool,
        run_on_startup: bool,
    },
    Queue {
        binding: String,
        queue: String,
    },
    Http {
        route: String,
        /// Upper case; empty means any.
        methods: Vec<String>,
        level: Level,
    },
}

/// `authLevel` of an HTTP function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Anonymous,
    Function,
    Admin,
}

/// A queue output binding.
#[derive(Debug, Clone)]
pub(super) struct QueueOutput {
    /// The member under `Outputs` in an answer.
    pub(super) binding: String,
    pub(super) queue: String,
}

impl Function {
    /// All functions of an app root, alphabetically, and one sentence for each that could not be loaded.
    pub(super) fn read_all(root: &Path, settings: &Settings) -> Result<(Vec<Self>, Vec<String>), AppError> {
        let unreadable = |source| AppError::Read {
            path: root.to_owned(),
            source,
        };
        let mut functions = Vec::new();
        let mut problems = Vec::new();
        for entry in std::fs::read_dir(root).map_err(unreadable)? {
            let folder = entry.map_err(unreadable)?.path();
            let path = folder.join("function.json");
            let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let disabled = settings
                .get(&format!("AzureWebJobs.{name}.Disabled"))
                .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"));
            if disabled || !path.is_file() {
                continue;
            }
            match Self::load(name, &path, settings) {
                Ok(function) => functions.push(function),
                Err(reason) => problems.push(format!(
                    "The '{name}' function is in error: Error indexing method 'Functions.{name}': {reason}"
                )),
            }
        }
        functions.sort_by_key(|function| function.name.to_lowercase());
        problems.sort();
        Ok((functions, problems))
    }

    pub(super) fn is_http(&self) -> bool {
        matches!(self.trigger, Trigger::Http { .. })
    }

    fn load(name: &str, path: &Path, settings: &Settings) -> Result<Self, String> {
        let file: FunctionJson = parse(path).map_err(|error| error.to_string())?;
        let mut trigger = None;
        let mut outputs = Vec::new();
        for binding in file.bindings {
            match (binding.kind.to_lowercase().as_str(), binding.direction.as_deref()) {
                ("queue", Some("out")) => outputs.push(QueueOutput {
                    queue: binding.queue(settings)?,
                    binding: binding.name,
                }),
                ("http", Some("out")) => {}
                (kind, _) if kind.ends_with("trigger") && trigger.is_none() => {
                    trigger = Some(binding.trigger(name, settings)?);
                }
                (kind, _) => {
                    return Err(format!("the binding {kind:?} is not known to this double"));
                }
            }
        }
        Ok(Self {
            name: name.to_owned(),
            trigger: trigger.ok_or("it has no trigger binding")?,
            outputs,
        })
    }
}

#[derive(Deserialize)]
struct FunctionJson {
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    direction: Option<String>,
    schedule: Option<String>,
    use_monitor: Option<bool>,
    #[serde(default)]
    run_on_startup: bool,
    queue_name: Option<String>,
    route: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    auth_level: Option<String>,
}

impl Binding {
    fn trigger(self, function: &str, settings: &Settings) -> Result<Trigger, String> {
        match self.kind.to_lowercase().as_str() {
            "timertrigger" => Ok(Trigger::Timer {
                schedule: resolve(self.schedule.as_deref().ok_or("schedule is missing")?, settings)?
                    .parse()?,
                monitored: self.use_monitor.unwrap_or(true),
                run_on_startup: self.run_on_startup,
                binding: self.name,
            }),
            "queuetrigger" => Ok(Trigger::Queue {
                queue: self.queue(settings)?,
                binding: self.name,
            }),
            "httptrigger" => Ok(Trigger::Http {
                route: self.route.unwrap_or_else(|| function.to_owned()),
                methods: self
                    .methods
                    .iter()
                    .map(|method| method.to_ascii_uppercase())
                    .collect(),
                level: match self.auth_level.as_deref().map(str::to_ascii_lowercase).as_deref() {
                    Some("anonymous") => Level::Anonymous,
                    None | Some("function") => Level::Function,
                    Some("admin") => Level::Admin,
                    Some(other) => return Err(format!("authLevel is {other:?}")),
                },
            }),
            other => Err(format!("the trigger {other:?} is not known to this double")),
        }
    }

    fn queue(&self, settings: &Settings) -> Result<String, String> {
        resolve(
            self.queue_name.as_deref().ok_or("queueName is missing")?,
            settings,
        )
    }
}

/// `%Name%`, as the whole text, stands for a setting; a setting that is missing is an error.
fn resolve(text: &str, settings: &Settings) -> Result<String, String> {
    match text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) {
        None => Ok(text.to_owned()),
        Some(name) => settings
            .get(name)
            .cloned()
            .ok_or_else(|| format!("'{text}' does not resolve to a value: the setting {name} is missing")),
    }
}
