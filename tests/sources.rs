//! Sources defined in the store: taken over at the next tick by every process, checked as those of the file are, and finished
//! properly when they are gone.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "sources/bad.rs"]
mod bad;
#[path = "host_contract/handler.rs"]
mod handler;
#[path = "sources/kept.rs"]
mod kept;
#[path = "bad_input/rig.rs"]
mod rig;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use emulator::hub::Fault;
use handler::{Handler, folder, run_in};
use kept::{Counted, Fate};
use meterbridge::app::Wired;
use meterbridge::catalog::{Catalog, Change, Done, Error, When, change};
use meterbridge::clock::Clock;
use meterbridge::poll::{Outcome, Worked};
use meterbridge::secret::Secret;
use meterbridge::store::cosmos::{Cosmos, CosmosSettings};
use meterbridge::store::documents::State;
use meterbridge::store::{Document, Store};
use rig::{MINUTE, NEIGHBOUR, Rig, polled, report};
use serde_json::{Value, json};

const HOUR: i64 = 60 * MINUTE;

fn synthetic(every: &str) -> Value {
    json!({"kind": "synthetic", "every": every, "interval": "1m"})
}

async fn put(rig: &Rig, id: &str, definition: Option<Value>) -> Done {
    let one = Change {
        id: id.into(),
        definition,
        when: When::Any,
    };
    let store = rig.wired.rounds.poller().store.as_ref();
    change(store, rig.now(), &[one]).await.unwrap()[0]
}

async fn state(wired: &Wired, id: &str) -> Option<State> {
    let found = wired.rounds.poller().store.read(id, State::ID).await.unwrap()?;
    match found.document {
        Document::State(state) => Some(state),
        other => panic!("{other:?}"),
    }
}

/// Added, changed and removed, each at the very next tick.
#[tokio::test]
async fn a_definition_is_taken_over_at_the_next_tick() {
    let rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    assert_eq!(polled(&rig.tick().await), ["neighbour"]);
    assert_eq!(put(&rig, "barn", Some(synthetic("31d"))).await, Done::Added);
    assert_eq!(polled(&rig.tick().await), ["barn"]);
    assert!(!rig.rows("barn").is_empty());

    // Due in a month, as it was defined; a shorter schedule takes effect now.
    rig.advance(MINUTE);
    assert_eq!(polled(&rig.tick().await), ["neighbour"]);
    assert_eq!(put(&rig, "barn", Some(synthetic("1m"))).await, Done::Changed);
    assert_eq!(polled(&rig.tick().await), ["barn"]);
    rig.advance(MINUTE);
    assert_eq!(polled(&rig.tick().await), ["barn", "neighbour"]);

    assert_eq!(put(&rig, "barn", None).await, Done::Removed);
    rig.advance(HOUR);
    assert_eq!(polled(&rig.tick().await), ["neighbour"]);
    assert!(rig.rows("barn").values().all(|(times, _)| *times == 1));
    rig.assert_one_body_per_id();
}

/// The store's own documents decide, not who wrote them: two processes agree at their next tick.
#[tokio::test]
async fn every_process_takes_a_change_over() {
    let rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    let other = rig.process();
    rig.tick().await;
    rig::tick(&other, rig.now()).await;
    put(&rig, "barn", Some(synthetic("1m"))).await;
    let (here, there) = (rig.tick().await, rig::tick(&other, rig.now()).await);
    assert_eq!((polled(&here), polled(&there)), (vec!["barn".to_owned()], vec![]));
    assert!(other.rounds.member("barn").is_some());
    put(&rig, "barn", None).await;
    other.refresh().await;
    assert!(other.rounds.member("barn").is_none());
    assert!(
        rig.wired.rounds.member("barn").is_some(),
        "this one has had no tick since"
    );
}

