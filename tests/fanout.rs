//! Fan-out: shards, the notes on them, and workers that share a store.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "host_contract/handler.rs"]
mod handler;
#[path = "bad_input/rig.rs"]
mod rig;
#[path = "rounds/slow.rs"]
mod slow;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meterbridge::poll::{Rounds, Share, Ticket, Worked};
use meterbridge::store::documents::State;
use meterbridge::store::{Batch, Document, Write};
use rig::{MINUTE, Rig};
use slow::Slow;

/// So many synthetic sources, each due once a minute.
fn many(count: usize) -> String {
    let one = |n: usize| {
        format!("[[source]]\nid = \"s{n:03}\"\nkind = \"synthetic\"\nevery = \"1m\"\ninterval = \"1m\"\n\n")
    };
    (0..count).map(one).collect()
}

async fn share(rig: &Rig, limit: usize) -> Share {
    rig.wired.rounds.share(rig.now(), limit).await.unwrap()
}

async fn work(rig: &Rig, job: &Ticket, delivery: u32) -> Option<Vec<String>> {
    let now = rig.now();
    let worked = rig.wired.rounds.work(job, delivery, now, now + MINUTE).await;
    match worked.unwrap() {
        Worked::Done(round) => Some(round.reports.iter().map(|report| report.source.clone()).collect()),
        Worked::Elsewhere => None,
    }
}

async fn state(rig: &Rig, id: &str) -> (State, meterbridge::store::Etag) {
    let store = &rig.wired.rounds.poller().store;
    let found = store.read(id, State::ID).await.unwrap().unwrap();
    match found.document {
        Document::State(state) => (state, found.etag),
        other => panic!("{other:?}"),
    }
}

/// Few due sources are polled here; many are handed out, each in one job, and none twice while its job is under way.
#[tokio::test]
async fn many_due_sources_are_handed_out_by_shards_once() {
    let rig = Rig::new(|_| many(100)).await;
    let here = share(&rig, 100).await;
    assert_eq!((here.here.len(), here.jobs.len(), here.busy), (100, 0, 0));

    let out = share(&rig, 99).await;
    assert!(out.here.is_empty() && out.jobs.len() > 20, "{out:?}");
    let again = share(&rig, 99).await;
    assert_eq!(
        (again.here.len(), again.jobs.len(), again.busy),
        (0, 0, out.jobs.len())
    );

    let mut polled = BTreeMap::new();
    for job in &out.jobs {
        for id in work(&rig, job, 1).await.unwrap() {
            let before = polled.insert(id.clone(), job.shard.clone());
            assert_eq!(before, None, "{id} was polled twice");
        }
    }
    assert_eq!(polled.len(), 100);
    let arrived: BTreeSet<String> = rig
        .hub
        .arrived()
        .iter()
        .map(|message| message.properties["Source_Id"].clone())
        .collect();
    assert_eq!(arrived.len(), 100);
    // Each source's state names the shard that it was found in.
    for (id, shard) in &polled {
        assert_eq!(state(&rig, id).await.0.shard.as_ref(), Some(shard));
    }
    // Nothing is due, so nothing is handed out; a minute later everything is again.
    let idle = share(&rig, 99).await;
    assert_eq!((idle.here.len(), idle.jobs.len(), idle.busy), (0, 0, 0));
    rig.advance(MINUTE);
    assert_eq!(share(&rig, 99).await.jobs.len(), out.jobs.len());
    // What few are due of many is polled here.
    assert!(share(&rig, 0).await.jobs.is_empty());
}

/// A job that nobody took is handed out once more after two minutes: it may be lost.
#[tokio::test]
async fn a_lost_job_is_handed_out_again() {
    let rig = Rig::new(|_| many(8)).await;
    let first = share(&rig, 1).await.jobs;
    rig.advance(2 * MINUTE - 1);
    assert!(share(&rig, 1).await.jobs.is_empty());
    rig.advance(1);
    let second = share(&rig, 1).await.jobs;
    assert_eq!(second.len(), first.len());
    // The lost one turns up after all: it does the work, and its double finds none.
    let mut polled = Vec::new();
    for job in first.iter().chain(&second) {
        polled.extend(work(&rig, job, 1).await.unwrap());
    }
    polled.sort();
    assert_eq!(polled, (0..8).map(|n| format!("s{n:03}")).collect::<Vec<_>>());
}

