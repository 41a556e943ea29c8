#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeZone;
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::reading::{Channel, Rows};

const STEP: Millis = 15 * MINUTE;
const BASE: Millis = 1_769_433_300_000;

fn interval() -> Interval {
    Interval::new(Duration::from_secs(900), Tz::UTC)
}

fn at(step: i64) -> Millis {
    BASE + step * STEP
}

/// Rows of channels `a`, `b`, …: steps, and the channels that each row has.
fn rows(of: &[(i64, &str)]) -> Rows {
    let mut rows = Rows::new(["a", "b", "c"].map(Channel::named).to_vec());
    for (step, has) in of {
        rows.push(at(*step), |i| has.contains(["a", "b", "c"][i]).then_some("1"));
    }
    rows
}

fn noted(ledger: &mut Option<Gaps>, of: &[(i64, &str)]) -> Vec<Change> {
    note(
        ledger,
        interval(),
        &rows(of),
        Millis::MAX,
        |_, _| Vec::new(),
        BASE,
    )
}

/// Open gaps as steps and channels.
fn open(ledger: &Option<Gaps>) -> Vec<(i64, i64, String)> {
    let step = |stamp: Millis| (stamp - BASE) / STEP;
    let gaps = &ledger.as_ref().unwrap().open;
    gaps.iter()
        .map(|gap| (step(gap.from), step(gap.until), gap.channels.concat()))
        .collect()
}

fn check(of: &[&[(i64, &str)]], expected: &[(i64, i64, &str)]) {
    let mut ledger = None;
    for rows in of {
        noted(&mut ledger, rows);
    }
    let expected: Vec<_> = expected
        .iter()
        .map(|(f, u, c)| (*f, *u, (*c).to_owned()))
        .collect();
    assert_eq!(open(&ledger), expected, "{of:?}");
}

#[test]
fn holes_are_between_recorded_rows() {
    check(&[&[(0, "a"), (1, "a"), (2, "a")]], &[]);
    check(&[&[(0, "a"), (3, "a")]], &[(0, 3, "")]);
    check(
        &[&[(0, "a")], &[(3, "a"), (4, "a"), (9, "a")]],
        &[(0, 3, ""), (4, 9, "")],
    );
    // Filled in the middle, at an edge, and wholly.
    check(&[&[(0, "a"), (6, "a")], &[(3, "a")]], &[(0, 3, ""), (3, 6, "")]);
    check(&[&[(0, "a"), (6, "a")], &[(1, "a")]], &[(1, 6, "")]);
    check(
        &[
            &[(0, "a"), (6, "a")],
            &[(1, "a"), (2, "a"), (3, "a"), (4, "a"), (5, "a")],
        ],
        &[],
    );
}

