//! A tick of one source: the only place that orders the steps.
//!
//! ```text
//! claim → drain what is pending → { read a slice → sift → record → drain } … → the same for gaps that are due → release
//! ```
//!
//! A row enters the digest only in the write that stores it; the checkpoint moves only with the 204s (or dead letters) of the
//! shipment that carries it; every write of the state is conditional on its version. So a process may be killed at any
//! instruction: the next tick sends what was pending under the same ids with the same bodies, then goes on.

mod aim;
pub mod backfill;
mod batch;
pub mod breaker;
mod cargo;
mod claim;
mod damage;
mod deliver;
pub mod digest;
mod failure;
mod fanout;
mod freeze;
pub mod gaps;
mod left;
mod limits;
mod note;
pub mod past;
mod read;
mod reask;
mod record;
mod refusal;
mod register;
mod release;
pub mod replay;
mod report;
mod roster;
mod round;
mod rounds;
pub mod schedule;
mod seat;
mod settled;
pub mod shard;
pub mod standing;
mod trouble;
pub mod window;
mod working;

pub use fanout::{Share, Ticket, Worked};
pub use limits::{Backends, Limits, Place, Ticks};
pub use report::{Outcome, Report};
pub use roster::Member;
pub use round::Round;
pub use rounds::Rounds;
pub use seat::Seat;

use std::sync::Arc;

use crate::clock::{Clock, Millis};
use crate::config::{PackConfig, SourceConfig};
use crate::forward::Forward;
use crate::source::Source;
use crate::store::{self, Store};

use aim::Aim;
use claim::Held;

/// What every tick needs, wired once per process.
#[derive(Clone)]
pub struct Poller {
    /// Remembers.
    pub store: Arc<dyn Store>,
    /// Delivers.
    pub forward: Arc<dyn Forward>,
    /// Tells the time.
    pub clock: Clock,
    /// How rows become bodies.
    pub pack: PackConfig,
    /// How long delivered documents are kept, seconds.
    pub retention: u32,
    /// What all ticks of the process share.
    pub limits: Arc<Limits>,
}

/// One source's turn.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    /// The source's definition.
    pub config: &'a SourceConfig,
    /// Its backend.
    pub source: &'a dyn Source,
    /// The instant this tick was due: its identity in the records.
    pub due: Millis,
    /// When it must have stopped at a slice.
    pub deadline: Millis,
    /// Whether it is polled although it is not due yet: a person asked.
    pub force: bool,
    /// Its place among the ticks of this process, where they are counted.
    pub seat: Option<&'a Seat>,
}

/// Why a tick stops where it stands.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody else holds the source now: nothing more is written.
    Lost,
    /// The store does not take a write. What was not written is found again by the next tick.
    Store(store::Error),
}

impl Poller {
    /// Works one source until its pass is finished, its time is up or something holds it. Never fails: what went wrong is in
    /// the report, in the stored attempt and in the state.
    pub async fn tick(&self, turn: Turn<'_>) -> Report {
        let mut report = Report::new(&turn.config.id, turn.due, self.clock.now());
        let mut held = match self.claim(&turn).await {
            Ok(Ok(held)) => held,
            Ok(Err(skipped)) => return report.end(skipped, self.clock.now()),
            Err(stop) => return report.stopped(stop, self.clock.now()),
        };
        let worked = self.work(&turn, &mut held, &mut report).await;
        self.end(&turn, held, report, worked).await
    }

    /// Releases the source, unless it is lost, and tells what the tick came to.
    async fn end(
        &self,
        turn: &Turn<'_>,
        mut held: Held,
        mut report: Report,
        worked: Result<(), Stop>,
    ) -> Report {
        let released = match worked {
            Ok(()) => self.release(turn, &mut held, &mut report).await,
            Err(stop) => Err(stop),
        };
        match released {
            Ok(()) => report.done(&held.state, self.clock.now()),
            Err(stop) => report.stopped(stop, self.clock.now()),
        }
    }

