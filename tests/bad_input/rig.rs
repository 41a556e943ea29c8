//! Sources, a real embedded store and the emulated hub, wired by the app itself from settings and a file of sources.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use emulator::hub::{Device, Hub, HubOptions, Key};
use emulator::tls::Authority;
use meterbridge::app::{self, Wired};
use meterbridge::clock::{Clock, Millis};
use meterbridge::config;
use meterbridge::poll::{Report, Round};
use meterbridge::store::documents::DeadLetter;
use meterbridge::store::{Document, List};
use serde_json::Value;
use tempfile::TempDir;

pub const MINUTE: Millis = 60_000;
pub const DEVICE: &str = "bridge";

/// A source that needs nothing.
pub const NEIGHBOUR: &str = "[[source]]\nid = \"neighbour\"\nkind = \"synthetic\"\ninterval = \"1m\"\n";

pub struct Rig {
    pub hub: Hub,
    pub device: Device,
    pub wired: Wired,
    pub dir: TempDir,
    sources: String,
    settings: Vec<(String, String)>,
    now: Arc<AtomicI64>,
}

impl Rig {
    /// `sources` is the file, for the instant that the clock shows; the clock stands still unless it is moved.
    pub async fn new(sources: impl FnOnce(Millis) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let device = Device::new(DEVICE, Key::random().unwrap());
        let hub = Hub::start(HubOptions {
            authority: Some(Authority::load_or_create(dir.path()).unwrap()),
            devices: vec![device.clone()],
            ..HubOptions::default()
        })
        .await
        .unwrap();
        let start = chrono::Utc::now().timestamp_millis();
        let now = Arc::new(AtomicI64::new(start));
        let sources = sources(start);
        let wired = wire(
            dir.path(),
            &hub,
            &device,
            &sources,
            &now,
            &dir.path().join("ca.pem"),
            &[],
        );
        Self {
            hub,
            device,
            wired,
            dir,
            sources,
            settings: Vec::new(),
            now,
        }
    }

    /// The same store with other sources in a new process.
    pub fn redefine(&mut self, sources: &str) {
        sources.clone_into(&mut self.sources);
        self.rewire(&self.dir.path().join("ca.pem"));
    }

    /// The same store and sources in a new process with one more setting.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
        self.rewire(&self.dir.path().join("ca.pem"));
    }

    /// The same store and sources in a new process with these settings besides.
    pub fn set_all(&mut self, settings: &[(&str, &str)]) {
        let owned = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.settings.extend(owned);
        self.rewire(&self.dir.path().join("ca.pem"));
    }

    /// The same store and sources in a new process that trusts this authority.
    pub fn rewire(&mut self, authority: &Path) {
        self.wired = wire(
            self.dir.path(),
            &self.hub,
            &self.device,
            &self.sources,
            &self.now,
            authority,
            &self.settings,
        );
    }

    pub fn now(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }

    pub fn advance(&self, by: Millis) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }

    /// One round of all that is due. Its time is up at once, so nothing is asked twice.
    pub async fn round(&self) -> Round {
        let now = self.now();
        self.wired.rounds.run(now, now + 1).await.unwrap()
    }

    /// A whole tick: what was defined or found since is taken over, what is due is polled, and lists that are due are asked for.
    pub async fn tick(&self) -> Round {
        tick(&self.wired, self.now()).await
    }

    /// One more process on the same store, hub and sources.
    pub fn process(&self) -> Wired {
        wire(
            self.dir.path(),
            &self.hub,
            &self.device,
            &self.sources,
            &self.now,
            &self.dir.path().join("ca.pem"),
            &self.settings,
        )
    }

    /// Every row that arrived of a source or site: stamp and channels, with how often it came.
    pub fn rows(&self, name: &str) -> BTreeMap<String, (u32, Value)> {
        let mut rows = BTreeMap::new();
        for message in self.hub.arrived() {
            let of = ["Source_Id", "Site_Id"]
                .iter()
                .find_map(|property| message.properties.get(*property));
            if of.is_some_and(|of| of == name) {
                collect(&message.body, &mut rows);
            }
        }
        rows
    }

    /// The same of what the hub refused for good.
    pub async fn dead_rows(&self) -> BTreeMap<String, (u32, Value)> {
        let mut rows = BTreeMap::new();
        for letter in self.dead_letters().await {
            collect(letter.body.as_bytes(), &mut rows);
        }
        rows
    }

    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let list = List {
            source: None,
            kind: "deadletter",
            limit: 100,
            before: None,
        };
        let found = self.wired.rounds.poller().store.list(list).await.unwrap();
        found
            .into_iter()
            .filter_map(|found| match found.document {
                Document::DeadLetter(letter) => Some(letter),
                _ => None,
            })
            .collect()
    }

    /// No message id ever came with two bodies.
    pub fn assert_one_body_per_id(&self) {
        let mut bodies = BTreeMap::new();
        for message in self.hub.arrived() {
            let id = message.message_id.clone().expect("an id");
            let first = bodies.entry(id).or_insert_with(|| message.body.clone());
            assert_eq!(*first, message.body);
        }
    }
}

