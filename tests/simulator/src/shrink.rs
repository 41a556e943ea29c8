//! A failing schedule with fewer faults: the same seed, run again without some of them, as long as it still fails.

use crate::dice::Without;
use crate::schedule::{Ran, run};

/// Runs at most.
const TRIES: usize = 400;

/// Leaves out as many faults as is cheap, and gives back the last failing run, with its trace.
#[must_use]
pub fn shrink(seed: u64) -> (Without, Ran) {
    let mut without = Without::default();
    let mut drawn = run(seed, &without, false).drawn;
    let mut tries = 0;
    // Later faults first: what comes after the breach does not matter.
    let mut size = drawn.max(1);
    while size > 0 && tries < TRIES {
        let mut from = drawn;
        while from > 0 && tries < TRIES {
            let begin = from.saturating_sub(size);
            let mut fewer = without.clone();
            fewer.numbers.extend(begin..from);
            if fewer.numbers.len() > without.numbers.len() {
                tries += 1;
                let ran = run(seed, &fewer, false);
                if ran.breach.is_some() {
                    without = fewer;
                    drawn = drawn.max(ran.drawn);
                }
            }
            from = begin;
        }
        size /= 2;
    }
    let ran = run(seed, &without, true);
    (without, ran)
}
