//! Rows of the features that the older connectors had, each as a test with its number, on the real binary and the emulators.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "host_contract/handler.rs"]
mod handler;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use cosmos_gateway::Gateway;
use emulator::host::{Cause, Clock, FunctionsHost, HostOptions, Timers};
use emulator::hub::{Arrived, Device, Hub, HubOptions, Key};
use emulator::rapidm2m::{Backend, BackendOptions, Channel, CustomerOptions, Generator, SiteOptions};
use emulator::readers::{Reader, ReaderOptions};
use emulator::tls::Authority;
use handler::{BINARY, Handler, PATIENCE, folder, run};
use meterbridge::config::{self, Kind, SETTINGS, Schedule};
use meterbridge::secret::Secret;
use meterbridge::store::cosmos::{Cosmos, CosmosSettings};
use meterbridge::store::{Document, List, Store};
use serde_json::Value;
use tempfile::TempDir;

const CUSTOMER: &str = "th.drones@example.com";

/// A hub that knows one device.
struct Stage {
    hub: Hub,
    device: Device,
    dir: TempDir,
}

type Settings = Vec<(&'static str, String)>;

impl Stage {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let device = Device::new("bridge", Key::random().unwrap());
        let hub = Hub::start(HubOptions {
            authority: Some(Authority::load_or_create(dir.path()).unwrap()),
            devices: vec![device.clone()],
            ..HubOptions::default()
        })
        .await
        .unwrap();
        Self { hub, device, dir }
    }

    /// What reaches the hub, without an identity.
    fn way(&self) -> Settings {
        vec![
            ("IOTHUB_CONNECT", format!("localhost:{}", self.hub.addr().port())),
            (
                "IOTHUB_CA_FILE",
                self.dir.path().join("ca.pem").display().to_string(),
            ),
            ("TimerSchedule", "0 * * * * *".into()),
        ]
    }

    fn key(&self) -> &Key {
        self.device.primary_key().unwrap()
    }

    fn connection_string(&self) -> String {
        self.device.connection_string(self.hub.host_name())
    }

    /// A ready-made token, as the old connector's users pasted it.
    fn token(&self) -> String {
        let resource = format!("{}/devices/bridge", self.hub.host_name());
        self.key().token(&resource, Utc::now().timestamp() + 86_400, None)
    }

    /// The way, and the device's connection string.
    fn settings(&self) -> Settings {
        let mut settings = self.way();
        settings.push(("IOTHUB_DEVICE_CONNECTION_STRING", self.connection_string()));
        settings
    }

    /// Messages by the value of this property.
    fn arrived(&self, property: &str, value: &str) -> Vec<std::sync::Arc<Arrived>> {
        let mut all = self.hub.arrived();
        all.retain(|message| {
            message
                .properties
                .get(property)
                .is_some_and(|found| found == value)
        });
        all
    }
}

