//! Deliberate mistakes, one at a time, each on a copy of the deployment: the rule that is named must find it. What only the compiler can
//! see is changed in a copy of the Bicep files.

use serde_json::{Value, json};

use crate::compiler;
use crate::deployment::{Deployment, Role, SHAPES, name};
use crate::{RULES, Rule};

type Change = Box<dyn Fn(&mut Deployment)>;

/// A mistake, the rule that finds it, and how it is made.
type Mistake = (&'static str, &'static str, Change);

const COSMOS: &str = "Microsoft.DocumentDB/databaseAccounts";
const CONTAINER: &str = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers";
const HUB: &str = "Microsoft.Devices/IotHubs";
const DPS: &str = "Microsoft.Devices/provisioningServices";
const SITE: &str = "Microsoft.Web/sites";
const SETTINGS: &str = "Microsoft.Web/sites/config";
const STORAGE: &str = "Microsoft.Storage/storageAccounts";
const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";
const QUEUES: &str = "Microsoft.Storage/storageAccounts/queueServices/queues";
const ROLE: &str = "Microsoft.Authorization/roleAssignments";
const RULE: &str = "Microsoft.Insights/scheduledQueryRules";
const ENDPOINT: &str = "Microsoft.Network/privateEndpoints";

#[rustfmt::skip]
fn mistakes() -> Vec<Mistake> {
    const EVALUATED: &str = "everything was evaluated";
    const KNOWN: &str = "settings are those of the program";
    const VAULT: &str = "secrets are in the vault";
    const TAKEN: &str = "the program accepts its settings";
    const ANSWERED: &str = "functions are those of the program";
    const HOST: &str = "host.json fits the program";
    const IMAGE: &str = "the image runs the program";
    const APP: &str = "the app fits Flex Consumption";
    const QUEUED: &str = "queues are those of the functions";
    const STORE: &str = "the store is the program's";
    const ROLES: &str = "roles are those of roles.toml";
    const SHUT: &str = "nothing is open that can be shut";
    const KEYLESS: &str = "no key is used";
    const PRIVATE: &str = "the private shape is private";
    const WATCH: &str = "alerts and workbook ask for what is logged";
    vec![
        // Settings.
        ("a renamed setting", KNOWN, rename_setting("COSMOS_ENDPOINT", "COSMOS_URL")),
        ("a setting that one shape lacks", KNOWN, change("least", SETTINGS, "/properties/TimerSchedule", None)),
        ("a setting that nobody reads", KNOWN, change("*", SETTINGS, "/properties/POLL_EVERY", Some(json!("60")))),
        ("a setting that is neither set nor left", KNOWN, Box::new(|d| drop(d.relation.left.remove("RETENTION_DAYS")))),
        ("a setting that is left though it is set", KNOWN, Box::new(|d| drop(d.relation.left.insert("IOTHUB_TIER".into(), "x".into())))),
        ("a setting that the example lacks", KNOWN, Box::new(|d| { drop(d.example["Values"].as_object_mut().unwrap().remove("DPS_ID_SCOPE")) })),
        ("a setting that the README lacks", KNOWN, Box::new(|d| d.readme = d.readme.replace("| `DPS_ID_SCOPE` |", "| `DPS_SCOPE` |"))),
        ("a schedule under another name", KNOWN, function("TimerPoll", "/bindings/0/schedule", json!("%Schedule%"))),
        ("a secret in the clear", VAULT, change("*", SETTINGS, "/properties/DPS_GROUP_KEY", Some(json!("c2VjcmV0c2VjcmV0c2VjcmV0")))),
        ("a tier that is not the hub's", TAKEN, change("full", SETTINGS, "/properties/IOTHUB_TIER", Some(json!("F1")))),
        ("a schedule that is none", TAKEN, change("*", SETTINGS, "/properties/TimerSchedule", Some(json!("every minute")))),
        ("an endpoint without TLS", TAKEN, change("*", SETTINGS, "/properties/COSMOS_ENDPOINT", Some(json!("http://cosmos-x.documents.azure.com/")))),
        ("no group key", TAKEN, change("full", SETTINGS, "/properties/DPS_GROUP_KEY", None)),
        // Functions and host.
        ("a function under another name", ANSWERED, Box::new(|d| { let f = d.functions.remove("PollWorker").unwrap(); d.functions.insert("Worker".into(), f); })),
        ("a binding under another name", ANSWERED, function("TimerPoll", "/bindings/0/name", json!("myTimer"))),
        ("a job under another name", ANSWERED, function("PollWorker", "/bindings/0/name", json!("message"))),
        ("operations without a key", ANSWERED, function("Operations", "/bindings/0/authLevel", json!("anonymous"))),
        ("a second HTTP function", ANSWERED, Box::new(|d| { let f = d.functions["Operations"].clone(); d.functions.insert("Dashboard".into(), f); })),
        ("a poll at each start of an instance", ANSWERED, function("TimerPoll", "/bindings/0/runOnStartup", json!(true))),
        ("a moved binary", HOST, host("/customHandler/description/defaultExecutablePath", json!("bin/meterbridge"))),
        ("forwarding besides proxying", HOST, host("/customHandler/enableForwardingHttpRequest", json!(true))),
        ("a prefix before every route", HOST, host("/extensions/http/routePrefix", json!("api"))),
        ("a timeout shorter than a tick", HOST, host("/functionTimeout", json!("00:05:00"))),
        ("jobs that wait for a minute", HOST, host("/extensions/queues/maxPollingInterval", json!("00:01:00"))),
        ("a moved binary in the image", IMAGE, Box::new(|d| d.image = d.image.replace("dist/meterbridge ", "dist/bin/meterbridge "))),
        ("an image with a setting that nobody reads", IMAGE, Box::new(|d| d.image = d.image.replace("STORE_PATH=", "STORE_FILE="))),
        ("an image that runs as root", IMAGE, Box::new(|d| d.image = d.image.replace("USER 65532:65532\n", ""))),
        // The app.
        ("another version of the runtime", APP, change("*", SITE, "/properties/functionAppConfig/runtime/version", Some(json!("1")))),
        ("another runtime", APP, change("full", SITE, "/properties/functionAppConfig/runtime/name", Some(json!("dotnet-isolated")))),
        ("a setting of another plan", APP, change("*", SETTINGS, "/properties/FUNCTIONS_WORKER_RUNTIME", Some(json!("custom")))),
        ("always ready under no name", APP, change("full", SITE, "/properties/functionAppConfig/scaleAndConcurrency/alwaysReady/1/name", Some(json!("PollWorker")))),
        ("an HTTP function that is always ready by itself", APP, change("full", SITE, "/properties/functionAppConfig/scaleAndConcurrency/alwaysReady/0/name", Some(json!("function:Operations")))),
        ("a package in no container", APP, rename(BLOBS, "packages", "package")),
        ("a service that azd does not find", APP, change("*", SITE, "/tags/azd-service-name", Some(json!("poller")))),
        ("a package fetched by key", APP, change("*", SITE, "/properties/functionAppConfig/deployment/storage/authentication/type", Some(json!("StorageAccountConnectionString")))),
        // Queues.
        ("a wrong queue name", QUEUED, function("PollWorker", "/bindings/0/queueName", json!("polls"))),
        ("a queue that is not made", QUEUED, rename(QUEUES, "meterbridge-polls-poison", "meterbridge-poison")),
        ("a queue's connection that is not set", QUEUED, change("private", SETTINGS, "/properties/AzureWebJobsStorage__queueServiceUri", None)),
        // The store.
        ("a wrong key path", STORE, change("*", CONTAINER, "/properties/resource/partitionKey/paths/0", Some(json!("/id")))),
        ("a changed TTL", STORE, change("*", CONTAINER, "/properties/resource/defaultTtl", Some(json!(7_776_000)))),
        ("no TTL at all", STORE, change("least", CONTAINER, "/properties/resource/defaultTtl", None)),
        ("an index that is missing", STORE, change("*", CONTAINER, "/properties/resource/indexingPolicy/includedPaths/1/path", Some(json!("/due/?")))),
        ("everything indexed", STORE, change("*", CONTAINER, "/properties/resource/indexingPolicy/excludedPaths", Some(json!([])))),
        ("another container", STORE, change("*", SETTINGS, "/properties/COSMOS_CONTAINER", Some(json!("readings")))),
        ("a weaker consistency", STORE, change("*", COSMOS, "/properties/consistencyPolicy/defaultConsistencyLevel", Some(json!("Eventual")))),
        ("a route with another key", STORE, change("full", HUB, "/properties/routing/endpoints/cosmosDBSqlContainers/0/partitionKeyName", Some(json!("device")))),
        ("a route into the store", STORE, change("full", HUB, "/properties/routing/endpoints/cosmosDBSqlContainers/0/containerName", Some(json!("polls")))),
        ("a route that takes messages from consumers", STORE, change("full", HUB, "/properties/routing/routes/1/endpointNames/0", Some(json!("cosmos")))),
        // Roles.
        ("a missing role", ROLES, Box::new(|d| remove(d, "full", |r| r["type"] == ROLE))),
        ("a missing data role", ROLES, Box::new(|d| { remove(d, "least", |r| { r["type"] == "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments" }) })),
        ("a role on the whole account", ROLES, Box::new(|d| { each(d, "*", |r| r["type"] == "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments", |r| { let scope = r["properties"]["scope"].as_str().unwrap().split("/dbs/").next().unwrap().to_owned(); r["properties"]["scope"] = scope.into(); }) })),
        ("a mightier role", ROLES, Box::new(|d| { each(d, "*", |r| r["type"] == ROLE, |r| { r["properties"]["roleDefinitionId"] = json!("/x/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"); }) })),
        ("a role for another identity", ROLES, Box::new(|d| { each(d, "full", |r| r["type"] == ROLE, |r| { let swapped = r["properties"]["principalId"].as_str().unwrap().replace("id-app-", "id-hub-"); r["properties"]["principalId"] = swapped.into(); }) })),
        ("a role in the table that nobody has", ROLES, Box::new(|d| { d.roles.role.push(Role { who: "app".into(), on: "provisioning".into(), role: "x".into(), id: "y".into(), why: "z".into(), shapes: Vec::new(), }) })),
        ("a role in the table without a reason", ROLES, Box::new(|d| d.roles.role[0].why.clear())),
        // Security.
        ("a weaker TLS of storage", SHUT, change("*", STORAGE, "/properties/minimumTlsVersion", Some(json!("TLS1_0")))),
        ("a weaker TLS of Cosmos DB", SHUT, change("*", COSMOS, "/properties/minimalTlsVersion", None)),
        ("a weaker TLS of the hub", SHUT, change("*", HUB, "/properties/minTlsVersion", None)),
        ("a weaker TLS of the app", SHUT, change("*", SITE, "/properties/siteConfig/minTlsVersion", Some(json!("1.0")))),
        ("public blobs", SHUT, change("*", STORAGE, "/properties/allowBlobPublicAccess", Some(json!(true)))),
        ("a public blob container", SHUT, change("full", BLOBS, "/properties/publicAccess", Some(json!("Blob")))),
        ("shared keys of storage", SHUT, change("*", STORAGE, "/properties/allowSharedKeyAccess", Some(json!(true)))),
        ("local auth on", SHUT, change("*", COSMOS, "/properties/disableLocalAuth", Some(json!(false)))),
        ("plain HTTP to the app", SHUT, change("*", SITE, "/properties/httpsOnly", Some(json!(false)))),
        ("publishing by password", SHUT, change("*", "Microsoft.Web/sites/basicPublishingCredentialsPolicies", "/properties/allow", Some(json!(true)))),
        ("a vault that can be purged", SHUT, change("*", "Microsoft.KeyVault/vaults", "/properties/enablePurgeProtection", None)),
        ("an exception for nothing", SHUT, change("*", HUB, "/properties/disableLocalAuth", Some(json!(true)))),
        ("an exception that was taken away", SHUT, Box::new(|d| { d.accepted.exception.retain(|exception| exception.what != "disableLocalAuth") })),
        ("a key in a setting", KEYLESS, change("*", SETTINGS, "/properties/COSMOS_KEY", Some(json!("[listKeys('x', '2026-03-15').primaryMasterKey]")))),
        ("a key in an output", KEYLESS, Box::new(|d| { d.shapes.get_mut("least").unwrap()["outputs"]["HUB"] = json!("[listKeys('x', '1')]") })),
        ("a connection string in an output", KEYLESS, Box::new(|d| d.shapes.get_mut("least").unwrap()["outputs"]["connectionString"] = json!("x"))),
        ("a policy with all rights", KEYLESS, change("*", HUB, "/properties/authorizationPolicies/0/rights", Some(json!("RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect")))),
        ("a second policy", KEYLESS, change("*", HUB, "/properties/authorizationPolicies/1", Some(json!({"keyName": "iothubowner", "rights": "ServiceConnect"})))),
        ("a route that logs in by key", KEYLESS, change("full", HUB, "/properties/routing/endpoints/cosmosDBSqlContainers/0/authenticationType", Some(json!("keyBased")))),
        // The private network.
        ("an open store in the private shape", PRIVATE, change("private", COSMOS, "/properties/publicNetworkAccess", Some(json!("Enabled")))),
        ("an open hub in the private shape", PRIVATE, change("private", HUB, "/properties/publicNetworkAccess", Some(json!("Enabled")))),
        ("storage that lets others in", PRIVATE, change("private", STORAGE, "/properties/networkAcls/defaultAction", Some(json!("Allow")))),
        ("a private endpoint that is missing", PRIVATE, Box::new(|d| { remove(d, "private", |r| { r["type"] == ENDPOINT && name(r).starts_with("pe-queue-") }) })),
        ("a private endpoint to something else", PRIVATE, change("private", ENDPOINT, "/properties/privateLinkServiceConnections/0/properties/groupIds/0", Some(json!("file")))),
        ("a zone that is not linked", PRIVATE, Box::new(|d| { remove(d, "private", |r| { r["type"] == "Microsoft.Network/privateDnsZones/virtualNetworkLinks" }) })),
        ("an app outside of the network", PRIVATE, change("private", SITE, "/properties/virtualNetworkSubnetId", Some(Value::Null))),
        ("the global provisioning name in private", PRIVATE, change("private", SETTINGS, "/properties/DPS_ENDPOINT", Some(json!("[x.deviceProvisioningHostName]")))),
        // Alerts.
        ("an alert on a field that is not logged", WATCH, query("line.messages", "line.sent")),
        ("an alert on a line that is not logged", WATCH, query("\"Polled with trouble\"", "\"Trouble\"")),
        ("an alert that was not filled in", WATCH, query("ago(30m)", "ago({minutes}m)")),
        ("an alert that the README does not explain", WATCH, Box::new(|d| d.readme = d.readme.replace("| `poison-messages` |", "| `poison` |"))),
        ("a quota of another tier", WATCH, change("least", "Microsoft.Insights/metricAlerts", "/properties/criteria/allOf/0/threshold", Some(json!(320_000)))),
        // The whole.
        ("a preview version", EVALUATED, change("*", DPS, "/apiVersion", Some(json!("2026-03-01-preview")))),
        ("something that was not evaluated", EVALUATED, Box::new(|d| d.shapes.get_mut("private").unwrap()["diagnostics"] = json!(["Warning"]))),
    ]
}

