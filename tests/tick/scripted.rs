//! A source, a hub and a store that do what a test says, and a process that can be killed at any operation.

#![allow(dead_code)] // Each test file uses its part.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use meterbridge::clock::{Clock, Millis};
use meterbridge::config::{Format, Kind, Naming, PackConfig, Schedule, SourceConfig, SyntheticConfig};
use meterbridge::forward::{Assignment, Delivered, Error as ForwardError, Forward, Message};
use meterbridge::poll::backfill::{Backfilled, Order};
use meterbridge::poll::replay::Replayed;
use meterbridge::poll::{Poller, Report, Round, Rounds, Turn};
use meterbridge::reading::{Channel, Rows};
use meterbridge::source::{Answer, Error as SourceError, Finding, Request, Source, Window};
use meterbridge::store::documents::{Attempt, DeadLetter, State};
use meterbridge::store::embedded::Embedded;
use meterbridge::store::{Batch, Committed, Document, Error as StoreError, Found, List, Store, Write};

pub const START: Millis = 1_769_433_300_000;
pub const MINUTE: Millis = 60_000;

/// One source with everything around it.
pub struct Bench {
    pub config: SourceConfig,
    pub source: Arc<Scripted>,
    pub hub: Arc<Hub>,
    pub poller: Poller,
    /// How long a tick may work.
    pub patience: Millis,
    now: Arc<AtomicI64>,
    reaper: Arc<Reaper>,
    inner: Arc<Embedded>,
    _dir: Arc<tempfile::TempDir>,
}

/// Counts operations and kills the process at one of them: the call never returns.
#[derive(Default)]
pub struct Reaper {
    count: AtomicUsize,
    at: Mutex<Option<usize>>,
    lose: Mutex<Option<usize>>,
    refuse: AtomicUsize,
    refuse_at: Mutex<Option<usize>>,
    killed: tokio::sync::Notify,
    pause: Mutex<Option<usize>>,
    paused: tokio::sync::Notify,
    resumed: tokio::sync::Notify,
}

impl Reaper {
    async fn step(&self) {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        if *self.at.lock().unwrap() == Some(count) {
            self.killed.notify_one();
            std::future::pending::<()>().await;
        }
        if *self.pause.lock().unwrap() == Some(count) {
            self.paused.notify_one();
            self.resumed.notified().await;
        }
    }
}

impl Bench {
    /// A source with a history of these rows: minutes after the start, value.
    pub async fn history(rows: &[(i64, &str)]) -> Self {
        let source = Scripted {
            history: true,
            ..Scripted::default()
        };
        for (minute, value) in rows {
            source.push(*minute, value);
        }
        Self::of(source).await
    }

    /// A reader: the present only.
    pub async fn reader() -> Self {
        Self::of(Scripted::default()).await
    }

