//! A hub, a store, sources, and Functions hosts with handler processes that share them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cosmos_gateway::{Gateway, KEY};
use emulator::host::{FunctionsHost, HostOptions, Invocation, Queue, Timers};
use emulator::hub::{Device, Hub, HubOptions, Key};
use emulator::tls::Authority;
use meterbridge::clock::Clock;
use meterbridge::secret::Secret;
use meterbridge::store::cosmos::{Cosmos, CosmosSettings};
use meterbridge::store::embedded::Embedded;
use meterbridge::store::{Document, List, Store};
use tempfile::TempDir;

use crate::handler::{BINARY, folder};

pub const JOBS: &str = "meterbridge-polls";

pub struct World {
    pub dir: TempDir,
    pub hub: Hub,
    pub options: HostOptions,
    /// The store's account, where it is Cosmos DB.
    account: Option<Gateway>,
}

impl World {
    pub async fn new(queue: Arc<dyn Queue>, sources: &str) -> Self {
        let dir = folder(sources);
        let device = Device::new("bridge", Key::random().unwrap());
        let text = device.connection_string("localhost");
        let hub = Hub::start(HubOptions {
            authority: Some(Authority::load_or_create(dir.path()).unwrap()),
            devices: vec![device],
            ..HubOptions::default()
        })
        .await
        .unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let mut options = HostOptions::new(env!("CARGO_MANIFEST_DIR"))
            .setting("TimerSchedule", "0 * * * * *")
            .setting("SOURCES_FILE", path("sources.toml"))
            .setting("STORE_PATH", path("store.db"))
            .setting("INLINE_LIMIT", "1")
            .setting("IOTHUB_DEVICE_CONNECTION_STRING", text)
            .setting("IOTHUB_CONNECT", format!("localhost:{}", hub.addr().port()))
            .setting("IOTHUB_CA_FILE", path("ca.pem"));
        options.executable = Some(BINARY.into());
        options.timers = Timers::ByHand;
        options.queue = Some(queue);
        // As short as the service allows, in place of minutes.
        options.times.kill_after_timeout = Duration::from_millis(100);
        Self {
            dir,
            hub,
            options,
            account: None,
        }
    }

    /// The same with Cosmos DB as the store.
    pub async fn on_cosmos(queue: Arc<dyn Queue>, sources: &str) -> Self {
        let mut world = Self::new(queue, sources).await;
        let account = Gateway::start(0).await.unwrap();
        world.set("COSMOS_ENDPOINT", &account.endpoint());
        world.set("COSMOS_KEY", KEY);
        world.options.settings.remove("STORE_PATH");
        world.account = Some(account);
        world
    }

    fn store(&self) -> Box<dyn Store> {
        match &self.account {
            None => {
                let file = self.dir.path().join("store.db");
                Box::new(Embedded::open(&file, Clock::system()).unwrap())
            }
            Some(account) => Box::new(Cosmos::new(CosmosSettings {
                endpoint: account.endpoint(),
                key: Some(Secret::new(KEY)),
                client_id: None,
                database: "meterbridge".into(),
                container: "polls".into(),
            })),
        }
    }

    /// One more instance of the app.
    pub async fn host(&self) -> FunctionsHost {
        FunctionsHost::start(self.options.clone()).await.unwrap()
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.options.settings.insert(name.to_owned(), value.to_owned());
    }

    /// Attempts recorded in the store, by source.
    pub async fn attempts(&self) -> BTreeMap<String, usize> {
        let store = self.store();
        let list = List {
            source: None,
            kind: "attempt",
            limit: 100_000,
            before: None,
        };
        let mut count = BTreeMap::new();
        for found in store.list(list).await.unwrap() {
            if let Document::Attempt(attempt) = found.document {
                *count.entry(attempt.source).or_default() += 1;
            }
        }
        count
    }
}

/// Fires the timer and gives the run.
pub async fn tick(host: &FunctionsHost) -> Invocation {
    let tick = host.fire_timer(chrono::Utc::now()).await.unwrap();
    assert!(tick.succeeded(), "{tick:?}");
    tick
}

/// All ended calls of PollWorker.
pub fn jobs(hosts: &[FunctionsHost]) -> Vec<Invocation> {
    let all = hosts.iter().flat_map(FunctionsHost::invocations);
    all.filter(|call| call.function == "PollWorker" && call.outcome.is_some())
        .collect()
}

/// Ends once so many calls of PollWorker have.
pub async fn until_jobs(hosts: &[FunctionsHost], count: usize) {
    let enough = async {
        while jobs(hosts).len() < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::handler::PATIENCE, enough)
        .await
        .unwrap_or_else(|_| panic!("{} of {count} jobs: {:?}", jobs(hosts).len(), jobs(hosts)));
}
