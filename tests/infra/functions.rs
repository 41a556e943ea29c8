//! `host.json`, the functions and the app against the program.

use std::collections::BTreeSet;
use std::path::Path;

use meterbridge::config::{SETTINGS, duration};
use serde_json::{Value, json};

use crate::deployment::{Deployment, SHAPES, name, place};

/// The bindings of all functions: function, binding.
fn bindings(deployment: &Deployment) -> impl Iterator<Item = (&str, &Value)> {
    deployment.functions.iter().flat_map(|(function, json)| {
        let bindings = json["bindings"].as_array().unwrap();
        bindings.iter().map(move |binding| (function.as_str(), binding))
    })
}

/// Every trigger is answered under its folder's name and its binding's; one HTTP function takes every path behind a key.
pub fn answered(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    let mut kinds = BTreeSet::new();
    for (function, binding) in bindings(deployment) {
        let kind = binding["type"].as_str().unwrap_or_default();
        if kind.ends_with("Trigger") && !kinds.insert(kind) {
            found.push(format!("{function}: a second {kind}"));
        }
        match kind {
            "timerTrigger" | "queueTrigger" => {
                let binding = binding["name"].as_str().unwrap_or_default();
                let status = deployment.handler.status(function, binding);
                if status != 500 {
                    found.push(format!(
                        "a call of {function} with `{binding}` is answered by {status}"
                    ));
                }
            }
            // With a second or an open function the first is no longer safe: the host tries them by name.
            "httpTrigger" if binding["route"] != "{*path}" || binding["authLevel"] != "function" => {
                found.push(format!(
                    "{function} does not take every path behind a function key"
                ));
            }
            _ => {}
        }
        if kind == "timerTrigger" && (binding["useMonitor"] != true || binding["runOnStartup"] != false) {
            found.push(format!(
                "{function}: missed ticks are lost, or every new instance polls"
            ));
        }
    }
    if !kinds
        .into_iter()
        .eq(["httpTrigger", "queueTrigger", "timerTrigger"])
    {
        found.push("there is not one function of each kind".to_owned());
    }
    found
}

/// The host starts the program that is packaged, passes HTTP through unchanged, and lets a worker finish.
pub fn host(deployment: &Deployment) -> Vec<String> {
    let host = &deployment.host;
    let mut found = Vec::new();
    let mut is = |pointer: &str, expected: Value| {
        let value = host.pointer(pointer).cloned().unwrap_or_default();
        if value != expected {
            found.push(format!("{pointer} is {value}, not {expected}"));
        }
    };
    let binary = Path::new(env!("CARGO_BIN_EXE_meterbridge"));
    is(
        "/customHandler/description/defaultExecutablePath",
        json!(binary.file_name().unwrap().to_str()),
    );
    is("/customHandler/enableProxyingHttpRequest", json!(true));
    is("/customHandler/enableForwardingHttpRequest", Value::Null);
    is("/extensions/http/routePrefix", json!(""));
    is("/extensions/queues/messageEncoding", json!("base64"));
    is(
        "/extensionBundle/id",
        json!("Microsoft.Azure.Functions.ExtensionBundle"),
    );
    let timeout = seconds(host["functionTimeout"].as_str().unwrap_or_default());
    let worker = default("WORKER_TICK_SECONDS").parse::<u64>().unwrap();
    // The tick ends by itself, a minute before the host would kill the process.
    if timeout < worker + 60 {
        found.push(format!(
            "functionTimeout is {timeout} s, a worker's tick {worker} s"
        ));
    }
    // Jobs wait for this long at most; the platform's own default is a minute.
    let polling = &host["extensions"]["queues"]["maxPollingInterval"];
    if !(1..=2).contains(&seconds(polling.as_str().unwrap_or_default())) {
        found.push(format!("maxPollingInterval is {polling}"));
    }
    found
}

/// `hh:mm:ss`; 0 for anything else.
fn seconds(text: &str) -> u64 {
    let parts: Vec<u64> = text.split(':').filter_map(|part| part.parse().ok()).collect();
    match parts[..] {
        [hours, minutes, seconds] => hours * 3600 + minutes * 60 + seconds,
        _ => 0,
    }
}

fn default(name: &str) -> &'static str {
    SETTINGS
        .iter()
        .find(|setting| setting.name == name)
        .unwrap()
        .default
        .unwrap()
}

/// The image starts the packaged program, as nobody, with settings that it knows.
pub fn image(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    let image = &deployment.image;
    let program = deployment.host["customHandler"]["description"]["defaultExecutablePath"].as_str();
    let program = program.unwrap_or_default();
    for line in [
        format!("COPY --chmod=755 dist/{program} /{program}"),
        format!("ENTRYPOINT [\"/{program}\"]"),
        "FROM scratch".to_owned(),
        "USER 65532:65532".to_owned(),
    ] {
        if !image.lines().any(|own| own == line) {
            found.push(format!("Dockerfile has no `{line}`"));
        }
    }
    let settings = image.lines().filter_map(|line| line.strip_prefix("ENV "));
    let names = settings
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split('=').next());
    for name in names {
        if !SETTINGS.iter().any(|setting| setting.name == name) {
            found.push(format!("Dockerfile sets {name}, which is no setting"));
        }
    }
    found
}

