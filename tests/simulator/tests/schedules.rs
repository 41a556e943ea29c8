//! A few thousand schedules with every change; `cargo xtask simulate` runs as many as one likes.
#![allow(missing_docs)]

use simulator::campaign::campaign;
use simulator::dice::Without;
use simulator::shrink::shrink;

#[test]
fn every_promise_is_kept() {
    let told = campaign(1, 5_000, |_| {});
    if let Some((seed, breach)) = told.failed {
        let (without, ran) = shrink(seed);
        panic!(
            "seed {seed}: {breach}\n{} of {} faults left out:\n{}\n\nRepeat it alone: cargo xtask simulate --schedules 1 --seed {seed}",
            without.numbers.len(),
            ran.drawn,
            ran.trace.join("\n")
        );
    }
    assert_eq!(told.schedules, 5_000);
    // A simulator in which nothing happens keeps every promise.
    let sum = told.sum;
    assert!(
        sum.kills > 500 && sum.orphans > 500 && sum.revisions > 100 && sum.letters > 50,
        "{sum}"
    );
    assert!(
        sum.replayed > 20 && sum.filled > 20 && sum.gone_back > 200 && sum.shortened > 20,
        "{sum}"
    );
}

#[test]
fn a_seed_runs_the_same_again() {
    for seed in [3, 77, 1_234] {
        let one = simulator::run(seed, &Without::default(), true);
        let two = simulator::run(seed, &Without::default(), true);
        assert!(one.trace.len() > 10);
        assert_eq!(one.trace, two.trace, "seed {seed}");
    }
}

#[test]
fn a_schedule_without_its_faults_has_none() {
    let none = Without {
        from: Some(0),
        ..Without::default()
    };
    for seed in 1..200 {
        let ran = simulator::run(seed, &none, false);
        assert_eq!((ran.sum.faults, ran.sum.kills), (0, 0), "seed {seed}");
        assert!(ran.breach.is_none(), "seed {seed}: {:?}", ran.breach);
    }
}