/// Fan-out hands out what the store defines, by the same shards as the file's.
#[tokio::test]
async fn workers_have_the_sources_of_the_store() {
    let rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    for n in 0..6 {
        put(&rig, &format!("s{n}"), Some(synthetic("1m"))).await;
    }
    rig.wired.refresh().await;
    let share = rig.wired.rounds.share(rig.now(), 2).await.unwrap();
    assert!(share.here.is_empty() && !share.jobs.is_empty(), "{share:?}");
    // A worker is a process of its own.
    let worker = rig.process();
    worker.refresh().await;
    let mut worked = Vec::new();
    for job in &share.jobs {
        let now = rig.now();
        match worker.rounds.work(job, 1, now, now + MINUTE).await.unwrap() {
            Worked::Done(round) => worked.extend(polled(&round)),
            Worked::Elsewhere => panic!("{job:?}"),
        }
    }
    worked.sort();
    assert_eq!(worked, ["neighbour", "s0", "s1", "s2", "s3", "s4", "s5"]);
}

/// A tick that finds nothing changed reads one document, and lists nothing.
#[tokio::test]
async fn nothing_changed_costs_one_read() {
    let rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    put(&rig, "barn", Some(synthetic("1m"))).await;
    let store = Counted::of(Arc::clone(&rig.wired.rounds.poller().store), None);
    let now = rig.now();
    let catalog = Catalog::new(
        rig.wired.config.clone(),
        store.clone(),
        meterbridge::http::client(&[]).unwrap(),
        Clock::from_fn(move || now),
        Arc::default(),
    );
    assert!(catalog.refresh().await.unwrap());
    let cost = || {
        (
            store.reads.load(Ordering::SeqCst),
            store.lists.load(Ordering::SeqCst),
        )
    };
    assert_eq!(cost(), (1, 1));
    for _ in 0..10 {
        assert!(!catalog.refresh().await.unwrap());
    }
    assert_eq!(cost(), (11, 1));
    put(&rig, "barn", Some(synthetic("2m"))).await;
    assert!(catalog.refresh().await.unwrap());
    assert_eq!(cost(), (12, 2));
}

