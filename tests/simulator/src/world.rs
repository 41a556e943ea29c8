//! The world of one schedule: time, what each side keeps, and what every tick has done so far.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meterbridge::clock::Millis;
use meterbridge::forward::Message;
use meterbridge::source::Window;
use meterbridge::store::Batch;

use crate::check::Breach;
use crate::dice::Dice;
use crate::hub::Taken;
use crate::ledger::{Ledger, RowFact};
use crate::plan::Plan;
use crate::store::Shelf;

/// Everything that a schedule is about.
#[derive(Debug)]
pub struct World {
    /// What was drawn before it began.
    pub plan: Plan,
    /// What is drawn on the way.
    pub dice: Dice,
    /// The store's documents.
    pub shelf: Shelf,
    /// What the hub took.
    pub hub: Taken,
    /// What the checks know.
    pub ledger: Ledger,
    /// One entry for each tick that was begun.
    pub ticks: Vec<Tick>,
    /// Calls that reach the other side later than their caller waited.
    pub late: Vec<Late>,
    /// The first promise that was broken.
    pub breach: Option<Breach>,
    /// What happened, where somebody wants to read it.
    pub trace: Option<Vec<String>>,
    /// What a reader shows next: every reading has another value.
    pub shown: i64,
    /// Operations so far.
    pub operations: u64,
}

/// What is known of one tick.
#[derive(Debug, Default)]
pub struct Tick {
    /// How far its process' clock is ahead.
    pub skew: Millis,
    /// The earliest and latest instant that its clock showed.
    pub clock: (Millis, Millis),
    /// The mark of its lease, once that is stored.
    pub nonce: Option<String>,
    /// The end of its lease, as it last wrote it.
    pub until: Millis,
    /// Whether anything befell it.
    pub disturbed: bool,
    /// Whether it stored a digest that was full, and so a shorter overlap.
    pub shortened: bool,
    /// What the source told it.
    pub answers: Vec<Told>,
}

/// One answer of the source, as it reached a tick.
#[derive(Debug)]
pub struct Told {
    /// What was asked.
    pub window: Window,
    /// When, by the process' clock.
    pub at: Millis,
    /// The rows.
    pub rows: Vec<RowFact>,
}

/// A call that is still on its way when its caller has given up waiting.
#[derive(Debug)]
pub enum Late {
    /// To the store, from this tick.
    Write(usize, Batch),
    /// To the hub.
    Send(Vec<Message>),
}

/// A world, and the time in it, which clocks ask without a lock.
#[derive(Clone, Debug)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    now: Arc<AtomicI64>,
}

impl Shared {
    /// Puts a world where several processes reach it.
    #[must_use]
    pub fn new(world: World, now: Millis) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            now: Arc::new(AtomicI64::new(now)),
        }
    }

    /// The world, for a moment: nobody waits while holding it.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True time, which the source and the store's lifetimes go by.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now.load(Ordering::Relaxed)
    }

    /// Lets time pass.
    pub fn advance(&self, by: Millis) {
        self.now.fetch_add(by, Ordering::Relaxed);
    }
}

impl World {
    /// Notes a broken promise; the first one counts.
    pub fn breach(&mut self, check: &'static str, text: impl Into<String>) {
        if self.breach.is_none() {
            let breach = Breach {
                check,
                text: text.into(),
            };
            self.tell(|| format!("BROKEN: {breach}"));
            self.breach = Some(breach);
        }
    }

    /// The same, from a check.
    pub fn judge(&mut self, judged: Result<(), Breach>) {
        if let Err(breach) = judged {
            self.breach(breach.check, breach.text);
        }
    }

    /// Writes a line into the trace, if there is one.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// Whether a fault befalls this tick now.
    pub fn befalls(&mut self, tick: usize, in_thousand: u32) -> bool {
        let happens = self.dice.fault(in_thousand);
        if happens && let Some(tick) = self.ticks.get_mut(tick) {
            tick.disturbed = true;
        }
        happens
    }
}