    async fn of(source: Scripted) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let now = Arc::new(AtomicI64::new(START + MINUTE));
        let told = Arc::clone(&now);
        let clock = Clock::from_fn(move || told.load(Ordering::SeqCst));
        let inner = Arc::new(Embedded::open(&dir.path().join("store.db"), clock.clone()).unwrap());
        inner.prepare().await.unwrap();
        let reaper = Arc::new(Reaper::default());
        let hub = Arc::new(Hub::default());
        let source = Arc::new(source);
        Self::wired(source, hub, inner, reaper, clock, now, dir)
    }

    fn wired(
        source: Arc<Scripted>,
        hub: Arc<Hub>,
        inner: Arc<Embedded>,
        reaper: Arc<Reaper>,
        clock: Clock,
        now: Arc<AtomicI64>,
        dir: Arc<tempfile::TempDir>,
    ) -> Self {
        let poller = Poller {
            store: Arc::new(Reaped {
                inner: Arc::clone(&inner),
                reaper: Arc::clone(&reaper),
            }),
            forward: Arc::new(Door {
                hub: Arc::clone(&hub),
                now: Arc::clone(&now),
                reaper: Arc::clone(&reaper),
            }),
            clock,
            pack: PackConfig {
                format: Format::Timeseries,
                unit: 4096,
                units: 46,
            },
            retention: 86_400,
            limits: Arc::default(),
        };
        Self {
            config: config(),
            source,
            hub,
            poller,
            patience: 50_000,
            now,
            reaper,
            inner,
            _dir: dir,
        }
    }

    /// The same store, source and hub under a new process.
    pub fn restarted(&self) -> Self {
        let mut bench = Self::wired(
            Arc::clone(&self.source),
            Arc::clone(&self.hub),
            Arc::clone(&self.inner),
            Arc::new(Reaper::default()),
            self.poller.clock.clone(),
            Arc::clone(&self.now),
            Arc::clone(&self._dir),
        );
        bench.config = self.config.clone();
        bench.poller.pack = self.poller.pack;
        bench
    }

    pub fn now(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }

    pub fn advance(&self, by: Millis) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }

    pub fn kill_at(&self, operation: usize) {
        *self.reaper.at.lock().unwrap() = Some(operation);
    }

    /// The process stands still at this operation until [`Bench::resume`].
    pub fn pause_at(&self, operation: usize) {
        *self.reaper.pause.lock().unwrap() = Some(operation);
    }

    pub async fn paused(&self) {
        self.reaper.paused.notified().await;
    }

    pub fn resume(&self) {
        self.reaper.resumed.notify_one();
    }

    /// All documents of the source with their versions.
    pub async fn everything(&self) -> Vec<String> {
        let mut all = Vec::new();
        for kind in ["state", "digest", "attempt", "rows", "shipment", "deadletter"] {
            let list = List {
                source: Some("home".into()),
                kind,
                limit: 10_000,
                before: None,
            };
            for found in self.inner.list(list).await.unwrap() {
                all.push(format!("{} {}", found.document.id(), found.etag.0));
            }
        }
        all
    }

    /// The reply of this commit (counted from 0) is lost.
    pub fn lose_reply(&self, commit: usize) {
        *self.reaper.lose.lock().unwrap() = Some(commit);
    }

    /// So many commits are refused from now on, without being written.
    pub fn refuse_commits(&self, count: usize) {
        self.reaper.refuse.store(count, Ordering::SeqCst);
    }

    /// This commit (counted from 0) never arrives.
    pub fn refuse_commit(&self, commit: usize) {
        *self.reaper.refuse_at.lock().unwrap() = Some(commit);
    }

    /// Ids under which the parts of stored shipments are sent.
    pub async fn frozen(&self) -> BTreeSet<String> {
        let list = List {
            source: Some("home".into()),
            kind: "shipment",
            limit: 10_000,
            before: None,
        };
        let mut ids = BTreeSet::new();
        for found in self.inner.list(list).await.unwrap() {
            let Document::Shipment(shipment) = found.document else {
                panic!("a shipment")
            };
            let birth = shipment.id.split('.').nth(1).unwrap();
            for part in &shipment.parts {
                ids.insert(format!("home.{birth}.{:010}.{}", shipment.number, part.label));
            }
        }
        ids
    }

    /// The source as the process has it.
    pub fn reaped(&self) -> Arc<dyn Source> {
        Arc::new(Reaped2 {
            inner: Arc::clone(&self.source),
            reaper: Arc::clone(&self.reaper),
            now: self.now(),
            clock: Arc::clone(&self.now),
        })
    }

    /// A tick by schedule: nobody asked.
    pub async fn tick_when_due(&self) -> Report {
        self.turn(false).await
    }

    pub async fn tick(&self) -> Report {
        self.turn(true).await
    }

    async fn turn(&self, force: bool) -> Report {
        let source = self.reaped();
        let now = self.now();
        let turn = Turn {
            config: &self.config,
            source: source.as_ref(),
            due: now,
            deadline: now + self.patience,
            force,
            seat: None,
        };
        self.poller.tick(turn).await
    }

    /// One turn of a backfill, with so much time.
    pub async fn backfill(&self, order: Order<'_>, time: Millis) -> Backfilled {
        let source = self.reaped();
        let now = self.now();
        let turn = Turn {
            config: &self.config,
            source: source.as_ref(),
            due: now,
            deadline: now + time,
            force: false,
            seat: None,
        };
        self.poller.backfill(turn, order).await
    }

    /// Whether the turn was killed.
    pub async fn backfill_until_killed(&self, order: Order<'_>) -> bool {
        tokio::select! {
            biased;
            () = self.reaper.killed.notified() => true,
            _ = self.backfill(order, 50_000) => false,
        }
    }

    /// One turn of a replay of all dead letters.
    pub async fn replay(&self) -> Replayed {
        let list = List {
            source: Some("home".into()),
            kind: "deadletter",
            limit: 10_000,
            before: None,
        };
        let found = self.inner.list(list).await.unwrap();
        let ids: Vec<String> = found
            .iter()
            .rev()
            .map(|found| found.document.id().to_owned())
            .collect();
        let source = self.reaped();
        let now = self.now();
        let turn = Turn {
            config: &self.config,
            source: source.as_ref(),
            due: now,
            deadline: now + 50_000,
            force: true,
            seat: None,
        };
        self.poller.replay(turn, &ids, &AtomicBool::new(false)).await
    }

    /// Whether the replay was killed.
    pub async fn replay_until_killed(&self) -> bool {
        tokio::select! {
            biased;
            () = self.reaper.killed.notified() => true,
            _ = self.replay() => false,
        }
    }

    /// What a process does with the source that knows no definition of it.
    pub async fn finish(&self) -> Round {
        let rounds = Rounds::new(self.poller.clone(), "cloud".into(), 1, Vec::new());
        let now = self.now();
        rounds.finish(vec!["home".into()], now, now + 50_000).await
    }

    /// Whether that was killed.
    pub async fn finish_until_killed(&self) -> bool {
        tokio::select! {
            biased;
            () = self.reaper.killed.notified() => true,
            _ = self.finish() => false,
        }
    }

    /// Whether the tick was killed.
    pub async fn tick_until_killed(&self) -> bool {
        tokio::select! {
            biased;
            () = self.reaper.killed.notified() => true,
            _ = self.tick() => false,
        }
    }

    pub async fn state(&self) -> State {
        match self
            .inner
            .read("home", State::ID)
            .await
            .unwrap()
            .unwrap()
            .document
        {
            Document::State(state) => state,
            other => panic!("{other:?}"),
        }
    }

    /// The dead letters themselves, oldest first.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let list = List {
            source: Some("home".into()),
            kind: "deadletter",
            limit: 10_000,
            before: None,
        };
        let found = self.inner.list(list).await.unwrap();
        let letter = |found: Found| match found.document {
            Document::DeadLetter(letter) => letter,
            other => panic!("{other:?}"),
        };
        found.into_iter().rev().map(letter).collect()
    }

    /// Message ids of the dead letters, with the stamps in their bodies.
    pub async fn letters(&self) -> BTreeMap<String, Vec<Millis>> {
        let list = List {
            source: Some("home".into()),
            kind: "deadletter",
            limit: 10_000,
            before: None,
        };
        let found = self.inner.list(list).await.unwrap();
        found
            .into_iter()
            .map(|found| match found.document {
                Document::DeadLetter(letter) => (letter.message_id, stamps(letter.body.as_bytes())),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// How often what is new was asked for.
    pub async fn live_attempts(&self) -> usize {
        let attempts = self.attempts().await;
        attempts.iter().filter(|attempt| attempt.aim.is_none()).count()
    }

    pub async fn attempts(&self) -> Vec<Attempt> {
        let list = List {
            source: Some("home".into()),
            kind: "attempt",
            limit: 10_000,
            before: None,
        };
        let found = self.inner.list(list).await.unwrap();
        found
            .into_iter()
            .map(|found| match found.document {
                Document::Attempt(attempt) => attempt,
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn config() -> SourceConfig {
    SourceConfig {
        id: "home".into(),
        kind: Kind::Synthetic(SyntheticConfig {
            channels: Vec::new(),
            counter: false,
            interval: Duration::from_secs(60),
            seed: 1,
        }),
        runner: "cloud".into(),
        schedule: Schedule::Every(Duration::from_secs(60)),
        zone: chrono_tz::Tz::UTC,
        overlap: Duration::ZERO,
        expected: None,
        start: None,
        slice: Duration::from_secs(86_400),
        send_every: Duration::ZERO,
        naming: Naming::Source,
        origin: "test".into(),
    }
}

/// A source that answers from a list.
#[derive(Default)]
pub struct Scripted {
    history: bool,
    rows: Mutex<BTreeMap<Millis, String>>,
    /// Stamps that the backend shows before their time: a device's clock was ahead.
    ahead: Mutex<BTreeSet<Millis>>,
    failures: AtomicUsize,
    fault: Mutex<Option<fn() -> SourceError>>,
    calls: AtomicUsize,
    /// How much later it is after each question.
    takes: AtomicI64,
    /// Rows that one answer may have; 0 for any number.
    most: AtomicUsize,
    obis: Mutex<Option<String>>,
}

impl Scripted {
    /// The channel map names this OBIS code from now on.
    pub fn map(&self, obis: &str) {
        *self.obis.lock().unwrap() = Some(obis.into());
    }

    /// A row that the backend has already, whatever its stamp says.
    pub fn push_ahead(&self, minute: i64, value: &str) {
        self.push(minute, value);
        self.ahead.lock().unwrap().insert(START + minute * MINUTE);
    }

    pub fn push(&self, minute: i64, value: &str) {
        self.push_at(START + minute * MINUTE, value);
    }

    pub fn push_at(&self, stamp: Millis, value: &str) {
        self.rows.lock().unwrap().insert(stamp, value.into());
    }

    /// The backend shows this row no more.
    pub fn hide(&self, minute: i64) {
        self.rows.lock().unwrap().remove(&(START + minute * MINUTE));
    }

    pub fn fail(&self, times: usize) {
        self.failures.store(times, Ordering::SeqCst);
    }

    /// The same with an error of choice.
    pub fn fail_with(&self, times: usize, with: fn() -> SourceError) {
        *self.fault.lock().unwrap() = Some(with);
        self.fail(times);
    }

    /// How much later it is after each question.
    pub fn takes(&self, time: Millis) {
        self.takes.store(time, Ordering::SeqCst);
    }

    /// No answer has more rows than this.
    pub fn hold(&self, rows: usize) {
        self.most.store(rows, Ordering::SeqCst);
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

struct Reaped2 {
    inner: Arc<Scripted>,
    reaper: Arc<Reaper>,
    now: Millis,
    clock: Arc<AtomicI64>,
}

#[async_trait]
impl Source for Reaped2 {
    fn has_history(&self) -> bool {
        self.inner.history
    }

    fn request(&self, _: Window) -> Request {
        Request {
            method: "GET".into(),
            url: "https://backend/histdata0".into(),
        }
    }

    async fn read(&self, window: Window) -> Result<Answer, SourceError> {
        self.reaper.step().await;
        self.inner.calls.fetch_add(1, Ordering::SeqCst);
        self.clock
            .fetch_add(self.inner.takes.load(Ordering::SeqCst), Ordering::SeqCst);
        if self.inner.failures.load(Ordering::SeqCst) > 0 {
            self.inner.failures.fetch_sub(1, Ordering::SeqCst);
            if let Some(with) = *self.inner.fault.lock().unwrap() {
                return Err(with());
            }
            return Err(SourceError::Login {
                what: "backend".into(),
                detail: "401".into(),
                mend: "mend".into(),
            });
        }
        let list = self.inner.rows.lock().unwrap();
        // A value `5;7` stands for two channels, either of which may be empty.
        let width = 1 + usize::from(list.values().any(|value| value.contains(';')));
        let mut channels: Vec<Channel> = (0..width).map(|i| Channel::named(format!("ch{i}"))).collect();
        channels[0].obis.clone_from(&self.inner.obis.lock().unwrap());
        let mut rows = Rows::new(channels);
        let push = |rows: &mut Rows, stamp: Millis, value: &str| {
            let values: Vec<&str> = value.split(';').collect();
            rows.push(stamp, |i| values.get(i).copied().filter(|v| !v.is_empty()));
        };
        let ahead = self.inner.ahead.lock().unwrap();
        let visible = |(stamp, _): &(&Millis, &String)| **stamp <= self.now || ahead.contains(stamp);
        match window {
            _ if !self.inner.history => push(&mut rows, self.now, "7"),
            Window::Youngest => {
                if let Some((stamp, value)) = list.iter().rfind(visible) {
                    push(&mut rows, *stamp, value);
                }
            }
            Window::Range { from, until, open } => {
                // As rapidM2M answers: up to the present means up to the newest row there is.
                let until = if open { Millis::MAX } else { until };
                for (stamp, value) in list.range(from..=until).filter(visible) {
                    push(&mut rows, *stamp, value);
                }
            }
        }
        let limit = self.inner.most.load(Ordering::SeqCst);
        if limit > 0 && rows.len() > limit {
            return Err(SourceError::TooManyRows {
                what: "backend".into(),
                limit,
            });
        }
        let request = self.request(window);
        Ok(Answer {
            request,
            status: 200,
            rows,
            ..Answer::default()
        })
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// A hub that keeps what it took.
#[derive(Default)]
pub struct Hub {
    taken: Mutex<Vec<Message>>,
    refusals: AtomicUsize,
    refusal: Mutex<Option<fn() -> ForwardError>>,
    limit: AtomicUsize,
    /// Stamps whose messages, sent alone, are refused for good.
    cursed: Mutex<BTreeSet<Millis>>,
    takes: AtomicI64,
    /// Requests, taken or not.
    calls: AtomicUsize,
    /// The hubs that DPS names, one after another; none where the device is configured.
    homes: Mutex<Vec<Result<&'static str, ForwardError>>>,
    registers: std::sync::atomic::AtomicBool,
    /// When DPS was asked.
    pub registrations: Mutex<Vec<Millis>>,
    /// Only this hub takes messages.
    home: Mutex<Option<&'static str>>,
}

impl Hub {
    /// How much later it is after each request.
    pub fn takes(&self, time: Millis) {
        self.takes.store(time, Ordering::SeqCst);
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// DPS names these hubs, one at each registration.
    pub fn assigns(&self, homes: Vec<Result<&'static str, ForwardError>>) {
        self.registers.store(true, Ordering::SeqCst);
        *self.homes.lock().unwrap() = homes;
    }

    /// The device is known at this hub alone.
    pub fn lives_at(&self, home: &'static str) {
        *self.home.lock().unwrap() = Some(home);
    }

    /// A message with this row is refused for good (400), alone or in an envelope.
    pub fn curse(&self, minute: i64) {
        self.cursed.lock().unwrap().insert(START + minute * MINUTE);
    }

    pub fn refuse(&self, times: usize, with: fn() -> ForwardError) {
        *self.refusal.lock().unwrap() = Some(with);
        self.refusals.store(times, Ordering::SeqCst);
    }

    pub fn accept(&self) {
        self.refusals.store(0, Ordering::SeqCst);
    }

    pub fn limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::SeqCst);
    }

    /// Whatever was refused for good is taken from now on.
    pub fn bless(&self) {
        self.cursed.lock().unwrap().clear();
    }

    /// What it took, whole.
    pub fn taken(&self) -> Vec<Message> {
        self.taken.lock().unwrap().clone()
    }

    pub fn ids(&self) -> Vec<String> {
        self.taken
            .lock()
            .unwrap()
            .iter()
            .map(|message| message.id.clone())
            .collect()
    }

    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.taken
            .lock()
            .unwrap()
            .iter()
            .map(|message| message.body.to_vec())
            .collect()
    }

    pub fn properties(&self, name: &str) -> Vec<Option<String>> {
        let find = |message: &Message| {
            message
                .properties
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.clone())
        };
        self.taken.lock().unwrap().iter().map(find).collect()
    }

    /// The stamps of all rows taken, message by message.
    pub fn stamps(&self) -> Vec<Millis> {
        self.bodies().iter().flat_map(|body| stamps(body)).collect()
    }

    pub fn assert_one_body_per_id(&self) {
        let mut seen: HashMap<String, Vec<u8>> = HashMap::new();
        for message in self.taken.lock().unwrap().iter() {
            let before = seen
                .entry(message.id.clone())
                .or_insert_with(|| message.body.to_vec());
            assert_eq!(before, &message.body.to_vec(), "{}", message.id);
        }
    }

    /// What arrived of each instant and channel, each id once, in order of arrival. Bodies are in the default format.
    pub fn values(&self) -> BTreeMap<(Millis, String), Vec<String>> {
        let mut ids = BTreeSet::new();
        let mut values: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for message in self.taken.lock().unwrap().iter() {
            if !ids.insert(message.id.clone()) {
                continue;
            }
            let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
            for (stamp, row) in stamps(&message.body)
                .into_iter()
                .zip(body["Timeseries"].as_array().unwrap())
            {
                for (name, value) in row["Channels"].as_object().unwrap() {
                    let key = (stamp, name.clone());
                    values.entry(key).or_default().push(value.to_string());
                }
            }
        }
        values
    }

    /// Rows that arrived under more than one id.
    pub fn doubled_under_other_ids(&self) -> usize {
        let mut ids: HashMap<Millis, String> = HashMap::new();
        let mut doubled = 0;
        for message in self.taken.lock().unwrap().iter() {
            for stamp in stamps(&message.body) {
                let id = ids.entry(stamp).or_insert_with(|| message.id.clone());
                doubled += usize::from(*id != message.id);
            }
        }
        doubled
    }
}

/// The stamps in a body of any format.
fn stamps(body: &[u8]) -> Vec<Millis> {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    let at = |value: &serde_json::Value| {
        chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap())
            .unwrap()
            .timestamp_millis()
    };
    if let Some(rows) = body.as_array() {
        return rows.iter().map(|row| at(&row["t"])).collect();
    }
    if let Some(rows) = body["Timeseries"].as_array() {
        return rows.iter().map(|row| at(&row["Timestamp"])).collect();
    }
    let mut stamp = at(&body["first"]);
    let mut all = vec![stamp];
    for step in body["steps"].as_array().unwrap() {
        stamp += step.as_i64().unwrap();
        all.push(stamp);
    }
    all
}

struct Door {
    hub: Arc<Hub>,
    now: Arc<AtomicI64>,
    reaper: Arc<Reaper>,
}

#[async_trait]
impl Forward for Door {
    async fn device(
        &self,
        _: &str,
        cached: Option<&Assignment>,
        fresh: bool,
    ) -> Result<Assignment, ForwardError> {
        let of = |hub: &str| Assignment {
            hub: hub.into(),
            device: "device".into(),
        };
        if !self.registers() {
            self.reaper.step().await;
            return Ok(of("hub"));
        }
        if let Some(cached) = cached.filter(|_| !fresh) {
            return Ok(cached.clone());
        }
        self.reaper.step().await;
        let now = self.now.load(Ordering::SeqCst);
        self.hub.registrations.lock().unwrap().push(now);
        let mut homes = self.hub.homes.lock().unwrap();
        let home = if homes.len() > 1 {
            homes.remove(0)
        } else {
            homes[0].clone()
        };
        home.map(of)
    }

    fn registers(&self) -> bool {
        self.hub.registers.load(Ordering::SeqCst)
    }

    async fn send(&self, to: &Assignment, messages: &[Message]) -> Result<Delivered, ForwardError> {
        self.hub.calls.fetch_add(1, Ordering::SeqCst);
        self.now
            .fetch_add(self.hub.takes.load(Ordering::SeqCst), Ordering::SeqCst);
        self.reaper.step().await;
        if self.hub.refusals.load(Ordering::SeqCst) > 0 {
            self.hub.refusals.fetch_sub(1, Ordering::SeqCst);
            let with = self.hub.refusal.lock().unwrap().unwrap();
            return Err(with());
        }
        if self.hub.home.lock().unwrap().is_some_and(|home| home != to.hub) {
            return Err(ForwardError::Device {
                hub: to.hub.clone(),
                device: to.device.clone(),
                detail: "404001".into(),
            });
        }
        let limit = self.hub.limit.load(Ordering::SeqCst);
        if limit > 0 && messages.iter().map(|m| m.body.len()).sum::<usize>() > limit {
            return Err(ForwardError::TooLarge { hub: "hub".into() });
        }
        let cursed = self.hub.cursed.lock().unwrap().clone();
        if !cursed.is_empty()
            && messages
                .iter()
                .any(|m| stamps(&m.body).iter().any(|stamp| cursed.contains(stamp)))
        {
            return Err(ForwardError::Refused {
                hub: "hub".into(),
                status: 400,
                detail: "no".into(),
            });
        }
        self.hub.taken.lock().unwrap().extend_from_slice(messages);
        self.reaper.step().await;
        Ok(Delivered { units: 1, skew: None })
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

struct Reaped {
    inner: Arc<Embedded>,
    reaper: Arc<Reaper>,
}

/// What Cosmos DB takes in one transaction: <https://learn.microsoft.com/azure/cosmos-db/concepts-limits>.
fn assert_fits(batch: &Batch) {
    let mut bytes = 0;
    for write in &batch.writes {
        if let Write::Create(document) | Write::Replace(document, _) | Write::Upsert(document) = write {
            // The operation's own envelope, with id, kind and version.
            bytes += 200 + serde_json::to_vec(document).unwrap().len();
        }
    }
    assert!(batch.writes.len() <= 100, "{} writes", batch.writes.len());
    assert!(bytes <= 2_000_000, "{bytes} bytes");
}

#[async_trait]
impl Store for Reaped {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.inner.prepare().await
    }

    async fn read(&self, source: &str, id: &str) -> Result<Option<Found>, StoreError> {
        self.reaper.step().await;
        self.inner.read(source, id).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.reaper.step().await;
        if self.reaper.refuse.load(Ordering::SeqCst) > 0 {
            self.reaper.refuse.fetch_sub(1, Ordering::SeqCst);
            return Err(StoreError::Unavailable { detail: "429".into() });
        }
        {
            let mut at = self.reaper.refuse_at.lock().unwrap();
            let now = at.is_some_and(|at| at == 0);
            *at = at.and_then(|at| at.checked_sub(1));
            if now {
                return Err(StoreError::Unavailable { detail: "429".into() });
            }
        }
        assert_fits(&batch);
        let committed = self.inner.commit(batch).await?;
        let lost = {
            let mut lose = self.reaper.lose.lock().unwrap();
            match *lose {
                Some(0) => {
                    *lose = None;
                    true
                }
                Some(n) => {
                    *lose = Some(n - 1);
                    false
                }
                None => false,
            }
        };
        self.reaper.step().await;
        if lost {
            return Err(StoreError::Unavailable {
                detail: "the reply was lost".into(),
            });
        }
        Ok(committed)
    }

    async fn due(&self, runner: &str, now: Millis, limit: usize) -> Result<Vec<String>, StoreError> {
        self.inner.due(runner, now, limit).await
    }

    async fn list(&self, list: List) -> Result<Vec<Found>, StoreError> {
        self.inner.list(list).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
