//! A backfill besides the live polls: what was before is taken once, the marks stay, and any later turn or tick goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "tick/scripted.rs"]
mod scripted;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use meterbridge::clock::Millis;
use meterbridge::config::Schedule;
use meterbridge::forward::Error;
use meterbridge::poll::Outcome;
use meterbridge::poll::backfill::{Order, Stands};
use meterbridge::poll::past::Wish;
use meterbridge::store::documents::Backfill;
use scripted::{Bench, MINUTE, START};

static GO: AtomicBool = AtomicBool::new(false);

/// A source with a row a minute, polled first at minute 60.
async fn hour() -> Bench {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..=60 {
        bench.source.push(minute, &minute.to_string());
    }
    bench.config.slice = Duration::from_secs(15 * 60);
    bench.config.schedule = Schedule::Every(Duration::from_secs(3600));
    bench.advance(59 * MINUTE);
    bench
}

fn wish(from: i64, until: i64, again: bool) -> Wish {
    Wish {
        from: START + from * MINUTE,
        until: START + until * MINUTE,
        again,
    }
}

/// One turn; where it came to.
async fn turn(bench: &Bench, wish: &Wish) -> Backfill {
    match bench.backfill(Order::Open(wish, &GO), 50_000).await.stands {
        Stands::Open(stands) | Stands::Closed(stands) => stands,
        other => panic!("{other:?}"),
    }
}

fn down() -> Error {
    Error::Unavailable {
        hub: "hub".into(),
        status: 503,
        detail: "down".into(),
        after: Some(Duration::from_secs(100)),
    }
}

#[tokio::test]
async fn what_was_before_is_taken_once_and_the_marks_stay() {
    let bench = hour().await;
    bench.tick().await;
    let before = bench.state().await;
    let done = turn(&bench, &wish(0, 90, false)).await;
    assert_eq!((done.rows, done.left_out), (60, 1));
    assert_eq!(
        done.until,
        START + 60 * MINUTE,
        "what is newer is the live polls'"
    );
    let after = bench.state().await;
    assert_eq!((after.mark, after.checkpoint), (before.mark, before.checkpoint));
    assert_eq!(after.past.backfill, None);
    assert_eq!(bench.hub.stamps().len(), 61);
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    // The same again finds that all of it was recorded.
    let done = turn(&bench, &wish(0, 90, false)).await;
    assert_eq!((done.rows, done.left_out), (0, 61));
    assert_eq!(bench.hub.stamps().len(), 61);
    // Asked for again on purpose, rows go out as revisions.
    let done = turn(&bench, &wish(10, 19, true)).await;
    assert_eq!((done.rows, done.left_out), (10, 0));
    assert_eq!(bench.hub.stamps().len(), 71);
    let revised = bench.hub.properties("revision").iter().flatten().count();
    assert_eq!(revised, 1, "one message");
    // And the live polls go on as if nothing had been.
    bench.source.push(61, "61");
    bench.advance(MINUTE);
    assert_eq!(bench.tick().await.rows, 1);
}

/// A first row that is ahead of our clock: live polls read what comes between, and no backfill takes it once more.
#[tokio::test]
async fn what_live_polls_read_before_a_first_row_of_the_future_is_taken_once() {
    let mut bench = Bench::history(&[]).await;
    bench.config.slice = Duration::from_secs(15 * 60);
    bench.source.push_ahead(90, "90");
    let first = bench.now();
    assert_eq!(bench.tick().await.rows, 1);
    for minute in 0..=60 {
        bench.source.push(minute, &minute.to_string());
    }
    bench.advance(80 * MINUTE);
    let live = bench.tick().await.rows;
    let before = (0..=60).filter(|minute| START + minute * MINUTE <= first).count();
    assert_eq!(live, 61 - before);
    let done = turn(&bench, &wish(0, 70, false)).await;
    assert_eq!((done.rows, done.left_out), (before as u64, live as u64));
    assert_eq!(bench.hub.stamps().len(), 62);
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
}

/// What is new comes first: while it cannot be read, no tick is due for the backfill behind it.
#[tokio::test]
async fn a_live_poll_that_failed_is_not_due_at_once_for_a_backfill() {
    let bench = hour().await;
    bench.tick().await;
    let stopped = AtomicBool::new(true);
    bench
        .backfill(Order::Open(&wish(0, 50, false), &stopped), 50_000)
        .await;
    assert!(bench.state().await.past.backfill.is_some());
    bench.source.fail_with(1, || meterbridge::source::Error::Unknown {
        what: "backend".into(),
        detail: "the site".into(),
    });
    assert_eq!(bench.tick().await.outcome, Outcome::Failed);
    bench.advance(1_000);
    assert_eq!(bench.tick_when_due().await.outcome, Outcome::NotDue);
    bench.advance(60 * MINUTE);
    bench.tick_when_due().await;
    assert_eq!(bench.state().await.past.backfill, None, "both are done");
}