/// What Flex Consumption takes, and azd finds.
pub fn app(deployment: &Deployment) -> Vec<String> {
    // Refused there, or meant for other plans, or without effect on Linux.
    const FOREIGN: [&str; 5] = [
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_EXTENSION_VERSION",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
        "WEBSITE_TIME_ZONE",
    ];
    let mut found = Vec::new();
    for shape in SHAPES {
        let set = deployment.settings(shape);
        found.extend(
            FOREIGN
                .iter()
                .filter(|foreign| set.contains_key(*foreign))
                .map(|foreign| format!("{shape}: {foreign} does not belong to Flex Consumption")),
        );
    }
    let mut sites = 0;
    for (shape, site) in deployment.of_type("Microsoft.Web/sites") {
        sites += 1;
        let config = &site["properties"]["functionAppConfig"];
        let mut is = |what: &str, value: &Value, expected: Value| {
            if *value != expected {
                found.push(format!(
                    "{}: {what} is {value}, not {expected}",
                    place(shape, site)
                ));
            }
        };
        is(
            "runtime",
            &config["runtime"],
            json!({"name": "custom", "version": "1.0"}),
        );
        is("kind", &site["kind"], json!("functionapp,linux"));
        let storage = &config["deployment"]["storage"];
        is("package", &storage["type"], json!("blobContainer"));
        is(
            "login",
            &storage["authentication"]["type"],
            json!("UserAssignedIdentity"),
        );
        let service = site["tags"]["azd-service-name"].as_str().unwrap_or_default();
        if service.is_empty() || !deployment.azd.contains(&format!("\n  {service}:\n")) {
            found.push(format!("{shape}: azure.yaml has no service {service:?}"));
        }
        let container = storage["value"].as_str().unwrap_or_default();
        let mut containers = deployment.of_type("Microsoft.Storage/storageAccounts/blobServices/containers");
        let holds =
            |made: &Value| container.ends_with(&format!("'{}')]", name(made).rsplit('/').next().unwrap()));
        if !containers.any(|(of, made)| of == shape && holds(made)) {
            found.push(format!("{shape}: no container for the package, {container}"));
        }
        for ready in config["scaleAndConcurrency"]["alwaysReady"].as_array().unwrap() {
            let group = ready["name"].as_str().unwrap_or_default();
            let function = group
                .strip_prefix("function:")
                .and_then(|name| deployment.functions.get(name));
            // All HTTP functions scale together, as `http`.
            let is_http = |function: &Value| function["bindings"][0]["type"] == "httpTrigger";
            if group != "http" && function.is_none_or(is_http) {
                found.push(format!("{shape}: nothing scales as {group:?}"));
            }
        }
    }
    for (shape, plan) in deployment.of_type("Microsoft.Web/serverfarms") {
        if plan["sku"]["name"] != "FC1" || plan["properties"]["reserved"] != true {
            found.push(format!("{}: no Flex Consumption on Linux", place(shape, plan)));
        }
    }
    if sites != SHAPES.len() {
        found.push(format!("{sites} apps"));
    }
    found
}

/// The queues that functions name, and their poison queues, exist under the connection that they name.
pub fn queues(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    let named: BTreeSet<&str> = bindings(deployment)
        .filter_map(|(_, binding)| binding["queueName"].as_str())
        .collect();
    if named.len() != 1 {
        found.push(format!("functions name the queues {named:?}"));
    }
    let mut expected: Vec<String> = named
        .iter()
        .flat_map(|queue| [(*queue).to_owned(), format!("{queue}-poison")])
        .collect();
    expected.sort();
    for shape in SHAPES {
        let mut made: Vec<&str> = deployment
            .of_type("Microsoft.Storage/storageAccounts/queueServices/queues")
            .filter(|(of, _)| *of == shape)
            .filter_map(|(_, queue)| name(queue).rsplit('/').next())
            .collect();
        made.sort_unstable();
        if made != expected {
            found.push(format!("{shape}: the queues {made:?}, not {expected:?}"));
        }
        let set = deployment.settings(shape);
        for (function, binding) in bindings(deployment) {
            let Some(connection) = binding["connection"].as_str() else {
                continue;
            };
            let uri = set.get(format!("{connection}__queueServiceUri").as_str());
            if !uri.is_some_and(|uri| uri.contains("primaryEndpoints.queue")) {
                found.push(format!("{shape}: {function} finds no queues by {connection}"));
            }
        }
    }
    found
}

/// The schedule in the settings is one that the program reads, too.
#[test]
fn durations_are_read() {
    assert_eq!(seconds("00:10:00"), 600);
    assert_eq!(duration::parse("10m").unwrap().as_secs(), 600);
}
