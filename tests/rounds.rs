//! Rounds: a slow source holds up nobody, and the end of the process is a clean one.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "rounds/crowd.rs"]
mod crowd;
#[path = "host_contract/handler.rs"]
mod handler;
#[path = "bad_input/rig.rs"]
mod rig;
#[path = "rounds/slow.rs"]
mod slow;

use std::process::Stdio;

use handler::{Lines, PATIENCE};
use meterbridge::store::documents::State;
use rig::Rig;
use slow::Slow;
use tokio::time::timeout;

const HOUR: i64 = 3_600_000;

/// The reader that is due every ten seconds is polled while a backend beside it hangs, and the hanging one is asked once.
#[tokio::test]
async fn a_hanging_backend_does_not_hold_up_a_ten_second_reader() {
    let slow = Slow::start().await;
    let url = slow.url.clone();
    let rig = Rig::new(|_| {
        format!(
            "[[source]]\nid = \"slow\"\nkind = \"tasmota\"\nurl = \"{url}\"\nevery = \"10s\"\ntimeout = \"60s\"\n\n\
             [[source]]\nid = \"quick\"\nkind = \"synthetic\"\nevery = \"10s\"\ninterval = \"1s\"\n"
        )
    })
    .await;
    let rounds = &rig.wired.rounds;
    let polled = |round: &meterbridge::poll::Round| {
        let mut ids: Vec<String> = round.reports.iter().map(|report| report.source.clone()).collect();
        ids.sort();
        ids
    };
    let start = rig.now();
    let first = rounds.run(start, start + HOUR);
    tokio::pin!(first);
    tokio::select! {
        round = &mut first => panic!("the round ended: {round:?}"),
        () = slow.asked(1) => {}
    }
    for _ in 0..3 {
        rig.advance(10_000);
        let now = rig.now();
        let quick = async {
            // Its turn before may still be ending.
            loop {
                let round = rounds.run(now, now + HOUR).await.unwrap();
                if !round.reports.is_empty() {
                    return polled(&round);
                }
                tokio::task::yield_now().await;
            }
        };
        let quick = tokio::select! {
            round = &mut first => panic!("the round ended: {round:?}"),
            quick = timeout(PATIENCE, quick) => quick.unwrap(),
        };
        assert_eq!(quick, ["quick"]);
    }
    assert_eq!(slow.count(), 1);
    slow.answer();
    assert_eq!(polled(&first.await.unwrap()), ["quick", "slow"]);
    assert_eq!(rig.rows("slow").len(), 1, "what it read at last has arrived");
}

/// Nothing is begun any more once the end is asked for; what waits for a place is left.
#[tokio::test]
async fn what_is_not_begun_is_left_at_the_end() {
    let slow = Slow::start().await;
    let url = slow.url.clone();
    let mut rig = Rig::new(|_| {
        let reader = |id: &str| {
            format!("[[source]]\nid = \"{id}\"\nkind = \"tasmota\"\nurl = \"{url}\"\ntimeout = \"60s\"\n\n")
        };
        reader("a") + &reader("b")
    })
    .await;
    rig.set("CONCURRENCY", "1");
    let rounds = &rig.wired.rounds;
    let now = rig.now();
    let round = rounds.run(now, now + HOUR);
    tokio::pin!(round);
    tokio::select! {
        round = &mut round => panic!("the round ended: {round:?}"),
        () = slow.asked(1) => {}
    }
    rounds.stop();
    slow.answer();
    let round = round.await.unwrap();
    assert_eq!((round.reports.len(), round.left), (1, 1));
}

/// Ctrl-C while a reader hangs: its answer is still taken in, then the process ends with 0.
#[tokio::test]
async fn ctrl_c_ends_once_what_is_under_way_is_finished() {
    let slow = Slow::start().await;
    let dir = handler::folder(&format!(
        "[[source]]\nid = \"slow\"\nkind = \"tasmota\"\nurl = \"{}\"\nevery = \"1s\"\ntimeout = \"60s\"\nrunner = \"lan\"\n\n\
         [[source]]\nid = \"quick\"\nkind = \"synthetic\"\nevery = \"1s\"\ninterval = \"1s\"\nrunner = \"lan\"\n",
        slow.url
    ));
    let mut child = handler::command(dir.path(), &[("LOG_FORMAT", "json"), ("LOG_LEVEL", "debug")])
        .args(["run", "--runner", "lan", "--every", "100ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let out = Lines::of(child.stdout.take().unwrap());
    let polled = |id: &str| {
        let source = format!("\"{id}\"");
        let is_tick = move |line: &&String| line.contains("\"took_ms\"") && line.contains(&source);
        out.all().iter().filter(is_tick).count()
    };
    slow.asked(1).await;
    let mut seen = 0;
    while seen < 2 {
        let before = out.all().len();
        out.more(before).await;
        seen = polled("quick");
    }
    assert_eq!((slow.count(), polled("slow")), (1, 0));
    handler::signal(child.id().unwrap(), "INT").await;
    out.wait(|line| line.contains("Ending;")).await;
    slow.answer();
    let ended = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0), "{:?}", out.all());
    out.wait(|line| line.contains("nothing was left half done")).await;
    let store = meterbridge::store::embedded::Embedded::open(
        &dir.path().join("store.db"),
        meterbridge::clock::Clock::system(),
    )
    .unwrap();
    let found = meterbridge::store::Store::read(&store, "slow", State::ID).await;
    let Some(meterbridge::store::Document::State(state)) = found.unwrap().map(|found| found.document) else {
        panic!("no state")
    };
    assert_eq!((state.lease, state.next), (None, 2), "recorded and released");
}