fn pairs(settings: &Settings) -> Vec<(&str, &str)> {
    settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn body(message: &Arrived) -> Value {
    serde_json::from_slice(&message.body).unwrap()
}

async fn reader() -> Reader {
    Reader::start(ReaderOptions::default()).await.unwrap()
}

fn home(reader: &Reader) -> String {
    format!(
        "[[source]]\nid = \"home\"\nkind = \"tasmota\"\nurl = \"{}\"\nzone = \"UTC\"\nevery = \"1s\"\n",
        reader.url()
    )
}

const DEMO: &str = "[[source]]\nid = \"demo\"\nkind = \"synthetic\"\nevery = \"1s\"\n";

/// S0-4: a reading goes to IoT Hub as the device: the hub checks the token that was made from the device's key.
#[tokio::test]
async fn s0_04_reading_sent_as_the_device() {
    let (stage, reader) = (Stage::new().await, reader().await);
    let handler = Handler::start(&pairs(&stage.settings()), &home(&reader)).await;
    assert_eq!(handler.tick().await.status, 200);
    let arrived = stage.arrived("Source_Id", "home");
    assert_eq!((arrived.len(), arrived[0].device.as_str()), (1, "bridge"));
    let power = &body(&arrived[0])["Timeseries"][0]["Channels"]["1-0:16.7.0*255"];
    assert!(power.is_number(), "{:?}", body(&arrived[0]));
    assert_eq!(arrived[0].content_type.as_deref(), Some("application/json"));
}

/// S0-5: `HostName=…;DeviceId=…;SharedAccessKey=…`, in any order of its parts, and the token made from it.
#[tokio::test]
async fn s0_05_connection_string_form() {
    let stage = Stage::new().await;
    let key = stage.key().text();
    let name = stage.hub.host_name();
    for (count, text) in (1..).zip([
        stage.connection_string(),
        format!("SharedAccessKey={key};DeviceId=bridge;HostName={name}"),
        format!("HostName={name};DeviceId=bridge;SharedAccessKey={key};"),
    ]) {
        let mut settings = stage.way();
        settings.push(("IOTHUB_DEVICE_CONNECTION_STRING", text));
        let ended = run(&["poll"], &pairs(&settings), DEMO).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended
                .out
                .starts_with("demo: delivered, 1 rows (1 readings), 1 messages"),
            "{ended:?}"
        );
        assert_eq!(stage.hub.arrived().len(), count);
    }
}

/// The repository's own app under the host double.
fn app(dir: &Path, schedule: &str) -> HostOptions {
    let mut options = HostOptions::new(env!("CARGO_MANIFEST_DIR"))
        .setting("TimerSchedule", schedule)
        .setting("SOURCES_FILE", dir.join("sources.toml").display().to_string())
        .setting("STORE_PATH", dir.join("store.db").display().to_string());
    options.executable = Some(BINARY.into());
    options
}

fn timer_runs(host: &FunctionsHost) -> Vec<DateTime<Utc>> {
    let calls = host.invocations();
    let ticks = calls.iter().filter_map(|call| match call.cause {
        Cause::Timer { next, .. } => next,
        _ => None,
    });
    ticks.collect()
}

