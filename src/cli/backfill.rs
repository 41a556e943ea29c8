//! `backfill`: a chosen range of a source's history, besides the live polls.

mod rehearsal;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::{BAD_CONFIGURATION, Common, FAILED};
use crate::app::Wired;
use crate::clock::{Clock, Millis, iso};
use crate::config::{SourceConfig, instant};
use crate::poll::backfill::{Backfilled, Order, Stands, told};
use crate::poll::past::Wish;
use crate::poll::{Member, Turn};
use crate::store::documents::{Backfill as Open, Document, State};
use crate::trigger::lifetime;

/// Send a range of a source's history that was not read before.
///
/// What is new goes on being polled meanwhile.
/// Ctrl-C stops at a slice; the same command goes on there, and so do the ticks of `run` and of the Functions host.
/// Rows that were recorded before are left out, unless --again is given.
#[derive(Debug, Args)]
pub(super) struct Backfill {
    /// The source.
    source: String,
    /// First instant, such as 2026-01-01T00:00:00Z; without an offset in the source's zone.
    #[arg(long, required_unless_present = "cancel", value_name = "INSTANT")]
    from: Option<String>,
    /// Last instant; what is newer than the live polls have come is left to them.
    #[arg(long, required_unless_present = "cancel", value_name = "INSTANT")]
    until: Option<String>,
    /// Send rows again that were recorded before, as revisions under new ids.
    #[arg(long)]
    again: bool,
    /// Ask the source and count what would be sent; neither store nor send anything.
    #[arg(long)]
    dry_run: bool,
    /// End the backfill that is under way where it stands.
    #[arg(long, conflicts_with_all = ["from", "until", "again", "dry_run"])]
    cancel: bool,
}

impl Backfill {
    pub(super) async fn run(self, common: &Common) -> ExitCode {
        common.log_for_people();
        let config = match common.load_or_complain() {
            Ok(config) => config,
            Err(code) => return code,
        };
        let clock = Clock::system();
        let wired = match super::wired(config, &clock).await {
            Ok(wired) => wired,
            Err(code) => return code,
        };
        let wish = match self.wish(&wired, clock.now()) {
            Ok(wish) => wish,
            Err(code) => return code,
        };
        let Some(member) = wired.rounds.member(&self.source) else {
            eprintln!(
                "{} belongs to another runner than \"{}\": set RUNNER to fill it from here.",
                self.source, wired.config.settings.runner
            );
            return ExitCode::from(BAD_CONFIGURATION);
        };
        if !member.source.has_history() {
            eprintln!(
                "{} only knows the present: there is no history to go back in.",
                self.source
            );
            return ExitCode::from(BAD_CONFIGURATION);
        }
        if let Err(error) = wired.rounds.poller().store.prepare().await {
            eprintln!("{error}");
            return ExitCode::from(FAILED);
        }
        let work = Work {
            wired: &wired,
            member: member.as_ref(),
            clock: &clock,
        };
        match wish {
            None => work.cancel().await,
            Some(wish) if self.dry_run => work.rehearse(&wish).await,
            Some(wish) => work.fill(&wish).await,
        }
    }

    /// The range that was asked for; none to cancel.
    fn wish(&self, wired: &Wired, now: Millis) -> Result<Option<Wish>, ExitCode> {
        let known = wired.catalog.current();
        super::all_known(std::slice::from_ref(&self.source), known.configs())?;
        let (Some(source), Some(from), Some(until)) = (known.source(&self.source), &self.from, &self.until)
        else {
            return Ok(None);
        };
        let from = instant_of("--from", from, source)?;
        let until = instant_of("--until", until, source)?;
        let fault = if from >= until {
            "--from must be before --until."
        } else if until > now {
            "--until is in the future: there is nothing to fill yet."
        } else {
            let again = self.again;
            return Ok(Some(Wish { from, until, again }));
        };
        eprintln!("{fault}");
        Err(ExitCode::from(BAD_CONFIGURATION))
    }
}

fn instant_of(option: &str, text: &str, source: &SourceConfig) -> Result<Millis, ExitCode> {
    instant::parse(text, source.zone).map_err(|why| {
        eprintln!("{option} {text}: {why}");
        ExitCode::from(BAD_CONFIGURATION)
    })
}

/// A backfill at work.
struct Work<'a> {
    wired: &'a Wired,
    member: &'a Member,
    clock: &'a Clock,
}

