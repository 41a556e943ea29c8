//! Fidelity: the double's timer and queue calls are those recorded from the real host, in everything but ids, ports and `UtcNow`.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use emulator::host::{Clock, FunctionsHost, HostOptions, Invocation, MemoryQueue, Queue};
use serde::Deserialize;

use crate::handler::Request;
use crate::stage::{QUEUE, Stage, at, soon};

/// One entry of `invocations.json`.
#[derive(Debug, Deserialize)]
struct Recorded {
    case: String,
    note: String,
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn recorded(case: &str) -> Vec<Recorded> {
    let text = include_str!("../../../tests/data/host/invocations.json");
    let all: Vec<Recorded> = serde_json::from_str(text).unwrap();
    let some: Vec<_> = all
        .into_iter()
        .filter(|entry| entry.case.starts_with(case))
        .collect();
    assert!(!some.is_empty(), "{case}");
    some
}

/// Everything that may differ, taken out: ids, receipts, ports, and `UtcNow` (its shape is kept).
fn masked(line: &str, headers: &[(String, String)], body: &str) -> String {
    let mut text = format!("{line}\n");
    for (name, value) in headers {
        let value = match name.as_str() {
            "Host" => value
                .rsplit_once(':')
                .map_or(value.clone(), |(host, _)| format!("{host}:PORT")),
            "X-Azure-Functions-InvocationId" => shape(value),
            _ => value.clone(),
        };
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    let mut rest = body;
    for (name, end) in [
        ("\"Id\":\"\\\"", "\\\""),
        ("\"PopReceipt\":\"\\\"", "\\\""),
        ("\"UtcNow\":\"", "Z\""),
        ("\"RandGuid\":\"", "\""),
    ] {
        let Some(begin) = rest.find(name).map(|begin| begin + name.len()) else {
            continue;
        };
        let (before, after) = rest.split_at(begin);
        let (value, after) = after.split_at(after.find(end).unwrap());
        text.push_str(before);
        match name {
            "\"UtcNow\":\"" => text.push_str(&shape(
                value.split_once('.').map_or(value, |(seconds, _)| seconds),
            )),
            "\"PopReceipt\":\"\\\"" => text.push_str("RECEIPT"),
            _ => text.push_str(&shape(value)),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

/// `3eb97ec3-06cf` is `########-####`; what is no id (`mine`) stays.
fn shape(text: &str) -> String {
    if text.len() < 19 {
        return text.to_owned();
    }
    text.chars()
        .map(|symbol| if symbol.is_ascii_hexdigit() { '#' } else { symbol })
        .collect()
}

fn compare(got: &Request, expected: &Recorded) {
    assert_eq!(
        masked(&got.line, &got.headers, &got.body),
        masked(&expected.line, &expected.headers, &expected.body),
        "{}: {}",
        expected.case,
        expected.note
    );
}

/// A timer played at chosen times: the start of each host and when each run starts, which is what `Last` then says.
async fn play(
    stage: &Stage,
    schedule: &str,
    clock: &Clock,
    runs: &[&str],
    calls_before: usize,
) -> FunctionsHost {
    let mut options = stage.options().setting("TimerSchedule", schedule);
    options.clock = clock.clone();
    options.status_file = Some(stage.root.path().join("timers.json"));
    let host = FunctionsHost::start(options).await.unwrap();
    for (index, run) in runs.iter().enumerate() {
        clock.set(at(run));
        stage.wait_requests(calls_before + index + 1).await;
        soon(host.wait_invocation(|call| call.started == at(run) && call.succeeded())).await;
    }
    host
}

fn compare_all(stage: &Stage, case: &str) {
    let (got, expected) = (stage.requests(), recorded(case));
    assert_eq!(got.len(), expected.len(), "{case}");
    for (got, expected) in got.iter().zip(&expected) {
        compare(got, expected);
    }
}

#[tokio::test]
async fn timer_each_minute() {
    let stage = Stage::new();
    let clock = Clock::manual(at("2026-11-22T15:20:33Z"));
    play(
        &stage,
        "0 * * * * *",
        &clock,
        &["2026-11-22T15:21:00.0105495Z", "2026-11-22T15:22:00.0053766Z"],
        0,
    )
    .await;
    compare_all(&stage, "timer-minute");
}

#[tokio::test]
async fn timer_below_a_minute_has_no_status() {
    let stage = Stage::new();
    let clock = Clock::manual(at("2026-11-22T15:20:19Z"));
    play(
        &stage,
        "*/10 * * * * *",
        &clock,
        &["2026-11-22T15:20:20.1Z", "2026-11-22T15:20:30Z"],
        0,
    )
    .await;
    compare_all(&stage, "timer-sub-minute");
}

#[tokio::test]
async fn timer_with_an_interval() {
    let stage = Stage::new();
    let clock = Clock::manual(at("2026-11-22T15:20:33.5889606Z"));
    play(
        &stage,
        "00:01:10",
        &clock,
        &["2026-11-22T15:21:43.5991259Z", "2026-11-22T15:22:53.6Z"],
        0,
    )
    .await;
    compare_all(&stage, "timer-timespan");
}

#[tokio::test]
async fn timer_down_over_one_tick() {
    let stage = Stage::new();
    let clock = Clock::manual(at("2026-11-22T15:22:30Z"));
    let host = play(
        &stage,
        "0 * * * * *",
        &clock,
        &["2026-11-22T15:23:00.0003032Z"],
        0,
    )
    .await;
    assert!(host.stop().await);
    std::fs::remove_file(stage.root.path().join("requests")).unwrap();
    clock.set(at("2026-11-22T15:24:21.4244595Z"));
    play(
        &stage,
        "0 * * * * *",
        &clock,
        &["2026-11-22T15:24:21.4244595Z", "2026-11-22T15:25:00.0043637Z"],
        0,
    )
    .await;
    compare_all(&stage, "timer-past-due");
}

#[tokio::test]
async fn timer_busy_over_two_ticks_fires_for_the_first_only() {
    let stage = Stage::new();
    let clock = Clock::manual(at("2026-11-22T15:30:10Z"));
    stage.behave(&["POST /TimerPoll => await go ; json {}"]);
    let mut options = stage.options().setting("TimerSchedule", "0 * * * * *");
    options.clock = clock.clone();
    let host = FunctionsHost::start(options).await.unwrap();
    clock.set(at("2026-11-22T15:31:00.0083278Z"));
    stage.wait_requests(1).await;
    clock.set(at("2026-11-22T15:33:10.3892716Z"));
    assert_eq!(host.invocations().len(), 1, "two runs of one timer overlap");
    stage.file("go", "");
    stage.wait_requests(2).await;
    soon(host.wait_invocation(|call| call.started == at("2026-11-22T15:33:10.3892716Z") && call.succeeded()))
        .await;
    clock.set(at("2026-11-22T15:34:00.0013990Z"));
    stage.wait_requests(3).await;
    compare_all(&stage, "timer-long-run");
}

#[tokio::test]
async fn timer_missed_twice_and_killed_in_a_run() {
    let stage = Stage::new();
    let clock = Clock::manual(at("2026-11-22T15:35:20Z"));
    let schedule = "0 * * * * *";
    play(&stage, schedule, &clock, &["2026-11-22T15:36:00.0110377Z"], 0)
        .await
        .stop()
        .await;
    clock.set(at("2026-11-22T15:38:15.2411650Z"));
    let runs = ["2026-11-22T15:38:15.2411650Z", "2026-11-22T15:39:00.0011132Z"];
    let host = play(&stage, schedule, &clock, &runs, 1).await;
    stage.behave(&["POST /TimerPoll => await never ; json {}"]);
    clock.set(at("2026-11-22T15:40:00.0016133Z"));
    stage.wait_requests(4).await;
    host.kill_handler();
    host.kill_host().await;
    stage.behave(&[]);
    clock.set(at("2026-11-22T15:41:04Z"));
    play(&stage, schedule, &clock, &["2026-11-22T15:41:04Z"], 4).await;
    compare_all(&stage, "timer-missed-and-killed");
}

#[tokio::test]
async fn runs_by_hand() {
    let stage = Stage::new();
    let clock = Clock::manual(at("2026-11-22T15:25:30.2160535Z"));
    let mut options = stage.options().setting("TimerSchedule", "0 0 * * * *");
    options.clock = clock.clone();
    let host = FunctionsHost::start(options).await.unwrap();
    let client = reqwest::Client::new();
    let expected = recorded("admin");
    for (index, expected) in expected.iter().enumerate() {
        clock.set(at(utc_now(expected)));
        // "…: POST /admin/functions/TimerPoll body {"input":""} -> caller got 202"
        let (path, body) = expected
            .note
            .split_once("POST ")
            .unwrap()
            .1
            .split_once(" body ")
            .unwrap();
        let body = body.split_once(" -> ").unwrap().0.to_owned();
        let url = format!("http://{}{path}", host.http_addr());
        assert_eq!(client.post(url).body(body).send().await.unwrap().status(), 202);
        let got = stage.wait_requests(index + 1).await;
        compare(&got[index], expected);
    }
}

#[tokio::test]
async fn queue_messages() {
    for expected in recorded("queue") {
        let stage = Stage::new();
        let text = expected.note.strip_prefix("message text: ").unwrap();
        let inserted = value(&expected, "InsertionTime");
        let clock = Clock::manual(at(inserted));
        let queue = Arc::new(MemoryQueue::new(clock.clone()));
        let mut options: HostOptions = stage.options();
        options.queue = Some(Arc::clone(&queue) as Arc<dyn Queue>);
        options.clock = clock.clone();
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        queue.put(QUEUE, encoded).await.unwrap();
        clock.set(at(utc_now(&expected)));
        let host = FunctionsHost::start(options).await.unwrap();
        let got = stage.wait_requests(1).await;
        compare(&got[0], &expected);
        soon(host.wait_invocation(Invocation::succeeded)).await;
    }
}

/// The masks hide no more than they say.
#[test]
fn masks_keep_what_counts() {
    let entry = recorded("timer-minute").swap_remove(1);
    let reference = masked(&entry.line, &entry.headers, &entry.body);
    for (from, to) in [
        ("Data", "data"),
        ("15:22:00", "15:23:00"),
        ("0105495", "010549"),
        ("false", "true"),
        ("\"sys\"", "\"Sys\""),
        ("Z\"", "+00:00\""),
    ] {
        let changed = entry.body.replacen(from, to, 1);
        let other = std::panic::catch_unwind(|| masked(&entry.line, &entry.headers, &changed));
        assert!(
            other.is_err() || other.is_ok_and(|other| other != reference),
            "{from}"
        );
    }
    let mut headers = entry.headers.clone();
    headers.swap(1, 2);
    assert_ne!(masked(&entry.line, &headers, &entry.body), reference);
}

fn utc_now(entry: &Recorded) -> &str {
    value(entry, "UtcNow")
}

fn value<'a>(entry: &'a Recorded, name: &str) -> &'a str {
    let after = entry.body.split_once(&format!("\"{name}\":\"")).unwrap().1;
    let text = after.split_once('"').unwrap().0;
    let _: DateTime<Utc> = at(text) + TimeDelta::zero();
    text
}
