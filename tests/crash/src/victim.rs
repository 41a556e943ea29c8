//! The bridge's own parts, wired from settings as the program wires them, under a fuse and the round's time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use meterbridge::app::App;
use meterbridge::config;
use meterbridge::poll::backfill::Order;
use meterbridge::poll::past::Wish;
use meterbridge::poll::{Poller, Turn};
use meterbridge::source::Source;
use meterbridge::store::List;
use serde_json::json;

use crate::clock::Time;
use crate::fuse::{Fuse, FusedForward, FusedSource, FusedStore, Spark};
use crate::{Outcome, child};

#[derive(Debug, Args)]
pub(crate) struct Victim {
    /// The round's time.
    #[arg(long)]
    clock: PathBuf,
    /// Where it ends.
    #[arg(long)]
    spark: Option<Spark>,
    /// Share of the store's operations that fail.
    #[arg(long, default_value_t = 0.0)]
    unreliable: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Ends after so many rounds over all sources.
    #[arg(long)]
    rounds: Option<u64>,
    /// Ends after so many ticks that got their source.
    #[arg(long)]
    ticks: Option<u64>,
    /// Where it writes at its end from when to when it held which source.
    #[arg(long)]
    holds: Option<PathBuf>,
    /// Makes one round for each line of its input, and says `done`.
    #[arg(long)]
    on_order: bool,
    /// Some turns of sources with a history fill this range, FROM..UNTIL in milliseconds.
    #[arg(long, value_parser = range)]
    backfill: Option<Wish>,
    /// Sends dead letters again, and nothing else.
    #[arg(long)]
    replay: bool,
    /// This source alone.
    #[arg(long)]
    only: Option<String>,
    /// Says what each tick came to.
    #[arg(long)]
    tell: bool,
}

/// Ticks at one time.
const AT_ONCE: usize = 4;

impl Victim {
    pub(crate) async fn run(self) -> Outcome<()> {
        let time = Time::of(&self.clock);
        let clock = time.clock();
        let app = App::new(clock.clone(), Box::new(|| config::from_process(None, None)));
        let wired = app.wired().await?;
        let fuse = Fuse::new(self.spark, self.unreliable, self.seed);
        let mut poller = wired.rounds.poller().clone();
        poller.store = Arc::new(FusedStore(poller.store, fuse.clone()));
        poller.forward = Arc::new(FusedForward(poller.forward, fuse.clone()));
        poller.store.prepare().await?;
        let patience = i64::try_from(wired.config.settings.worker_tick.as_millis())?;
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut left = self.rounds;
        let mut orders = self.on_order.then(child::orders);
        let (worked, busy) = (AtomicU64::new(0), AtomicU64::new(0));
        let (worked, busy) = (&worked, &busy);
        while left != Some(0)
            && self
                .ticks
                .is_none_or(|ticks| worked.load(Ordering::SeqCst) < ticks)
        {
            left = left.map(|left| left - 1);
            if let Some(orders) = &mut orders
                && orders.recv().await.is_none()
            {
                break;
            }
            let ids = wired.rounds.ids();
            let ticks = ids.iter().filter_map(|id| {
                if self.only.as_ref().is_some_and(|only| only != id) {
                    return None;
                }
                let member = wired.rounds.member(id)?;
                let source = FusedSource(member.source.clone(), fuse.clone());
                let (poller, clock) = (&poller, &clock);
                let wish = self.backfill.filter(|_| source.has_history() && rng.u8(..3) == 0);
                let replay = self.replay;
                Some(fuse.tick(async move {
                    let due = clock.now();
                    let turn = Turn {
                        config: &member.config,
                        source: &source as &dyn Source,
                        due,
                        deadline: due + patience,
                        force: true,
                        seat: None,
                    };
                    let going = AtomicBool::new(false);
                    let report = if replay {
                        let letters = letters(poller, id).await;
                        poller.replay(turn, &letters, &going).await.report
                    } else if let Some(wish) = &wish {
                        poller.backfill(turn, Order::Open(wish, &going)).await.report
                    } else {
                        poller.tick(turn).await
                    };
                    let count = if report.worked() { worked } else { busy };
                    count.fetch_add(1, Ordering::SeqCst);
                    if self.tell {
                        eprintln!("{}", report.line());
                    }
                }))
            });
            let ticks: Vec<_> = ticks.collect();
            futures_util::stream::iter(ticks)
                .buffer_unordered(AT_ONCE)
                .collect::<()>()
                .await;
            if self.on_order {
                println!("done");
            } else {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        if let Some(file) = &self.holds {
            let (worked, busy) = (worked.load(Ordering::SeqCst), busy.load(Ordering::SeqCst));
            let told = json!({ "ticks": worked, "busy": busy, "holds": fuse.holds() });
            std::fs::write(file, told.to_string())?;
        }
        Ok(())
    }
}

/// The dead letters of a source, oldest first; none where the store does not tell.
async fn letters(poller: &Poller, source: &str) -> Vec<String> {
    let list = List {
        source: Some(source.to_owned()),
        kind: "deadletter",
        limit: 10_000,
        before: None,
    };
    let found = poller.store.list(list).await.unwrap_or_default();
    found
        .iter()
        .rev()
        .map(|found| found.document.id().to_owned())
        .collect()
}

fn range(text: &str) -> Result<Wish, String> {
    let wrong = || format!("{text:?} is no range; write FROM..UNTIL in milliseconds");
    let (from, until) = text.split_once("..").ok_or_else(wrong)?;
    Ok(Wish {
        from: from.parse().map_err(|_| wrong())?,
        until: until.parse().map_err(|_| wrong())?,
        again: false,
    })
}
