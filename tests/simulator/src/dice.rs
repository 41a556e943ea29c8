//! Draws what befalls a schedule. Every fault that is drawn has a number, so that a failing schedule can be run again without it.

use std::collections::BTreeSet;

/// The faults that a run leaves out.
#[derive(Clone, Debug, Default)]
pub struct Without {
    /// These numbers.
    pub numbers: BTreeSet<u32>,
    /// This number and all later ones.
    pub from: Option<u32>,
}

impl Without {
    fn has(&self, number: u32) -> bool {
        self.from.is_some_and(|from| number >= from) || self.numbers.contains(&number)
    }
}

/// The dice of one schedule.
#[derive(Debug)]
pub struct Dice {
    rng: fastrand::Rng,
    drawn: u32,
    happened: u32,
    without: Without,
    calm: bool,
}

impl Dice {
    /// Dice that roll the same for the same seed.
    #[must_use]
    pub fn new(seed: u64, without: Without) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            drawn: 0,
            happened: 0,
            without,
            calm: false,
        }
    }

    /// A number below `bound`; 0 where there is none.
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 { 0 } else { self.rng.u32(..bound) }
    }

    /// Whether something happens that does so `in_thousand` times in a thousand. Not a fault.
    pub fn often(&mut self, in_thousand: u32) -> bool {
        self.rng.u32(..1000) < in_thousand
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.rng.usize(..of.len().max(1))).copied()
    }

    /// Whether a fault happens that does so `in_thousand` times in a thousand.
    pub fn fault(&mut self, in_thousand: u32) -> bool {
        if in_thousand == 0 || self.rng.u32(..1000) >= in_thousand || self.calm {
            return false;
        }
        let number = self.drawn;
        self.drawn += 1;
        let happens = !self.without.has(number);
        self.happened += u32::from(happens);
        happens
    }

    /// From now on no fault happens.
    pub fn calm(&mut self) {
        self.calm = true;
    }

    /// Whether no fault happens any more.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.calm
    }

    /// Faults that were drawn, left out or not.
    #[must_use]
    pub fn drawn(&self) -> u32 {
        self.drawn
    }

    /// Faults that happened.
    #[must_use]
    pub fn happened(&self) -> u32 {
        self.happened
    }
}
