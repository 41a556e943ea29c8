//! A store that has not kept everything, and an outage that lasts: the tick goes on, and the state stays small.
#![allow(clippy::unwrap_used, missing_docs, dead_code, unreachable_pub)]

#[path = "tick/scripted.rs"]
mod scripted;

use meterbridge::forward::Error;
use meterbridge::poll::Outcome;
use meterbridge::store::documents::{Attempt, DeadLetter, Shipment};
use meterbridge::store::{Batch, Document, List, Write};
use scripted::{Bench, MINUTE};

fn down() -> Error {
    Error::Unavailable {
        hub: "hub".into(),
        status: 503,
        detail: "down".into(),
        after: Some(std::time::Duration::from_secs(30)),
    }
}

async fn minutes(bench: &Bench, count: usize) {
    for _ in 0..count {
        bench.tick_when_due().await;
        bench.advance(MINUTE);
    }
}

/// Changes a document of the store behind the bridge's back; `None` deletes it.
async fn tamper(bench: &Bench, id: &str, change: impl FnOnce(Document) -> Option<Document>) {
    let found = bench.poller.store.read("home", id).await.unwrap().unwrap();
    let write = match change(found.document) {
        Some(document) => Write::Replace(document, found.etag),
        None => Write::Delete(id.into(), Some(found.etag)),
    };
    let batch = Batch {
        source: "home".into(),
        writes: vec![write],
    };
    bench.poller.store.commit(batch).await.unwrap();
}

async fn letters(bench: &Bench) -> Vec<DeadLetter> {
    let list = List {
        source: None,
        kind: "deadletter",
        limit: 100,
        before: None,
    };
    let found = bench.poller.store.list(list).await.unwrap();
    let letters = found.into_iter().map(|found| match found.document {
        Document::DeadLetter(letter) => letter,
        other => panic!("{other:?}"),
    });
    letters.collect()
}

fn other_value(document: Document) -> Option<Document> {
    let Document::Attempt(mut attempt) = document else {
        panic!("an attempt")
    };
    attempt.inline.as_mut().unwrap().columns[0] = "8".into();
    Some(Document::Attempt(attempt))
}

/// Each way to lose a document: the others are delivered, a letter tells of it, the reader is read on, and nothing of what is left
/// gets a lifetime.
#[tokio::test]
async fn what_the_store_lost_becomes_dead_letters_and_the_reader_goes_on() {
    // Which document, what happens to it, rows that are lost to the hub, whether the letter has a body, what it says.
    type Case = (
        fn(&str) -> String,
        fn(Document) -> Option<Document>,
        usize,
        bool,
        &'static str,
    );
    let gone: fn(Document) -> Option<Document> = |_| None;
    let cases: [Case; 6] = [
        (
            |birth| Shipment::id_of(birth, 1),
            gone,
            1,
            false,
            "missing from the store",
        ),
        (
            |birth| Attempt::id_of(birth, 1),
            gone,
            1,
            false,
            "missing from the store",
        ),
        (
            |birth| Attempt::id_of(birth, 1),
            other_value,
            1,
            true,
            "would differ",
        ),
        (
            |birth| Attempt::id_of(birth, 3),
            gone,
            1,
            false,
            "waited to be sent",
        ),
        // Inside a shipment of forty, which is one message.
        (
            |birth| Attempt::id_of(birth, 20),
            gone,
            40,
            false,
            "missing from the store",
        ),
        (
            |birth| Attempt::id_of(birth, 20),
            other_value,
            40,
            true,
            "would differ",
        ),
    ];
    for (case, (id, change, lost, body, expected)) in cases.into_iter().enumerate() {
        let bench = Bench::reader().await;
        bench.hub.refuse(usize::MAX / 2, down);
        let polls = if lost == 40 { 50 } else { 6 };
        minutes(&bench, polls).await;
        let birth = bench.state().await.birth;
        tamper(&bench, &id(&birth), change).await;
        bench.hub.accept();
        bench.advance(MINUTE);
        let report = bench.tick_when_due().await;
        assert_eq!(report.outcome, Outcome::Delivered, "case {case}: {report:?}");
        assert!(report.line().contains(expected), "case {case}: {}", report.line());
        assert_eq!(bench.source.calls(), polls + 1, "case {case}");
        assert_eq!(bench.hub.stamps().len(), polls + 1 - lost, "case {case}");
        let letters = letters(&bench).await;
        let [letter] = &letters[..] else {
            panic!("case {case}: {letters:?}")
        };
        assert!(
            letter.why.contains(expected) && letter.ttl.is_none(),
            "{letter:?}"
        );
        assert_eq!(!letter.body.is_empty(), body, "case {case}: {letter:?}");
        assert!(!bench.hub.ids().contains(&letter.message_id), "case {case}");
        let frozen = format!("home.{birth}.1.0");
        assert_ne!(
            letter.message_id, frozen,
            "case {case}: an id never names two bodies"
        );
        bench.hub.assert_one_body_per_id();
        let state = bench.state().await;
        assert!(
            state.pending.is_empty() && state.unshipped.is_empty(),
            "case {case}"
        );
        // It goes on as if nothing had been.
        bench.advance(MINUTE);
        assert_eq!(bench.tick_when_due().await.outcome, Outcome::Delivered);
        assert_eq!(self::letters(&bench).await.len(), 1);
        for attempt in bench.attempts().await {
            // The first poll went into a shipment of its own, the next forty into one.
            let damaged = match lost {
                40 => (2..=41).contains(&attempt.number),
                _ => attempt.number == 1 && case < 3,
            };
            assert_eq!(attempt.ttl.is_none(), damaged, "case {case}: {}", attempt.id);
        }
    }
}