/// S0-6: the trigger period is configuration: one setting, read by the host from `function.json`.
#[tokio::test]
async fn s0_06_trigger_period_is_configuration() {
    let dirs = [folder(DEMO), folder(DEMO)];
    let often = FunctionsHost::start(app(dirs[0].path(), "*/1 * * * * *"))
        .await
        .unwrap();
    let seldom = FunctionsHost::start(app(dirs[1].path(), "0 0 0 29 2 *"))
        .await
        .unwrap();
    let third = async {
        loop {
            let ended = often.invocations().iter().filter(|call| call.succeeded()).count();
            if ended >= 3 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, third).await.expect("three ticks");
    assert!(seldom.invocations().is_empty());
    // The same as a plain service.
    let ended = run(&["run", "--every", "1s", "--rounds", "2"], &[], DEMO).await;
    assert_eq!(
        (ended.code, ended.err.matches("Polled").count()),
        (Some(0), 2),
        "{ended:?}"
    );
}

/// S0-7: every reading and every send is logged.
#[tokio::test]
async fn s0_07_readings_and_sends_are_logged() {
    let (stage, reader) = (Stage::new().await, reader().await);
    let handler = Handler::start(&pairs(&stage.settings()), &home(&reader)).await;
    for ticks in 1..=3 {
        handler.tick().await;
        let logged = || {
            handler
                .out
                .json()
                .into_iter()
                .filter(|line| line["message"] == "Polled")
                .collect::<Vec<_>>()
        };
        handler.out.wait(|_| logged().len() == ticks).await;
        let line = logged().pop().unwrap();
        let arrived = stage.hub.arrived();
        let channels = body(&arrived[ticks - 1])["Timeseries"][0]["Channels"]
            .as_object()
            .unwrap()
            .len();
        assert_eq!(line["source"], "home");
        assert_eq!(line["readings"].as_u64(), Some(channels as u64), "{line}");
        assert_eq!(
            (&line["rows"], &line["messages"], &line["outcome"]),
            (&1.into(), &1.into(), &"delivered".into())
        );
        // Due once a second.
        tokio::time::sleep(Duration::from_millis(1_050)).await;
    }
}

/// S1-1: once a minute unless configured otherwise; the old settings' sources follow the timer.
#[tokio::test]
async fn s1_01_timer_triggered_once_a_minute() {
    let function: Value = serde_json::from_str(include_str!("../TimerPoll/function.json")).unwrap();
    assert_eq!(function["bindings"][0]["schedule"], "%TimerSchedule%");
    let template: Value = serde_json::from_str(include_str!("../local.settings.json.example")).unwrap();
    let default = template["Values"]["TimerSchedule"].as_str().unwrap();
    for (schedule, period) in [(default, 60), ("0 */5 * * * *", 300), ("00:02:00", 120)] {
        let get = |name: &str| match name {
            "TimerSchedule" => Some(schedule.to_owned()),
            "EmulationMode" => Some("true".to_owned()),
            "Customer_ID" | "Site_ID" => Some("x".to_owned()),
            _ => None,
        };
        let config = config::load(&get, &|_| Err(std::io::ErrorKind::NotFound.into()), 0).unwrap();
        assert_eq!(
            config.sources[0].schedule,
            Schedule::Every(Duration::from_secs(period)),
            "{schedule}"
        );

        let start: DateTime<Utc> = "2026-11-22T12:00:30Z".parse().unwrap();
        let clock = Clock::manual(start);
        let dir = folder(DEMO);
        let mut options = app(dir.path(), schedule);
        options.clock = clock.clone();
        options.timers = Timers::OnSchedule;
        let host = FunctionsHost::start(options).await.unwrap();
        for minute in 1..=10 {
            clock.set(start + TimeDelta::minutes(minute));
            let due = usize::try_from(minute * 60 / i64::try_from(period).unwrap()).unwrap();
            let runs = async {
                while host.invocations().iter().filter(|call| call.succeeded()).count() < due {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(PATIENCE, runs)
                .await
                .unwrap_or_else(|_| panic!("{schedule}: {:?}", host.invocations()));
            assert_eq!(timer_runs(&host).len(), due, "{schedule}, minute {minute}");
        }
        let steps: BTreeSet<i64> = timer_runs(&host)
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).num_seconds())
            .collect();
        assert_eq!(
            steps,
            BTreeSet::from([i64::try_from(period).unwrap()]),
            "{schedule}"
        );
    }
}

/// A backend with two sites of one customer.
async fn backend() -> Backend {
    let site = |id: &str| {
        let generator = Generator {
            interval_ms: 60_000,
            start_ms: Utc::now().timestamp_millis() - 600_000,
            ..Generator::default()
        };
        SiteOptions::generated(id, Channel::numbered(4), generator)
    };
    Backend::start(BackendOptions {
        user: "reader".into(),
        password: "of-the-backend".into(),
        customers: vec![CustomerOptions {
            id: CUSTOMER.into(),
            sites: vec![site("Energy meter 1"), site("Energy meter 3")],
        }],
        ..BackendOptions::default()
    })
    .await
    .unwrap()
}

/// The old connector's settings under their old names.
fn old(stage: &Stage, backend: &Backend, account: &Gateway) -> Settings {
    let mut settings = stage.way();
    settings.extend([
        (
            "M2MBackendURL",
            format!("{}/", backend.url().trim_end_matches('/')),
        ),
        (
            "Base64encodedUsernamePassword",
            STANDARD.encode("reader:of-the-backend"),
        ),
        ("Customer_ID", CUSTOMER.to_owned()),
        ("Site_ID", "Energy meter 1, Nowhere,Energy meter 3".to_owned()),
        ("EmulationMode", "false".to_owned()),
        ("M2MDocumentsDBUri", account.endpoint()),
        ("M2MDocumentsDBPrimaryKey", cosmos_gateway::KEY.to_owned()),
        ("IoTHubURL", stage.hub.host_name().to_owned()),
        ("IoTHubDeviceId", "bridge".to_owned()),
        ("IoTHubSharedAccessSignature", stage.token()),
    ]);
    settings
}

/// S1-8 and S1-19: three sites of one customer by a comma list; the one that the backend does not know is named, the others go on.
#[tokio::test]
async fn s1_08_several_sites_by_comma_list() {
    let (stage, backend, account) = (
        Stage::new().await,
        backend().await,
        Gateway::start(0).await.unwrap(),
    );
    let handler = Handler::start(&pairs(&old(&stage, &backend, &account)), "").await;
    let answer = handler.tick().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer
            .body
            .contains("3 sources polled, 6 readings, 2 messages taken by the hub, 1 with trouble"),
        "{answer:?}"
    );
    for site in ["Energy meter 1", "Energy meter 3"] {
        // What an HTTP header may carry has no spaces.
        let arrived = stage.arrived("Site_Id", &site.replace(' ', "%20"));
        assert_eq!(arrived.len(), 1, "{site}");
        assert_eq!(arrived[0].properties["Customer_Id"].replace("%40", "@"), CUSTOMER);
        let body = body(&arrived[0]);
        assert_eq!(
            (&body["customer_id"], &body["site_id"]),
            (&CUSTOMER.into(), &site.into())
        );
        // One row, the youngest, with the old default's channels.
        assert_eq!(body["Timeseries"].as_array().unwrap().len(), 1);
        let channels: Vec<&String> = body["Timeseries"][0]["Channels"]
            .as_object()
            .unwrap()
            .keys()
            .collect();
        assert_eq!(
            channels.into_iter().map(String::as_str).collect::<BTreeSet<_>>(),
            BTreeSet::from(["ch0", "ch1", "ch3"])
        );
    }
    assert!(stage.arrived("Site_Id", "Nowhere").is_empty());
}

