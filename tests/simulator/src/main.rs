//! `simulator --schedules N --seed S`: runs schedules and tells what they came to; the first that fails is told step by step.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use simulator::campaign::campaign;
use simulator::shrink::shrink;

/// A schedule is documents made, copied and dropped, on all processors at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the tick in a made-up world.
#[derive(Debug, Parser)]
struct Cli {
    /// How many.
    #[arg(long, default_value_t = 100_000)]
    schedules: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Do not tell the failing schedule step by step.
    #[arg(long)]
    brief: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let told = {
        let terminal = std::io::stderr().is_terminal();
        let (began, last) = (Instant::now(), AtomicU64::new(0));
        campaign(cli.seed, cli.schedules, |done| {
            // A line every ten seconds, or on a terminal one that is written over.
            let tick = began.elapsed().as_millis() as u64 / if terminal { 200 } else { 10_000 };
            if last.swap(tick, Ordering::Relaxed) != tick {
                let pace = done as f64 / began.elapsed().as_secs_f64().max(0.001);
                let line = format!("{done} of {} schedules, {pace:.0} a second", cli.schedules);
                if terminal {
                    eprint!("\r{line}   ");
                } else {
                    eprintln!("{line}");
                }
            }
        })
    };
    println!(
        "\n{} schedules in {:.1} s, {:.0} a second: {}",
        told.schedules,
        told.took.as_secs_f64(),
        told.pace(),
        told.sum
    );
    let Some((seed, breach)) = told.failed else {
        println!("Every promise was kept.");
        return ExitCode::SUCCESS;
    };
    println!("BROKEN after {} schedules, seed {seed}: {breach}", told.schedules);
    if !cli.brief {
        let (without, ran) = shrink(seed);
        println!(
            "\nThe same seed, {} of {} faults left out:\n",
            without.numbers.len(),
            ran.drawn
        );
        for line in &ran.trace {
            println!("{line}");
        }
    }
    println!("\nRepeat it alone: cargo xtask simulate --schedules 1 --seed {seed}");
    ExitCode::FAILURE
}
