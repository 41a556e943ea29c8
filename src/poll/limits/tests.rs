#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};

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

const NOTHING: Duration = Duration::ZERO;

fn still() -> (Arc<AtomicU64>, Ticks) {
    let millis = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&millis);
    let ticks = Ticks::from_fn(move || Duration::from_millis(told.load(Ordering::SeqCst)));
    (millis, ticks)
}

#[tokio::test]
async fn places_are_counted_by_host_and_a_reader_has_one() {
    let backends = Backends::new(2, 0, still().1);
    let (one, two) = (
        site("https://b.example/api/1/", "1"),
        site("https://b.example/api/1/", "2"),
    );
    let first = backends.enter(&one, NOTHING).await.unwrap();
    let _second = backends.enter(&two, NOTHING).await.unwrap();
    assert_eq!(backends.enter(&one, NOTHING).await.err(), Some(Full::Places));
    let elsewhere = site("https://b.example:8443/api/1/", "1");
    backends.enter(&elsewhere, NOTHING).await.unwrap();
    drop(first);
    backends.enter(&two, NOTHING).await.unwrap();

    // Two sources on one reader; two readers behind one gateway.
    let call = backends
        .enter(&reader("http://192.168.1.40"), NOTHING)
        .await
        .unwrap();
    let same = backends.enter(&reader("http://192.168.1.40/"), NOTHING).await;
    assert_eq!(same.err(), Some(Full::Places));
    backends
        .enter(&reader("http://192.168.1.40/2"), NOTHING)
        .await
        .unwrap();
    drop(call);
    backends
        .enter(&reader("http://192.168.1.40"), NOTHING)
        .await
        .unwrap();

    let nowhere = Kind::Synthetic(SyntheticConfig {
        channels: Vec::new(),
        counter: false,
        interval: Duration::from_secs(60),
        seed: 1,
    });
    for _ in 0..5 {
        backends.enter(&nowhere, NOTHING).await.unwrap();
    }
}

#[tokio::test]
async fn a_wait_for_a_place_ends_when_it_is_free() {
    let backends = Arc::new(Backends::new(1, 0, Ticks::default()));
    let call = backends.enter(&reader("http://r"), NOTHING).await.unwrap();
    let waiting = Arc::clone(&backends);
    let second = tokio::spawn(async move {
        let place = waiting.enter(&reader("http://r"), Duration::from_secs(60)).await;
        place.map(drop)
    });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    drop(call);
    assert_eq!(second.await.unwrap(), Ok(()));
}

proptest! {
    /// In no minute are there more requests than the budget and its burst of a tenth; and what it has is given.
    #[test]
    fn no_minute_has_more_requests_than_its_budget(requests in 1u32..400, steps in prop::collection::vec(0u64..3_000, 1..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (now, ticks) = still();
        let backends = Backends::new(1, requests, ticks);
        let mut taken: Vec<u64> = Vec::new();
        for step in steps {
            let at = now.fetch_add(step, Ordering::SeqCst) + step;
            match runtime.block_on(backends.enter(&site("https://b.example/", "1"), NOTHING)) {
                Ok(_) => taken.push(at),
                Err(full) => {
                    prop_assert_eq!(full, Full::Requests);
                    prop_assert!(!taken.is_empty(), "the first request is never refused");
                }
            }
            let minute = taken.iter().filter(|&&then| then + 60_000 > at).count();
            prop_assert!(minute <= (requests + (requests / 10).max(1)) as usize);
        }
    }
}
