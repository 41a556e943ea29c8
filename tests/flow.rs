//! The whole chain with the real handler: the Functions host double starts it from the repository's `host.json`, a recorded reader's
//! answer becomes a message at the emulated hub over TLS, and a kill in between changes nothing but the time.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use emulator::host::{Clock, FunctionsHost, HostOptions, Timers};
use emulator::hub::{Device, Fault, Hub, HubOptions, Key};
use emulator::tls::Authority;
use meterbridge::clock::Clock as BridgeClock;
use meterbridge::store::documents::State;
use meterbridge::store::embedded::Embedded;
use meterbridge::store::{Document, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Everything around the handler.
struct World {
    folder: tempfile::TempDir,
    hub: Hub,
    options: HostOptions,
}

impl World {
    async fn new(sources: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let device = Device::new("bridge", Key::random().unwrap());
        let text = device.connection_string("localhost");
        let options = HubOptions {
            authority: Some(authority),
            devices: vec![device],
            ..HubOptions::default()
        };
        let hub = Hub::start(options).await.unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("sources.toml"), sources).unwrap();
        let mut options = HostOptions::new(env!("CARGO_MANIFEST_DIR"))
            .setting("TimerSchedule", "0 * * * * *")
            .setting("SOURCES_FILE", path("sources.toml"))
            .setting("STORE_PATH", path("store.db"))
            .setting("IOTHUB_DEVICE_CONNECTION_STRING", text)
            .setting("IOTHUB_CONNECT", format!("localhost:{}", hub.addr().port()))
            .setting("IOTHUB_CA_FILE", path("ca.pem"));
        options.executable = Some(PathBuf::from(env!("CARGO_BIN_EXE_meterbridge")));
        options.clock = Clock::manual(Utc::now());
        options.timers = Timers::ByHand;
        Self { folder, hub, options }
    }

    async fn host(&self) -> FunctionsHost {
        FunctionsHost::start(self.options.clone()).await.unwrap()
    }

    async fn state(&self, source: &str) -> Option<State> {
        let path: &Path = &self.folder.path().join("store.db");
        let store = Embedded::open(path, BridgeClock::system()).unwrap();
        match store.read(source, State::ID).await.unwrap()?.document {
            Document::State(state) => Some(state),
            other => panic!("{other:?}"),
        }
    }

    fn ids(&self) -> Vec<String> {
        self.hub
            .arrived()
            .iter()
            .map(|message| message.message_id.clone().unwrap())
            .collect()
    }
}

/// A reader that gives one recorded answer, byte for byte, to whoever connects.
async fn recorded_reader(file: &str) -> String {
    let body = std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/tasmota")
            .join(file),
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut buffer = [0; 2048];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match socket.read(&mut buffer).await {
                    Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&body).await;
        }
    });
    url
}

async fn due() -> DateTime<Utc> {
    Utc::now()
}

/// The first milestone: reader → handler → SQLite → TLS → 204 → checkpoint, killed in between and resumed.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_answer_arrives_though_the_handler_is_killed_in_between() {
    let url = recorded_reader("mt631.json").await;
    let source = format!("[[source]]\nid = \"home\"\nkind = \"tasmota\"\nurl = \"{url}\"\nevery = \"1s\"\n");
    let world = World::new(&source).await;
    // The hub takes the message and its answer is lost: the handler has recorded, but cannot know.
    world.hub.fail_next(u32::MAX, Fault::Delay(60_000));
    let host = world.host().await;
    let first = host.handler_pid();
    let mut fire = Box::pin(host.fire_timer(due().await));
    // Killed once its row is stored.
    let stored = async {
        loop {
            if world
                .state("home")
                .await
                .is_some_and(|state| !state.pending.is_empty())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = &mut fire => panic!("the tick ended"),
        () = stored => {}
    }
    host.kill_handler();
    let killed = fire.as_mut().await.unwrap();
    drop(fire);
    assert!(!killed.succeeded());
    let state = world.state("home").await.unwrap();
    assert_eq!(state.checkpoint, None, "no 204, no checkpoint");
    world.hub.clear_faults();

    let second = host.next_handler(first).await;
    assert!(second.is_some() && second != first);
    // The lease of the killed process has to end; a clock further on is what waiting would give.
    release(&world).await;
    let done = host.fire_timer(due().await).await.unwrap();
    assert!(done.succeeded(), "{:?}", done.failure());
    let state = world.state("home").await.unwrap();
    assert!(state.pending.is_empty());
    assert!(state.checkpoint.is_some());
    let bodies: BTreeSet<Vec<u8>> = world
        .hub
        .arrived()
        .iter()
        .filter(|message| {
            message
                .message_id
                .as_deref()
                .is_some_and(|id| id.ends_with("0000000001.0"))
        })
        .map(|message| message.body.to_vec())
        .collect();
    assert_eq!(bodies.len(), 1, "one id, one body: {:?}", world.ids());
    let body: serde_json::Value = serde_json::from_slice(bodies.first().unwrap()).unwrap();
    assert_eq!(body["source_id"], "home");
    assert_eq!(body["Timeseries"][0]["Channels"]["1-0:1.8.0*255"], 9798.031);
    let message = &world.hub.arrived()[0];
    assert_eq!(message.content_type.as_deref(), Some("application/json"));
    assert_eq!(message.content_encoding.as_deref(), Some("utf-8"));
    assert_eq!(message.properties["Source_Id"], "home");
    host.stop().await;
}