impl Work<'_> {
    async fn fill(&self, wish: &Wish) -> ExitCode {
        let stop = Arc::new(AtomicBool::new(false));
        let signalled = Arc::clone(&stop);
        tokio::spawn(async move {
            lifetime::signal().await;
            signalled.store(true, Ordering::Relaxed);
        });
        let bar = super::progress::range(wish.from, wish.until, &self.member.config.id);
        let mut opened = false;
        let mut at = wish.from;
        let mut idle = 0;
        let mut said = Vec::new();
        loop {
            let order = if opened {
                Order::GoOn(&stop)
            } else {
                Order::Open(wish, &stop)
            };
            let turn = self.turn(order).await;
            say(&bar, &turn, &mut said);
            let pending = turn.report.pending;
            let stands = match turn.stands {
                Stands::Refused(why) => {
                    bar.finish_and_clear();
                    eprintln!("{}: {why}.", self.member.config.id);
                    return ExitCode::from(FAILED);
                }
                Stands::Closed(done) => {
                    bar.finish_and_clear();
                    println!("{}: {}", self.member.config.id, told(&done));
                    if pending > 0 {
                        println!("  {pending} shipments of it wait for the hub; the polls send them.");
                    }
                    return ExitCode::SUCCESS;
                }
                Stands::None => {
                    bar.finish_and_clear();
                    println!(
                        "{}: another process brought the backfill to its end",
                        self.member.config.id
                    );
                    return ExitCode::SUCCESS;
                }
                Stands::Open(open) => {
                    opened = true;
                    Some(open)
                }
                // Another process works on it right now, or the store did not answer.
                Stands::Unknown => self.stored().await.filter(|_| opened),
            };
            idle += 1;
            if let Some(open) = stands {
                super::progress::at(&bar, open.from, open.until, open.at, open.rows);
                if open.at > at {
                    idle = 0;
                }
                at = open.at;
            }
            if stop.load(Ordering::Relaxed) || idle > PATIENCE {
                bar.finish_and_clear();
                return self.left(stands, idle > PATIENCE);
            }
            pause(idle, &stop).await;
        }
    }

    /// What is said where the work ends before the backfill does.
    fn left(&self, stands: Option<Open>, in_vain: bool) -> ExitCode {
        let id = &self.member.config.id;
        let why = if in_vain {
            "No progress for a while"
        } else {
            "Stopped"
        };
        match stands {
            Some(open) => eprintln!(
                "{id}: {why} at {} of {}, {} rows so far. The same command goes on there, and so do the ticks; --cancel ends it.",
                iso(open.at),
                iso(open.until),
                open.rows
            ),
            None => eprintln!("{id}: {why} before anything was filled."),
        }
        ExitCode::from(FAILED)
    }

    async fn cancel(&self) -> ExitCode {
        let id = &self.member.config.id;
        for tries in 1..=PATIENCE {
            let turn = self.turn(Order::Cancel).await;
            match turn.stands {
                Stands::Closed(open) => {
                    println!(
                        "{id}: ended at {} of {}, {} rows were recorded",
                        iso(open.at),
                        iso(open.until),
                        open.rows
                    );
                    return ExitCode::SUCCESS;
                }
                Stands::None => {
                    println!("{id}: no backfill is under way");
                    return ExitCode::SUCCESS;
                }
                _ => pause(tries, &AtomicBool::new(false)).await,
            }
        }
        eprintln!("{id}: another process works on it right now");
        ExitCode::from(FAILED)
    }

    async fn turn(&self, order: Order<'_>) -> Backfilled {
        let now = self.clock.now();
        let turn = Turn {
            config: &self.member.config,
            source: self.member.source.as_ref(),
            due: now,
            deadline: now.saturating_add(TURN),
            force: true,
            seat: None,
        };
        self.wired.rounds.poller().backfill(turn, order).await
    }

    /// Where the backfill stands, whoever works on it.
    async fn stored(&self) -> Option<Open> {
        self.state().await?.past.backfill
    }

    async fn state(&self) -> Option<State> {
        let store = &self.wired.rounds.poller().store;
        match store
            .read(&self.member.config.id, State::ID)
            .await
            .ok()??
            .document
        {
            Document::State(state) => Some(state),
            _ => None,
        }
    }
}

/// Prints what was not said in the turn before.
fn say(bar: &ProgressBar, turn: &Backfilled, said: &mut Vec<String>) {
    let mut remarks = turn.report.remarks.clone();
    if turn.report.outcome == crate::poll::Outcome::Busy {
        remarks.push("another process works on it right now".into());
    }
    for remark in remarks.iter().filter(|remark| !said.contains(remark)) {
        bar.suspend(|| eprintln!("{}: {remark}", turn.report.source));
    }
    *said = remarks;
}

/// Between turns others may work on the source; longer where nothing moved, and not after a signal.
async fn pause(idle: u32, stop: &AtomicBool) {
    let wait = if idle == 0 {
        Duration::from_millis(50)
    } else {
        Duration::from_secs(u64::from(idle.min(15)))
    };
    let until = tokio::time::Instant::now() + wait;
    while tokio::time::Instant::now() < until && !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long a turn holds the source, milliseconds.
const TURN: Millis = 10_000;
/// So many turns without progress, some eight minutes, and the command gives up; the backfill stays open.
const PATIENCE: u32 = 40;
