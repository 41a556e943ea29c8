#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::reading::Channel;

fn rows(of: &[(Millis, &str)]) -> Rows {
    let mut rows = Rows::new(vec![Channel::named("ch0")]);
    for (stamp, value) in of {
        rows.push(*stamp, |_| Some(*value));
    }
    rows
}

fn same(a: &str, b: &str) -> bool {
    hash(&rows(&[(0, a)]), 0) == hash(&rows(&[(0, b)]), 0)
}

#[test]
fn numerically_equal_texts_are_one_value() {
    for (a, b) in [
        ("1.50", "1.5"),
        ("15e-1", "1.5"),
        ("0", "-0.00"),
        ("100", "1E2"),
        ("0.001", "1e-3"),
        ("10", "10.0"),
    ] {
        assert!(same(a, b), "{a} {b}");
    }
    for (a, b) in [
        ("1.5", "15"),
        ("-1", "1"),
        ("0.1", "0.01"),
        ("10", "1"),
        ("0", "1"),
    ] {
        assert!(!same(a, b), "{a} {b}");
    }
}

#[test]
fn known_rows_are_dropped_and_other_values_are_revisions() {
    let mut digest = Digest::new(0);
    assert!(!digest.remember(&rows(&[(1, "1"), (2, "2")]), 0));
    let sifted = digest.sift(rows(&[(0, "9"), (1, "1.0"), (2, "3"), (3, "4")]));
    assert_eq!(sifted.known, 2);
    assert_eq!(sifted.rows.stamps(), [2, 3]);
    assert_eq!(sifted.rows.revised(), [0]);
}

#[test]
fn a_value_that_goes_a_b_a_b_is_new_each_time() {
    let mut digest = Digest::new(0);
    let mut taken = 0;
    for value in ["1", "2", "1", "2"] {
        let sifted = digest.sift(rows(&[(5, value)]));
        taken += sifted.rows.len();
        let _ = digest.remember(&sifted.rows, 0);
    }
    assert_eq!(taken, 4);
}

#[test]
fn a_full_digest_raises_its_floor_and_says_so() {
    let mut digest = Digest::new(0);
    let mut many = Rows::new(vec![Channel::named("ch0")]);
    for stamp in 1..=i64::try_from(CAPACITY).unwrap() + 5 {
        many.push(stamp, |_| Some("1"));
    }
    assert!(digest.remember(&many, 0));
    assert_eq!((digest.len(), digest.floor()), (CAPACITY, 5));
    assert_eq!(digest.sift(many).rows.len(), 0);
}

proptest! {
    /// However few rows it holds: no row is taken again with the value that it had, the floor only rises, and a floor above the one
    /// that was wanted is told and has a full digest above it.
    #[test]
    fn a_full_digest_takes_nothing_twice(
        capacity in 1usize..12,
        overlap in 0i64..40,
        answers in proptest::collection::vec(proptest::collection::btree_map(1i64..100, 0u32..3, 1..30), 1..12),
    ) {
        let mut digest = Digest::new(0);
        let mut last: BTreeMap<Millis, u32> = BTreeMap::new();
        let mut mark = 0;
        for answer in answers {
            let of: Vec<(Millis, String)> = answer.iter().map(|(s, v)| (*s, v.to_string())).collect();
            let of: Vec<(Millis, &str)> = of.iter().map(|(s, v)| (*s, v.as_str())).collect();
            let sifted = digest.sift(rows(&of)).rows;
            for (row, stamp) in sifted.stamps().iter().enumerate() {
                let value = answer[stamp];
                prop_assert!(*stamp > digest.floor());
                let before = last.insert(*stamp, value);
                prop_assert_ne!(before, Some(value), "{} again", stamp);
                prop_assert_eq!(before.is_some(), sifted.is_revised(row));
            }
            mark = mark.max(sifted.stamps().last().copied().unwrap_or(0));
            let (wanted, before) = ((mark - overlap).max(0), digest.floor());
            let full_at = digest.full_at(capacity, &sifted, wanted);
            let shortened = digest.remember_within(capacity, &sifted, wanted);
            prop_assert_eq!(full_at, shortened.then(|| digest.floor()));
            prop_assert!(digest.len() <= capacity && digest.floor() >= before.max(wanted));
            prop_assert_eq!(shortened, digest.floor() > before.max(wanted));
            prop_assert!(!shortened || digest.len() == capacity);
        }
    }

    #[test]
    fn the_stored_form_comes_back(stamps in proptest::collection::btree_map(1i64..1_000_000, 0u32..99, 0..50), floor in 0i64..500_000) {
        let mut digest = Digest::new(0);
        let of: Vec<(Millis, String)> = stamps.into_iter().map(|(s, v)| (s, v.to_string())).collect();
        let of: Vec<(Millis, &str)> = of.iter().map(|(s, v)| (*s, v.as_str())).collect();
        let _ = digest.remember(&rows(&of), floor);
        prop_assert_eq!(Digest::from_document(&digest.document("s")), Some(digest));
    }

    #[test]
    fn what_was_remembered_is_never_taken_again(of in proptest::collection::btree_map(1i64..1000, 0u32..9, 1..50), floor in 0i64..900) {
        let of: Vec<(Millis, String)> = of.into_iter().map(|(s, v)| (s, v.to_string())).collect();
        let of: Vec<(Millis, &str)> = of.iter().map(|(s, v)| (*s, v.as_str())).collect();
        let mut digest = Digest::new(0);
        let _ = digest.remember(&rows(&of), floor);
        prop_assert_eq!(digest.sift(rows(&of)).rows.len(), 0);
        prop_assert!(digest.floor() >= floor);
    }
}