/// While a worker is on a shard, other jobs of that shard end at once, the timer leaves its sources alone, and what becomes due
/// is polled by that worker; a delivery that comes again takes over.
#[tokio::test]
async fn a_shard_has_one_worker_at_a_time() {
    let slow = Slow::start().await;
    let url = slow.url.clone();
    let mut rig = Rig::new(|_| {
        let reader = |id: &str, path: &str, every: &str| {
            format!("[[source]]\nid = \"{id}\"\nkind = \"tasmota\"\nurl = \"{url}{path}\"\nevery = \"{every}\"\ntimeout = \"60s\"\n\n")
        };
        reader("slow", "/slow", "1h") + &reader("quick", "/quick", "10s")
    })
    .await;
    slow.answer_on("/quick");
    rig.wired.rounds = rig.wired.rounds.with_beat(Duration::from_millis(50));
    let rounds: &Rounds = &rig.wired.rounds;
    let jobs = share(&rig, 0).await.jobs;
    assert_eq!(jobs.len(), 1, "one host, one shard");
    let job = &jobs[0];
    let now = rig.now();
    let worker = rounds.work(job, 1, now, now + 10 * MINUTE);
    tokio::pin!(worker);
    tokio::select! {
        worked = &mut worker => panic!("it ended: {worked:?}"),
        () = slow.asked_on("/slow", 1) => {}
    }
    let beside = async {
        let other = Ticket {
            shard: job.shard.clone(),
            ticket: "another".into(),
        };
        assert_eq!(work(&rig, &other, 1).await, None, "another job");
        assert_eq!(work(&rig, job, 1).await, None, "the same delivery");
        while rig.rows("quick").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let before = slow.count_on("/quick");
        rig.advance(20_000);
        let share = share(&rig, 1).await;
        assert_eq!((share.here.len(), share.jobs.len(), share.busy), (0, 0, 1));
        // Due again, and polled by the worker that still waits for the slow one.
        slow.asked_on("/quick", before + 1).await;
    };
    tokio::select! {
        worked = &mut worker => panic!("it ended: {worked:?}"),
        () = beside => {}
    }
    // The queue takes this worker for dead and hands the message out again: that delivery takes over and finds the sources held.
    let over = work(&rig, job, 2);
    tokio::select! {
        worked = &mut worker => panic!("it ended: {worked:?}"),
        polled = over => assert!(!polled.unwrap().contains(&"slow".to_owned())),
    }
    slow.answer();
    let Worked::Done(round) = worker.await.unwrap() else {
        panic!("it was at work")
    };
    let of = |id: &str| round.reports.iter().filter(|report| report.source == id).count();
    assert!(of("slow") == 1 && of("quick") >= 2, "{round:?}");
}

/// States that an older version wrote name no shard: their worker finds them all the same, and they have one from then on.
#[tokio::test]
async fn a_state_without_a_shard_is_found_by_its_worker() {
    let mut rig = Rig::new(|_| many(2)).await;
    let now = rig.now();
    rig.wired.rounds.run(now, now + MINUTE).await.unwrap();
    for id in ["s000", "s001"] {
        let (mut state, etag) = state(&rig, id).await;
        (state.shard, state.plan) = (None, None);
        let batch = Batch {
            source: id.into(),
            writes: vec![Write::Replace(Document::State(state), etag)],
        };
        rig.wired.rounds.poller().store.commit(batch).await.unwrap();
    }
    rig.set("INLINE_LIMIT", "1");
    rig.advance(MINUTE);
    let mut polled = Vec::new();
    for job in share(&rig, 1).await.jobs {
        polled.extend(work(&rig, &job, 1).await.unwrap());
    }
    polled.sort();
    assert_eq!(polled, ["s000", "s001"]);
    assert!(state(&rig, "s000").await.0.shard.is_some());
}

/// A schedule that was made shorter holds from the next tick on, not from when the old one would have come.
#[tokio::test]
async fn a_shorter_schedule_takes_effect_at_the_next_tick() {
    let source = |every: &str| {
        format!("[[source]]\nid = \"x\"\nkind = \"synthetic\"\nevery = \"{every}\"\ninterval = \"1m\"\n")
    };
    let mut rig = Rig::new(|_| source("1d")).await;
    let polled = async |rig: &Rig| rig.round().await.reports.len();
    assert_eq!(polled(&rig).await, 1);
    rig.advance(MINUTE);
    assert_eq!(polled(&rig).await, 0);
    rig.redefine(&source("1m"));
    assert_eq!(polled(&rig).await, 1);
    assert_eq!(polled(&rig).await, 0, "once");
    rig.advance(MINUTE);
    assert_eq!(polled(&rig).await, 1);
    // A longer one puts off what follows, and no process asks for what is not due.
    rig.redefine(&source("1d"));
    assert_eq!(polled(&rig).await, 1);
    rig.advance(MINUTE);
    assert_eq!(polled(&rig).await, 0);
}

/// A job that failed for good is counted, and its shard is handed out again by the next tick.
#[tokio::test]
async fn a_poisoned_job_is_counted_and_its_shard_free_again() {
    let rig = Rig::new(|_| many(2)).await;
    let jobs = share(&rig, 1).await.jobs;
    rig.wired.rounds.poisoned(&jobs[0], "the store was full").await;
    let notes = rig.wired.rounds.shards().await.unwrap();
    let note = notes.iter().find(|note| note.shard == jobs[0].shard).unwrap();
    assert_eq!(
        (note.poisoned, note.poisoned_by.as_deref()),
        (1, Some("the store was full"))
    );
    let again: Vec<String> = share(&rig, 1)
        .await
        .jobs
        .into_iter()
        .map(|job| job.shard)
        .collect();
    assert_eq!(again, [jobs[0].shard.clone()]);
}