/// Ends the lease of a process that is gone, as time would.
async fn release(world: &World) {
    let store = Embedded::open(&world.folder.path().join("store.db"), BridgeClock::system()).unwrap();
    let found = store.read("home", State::ID).await.unwrap().unwrap();
    let Document::State(mut state) = found.document else {
        panic!("a state")
    };
    state.lease = None;
    state.next_due = 0;
    let write = meterbridge::store::Write::Replace(Document::State(state), found.etag);
    let batch = meterbridge::store::Batch {
        source: "home".into(),
        writes: vec![write],
    };
    store.commit(batch).await.unwrap();
}

/// Readings of both kinds of sources arrive, each under its own names, and health tells of them.
#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_sources_arrive() {
    use emulator::rapidm2m::{
        Backend, BackendOptions, Channel, CustomerOptions, Generator, SiteOptions, Wave,
    };
    let now = Utc::now().timestamp_millis();
    let channel = Channel {
        name: "ch0".into(),
        alias: None,
        title: "Energy".into(),
        units: "Wh".into(),
        wave: Wave::Counter {
            start: 51_000,
            step: 3,
        },
    };
    let generator = Generator {
        start_ms: now - 3_600_000,
        interval_ms: 900_000,
        ..Generator::default()
    };
    let backend = Backend::start(BackendOptions {
        user: "user".into(),
        password: "password".into(),
        customers: vec![CustomerOptions {
            id: "th.drones@gmail.com".into(),
            sites: vec![SiteOptions::generated("Energy meter 1", vec![channel], generator)],
        }],
        ..BackendOptions::default()
    })
    .await
    .unwrap();
    let reader = recorded_reader("phases.json").await;
    let start = meterbridge::clock::iso(now - 3_600_000);
    let sources = format!(
        "[[source]]\nid = \"home\"\nkind = \"tasmota\"\nurl = \"{reader}\"\n\n\
         [[source]]\nid = \"plant\"\nkind = \"rapidm2m\"\nurl = \"{}\"\nuser = \"user\"\npassword = \"password\"\n\
         customer = \"th.drones@gmail.com\"\nsite = \"Energy meter 1\"\nchannels = [\"ch0\"]\nstart = \"{start}\"\n",
        backend.url()
    );
    let world = World::new(&sources).await;
    let host = world.host().await;
    let done = host.fire_timer(due().await).await.unwrap();
    assert!(done.succeeded(), "{:?}", done.failure());
    let arrived = world.hub.arrived();
    let of = |name: &str| {
        arrived
            .iter()
            .find(|message| message.properties.contains_key(name))
    };
    assert_eq!(of("Site_Id").unwrap().properties["Site_Id"], "Energy%20meter%201");
    assert_eq!(of("Source_Id").unwrap().properties["Source_Id"], "home");
    let body: serde_json::Value = serde_json::from_slice(&of("Site_Id").unwrap().body).unwrap();
    assert_eq!(body["customer_id"], "th.drones@gmail.com");
    assert!(body["Timeseries"].as_array().unwrap().len() >= 4);

    let health = reqwest::get(format!("http://{}/api/health", host.http_addr()))
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    let health: serde_json::Value = health.json().await.unwrap();
    assert_eq!(health["sources"].as_array().unwrap().len(), 2, "{health}");
    host.stop().await;
}

/// With an enrolment group's key each source gets a device of its own through DPS, registered once, the assignment kept.
#[tokio::test(flavor = "multi_thread")]
async fn each_source_gets_its_own_device_through_dps() {
    use emulator::dps::{Dps, DpsOptions, Group};
    let source = |id: &str| {
        format!("[[source]]\nid = \"{id}\"\nkind = \"synthetic\"\nevery = \"1s\"\ninterval = \"1s\"\n\n")
    };
    let mut world = World::new(&format!("{}{}", source("home"), source("barn"))).await;
    let group = Key::random().unwrap();
    let options = DpsOptions {
        id_scope: "0ne00ABCDEF".into(),
        groups: vec![Group::new("meters", group.clone())],
        assigning: 1,
        retry_after: 0,
        ..DpsOptions::default()
    };
    let dps = Dps::start(options, &world.hub).await.unwrap();
    world.options.settings.remove("IOTHUB_DEVICE_CONNECTION_STRING");
    world.options = world
        .options
        .clone()
        .setting("DPS_ID_SCOPE", "0ne00ABCDEF")
        .setting("DPS_GROUP_KEY", group.text())
        .setting("DPS_ENDPOINT", format!("localhost:{}", world.hub.addr().port()));
    let host = world.host().await;
    for _ in 0..2 {
        let done = host.fire_timer(due().await).await.unwrap();
        assert!(done.succeeded(), "{:?}", done.failure());
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    let devices: BTreeSet<String> = world
        .hub
        .arrived()
        .iter()
        .map(|message| message.device.clone())
        .collect();
    assert_eq!(devices, BTreeSet::from(["barn".to_owned(), "home".to_owned()]));
    assert!(dps.registered("home").is_some() && dps.registered("barn").is_some());
    let kept = world.state("home").await.unwrap().assignment.unwrap();
    assert_eq!((kept.hub.as_str(), kept.device.as_str()), ("localhost", "home"));
    host.stop().await;
}