/// Known, late and corrected rows inside the overlap are told apart by the digest, whoever asks.
#[tokio::test]
async fn inside_the_overlap_the_digest_knows() {
    let mut bench = hour().await;
    bench.config.overlap = Duration::from_secs(30 * 60);
    bench.config.start = Some(START + 40 * MINUTE);
    bench.source.hide(50);
    bench.tick().await;
    bench.source.push(50, "501");
    bench.source.push(55, "551");
    let done = turn(&bench, &wish(30, 60, false)).await;
    assert_eq!((done.rows, done.left_out), (12, 19));
    bench.advance(MINUTE);
    assert_eq!(bench.tick().await.outcome, Outcome::Empty);
    assert_eq!(bench.hub.doubled_under_other_ids(), 1);
    assert_eq!(bench.hub.properties("revision").iter().flatten().count(), 1);
}

/// A backfill that nobody waits for goes on in the ticks, a share in each, and what is new keeps its own schedule.
#[tokio::test]
async fn ticks_go_on_with_a_backfill_and_poll_no_more_often_for_it() {
    let mut bench = hour().await;
    bench.config.slice = Duration::from_secs(60);
    bench.tick_when_due().await;
    let due = bench.state().await.next_due;
    let wished = wish(0, 60, false);
    let opened = bench.backfill(Order::Open(&wished, &GO), 0).await;
    assert!(matches!(opened.stands, Stands::Open(open) if open.at == wished.from));
    // Every request to the hub takes a second, so a share is five slices.
    bench.hub.takes(1_000);
    let mut ticks = 0;
    while bench.state().await.past.backfill.is_some() {
        let live_before = bench.live_attempts().await;
        bench.advance(MINUTE);
        bench.source.push((bench.now() - START) / MINUTE, "1");
        let is_due = bench.now() >= due;
        let report = bench.tick_when_due().await;
        assert!(report.is_good(), "{report:?}");
        let polled = bench.live_attempts().await > live_before;
        assert!(is_due || !polled, "polled before it was due");
        ticks += 1;
        assert!(ticks < 100);
    }
    assert!(ticks >= 10, "{ticks}");
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    assert!(bench.state().await.next_due >= due, "back to the schedule");
    bench.advance(2 * 60 * MINUTE);
    bench.tick_when_due().await;
    let stamps: BTreeSet<Millis> = bench.hub.stamps().into_iter().collect();
    assert_eq!(stamps.len(), 61 + ticks);
}

#[tokio::test]
async fn a_backfill_waits_for_the_hub_and_for_the_backend() {
    let bench = hour().await;
    bench.tick().await;
    bench.hub.refuse(1_000, down);
    let wished = wish(0, 60, false);
    let stands = turn(&bench, &wished).await;
    // One slice is stored, and waits; the next is not asked for.
    assert_eq!(stands.at, START + 15 * MINUTE);
    bench.advance(MINUTE);
    assert_eq!(turn(&bench, &wished).await.at, stands.at);
    bench.hub.accept();
    bench.source.fail(1);
    bench.advance(MINUTE);
    let stands = turn(&bench, &wished).await;
    assert_eq!((stands.at, stands.failures), (START + 15 * MINUTE, 1));
    // A tick leaves it alone for a while; a person does not.
    bench.tick().await;
    assert_eq!(bench.state().await.past.backfill.unwrap().at, stands.at);
    assert_eq!(turn(&bench, &wished).await.rows, 60);
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    assert_eq!(bench.hub.stamps().len(), 61);
}

