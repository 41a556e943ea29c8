//! What a source left that is defined no more: it goes out once, whoever dies on the way, and nothing is asked.
#![allow(clippy::unwrap_used, missing_docs, dead_code, unreachable_pub)]

#[path = "tick/scripted.rs"]
mod scripted;

use std::collections::BTreeSet;
use std::time::Duration;

use meterbridge::forward::Error;
use meterbridge::poll::Outcome;
use scripted::{Bench, MINUTE};

fn down() -> Error {
    Error::Unavailable {
        hub: "hub".into(),
        status: 503,
        detail: "down".into(),
        // More than a tick has left: one try each.
        after: Some(Duration::from_secs(100)),
    }
}

/// A reader whose rows wait, some frozen and refused by the hub, some for company; then its definition is gone.
async fn left() -> Bench {
    let mut bench = Bench::reader().await;
    bench.hub.refuse(1_000, down);
    for _ in 0..2 {
        bench.tick().await;
        bench.advance(2 * MINUTE);
    }
    bench.config.send_every = Duration::from_secs(6 * 3_600);
    for _ in 0..3 {
        bench.tick().await;
        bench.advance(2 * MINUTE);
    }
    let state = bench.state().await;
    assert!(
        !state.pending.is_empty() && !state.unshipped.is_empty(),
        "{state:?}"
    );
    bench.hub.accept();
    bench.advance(30 * MINUTE);
    bench
}

#[tokio::test]
async fn it_goes_out_whole() {
    let bench = left().await;
    let (calls, before) = (bench.source.calls(), bench.state().await);
    let round = bench.finish().await;
    assert_eq!(round.reports[0].outcome, Outcome::Delivered, "{round:?}");
    let after = bench.state().await;
    assert!(after.pending.is_empty() && after.unshipped.is_empty() && after.lease.is_none());
    assert_eq!((bench.hub.stamps().len(), bench.source.calls()), (calls, calls));
    // For whoever defines it again, it stands where it stood.
    assert_eq!(
        (after.plan, after.shard, after.birth),
        (before.plan, before.shard, before.birth)
    );
    assert_eq!((after.mark, after.asking), (before.mark, before.asking));
    assert!(bench.finish().await.reports.is_empty(), "nothing is left");
}

/// While the hub is down it waits as a source that is defined does.
#[tokio::test]
async fn it_waits_for_the_hub() {
    let bench = left().await;
    bench.hub.refuse(1, down);
    assert_eq!(bench.finish().await.reports[0].outcome, Outcome::Stored);
    let held = bench.state().await;
    assert!(held.next_due > bench.now() && held.lease.is_none(), "{held:?}");
    bench.advance(20 * MINUTE);
    assert_eq!(bench.finish().await.reports[0].outcome, Outcome::Delivered);
    bench.hub.assert_one_body_per_id();
}

#[tokio::test]
async fn a_kill_at_every_operation_loses_and_doubles_nothing() {
    let mut kills = 0;
    loop {
        let bench = left().await;
        let bench = bench.restarted();
        bench.kill_at(kills);
        let killed = bench.finish_until_killed().await;
        let later = bench.restarted();
        for _ in 0..3 {
            later.advance(15 * MINUTE);
            later.finish().await;
        }
        let stamps: BTreeSet<i64> = later.hub.stamps().into_iter().collect();
        assert_eq!(stamps.len(), later.source.calls(), "killed at operation {kills}");
        later.hub.assert_one_body_per_id();
        assert_eq!(
            later.hub.doubled_under_other_ids(),
            0,
            "killed at operation {kills}"
        );
        let state = later.state().await;
        assert!(
            state.pending.is_empty() && state.unshipped.is_empty(),
            "killed at operation {kills}"
        );
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 10, "only {kills} operations");
}

/// Two processes look at it in one instant, and a definition comes back in the next: one of them sends.
#[tokio::test]
async fn two_processes_send_it_once() {
    let bench = left().await;
    let other = bench.restarted();
    tokio::join!(bench.finish(), other.finish());
    let ids = bench.hub.ids();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    bench.advance(MINUTE);
    bench.tick().await;
    bench.hub.assert_one_body_per_id();
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    assert_eq!(
        bench.hub.stamps().len(),
        bench.source.calls() - bench.state().await.unshipped.len()
    );
}
