//! The gap ledger in the tick: holes are found, asked for again and filled; nothing is lost by it and nothing doubled.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "tick/scripted.rs"]
mod scripted;

use std::collections::BTreeSet;
use std::time::Duration;

use meterbridge::clock::Millis;
use meterbridge::poll::{Outcome, Report};
use meterbridge::store::documents::{Gap, State};
use scripted::{Bench, MINUTE, START};

const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// A source that is expected to have a row a minute, with these minutes of the first `of`.
async fn minutes(of: i64, without: &[i64]) -> Bench {
    let mut bench = Bench::history(&[]).await;
    bench.config.expected = Some(Duration::from_secs(60));
    bench.config.start = Some(START);
    for minute in (0..of).filter(|minute| !without.contains(minute)) {
        bench.source.push(minute, &format!("{minute}"));
    }
    bench.advance((of - 2) * MINUTE);
    bench
}

fn open(state: &State) -> Vec<(i64, i64, String)> {
    let minute = |stamp: Millis| (stamp - START) / MINUTE;
    let gaps = state.gaps.as_ref().map_or(&[] as &[Gap], |gaps| &gaps.open);
    gaps.iter()
        .map(|gap| (minute(gap.from), minute(gap.until), gap.channels.join("+")))
        .collect()
}

fn said(report: &Report, what: &str) -> bool {
    report.remarks.iter().any(|remark| remark.contains(what))
}

#[tokio::test]
async fn a_hole_is_found_asked_for_again_and_filled() {
    let bench = minutes(10, &[4, 5]).await;
    let report = bench.tick().await;
    assert!(said(&report, "gap found: 2 rows between"), "{report:?}");
    assert_eq!((report.gaps.opened, report.gaps.open), (1, 1));
    let before = bench.state().await;
    assert_eq!(open(&before), [(3, 6, String::new())]);
    // Not asked for before its time.
    let calls = bench.source.calls();
    bench.advance(MINUTE);
    bench.tick().await;
    assert_eq!(bench.source.calls(), calls + 1);
    // Asked for, and still missing.
    bench.advance(4 * MINUTE);
    bench.tick().await;
    assert_eq!(bench.source.calls(), calls + 3);
    assert_eq!(bench.state().await.gaps.unwrap().open[0].asked, 1);
    // One of two comes, then the other.
    for (minute, left) in [(5, vec![(3, 5, String::new())]), (4, vec![])] {
        bench.source.push(minute, "7");
        bench.advance(HOUR);
        let report = bench.tick().await;
        assert_eq!(
            (report.outcome, report.rows),
            (Outcome::Delivered, 1),
            "{report:?}"
        );
        let state = bench.state().await;
        assert_eq!(open(&state), left);
        assert_eq!((state.mark, state.checkpoint), (before.mark, before.checkpoint));
    }
    let ledger = bench.state().await.gaps.unwrap();
    assert_eq!((ledger.filled, ledger.given_up), (1, 0));
    assert_eq!(ledger.closed[0].how, "filled");
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    assert!(bench.hub.properties("revision").iter().all(Option::is_none));
    let attempts = bench.attempts().await;
    let aims = attempts
        .iter()
        .filter(|attempt| attempt.aim.as_deref() == Some("gap"));
    assert_eq!(aims.count(), 3);
}

/// Below the floor a row inside a gap is taken once: a value that changes there afterwards is not seen, and says so nowhere else.
#[tokio::test]
async fn a_value_that_changes_inside_a_gap_is_sent_once() {
    let bench = minutes(10, &[4, 5]).await;
    bench.tick().await;
    for value in ["1", "2", "1", "2"] {
        bench.source.push(5, value);
        bench.advance(DAY);
        bench.tick().await;
    }
    let values = bench.hub.values();
    assert_eq!(values[&(START + 5 * MINUTE, "ch0".to_owned())], ["1"]);
    assert_eq!(open(&bench.state().await), [(3, 5, String::new())]);
}

/// Inside the overlap the live window finds late rows and revisions; the ledger only notes them.
#[tokio::test]
async fn inside_the_overlap_the_pass_fills_gaps() {
    let mut bench = minutes(10, &[4, 5]).await;
    bench.config.overlap = Duration::from_secs(3600);
    bench.tick().await;
    bench.advance(6 * MINUTE);
    let calls = bench.source.calls();
    for value in ["1", "2", "1", "2"] {
        bench.source.push(5, value);
        bench.advance(MINUTE);
        bench.tick().await;
    }
    assert_eq!(bench.source.calls(), calls + 4, "the pass asks for it anyway");
    assert_eq!(open(&bench.state().await), [(3, 5, String::new())]);
    let values = bench.hub.values();
    assert_eq!(
        values[&(START + 5 * MINUTE, "ch0".to_owned())],
        ["1", "2", "1", "2"]
    );
    let revisions = bench.hub.properties("revision").iter().flatten().count();
    assert_eq!(revisions, 3);
    // Beyond the overlap the ledger asks, and takes what is still missing alone.
    for minute in 10..100 {
        bench.source.push(minute, "1");
    }
    bench.advance(90 * MINUTE);
    bench.tick().await;
    bench.source.push(4, "1");
    bench.source.push(5, "9");
    bench.advance(DAY);
    let report = bench.tick().await;
    assert_eq!(
        (report.outcome, report.rows),
        (Outcome::Delivered, 1),
        "{report:?}"
    );
    assert_eq!(open(&bench.state().await), []);
}

