//! One process with one tick: a future that goes on when the schedule says so, and that may be dropped at any operation.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use meterbridge::clock::Clock;
use meterbridge::poll::backfill::Order;
use meterbridge::poll::digest::CAPACITY;
use meterbridge::poll::{Limits, Poller, Report, Turn};

use crate::gate::Gate;
use crate::world::{Shared, Tick};
use crate::{backend, hub, store};

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// A tick.
    Tick,
    /// A turn of the backfill that the plan wishes for.
    Backfill,
    /// The backfill is ended where it stands.
    Cancel,
    /// A turn of sending dead letters again.
    Replay,
}

/// A process.
pub struct Worker {
    /// Which tick it does.
    pub tick: usize,
    /// What it is there for.
    pub job: Job,
    /// Whether it stands still.
    pub stalled: bool,
    gate: Arc<Gate>,
    alarm: Arc<Alarm>,
    future: Pin<Box<dyn Future<Output = Report> + Send>>,
}

impl Worker {
    /// Begins a process whose clock is off by `skew`, as the schedule configures it now.
    pub fn begin(shared: &Shared, skew: i64, force: bool, job: Job) -> Self {
        let gate = Arc::new(Gate::default());
        let world = &mut *shared.lock();
        let tick = world.ticks.len();
        let (config, pack) = world.plan.configured(&mut world.dice);
        let odds = world.plan.odds.obis;
        let obis = world.befalls(tick, odds).then_some("1-0:1.8.0*255");
        let now = shared.now() + skew;
        world.ticks.push(Tick {
            skew,
            clock: (now, now),
            until: now,
            ..Tick::default()
        });
        let limit = world
            .dice
            .one(&[50_000, 50_000, 50_000, 4_000, 600_000])
            .unwrap_or(50_000);
        world.tell(|| {
            format!(
                "tick {tick} begins at {now}, {job:?}, skew {skew}, overlap {:?}, send_every {:?}, slice {:?}, {pack:?}",
                config.overlap, config.send_every, config.slice
            )
        });
        let clock = {
            let shared = shared.clone();
            Clock::from_fn(move || shared.now() + skew)
        };
        let poller = Poller {
            store: Arc::new(store::Door {
                shared: shared.clone(),
                gate: Arc::clone(&gate),
                tick,
            }),
            forward: Arc::new(hub::Door {
                shared: shared.clone(),
                gate: Arc::clone(&gate),
                tick,
                registers: world.plan.registers,
            }),
            clock,
            pack,
            retention: world.plan.retention,
            limits: Arc::new(Limits {
                digest: world.plan.digest.unwrap_or(CAPACITY),
                ..Limits::default()
            }),
        };
        let source = backend::Door {
            shared: shared.clone(),
            gate: Arc::clone(&gate),
            tick,
            history: world.plan.history,
            channels: backend::channels(obis),
        };
        let wish = world.plan.wish;
        let letters: Vec<String> = world
            .ledger
            .letters
            .values()
            .map(|letter| letter.id.clone())
            .collect();
        let future = async move {
            let turn = Turn {
                config: &config,
                source: &source,
                due: now,
                deadline: now + limit,
                force,
                seat: None,
            };
            let going = AtomicBool::new(false);
            match (job, &wish) {
                (Job::Backfill, Some(wish)) => poller.backfill(turn, Order::Open(wish, &going)).await.report,
                (Job::Cancel, _) => poller.backfill(turn, Order::Cancel).await.report,
                (Job::Replay, _) => poller.replay(turn, &letters, &going).await.report,
                (Job::Tick | Job::Backfill, _) => poller.tick(turn).await,
            }
        };
        Self {
            tick,
            job,
            stalled: false,
            gate,
            alarm: Arc::default(),
            future: Box::pin(future),
        }
    }

    /// Goes on until it waits again, or is done.
    pub fn go(&mut self, shared: &Shared) -> Option<Report> {
        if let Some(tick) = shared.lock().ticks.get_mut(self.tick) {
            let own = shared.now() + tick.skew;
            tick.clock = (tick.clock.0.min(own), tick.clock.1.max(own));
        }
        if self.gate.waits() {
            self.gate.open();
        }
        self.alarm.rung.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.alarm));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(report) => Some(report),
            Poll::Pending => None,
        }
    }

    /// Whether it sleeps: it waits for nothing but time.
    pub fn sleeps(&self) -> bool {
        !self.gate.waits() && !self.alarm.rung.load(Ordering::Relaxed)
    }

    /// Sleeps until its alarm rings, which takes no time; what time it would have taken is what is given back. `None` if it
    /// waits for nothing that could come.
    pub async fn sleep(&self) -> Option<Duration> {
        let before = tokio::time::Instant::now();
        let alarm = &self.alarm;
        let rings = poll_fn(|cx| {
            *alarm.sleeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            if alarm.rung.load(Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        tokio::time::timeout(Duration::from_secs(100 * 86_400), rings)
            .await
            .ok()?;
        Some(before.elapsed())
    }
}

/// Wakes a worker whose time has come.
#[derive(Default)]
struct Alarm {
    rung: AtomicBool,
    sleeper: Mutex<Option<Waker>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Relaxed);
        if let Some(waker) = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }
}
