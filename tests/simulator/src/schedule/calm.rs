//! The calm after the faults: what is on its way arrives or is lost, orphans go on, and ticks run until nothing is left to do.

use meterbridge::poll::Outcome;

use super::{Alone, Sum, arrive_late, ended, go};
use crate::check;
use crate::plan::{MINUTE, Plan};
use crate::worker::{Job, Worker};
use crate::world::Shared;

/// Ticks after which all must be done: enough for the longest backlog of dead letters, one at a time.
const TICKS: usize = 400;
/// So many ticks in a row that leave nothing to do are enough.
const QUIET: usize = 3;

pub(super) async fn calm(shared: &Shared, workers: &mut Vec<Worker>, sum: &mut Sum) {
    {
        let world = &mut *shared.lock();
        world.tell(|| "all is calm".into());
        world.dice.calm();
        while !world.late.is_empty() {
            if world.dice.often(500) {
                arrive_late(world, shared.now());
            } else {
                world.late.pop();
            }
        }
        workers.retain(|_| world.dice.often(600));
        let left = world.plan.until - shared.now();
        shared.advance(left.max(0) + 2 * MINUTE);
    }
    let mut quiet = 0;
    for turn in 0..TICKS {
        if shared.lock().breach.is_some() {
            return;
        }
        let job = job(&shared.lock().plan, turn);
        tick(shared, job).await;
        // What stood still while others worked goes on, and finds that it has lost.
        while let Some(mut worker) = workers.pop() {
            let tick = worker.tick;
            let report = loop {
                if shared.lock().breach.is_some() {
                    return;
                }
                if let Some(report) = go(shared, &mut worker).await {
                    break report;
                }
            };
            sum.orphans += u64::from(report.outcome == Outcome::Lost);
            ended(shared, tick, &report, None);
        }
        quiet = if wait(shared) { quiet + 1 } else { 0 };
        if quiet == QUIET {
            gaps(shared).await;
            let (now, world) = (shared.now(), &mut *shared.lock());
            let judged = check::end::judge(world, now);
            world.judge(judged);
            return;
        }
    }
    let (now, world) = (shared.now(), &mut *shared.lock());
    let text = format!(
        "after {TICKS} calm ticks: {:?}, missing {:?}",
        world.ledger.state,
        check::tick::unknown(world, now)
    );
    world.breach("all is done in the end", text);
}

/// A backfill and a replay have their turns, too, where there are any.
fn job(plan: &Plan, turn: usize) -> Job {
    match turn % QUIET {
        1 if plan.wish.is_some() => Job::Backfill,
        2 if plan.replays => Job::Replay,
        _ => Job::Tick,
    }
}

/// Gaps fall due for the last time within a day.
async fn gaps(shared: &Shared) {
    if !shared.lock().plan.asks_for_gaps() {
        return;
    }
    shared.advance(25 * 60 * MINUTE);
    for _ in 0..20 {
        tick(shared, Job::Tick).await;
        let (now, world) = (shared.now(), &*shared.lock());
        let gaps = world.ledger.state.as_ref().and_then(|state| state.gaps.as_ref());
        let due = gaps.is_some_and(|gaps| gaps.open.iter().any(|gap| gap.due <= now));
        if !due || world.breach.is_some() {
            return;
        }
    }
}

/// One tick without a fault.
async fn tick(shared: &Shared, job: Job) {
    let alone = (job == Job::Tick).then(|| Alone::of(shared));
    let mut worker = Worker::begin(shared, 0, true, job);
    loop {
        if let Some(report) = go(shared, &mut worker).await {
            ended(shared, worker.tick, &report, alone);
            return;
        }
        if shared.lock().breach.is_some() {
            return;
        }
    }
}

/// Lets the time pass that the source has to wait for. Whether nothing is left to do.
fn wait(shared: &Shared) -> bool {
    let now = shared.now();
    let world = &mut *shared.lock();
    let Some(state) = &world.ledger.state else {
        shared.advance(MINUTE);
        return false;
    };
    let lease = state.lease.as_ref().map_or(0, |lease| lease.until);
    let hold = check::tick::on_hold(state).max(state.asking.after).unwrap_or(0);
    let send_every = i64::try_from(world.plan.config.send_every.as_millis()).unwrap_or(0);
    let waits = if state.unshipped.is_empty() {
        0
    } else {
        state.unshipped[0].at + send_every
    };
    let paused = state.past.backfill.map_or(0, |open| open.due);
    let next = (now + MINUTE)
        .max(paused)
        .max(lease + 1)
        .max(hold + 1)
        .max(waits.min(now + send_every));
    // A reader has always something to say, and what it said last may still be collected.
    let collected = !world.plan.history && send_every > 0;
    let done = state.pending.is_empty()
        && state.pass.is_none()
        && (state.unshipped.is_empty() || collected)
        && state.lease.is_none()
        && state.past.backfill.is_none()
        && check::tick::unknown(world, now).is_empty();
    shared.advance(next - now);
    done
}