/// S1-19, with the whole run around it; the source alone is tested in `rapidm2m.rs`.
#[tokio::test]
async fn s1_19_unknown_site_is_logged_by_name_and_the_run_goes_on() {
    let (stage, backend, account) = (
        Stage::new().await,
        backend().await,
        Gateway::start(0).await.unwrap(),
    );
    let handler = Handler::start(&pairs(&old(&stage, &backend, &account)), "").await;
    handler.tick().await;
    let named = format!(r#"does not know site \"Nowhere\" of customer \"{CUSTOMER}\""#);
    let line = handler
        .out
        .wait(|line| line.contains("Polled with trouble") && line.contains(&named))
        .await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "WARN");
    assert!(
        line["remarks"]
            .as_str()
            .unwrap()
            .contains("check the source's `customer`, `site` and `channels`"),
        "{line}"
    );
    assert_eq!(stage.hub.arrived().len(), 2);
}

/// S1-10 and S1-11: database and container are made where they are missing, the container with 400 RU/s.
#[tokio::test]
async fn s1_10_database_and_container_are_made() {
    let (stage, account) = (Stage::new().await, Gateway::start(0).await.unwrap());
    let mut settings = stage.settings();
    settings.push(("COSMOS_ENDPOINT", account.endpoint()));
    settings.push(("COSMOS_KEY", cosmos_gateway::KEY.into()));
    let ended = run(&["poll"], &pairs(&settings), DEMO).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // S1-9 in Cosmos DB: the poll is there, with its request and its rows.
    let store = Cosmos::new(CosmosSettings {
        endpoint: account.endpoint(),
        key: Some(Secret::new(cosmos_gateway::KEY)),
        client_id: None,
        database: "meterbridge".into(),
        container: "polls".into(),
    });
    store.prepare().await.unwrap();
    let list = List {
        source: Some("demo".into()),
        kind: "attempt",
        limit: 10,
        before: None,
    };
    let found = store.list(list).await.unwrap();
    assert_eq!(found.len(), 1);
    let Document::Attempt(attempt) = &found[0].document else {
        panic!("an attempt")
    };
    assert_eq!((attempt.outcome.as_str(), attempt.rows), ("rows", 1));
}

