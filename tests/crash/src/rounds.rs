//! `crash rounds`: so many kills over rounds of all kinds, several at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::figures::Figures;
use crate::plan::{Kind, Seed};
use crate::round::{self, Done};
use crate::stage::Programs;

/// Kills the bridge again and again and judges what came of it.
#[derive(Debug, Args)]
pub(crate) struct Rounds {
    /// SIGKILLs of the real program by the clock.
    #[arg(long, default_value_t = 500)]
    by_clock: u64,
    /// SIGKILLs under a fuse, embedded store.
    #[arg(long, default_value_t = 500)]
    by_fuse: u64,
    /// SIGKILLs under a fuse, Cosmos DB.
    #[arg(long, default_value_t = 200)]
    cosmos: u64,
    /// SIGKILLs in one round.
    #[arg(long, default_value_t = 20)]
    each: u64,
    /// Number of the first round; other numbers are other rounds.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// This round alone.
    #[arg(long)]
    seed: Option<Seed>,
    /// Rounds that use the processors at one time.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
    /// Where rounds keep their files; those of a round that failed stay.
    #[arg(long, default_value = "target/crash")]
    folder: PathBuf,
}

/// So many faults of one round are shown.
const SHOWN: usize = 8;

impl Rounds {
    /// Whether the promise held in every round.
    pub(crate) async fn run(self) -> Outcome<bool> {
        let programs = Programs::here()?;
        std::fs::create_dir_all(&self.folder)?;
        let places = Arc::new(Semaphore::new(self.at_once));
        let began = Instant::now();
        let seeds = self.seeds();
        let wanted = self.each * seeds.len() as u64;
        let mut running = JoinSet::new();
        for seed in &seeds {
            let (programs, places, seed, each) = (programs.clone(), places.clone(), *seed, self.each);
            let folder = tempfile::Builder::new()
                .prefix(&format!("{seed}-"))
                .tempdir_in(std::path::absolute(&self.folder)?)?;
            running.spawn(async move {
                let done = round::run(&programs, seed, each, folder.path(), &places).await;
                (seed, folder, done)
            });
        }
        let (mut sum, mut failed) = (Figures::default(), 0);
        while let Some(done) = running.join_next().await {
            let (seed, folder, done) = done?;
            let clean = match done {
                Ok(done) => {
                    sum += &done.figures;
                    told(&done, &sum, wanted, began);
                    done.figures.are_clean()
                }
                Err(error) => {
                    eprintln!("{seed}: {error}");
                    false
                }
            };
            if !clean {
                failed += 1;
                eprintln!(
                    "{seed} FAILED. Again: cargo xtask bench crash --seed {seed}   Its files: {}",
                    folder.keep().display()
                );
            }
        }
        let mut figures = sum.json();
        figures["failed_rounds"] = json!(failed);
        figures["rounds"] = json!(seeds.len());
        figures["seconds"] = json!(began.elapsed().as_secs_f64());
        println!("{figures}");
        Ok(failed == 0)
    }

    fn seeds(&self) -> Vec<Seed> {
        if let Some(seed) = self.seed {
            return vec![seed];
        }
        let of = |kind, kills: u64| {
            (0..kills.div_ceil(self.each)).map(move |number| Seed {
                kind,
                number: self.first + number,
            })
        };
        // Those that wait for leases come first, and wait while the others work.
        of(Kind::Time, self.by_clock)
            .chain(of(Kind::Await, self.by_fuse))
            .chain(of(Kind::Cosmos, self.cosmos))
            .collect()
    }
}

fn told(done: &Done, sum: &Figures, wanted: u64, began: Instant) {
    let figures = &done.figures;
    eprintln!(
        "{:>5}/{wanted} kills {:>4.0} s  {:<10} {} rows, {} messages, {} repeats, {} dead letters: lost {}, doubled {}, broken {}",
        sum.kills(),
        began.elapsed().as_secs_f64(),
        done.seed.to_string(),
        figures.rows,
        figures.messages,
        figures.repeats,
        figures.dead,
        figures.lost,
        figures.doubled + figures.bodies + figures.invented + figures.disorder,
        figures.broken,
    );
    for fault in done.faults.iter().take(SHOWN) {
        eprintln!("    {fault}");
    }
    if done.faults.len() > SHOWN {
        eprintln!("    … {} more", done.faults.len() - SHOWN);
    }
}