/// An overlap that is made shorter hands its gaps to the ledger at once, and not only with the next row.
#[tokio::test]
async fn a_gap_that_a_shorter_overlap_leaves_out_is_asked_for() {
    let mut bench = minutes(10, &[4, 5]).await;
    bench.config.overlap = Duration::from_secs(3600);
    bench.tick().await;
    bench.config.overlap = Duration::ZERO;
    bench.source.push(5, "7");
    bench.advance(HOUR);
    let report = bench.tick().await;
    assert_eq!(
        (report.outcome, report.rows),
        (Outcome::Delivered, 1),
        "{report:?}"
    );
    assert_eq!(open(&bench.state().await), [(3, 5, String::new())]);
    // What was delivered above the digest's floor is known there.
    bench.advance(HOUR);
    assert_eq!(bench.tick().await.rows, 0);
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
}

/// Rows that lack a channel are a gap of that channel; what was sent of them is not sent again.
#[tokio::test]
async fn a_channel_that_rows_lack_is_asked_for_alone() {
    let bench = minutes(0, &[]).await;
    for minute in 0..12 {
        let lacks = (7..9).contains(&minute);
        bench.source.push(minute, if lacks { "1;" } else { "1;2" });
    }
    bench.advance(14 * MINUTE);
    let report = bench.tick().await;
    assert!(said(&report, "2 rows of ch1 between"), "{report:?}");
    assert_eq!(open(&bench.state().await), [(6, 9, "ch1".to_owned())]);
    bench.source.push(7, "1;2");
    bench.source.push(8, "5;6");
    bench.advance(DAY);
    bench.tick().await;
    bench.advance(DAY);
    bench.tick().await;
    assert_eq!(open(&bench.state().await), []);
    let values = bench.hub.values();
    assert_eq!(values.len(), 24);
    assert!(values.values().all(|values| values.len() == 1), "{values:?}");
    assert_eq!(values[&(START + 8 * MINUTE, "ch1".to_owned())], ["6"]);
}

#[tokio::test]
async fn a_gap_is_given_up_at_an_age() {
    let bench = minutes(10, &[4, 5]).await;
    bench.tick().await;
    let mut gone = None;
    for day in 0..16 {
        let report = bench.tick().await;
        if said(&report, "gap given up after") {
            gone = Some(day);
        }
        bench.advance(DAY);
    }
    assert_eq!(gone, Some(14));
    let ledger = bench.state().await.gaps.unwrap();
    assert_eq!((ledger.open.len(), ledger.given_up), (0, 1));
    // What comes later still is not taken: nobody knows any more whether it was.
    bench.source.push(4, "1");
    assert_eq!(bench.tick().await.outcome, Outcome::Empty);
}

/// What is not there yet at the newest end is overdue after a grace, and no gap.
#[tokio::test]
async fn rows_that_are_not_there_yet_are_overdue_and_no_gap() {
    let bench = minutes(10, &[]).await;
    for _ in 0..3 {
        let report = bench.tick().await;
        assert!(!said(&report, "overdue"), "{report:?}");
        bench.advance(2 * MINUTE);
    }
    bench.advance(1);
    assert!(said(&bench.tick().await, "overdue: no row since"));
    assert!(!said(&bench.tick().await, "overdue"), "said once");
    assert_eq!(open(&bench.state().await), []);
    for minute in 10..16 {
        bench.source.push(minute, "1");
    }
    assert!(said(&bench.tick().await, "rows come again"));
    assert_eq!(open(&bench.state().await), []);
}

/// Days of 23 and 25 hours are no holes, and a missing day is one, on the local calendar.
#[tokio::test]
async fn local_days_have_23_to_25_hours() {
    for zone in [chrono_tz::Europe::Vienna, chrono_tz::Europe::Berlin] {
        use chrono::TimeZone;
        let mut bench = Bench::history(&[]).await;
        bench.config.zone = zone;
        bench.config.expected = Some(Duration::from_secs(86_400));
        let midnight = |day: u64| {
            let date = chrono::NaiveDate::from_ymd_opt(2026, 2, 1).unwrap() + chrono::Days::new(day);
            let local = date.and_hms_opt(0, 0, 0).unwrap();
            zone.from_local_datetime(&local).unwrap().timestamp_millis()
        };
        bench.config.start = Some(midnight(0));
        // February to November, through both changes of the clocks; a day in each of them is missing.
        let missing = [55, 266];
        for day in (0..300).filter(|day| !missing.contains(day)) {
            let minute = (midnight(day) - START) / MINUTE;
            assert_eq!(START + minute * MINUTE, midnight(day));
            bench.source.push(minute, "1");
        }
        bench.advance(midnight(299) + HOUR - bench.now());
        bench.config.slice = Duration::from_secs(366 * 86_400);
        bench.tick().await;
        let state = bench.state().await;
        let gaps: Vec<(i64, i64)> = state
            .gaps
            .unwrap()
            .open
            .iter()
            .map(|gap| (gap.from, gap.until))
            .collect();
        assert_eq!(
            gaps,
            [(midnight(54), midnight(56)), (midnight(265), midnight(267))],
            "{zone}"
        );
    }
}

