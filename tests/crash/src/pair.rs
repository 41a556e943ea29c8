//! `crash pair`: two processes on one store, as fast as they can, and no tick of one source beside another.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use crate::Outcome;
use crate::plan::{Kind, Seed};
use crate::round::Round;
use crate::stage::Programs;

/// Lets two processes work on one store at the same time.
#[derive(Debug, Args)]
pub(crate) struct Pair {
    /// Ticks of each that got their source.
    #[arg(long, default_value_t = 10_000)]
    ticks: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the files are kept meanwhile.
    #[arg(long, default_value = "target/crash")]
    folder: PathBuf,
}

/// From when to when a source was held, microseconds.
type Hold = (String, i64, i64);

impl Pair {
    /// Whether nothing overlapped, and nothing was lost or doubled.
    pub(crate) async fn run(self) -> Outcome<bool> {
        std::fs::create_dir_all(&self.folder)?;
        let folder = tempfile::Builder::new()
            .prefix("pair-")
            .tempdir_in(std::path::absolute(&self.folder)?)?;
        let seed = Seed {
            kind: Kind::Pair,
            number: self.seed,
        };
        let began = Instant::now();
        let mut round = Round::start(&Programs::here()?, seed, folder.path()).await?;
        let files = ["one", "two"].map(|name| folder.path().join(format!("{name}.json")));
        let mut running = Vec::new();
        for file in &files {
            let mut victim = round.stage.victim();
            victim
                .args(["--ticks", &self.ticks.to_string(), "--holds"])
                .arg(file);
            running.push(victim.kill_on_drop(true).spawn()?);
        }
        for mut process in running {
            let status = process.wait().await?;
            if !status.success() {
                return Err(format!("a process ended with {status}; see {}", folder.keep().display()).into());
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let overlapping_requests = round.stage.source.ask("overlaps").await?;
        let requests = round.stage.source.ask("requests").await?["backend"].clone();
        let (mut holds, mut ticks, mut busy) = (Vec::new(), Vec::new(), 0);
        for file in &files {
            let told = told(file)?;
            ticks.push(told["ticks"].as_u64().unwrap_or(0));
            busy += told["busy"].as_u64().unwrap_or(0);
            holds.extend(serde_json::from_value::<Vec<Hold>>(told["holds"].clone())?);
        }
        let overlaps = overlaps(holds);
        round.rest().await?;
        round.judged().await?;
        for fault in round.faults.iter().take(20) {
            eprintln!("    {fault}");
        }
        let figures = &round.figures;
        println!(
            "{}",
            json!({
                "ticks": ticks.iter().sum::<u64>(), "each": ticks, "busy": busy, "overlaps": overlaps,
                "overlapping_requests": overlapping_requests, "requests": requests, "rows": figures.rows,
                "messages": figures.messages, "repeats": figures.repeats, "lost": figures.lost,
                "doubled": figures.doubled + figures.bodies + figures.invented + figures.disorder,
                "broken": figures.broken, "seconds": seconds,
            })
        );
        let clean = figures.are_clean() && overlaps == 0 && overlapping_requests == 0;
        if !clean {
            eprintln!("Its files: {}", folder.keep().display());
        }
        Ok(clean)
    }
}

fn told(file: &Path) -> Outcome<Value> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// How many holds of one source begin before the one before has ended.
fn overlaps(mut holds: Vec<Hold>) -> usize {
    holds.sort();
    let both = |pair: &&[Hold]| pair[0].0 == pair[1].0 && pair[1].1 < pair[0].2;
    holds.windows(2).filter(both).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_of_one_source_are_compared() {
        let check = |holds: &[(&str, i64, i64)], expected| {
            let holds = holds
                .iter()
                .map(|(source, from, to)| ((*source).to_owned(), *from, *to));
            assert_eq!(overlaps(holds.collect()), expected);
        };
        check(&[("a", 5, 9), ("a", 1, 5), ("b", 2, 3)], 0);
        check(&[("a", 4, 9), ("a", 1, 5), ("b", 2, 3)], 1);
    }
}
