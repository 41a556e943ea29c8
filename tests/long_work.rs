//! `backfill` and `replay` with the real program against the emulated backend and hub, over TLS: stopped, killed, resumed, through
//! an outage of the hub, and what they say to wrong input.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use chrono::Utc;
use emulator::hub::{Device, Fault, Hub, HubOptions, Key};
use emulator::rapidm2m::{Backend, BackendOptions, Channel, CustomerOptions, Generator, SiteOptions, Wave};
use emulator::tls::Authority;
use meterbridge::clock::{Clock, iso};
use meterbridge::store::documents::{DeadLetter, State};
use meterbridge::store::embedded::Embedded;
use meterbridge::store::{Batch, Document, List, Store, Write};
use tokio::process::{Child, Command};

const MINUTE: i64 = 60_000;

/// A site with a row a minute for six hours, a hub, and a reader that only knows the present.
struct World {
    folder: tempfile::TempDir,
    hub: Hub,
    settings: Vec<(&'static str, String)>,
    first: i64,
    _backend: Backend,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::new("bridge", Key::random().unwrap());
        let text = device.connection_string("localhost");
        let options = HubOptions {
            authority: Some(Authority::load_or_create(folder.path()).unwrap()),
            devices: vec![device],
            ..HubOptions::default()
        };
        let hub = Hub::start(options).await.unwrap();
        let first = Utc::now().timestamp_millis() / MINUTE * MINUTE - 360 * MINUTE;
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
            start_ms: first,
            end_ms: Some(first + 360 * MINUTE),
            interval_ms: MINUTE,
            ..Generator::default()
        };
        let backend = Backend::start(BackendOptions {
            user: "user".into(),
            password: "password".into(),
            customers: vec![CustomerOptions {
                id: "c".into(),
                sites: vec![SiteOptions::generated("s", vec![channel], generator)],
            }],
            ..BackendOptions::default()
        })
        .await
        .unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let sources = format!(
            "[[source]]\nid = \"plant\"\nkind = \"rapidm2m\"\nurl = \"{}\"\nuser = \"user\"\npassword = \"password\"\n\
             customer = \"c\"\nsite = \"s\"\nchannels = [\"ch0\"]\nslice = \"2m\"\n\n\
             [[source]]\nid = \"other\"\nkind = \"synthetic\"\nrunner = \"lan\"\n\n\
             [[source]]\nid = \"reader\"\nkind = \"synthetic\"\ncounter = true\n",
            backend.url()
        );
        std::fs::write(path("sources.toml"), sources).unwrap();
        let settings = vec![
            ("SOURCES_FILE", path("sources.toml")),
            ("STORE_PATH", path("store.db")),
            ("IOTHUB_DEVICE_CONNECTION_STRING", text),
            ("IOTHUB_CONNECT", format!("localhost:{}", hub.addr().port())),
            ("IOTHUB_CA_FILE", path("ca.pem")),
        ];
        Self {
            folder,
            hub,
            settings,
            first,
            _backend: backend,
        }
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_meterbridge")));
        command.args(arguments).env_clear().kill_on_drop(true);
        for (name, value) in &self.settings {
            command.env(name, value);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let ended = tokio::time::timeout(Duration::from_secs(90), self.start(arguments).wait_with_output());
        told(&ended.await.unwrap().unwrap())
    }

    /// The range from the first row to long after the last.
    fn backfill(&self) -> Vec<String> {
        let (from, until) = (iso(self.first), iso(Utc::now().timestamp_millis()));
        ["backfill", "plant", "--from", &from, "--until", &until]
            .map(str::to_owned)
            .to_vec()
    }

    fn store(&self) -> Embedded {
        Embedded::open(&self.folder.path().join("store.db"), Clock::system()).unwrap()
    }