#[test]
fn every_mistake_is_found_by_its_rule() {
    let sound = Deployment::load();
    let mistakes = mistakes();
    let mut missed = Vec::new();
    for (mistake, expected, make) in &mistakes {
        let mut deployment = sound.clone();
        make(&mut deployment);
        let (_, rule): &Rule = RULES.iter().find(|(name, _)| name == expected).expect(expected);
        if rule(&deployment).is_empty() {
            missed.push(format!("{expected}: {mistake}"));
        }
    }
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
    for (rule, _) in RULES {
        let tried = mistakes.iter().any(|(_, expected, _)| *expected == rule);
        assert!(tried, "no mistake tries the rule: {rule}");
    }
    println!("{} mistakes were found by {} rules", mistakes.len(), RULES.len());
}

// --- How mistakes are made -----------------------------------------------------------------------------------------------------------------

fn each(deployment: &mut Deployment, shape: &str, which: impl Fn(&Value) -> bool, make: impl Fn(&mut Value)) {
    let mut made = 0;
    for (of, snapshot) in &mut deployment.shapes {
        if shape == "*" || of == shape {
            let resources = snapshot["predictedResources"].as_array_mut().unwrap().iter_mut();
            for resource in resources.filter(|resource| which(resource)) {
                make(resource);
                made += 1;
            }
        }
    }
    assert!(made > 0, "the mistake was not made");
}