/// A letter without a body only tells of what is gone: replay sends nothing for it and leaves it as it is.
#[tokio::test]
async fn a_letter_without_a_body_is_not_replayed() {
    let bench = Bench::reader().await;
    bench.hub.refuse(usize::MAX / 2, down);
    minutes(&bench, 2).await;
    let birth = bench.state().await.birth;
    tamper(&bench, &Shipment::id_of(&birth, 1), |_| None).await;
    bench.hub.accept();
    minutes(&bench, 2).await;
    let before = letters(&bench).await;
    let (sent, source, now) = (bench.hub.ids(), bench.reaped(), bench.now());
    let turn = meterbridge::poll::Turn {
        config: &bench.config,
        source: source.as_ref(),
        due: now,
        deadline: now + MINUTE,
        force: true,
        seat: None,
    };
    let stop = std::sync::atomic::AtomicBool::new(false);
    let done = bench.poller.replay(turn, &[before[0].id.clone()], &stop).await;
    assert!(
        format!("{:?}", done.letters).contains("missing from the store"),
        "{:?}",
        done.letters
    );
    assert_eq!(bench.hub.ids(), sent);
    assert_eq!(letters(&bench).await, before);
}

/// Killed at every operation while damaged parts are set aside: one letter each, and nothing twice.
#[tokio::test]
async fn a_kill_at_every_operation_sets_a_damaged_part_aside_once() {
    let mut kills = 0;
    loop {
        let bench = Bench::reader().await;
        bench.hub.refuse(usize::MAX / 2, down);
        minutes(&bench, 4).await;
        let birth = bench.state().await.birth;
        tamper(&bench, &Attempt::id_of(&birth, 1), other_value).await;
        tamper(&bench, &Attempt::id_of(&birth, 3), |_| None).await;
        bench.hub.accept();
        bench.advance(MINUTE);
        let dying = bench.restarted();
        dying.kill_at(kills);
        let killed = dying.tick_until_killed().await;
        let later = dying.restarted();
        for _ in 0..3 {
            later.advance(10 * MINUTE);
            later.tick().await;
        }
        assert_eq!(letters(&later).await.len(), 2, "killed at operation {kills}");
        let ids: Vec<String> = letters(&later).await.into_iter().map(|l| l.message_id).collect();
        assert!(
            ids.iter().all(|id| !later.hub.ids().contains(id)),
            "killed at operation {kills}"
        );
        later.hub.assert_one_body_per_id();
        assert_eq!(
            later.hub.doubled_under_other_ids(),
            0,
            "killed at operation {kills}"
        );
        assert!(later.state().await.pending.is_empty());
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 5, "only {kills} operations");
}

/// A day without the hub at one poll a minute: what waits is frozen on the way, and goes out whole and in order.
#[tokio::test]
async fn the_state_stays_small_in_a_long_outage() {
    let mut bench = Bench::reader().await;
    bench.config.send_every = std::time::Duration::from_secs(900);
    bench.hub.refuse(usize::MAX / 2, down);
    let mut largest = 0;
    for minute in 0..1_440 {
        bench.tick_when_due().await;
        bench.advance(MINUTE);
        if minute % 39 == 0 {
            largest = largest.max(serde_json::to_vec(&bench.state().await).unwrap().len());
        }
    }
    let state = bench.state().await;
    assert_eq!(bench.source.calls(), 1_440);
    assert!(
        state.unshipped.len() <= 40 && state.pending.len() >= 35,
        "{state:?}"
    );
    assert!(largest < 4_000, "{largest} bytes");
    println!("largest state: {largest} bytes");
    bench.hub.accept();
    for _ in 0..30 {
        bench.advance(MINUTE);
        bench.tick().await;
    }
    let stamps = bench.hub.stamps();
    assert!(stamps.len() >= 1_440 && stamps.is_sorted(), "{}", stamps.len());
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    assert!(bench.state().await.pending.is_empty());
}