/// The report of one source.
pub fn report<'a>(round: &'a Round, source: &str) -> &'a Report {
    let found = round.reports.iter().find(|report| report.source == source);
    found.unwrap_or_else(|| panic!("{source} was not polled"))
}

/// A whole tick of one process. The time of its sources is up at once, so nothing is asked or sent twice.
pub async fn tick(wired: &Wired, now: Millis) -> Round {
    wired.refresh().await;
    let (round, ()) = tokio::join!(
        wired.rounds.run(now, now + 1),
        wired.catalog.discover(now + MINUTE)
    );
    round.unwrap()
}

/// Ids of a round's sources, sorted.
pub fn polled(round: &Round) -> Vec<String> {
    let mut ids: Vec<String> = round.reports.iter().map(|report| report.source.clone()).collect();
    ids.sort();
    ids
}

fn wire(
    dir: &Path,
    hub: &Hub,
    device: &Device,
    sources: &str,
    now: &Arc<AtomicI64>,
    authority: &Path,
    more: &[(String, String)],
) -> Wired {
    let settings = [
        (
            "IOTHUB_DEVICE_CONNECTION_STRING",
            device.connection_string(hub.host_name()),
        ),
        ("IOTHUB_CONNECT", format!("localhost:{}", hub.addr().port())),
        ("IOTHUB_CA_FILE", authority.display().to_string()),
        ("STORE_PATH", dir.join("store.db").display().to_string()),
        ("TimerSchedule", "0 * * * * *".to_owned()),
        ("READER_PASSWORD", "wrong-password".to_owned()),
    ];
    let more = more.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let settings: BTreeMap<&str, String> = settings.into_iter().chain(more).collect();
    let get = |name: &str| settings.get(name).cloned();
    let files = |path: &Path| match path.to_str() {
        Some("sources.toml") => Ok(sources.to_owned()),
        _ => std::fs::read_to_string(path),
    };
    let mut config =
        config::load(&get, &files, now.load(Ordering::SeqCst)).unwrap_or_else(|faults| panic!("{faults:?}"));
    let owned: BTreeMap<String, String> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    config.lookup = config::Lookup::new(move |name| owned.get(name).cloned());
    let told = Arc::clone(now);
    let clock = Clock::from_fn(move || told.load(Ordering::SeqCst));
    app::wire(config, &clock).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn collect(body: &[u8], rows: &mut BTreeMap<String, (u32, Value)>) {
    let body: Value = serde_json::from_slice(body).unwrap();
    for row in body["Timeseries"].as_array().unwrap() {
        let stamp = row["Timestamp"].as_str().unwrap().to_owned();
        let entry = rows.entry(stamp).or_insert((0, row["Channels"].clone()));
        entry.0 += 1;
    }
}
