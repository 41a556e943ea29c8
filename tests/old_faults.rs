//! The faults of the older connector (Microtronics, 2017), each with a test of its name: what it did, and what happens here.
//!
//! `a2_…` are its twelve faults by number; `s25_…` are further limits of its code that none of the twelve covers. Its other limits
//! are the same faults seen in the code: a mark that moves whatever the hub said (1), 100 ms that are skipped (2), numbers (7), ids
//! by time (5), local clocks (4), joined queries (6), a backlog in one message (11), a pasted token (9).
#![allow(clippy::unwrap_used, missing_docs, dead_code, unreachable_pub)]

#[path = "tick/scripted.rs"]
mod scripted;
#[path = "forward/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use meterbridge::config::{Kind, Naming, TasmotaConfig, definition_of};
use meterbridge::forward::{Error, Forward};
use meterbridge::poll::Outcome;
use meterbridge::source::tasmota::Tasmota;
use meterbridge::source::{Error as SourceError, Source, Window};
use meterbridge::store::List;
use scripted::{Bench, MINUTE, START};
use server::{K32, NOW, Reply, Server, TAKEN, answer, message, movable, to};

/// 1. The hub's answer was never looked at: a refused message moved the mark. Here the checkpoint waits for the 204, and the same
/// message comes again.
#[tokio::test]
async fn a2_01_a_send_that_fails_moves_no_mark() {
    let bench = Bench::history(&[(0, "1")]).await;
    bench.hub.refuse(usize::MAX / 2, || Error::Unavailable {
        hub: "hub".into(),
        status: 500,
        detail: "down".into(),
        after: Some(Duration::from_secs(30)),
    });
    assert_eq!(bench.tick().await.outcome, Outcome::Stored);
    assert_eq!(bench.state().await.checkpoint, None);
    bench.hub.accept();
    bench.advance(MINUTE);
    assert_eq!(bench.tick().await.outcome, Outcome::Delivered);
    assert_eq!(bench.hub.stamps(), [START]);
    assert_eq!(bench.state().await.checkpoint, Some(START));
}

/// 2. The next window began 100 ms after the last value: late and corrected rows, and those close behind, were never seen.
#[tokio::test]
async fn a2_02_late_corrected_and_close_rows_are_found() {
    let mut bench = Bench::history(&[(0, "1"), (5, "2")]).await;
    bench.config.start = Some(START);
    bench.config.overlap = Duration::from_secs(3_600);
    bench.advance(5 * MINUTE);
    bench.tick().await;
    // Fifty milliseconds after the last one, one that is late, and the last one corrected.
    bench.source.push_at(START + 5 * MINUTE + 50, "3");
    bench.source.push(2, "4");
    bench.source.push(5, "2.5");
    bench.advance(MINUTE);
    assert_eq!(bench.tick().await.rows, 3);
    let stamps: BTreeSet<i64> = bench.hub.stamps().into_iter().collect();
    let expected = [0, 2 * MINUTE, 5 * MINUTE, 5 * MINUTE + 50].map(|after| START + after);
    assert_eq!(stamps, expected.into_iter().collect());
    assert_eq!(bench.hub.properties("revision").iter().flatten().count(), 1);
}

/// 3. A first run took the newest value alone. With `start` history comes from there.
#[tokio::test]
async fn a2_03_a_first_run_takes_the_history_from_a_chosen_start() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..3_000 {
        bench.source.push(minute, "1");
    }
    bench.advance(3_000 * MINUTE);
    bench.config.start = Some(START + 1_000 * MINUTE);
    bench.tick().await;
    let stamps = bench.hub.stamps();
    assert_eq!((stamps.len(), stamps[0]), (2_000, START + 1_000 * MINUTE));
}

/// 4. Local times of the host, without a zone or with its own, and the year 1. Here every instant is UTC and says so.
#[tokio::test]
async fn a2_04_every_instant_is_utc() {
    let bench = Bench::history(&[(0, "1")]).await;
    bench.tick().await;
    let body: serde_json::Value = serde_json::from_slice(&bench.hub.bodies()[0]).unwrap();
    let instants = [
        &body["Timerange"]["begin"],
        &body["Timerange"]["end"],
        &body["Timeseries"][0]["Timestamp"],
    ];
    for instant in instants {
        let text = instant.as_str().unwrap();
        assert!(text.ends_with('Z') && text.starts_with("2026-"), "{text}");
    }
}

/// 5. A document's id was the time: two sites in one instant were one document. Here two sources of one instant have their own.
#[tokio::test]
async fn a2_05_two_sources_of_one_instant_share_no_id() {
    let mut bench = Bench::reader().await;
    bench.tick().await;
    bench.config.id = "cellar".into();
    bench.tick().await;
    let list = List {
        source: None,
        kind: "attempt",
        limit: 10,
        before: None,
    };
    assert_eq!(bench.poller.store.list(list).await.unwrap().len(), 2);
    let ids: BTreeSet<String> = bench.hub.ids().into_iter().collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
}