    async fn state(&self) -> Option<State> {
        match self.store().read("plant", State::ID).await.unwrap()?.document {
            Document::State(state) => Some(state),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the backfill has come so many minutes far.
    async fn until(&self, minutes: i64) {
        let come = async {
            loop {
                let open = self.state().await.and_then(|state| state.past.backfill);
                if open.is_some_and(|open| open.at - open.from > minutes * MINUTE) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), come).await.unwrap();
    }

    /// Ends the lease of a process that is gone, as time would.
    async fn release(&self) {
        let store = self.store();
        let found = store.read("plant", State::ID).await.unwrap().unwrap();
        let Document::State(mut state) = found.document else {
            panic!("a state")
        };
        state.lease = None;
        let batch = Batch {
            source: "plant".into(),
            writes: vec![Write::Replace(Document::State(state), found.etag)],
        };
        store.commit(batch).await.unwrap();
    }

    /// By stamp, the ids under which it arrived; and that no id ever carried two bodies.
    fn rows(&self) -> BTreeMap<String, Vec<String>> {
        let mut bodies: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for message in self.hub.arrived() {
            let id = message.message_id.clone().unwrap();
            let body = message.body.to_vec();
            if let Some(before) = bodies.insert(id.clone(), body.clone()) {
                assert_eq!(before, body, "{id}");
                continue;
            }
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            for row in body["Timeseries"].as_array().unwrap() {
                let stamp = row["Timestamp"].as_str().unwrap().to_owned();
                rows.entry(stamp).or_default().push(id.clone());
            }
        }
        rows
    }

    fn assert_all_once(&self) {
        let rows = self.rows();
        assert_eq!(rows.len(), 360);
        let doubled: Vec<_> = rows.iter().filter(|(_, ids)| ids.len() > 1).collect();
        assert!(doubled.is_empty(), "{doubled:?}");
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        let list = List {
            source: None,
            kind: "deadletter",
            limit: 1_000,
            before: None,
        };
        let found = self.store().list(list).await.unwrap();
        found
            .into_iter()
            .map(|found| match found.document {
                Document::DeadLetter(letter) => letter,
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn told(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), b"\n", output.stderr.as_slice()].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(text).unwrap(),
    )
}

fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let done = std::process::Command::new("kill")
        .args([name, &id])
        .status()
        .unwrap();
    assert!(done.success());
}

fn of(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_goes_on_after_ctrl_c_a_kill_and_an_outage() {
    let world = World::new().await;
    let command = world.backfill();
    // Each request to the hub takes a while, so that there is something to stop.
    world.hub.fail_next(u32::MAX, Fault::Delay(10));
    let child = world.start(&of(&command));
    world.until(30).await;
    signal(&child, "-INT");
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output());
    let (code, text) = told(&ended.await.unwrap().unwrap());
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("plant: Stopped at") && text.contains("goes on there"),
        "{text}"
    );
    let stopped = world.state().await.unwrap();
    assert_eq!(stopped.lease, None, "nobody has to wait for a lease");
    let at = stopped.past.backfill.unwrap().at;

    let mut child = world.start(&of(&command));
    world.until((at - world.first) / MINUTE + 60).await;
    signal(&child, "-KILL");
    child.wait().await.unwrap();
    world.release().await;

    // The hub is down for a while, then takes everything.
    world.hub.clear_faults();
    world.hub.fail_next(6, Fault::status(503));
    let (code, text) = world.run(&of(&command)).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("done: 359 rows, 1 left out"), "{text}");
    world.assert_all_once();
    let state = world.state().await.unwrap();
    assert_eq!(state.mark, Some(world.first + 359 * MINUTE));
    assert_eq!(state.checkpoint, state.mark);

    // Once more: nothing is left to fill.
    let (code, text) = world.run(&of(&command)).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("done: 0 rows, 360 left out"), "{text}");
    world.assert_all_once();
}

