//! `replay`: sends dead letters again.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use super::{Common, FAILED};
use crate::app::Wired;
use crate::clock::{Clock, Millis, iso};
use crate::poll::replay::Fate;
use crate::poll::{Member, Outcome, Turn};
use crate::store::documents::{DeadLetter, Document};
use crate::store::{self, List, Store};
use crate::trigger::lifetime;

/// Send messages again that the hub refused for good: same ids, same bodies.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Only this source's; without it, all of this runner.
    source: Option<String>,
    /// Only this letter: its id, or its message's.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// List them, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Replay {
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
        let known = wired.catalog.current();
        if let Err(code) = super::all_known(self.source.as_slice(), known.configs()) {
            return code;
        }
        let store = &wired.rounds.poller().store;
        let letters = match self.letters(store.as_ref()).await {
            Ok(letters) => letters,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(FAILED);
            }
        };
        if letters.is_empty() {
            return match &self.id {
                None => {
                    println!("No dead letters.");
                    ExitCode::SUCCESS
                }
                Some(id) => {
                    eprintln!("There is no dead letter {id} that was not replayed yet.");
                    ExitCode::from(FAILED)
                }
            };
        }
        if self.dry_run {
            for letter in letters.values().flatten() {
                println!(
                    "{}: {}, refused at {}: {}",
                    letter.source,
                    letter.message_id,
                    iso(letter.at),
                    letter.why
                );
            }
            println!(
                "{} dead letters. Nothing was sent.",
                letters.values().map(Vec::len).sum::<usize>()
            );
            return ExitCode::SUCCESS;
        }
        send(&wired, &clock, &letters).await
    }

    /// The chosen letters that were not replayed yet, by source, oldest first.
    async fn letters(&self, store: &dyn Store) -> Result<BTreeMap<String, Vec<DeadLetter>>, store::Error> {
        store.prepare().await?;
        let mut letters: BTreeMap<String, Vec<DeadLetter>> = BTreeMap::new();
        let mut before = None;
        loop {
            let list = List {
                source: self.source.clone(),
                kind: "deadletter",
                limit: PAGE,
                before: before.take(),
            };
            let page = store.list(list).await?;
            let last = page.last().map(|found| found.document.id().to_owned());
            let full = page.len() == PAGE;
            for found in page {
                if let Document::DeadLetter(letter) = found.document
                    && letter.replayed_at.is_none()
                    && self
                        .id
                        .as_ref()
                        .is_none_or(|id| *id == letter.id || *id == letter.message_id)
                {
                    letters.entry(letter.source.clone()).or_default().push(letter);
                }
            }
            if !full {
                break;
            }
            before = last;
        }
        for letters in letters.values_mut() {
            letters.reverse();
        }
        Ok(letters)
    }
}

async fn send(wired: &Wired, clock: &Clock, letters: &BTreeMap<String, Vec<DeadLetter>>) -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    let signalled = Arc::clone(&stop);
    tokio::spawn(async move {
        lifetime::signal().await;
        signalled.store(true, Ordering::Relaxed);
    });
    let total = letters.values().map(Vec::len).sum();
    let bar = super::progress::bar(total, "Replaying");
    let mut count = Count::default();
    for (source, letters) in letters {
        let Some(member) = wired.rounds.member(source) else {
            bar.suspend(|| {
                eprintln!(
                    "{source}: not a source of runner \"{}\"; its {} dead letters stay",
                    wired.config.settings.runner,
                    letters.len()
                );
            });
            continue;
        };
        let mut ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
        let mut idle = 0;
        while !ids.is_empty() && idle < PATIENCE && !stop.load(Ordering::Relaxed) {
            let done = one_turn(wired, clock, &member, &ids, &stop).await;
            for (id, fate) in &done.letters {
                bar.inc(1);
                match fate {
                    Fate::Taken => count.taken += 1,
                    Fate::Gone => count.gone += 1,
                    Fate::Refused(why) => {
                        count.refused += 1;
                        bar.suspend(|| eprintln!("{source}: {id} was refused again: {why}"));
                    }
                }
            }
            ids.drain(..done.letters.len());
            if let Some(why) = &done.held {
                bar.suspend(|| eprintln!("{source}: {why}"));
                break;
            }
            if !matches!(done.report.outcome, Outcome::Busy) {
                for remark in &done.report.remarks {
                    bar.suspend(|| eprintln!("{source}: {remark}"));
                }
            }
            if done.letters.is_empty() {
                idle += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        if idle == PATIENCE {
            bar.suspend(|| eprintln!("{source}: another process works on it right now"));
        }
    }
    bar.finish_and_clear();
    count.tell(total)
}

async fn one_turn(
    wired: &Wired,
    clock: &Clock,
    member: &Member,
    ids: &[String],
    stop: &AtomicBool,
) -> crate::poll::replay::Replayed {
    let now = clock.now();
    let turn = Turn {
        config: &member.config,
        source: member.source.as_ref(),
        due: now,
        deadline: now.saturating_add(TURN),
        force: true,
        seat: None,
    };
    wired.rounds.poller().replay(turn, ids, stop).await
}

/// What became of the letters.
#[derive(Default)]
struct Count {
    taken: usize,
    refused: usize,
    gone: usize,
}

impl Count {
    fn tell(&self, total: usize) -> ExitCode {
        let left = total - self.taken - self.refused - self.gone;
        println!(
            "{} of {total} dead letters taken by the hub, {} refused again, {left} left",
            self.taken, self.refused
        );
        if self.refused + left == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }
}

const PAGE: usize = 200;
/// How long a turn holds a source, milliseconds.
const TURN: Millis = 20_000;
/// So many seconds a source is waited for that another process holds: a little longer than a killed one's lease.
const PATIENCE: u32 = 170;