/// Takes the first such resource away.
fn remove(deployment: &mut Deployment, shape: &str, which: impl Fn(&Value) -> bool) {
    let resources = deployment.shapes.get_mut(shape).unwrap()["predictedResources"]
        .as_array_mut()
        .unwrap();
    let at = resources
        .iter()
        .position(which)
        .expect("the mistake was not made");
    resources.remove(at);
}

/// Sets a member, also one that is not there, or takes it away.
fn set(json: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match (json.pointer_mut(parent), value) {
        (Some(Value::Object(object)), Some(value)) => drop(object.insert(member.to_owned(), value)),
        (Some(Value::Object(object)), None) => drop(object.remove(member).expect(pointer)),
        (Some(Value::Array(array)), Some(value)) => match array.get_mut(member.parse::<usize>().unwrap()) {
            Some(element) => *element = value,
            None => array.push(value),
        },
        (other, _) => panic!("{pointer}: {other:?}"),
    }
}

/// In all resources of the type that have what the member is a member of.
fn change(shape: &'static str, kind: &'static str, pointer: &'static str, value: Option<Value>) -> Change {
    let parent = pointer.rsplit_once('/').unwrap().0;
    Box::new(move |deployment| {
        each(
            deployment,
            shape,
            |resource| resource["type"] == kind && resource.pointer(parent).is_some(),
            |resource| set(resource, pointer, value.clone()),
        );
    })
}

