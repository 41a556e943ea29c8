//! Many seeds, on all processors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::check::Breach;
use crate::dice::Without;
use crate::schedule::{Ran, Sum, run};

/// What seeds came to.
#[derive(Debug)]
pub struct Told {
    /// Schedules run.
    pub schedules: u64,
    /// What they amount to.
    pub sum: Sum,
    /// How long it took.
    pub took: Duration,
    /// The lowest seed that failed, of those that were run.
    pub failed: Option<(u64, Breach)>,
}

impl Told {
    /// Schedules in a second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn pace(&self) -> f64 {
        self.schedules as f64 / self.took.as_secs_f64().max(0.001)
    }
}

/// Runs `schedules` seeds from `first` on, until one fails. `progress` is told now and then how many are done.
pub fn campaign(first: u64, schedules: u64, progress: impl Fn(u64) + Sync) -> Told {
    let began = Instant::now();
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let found: Mutex<(Sum, Option<(u64, Breach)>)> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Sum::default();
                while !stop.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= schedules {
                        break;
                    }
                    let seed = first.wrapping_add(place);
                    let ran = guarded(seed);
                    mine.add(&ran.sum);
                    let so_far = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if so_far.is_multiple_of(64) {
                        progress(so_far);
                    }
                    if let Some(breach) = ran.breach {
                        stop.store(true, Ordering::Relaxed);
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        if found.1.as_ref().is_none_or(|(other, _)| seed < *other) {
                            found.1 = Some((seed, breach));
                        }
                    }
                }
                found.lock().unwrap_or_else(PoisonError::into_inner).0.add(&mine);
            });
        }
    });
    let (sum, failed) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Told {
        schedules: done.into_inner(),
        sum,
        took: began.elapsed(),
        failed,
    }
}

/// A panic of the tick is a broken promise, too.
fn guarded(seed: u64) -> Ran {
    catch_unwind(AssertUnwindSafe(|| run(seed, &Without::default(), false))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Ran {
            breach: Some(Breach {
                check: "no panic",
                text: text.unwrap_or_default(),
            }),
            ..Ran::default()
        }
    })
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.ticks += other.ticks;
        self.operations += other.operations;
        self.faults += other.faults;
        self.kills += other.kills;
        self.orphans += other.orphans;
        self.rows += other.rows;
        self.revisions += other.revisions;
        self.arrivals += other.arrivals;
        self.letters += other.letters;
        self.replayed += other.replayed;
        self.filled += other.filled;
        self.gone_back += other.gone_back;
        self.shortened += other.shortened;
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ticks, {} operations, {} faults, {} kills, {} ticks that had lost their lease, {} rows, {} revisions, {} messages taken, {} dead letters and {} of them sent again, {} rows in gaps, {} rows of backfills, {} overlaps shortened",
            self.ticks,
            self.operations,
            self.faults,
            self.kills,
            self.orphans,
            self.rows,
            self.revisions,
            self.arrivals,
            self.letters,
            self.replayed,
            self.filled,
            self.gone_back,
            self.shortened
        )
    }
}