/// S1-11: what the account says of the container's throughput.
#[tokio::test]
async fn s1_11_container_throughput_on_creation() {
    use azure_data_cosmos::clients::CosmosClient;
    use azure_data_cosmos::{AccountReference, CosmosRuntime, RoutingStrategy};
    let account = Gateway::start(0).await.unwrap();
    let settings = [
        ("COSMOS_ENDPOINT", account.endpoint()),
        ("COSMOS_KEY", cosmos_gateway::KEY.into()),
    ]
    .to_vec();
    let ended = run(&["poll"], &pairs(&settings), DEMO).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let key = azure_core::credentials::Secret::new(cosmos_gateway::KEY);
    let client = CosmosClient::builder()
        .with_runtime(CosmosRuntime::builder().build().await.unwrap())
        .build(
            AccountReference::with_authentication_key(account.endpoint().parse().unwrap(), key),
            RoutingStrategy::PreferredRegions(Vec::new()),
        )
        .await
        .unwrap();
    let container = client
        .database_client("meterbridge")
        .container_client("polls", None)
        .await
        .unwrap();
    let offer = container
        .read_throughput(None)
        .await
        .unwrap()
        .expect("a throughput");
    assert_eq!(offer.throughput(), Some(400));
}

/// S1-15: HTTPS with a ready-made token of the device.
#[tokio::test]
async fn s1_15_https_post_with_a_device_sas() {
    let stage = Stage::new().await;
    let mut settings = stage.way();
    settings.extend([
        ("EmulationMode", "true".to_owned()),
        ("Customer_ID", "c".to_owned()),
        ("Site_ID", "s".to_owned()),
        ("IoTHubURL", stage.hub.host_name().to_owned()),
        ("IoTHubDeviceId", "bridge".to_owned()),
        ("IoTHubSharedAccessSignature", stage.token()),
    ]);
    let ended = run(&["poll"], &pairs(&settings), "").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let arrived = stage.arrived("Site_Id", "s");
    assert_eq!((arrived.len(), arrived[0].device.as_str()), (1, "bridge"));
    // Seconds since 2017, in the first of the old default's channels.
    let channels = body(&arrived[0])["Timeseries"][0]["Channels"].clone();
    assert!(
        channels["ch0"].as_i64().unwrap() > 280_000_000 && channels.as_object().unwrap().len() == 1,
        "{channels}"
    );
}

/// S1-16: in place of the token, the device's connection string under its old name.
#[tokio::test]
async fn s1_16_device_connection_string() {
    let stage = Stage::new().await;
    let mut settings = stage.way();
    settings.extend([
        ("EmulationMode", "TRUE".to_owned()),
        ("Customer_ID", "c".to_owned()),
        ("Site_ID", "s".to_owned()),
        ("IoTHubConnection", stage.connection_string()),
    ]);
    let ended = run(&["poll"], &pairs(&settings), "").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(stage.arrived("Site_Id", "s").len(), 1);
}

