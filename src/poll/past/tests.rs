#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::reading::Channel;
use crate::store::documents::Document;

fn state(json: &str) -> State {
    let text = format!(
        r#"{{"kind":"state","id":"state","source":"home","runner":"cloud","birth":"b","next":1,"nextDue":0{json}}}"#
    );
    match serde_json::from_str(&text).unwrap() {
        Document::State(state) => state,
        other => panic!("{other:?}"),
    }
}

fn rows(stamps: impl IntoIterator<Item = Millis>) -> Rows {
    let mut rows = Rows::new(vec![Channel::named("ch0")]);
    for stamp in stamps {
        rows.push(stamp, |_| Some("1"));
    }
    rows
}

fn wish(from: Millis, until: Millis) -> Wish {
    Wish {
        from,
        until,
        again: false,
    }
}

#[test]
fn a_backfill_ends_at_the_mark_and_the_same_wish_goes_on_with_it() {
    let mut state = state(r#","mark":1000,"past":{"began":800}"#);
    let opened = open(&state, &wish(100, 5_000), 7).unwrap();
    assert_eq!((opened.from, opened.until, opened.at), (100, 1000, 100));
    state.past.backfill = Some(Backfill { at: 300, ..opened });
    state.mark = Some(2_000);
    let again = open(&state, &wish(100, 5_000), 9).unwrap();
    assert_eq!((again.until, again.at, again.since), (1000, 300, 7));
    assert!(open(&state, &wish(100, 900), 9).unwrap_err().contains("--cancel"));
    // Ended where it stands: so far its range is recorded.
    let done = close(&mut state.past).unwrap();
    assert_eq!(done.at, 300);
    assert_eq!(
        state.past.filled,
        [Span {
            from: 100,
            until: 299
        }]
    );
    assert_eq!(close(&mut state.past), None);
}

#[test]
fn what_cannot_be_opened_says_why() {
    for (json, asked, expected) in [
        ("", wish(1, 2), "no row of this source was ever read"),
        (r#","mark":1000"#, wish(1001, 2000), "live polls are at"),
    ] {
        let why = open(&state(json), &asked, 0).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
    let mut many = state(r#","mark":1000"#);
    many.past.filled = (0..32)
        .map(|n| Span {
            from: n * 10,
            until: n * 10 + 5,
        })
        .collect();
    assert!(
        open(&many, &wish(700, 800), 0)
            .unwrap_err()
            .contains("choose one that touches")
    );
    assert!(open(&many, &wish(300, 800), 0).is_ok());
}

#[test]
fn ranges_that_touch_become_one() {
    let span = |from, until| Span { from, until };
    let spans = [span(10, 19), span(30, 39)];
    for (more, expected) in [
        (span(20, 29), vec![span(10, 39)]),
        (span(0, 9), vec![span(0, 19), span(30, 39)]),
        (span(15, 50), vec![span(10, 50)]),
        (span(22, 27), vec![span(10, 19), span(22, 27), span(30, 39)]),
    ] {
        assert_eq!(added(&spans, more), expected, "{more:?}");
    }
}

#[test]
fn recorded_time_is_left_out_but_for_open_gaps() {
    let json = r#","mark":100,"past":{"began":50,"filled":[{"from":10,"until":19}]},
        "gaps":{"newest":100,"open":[{"from":60,"until":70,"since":0,"due":0}]}"#;
    let state = state(json);
    let mut known = Digest::new(90);
    let _ = known.remember(&rows([95]), 90);
    let taken = sift(&state, &known, rows((0..=100).step_by(5)), false);
    assert_eq!(taken.rows.stamps(), [0, 5, 20, 25, 30, 35, 40, 45, 65, 100]);
    assert_eq!(taken.known, 11);
    assert!(taken.rows.revised().is_empty());
    // Again: all of them, those of recorded time as revisions.
    let taken = sift(&state, &known, rows((0..=100).step_by(5)), true);
    assert_eq!((taken.rows.len(), taken.known), (21, 0));
    let plain: Vec<Millis> = (0..21)
        .filter(|&row| !taken.rows.is_revised(row))
        .map(|row| taken.rows.stamps()[row])
        .collect();
    assert_eq!(plain, [0, 5, 20, 25, 30, 35, 40, 45, 100]);
    // A state of an older version does not know where it began: always.
    let mut old = state.clone();
    old.past = Past::default();
    old.gaps = None;
    assert_eq!(sift(&old, &known, rows([0, 40, 92]), false).rows.stamps(), [92]);
}

proptest! {
    /// Whatever ranges are filled in whatever order, cut into slices and cancelled anywhere, each row is taken once.
    #[test]
    fn each_row_is_taken_once(ranges in proptest::collection::vec((0i64..300, 0i64..300, 1i64..50, 0usize..20), 1..8), began in 0i64..250) {
        let mut state = state(r#","mark":299"#);
        state.past.began = Some(began);
        let known = Digest::new(299);
        let mut taken = vec![0; 300];
        for stamp in began..300 {
            taken[usize::try_from(stamp).unwrap()] = 1;
        }
        for (a, b, slice, slices) in ranges {
            let opened = open(&state, &wish(a.min(b), a.max(b)), 0).unwrap();
            state.past.backfill = Some(opened);
            for _ in 0..slices {
                let open = state.past.backfill.as_mut().unwrap();
                let until = (open.at + slice - 1).min(open.until);
                let asked = rows(open.at..=until);
                open.at = until + 1;
                for &stamp in sift(&state, &known, asked, false).rows.stamps() {
                    taken[usize::try_from(stamp).unwrap()] += 1;
                }
            }
            let _ = close(&mut state.past);
        }
        prop_assert!(taken.iter().all(|&times| times <= 1), "{taken:?}");
        for span in &state.past.filled {
            for stamp in span.from..=span.until {
                prop_assert_eq!(taken[usize::try_from(stamp).unwrap()], 1);
            }
        }
    }
}
