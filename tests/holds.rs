//! Waits that outlast a tick: what a backend or the hub asked for, the breaker, parked sources and their probes, registrations.
#![allow(clippy::unwrap_used, missing_docs, dead_code, unreachable_pub)]

#[path = "tick/scripted.rs"]
mod scripted;

use std::collections::BTreeSet;
use std::time::Duration;

use meterbridge::config::Schedule;
use meterbridge::forward::Error;
use meterbridge::poll::Outcome;
use meterbridge::source::Error as SourceError;
use scripted::{Bench, MINUTE, START};

const HOUR: i64 = 60 * MINUTE;

fn overloaded() -> SourceError {
    SourceError::Unavailable {
        what: "backend".into(),
        status: 503,
        detail: "busy".into(),
        after: Some(Duration::from_secs(600)),
    }
}

fn unreachable() -> SourceError {
    SourceError::Unreachable {
        what: "backend".into(),
        detail: "refused".into(),
        mend: "look".into(),
    }
}

fn throttled() -> Error {
    Error::Unavailable {
        hub: "hub".into(),
        status: 429,
        detail: "Wait 600 seconds".into(),
        after: Some(Duration::from_secs(600)),
    }
}

fn down() -> Error {
    Error::Unavailable {
        hub: "hub".into(),
        status: 503,
        detail: "down".into(),
        after: None,
    }
}

fn refused() -> Error {
    Error::Refused {
        hub: "hub".into(),
        status: 400,
        detail: "no".into(),
    }
}

fn unknown() -> Error {
    Error::Device {
        hub: "hub".into(),
        device: "device".into(),
        detail: "404001".into(),
    }
}

/// Ticks once a minute, as the timer does.
async fn minutes(bench: &Bench, count: usize) {
    for _ in 0..count {
        bench.tick_when_due().await;
        bench.advance(MINUTE);
    }
}

/// What a backend asked for beyond the tick is remembered: neither the next ticks nor a person's wish ask earlier, nor another process.
#[tokio::test]
async fn a_backend_that_asks_to_wait_is_left_alone() {
    let bench = Bench::history(&[(0, "1")]).await;
    bench.source.fail_with(1, overloaded);
    let first = bench.tick_when_due().await;
    assert_eq!(first.outcome, Outcome::Failed);
    assert_eq!(bench.source.calls(), 1, "ten minutes are no wait within a tick");
    let later = bench.restarted();
    later.advance(MINUTE);
    minutes(&later, 8).await;
    let forced = later.tick().await;
    assert_eq!(later.source.calls(), 1);
    assert!(
        forced.line().contains("asked to be left alone until"),
        "{forced:?}"
    );
    later.advance(2 * MINUTE);
    let report = later.tick_when_due().await;
    assert_eq!((report.outcome, later.source.calls()), (Outcome::Delivered, 2));
    assert!(
        report.line().contains("answers again after 1 failed polls"),
        "{}",
        report.line()
    );
}

/// A garbage wish for years is believed for a day.
#[tokio::test]
async fn a_wait_of_years_ends_after_a_day() {
    let bench = Bench::reader().await;
    bench.source.fail_with(1, || SourceError::Unavailable {
        what: "backend".into(),
        status: 503,
        detail: String::new(),
        after: Some(Duration::from_secs(u64::MAX)),
    });
    bench.tick_when_due().await;
    bench.advance(25 * HOUR);
    assert_eq!(bench.tick_when_due().await.outcome, Outcome::Delivered);
}

/// While the hub asks to wait, nothing is sent, by nobody; a reader is read on. Then all of it goes out, oldest first.
#[tokio::test]
async fn a_hub_that_asks_to_wait_is_left_alone_and_the_reader_read_on() {
    let bench = Bench::reader().await;
    bench.hub.refuse(1, throttled);
    minutes(&bench, 5).await;
    assert_eq!((bench.source.calls(), bench.hub.calls()), (5, 1));
    let later = bench.restarted();
    later.tick().await;
    assert_eq!(later.hub.calls(), 1, "a person's wish sends nothing either");
    later.advance(MINUTE);
    assert!(later.state().await.trouble.unwrap().contains("Wait 600 seconds"));
    minutes(&later, 6).await;
    let stamps = later.hub.stamps();
    assert!(stamps.len() >= 10 && stamps.is_sorted(), "{stamps:?}");
    assert_eq!(later.state().await.trouble, None);
    assert_eq!(later.state().await.sending.held, None);
}