/// S4-1: the same binary as the host's handler, as a plain service and by hand.
#[tokio::test]
async fn s4_01_one_binary_three_ways() {
    let stage = Stage::new().await;
    let settings = stage.settings();
    let dir = folder(DEMO);
    let mut options = app(dir.path(), "0 0 0 29 2 *");
    for (name, value) in settings.iter().filter(|(name, _)| *name != "TimerSchedule") {
        options = options.setting(name, value.as_str());
    }
    options.timers = Timers::ByHand;
    let host = FunctionsHost::start(options).await.unwrap();
    assert!(
        host.fire_timer(Utc::now()).await.unwrap().succeeded(),
        "{:?}",
        host.logs()
    );
    assert_eq!(stage.hub.arrived().len(), 1);
    for (count, arguments) in (2..).zip([&["run", "--rounds", "1"][..], &["poll"]]) {
        let ended = run(arguments, &pairs(&settings), DEMO).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(stage.hub.arrived().len(), count, "{arguments:?}");
    }
    // As a service it serves the same pages.
    let dir = folder(DEMO);
    let mut command = handler::command(dir.path(), &[("LOG_FORMAT", "json")]);
    let mut child = command
        .args(["run", "--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let out = handler::Lines::of(child.stdout.take().unwrap());
    let line: Value = serde_json::from_str(&out.wait(|line| line.contains("Serving health")).await).unwrap();
    let port: u16 = line["address"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let info = handler::send(port, b"GET /api/info HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(info.json()["version"], env!("CARGO_PKG_VERSION"));
    let tick = handler::send(
        port,
        b"POST /TimerPoll HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(tick.status, 404, "there is no host here");
    handler::signal(child.id().unwrap(), "TERM").await;
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

/// S4-2: no prefix before the paths.
#[tokio::test]
async fn s4_02_no_api_prefix() {
    let host: Value = serde_json::from_str(include_str!("../host.json")).unwrap();
    assert_eq!(host["extensions"]["http"]["routePrefix"], "");
    let dir = folder(DEMO);
    let mut options = app(dir.path(), "0 * * * * *").setting("AzureWebJobsDisableHomepage", "true");
    options.timers = Timers::ByHand;
    let host = FunctionsHost::start(options).await.unwrap();
    for (path, status) in [
        ("/", 200),
        ("/api/info", 200),
        ("/api/api/info", 404),
        ("/api/", 404),
    ] {
        let answer = reqwest::get(format!("http://{}{path}", host.http_addr()))
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

/// S4-4: which version runs here.
#[tokio::test]
async fn s4_04_version_endpoint() {
    let handler = Handler::start(&[], DEMO).await;
    let info = handler.get("/api/info").await;
    assert_eq!(
        (info.status, info.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(
        (&info.json()["name"], &info.json()["version"]),
        (&"meterbridge".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let ended = run(&["--version"], &[], DEMO).await;
    assert_eq!(
        ended.out.trim(),
        format!("meterbridge {}", env!("CARGO_PKG_VERSION"))
    );
}

/// S4-13: the template lists every setting, and a process that is given the template runs.
#[tokio::test]
async fn s4_13_settings_template_lists_every_key() {
    let template: Value = serde_json::from_str(include_str!("../local.settings.json.example")).unwrap();
    let values = template["Values"].as_object().unwrap();
    let missing: Vec<&str> = SETTINGS
        .iter()
        .map(|setting| setting.name)
        .filter(|name| !values.contains_key(*name))
        .collect();
    assert_eq!(missing, [] as [&str; 0]);
    let of_the_host = [
        "FUNCTIONS_WORKER_RUNTIME",
        "AzureWebJobsStorage",
        "AzureWebJobsDisableHomepage",
    ];
    let known =
        |name: &str| of_the_host.contains(&name) || SETTINGS.iter().any(|setting| setting.name == name);
    let unknown: Vec<&String> = values.keys().filter(|name| !known(name)).collect();
    assert_eq!(unknown, [] as [&String; 0]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/local.settings.json.example");
    let ended = run(&["check", "--offline", "--settings", path], &[], DEMO).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // The example of sources, too.
    let example = include_str!("../sources.example.toml");
    let settings = [
        ("READER_PASSWORD", "x"),
        ("M2M_PASSWORD", "y"),
        ("TimerSchedule", "0 * * * * *"),
    ];
    let ended = run(&["check", "--offline"], &settings, example).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let get = |name: &str| {
        settings
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let config = config::load(&get, &|_| Ok(example.to_owned()), 0).unwrap();
    assert!(
        config
            .sources
            .iter()
            .any(|source| matches!(source.kind, Kind::Tasmota(_)))
    );
}
