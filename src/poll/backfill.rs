//! The backfill's part of a tick: slice by slice through a chosen range, besides the live polls and behind them.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::{Millis, iso};
use crate::store::documents::{Backfill, State};

use super::aim::Aim;
use super::claim::Held;
use super::past::{self, Wish};
use super::record::Known;
use super::report::Report;
use super::window::{self, halve};
use super::{Outcome, Poller, Stop, Turn, read};

/// What one turn of a backfill came to.
#[derive(Clone, Debug)]
pub struct Backfilled {
    /// The turn, as of any tick.
    pub report: Report,
    /// Where the backfill stands.
    pub stands: Stands,
}

/// Where a backfill stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It cannot be opened: why, and what to do.
    Refused(String),
    /// The source could not be worked in this turn: see the report.
    Unknown,
    /// It goes on.
    Open(Backfill),
    /// It came to its end, or was ended.
    Closed(Backfill),
    /// None is open.
    None,
}

/// What a turn is to do about a backfill.
#[derive(Clone, Copy)]
pub enum Order<'a> {
    /// Open this one, or go on with it, until the flag is set.
    Open(&'a Wish, &'a AtomicBool),
    /// Go on with the one that is open.
    GoOn(&'a AtomicBool),
    /// End the one that is open where it stands.
    Cancel,
}

impl Poller {
    /// One turn of a backfill under the source's lease, up to the turn's deadline. What is new is asked for first where it is
    /// due, so that live polls go on. Each slice is recorded together with the place to go on, and any later turn or tick goes on
    /// there.
    pub async fn backfill(&self, turn: Turn<'_>, order: Order<'_>) -> Backfilled {
        let turn = Turn { force: true, ..turn };
        let mut report = Report::new(&turn.config.id, turn.due, self.clock.now());
        let mut stands = Stands::Unknown;
        let mut held = match self.claim(&turn).await {
            Ok(Ok(held)) => held,
            Ok(Err(skipped)) => {
                let report = report.end(skipped, self.clock.now());
                return Backfilled { report, stands };
            }
            Err(stop) => {
                let report = report.stopped(stop, self.clock.now());
                return Backfilled { report, stands };
            }
        };
        let worked = match order {
            Order::Open(..) | Order::GoOn(_) => {
                self.turn(&turn, &mut held, &mut report, order, &mut stands).await
            }
            Order::Cancel => {
                stands = past::close(&mut held.state.past).map_or(Stands::None, Stands::Closed);
                Ok(())
            }
        };
        let report = self.end(&turn, held, report, worked).await;
        if matches!(report.outcome, Outcome::Lost | Outcome::Store) {
            stands = Stands::Unknown;
        }
        Backfilled { report, stands }
    }

    async fn turn(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        report: &mut Report,
        order: Order<'_>,
        stands: &mut Stands,
    ) -> Result<(), Stop> {
        // Without a first row there is no history to go back in.
        let live = Turn {
            force: held.state.mark.is_none(),
            ..*turn
        };
        let mut digest = None;
        self.live(&live, held, &mut digest, report).await?;
        let stop = match order {
            Order::Open(wish, stop) => {
                if held.state.mark.is_none() && report.outcome == Outcome::Failed {
                    return Ok(());
                }
                match past::open(&held.state, wish, self.clock.now()) {
                    Ok(open) => held.state.past.backfill = Some(open),
                    Err(why) => {
                        *stands = Stands::Refused(why);
                        return Ok(());
                    }
                }
                stop
            }
            Order::GoOn(stop) => stop,
            Order::Cancel => return Ok(()),
        };
        let closed = if self.is_free(held, report) {
            self.go_back(turn, held, &mut digest, report, turn.deadline, Some(stop))
                .await?
        } else {
            None
        };
        *stands = match (closed, held.state.past.backfill) {
            (Some(done), _) => Stands::Closed(done),
            (None, Some(open)) => Stands::Open(open),
            (None, None) => Stands::None,
        };
        Ok(())
    }

