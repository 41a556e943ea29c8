#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::config::{RapidM2mConfig, SyntheticConfig, TasmotaConfig};

fn reader(url: &str) -> Kind {
    Kind::Tasmota(TasmotaConfig {
        url: url.parse().unwrap(),
        user: "admin".into(),
        password: None,
        referer: None,
        channels: Vec::new(),
        recognise: true,
        timeout: Duration::from_secs(5),
        stale_after: 10,
    })
}

fn site(url: &str, site: &str) -> Kind {
    Kind::RapidM2m(RapidM2mConfig {
        url: url.parse().unwrap(),
        basic: None,
        customer: "c".into(),
        site: site.into(),
        histdata: 0,
        channels: Vec::new(),
        timeout: Duration::from_secs(5),
        max_rows: 10,
    })
}

fn still() -> (Arc<AtomicU64>, Ticks) {
    let millis = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&millis);
    let ticks = Ticks::from_fn(move || Duration::from_millis(told.load(Ordering::SeqCst)));
    (millis, ticks)
}

/// A place that is free now.
fn at_once(backends: &Backends, kind: &Kind) -> Option<Place> {
    backends.enter(kind).now_or_never()
}

#[tokio::test]
async fn places_are_counted_by_host_and_a_reader_has_one() {
    let backends = Backends::new(2, 0, still().1);
    let (one, two) = (
        site("https://b.example/api/1/", "1"),
        site("https://b.example/api/1/", "2"),
    );
    let first = at_once(&backends, &one).unwrap();
    let _second = at_once(&backends, &two).unwrap();
    assert!(at_once(&backends, &one).is_none());
    let elsewhere = site("https://b.example:8443/api/1/", "1");
    at_once(&backends, &elsewhere).unwrap();
    drop(first);
    at_once(&backends, &two).unwrap();

    // Two sources on one reader; two readers behind one gateway.
    let call = at_once(&backends, &reader("http://192.168.1.40")).unwrap();
    assert!(at_once(&backends, &reader("http://192.168.1.40/")).is_none());
    at_once(&backends, &reader("http://192.168.1.40/2")).unwrap();
    drop(call);
    at_once(&backends, &reader("http://192.168.1.40")).unwrap();

    let nowhere = Kind::Synthetic(SyntheticConfig {
        channels: Vec::new(),
        counter: false,
        interval: Duration::from_secs(60),
        seed: 1,
    });
    for _ in 0..5 {
        at_once(&backends, &nowhere).unwrap();
    }
}

#[tokio::test]
async fn a_wait_for_a_place_ends_when_it_is_free() {
    let backends = Arc::new(Backends::new(1, 0, Ticks::default()));
    let call = backends.enter(&reader("http://r")).await;
    let waiting = Arc::clone(&backends);
    let second = tokio::spawn(async move { waiting.enter(&reader("http://r")).await });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    drop(call);
    second.await.unwrap();
}

/// Titles and units cost a request more that only the answer tells of.
#[tokio::test]
async fn what_was_asked_besides_is_paid_before_the_next_question() {
    let (now, ticks) = still();
    let backends = Backends::new(1, 60, ticks);
    let (kind, other) = (
        site("https://b.example/", "1"),
        site("https://other.example/", "1"),
    );
    let at_once = |kind| backends.pace(kind).now_or_never().is_some();
    for _ in 0..3 {
        assert!(at_once(&kind));
        backends.owe(&kind, 1);
    }
    assert!(
        !at_once(&kind),
        "three questions and three blueprints are the six at once"
    );
    assert!(at_once(&other));
    now.fetch_add(1_000, Ordering::SeqCst);
    assert!(at_once(&kind));
    backends.owe(&kind, 1);
    now.fetch_add(1_000, Ordering::SeqCst);
    assert!(!at_once(&kind), "the blueprint is paid first");
    now.fetch_add(1_000, Ordering::SeqCst);
    assert!(at_once(&kind));
}

proptest! {
    /// In no minute are there more requests than the budget and its burst of a tenth, and what it has is given. Where processes
    /// take turns at a backend, as the workers of a shard do, each has a burst of its own: a tenth more for each turn within the
    /// minute.
    #[test]
    fn no_minute_has_more_requests_than_its_budget(
        requests in 1u32..400,
        steps in prop::collection::vec((0u64..3_000, 0u8..8), 1..300),
        processes in 1usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (now, ticks) = still();
        let all: Vec<Backends> = (0..processes).map(|_| Backends::new(1, requests, ticks.clone())).collect();
        let kind = site("https://b.example/", "1");
        let (mut taken, mut had): (Vec<u64>, Vec<(u64, usize)>) = (Vec::new(), vec![(0, 0)]);
        for (step, turn) in steps {
            let at = now.fetch_add(step, Ordering::SeqCst) + step;
            let mut process = had[had.len() - 1].1;
            if turn == 0 && processes > 1 {
                process = (process + 1) % processes;
                had.push((at, process));
            }
            if runtime.block_on(async { all[process].pace(&kind).now_or_never() }).is_some() {
                taken.push(at);
            } else {
                prop_assert!(!taken.is_empty(), "the first request is never refused");
            }
            let minute = taken.iter().filter(|&&then| then + 60_000 > at).count();
            // Stretches of one process that reach into the minute.
            let ends = had.iter().skip(1).map(|(begun, _)| *begun).chain([u64::MAX]);
            let stretches = ends.filter(|&end| end.saturating_add(60_000) > at).count();
            let burst = (requests / 10).max(1) as usize;
            prop_assert!(minute <= requests as usize + burst * stretches);
        }
    }
}