/// After an outage what is pending goes out within minutes, not at the source's next schedule a day later; and the backend is not
/// asked more often for it.
#[tokio::test]
async fn pending_work_is_due_again_soon() {
    let mut bench = Bench::history(&[(0, "1")]).await;
    bench.config.schedule = Schedule::Every(Duration::from_secs(86_400));
    bench.hub.refuse(1_000, down);
    minutes(&bench, 30).await;
    assert_eq!(bench.source.calls(), 1);
    let tries = bench.hub.calls();
    assert!((5..40).contains(&tries), "{tries} tries in half an hour");
    bench.hub.accept();
    minutes(&bench, 6).await;
    assert_eq!(bench.hub.stamps(), [START]);
    assert_eq!(bench.source.calls(), 1);
    let state = bench.state().await;
    assert_eq!(state.next_due, state.asking.due);
    assert!(state.next_due > bench.now() + HOUR);
}

/// A backlog that takes several ticks to send is sent tick by tick; the source, whose window is done, is not asked again for it.
#[tokio::test]
async fn a_tick_that_only_sends_asks_nothing() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..2_000 {
        bench.source.push(minute, &"1".repeat(300));
    }
    bench.config.start = Some(START);
    bench.config.slice = Duration::from_secs(366 * 86_400);
    bench.config.schedule = Schedule::Every(Duration::from_secs(86_400));
    bench.advance(2_001 * MINUTE);
    bench.hub.refuse(1, throttled);
    bench.tick_when_due().await;
    assert_eq!(bench.state().await.pass, None);
    bench.hub.takes(MINUTE);
    bench.advance(15 * MINUTE);
    let report = bench.tick_when_due().await;
    assert!(report.unfinished && report.pending > 0, "{report:?}");
    minutes(&bench, 10).await;
    assert_eq!((bench.hub.stamps().len(), bench.source.calls()), (2_000, 1));
}

/// Rows that wait for `send_every` go out when it is over, though the source itself is asked much later.
#[tokio::test]
async fn collected_rows_go_out_between_two_polls() {
    let mut bench = Bench::history(&[(0, "1")]).await;
    bench.config.schedule = Schedule::Every(Duration::from_secs(86_400));
    bench.config.send_every = Duration::from_secs(900);
    minutes(&bench, 15).await;
    assert!(bench.hub.ids().is_empty());
    minutes(&bench, 2).await;
    assert_eq!((bench.hub.ids().len(), bench.source.calls()), (1, 1));
}

/// Five failures open the breaker: one question a cool-down, none of them repeated, the log ever quieter; a success closes it and
/// says how long it was.
#[tokio::test]
async fn the_breaker_probes_once_a_cool_down() {
    let bench = Bench::history(&[(0, "1")]).await;
    bench.source.fail_with(usize::MAX / 2, unreachable);
    let (mut told, mut probes) = (Vec::new(), Vec::new());
    for minute in 0..24 * 60 {
        let before = bench.source.calls();
        let report = bench.tick_when_due().await;
        let asked = bench.source.calls() - before;
        if report.worked() {
            if report.failures > 5 {
                probes.push(minute);
                assert_eq!(asked, 1, "a probe is not repeated");
            }
            if !report.quiet {
                told.push(report.failures);
            }
        }
        bench.advance(MINUTE);
    }
    assert_eq!(told, [1, 2, 3, 4, 5, 8, 16, 32]);
    assert!((20..36).contains(&probes.len()), "{probes:?}");
    let state = bench.restarted().state().await;
    assert!(state.failures > 20 && state.trouble.is_some());
    bench.source.fail(0);
    bench.advance(HOUR);
    let report = bench.tick_when_due().await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert!(report.line().contains("failed polls in 1 d"), "{}", report.line());
    let state = bench.state().await;
    assert_eq!(
        (state.failures, state.trouble, state.asking.failing_since),
        (0, None, None)
    );
    assert!(state.next_due <= bench.now() + MINUTE);
}