/// A stopped backfill is gone on with by the ticks of `run`.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_goes_on_with_a_backfill() {
    let world = World::new().await;
    let command = world.backfill();
    world.hub.fail_next(u32::MAX, Fault::Delay(10));
    let child = world.start(&of(&command));
    world.until(10).await;
    signal(&child, "-INT");
    child.wait_with_output().await.unwrap();
    world.hub.clear_faults();
    let service = world.start(&["run"]);
    let done = async {
        while world.state().await.unwrap().past.backfill.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.unwrap();
    signal(&service, "-TERM");
    let ended = tokio::time::timeout(Duration::from_secs(30), service.wait_with_output());
    assert!(ended.await.unwrap().unwrap().status.success());
    let of_plant = |row: &(&String, &Vec<String>)| row.1.iter().all(|id| id.starts_with("plant."));
    let rows = world.rows();
    let rows: Vec<_> = rows.iter().filter(of_plant).collect();
    assert_eq!(rows.len(), 360);
    assert!(rows.iter().all(|(_, ids)| ids.len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_sends_nothing() {
    let world = World::new().await;
    let mut command = world.backfill();
    command.push("--dry-run".into());
    let (code, text) = world.run(&of(&command)).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("360 rows (360 readings) would be sent"), "{text}");
    assert!(world.hub.arrived().is_empty());
    assert!(world.state().await.is_none());
    // Once the newest row is polled, it would be left out.
    assert_eq!(world.run(&["poll", "plant"]).await.0, 0);
    let (code, text) = world.run(&of(&command)).await;
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("359 rows (359 readings)") && text.contains("1 rows were recorded before"),
        "{text}"
    );
    assert_eq!(world.hub.arrived().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_is_told() {
    let world = World::new().await;
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    for (arguments, code, expected) in [
        (
            vec!["nowhere", "--from", early, "--until", late],
            64,
            "There is no source nowhere",
        ),
        (
            vec!["reader", "--from", early, "--until", late],
            64,
            "reader only knows the present",
        ),
        (
            vec!["other", "--from", early, "--until", late],
            64,
            "belongs to another runner",
        ),
        (
            vec!["plant", "--from", late, "--until", early],
            64,
            "--from must be before --until",
        ),
        (
            vec!["plant", "--from", early, "--until", "2999-01-01"],
            64,
            "--until is in the future",
        ),
        (
            vec!["plant", "--from", "yesterday", "--until", late],
            64,
            "--from yesterday: write an instant",
        ),
        (vec!["plant", "--from", early], 2, "--until"),
        (vec!["plant", "--cancel"], 0, "no backfill is under way"),
    ] {
        let (found, text) = world.run(&[vec!["backfill"], arguments.clone()].concat()).await;
        assert_eq!(found, code, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let (code, text) = world.run(&["replay", "nowhere"]).await;
    assert_eq!(code, 64, "{text}");
    let (code, text) = world.run(&["replay", "--id", "x.1"]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("There is no dead letter x.1"), "{text}");
    let (code, text) = world.run(&["replay"]).await;
    assert_eq!((code, text.trim()), (0, "No dead letters."));
}

/// What the hub refused for good is sent again as it was, once the hub takes it, and only then counts as replayed.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_sent_again_as_they_were() {
    let world = World::new().await;
    assert_eq!(world.run(&["poll", "plant"]).await.0, 0);
    let before = world.hub.arrived().len();
    let (from, until) = (iso(world.first), iso(world.first + 3 * MINUTE));
    world.hub.fail_next(1, Fault::status(400));
    let (code, text) = world
        .run(&["backfill", "plant", "--from", &from, "--until", &until])
        .await;
    assert_eq!(code, 0, "{text}");
    let letters = world.letters().await;
    assert_eq!(letters.len(), 1);
    let (code, text) = world.run(&["replay", "--dry-run"]).await;
    assert!(
        code == 0 && text.contains(&letters[0].message_id) && text.contains("Nothing was sent"),
        "{text}"
    );

    // Refused again: kept, with the newest reason.
    world.hub.fail_next(1, Fault::status(413));
    let (code, text) = world.run(&["replay", "plant"]).await;
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("0 of 1 dead letters taken by the hub, 1 refused again, 0 left"),
        "{text}"
    );
    let refused = world.letters().await;
    assert!(refused[0].why.contains("too large"), "{:?}", refused[0]);
    assert_eq!((refused[0].replayed_at, refused[0].ttl), (None, None));

    // The hub is away: nothing is lost, nothing is marked.
    world.hub.fail_next(3, Fault::status(503));
    let (code, text) = world.run(&["replay"]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("1 left"), "{text}");
    world.hub.clear_faults();

    let (code, text) = world.run(&["replay", "--id", &letters[0].message_id]).await;
    assert_eq!(code, 0, "{text}");
    let replayed = world.letters().await;
    assert!(replayed[0].replayed_at.is_some() && replayed[0].ttl.is_some());
    let arrived = world.hub.arrived();
    // The backfill's second message arrived before it.
    assert_eq!(arrived.len(), before + 2);
    let message = arrived.last().unwrap();
    assert_eq!(message.message_id.as_ref(), Some(&letters[0].message_id));
    assert_eq!(message.body.to_vec(), letters[0].body.as_bytes());
    assert_eq!(message.creation_time, Some(iso(letters[0].created)));
    for (name, value) in &letters[0].properties {
        assert_eq!(message.properties.get(name), Some(value), "{name}");
    }
    let (code, text) = world.run(&["replay"]).await;
    assert_eq!((code, text.trim()), (0, "No dead letters."));
}
