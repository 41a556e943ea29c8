//! What happens on the way through a queue, whatever queue it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use emulator::host::{CONSOLE, FunctionsHost, Queue};
use emulator::rapidm2m::{Backend, BackendOptions, Channel, CustomerOptions, Generator, SiteOptions, Wave};
use serde_json::Value;

use crate::slow::Slow;
use crate::world::{JOBS, World, jobs, tick, until_jobs};

const POISON: &str = "meterbridge-polls-poison";

fn synthetic(count: usize) -> String {
    let one = |n: usize| {
        format!("[[source]]\nid = \"s{n:03}\"\nkind = \"synthetic\"\nevery = \"1s\"\ninterval = \"1s\"\n\n")
    };
    (0..count).map(one).collect()
}

/// Lines that a handler logged, as JSON.
fn logged(host: &FunctionsHost) -> Vec<Value> {
    let lines = host.logs().into_iter().filter(|line| line.category == CONSOLE);
    lines
        .filter_map(|line| serde_json::from_str(&line.text).ok())
        .collect()
}

/// TimerPoll hands shards to the queue, PollWorker takes them, the hub answers 204, and all of it is one trace.
pub async fn a_tick_goes_through_the_queue_to_the_hub(queue: Arc<dyn Queue>) {
    let world = World::new(Arc::clone(&queue), &synthetic(40)).await;
    let hosts = [world.host().await];
    let messages = tick(&hosts[0]).await.messages;
    assert!((10..=32).contains(&messages), "{messages}");
    until_jobs(&hosts, messages).await;
    for job in jobs(&hosts) {
        assert!(job.succeeded(), "{job:?}");
    }
    let arrived: BTreeSet<String> = world
        .hub
        .arrived()
        .iter()
        .map(|message| message.properties["Source_Id"].clone())
        .collect();
    assert_eq!(arrived.len(), 40);
    assert!(world.attempts().await.values().all(|count| *count == 1));
    let mut traces: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in logged(&hosts[0]) {
        let text = |name: &str| line.to_string().contains(name);
        for function in ["TimerPoll", "PollWorker"] {
            if text(&format!("\"function\":\"{function}\"")) && text("trace_id") {
                let line = line.to_string();
                let (_, id) = line.split_once("\"trace_id\":\"").unwrap();
                traces
                    .entry(function.into())
                    .or_default()
                    .insert(id[..32].to_owned());
            }
        }
    }
    assert_eq!(traces.len(), 2, "{traces:?}");
    assert_eq!(traces["TimerPoll"], traces["PollWorker"]);
    assert_eq!(traces["TimerPoll"].len(), 1);
    let [host] = hosts;
    assert!(host.stop().await);
    assert_eq!(queue.peek(JOBS).await.unwrap(), []);
}