/// A reader that is down is asked at least every five minutes: what it measures meanwhile is lost for good.
#[tokio::test]
async fn a_reader_is_probed_more_often() {
    let bench = Bench::reader().await;
    bench.source.fail_with(usize::MAX / 2, unreachable);
    minutes(&bench, 60).await;
    let before = bench.source.calls();
    minutes(&bench, 60).await;
    let probes = bench.source.calls() - before;
    assert!((12..=20).contains(&probes), "{probes}");
}

/// The repeats of one tick are counted over all its questions and sends.
#[tokio::test]
async fn the_repeats_of_a_tick_are_bounded() {
    let mut bench = Bench::history(&[(0, "1"), (1, "2")]).await;
    bench.config.start = Some(START);
    bench.config.slice = Duration::from_secs(1);
    bench.source.fail_with(usize::MAX / 2, unreachable);
    bench.tick().await;
    assert_eq!(bench.source.calls(), 3);
    bench.source.fail(0);
    bench.hub.refuse(usize::MAX / 2, down);
    bench.advance(10 * MINUTE);
    bench.tick().await;
    assert!(bench.hub.calls() <= 3, "{}", bench.hub.calls());
}

/// A parked source is probed with one message at a time; one that is refused by two probes is a dead letter, so that a hub that
/// refuses everything costs a letter a probe at most. The first message that is taken ends it.
#[tokio::test]
async fn probes_of_a_parked_source_cost_few_messages() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..400 {
        bench.source.push(minute, &minute.to_string());
    }
    bench.config.start = Some(START);
    bench.poller.pack.units = 1;
    bench.poller.pack.unit = 512;
    bench.advance(500 * MINUTE);
    bench.hub.refuse(usize::MAX / 2, refused);
    bench.tick_when_due().await;
    assert_eq!(bench.letters().await.len(), 2);
    let before = bench.hub.calls();
    // The first probe alone is no further letter.
    minutes(&bench, 7).await;
    assert_eq!((bench.letters().await.len(), bench.hub.calls() - before), (2, 1));
    minutes(&bench, 24 * 60).await;
    let parked = bench.state().await.parked.unwrap();
    assert!(parked.probes > 20 && bench.state().await.trouble.unwrap().starts_with("parked until"));
    let letters = bench.letters().await.len();
    assert!((20..40).contains(&letters), "{letters} letters in a day");
    let calls = bench.hub.calls() - before;
    assert!(calls < 80, "{calls} calls in a day");
    let dead: BTreeSet<i64> = bench.letters().await.into_values().flatten().collect();
    bench.hub.accept();
    minutes(&bench, 62).await;
    let state = bench.state().await;
    assert_eq!(
        (state.parked, state.trouble, state.pending.len()),
        (None, None, 0)
    );
    let sent: BTreeSet<i64> = bench.hub.stamps().into_iter().collect();
    assert!(sent.is_disjoint(&dead) && sent.len() + dead.len() == 400);
}

/// Messages that the hub refuses each by itself become dead letters, one or several in a row, in an envelope or the next thing
/// after an outage, and all the others arrive: at once around a lone one, within a few probes behind three.
#[tokio::test]
async fn what_is_bad_by_itself_holds_up_the_rest_for_a_few_probes_at_most() {
    for (cursed, waits) in [
        (vec![0], 0),
        (vec![7], 0),
        (vec![39], 0),
        (vec![3, 5, 9, 20], 0),
        (vec![3, 4], 7),
        (vec![3, 4, 5], 25),
        (vec![30, 31, 32, 33], 45),
    ] {
        let mut bench = Bench::history(&[]).await;
        for minute in 0..40 {
            // So long that each message has one row.
            bench
                .source
                .push(minute, &format!("{minute}.{}1", "0".repeat(200)));
        }
        for &minute in &cursed {
            bench.hub.curse(minute);
        }
        bench.config.start = Some(START);
        bench.poller.pack.units = 1;
        bench.poller.pack.unit = 256;
        bench.advance(60 * MINUTE);
        bench.tick_when_due().await;
        minutes(&bench, waits).await;
        let state = bench.state().await;
        assert_eq!((state.parked, state.pending), (None, vec![]), "{cursed:?}");
        let dead: Vec<i64> = bench.letters().await.into_values().flatten().collect();
        let dead: BTreeSet<i64> = dead.into_iter().map(|stamp| (stamp - START) / MINUTE).collect();
        assert_eq!(dead, cursed.iter().copied().collect(), "{cursed:?}");
        let sent: BTreeSet<i64> = bench.hub.stamps().into_iter().collect();
        assert_eq!(sent.len(), 40 - cursed.len(), "{cursed:?}");
    }
}