/// A row stamped in the future is recorded before its neighbours: it lies in no gap, and is not sent again.
#[tokio::test]
async fn a_row_that_was_ahead_of_time_lies_in_no_gap() {
    let bench = minutes(10, &[]).await;
    bench.source.push_ahead(20, "9");
    bench.tick().await;
    for minute in (10..30).filter(|minute| ![19, 20, 21].contains(minute)) {
        bench.source.push(minute, "1");
    }
    bench.source.hide(20);
    bench.advance(20 * MINUTE);
    bench.tick().await;
    assert_eq!(
        open(&bench.state().await),
        [(18, 20, String::new()), (20, 22, String::new())]
    );
    for minute in 19..22 {
        bench.source.push(minute, "9");
    }
    bench.advance(DAY);
    bench.tick().await;
    assert_eq!(open(&bench.state().await), []);
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
    assert_eq!(bench.hub.stamps().len(), 30);
}

/// Without `expected` nothing is noted, so a ledger that is switched on again begins anew and takes nothing twice.
#[tokio::test]
async fn a_ledger_that_is_switched_off_and_on_doubles_nothing() {
    let mut bench = minutes(10, &[4]).await;
    bench.tick().await;
    bench.config.expected = None;
    for minute in 10..20 {
        bench.source.push(minute, "1");
    }
    bench.advance(10 * MINUTE);
    bench.tick().await;
    assert_eq!(bench.state().await.gaps, None);
    bench.config.expected = Some(Duration::from_secs(60));
    bench.source.push(25, "1");
    bench.advance(10 * MINUTE);
    bench.tick().await;
    assert_eq!(open(&bench.state().await), []);
    bench.advance(DAY);
    bench.tick().await;
    assert_eq!(bench.hub.doubled_under_other_ids(), 0);
}

/// The process is killed before and after every operation of ticks that find, ask for and fill gaps, through an outage of the
/// hub. Each value arrives once, and everything that the backend shows in the end and that was missing between rows arrives.
#[tokio::test]
async fn a_kill_at_every_operation_of_gaps_loses_and_doubles_nothing() {
    kill_everywhere(0).await;
}

/// The same where an overlap sees some of the gaps, and what changes within it.
#[tokio::test]
async fn a_kill_at_every_operation_of_gaps_and_overlap_loses_nothing() {
    kill_everywhere(600).await;
}

async fn kill_everywhere(overlap: u64) {
    const LAST: i64 = 30;
    let mut kills = 0;
    loop {
        let mut bench = minutes(0, &[]).await;
        bench.config.overlap = Duration::from_secs(overlap);
        bench.config.slice = Duration::from_secs(1_200);
        bench.poller.pack.units = 1;
        for minute in (0..LAST).filter(|minute| minute % 7 != 3) {
            bench
                .source
                .push(minute, if minute % 11 == 10 { "1;" } else { "1;2" });
        }
        bench.source.push(LAST, "1;2");
        bench.advance(40 * MINUTE);
        bench.kill_at(kills);
        let mut killed = false;
        for (round, fills) in [3i64, 10, 17, 24].into_iter().enumerate() {
            if killed {
                break;
            }
            if round == 2 {
                bench.hub.refuse(4, || meterbridge::forward::Error::Unavailable {
                    hub: "hub".into(),
                    status: 503,
                    detail: "down".into(),
                    after: Some(Duration::from_secs(100)),
                });
            }
            killed = bench.tick_until_killed().await;
            // Rows come into gaps, one of them with a value that changes later.
            bench.source.push(fills, &format!("{round};2"));
            bench.source.push(3, &format!("{round};2"));
            bench.advance(3 * HOUR);
        }
        let later = bench.restarted();
        later.hub.accept();
        for minute in 0..=LAST {
            later.source.push(minute, "8;9");
        }
        for _ in 0..3 {
            later.advance(DAY);
            later.tick().await;
        }
        let values = later.hub.values();
        let stamps: BTreeSet<Millis> = values.keys().map(|(stamp, _)| *stamp).collect();
        assert_eq!(stamps.len(), 31, "overlap {overlap}, killed at operation {kills}");
        assert_eq!(values.len(), 62, "overlap {overlap}, killed at operation {kills}");
        if overlap == 0 {
            let doubled: Vec<_> = values.iter().filter(|(_, values)| values.len() > 1).collect();
            assert!(doubled.is_empty(), "killed at operation {kills}: {doubled:?}");
        }
        later.hub.assert_one_body_per_id();
        let state = later.state().await;
        assert_eq!(open(&state), [], "killed at operation {kills}");
        assert_eq!(state.mark, Some(START + LAST * MINUTE));
        assert_eq!(state.checkpoint, state.mark);
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 40, "only {kills} operations");
}