    /// A bounded share of a tick for the backfill that is open, after the live work.
    pub(super) async fn share(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut Option<Known>,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        // A backend that is down is probed by the live polls alone.
        let down = self.limits.breaker.is_open(held.state.failures);
        let waits = down || held.state.past.backfill.is_none_or(|open| open.due > now);
        if waits || !self.is_free(held, report) {
            return Ok(());
        }
        let until = turn.deadline.min(now.saturating_add(SHARE));
        let closed = self.go_back(turn, held, digest, report, until, None).await?;
        if let Some(done) = closed {
            report.remark(told(&done));
        } else if let Some(open) = held.state.past.backfill {
            report.remark(format!("backfill at {} of {}", iso(open.at), iso(open.until)));
        }
        Ok(())
    }

    /// Slice by slice until the end of the range, `until` or the flag; gives back the backfill where it came to its end.
    async fn go_back(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut Option<Known>,
        report: &mut Report,
        until: Millis,
        stop: Option<&AtomicBool>,
    ) -> Result<Option<Backfill>, Stop> {
        let digest = self.known(turn, held, digest).await?;
        // When what is new is due, and whether it is finished, does not depend on what is asked for here.
        let (asked, unfinished) = (held.asked, report.unfinished);
        let done = self.slices(turn, held, digest, report, until, stop).await;
        (held.asked, report.unfinished) = (asked, unfinished);
        done
    }

    async fn slices(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut Known,
        report: &mut Report,
        until: Millis,
        stop: Option<&AtomicBool>,
    ) -> Result<Option<Backfill>, Stop> {
        let mut longest = turn.config.slice;
        while let Some(open) = held.state.past.backfill {
            let Some(slice) = window::of_range(open.at, open.until, longest) else {
                return Ok(past::close(&mut held.state.past));
            };
            let stopped = stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
            if stopped || held.is_blocked() || self.clock.now() >= until {
                break;
            }
            match self.read(turn, held, slice.window, report).await? {
                read::Outcome::Answer(answered) => {
                    let aim = Aim::Backfill { next: slice.next };
                    self.record(turn, held, digest, *answered, aim, report).await?;
                    self.drain(turn, held, report).await?;
                }
                read::Outcome::Shorter => longest = halve(longest, slice.window),
                read::Outcome::Later => break,
                read::Outcome::Failed(failed) => {
                    self.record_failure(turn, held, &failed, report);
                    if let Some(open) = &mut held.state.past.backfill {
                        open.failures = open.failures.saturating_add(1);
                        let wait = PAUSE
                            .saturating_mul(Millis::from(open.failures))
                            .min(LONGEST_PAUSE);
                        open.due = self.clock.now().saturating_add(wait);
                    }
                    break;
                }
            }
        }
        Ok(None)
    }

    /// Whether nothing of the live work is left that a backfill would get in the way of, and its backend may be asked.
    fn is_free(&self, held: &Held, report: &Report) -> bool {
        let state = &held.state;
        let caught_up = state.pass.is_none() && state.mark.is_some();
        let alone = state.asking.after.is_some_and(|after| after > self.clock.now());
        caught_up && !alone && !held.is_blocked() && report.outcome != Outcome::Failed
    }
}

/// When a tick is due for the backfill that is open; `soon` is the very next one.
pub(super) fn due(state: &State, soon: Millis) -> Option<Millis> {
    let open = state.past.backfill.as_ref()?;
    if state.pass.is_some() || state.mark.is_none() {
        // What is new comes first: until it is read a tick for the backfill would do nothing.
        return None;
    }
    Some(soon.max(open.due).max(state.asking.after.unwrap_or(soon)))
}

/// A finished backfill in words.
#[must_use]
pub fn told(done: &Backfill) -> String {
    let mut text = format!(
        "backfill from {} until {} done: {} rows",
        iso(done.from),
        iso(done.until),
        done.rows
    );
    if done.left_out > 0 {
        text.push_str(&format!(
            ", {} left out since they were recorded before (--again sends them)",
            done.left_out
        ));
    }
    text
}

/// A backfill's share of an ordinary tick, milliseconds.
const SHARE: Millis = 5_000;
/// After a question without an answer ticks leave a backfill alone for so long, times the failures in a row.
const PAUSE: Millis = 60_000;
const LONGEST_PAUSE: Millis = 3_600_000;