/// A parked reader is read on, and its trouble stays told.
#[tokio::test]
async fn a_parked_reader_is_read_on_and_stays_in_trouble() {
    let bench = Bench::reader().await;
    bench
        .hub
        .refuse(usize::MAX / 2, || Error::Quota { hub: "hub".into() });
    minutes(&bench, 30).await;
    assert_eq!((bench.source.calls(), bench.hub.calls()), (30, 1));
    let state = bench.state().await;
    assert!(state.trouble.unwrap().contains("daily message quota"), "parked");
    // Midnight, and its minute of spread.
    let midnight = state.parked.unwrap().until.unwrap();
    assert_eq!(midnight % 86_400_000, 0);
    bench.hub.accept();
    bench.advance(midnight - bench.now() - 2 * MINUTE);
    bench.tick_when_due().await;
    assert_eq!(bench.hub.calls(), 1);
    bench.advance(4 * MINUTE);
    bench.tick_when_due().await;
    assert_eq!(bench.state().await.pending.len(), 0);
    assert_eq!(bench.state().await.trouble, None);
}

/// DPS is asked again when the hub refuses the device for good, not at the first refusal; and what it names is kept.
#[tokio::test]
async fn a_lasting_refusal_of_the_device_registers_it_anew() {
    let bench = Bench::reader().await;
    bench.hub.assigns(vec![Ok("old"), Ok("new")]);
    bench.tick_when_due().await;
    assert_eq!(bench.state().await.assignment.unwrap().hub, "old");
    // One refusal in passing: no new question.
    bench.hub.refuse(1, unknown);
    bench.advance(MINUTE);
    bench.tick_when_due().await;
    bench.advance(10 * MINUTE);
    bench.tick_when_due().await;
    assert_eq!(bench.hub.registrations.lock().unwrap().len(), 1);
    assert_eq!(bench.state().await.parked, None);
    // Moved for good.
    bench.hub.lives_at("new");
    bench.advance(MINUTE);
    bench.tick_when_due().await;
    assert!(bench.state().await.parked.unwrap().device);
    bench.advance(10 * MINUTE);
    let report = bench.tick_when_due().await;
    assert_eq!(report.outcome, Outcome::Delivered, "{report:?}");
    assert_eq!(bench.state().await.assignment.unwrap().hub, "new");
    assert_eq!(bench.hub.registrations.lock().unwrap().len(), 2);
    bench.advance(MINUTE);
    bench.tick_when_due().await;
    assert_eq!(bench.hub.registrations.lock().unwrap().len(), 2);
}

/// DPS is asked at most once a minute for a source, over restarts and kills; what it asks for is obeyed.
#[tokio::test]
async fn dps_is_asked_at_most_once_a_minute() {
    for kill in 0..20 {
        let bench = Bench::reader().await;
        bench.hub.assigns(vec![Err(Error::Unavailable {
            hub: "DPS".into(),
            status: 429,
            detail: "too many".into(),
            after: Some(Duration::from_secs(150)),
        })]);
        bench.kill_at(kill);
        bench.tick_until_killed().await;
        for _ in 0..60 {
            let next = bench.restarted();
            next.advance(10_000);
            next.tick().await;
        }
        let asked = bench.hub.registrations.lock().unwrap().clone();
        assert!(asked.len() >= 2, "killed at {kill}: {asked:?}");
        let gaps: Vec<i64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Killed with the answer in hand, its wish is not known; the minute is.
        assert!(
            gaps.iter().all(|gap| *gap >= 60_000),
            "killed at {kill}: {gaps:?}"
        );
        assert!(
            gaps.iter().skip(1).all(|gap| *gap >= 150_000),
            "killed at {kill}: {gaps:?}"
        );
    }
}