    async fn work(&self, turn: &Turn<'_>, held: &mut Held, report: &mut Report) -> Result<(), Stop> {
        if turn.source.has_history() {
            let mut digest = None;
            self.live(turn, held, &mut digest, report).await?;
            return self.share(turn, held, &mut digest, report).await;
        }
        // What is frozen goes out before anything is asked; what waits for `send_every` may still be joined by what is read now.
        self.send_pending(turn, held, report).await?;
        if self.is_to_be_asked(turn, held, report) {
            self.single(turn, held, report).await?;
        }
        self.drain(turn, held, report).await
    }

    /// Sources with a history: what is pending, then what is new where that is due, and gaps.
    async fn live(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut Option<record::Known>,
        report: &mut Report,
    ) -> Result<(), Stop> {
        self.send_pending(turn, held, report).await?;
        if held.is_blocked() {
            return Ok(());
        }
        if self.is_to_be_asked(turn, held, report) {
            let digest = self.known(turn, held, digest).await?;
            self.pass(turn, held, digest, report).await?;
            if held.state.pass.is_none() && report.outcome != Outcome::Failed {
                self.reask(turn, held, digest, report).await?;
            }
        }
        self.drain(turn, held, report).await
    }

    /// Sources with a history: slice by slice through a window whose end stands still.
    async fn pass(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut record::Known,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let Some(mark) = held.state.mark else {
            // A first run without a chosen start takes the newest row, and history begins there.
            return self.youngest(turn, held, digest, report).await;
        };
        let fresh = held.state.pass.is_none();
        if fresh {
            let now = self.clock.now();
            held.state.pass = Some(window::open(mark, digest.known.floor(), turn.config.overlap, now));
        }
        let mut longest = turn.config.slice;
        while let Some(pass) = held.state.pass {
            let Some(slice) = window::slice(pass, longest, fresh) else {
                held.state.pass = None;
                break;
            };
            if self.clock.now() >= turn.deadline {
                report.unfinished = true;
                break;
            }
            match self.read(turn, held, slice.window, report).await? {
                read::Outcome::Answer(answered) => {
                    let aim = Aim::Live(Some(slice.next));
                    self.record(turn, held, digest, *answered, aim, report).await?;
                    self.drain(turn, held, report).await?;
                    if held.is_blocked() {
                        break;
                    }
                }
                read::Outcome::Later => break,
                read::Outcome::Shorter => longest = window::halve(longest, slice.window),
                read::Outcome::Failed(failed) => {
                    self.record_failure(turn, held, &failed, report);
                    break;
                }
            }
        }
        if held.state.pass.is_some_and(|pass| pass.at > pass.end) {
            held.state.pass = None;
        }
        Ok(())
    }

    async fn youngest(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut record::Known,
        report: &mut Report,
    ) -> Result<(), Stop> {
        match self
            .read(turn, held, crate::source::Window::Youngest, report)
            .await?
        {
            read::Outcome::Answer(answered) => {
                self.record(turn, held, digest, *answered, Aim::Live(None), report)
                    .await?;
                self.drain(turn, held, report).await
            }
            read::Outcome::Failed(failed) => {
                self.record_failure(turn, held, &failed, report);
                Ok(())
            }
            read::Outcome::Later | read::Outcome::Shorter => Ok(()),
        }
    }

    /// Sources without a history: one question, whatever the hub does, for what is not read now can never be read.
    async fn single(&self, turn: &Turn<'_>, held: &mut Held, report: &mut Report) -> Result<(), Stop> {
        if held.state.pending.len() >= record::MAX_PENDING {
            report.remark(format!(
                "{} shipments wait for the hub: this reader is not read until some are delivered",
                held.state.pending.len()
            ));
            return Ok(());
        }
        let now = self.clock.now();
        let window = crate::source::Window::Range {
            from: now,
            until: now,
            open: true,
        };
        match self.read(turn, held, window, report).await? {
            read::Outcome::Answer(answered) => {
                let mut none = record::Known::none();
                self.record(turn, held, &mut none, *answered, Aim::Live(None), report)
                    .await?;
                self.drain(turn, held, report).await
            }
            read::Outcome::Failed(failed) => {
                self.record_failure(turn, held, &failed, report);
                Ok(())
            }
            read::Outcome::Later | read::Outcome::Shorter => Ok(()),
        }
    }
}