/// 6. Queries were joined from configured ids. Here an id that could be more than an id is refused, and names are data.
#[tokio::test]
async fn a2_06_no_configured_text_becomes_a_query() {
    let text = "x' OR '1'='1";
    let faults = definition_of(&serde_json::json!({ "id": text, "kind": "synthetic" })).unwrap_err();
    assert!(
        faults.iter().any(|fault| fault.place.ends_with(".id")),
        "{faults:?}"
    );
    let mut bench = Bench::reader().await;
    bench.config.naming = Naming::Site {
        customer: text.into(),
        site: "a\"b\\c".into(),
    };
    bench.tick().await;
    let body: serde_json::Value = serde_json::from_slice(&bench.hub.bodies()[0]).unwrap();
    assert_eq!(
        (&body["customer_id"], &body["site_id"]),
        (&text.into(), &"a\"b\\c".into())
    );
}

/// 7. Values went through a 32-bit integer: a decimal, or a counter beyond 2^31, ended the tick for all sites. Here each keeps its
/// digits.
#[tokio::test]
async fn a2_07_decimals_and_large_values_keep_their_digits() {
    let values = ["51000.250", "4294967296", "9007199254740993", "-0.1", "1e3"];
    let mut bench = Bench::history(&[]).await;
    for (minute, value) in (0..).zip(values) {
        bench.source.push(minute, value);
    }
    bench.config.start = Some(START);
    bench.advance(10 * MINUTE);
    assert_eq!(bench.tick().await.outcome, Outcome::Delivered);
    let sent = String::from_utf8(bench.hub.bodies().concat()).unwrap();
    for value in values {
        assert!(sent.contains(&format!("\"ch0\":{value}}}")), "{value}: {sent}");
    }
}

/// 8. All sites went out as one device with one shared token. With an enrolment group each source is a device with its own key.
#[tokio::test]
async fn a2_08_each_site_is_a_device_of_its_own() {
    let server = Server::start(|_, seen| {
        if seen.line().starts_with("POST") {
            return Reply::text(TAKEN);
        }
        let id = seen.line().split('/').nth(3).unwrap();
        let body = format!(
            r#"{{"operationId":"4.op","status":"assigned","registrationState":
            {{"registrationId":"{id}","assignedHub":"fabrikam.azure-devices.net","deviceId":"{id}","status":"assigned"}}}}"#
        );
        Reply::text(&answer("200 OK", "", &body))
    })
    .await;
    let hub = server::build(server.group(), server::clock(NOW))
        .with_connect(Some(&server.url()))
        .unwrap();
    let mut tokens = BTreeSet::new();
    for site in ["site-1", "site-2"] {
        let device = hub.device(site, None, false).await.unwrap();
        assert_eq!(device.device, site);
        hub.send(&device, &[message(0, &[])]).await.unwrap();
        let sent = server.seen().pop().unwrap();
        assert!(
            sent.line()
                .starts_with(&format!("POST /devices/{site}/messages/events"))
        );
        tokens.insert(sent.header("authorization").unwrap().to_owned());
    }
    assert_eq!(tokens.len(), 2);
}

/// 9. A pasted token ended some day, and nothing told. Tokens from a key renew themselves, whatever the clock does.
#[tokio::test]
async fn a2_09_tokens_renew_themselves() {
    let (time, clock) = movable(NOW);
    let shared = std::sync::Arc::clone(&time);
    let server = Server::start(move |_, seen| {
        let now = u64::try_from(shared.load(Ordering::SeqCst) / 1000).unwrap();
        if seen.token().expiry() > now {
            Reply::text(TAKEN)
        } else {
            Reply::text(&answer("401 Unauthorized", "", "{}"))
        }
    })
    .await;
    let hub =
        meterbridge::forward::hub::Hub::new(server.identity("meter-001", K32), 4096, server::client(), clock)
            .unwrap();
    for hour in 0..48 {
        time.store(NOW + hour * 3_600_000, Ordering::SeqCst);
        hub.send(&to("meter-001"), &[message(0, &[])]).await.unwrap();
    }
    assert_eq!(server.seen().len(), 48, "no 401 on the way");
}