/// A process that dies at any write of a change, or does not hear of it, leaves the old or the new, and never a change that the
/// others do not learn of.
#[tokio::test]
async fn a_kill_at_every_write_of_a_change_leaves_the_old_or_the_new() {
    for fate in [
        Fate::KilledBefore,
        Fate::KilledAfter,
        Fate::ReplyLost,
        Fate::MetItself,
    ] {
        let mut at = 0;
        loop {
            let rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
            put(&rig, "barn", Some(synthetic("1m"))).await;
            rig.wired.refresh().await;
            let store = Counted::of(Arc::clone(&rig.wired.rounds.poller().store), Some((at, fate)));
            let changes = [
                ("barn", Some(synthetic("5m"))),
                ("yard", Some(synthetic("5m"))),
                ("barn", None),
            ];
            let mut made = Vec::new();
            for (id, definition) in changes {
                let one = Change {
                    id: id.into(),
                    definition,
                    when: When::Any,
                };
                let call = change(store.as_ref(), rig.now(), std::slice::from_ref(&one));
                tokio::select! {
                    done = call => made.push(done.unwrap()[0]),
                    () = store.killed.notified() => break,
                }
            }
            let is_over = store.operations() <= at;
            let stored = rig.wired.catalog.definitions().await.unwrap();
            let ids: Vec<String> = stored.iter().map(|(doc, _)| doc.id.clone()).collect();
            rig.wired.refresh().await;
            let mut known: Vec<String> = rig.wired.rounds.ids();
            known.retain(|id| id != "neighbour");
            known.sort();
            let mut sorted = ids.clone();
            sorted.sort();
            assert_eq!(
                known, sorted,
                "{fate:?} at {at}: what is stored is known to every process"
            );
            if matches!(fate, Fate::ReplyLost | Fate::MetItself) {
                assert_eq!(
                    made,
                    [Done::Changed, Done::Added, Done::Removed],
                    "{fate:?} at {at}"
                );
            }
            // Whoever was killed does it again.
            for (id, definition) in [("barn", None), ("yard", Some(synthetic("5m")))] {
                let one = Change {
                    id: id.into(),
                    definition,
                    when: When::Any,
                };
                match change(rig.wired.rounds.poller().store.as_ref(), rig.now(), &[one]).await {
                    Ok(_) | Err(Error::Missing { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            rig.wired.refresh().await;
            assert_eq!(rig.wired.rounds.ids(), ["neighbour", "yard"]);
            if is_over {
                break;
            }
            at += 1;
        }
        assert!(at >= 3, "{fate:?}: {at}");
    }
}

/// A login is a setting's name in the store and its text in the question alone.
#[tokio::test]
async fn a_login_comes_from_a_setting() {
    let mut rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    rig.set("SOURCE_BARN", "hunter2-of-the-barn");
    let reader =
        json!({"kind": "tasmota", "url": "http://127.0.0.1:9/", "zone": "UTC", "password": "${SOURCE_BARN}"});
    put(&rig, "barn", Some(reader)).await;
    rig.wired.refresh().await;
    let member = rig.wired.rounds.member("barn").unwrap();
    let meterbridge::config::Kind::Tasmota(reader) = &member.config.kind else {
        panic!("{:?}", member.config)
    };
    assert_eq!(
        reader.password.as_ref().map(meterbridge::secret::Secret::reveal),
        Some("hunter2-of-the-barn")
    );
    let shown = format!(
        "{:?} {:?}",
        member.config,
        rig.wired.catalog.definitions().await.unwrap()
    );
    assert!(
        !shown.contains("hunter2") && shown.contains("${SOURCE_BARN}"),
        "{shown}"
    );
}

/// With a device for each source, two ids that would be one device are told.
#[tokio::test]
async fn ids_that_would_be_one_device_are_told() {
    let mut rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    rig.set_all(&[
        ("DPS_ID_SCOPE", "0ne00000A0A"),
        ("DPS_GROUP_KEY", "bWV0ZXJicmlkZ2UtdGVzdC1rZXktMzItYnl0ZXMtISE="),
    ]);
    for id in ["Neighbour", "barn_", "yard"] {
        put(&rig, id, Some(synthetic("1m"))).await;
    }
    rig.wired.refresh().await;
    let known = rig.wired.catalog.current();
    let told: Vec<String> = known.faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("[Neighbour]: differs from `neighbour` of sources.toml:1 in letter case only"),
        "{told:?}"
    );
    assert!(told[1].starts_with("[barn_]: ends in `_`"), "{told:?}");
    assert_eq!(rig.wired.rounds.ids(), ["neighbour", "yard"]);
}

/// What a removed source had not sent yet goes out, frozen or not, once, under the ids it was stored with; it is not asked again.
#[tokio::test]
async fn what_a_removed_source_left_goes_out() {
    let rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    let mut slow = synthetic("1m");
    slow["send_every"] = json!("6h");
    put(&rig, "barn", Some(slow)).await;
    put(&rig, "yard", Some(synthetic("1m"))).await;
    rig.tick().await;
    rig.advance(MINUTE);
    // The yard's rows are frozen and refused; the barn's wait for company.
    rig.hub.fail_next(10_000, Fault::status(503));
    let round = rig.tick().await;
    assert_eq!(report(&round, "yard").outcome, Outcome::Stored);
    assert_eq!(report(&round, "barn").outcome, Outcome::Stored);
    put(&rig, "barn", None).await;
    put(&rig, "yard", None).await;
    let attempts = state(&rig.wired, "yard").await.unwrap().next;
    rig.advance(MINUTE);
    rig.tick().await;
    rig.hub.clear_faults();
    for _ in 0..20 {
        rig.advance(MINUTE);
        rig.tick().await;
    }
    for id in ["barn", "yard"] {
        let state = state(&rig.wired, id).await.unwrap();
        assert!(
            state.pending.is_empty() && state.unshipped.is_empty(),
            "{state:?}"
        );
        assert!(!rig.rows(id).is_empty());
        assert!(
            rig.rows(id).values().all(|(times, _)| *times == 1),
            "{:?}",
            rig.rows(id)
        );
    }
    assert_eq!(
        state(&rig.wired, "yard").await.unwrap().next,
        attempts,
        "nothing was asked or recorded any more"
    );
    rig.assert_one_body_per_id();
}

/// Taken out of the file: other processes may still know it, so it is left alone until nobody has polled it for ten minutes.
#[tokio::test]
async fn what_a_source_taken_out_of_the_file_left_goes_out() {
    let slow = "[[source]]\nid = \"barn\"\nkind = \"synthetic\"\nevery = \"1m\"\ninterval = \"1m\"\nsend_every = \"6h\"\n\n";
    let mut rig = Rig::new(|_| format!("{slow}{NEIGHBOUR}")).await;
    rig.tick().await;
    rig.redefine(NEIGHBOUR);
    for _ in 0..9 {
        rig.advance(MINUTE);
        rig.tick().await;
    }
    assert!(rig.rows("barn").is_empty(), "somebody may still be about it");
    for _ in 0..3 {
        rig.advance(MINUTE);
        rig.tick().await;
    }
    assert_eq!(rig.rows("barn").len(), 1);
    let state = state(&rig.wired, "barn").await.unwrap();
    assert!(state.unshipped.is_empty() && state.pending.is_empty());
}

/// A source that nobody defines for a day is put to rest, so that the store names it no more; defined again it is due at once.
#[tokio::test]
async fn a_source_at_rest_wakes_when_it_is_defined_again() {
    let rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    put(&rig, "barn", Some(synthetic("1m"))).await;
    rig.tick().await;
    put(&rig, "barn", None).await;
    let due = async || {
        let store = &rig.wired.rounds.poller().store;
        store.due("cloud", rig.now(), 10).await.unwrap()
    };
    rig.advance(23 * HOUR);
    rig.tick().await;
    assert!(due().await.contains(&"barn".to_owned()));
    rig.advance(3 * HOUR);
    rig.tick().await;
    assert!(!due().await.contains(&"barn".to_owned()), "at rest");
    let birth = state(&rig.wired, "barn").await.unwrap().birth;
    put(&rig, "barn", Some(synthetic("1m"))).await;
    assert_eq!(polled(&rig.tick().await), ["barn"]);
    assert_eq!(
        state(&rig.wired, "barn").await.unwrap().birth,
        birth,
        "it goes on where it was"
    );
    rig.advance(MINUTE);
    assert!(polled(&rig.tick().await).contains(&"barn".to_owned()));
}

const BARN: &str = "[[source]]\nid = \"barn\"\nkind = \"synthetic\"\nevery = \"1s\"\ninterval = \"1s\"\n\
                    [source.channels]\nch0 = { scale = 0.10, unit = \"kWh\" }\n";

/// The command, beside a handler that runs: put, shown, polled, changed, removed.
#[tokio::test]
async fn the_command_changes_what_a_running_handler_polls() {
    // Due once in a month: what is polled below is the store's.
    let quiet = NEIGHBOUR.replace("interval", "every = \"31d\"\ninterval");
    let handler = Handler::start(&[("TimerSchedule", "0 * * * * *")], &quiet).await;
    let dir = handler.dir.path();
    std::fs::write(dir.join("barn.toml"), BARN).unwrap();
    let sources = async |arguments: &[&str]| {
        let all = [&["sources"][..], arguments].concat();
        let ended = run_in(dir, &all, &[]).await;
        (ended.code.unwrap(), ended.out, ended.err)
    };
    assert!(handler.tick().await.body.contains("1 sources polled"));
    let (code, out, _) = sources(&["put", "barn.toml", "--dry-run"]).await;
    assert_eq!(
        (code, out.as_str()),
        (0, "barn: would be added\nNothing was written.\n")
    );
    assert_eq!(sources(&["show", "barn"]).await.0, 64);
    let (code, out, err) = sources(&["put", "barn.toml"]).await;
    assert_eq!((code, out.as_str()), (0, "barn: added\n"), "{err}");
    assert_eq!(
        sources(&["put", "barn.toml"]).await.1,
        "barn: stands so already\n"
    );
    let tick = handler.tick().await;
    assert!(tick.body.contains("1 sources polled"), "{tick:?}");
    assert!(
        handler.written().contains("Sources have changed"),
        "{}",
        handler.written()
    );

    let (_, out, _) = sources(&["show", "barn"]).await;
    assert!(out.contains("\"scale\": \"0.10\""), "no digit is lost: {out}");
    let version = out.trim().rsplit(' ').next().unwrap().to_owned();
    let (_, out, _) = sources(&["list"]).await;
    assert!(
        out.contains("barn") && out.contains("store") && out.contains("sources.toml:1"),
        "{out}"
    );
    // poll, check and plan know it, too.
    for command in [&["check", "barn"][..], &["poll", "barn", "--dry-run"], &["plan"]] {
        let ended = run_in(dir, command, &[]).await;
        assert!(
            ended.out.contains("barn"),
            "{command:?}: {} {}",
            ended.out,
            ended.err
        );
    }

    std::fs::write(dir.join("barn.toml"), BARN.replace("1s", "2s")).unwrap();
    let (code, _, err) = sources(&["put", "barn.toml", "--if-match", "another"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("was changed by somebody else meanwhile"), "{err}");
    let (code, out, _) = sources(&["put", "barn.toml", "--if-match", &version]).await;
    assert_eq!((code, out.as_str()), (0, "barn: changed\n"));
    assert_eq!(
        sources(&["remove", "barn", "--dry-run"]).await.1,
        "barn: would be removed\nNothing was written.\n"
    );
    assert_eq!(sources(&["remove", "barn"]).await.1, "barn: removed\n");
    let health = handler.tick().await;
    assert_eq!(health.status, 200);
    let (code, _, err) = sources(&["remove", "neighbour"]).await;
    assert_eq!(code, 64);
    assert!(
        err.contains("neighbour is defined in sources.toml:1, not in the store"),
        "{err}"
    );
}

/// What the command refuses, with the file's lines; nothing of such a file is written.
#[tokio::test]
async fn the_command_refuses_a_file_with_any_fault() {
    let dir = folder(NEIGHBOUR);
    let check = async |text: &str, expected: &str| {
        std::fs::write(dir.path().join("new.toml"), text).unwrap();
        let ended = run_in(
            dir.path(),
            &["sources", "put", "new.toml"],
            &[("SOURCE_A", "hunter2")],
        )
        .await;
        assert_eq!(ended.code, Some(64), "{text}: {} {}", ended.out, ended.err);
        assert!(
            ended.err.contains(expected),
            "{text}: {expected:?} is not in {}",
            ended.err
        );
        assert!(!ended.err.contains("hunter2") && !ended.out.contains("hunter2"));
    };
    let reader = |more: &str| {
        format!(
            "{BARN}\n[[source]]\nid = \"yard\"\nkind = \"tasmota\"\nurl = \"reader.local\"\nzone = \"UTC\"\n{more}\n"
        )
    };
    check("", "new.toml: defines no source").await;
    check("[[source]\n", "new.toml:1: is not TOML").await;
    check(
        "[source]\nid = \"a\"\n",
        "source: is a table; begin each source with `[[source]]`",
    )
    .await;
    check(
        &reader("password = \"hunter2\""),
        "[yard].password: is written out, and the store keeps no secrets",
    )
    .await;
    check(
        &reader("password = \"${COSMOS_KEY}\""),
        "new.toml:14 [yard].password: names COSMOS_KEY",
    )
    .await;
    check(&reader("every = \"1\""), "[yard].every: `1` is no duration").await;
    check(
        &reader("").replace("yard", "barn"),
        "[barn].id: is the id of the source in line 2, too",
    )
    .await;
    check(
        &reader("").replace("yard", "neighbour"),
        "[neighbour]: has the same id as the source of sources.toml:1",
    )
    .await;
    check(
        &reader("referer = \"http://${SOURCE_A}/\""),
        "[yard].referer: names a setting",
    )
    .await;
    let store = run_in(dir.path(), &["sources", "list"], &[]).await;
    assert!(
        !store.out.contains("barn"),
        "nothing of a faulty file was written: {}",
        store.out
    );
    // A setting that only the app has is worth a word.
    std::fs::write(
        dir.path().join("new.toml"),
        reader("password = \"${SOURCE_YARD}\""),
    )
    .unwrap();
    let put = run_in(dir.path(), &["sources", "put", "new.toml"], &[]).await;
    assert_eq!(put.code, Some(0), "{}", put.err);
    assert!(
        put.out.contains("`${SOURCE_YARD}` is not set") && put.out.contains("yard: added"),
        "{}",
        put.out
    );
    let list = run_in(dir.path(), &["sources", "list"], &[]).await;
    assert_eq!(
        list.code,
        Some(1),
        "here the setting is missing, and that is told"
    );
    assert!(
        list.out
            .contains("BAD definition in the store: [yard].password: `${SOURCE_YARD}` is not set"),
        "{}",
        list.out
    );
}

/// The same over Cosmos DB's protocol: changes are seen, and a tick that finds none makes one request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cosmos_is_asked_once_a_tick() {
    let gateway = cosmos_gateway::Gateway::start(0).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(Cosmos::new(CosmosSettings {
        endpoint: gateway.endpoint(),
        key: Some(Secret::new(cosmos_gateway::KEY)),
        client_id: None,
        database: "meterbridge".into(),
        container: "polls".into(),
    }));
    let rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    let now = rig.now();
    let catalog = Catalog::new(
        rig.wired.config.clone(),
        Arc::clone(&store),
        meterbridge::http::client(&[]).unwrap(),
        Clock::from_fn(move || now),
        Arc::default(),
    );
    store.prepare().await.unwrap();
    let make = async |definition: Option<Value>| {
        let one = Change {
            id: "barn".into(),
            definition,
            when: When::Any,
        };
        change(store.as_ref(), now, &[one]).await.unwrap()[0]
    };
    assert!(!catalog.refresh().await.unwrap(), "nothing is defined yet");
    assert_eq!(make(Some(synthetic("1m"))).await, Done::Added);
    assert!(catalog.refresh().await.unwrap());
    assert!(catalog.current().source("barn").is_some());
    let before = gateway.requests();
    for _ in 0..10 {
        assert!(!catalog.refresh().await.unwrap());
    }
    assert_eq!(gateway.requests() - before, 10);
    assert_eq!(make(Some(synthetic("2m"))).await, Done::Changed);
    assert!(catalog.refresh().await.unwrap());
    assert_eq!(make(None).await, Done::Removed);
    assert!(catalog.refresh().await.unwrap());
    assert!(catalog.current().source("barn").is_none());
}

/// People are told of a faulty definition by the timer's answer, the log and health; what is well goes on.
#[tokio::test]
async fn people_are_told_of_a_faulty_definition() {
    let handler = Handler::start(&[("TimerSchedule", "0 * * * * *")], NEIGHBOUR).await;
    let dir = handler.dir.path();
    let yard = "[[source]]\nid = \"yard\"\nkind = \"tasmota\"\nurl = \"reader.local\"\nzone = \"UTC\"\npassword = \"${SOURCE_YARD}\"\n";
    std::fs::write(dir.join("yard.toml"), yard).unwrap();
    assert_eq!(
        run_in(dir, &["sources", "put", "yard.toml"], &[]).await.code,
        Some(0)
    );
    let tick = handler.tick().await;
    let fault = "[yard].password: `${SOURCE_YARD}` is not set";
    assert_eq!(tick.status, 200);
    assert!(
        tick.body.contains(fault) && tick.body.contains("1 sources polled"),
        "{tick:?}"
    );
    assert!(
        handler
            .written()
            .contains("A definition in the store is faulty and not polled")
    );
    let health = handler.get("/api/health").await.json();
    assert_eq!(health["status"], "troubled", "{health}");
    assert!(
        health["definitions"][0].as_str().unwrap().starts_with(fault),
        "{health}"
    );
    let check = run_in(dir, &["check"], &[]).await;
    assert!(check.out.contains(fault), "{}", check.out);
}