fn rename_setting(from: &'static str, to: &'static str) -> Change {
    Box::new(move |deployment| {
        each(
            deployment,
            "*",
            |resource| resource["type"] == SETTINGS,
            |resource| {
                let settings = resource["properties"].as_object_mut().unwrap();
                let value = settings.remove(from).unwrap();
                settings.insert(to.to_owned(), value);
            },
        );
    })
}

fn rename(kind: &'static str, from: &'static str, to: &'static str) -> Change {
    Box::new(move |deployment| {
        each(
            deployment,
            "*",
            |resource| resource["type"] == kind && name(resource).ends_with(&format!("/{from}")),
            |resource| resource["name"] = name(resource).replace(from, to).into(),
        );
    })
}

fn function(folder: &'static str, pointer: &'static str, value: Value) -> Change {
    Box::new(move |deployment| {
        set(
            deployment.functions.get_mut(folder).unwrap(),
            pointer,
            Some(value.clone()),
        );
    })
}

fn host(pointer: &'static str, value: Value) -> Change {
    Box::new(move |deployment| set(&mut deployment.host, pointer, Some(value.clone())))
}

fn query(from: &'static str, to: &'static str) -> Change {
    Box::new(move |deployment| {
        let text = |rule: &Value| {
            rule["properties"]["criteria"]["allOf"][0]["query"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        each(
            deployment,
            "full",
            |resource| resource["type"] == RULE && text(resource).contains(from),
            |resource| {
                resource["properties"]["criteria"]["allOf"][0]["query"] =
                    text(resource).replace(from, to).into();
            },
        );
    })
}

// --- What only the compiler sees -----------------------------------------------------------------------------------------------------------

/// A mistake in a file: what it is, the file, the words and those in their place, and what the compiler says.
#[rustfmt::skip]
const IN_FILES: [(&str, &str, &str, &str, &str); 15] = [
    ("an unknown property", "storage.bicep", "supportsHttpsTrafficOnly:", "supportsHttpsOnly:", "BCP037"),
    ("an unknown value", "storage.bicep", "publicAccess: 'None'", "publicAccess: 'Private'", "BCP036"),
    ("a number for a text", "hub.bicep", "minTlsVersion: '1.2'", "minTlsVersion: 12", "BCP036"),
    ("a missing property", "cosmos.bicep", "databaseAccountOfferType: 'Standard'", "", "BCP035"),
    ("rights that do not exist", "hub.bicep", "'RegistryWrite, ServiceConnect'", "'RegistryWrite, Everything'", "BCP036"),
    ("an unknown version", "vault.bicep", "vaults@2026-05-15", "vaults@2026-05-16", "BCP081"),
    ("an old version", "vault.bicep", "vaults@2026-05-15", "vaults@2019-09-01", "use-recent-api-versions"),
    ("a key in an output", "provisioning.bicep", "output idScope string = provisioning.properties.idScope", "output idScope string = linked.listkeys().value[0].primaryKey", "outputs-should-not-contain-secrets"),
    ("a fixed region", "insights.bicep", "location: place.location", "location: 'westeurope'", "no-hardcoded-location"),
    ("a fixed host", "cosmos.bicep", "account.properties.documentEndpoint", "'https://management.azure.com/'", "no-hardcoded-env-urls"),
    ("a parameter without use", "network.bicep", "param addresses string", "param addresses string\nparam names string", "no-unused-params"),
    ("a secret as a plain parameter", "alerts.bicep", "param email string", "param email string\nparam emailPassword string", "secure-secrets-in-params"),
    ("a tier that does not exist", "least.bicepparam", "sku: 'F1'", "sku: 'F2'", "BCP088"),
    ("a parameter that does not exist", "private.bicepparam", "param network", "param vnet", "BCP259"),
    ("a memory that Flex does not have", "full.bicepparam", "memory: 2048", "memory: 1024", "BCP036"),
];

/// All mistakes are linted in one run of the compiler, each in a folder of its own.
#[test]
fn the_compiler_finds_its_mistakes() {
    let Some(bicep) = compiler::bicep("mistakes in the Bicep files were not tried") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (at, (mistake, file, from, to, _)) in IN_FILES.iter().enumerate() {
        let own = folder.path().join(format!("mistake-{at}"));
        compiler::copy(&own);
        // Each shape is a compilation of everything, so only the one with the mistake is kept.
        for shape in SHAPES.map(|shape| format!("{shape}.bicepparam")) {
            if shape != *file {
                std::fs::remove_file(own.join(shape)).unwrap();
            }
        }
        let text = std::fs::read_to_string(own.join(file)).unwrap();
        assert!(text.contains(from), "{mistake}: {file} does not say {from}");
        std::fs::write(own.join(file), text.replacen(from, to, 1)).unwrap();
    }
    let mut said = String::new();
    for pattern in ["**/main.bicep", "**/*.bicepparam"] {
        let output = compiler::run(&bicep, folder.path(), &["lint", "--pattern", pattern], &[]);
        said += &String::from_utf8_lossy(&output.stderr);
        said += &String::from_utf8_lossy(&output.stdout);
    }
    let mut missed = Vec::new();
    for (at, (mistake, file, _, _, code)) in IN_FILES.iter().enumerate() {
        let place = format!("mistake-{at}/{file}(");
        let lines: Vec<&str> = said.lines().filter(|line| line.contains(&place)).collect();
        if !lines.iter().any(|line| line.contains(code)) {
            missed.push(format!("{mistake}: {lines:?}"));
        }
    }
    assert!(missed.is_empty(), "not found:\n{}\n\n{said}", missed.join("\n"));
    println!("{} mistakes were found by the compiler", IN_FILES.len());
}

/// A change that is right by itself shows as a difference from the snapshot; and so does one that can only be evaluated.
#[test]
fn a_change_that_is_not_in_the_snapshot_is_found() {
    let Some(bicep) = compiler::bicep("the snapshots were not tried") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    compiler::copy(folder.path());
    for shape in SHAPES {
        let snapshot = format!("{shape}.snapshot.json");
        std::fs::copy(
            crate::deployment::root().join("infra").join(&snapshot),
            folder.path().join(snapshot),
        )
        .unwrap();
    }
    let file = folder.path().join("storage.bicep");
    let sound = std::fs::read_to_string(&file).unwrap();
    for (from, to) in [
        ("minimumTlsVersion: 'TLS1_2'", "minimumTlsVersion: 'TLS1_0'"),
        ("'meterbridge-polls-poison'", "'meterbridge-poison'"),
    ] {
        assert!(sound.contains(from));
        std::fs::write(&file, sound.replace(from, to)).unwrap();
        let output = compiler::snapshot(&bicep, folder.path(), "least", "validate");
        assert!(!output.status.success(), "{to} went unseen: {output:?}");
    }
    std::fs::write(&file, sound).unwrap();
    assert!(
        compiler::snapshot(&bicep, folder.path(), "least", "validate")
            .status
            .success()
    );
}