#[tokio::test]
async fn a_backfill_is_stopped_cancelled_and_refused() {
    let bench = hour().await;
    let wished = wish(0, 60, false);
    let stop = AtomicBool::new(true);
    // The first row is read before anything else.
    let stopped = bench.backfill(Order::Open(&wished, &stop), 50_000).await;
    assert!(matches!(stopped.stands, Stands::Open(open) if open.at == wished.from));
    assert_eq!(bench.hub.stamps().len(), 1);
    let other = bench
        .backfill(Order::Open(&wish(0, 30, false), &GO), 50_000)
        .await;
    assert!(matches!(other.stands, Stands::Refused(why) if why.contains("another backfill is under way")));
    bench.hub.refuse(1_000, down);
    turn(&bench, &wished).await;
    let ended = bench.backfill(Order::Cancel, 50_000).await;
    assert!(
        matches!(ended.stands, Stands::Closed(open) if open.rows == 15),
        "{ended:?}"
    );
    bench.hub.accept();
    // As long as the hub had asked for.
    bench.advance(2 * MINUTE);
    let none = bench.backfill(Order::GoOn(&stop), 50_000).await;
    assert_eq!(none.stands, Stands::None);
    // What was taken before it was ended is not taken again.
    stop.store(false, Ordering::Relaxed);
    let done = turn(&bench, &wished).await;
    assert_eq!((done.rows, done.left_out), (45, 16));
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    assert_eq!(bench.hub.stamps().len(), 61);
}

/// Two at once: one is turned away, and goes on where the other stopped.
#[tokio::test]
async fn one_works_at_a_time() {
    let bench = hour().await;
    bench.tick().await;
    let bench = bench.restarted();
    bench.kill_at(4);
    let wished = wish(0, 60, false);
    assert!(bench.backfill_until_killed(Order::Open(&wished, &GO)).await);
    let second = bench.restarted();
    let turned = second.backfill(Order::GoOn(&GO), 50_000).await;
    assert_eq!(
        (turned.report.outcome, turned.stands),
        (Outcome::Busy, Stands::Unknown)
    );
    second.advance(10 * MINUTE);
    turn(&second, &wished).await;
    assert_eq!(second.hub.stamps().iter().collect::<BTreeSet<_>>().len(), 61);
    assert_eq!(second.hub.doubled_under_other_ids(), 0);
}

/// Killed before and after every operation, and then gone on with, half by the same wish and half by ticks.
#[tokio::test]
async fn a_kill_at_every_operation_of_a_backfill_loses_and_doubles_nothing() {
    let mut kills = 0;
    loop {
        let mut bench = hour().await;
        bench.config.overlap = Duration::from_secs(600);
        bench.config.start = Some(START + 45 * MINUTE);
        bench.poller.pack.units = 1;
        let wished = wish(0, 60, false);
        bench.kill_at(kills);
        let mut killed = bench.backfill_until_killed(Order::Open(&wished, &GO)).await;
        if !killed {
            // An end that was reached, and the live poll after it.
            bench.source.push(61, "61");
            bench.advance(MINUTE);
            killed = bench.tick_until_killed().await;
        }
        let later = bench.restarted();
        later.source.push(61, "61");
        for turn in 0..8 {
            later.advance(10 * MINUTE);
            if turn % 2 == 0 {
                later.tick().await;
            } else {
                later.backfill(Order::Open(&wished, &GO), 50_000).await;
            }
        }
        // A question that was open when the process was killed ends where it did; one more row moves the mark past all others.
        later.source.push(62, "62");
        later.tick().await;
        let stamps: BTreeSet<Millis> = later.hub.stamps().into_iter().collect();
        assert_eq!(stamps.len(), 63, "killed at operation {kills}");
        later.hub.assert_one_body_per_id();
        assert_eq!(
            later.hub.doubled_under_other_ids(),
            0,
            "killed at operation {kills}"
        );
        let state = later.state().await;
        assert_eq!(
            state.mark,
            Some(START + 62 * MINUTE),
            "killed at operation {kills}"
        );
        assert_eq!(state.checkpoint, state.mark);
        assert!(state.pending.is_empty() && state.past.backfill.is_none());
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 20, "only {kills} operations");
}

/// A backfill beside a ledger of gaps: rows of recorded time come through it alone, and each once.
#[tokio::test]
async fn a_backfill_over_open_gaps_fills_them() {
    let mut bench = hour().await;
    bench.config.expected = Some(Duration::from_secs(60));
    bench.config.start = Some(START + 30 * MINUTE);
    for minute in [40, 41, 50] {
        bench.source.hide(minute);
    }
    bench.tick().await;
    assert_eq!(bench.state().await.gaps.unwrap().open.len(), 2);
    for minute in [40, 50] {
        bench.source.push(minute, "1");
    }
    let done = turn(&bench, &wish(20, 60, false)).await;
    assert_eq!((done.rows, done.left_out), (12, 28));
    let open = bench.state().await.gaps.unwrap().open.clone();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].from, open[0].until),
        (START + 40 * MINUTE, START + 42 * MINUTE)
    );
    bench.advance(24 * 60 * MINUTE);
    bench.tick().await;
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
}