/// A tick renews its lease before a call that would outlast it; one that cannot sends nothing more.
#[tokio::test]
async fn a_tick_that_cannot_renew_its_lease_sends_nothing_more() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..2_000 {
        bench.source.push(minute, &"1".repeat(300));
    }
    bench.config.start = Some(START);
    bench.poller.pack.units = 46;
    bench.advance(2_001 * MINUTE);
    // Each request takes so long that the lease runs out between two of them; the tick has an hour.
    bench.hub.takes(2 * MINUTE);
    let source = bench.reaped();
    let turn = |now| meterbridge::poll::Turn {
        config: &bench.config,
        source: source.as_ref(),
        due: now,
        deadline: now + HOUR,
        force: false,
        seat: None,
    };
    let now = bench.now();
    bench.pause_at(7);
    let second = bench.restarted();
    let first = bench.poller.tick(turn(now));
    tokio::pin!(first);
    tokio::select! {
        biased;
        () = bench.paused() => {}
        report = &mut first => panic!("{report:?}"),
    }
    // Somebody else takes over while it stands still, and stops soon.
    second.advance(10 * MINUTE);
    second.tick_when_due().await;
    let calls = bench.hub.calls();
    bench.resume();
    let report = first.await;
    assert_eq!(report.outcome, Outcome::Lost);
    assert!(bench.hub.calls() <= calls, "{} {calls}", bench.hub.calls());
}

/// A tick that is not finished says what is left.
#[tokio::test]
async fn an_unfinished_tick_says_what_is_left() {
    let mut bench = Bench::history(&[]).await;
    for minute in 0..600 {
        bench.source.push(minute, "1");
    }
    bench.config.start = Some(START);
    bench.config.slice = Duration::from_secs(3_600);
    bench.config.schedule = Schedule::Every(Duration::from_secs(86_400));
    bench.advance(600 * MINUTE);
    bench.source.takes(20_000);
    let report = bench.tick_when_due().await;
    // Two questions of 20 s fit into 50 s; a third would end after the deadline.
    assert_eq!(bench.source.calls(), 2);
    assert!(report.ended <= report.began + 50_000);
    let left = report.left.clone().unwrap();
    assert!(left.contains("8 h 1 min"), "{left}");
    assert!(
        report.line().contains("goes on at the next tick with the window"),
        "{}",
        report.line()
    );
    for _ in 0..6 {
        bench.advance(MINUTE);
        bench.tick_when_due().await;
    }
    assert_eq!(bench.hub.stamps().len(), 600);
}

/// What `check` says of a source that is down, and of one that is parked.
#[tokio::test]
async fn what_is_waited_for_is_told() {
    let check = async |bench: &Bench, good: bool, expected: &str| {
        minutes(bench, 7).await;
        let findings = meterbridge::poll::standing::standing(&bench.state().await, bench.now());
        let found = findings.iter().find(|finding| finding.text.contains(expected));
        assert_eq!(
            found.map(|finding| finding.good),
            Some(good),
            "{expected}: {findings:?}"
        );
    };
    let bench = Bench::history(&[(0, "1")]).await;
    minutes(&bench, 1).await;
    let fine = meterbridge::poll::standing::standing(&bench.state().await, bench.now());
    assert!(fine.is_empty(), "{fine:?}");
    bench.source.fail_with(usize::MAX / 2, unreachable);
    check(&bench, false, "polls failed in ").await;
    let bench = Bench::reader().await;
    bench.hub.refuse(usize::MAX / 2, unknown);
    check(&bench, false, "register or enable the device; for ").await;
    let bench = Bench::reader().await;
    bench.hub.refuse(usize::MAX / 2, throttled);
    check(&bench, true, "the hub takes nothing since").await;
    let bench = Bench::history(&[(0, "1")]).await;
    bench.source.fail_with(1, overloaded);
    check(&bench, true, "left alone until").await;
}
