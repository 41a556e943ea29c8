//! A schedule: which process goes on, what dies, how time jumps; then no more faults, and ticks until all is done.

mod calm;

use meterbridge::clock::Millis;
use meterbridge::poll::{Outcome, Report};
use meterbridge::store::documents::DeadLetter;

use crate::check::{self, Breach};
use crate::dice::{Dice, Without};
use crate::ledger::Ledger;
use crate::plan::{MINUTE, Plan, START};
use crate::store::Shelf;
use crate::worker::{Job, Worker};
use crate::world::{Late, Shared, World};
use crate::{hub, store};

/// What became of a schedule.
#[derive(Debug, Default)]
pub struct Ran {
    /// The promise that was broken.
    pub breach: Option<Breach>,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
    /// Faults drawn, left out or not.
    pub drawn: u32,
    /// What it amounts to.
    pub sum: Sum,
}

/// What schedules amount to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Ticks begun.
    pub ticks: u64,
    /// Calls to store, hub and source.
    pub operations: u64,
    /// Faults that happened, kills and jumps among them.
    pub faults: u64,
    /// Processes killed.
    pub kills: u64,
    /// Ticks that found their lease taken.
    pub orphans: u64,
    /// Rows recorded.
    pub rows: u64,
    /// Revisions among them.
    pub revisions: u64,
    /// Messages that the hub took, repeats among them.
    pub arrivals: u64,
    /// Dead letters.
    pub letters: u64,
    /// Of these: sent again, and taken.
    pub replayed: u64,
    /// Rows that filled gaps below the digest's floor.
    pub filled: u64,
    /// Rows that backfills recorded below it.
    pub gone_back: u64,
    /// Schedules in which a full digest shortened the overlap.
    pub shortened: u64,
}

/// Runs the schedule of a seed, without some of its faults.
#[must_use]
pub fn run(seed: u64, without: &Without, trace: bool) -> Ran {
    // The tick draws nonces, births and waits from the thread's own dice.
    fastrand::seed(seed);
    let mut dice = Dice::new(seed, without.clone());
    let plan = Plan::draw(&mut dice);
    let mut shelf = Shelf::default();
    shelf.text = plan.text;
    let world = World {
        plan,
        dice,
        shelf,
        hub: hub::Taken::default(),
        ledger: Ledger::default(),
        ticks: Vec::new(),
        late: Vec::new(),
        breach: None,
        trace: trace.then(Vec::new),
        shown: 0,
        operations: 0,
    };
    let shared = Shared::new(world, START);
    if trace {
        let world = &mut *shared.lock();
        let plan = format!("{:?}", world.plan);
        world.tell(|| plan);
    }
    let mut sum = Sum::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(tokio::task::unconstrained(whole(&shared, &mut sum))),
        Err(error) => shared.lock().breach("the simulator", error.to_string()),
    }
    let world = &mut *shared.lock();
    sum.ticks = world.ticks.len() as u64;
    sum.operations = world.operations;
    sum.faults = u64::from(world.dice.happened());
    sum.rows = world.ledger.attempts.values().map(|rows| rows.len() as u64).sum();
    sum.revisions = world
        .ledger
        .attempts
        .values()
        .flatten()
        .filter(|row| row.revised)
        .count() as u64;
    sum.arrivals = world.hub.arrivals;
    sum.letters = world.ledger.letters.len() as u64;
    let replayed = |letter: &&DeadLetter| letter.replayed_at.is_some();
    sum.replayed = world.ledger.letters.values().filter(replayed).count() as u64;
    sum.filled = world.ledger.filled;
    sum.gone_back = world.ledger.gone_back;
    sum.shortened = u64::from(world.ledger.shortened.is_some());
    Ran {
        breach: world.breach.take(),
        trace: world.trace.take().unwrap_or_default(),
        drawn: world.dice.drawn(),
        sum,
    }
}

async fn whole(shared: &Shared, sum: &mut Sum) {
    let mut workers = troubled(shared, sum).await;
    if shared.lock().breach.is_none() {
        calm::calm(shared, &mut workers, sum).await;
    }
}

/// A step at a time, so that two processes get in each other's way at any operation.
const STEPS: usize = 1_500;