/// A message that no delivery can work is told at the last one, lies in the poison queue as it was, and is counted in health.
pub async fn what_is_no_job_ends_in_the_poison_queue(queue: Arc<dyn Queue>) {
    let mut world = World::new(Arc::clone(&queue), &synthetic(2)).await;
    world.set("AzureFunctionsJobHost__extensions__queues__maxDequeueCount", "3");
    world.set(
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout",
        "00:00:01",
    );
    let hosts = [world.host().await];
    let text = r#"{"job":{"v":99,"shard":"r01"}}"#;
    hosts[0].enqueue(JOBS, text).await.unwrap();
    until_jobs(&hosts, 3).await;
    let poison = async {
        loop {
            let found = queue.peek(POISON).await.unwrap();
            if let Some(message) = found.first() {
                return message.text.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let poison = tokio::time::timeout(crate::handler::PATIENCE, poison)
        .await
        .unwrap();
    let decoded = base64::engine::general_purpose::STANDARD.decode(poison).unwrap();
    assert_eq!(String::from_utf8(decoded).unwrap(), text);
    assert_eq!(queue.peek(JOBS).await.unwrap(), []);
    assert_eq!(jobs(&hosts).len(), 3);
    let told: Vec<String> = logged(&hosts[0])
        .iter()
        .filter_map(|line| line["fields"]["error"].as_str().or(line["error"].as_str()))
        .map(str::to_owned)
        .collect();
    assert_eq!(told.len(), 3, "{:?}", logged(&hosts[0]));
    assert!(told.iter().all(|line| line.contains("layout 99")), "{told:?}");
    assert!(
        told[1].contains("delivery 2 of 3, the message comes again"),
        "{told:?}"
    );
    assert!(
        told[2].contains("delivery 3 of 3 was the last, the message goes to the poison queue"),
        "{told:?}"
    );
    let health = reqwest::get(format!("http://{}/api/health", hosts[0].http_addr()))
        .await
        .unwrap();
    let health: Value = health.json().await.unwrap();
    assert_eq!(health["jobs"]["poisoned"], 1, "{health}");
    assert_eq!(health["status"], "troubled");
    let [host] = hosts;
    assert!(host.stop().await);
}

/// The host kills a handler at `functionTimeout` without a signal. The job comes again, to the next process, which takes the shard
/// over: what the first one had not begun is polled and delivered.
pub async fn a_handler_killed_at_its_timeout_gets_its_job_again(queue: Arc<dyn Queue>) {
    let slow = Slow::start().await;
    slow.answer_on("/quick");
    let url = &slow.url;
    let reader = |id: &str, path: &str| {
        format!("[[source]]\nid = \"{id}\"\nkind = \"tasmota\"\nurl = \"{url}{path}\"\ntimeout = \"60s\"\n\n")
    };
    let sources = reader("slow", "/slow") + &reader("quick", "/quick");
    let mut world = World::new(Arc::clone(&queue), &sources).await;
    world.set("AzureFunctionsJobHost__functionTimeout", "00:00:05");
    world.set(
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout",
        "00:00:01",
    );
    // One at a time, so that the one behind is not begun.
    world.set("CONCURRENCY", "1");
    let hosts = [world.host().await];
    let first = hosts[0].handler_pid();
    let messages = tick(&hosts[0]).await.messages;
    assert_eq!(messages, 1, "one host, one shard");
    slow.asked(1).await;
    until_jobs(&hosts, 2).await;
    let calls = jobs(&hosts);
    assert!(calls[0].failure().unwrap().contains("Timeout value"), "{calls:?}");
    assert!(calls[1].succeeded(), "{calls:?}");
    assert_ne!(hosts[0].handler_pid(), first);
    assert!(slow.count_on("/quick") >= 1);
    let arrived: BTreeSet<String> = world
        .hub
        .arrived()
        .iter()
        .map(|message| message.properties["Source_Id"].clone())
        .collect();
    assert_eq!(
        arrived,
        BTreeSet::from(["quick".to_owned()]),
        "the other is held until its lease is over"
    );
    let [host] = hosts;
    assert!(host.stop().await);
    assert_eq!(queue.peek(JOBS).await.unwrap(), []);
    assert_eq!(queue.peek(POISON).await.unwrap(), []);
}

pub async fn one_worker_process_polls_each_source_once(queue: Arc<dyn Queue>) {
    let backend = sites().await;
    let world = World::new(queue, &crowd(&backend)).await;
    workers(&world, &backend, 1).await;
}

pub async fn two_worker_processes_poll_each_source_once(queue: Arc<dyn Queue>) {
    let backend = sites().await;
    let world = World::new(queue, &crowd(&backend)).await;
    workers(&world, &backend, 2).await;
}

pub async fn four_worker_processes_poll_each_source_once(queue: Arc<dyn Queue>) {
    let backend = sites().await;
    let world = World::new(queue, &crowd(&backend)).await;
    workers(&world, &backend, 4).await;
}

/// The same with Cosmos DB as the store that all of them share.
pub async fn one_two_and_four_processes_on_cosmos_poll_each_source_once(queue: Arc<dyn Queue>) {
    for count in [1, 2, 4] {
        let backend = sites().await;
        let world = World::on_cosmos(Arc::clone(&queue), &crowd(&backend)).await;
        workers(&world, &backend, count).await;
    }
}

/// What one backend is asked a minute holds while its sites wander from one worker process to the next, blueprints counted.
pub async fn a_backends_budget_holds_over_worker_processes(queue: Arc<dyn Queue>) {
    const TICKS: usize = 2;
    const A_MINUTE: usize = 240;
    const AT_ONCE: usize = 4;
    let backend = sites().await;
    let mut world = World::new(queue, &crowd(&backend)).await;
    world.set("BACKEND_REQUESTS", &A_MINUTE.to_string());
    world.set("BACKEND_CONCURRENCY", &AT_ONCE.to_string());
    let hosts = [world.host().await, world.host().await, world.host().await];
    let mut handed = 0;
    for _ in 0..TICKS {
        handed += tick(&hosts[0]).await.messages;
        until_jobs(&hosts, handed).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    }
    let asked = backend.latest();
    // Rows each tick, and a blueprint in each process that has a site for the first time.
    let least = SITES * (TICKS + 1);
    assert!(
        (least..=SITES * TICKS * 2).contains(&asked.len()),
        "{}",
        asked.len()
    );
    // A process that takes the backend over begins with a tenth of the minute's requests; blueprints are known of once they are
    // made, so as many as are asked at once come on top.
    let burst = A_MINUTE / 10 + AT_ONCE;
    for (ticks, these) in [(1, &asked[..SITES * 2]), (TICKS, &asked[..])] {
        let took = these[these.len() - 1].at_ms - these[0].at_ms;
        let most = burst * ticks + usize::try_from(took).unwrap() * A_MINUTE / 60_000 + 1;
        assert!(
            these.len() <= most,
            "{} requests in {took} ms, {most} at most",
            these.len()
        );
    }
    for host in hosts {
        assert!(host.stop().await);
    }
}

const SITES: usize = 24;
const READERS: usize = 60;

/// One backend.
async fn sites() -> Backend {
    let now = chrono::Utc::now().timestamp_millis();
    let site = |n: usize| {
        let wave = Wave::Counter {
            start: 1_000,
            step: 3,
        };
        let channel = Channel {
            name: "ch0".into(),
            alias: None,
            title: "Energy".into(),
            units: "Wh".into(),
            wave,
        };
        let generator = Generator {
            start_ms: now - 60_000,
            interval_ms: 1_000,
            ..Generator::default()
        };
        SiteOptions::generated(&format!("site {n:02}"), vec![channel], generator)
    };
    Backend::start(BackendOptions {
        user: "user".into(),
        password: "password".into(),
        customers: vec![CustomerOptions {
            id: "c".into(),
            sites: (0..SITES).map(site).collect(),
        }],
        ..BackendOptions::default()
    })
    .await
    .unwrap()
}

/// All sites of the backend, and readers beside them.
fn crowd(backend: &Backend) -> String {
    let names: Vec<String> = (0..SITES).map(|n| format!("\"site {n:02}\"")).collect();
    synthetic(READERS)
        + &format!(
            "[[source]]\nkind = \"rapidm2m\"\nurl = \"{}\"\nuser = \"user\"\npassword = \"password\"\ncustomer = \"c\"\n\
             sites = [{}]\nchannels = [\"ch0\"]\nevery = \"1s\"\n",
            backend.url(),
            names.join(", ")
        )
}

/// Which processes worked the sites, by call.
fn had_the_sites(hosts: &[FunctionsHost]) -> BTreeMap<String, BTreeSet<usize>> {
    let mut had: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (worker, host) in hosts.iter().enumerate() {
        for line in logged(host) {
            let text = line.to_string();
            if text.contains("\"took_ms\"") && text.contains("site-") {
                let (_, invocation) = text.split_once("\"invocation_id\":\"").unwrap();
                had.entry(invocation[..36].to_owned()).or_default().insert(worker);
            }
        }
    }
    had
}

/// Several instances on one store and one queue: in each tick every due source is polled once, by whichever instance took its
/// shard, and one backend is asked by one instance at a time.
async fn workers(world: &World, backend: &Backend, count: usize) {
    const TICKS: usize = 3;
    let mut hosts = Vec::new();
    for _ in 0..count {
        hosts.push(world.host().await);
    }
    let mut handed = 0;
    for round in 1..=TICKS {
        handed += tick(&hosts[0]).await.messages;
        until_jobs(&hosts, handed).await;
        let attempts = world.attempts().await;
        assert_eq!(attempts.len(), SITES + READERS);
        // The first poll of a source with a history takes its newest row; each poll is one attempt.
        for (source, polls) in attempts {
            assert_eq!(polls, round, "{source} after {round} ticks");
        }
        // Everything is due again.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    }
    for job in jobs(&hosts) {
        assert!(job.succeeded(), "{job:?}");
    }
    // One instance at a time had the backend: no more questions at once than one process asks.
    let by_worker = had_the_sites(&hosts);
    assert_eq!(
        by_worker.len(),
        TICKS,
        "one job a tick had all sites: {by_worker:?}"
    );
    let shares: Vec<usize> = hosts
        .iter()
        .map(|host| jobs(std::slice::from_ref(host)).len())
        .collect();
    println!(
        "{count} worker processes: {TICKS} ticks of {} sources, jobs by process {shares:?}, at most {} requests at once at the backend",
        SITES + READERS,
        backend.most_at_once()
    );
    for host in hosts {
        assert!(host.stop().await);
    }
}