#[test]
fn rows_that_lack_what_rows_have_are_gaps_of_those_channels() {
    let steady: Vec<(i64, &str)> = (0..6).map(|step| (step, "abc")).collect();
    let then = |more: &[(i64, &'static str)]| [steady.clone(), more.to_vec()].concat();
    // Both are missing together: one gap of a set.
    check(&[&then(&[(6, "a"), (7, "a"), (8, "abc")])], &[(5, 8, "bc")]);
    check(
        &[&then(&[(6, "a"), (7, "ab"), (8, "abc")])],
        &[(5, 7, "b"), (5, 8, "c")],
    );
    // Still missing at the newest row.
    check(&[&then(&[(6, "ab")])], &[(5, 7, "c")]);
    check(&[&then(&[(6, "ab")]), &[(7, "ab"), (8, "abc")]], &[(5, 8, "c")]);
    // The row comes again, whole.
    check(&[&then(&[(6, "ab")]), &[(6, "abc")], &[(7, "abc")]], &[]);
    // A hole that is filled by a row without them.
    check(
        &[&then(&[(9, "abc")]), &[(7, "ab")]],
        &[(5, 7, ""), (5, 9, "c"), (7, 9, "")],
    );
    // A channel that comes with every third row is not one that rows normally have.
    let seldom: Vec<(i64, &str)> = (0..30)
        .map(|step| (step, if step % 3 == 0 { "ab" } else { "a" }))
        .collect();
    check(&[&seldom], &[]);
}

/// The digest forgets what the mark has passed: a row that was stamped in the future is noted by then, also in a write whose own
/// rows lie beyond the mark.
#[test]
fn a_row_that_is_no_longer_in_the_future_is_noted_before_it_is_forgotten() {
    let mut ledger = None;
    noted(&mut ledger, &[(0, "a")]);
    let recorded = |from, until| {
        let stamps = [at(2), at(3)].into_iter();
        stamps.filter(|&stamp| from < stamp && stamp < until).collect()
    };
    note(&mut ledger, interval(), &rows(&[(9, "a")]), at(4), recorded, BASE);
    assert_eq!(ledger.as_ref().unwrap().newest, at(3));
    noted(&mut ledger, &[(6, "a")]);
    assert_eq!(open(&ledger), [(0, 2, String::new()), (3, 6, String::new())]);
}

/// Nor in one of single channels: which of them it had is not known any more.
#[test]
fn a_row_that_was_recorded_without_being_noted_is_in_no_gap_of_channels() {
    let mut ledger = None;
    let steady: Vec<(i64, &str)> = (0..7).map(|step| (step, "abc")).collect();
    noted(&mut ledger, &steady);
    let mut beside = |of: &[(i64, &str)], recorded: &[i64]| {
        let inside = |from, until| {
            let stamps = recorded.iter().map(|&step| at(step));
            stamps.filter(|&stamp| from < stamp && stamp < until).collect()
        };
        note(&mut ledger, interval(), &rows(of), Millis::MAX, inside, BASE);
        open(&ledger)
    };
    assert_eq!(beside(&[(8, "a")], &[7]), [(7, 9, "bc".to_owned())]);
    // A gap that was open there ends.
    assert_eq!(
        beside(&[(9, "a"), (11, "a")], &[10]),
        [(7, 10, "bc".to_owned()), (10, 12, "bc".to_owned())]
    );
    assert!(matches!(take(ledger.as_ref().unwrap(), at(10)), Take::Nothing));
}

#[test]
fn a_row_that_was_recorded_without_being_noted_is_in_no_gap() {
    let mut ledger = None;
    let interval = interval();
    note(
        &mut ledger,
        interval,
        &rows(&[(0, "a"), (5, "a")]),
        at(0),
        |_, _| Vec::new(),
        BASE,
    );
    assert_eq!(ledger.as_ref().unwrap().newest, at(0), "stamped in the future");
    note(
        &mut ledger,
        interval,
        &rows(&[(8, "a")]),
        at(8),
        |_, _| vec![at(5)],
        BASE,
    );
    assert_eq!(open(&ledger), [(0, 5, String::new()), (5, 8, String::new())]);
}

#[test]
fn what_is_inside_an_open_gap_is_taken() {
    let mut ledger = None;
    let steady: Vec<(i64, &str)> = (0..6).map(|step| (step, "abc")).collect();
    noted(&mut ledger, &steady);
    noted(&mut ledger, &[(6, "a"), (7, "abc"), (10, "abc")]);
    let gaps = ledger.as_ref().unwrap();
    assert_eq!(take(gaps, at(5)), Take::Nothing);
    assert_eq!(take(gaps, at(6)), Take::Channels(vec!["b", "c"]));
    assert_eq!(take(gaps, at(7)), Take::Nothing);
    assert_eq!(take(gaps, at(8)), Take::Row);
    assert_eq!(take(gaps, at(10)), Take::Nothing);
}

#[test]
fn gaps_are_asked_for_on_a_falling_schedule_and_given_up() {
    let mut ledger = None;
    noted(&mut ledger, &[(0, "a"), (3, "a")]);
    let gaps = ledger.as_mut().unwrap();
    assert_eq!(
        question(gaps, interval(), at(0) + 1, DAY, BASE + DAY),
        None,
        "inside the overlap"
    );
    let mut now = BASE;
    let mut waits = Vec::new();
    while now < BASE + GIVEN_UP_AFTER {
        assert_eq!(give_up(gaps, now), []);
        if let Some(question) = question(gaps, interval(), Millis::MAX, DAY, now) {
            assert_eq!((question.from, question.until), (at(0) + 1, at(3) - 1));
            asked(gaps, question, now);
            assert_eq!(super::question(gaps, interval(), Millis::MAX, DAY, now), None);
            waits.push((gaps.open[0].due - now) / MINUTE);
        }
        now += MINUTE;
    }
    assert_eq!(waits[..5], [15, 60, 360, 1440, 1440]);
    assert_eq!(waits.len(), 4 + 13);
    let gap = gaps.open[0].clone();
    assert_eq!(give_up(gaps, now), [Change::GivenUp(gap)]);
    assert_eq!(
        (gaps.open.len(), gaps.given_up, gaps.closed[0].how.as_str()),
        (0, 1, "given-up")
    );
}

#[test]
fn neighbours_are_asked_for_together_and_long_gaps_slice_by_slice() {
    let mut ledger = None;
    noted(
        &mut ledger,
        &[(0, "a"), (3, "a"), (5, "a"), (9, "a"), (1_000, "a")],
    );
    let now = BASE + DAY;
    let gaps = ledger.as_mut().unwrap();
    let mut asks = Vec::new();
    while let Some(question) = question(gaps, interval(), Millis::MAX, DAY, now) {
        assert!(question.until - question.from < DAY);
        asks.push(question);
        asked(gaps, question, now);
    }
    // All three begin in the first day; the long one goes on.
    assert_eq!(asks.len(), 11);
    assert!(asks.windows(2).all(|w| w[0].until + 1 == w[1].from));
    assert_eq!(asks.last().unwrap().until, at(1_000) - 1);
    assert!(gaps.open.iter().all(|gap| gap.asked == 1 && gap.at.is_none()));
}

#[test]
fn too_many_gaps_crowd_out_the_most_asked() {
    let mut ledger = None;
    let many: Vec<(i64, &str)> = (0..=i64::try_from(MAX_OPEN).unwrap() + 3)
        .map(|n| (n * 2, "a"))
        .collect();
    let changes = noted(&mut ledger, &many);
    let crowded: Vec<_> = changes
        .iter()
        .filter(|c| matches!(c, Change::CrowdedOut(_)))
        .collect();
    assert_eq!(crowded.len(), 3);
    let gaps = ledger.unwrap();
    assert_eq!((gaps.open.len(), gaps.given_up), (MAX_OPEN, 3));
    assert_eq!(
        gaps.open[0].from,
        at(6),
        "the oldest rows of those asked equally often"
    );
}

#[test]
fn a_channel_that_is_gone_for_good_is_given_up_once() {
    let mut ledger = None;
    let steady: Vec<(i64, &str)> = (0..6).map(|step| (step, "ab")).collect();
    noted(&mut ledger, &steady);
    noted(&mut ledger, &[(6, "a"), (7, "a")]);
    assert_eq!(open(&ledger), [(5, 8, "b".to_owned())]);
    assert_eq!(give_up(ledger.as_mut().unwrap(), BASE + GIVEN_UP_AFTER).len(), 1);
    noted(&mut ledger, &[(8, "a"), (9, "a"), (10, "ab"), (11, "a")]);
    assert_eq!(open(&ledger), []);
}

#[test]
fn the_newest_end_is_overdue_and_no_gap() {
    let mut ledger = None;
    noted(&mut ledger, &[(0, "a")]);
    let gaps = ledger.as_mut().unwrap();
    assert_eq!(overdue(gaps, interval(), at(1) + 7 * MINUTE), None);
    assert_eq!(overdue(gaps, interval(), at(1) + 8 * MINUTE), Some(true));
    assert_eq!(overdue(gaps, interval(), at(2)), None);
    assert!(gaps.open.is_empty());
    noted(&mut ledger, &[(1, "a"), (2, "a")]);
    assert_eq!(overdue(ledger.as_mut().unwrap(), interval(), at(2)), Some(false));
}

const DAY: Millis = 24 * HOUR;

/// What a backend shows at one time: rows of `a` and `b` on the grid, more and more of them, now and then with another value.
fn shown() -> impl Strategy<Value = Vec<Vec<(i64, bool, bool)>>> {
    let answer = proptest::collection::btree_map(0i64..40, (any::<bool>(), any::<bool>()), 0..40);
    let answer = answer.prop_map(|rows| {
        rows.into_iter()
            .map(|(step, (a, b))| (step, a || !b, b))
            .collect()
    });
    proptest::collection::vec(answer, 1..8)
}

proptest! {
    /// Below the floor, each value is taken once, however often and in whatever order rows are shown; what lies between rows
    /// that were noted whole and was not taken is still asked for.
    #[test]
    fn each_value_is_taken_once_and_what_is_missing_stays_open(answers in shown()) {
        let mut ledger: Option<Gaps> = None;
        let mut taken: BTreeMap<(Millis, usize), usize> = BTreeMap::new();
        let mut stamps: BTreeSet<Millis> = BTreeSet::new();
        for answer in &answers {
            // The floor is the newest row: whatever is older is taken from the ledger alone.
            let newest = ledger.as_ref().map_or(Millis::MIN, |gaps| gaps.newest);
            let mut kept = Rows::new(["a", "b"].map(Channel::named).to_vec());
            for &(step, a, b) in answer {
                let stamp = at(step);
                let values = [a, b];
                let mut allowed = [true, true];
                if stamp <= newest {
                    allowed = match take(ledger.as_ref().unwrap(), stamp) {
                        Take::Nothing => [false, false],
                        Take::Row => [true, true],
                        Take::Channels(names) => ["a", "b"].map(|name| names.contains(&name)),
                    };
                }
                let values = [values[0] && allowed[0], values[1] && allowed[1]];
                if values == [false, false] {
                    continue;
                }
                kept.push(stamp, |i| values[i].then_some("1"));
                stamps.insert(stamp);
                for (channel, _) in values.iter().enumerate().filter(|(_, has)| **has) {
                    *taken.entry((stamp, channel)).or_default() += 1;
                }
            }
            note(&mut ledger, interval(), &kept, Millis::MAX, |_, _| Vec::new(), BASE);
            prop_assert!(taken.values().all(|&times| times == 1), "{taken:?}");
            let Some(gaps) = &ledger else { continue };
            let (first, last) = (*stamps.first().unwrap(), *stamps.last().unwrap());
            for step in 0..40 {
                let stamp = at(step);
                if first < stamp && stamp < last && !stamps.contains(&stamp) {
                    prop_assert_eq!(take(gaps, stamp), Take::Row, "step {} of {:?}", step, gaps);
                }
                if stamps.contains(&stamp) {
                    prop_assert_ne!(take(gaps, stamp), Take::Row);
                }
            }
            prop_assert!(gaps.open.iter().all(|gap| gap.from < gap.until));
        }
    }

    /// A year of local days in Vienna and Berlin, 23 and 25 hours long among them, with any of them missing: the ledger has exactly
    /// those holes, and filled in any order it has none.
    #[test]
    fn a_year_of_local_days_has_the_holes_that_it_has(
        year in 2000i32..2040,
        berlin: bool,
        hours in proptest::sample::select(&[24i64, 6, 12][..]),
        missing in proptest::collection::btree_set(1usize..1_459, 0..60),
        turn in 0usize..60,
    ) {
        let zone = if berlin { Tz::Europe__Berlin } else { Tz::Europe__Vienna };
        let first = chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        // On the local grid; what falls into the hour that is left out stands behind it, and of the one that comes twice the first counts.
        let stamps: Vec<Millis> = (0..365 * 24 / hours)
            .map(|step| {
                let local = first.and_hms_opt(0, 0, 0).unwrap() + chrono::TimeDelta::hours(step * hours);
                zone.from_local_datetime(&local).earliest().unwrap().timestamp_millis()
            })
            .collect();
        let missing: Vec<usize> = missing.into_iter().filter(|&at| at + 1 < stamps.len()).collect();
        let interval = Interval::new(Duration::from_secs(hours.unsigned_abs() * 3_600), zone);
        let of = |stamps: &[Millis]| {
            let mut rows = Rows::new(vec![Channel::named("a")]);
            for stamp in stamps {
                rows.push(*stamp, |_| Some("1"));
            }
            rows
        };
        let there: Vec<Millis> = stamps
            .iter()
            .enumerate()
            .filter(|(at, _)| !missing.contains(at))
            .map(|(_, stamp)| *stamp)
            .collect();
        let mut ledger = None;
        note(&mut ledger, interval, &of(&there), Millis::MAX, |_, _| Vec::new(), BASE);
        let count = |ledger: &Option<Gaps>| -> u64 {
            let open = &ledger.as_ref().unwrap().open;
            open.iter().map(|gap| interval.missing(gap.from, gap.until)).sum()
        };
        prop_assert_eq!(count(&ledger), missing.len() as u64);
        for &at in &missing {
            prop_assert_eq!(take(ledger.as_ref().unwrap(), stamps[at]), Take::Row);
        }
        let turn = turn % missing.len().max(1);
        for at in missing[turn..].iter().chain(&missing[..turn]) {
            note(&mut ledger, interval, &of(&[stamps[*at]]), Millis::MAX, |_, _| Vec::new(), BASE);
        }
        prop_assert_eq!(count(&ledger), 0);
        prop_assert!(ledger.unwrap().open.is_empty());
    }

    /// The stored form of a ledger is read back as it was.
    #[test]
    fn the_stored_form_comes_back(answers in shown()) {
        let mut ledger: Option<Gaps> = None;
        for answer in &answers {
            let of: Vec<(i64, &str)> = answer.iter().map(|&(s, a, b)| (s, if a && b { "ab" } else if a { "a" } else { "b" })).collect();
            noted(&mut ledger, &of);
        }
        let text = serde_json::to_string(&ledger).unwrap();
        prop_assert_eq!(serde_json::from_str::<Option<Gaps>>(&text).unwrap(), ledger);
    }
}