/// Ticks with faults. Gives back the processes that still stand.
async fn troubled(shared: &Shared, sum: &mut Sum) -> Vec<Worker> {
    let mut workers: Vec<Worker> = Vec::new();
    let (mut begun, mut alone) = (0, None);
    for _ in 0..STEPS {
        let (begins, which) = {
            let world = &mut *shared.lock();
            if world.breach.is_some()
                || (begun == world.plan.ticks && workers.iter().all(|worker| worker.stalled))
            {
                break;
            }
            if !world.late.is_empty() && world.dice.often(60) {
                arrive_late(world, shared.now());
            }
            for worker in &mut workers {
                if worker.stalled && world.dice.often(20) {
                    world.tell(|| format!("tick {} goes on", worker.tick));
                    worker.stalled = false;
                }
            }
            let awake = workers.iter().filter(|worker| !worker.stalled).count();
            let free = begun < world.plan.ticks && awake < world.plan.processes;
            let begins = free && (awake == 0 || world.dice.often(40));
            let place = world.dice.below(u32::try_from(awake).unwrap_or(1)) as usize;
            let which = workers
                .iter()
                .enumerate()
                .filter(|(_, worker)| !worker.stalled)
                .nth(place)
                .map(|(i, _)| i);
            (begins, which)
        };
        if begins {
            begun += 1;
            let worker = begin(shared);
            let lonely = workers.is_empty() && worker.job == Job::Tick;
            alone = lonely.then(|| (worker.tick, Alone::of(shared)));
            workers.push(worker);
            continue;
        }
        let Some(which) = which else { continue };
        let tick = workers[which].tick;
        if let Some(report) = go(shared, &mut workers[which]).await {
            workers.swap_remove(which);
            sum.orphans += u64::from(report.outcome == Outcome::Lost);
            ended(
                shared,
                tick,
                &report,
                alone
                    .take()
                    .filter(|(begun, _)| *begun == tick)
                    .map(|(_, alone)| alone),
            );
            continue;
        }
        let world = &mut *shared.lock();
        let odds = world.plan.odds.clone();
        if world.befalls(tick, odds.kill) {
            world.tell(|| format!("tick {tick} is killed"));
            workers.swap_remove(which);
            sum.kills += 1;
        } else if world.befalls(tick, odds.stall) && workers.len() < 4 {
            world.tell(|| format!("tick {tick} stands still"));
            workers[which].stalled = true;
        }
        if world.befalls(tick, odds.jump) {
            let by = world
                .dice
                .one(&[1_000, 20_000, 45_000, MINUTE, 2 * MINUTE, 3 * MINUTE, 15 * MINUTE]);
            let by = by.unwrap_or(MINUTE);
            world.tell(|| format!("{by} ms pass"));
            shared.advance(by);
        }
    }
    workers
}

/// A tick that is alone from its begin to its end, and how all stood before.
struct Alone {
    stand: check::tick::Stand,
    works: bool,
}

impl Alone {
    fn of(shared: &Shared) -> Self {
        let (now, world) = (shared.now(), &*shared.lock());
        Self {
            stand: check::tick::stand(world),
            works: check::tick::has_work(world, now),
        }
    }
}

/// Time passes, and another process begins.
fn begin(shared: &Shared) -> Worker {
    let (by, skew, force) = {
        let world = &mut *shared.lock();
        let by = world
            .dice
            .one(&[0, MINUTE, MINUTE, MINUTE, 2 * MINUTE, 5 * MINUTE, 11 * MINUTE])
            .unwrap_or(0);
        let (skew, far) = (world.plan.skew, world.dice.below(3));
        let skew = match far {
            0 => skew,
            1 => -skew,
            _ => 0,
        };
        (by, skew, world.dice.often(800))
    };
    shared.advance(by);
    let job = {
        let world = &mut *shared.lock();
        match world.dice.below(10) {
            0 if world.plan.wish.is_some() => Job::Cancel,
            1..4 if world.plan.wish.is_some() => Job::Backfill,
            4..7 if world.plan.replays => Job::Replay,
            _ => Job::Tick,
        }
    };
    Worker::begin(shared, skew, force, job)
}

/// Lets a process go on, and sleep where it does.
async fn go(shared: &Shared, worker: &mut Worker) -> Option<Report> {
    let done = worker.go(shared);
    if done.is_none() && worker.sleeps() {
        match worker.sleep().await {
            Some(slept) => shared.advance(Millis::try_from(slept.as_millis()).unwrap_or(0)),
            None => shared
                .lock()
                .breach("the simulator", format!("tick {} waits for nothing", worker.tick)),
        }
    }
    done
}

/// A tick is done: it is judged.
fn ended(shared: &Shared, tick: usize, report: &Report, alone: Option<Alone>) {
    let world = &mut *shared.lock();
    world.tell(|| format!("tick {tick} ends: {}", report.line()));
    let judged = check::tick::judge(world, tick, report);
    world.judge(judged);
    let undisturbed = world
        .ticks
        .get(tick)
        .is_some_and(|tick| !tick.disturbed && tick.skew == 0);
    if let Some(alone) = alone.filter(|_| undisturbed) {
        let judged = check::tick::moved(world, &alone.stand, alone.works, report);
        world.judge(judged);
    }
}

/// One call that its caller has given up on arrives.
fn arrive_late(world: &mut World, now: Millis) {
    let place = world.dice.below(u32::try_from(world.late.len()).unwrap_or(1)) as usize;
    match world.late.swap_remove(place) {
        Late::Write(tick, batch) => {
            world.tell(|| format!("  a late write of tick {tick} arrives"));
            // Nobody waits for the answer.
            drop(store::apply(world, tick, &batch, now));
        }
        Late::Send(messages) => {
            world.tell(|| "  late messages arrive".into());
            hub::arrive(world, &messages);
        }
    }
}
