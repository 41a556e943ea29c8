//! A slow or bounded backend with many due sources beside others, in time that passes by itself: rounds over sources that answer
//! after so long, a real embedded store and a hub that takes everything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use meterbridge::clock::{Clock, Millis};
use meterbridge::config::{Format, PackConfig, SourceConfig, definition_of};
use meterbridge::forward::{Assignment, Delivered, Error as ForwardError, Forward, Message};
use meterbridge::poll::{Backends, Limits, Poller, Rounds, Ticks};
use meterbridge::reading::{Channel, Rows};
use meterbridge::source::{Answer, Error, Finding, Request, Source, Window};
use meterbridge::store::embedded::Embedded;
use meterbridge::store::{Batch, Committed, Error as StoreError, Found, List, Store};
use serde_json::json;
use tokio::time::Instant;

const START: Millis = 1_769_433_300_000;
const MINUTE: Millis = 60_000;

/// Sites of one backend that takes long, and sources beside it.
struct Crowd {
    rounds: Rounds,
    sites: Vec<String>,
    others: Vec<String>,
    asked: Arc<Asked>,
    _dir: tempfile::TempDir,
}

/// When each source was asked, after the beginning, and how many sites at once at most.
struct Asked {
    began: Instant,
    at: Mutex<Vec<(String, Duration)>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    fn new(seats: usize, backends: (usize, u32), sites: usize, takes: Duration) -> Self {
        let began = Instant::now();
        let asked = Arc::new(Asked {
            began,
            at: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let clock = Clock::from_fn(move || START + Millis::try_from(began.elapsed().as_millis()).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(&dir.path().join("store.db"), clock.clone()).unwrap();
        let poller = Poller {
            store: Arc::new(Awake(store)),
            forward: Arc::new(Willing),
            clock,
            pack: PackConfig {
                format: Format::Timeseries,
                unit: 4096,
                units: 1,
            },
            retention: 86_400,
            limits: Arc::new(Limits {
                backends: Backends::new(backends.0, backends.1, Ticks::from_fn(move || began.elapsed())),
                ..Limits::default()
            }),
        };
        let member = |definition: &serde_json::Value, takes| {
            let config: SourceConfig = definition_of(definition).unwrap();
            let source: Arc<dyn Source> = Arc::new(Timed {
                id: config.id.clone(),
                takes,
                asked: Arc::clone(&asked),
            });
            (config, source)
        };
        let site = |n: usize| {
            let definition = json!({
                "id": format!("site{n:02}"), "kind": "rapidm2m", "url": "https://b.example/", "customer": "c",
                "site": format!("{n}"), "channels": ["ch0"],
            });
            member(&definition, takes)
        };
        let other = |n: usize| {
            let definition = json!({ "id": format!("other{n:02}"), "kind": "synthetic" });
            member(&definition, Duration::ZERO)
        };
        let members: Vec<_> = (0..sites).map(site).chain((0..12).map(other)).collect();
        let ids: Vec<String> = members.iter().map(|(config, _)| config.id.clone()).collect();
        let (sites, others) = ids.split_at(sites);
        Self {
            rounds: Rounds::new(poller, "cloud".into(), seats, members),
            sites: sites.to_vec(),
            others: others.to_vec(),
            asked,
            _dir: dir,
        }
    }

    /// One round over all, those of the backend first, with so much time.
    async fn round(&self, time: Millis) -> meterbridge::poll::Round {
        let ids = [self.sites.as_slice(), &self.others].concat();
        self.rounds.poll(ids, START, START + time, true).await
    }

    /// When the sources with this beginning of an id were asked.
    fn asked(&self, of: &str) -> Vec<Duration> {
        let at = self.asked.at.lock().unwrap();
        at.iter()
            .filter(|(id, _)| id.starts_with(of))
            .map(|(_, at)| *at)
            .collect()
    }
}

/// Twenty sites of a backend that takes half a minute for each answer do not hold up the sources beside them, though there are only
/// four seats; the backend gets two questions at once, and each site its turn.
#[tokio::test(start_paused = true)]
async fn a_slow_backend_with_many_sites_holds_up_no_other_source() {
    let crowd = Crowd::new(4, (2, 0), 20, Duration::from_secs(30));
    let round = crowd.round(10 * MINUTE).await;
    let others = crowd.asked("other");
    assert_eq!(others.len(), 12);
    let last = others.iter().max().unwrap();
    assert!(*last < Duration::from_secs(1), "the last one waited {last:?}");
    assert_eq!((round.reports.len(), round.left), (32, 0));
    assert_eq!(crowd.asked("site").len(), 20);
    assert_eq!(crowd.asked.most.load(Ordering::SeqCst), 2);
    let took = crowd.asked.began.elapsed().as_secs();
    assert!((300..310).contains(&took), "two at a time: {took} s");
}

/// The same where it is the budget of requests a minute that they wait for: one a second, after six at once.
#[tokio::test(start_paused = true)]
async fn a_budget_that_is_used_up_holds_up_no_other_source() {
    let crowd = Crowd::new(4, (4, 60), 20, Duration::ZERO);
    let round = crowd.round(10 * MINUTE).await;
    let last = crowd.asked("other").into_iter().max().unwrap();
    assert!(last < Duration::from_millis(500), "the last one waited {last:?}");
    assert_eq!((round.reports.len(), round.left), (32, 0));
    let mut sites = crowd.asked("site");
    sites.sort();
    assert_eq!(sites.len(), 20);
    assert!(sites[5] < Duration::from_millis(500), "{sites:?}");
    assert!((13..16).contains(&sites[19].as_secs()), "{sites:?}");
}

/// What is still waiting for the backend when the time is up was not begun, and nothing was written for it.
#[tokio::test(start_paused = true)]
async fn sites_that_got_no_turn_are_left_untouched() {
    let crowd = Crowd::new(4, (2, 0), 20, Duration::from_secs(30));
    let round = crowd.round(MINUTE).await;
    assert_eq!((round.reports.len(), round.left), (16, 16));
    let store = &crowd.rounds.poller().store;
    let last = store.read("site19", "state").await.unwrap();
    assert!(last.is_none());
}

/// Answers after so long with one row.
struct Timed {
    id: String,
    takes: Duration,
    asked: Arc<Asked>,
}

#[async_trait]
impl Source for Timed {
    fn has_history(&self) -> bool {
        false
    }

    fn request(&self, _: Window) -> Request {
        Request {
            method: "GET".into(),
            url: "https://b.example/".into(),
        }
    }

    async fn read(&self, window: Window) -> Result<Answer, Error> {
        let asked = &self.asked;
        let at = asked.began.elapsed();
        asked.at.lock().unwrap().push((self.id.clone(), at));
        if self.id.starts_with("site") {
            let now = asked.now.fetch_add(1, Ordering::SeqCst) + 1;
            asked.most.fetch_max(now, Ordering::SeqCst);
        }
        tokio::time::sleep(self.takes).await;
        if self.id.starts_with("site") {
            asked.now.fetch_sub(1, Ordering::SeqCst);
        }
        let mut rows = Rows::new(vec![Channel::named("ch0")]);
        let stamp = START + Millis::try_from(at.as_millis()).unwrap();
        rows.push(stamp, |_| Some("1"));
        Ok(Answer {
            request: self.request(window),
            status: 200,
            rows,
            ..Answer::default()
        })
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// Takes everything.
struct Willing;

#[async_trait]
impl Forward for Willing {
    async fn device(
        &self,
        source: &str,
        _: Option<&Assignment>,
        _: bool,
    ) -> Result<Assignment, ForwardError> {
        Ok(Assignment {
            hub: "hub".into(),
            device: source.into(),
        })
    }

    async fn send(&self, _: &Assignment, messages: &[Message]) -> Result<Delivered, ForwardError> {
        let units = u32::try_from(messages.len()).unwrap();
        Ok(Delivered { units, skew: None })
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// The store has threads of its own, which a paused clock does not wait for; so it is kept from running ahead of them.
struct Awake(Embedded);

async fn awake<T>(work: impl Future<Output = T>) -> T {
    let (done, until) = std::sync::mpsc::sync_channel::<()>(1);
    let busy = tokio::task::spawn_blocking(move || until.recv().is_ok());
    let worked = work.await;
    drop(done);
    let _ = busy.await;
    worked
}

#[async_trait]
impl Store for Awake {
    async fn prepare(&self) -> Result<(), StoreError> {
        awake(self.0.prepare()).await
    }

    async fn read(&self, source: &str, id: &str) -> Result<Option<Found>, StoreError> {
        awake(self.0.read(source, id)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        awake(self.0.commit(batch)).await
    }

    async fn due(&self, runner: &str, now: Millis, limit: usize) -> Result<Vec<String>, StoreError> {
        awake(self.0.due(runner, now, limit)).await
    }

    async fn list(&self, list: List) -> Result<Vec<Found>, StoreError> {
        awake(self.0.list(list)).await
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}
