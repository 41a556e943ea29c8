//! The app as its folder describes it: `host.json`, one `function.json` per function, and the settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::dates::time_span;
use super::function::Function;
use super::queue::Encoding;
use super::schedule::limit;

/// Application settings: name and value, as in `local.settings.json` and in the handler's environment.
pub type Settings = BTreeMap<String, String>;

/// `host.json` after the overrides, its defaults filled in.
#[derive(Debug)]
pub(super) struct App {
    pub(super) executable: String,
    pub(super) arguments: Vec<String>,
    pub(super) working_directory: PathBuf,
    pub(super) initialization_timeout: Duration,
    pub(super) function_timeout: Option<Duration>,
    pub(super) route_prefix: String,
    pub(super) queues: Queues,
    /// In alphabetical order of their names, which is also the order in which HTTP routes are tried.
    pub(super) functions: Vec<Function>,
    /// One sentence for each function that could not be loaded; the host goes on without it.
    pub(super) problems: Vec<String>,
    /// Whether the host answers `GET /` itself.
    pub(super) homepage: bool,
}

/// `extensions.queues`.
#[derive(Debug, Clone)]
pub(super) struct Queues {
    pub(super) batch_size: usize,
    pub(super) new_batch_threshold: usize,
    pub(super) max_dequeue_count: u32,
    pub(super) visibility_timeout: Duration,
    pub(super) max_polling_interval: Duration,
    pub(super) encoding: Encoding,
}

/// Why an app cannot be started at all.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A file that must be there cannot be read.
    #[error("{path}: {source}; the app root must hold host.json and a folder per function")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not what the host expects.
    #[error("{path}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

impl App {
    /// Reads an app root. Functions that cannot be loaded become [`App::problems`].
    pub(super) fn read(root: &Path, settings: &Settings) -> Result<Self, AppError> {
        let path = root.join("host.json");
        let mut json: Value = parse(&path)?;
        for (name, value) in settings {
            if let Some(keys) = name.strip_prefix("AzureFunctionsJobHost__") {
                overlay(&mut json, &keys.split("__").collect::<Vec<_>>(), value);
            }
        }
        let invalid = |reason: String| AppError::Invalid {
            path: path.clone(),
            reason,
        };
        let host: HostJson = serde_json::from_value(json).map_err(|error| invalid(error.to_string()))?;
        let span = |name: &str, text: Option<&str>, default: Duration| match text {
            None => Ok(default),
            Some(text) => time_span(text)
                .ok_or_else(|| invalid(format!("{name} is {text:?}, a span such as 00:00:30 is wanted"))),
        };
        let handler = host.custom_handler;
        let description = handler.description;
        let executable = expand(&description.default_executable_path, settings);
        if executable.is_empty() {
            return Err(invalid(
                "customHandler.description.defaultExecutablePath is missing".to_owned(),
            ));
        }
        let queues = host.extensions.queues;
        let batch_size = queues.batch_size.unwrap_or(16);
        if !(1..=32).contains(&batch_size) {
            return Err(invalid(format!(
                "extensions.queues.batchSize is {batch_size}, it must be 1 to 32"
            )));
        }
        let encoding = match queues
            .message_encoding
            .as_deref()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None | Some("base64") => Encoding::Base64,
            Some("none") => Encoding::None,
            Some(other) => {
                return Err(invalid(format!(
                    "messageEncoding is {other:?}, base64 or none is wanted"
                )));
            }
        };
        let function_timeout = match host.function_timeout.as_deref() {
            None => Some(Duration::from_secs(30 * 60)),
            Some(text) => limit(text)
                .ok_or_else(|| invalid(format!("functionTimeout is {text:?}, a span or -1 is wanted")))?,
        };
        let (functions, problems) = Function::read_all(root, settings)?;
        if !handler.enable_proxying_http_request && functions.iter().any(Function::is_http) {
            return Err(invalid(
                "an HTTP function without customHandler.enableProxyingHttpRequest: this double plays the proxying mode only"
                    .to_owned(),
            ));
        }
        Ok(Self {
            executable,
            arguments: description
                .arguments
                .iter()
                .map(|text| expand(text, settings))
                .collect(),
            working_directory: root.join(description.working_directory),
            initialization_timeout: span(
                "customHandler.initializationTimeout",
                handler.initialization_timeout.as_deref(),
                Duration::from_secs(30),
            )?,
            function_timeout,
            route_prefix: host
                .extensions
                .http
                .route_prefix
                .unwrap_or_else(|| "api".to_owned()),
            queues: Queues {
                batch_size,
                new_batch_threshold: queues.new_batch_threshold.unwrap_or(batch_size / 2),
                max_dequeue_count: queues.max_dequeue_count.unwrap_or(5),
                visibility_timeout: span(
                    "extensions.queues.visibilityTimeout",
                    queues.visibility_timeout.as_deref(),
                    Duration::ZERO,
                )?,
                max_polling_interval: span(
                    "extensions.queues.maxPollingInterval",
                    queues.max_polling_interval.as_deref(),
                    Duration::from_secs(60),
                )?,
                encoding,
            },
            functions,
            problems,
            homepage: !settings
                .get("AzureWebJobsDisableHomepage")
                .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1"),
        })
    }
}

/// The `Values` of a `local.settings.json`.
///
/// # Errors
/// [`AppError`] if the file cannot be read, is encrypted, or holds values that are not text.
pub fn read_settings(path: &Path) -> Result<Settings, AppError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct File {
        #[serde(default)]
        is_encrypted: bool,
        #[serde(default)]
        values: Settings,
    }
    let file: File = parse(path)?;
    if file.is_encrypted {
        return Err(AppError::Invalid {
            path: path.to_owned(),
            reason: "IsEncrypted is true; run `func settings decrypt` first".to_owned(),
        });
    }
    Ok(file.values)
}

/// Replaces each `%Name%` whose setting exists, as the host does in paths and arguments.
pub(super) fn expand(text: &str, settings: &Settings) -> String {
    settings.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("%{name}%"), value)
    })
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, AppError> {
    let text = std::fs::read_to_string(path).map_err(|source| AppError::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| AppError::Invalid {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// Sets one value of `host.json` from a setting `AzureFunctionsJobHost__a__b`; names match in any case.
fn overlay(json: &mut Value, keys: &[&str], value: &str) {
    let Some((key, rest)) = keys.split_first() else {
        *json = match value {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            _ => value
                .parse::<u64>()
                .map_or_else(|_| Value::from(value), Value::from),
        };
        return;
    };
    if !json.is_object() {
        *json = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(members) = json {
        let known = members
            .keys()
            .find(|name| name.eq_ignore_ascii_case(key))
            .cloned();
        let name = known.unwrap_or_else(|| (*key).to_owned());
        overlay(members.entry(name).or_insert(Value::Null), rest, value);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HostJson {
    function_timeout: Option<String>,
    custom_handler: CustomHandler,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomHandler {
    description: Description,
    #[serde(default)]
    enable_proxying_http_request: bool,
    initialization_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    default_executable_path: String,
    #[serde(default)]
    working_directory: String,
    #[serde(default)]
    arguments: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Extensions {
    #[serde(default)]
    http: Http,
    #[serde(default)]
    queues: QueuesJson,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    route_prefix: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueuesJson {
    batch_size: Option<usize>,
    new_batch_threshold: Option<usize>,
    max_dequeue_count: Option<u32>,
    visibility_timeout: Option<String>,
    max_polling_interval: Option<String>,
    message_encoding: Option<String>,
}
