//! The delivery guarantee: the bridge is killed at any instant, source, hub and store are judged. The work is the program `crash`.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::table::{Table, Target};
use super::{Context, Outcome};

/// SIGKILLs: of the real program by the clock, under a fuse, and under a fuse on Cosmos DB.
const FULL: [&str; 3] = ["500", "520", "200"];
/// The same for the ordinary test run, which has no time for leases to end.
pub(crate) const QUICK: [&str; 3] = ["0", "40", "0"];

pub(super) fn measure(context: &Context, table: &mut Table, seed: Option<&str>) -> Outcome<()> {
    const BENCH: &str = "crash";
    let mut command = rounds(
        &context.binary("crash"),
        &context.root,
        if context.quick { QUICK } else { FULL },
    );
    if let Some(seed) = seed {
        command.args(["--seed", seed]);
    }
    let told = told(&mut command)?;
    let count = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    table.add(BENCH, "SIGKILLs", count("kills"), "").note(format!(
        "{} of the program by the clock, {} of a victim by the clock, {} at a poll, {} at an operation; {} on Cosmos DB; {} times two processes at once; {:.0} s",
        told["by_clock"], told["by_clock_victim"], told["by_poll"], told["by_operation"], told["on_cosmos"], told["together"],
        count("seconds"),
    ));
    table.add(BENCH, "rows at the source", count("rows"), "").note(format!(
        "late and corrected ones among them, {} found in gaps, {} by backfills; {} messages, {} repeats under the same id with the same body, {} dead letters, {} of them sent again; {} faults at the hub",
        told["filled"], told["gone_back"], told["messages"], told["repeats"], told["dead"], told["replayed"], told["faults"]
    ));
    let zero = Target::AtMost(0.0);
    for (name, of) in [
        ("rows lost", "lost"),
        ("rows under several ids", "doubled"),
        ("ids with several bodies", "bodies"),
        ("rows made up", "invented"),
        ("messages out of order", "disorder"),
    ] {
        table.add(BENCH, name, count(of), "").target(zero);
    }
    table
        .add(BENCH, "broken invariants of the store", count("broken"), "")
        .target(zero)
        .note(format!(
            "{} looks, one after each death and at the end",
            told["looks"]
        ));
    table
        .add(BENCH, "rounds that failed", count("failed_rounds"), "")
        .target(zero)
        .note(format!("of {}", told["rounds"]));
    Ok(())
}

pub(super) fn pair(context: &Context, table: &mut Table) -> Outcome<()> {
    const BENCH: &str = "pair";
    let mut command = Command::new(context.binary("crash"));
    command
        .current_dir(&context.root)
        .args(["pair", "--ticks", if context.quick { "500" } else { "10000" }]);
    let told = told(&mut command)?;
    let count = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    table
        .add(BENCH, "ticks of two processes on one store", count("ticks"), "")
        .note(format!(
            "{} and {}; {} more were turned away by a lease; {:.0} s",
            told["each"][0],
            told["each"][1],
            told["busy"],
            count("seconds")
        ));
    table
        .add(BENCH, "requests to the source", count("requests"), "")
        .note(format!(
            "{} rows, {} messages, {} repeats",
            told["rows"], told["messages"], told["repeats"]
        ));
    let zero = Target::AtMost(0.0);
    for (name, of, note) in [
        (
            "ticks of one source that overlap",
            "overlaps",
            "from the lease's commit to the release's, by both processes",
        ),
        (
            "requests of one source that overlap",
            "overlapping_requests",
            "by the source's own ledger",
        ),
        ("rows lost", "lost", ""),
        ("rows under several ids", "doubled", ""),
        ("broken invariants of the store", "broken", ""),
    ] {
        table.add(BENCH, name, count(of), "").target(zero).note(note);
    }
    Ok(())
}

/// Rounds of so many kills.
pub(crate) fn rounds(crash: &Path, root: &Path, [by_clock, by_fuse, cosmos]: [&str; 3]) -> Command {
    let mut command = Command::new(crash);
    command.current_dir(root).args([
        "rounds",
        "--by-clock",
        by_clock,
        "--by-fuse",
        by_fuse,
        "--cosmos",
        cosmos,
    ]);
    command
}

/// The last line that a measurement tells. What it found wrong is in its figures; its progress goes to this terminal.
pub(super) fn told(command: &mut Command) -> Outcome<Value> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let last = told
        .lines()
        .last()
        .ok_or_else(|| format!("it ended with {}", output.status))?;
    Ok(serde_json::from_str(last)?)
}