/// 10. No call had a timeout, and clients were made anew at every tick. A backend that says nothing is left after its timeout, and
/// the tick after it works. (Database and container are made once: `tests/checklist.rs::s1_10_database_and_container_are_made`;
/// one connection is kept: `tests/forward.rs`.)
#[tokio::test]
async fn a2_10_a_backend_that_says_nothing_is_left() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reader = TasmotaConfig {
        url: format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap(),
        user: "admin".into(),
        password: None,
        referer: None,
        channels: Vec::new(),
        recognise: true,
        timeout: Duration::from_millis(200),
        stale_after: 10,
    };
    let mut bench = Bench::reader().await;
    bench.config.kind = Kind::Tasmota(reader.clone());
    let silent = Tasmota::new(
        reader,
        chrono_tz::Tz::UTC,
        server::client(),
        bench.poller.clock.clone(),
    );
    let window = Window::Range {
        from: NOW,
        until: NOW,
        open: true,
    };
    let error = tokio::time::timeout(Duration::from_secs(30), silent.read(window)).await;
    assert!(
        matches!(error, Ok(Err(SourceError::Unreachable { .. }))),
        "{error:?}"
    );
    assert_eq!(bench.tick().await.outcome, Outcome::Delivered);
}

/// 11. The whole backlog was one message, which may pass the hub's 256 KB. Here it is as many as it takes.
#[tokio::test]
async fn a2_11_a_backlog_is_cut_into_messages_that_the_hub_takes() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..20_000 {
        bench.source.push(minute, "123456.789");
    }
    bench.config.start = Some(START);
    bench.config.slice = Duration::from_secs(366 * 86_400);
    bench.advance(20_000 * MINUTE);
    bench.tick().await;
    assert_eq!(bench.hub.stamps().len(), 20_000);
    let sizes: Vec<usize> = bench.hub.bodies().iter().map(Vec::len).collect();
    assert!(
        sizes.len() > 1 && sizes.iter().all(|&size| size < 256 * 1024),
        "{sizes:?}"
    );
}

/// 12. Two ticks in flight read the same mark and sent the same rows. Here one at a time works a source.
#[tokio::test]
async fn a2_12_two_ticks_at_once_send_nothing_twice() {
    for at in 2..9 {
        let mut bench = Bench::history(&[]).await;
        for minute in 0..20 {
            bench.source.push(minute, "1");
        }
        bench.config.start = Some(START);
        bench.advance(30 * MINUTE);
        bench.pause_at(at);
        let second = bench.restarted();
        let first = bench.tick();
        tokio::pin!(first);
        tokio::select! {
            biased;
            () = bench.paused() => {}
            report = &mut first => panic!("{report:?}"),
        }
        assert_eq!(second.tick().await.outcome, Outcome::Busy, "at {at}");
        bench.resume();
        first.await;
        second.advance(MINUTE);
        second.tick().await;
        assert_eq!(bench.hub.stamps().len(), 20, "at {at}");
    }
}

/// Seed 2.5, 6: every error of the backend was stored as "no data". Here each has its word, and the marks stay.
#[tokio::test]
async fn s25_06_an_error_is_not_taken_for_no_data() {
    type Case = (fn() -> SourceError, &'static str);
    let errors: [Case; 4] = [
        (
            || SourceError::Unknown {
                what: "b".into(),
                detail: "site 7".into(),
            },
            "unknown",
        ),
        (
            || SourceError::Unavailable {
                what: "b".into(),
                status: 500,
                detail: "x".into(),
                after: Some(Duration::from_secs(90)),
            },
            "unavailable",
        ),
        (
            || SourceError::Unreachable {
                what: "b".into(),
                detail: "x".into(),
                mend: "y".into(),
            },
            "unreachable",
        ),
        (
            || SourceError::Protocol {
                what: "b".into(),
                detail: "x".into(),
                passing: false,
            },
            "protocol",
        ),
    ];
    for (error, word) in errors {
        let mut bench = Bench::history(&[(0, "1")]).await;
        bench.config.start = Some(START);
        bench.source.fail_with(3, error);
        let report = bench.tick().await;
        assert_eq!(report.outcome, Outcome::Failed, "{word}");
        let attempts = bench.attempts().await;
        assert_eq!((attempts.len(), attempts[0].outcome.as_str()), (1, word));
        assert!(attempts[0].error.is_some());
        bench.source.fail(0);
        bench.advance(3 * MINUTE);
        bench.tick().await;
        assert_eq!(bench.hub.stamps(), [START], "{word}: nothing was passed over");
    }
}

/// Seed 2.5, 12: letters beyond ASCII became question marks.
#[tokio::test]
async fn s25_12_umlauts_stay() {
    let mut bench = Bench::reader().await;
    bench.config.naming = Naming::Site {
        customer: "Stadtwerke Köln".into(),
        site: "Zähler Süd".into(),
    };
    bench.tick().await;
    let body: serde_json::Value = serde_json::from_slice(&bench.hub.bodies()[0]).unwrap();
    assert_eq!(body["site_id"], "Zähler Süd");
    assert_eq!(body["customer_id"], "Stadtwerke Köln");
}
