//! Many readings: a backfill by `meterbridge poll`, exec to exit, source to 204. The window's length must not show in the memory.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::handler::Handler;
use super::run::{Took, measured, median};
use super::stage::{Arrived, Scene, Stage};
use super::table::{Table, Target};
use super::{Context, Outcome, peers};

const BENCH: &str = "readings";
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// One backfill.
struct Backfill {
    took: Took,
    /// Processor time of the emulators meanwhile, seconds.
    emulators: f64,
    arrived: Arrived,
    per_second: f64,
}

pub(super) fn measure(context: &Context, table: &mut Table) -> Outcome<()> {
    let (small, main, large): (u64, u64, Option<u64>) = if context.quick {
        (50_000, 250_000, None)
    } else {
        (250_000, 1_000_000, Some(4_000_000))
    };
    let repeats = if context.quick { 1 } else { 3 };
    let sizes: Vec<u64> = [small, main].into_iter().chain(large).collect();
    let stage = Stage::start(
        context,
        &Scene {
            rows: &sizes,
            ..Scene::default()
        },
    )?;

    // Ours and the bare loop in turn, so that both meet the same machine.
    let (mut ours, mut bare, mut fractions) = (Vec::new(), Vec::new(), Vec::new());
    let mut shown = None;
    for _ in 0..repeats {
        let done = backfill(context, &stage, main)?;
        let bytes = done.arrived.bytes / done.arrived.requests.max(1);
        let posting = post(context, &stage, bytes, done.arrived.requests)?;
        fractions.push(posting / done.took.wall.as_secs_f64());
        bare.push(done.arrived.bytes as f64 / posting / MEGABYTE);
        ours.push(done.per_second);
        shown = Some(done);
    }
    let done = shown.ok_or("no backfill")?;
    let ours = median(ours);
    table
        .add(BENCH, format!("backfill of {main} rows"), ours, "/s")
        .target(Target::AtLeast(500_000.0))
        .note(format!(
            "median of {repeats}; {} requests, {:.1} MB; the last took {:.2} s, {:.2} s of processor, the emulators {:.2} s",
            done.arrived.requests,
            done.arrived.bytes as f64 / MEGABYTE,
            done.took.wall.as_secs_f64(),
            done.took.cpu.as_secs_f64(),
            done.emulators,
        ));
    memory(table, main, &done.took).target(Target::AtMost(64.0));
    table
        .add(BENCH, "bare loop posting the same bytes", median(bare), "MB/s")
        .note("Rust, reqwest, one connection; as many bodies of the same mean size");
    table
        .add(BENCH, "ours / bare loop", median(fractions), "×")
        .target(Target::AtLeast(0.7))
        .note("time of the loop / time of the whole backfill");
    for rows in [Some(small), large].into_iter().flatten() {
        let done = backfill(context, &stage, rows)?;
        table
            .add(BENCH, format!("backfill of {rows} rows"), done.per_second, "/s")
            .note("once");
        memory(table, rows, &done.took).target(Target::AtMost(64.0));
    }
    if context.peers {
        let rows = if context.quick { small } else { main };
        peers::dlt(context, &stage, rows, table, BENCH, ours);
        peers::node(context, &stage, table, BENCH, ours);
    }
    Ok(())
}

fn memory<'a>(table: &'a mut Table, rows: u64, took: &Took) -> &'a mut super::table::Figure {
    table
        .add(
            BENCH,
            format!("… peak memory, {rows} rows"),
            took.peak as f64 / MEGABYTE,
            "MB",
        )
        .note("VmHWM")
}

fn backfill(context: &Context, stage: &Stage, rows: u64) -> Outcome<Backfill> {
    let handler = Handler::new(context, Some(stage), &source(stage, rows))?;
    let before = (stage.arrived()?, stage.cpu());
    let mut command = handler.command(&["poll", "backfill"]);
    command.stdout(Stdio::null());
    let (took, status) = measured(&mut command)?;
    let arrived = stage.arrived()?.since(before.0);
    if !status.success() {
        return Err(format!("the backfill of {rows} rows ended with {status}").into());
    }
    std::fs::remove_dir_all(handler.folder())?;
    Ok(Backfill {
        took,
        emulators: (stage.cpu() - before.1).as_secs_f64(),
        arrived,
        per_second: rows as f64 / took.wall.as_secs_f64(),
    })
}

/// The site with so many rows, one a second, asked for a day at once.
fn source(stage: &Stage, rows: u64) -> String {
    format!(
        r#"[[source]]
id = "backfill"
kind = "rapidm2m"
url = "{}"
user = "{login}"
password = "${{BACKEND_PASSWORD}}"
customer = "{login}"
site = "rows-{rows}"
channels = ["ch0"]
start = {}
slice = "1d"
"#,
        stage.text("backend"),
        stage.start_of(&format!("rows-{rows}")),
        login = stage.text("login"),
    )
}

/// Seconds of the bare loop.
fn post(context: &Context, stage: &Stage, bytes: u64, count: u64) -> Outcome<f64> {
    let output = Command::new(context.binary("emulator"))
        .args([
            "measure",
            "post",
            "--port",
            &stage.port().to_string(),
            "--ca",
            stage.text("ca"),
        ])
        .args(["--bytes", &bytes.to_string(), "--count", &count.to_string()])
        .env("BENCH_KEY", stage.text("key"))
        .stderr(Stdio::inherit())
        .output()?;
    let told: Value = serde_json::from_slice(&output.stdout)?;
    told["seconds"]
        .as_f64()
        .ok_or_else(|| "the bare loop told no time".into())
}
