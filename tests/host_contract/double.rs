//! Through the host double, with this repository's `host.json` and functions.

use std::collections::BTreeMap;

use emulator::host::{FunctionsHost, HostOptions, Level, Timers};
use emulator::hub::{Device, Hub, HubOptions, Key};
use emulator::tls::Authority;

use crate::handler::{BINARY, folder};

const QUEUE: &str = "meterbridge-polls";

fn options(dir: &std::path::Path) -> HostOptions {
    let mut options = HostOptions::new(env!("CARGO_MANIFEST_DIR"))
        .setting("TimerSchedule", "0 * * * * *")
        .setting("SOURCES_FILE", dir.join("sources.toml").display().to_string())
        .setting("STORE_PATH", dir.join("store.db").display().to_string());
    options.executable = Some(BINARY.into());
    options.timers = Timers::ByHand;
    options
}

#[tokio::test]
async fn timer_and_queue_succeed() {
    let dir = folder(crate::handler::SOURCES);
    let host = FunctionsHost::start(options(dir.path())).await.unwrap();
    let tick = host.fire_timer(chrono::Utc::now()).await.unwrap();
    assert!(tick.succeeded(), "{tick:?} {:?}", host.logs());

    host.enqueue(QUEUE, r#"{"job":{"v":1,"sources":["x"]}}"#)
        .await
        .unwrap();
    let done = host
        .wait_invocation(|call| call.function == "PollWorker" && call.outcome.is_some())
        .await
        .unwrap();
    assert!(done.succeeded(), "{done:?} {:?}", host.logs());

    // What is no job fails at once, without the wait for `functionTimeout`.
    host.enqueue(QUEUE, "hello").await.unwrap();
    let failed = host
        .wait_invocation(|call| call.failure().is_some())
        .await
        .unwrap();
    assert!(
        failed.duration.unwrap() < std::time::Duration::from_secs(60),
        "{failed:?}"
    );

    let logs = host.logs();
    let of_the_tick = |line: &&emulator::host::LogLine| line.category == "Function.TimerPoll.User";
    let told: Vec<&str> = logs
        .iter()
        .filter(of_the_tick)
        .map(|line| line.text.as_str())
        .collect();
    assert!(
        told.iter().any(|text| text.starts_with("2 sources polled")),
        "{told:?}"
    );
    // A line on stderr would be an error to the host.
    let errors: Vec<_> = logs
        .iter()
        .filter(|l| l.level != Level::Information && l.category == emulator::host::CONSOLE)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(host.stop().await);
}

/// A kill between two ticks: the host starts another handler, which goes on where the first one stood.
#[tokio::test]
async fn a_kill_between_two_ticks_loses_and_doubles_nothing() {
    let start = chrono::Utc::now() - chrono::TimeDelta::minutes(90);
    let dir = folder(&format!(
        "[[source]]\nid = \"x\"\nkind = \"synthetic\"\nevery = \"1s\"\ninterval = \"1s\"\nstart = {}\n",
        start.format("%Y-%m-%dT%H:%M:%SZ")
    ));
    let authority = Authority::load_or_create(dir.path()).unwrap();
    let device = Device::new("bridge", Key::random().unwrap());
    let hub = Hub::start(HubOptions {
        authority: Some(authority),
        devices: vec![device.clone()],
        ..HubOptions::default()
    })
    .await
    .unwrap();
    let options = options(dir.path())
        .setting(
            "IOTHUB_DEVICE_CONNECTION_STRING",
            device.connection_string(hub.host_name()),
        )
        .setting("IOTHUB_CONNECT", format!("localhost:{}", hub.addr().port()))
        .setting("IOTHUB_CA_FILE", dir.path().join("ca.pem").display().to_string());
    let host = FunctionsHost::start(options).await.unwrap();
    let first = host.fire_timer(chrono::Utc::now()).await.unwrap();
    assert!(first.succeeded(), "{first:?}");
    let before = stamps(&hub);
    assert!(before.len() > 5_000, "{}", before.len());

    let pid = host.handler_pid();
    host.kill_handler();
    assert!(host.next_handler(pid).await.is_some());
    // The row of the next second exists by then.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let second = host.fire_timer(chrono::Utc::now()).await.unwrap();
    assert!(second.succeeded(), "{second:?}");
    let after = stamps(&hub);
    assert!(after.len() > before.len());
    assert!(after.values().all(|count| *count == 1), "rows came twice");
    let seconds: Vec<i64> = after
        .keys()
        .map(|text| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp())
        .collect();
    assert!(
        seconds.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "a row is missing"
    );
    assert_eq!(seconds[0], start.timestamp());
    assert!(host.stop().await);
}

/// How often each row arrived, by its stamp.
fn stamps(hub: &Hub) -> BTreeMap<String, u32> {
    let mut stamps = BTreeMap::new();
    for message in hub.arrived() {
        let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        for row in body["Timeseries"].as_array().unwrap() {
            *stamps
                .entry(row["Timestamp"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    stamps
}
