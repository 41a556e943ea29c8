//! What else people would use, measured against the same hub, backend and readers in the same run. Installed into target/bench.
//!
//! A peer that cannot be installed or run is told of and left out: the figures of the handler do not depend on it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::run::median;
use super::stage::Stage;
use super::table::{Table, Target};
use super::{Context, Outcome};

/// dlt: an incremental resource over the backend, and a destination that posts to the hub.
pub(super) fn dlt(
    context: &Context,
    stage: &Stage,
    rows: u64,
    table: &mut Table,
    bench: &'static str,
    ours: f64,
) {
    let done = python(context).and_then(|python| {
        let mut command = Command::new(python);
        command
            .arg(context.root.join("bench/dlt_backfill.py"))
            .env("BENCH_BACKEND", stage.text("backend"))
            .env("BENCH_LOGIN", stage.text("login"))
            .env("BENCH_SITE", format!("rows-{rows}"))
            .env("BENCH_START", stage.start_of(&format!("rows-{rows}")))
            // Some tens of seconds are enough to tell how fast it is.
            .env("BENCH_ROWS", rows.min(200_000).to_string())
            .env("BENCH_PIPELINES", context.fresh("dlt-")?);
        per_second(hub(&mut command, stage), stage)
    });
    match done {
        Ok(done) => {
            table
                .add(bench, "dlt, incremental cursor", done.per_second, "/s")
                .note(format!(
                    "PyPI dlt, custom destination, 1 000 rows a POST, {} rows, without its start",
                    done.count
                ));
            table
                .ratio(bench, "dlt", ours, done.per_second)
                .target(Target::AtLeast(25.0));
        }
        Err(error) => table.failed("dlt", &*error),
    }
}

/// The Node SDK: batches of a thousand ready-made messages, with no source, no store and no cursor.
pub(super) fn node(context: &Context, stage: &Stage, table: &mut Table, bench: &'static str, ours: f64) {
    let done = node_modules(context).and_then(|modules| {
        if stage.port() != 443 {
            return Err("port 443 cannot be listened on, and its SDK knows no other".into());
        }
        let mut command = Command::new("node");
        command
            .arg(context.root.join("bench/node_batch.js"))
            .env("NODE_PATH", modules)
            .env("NODE_EXTRA_CA_CERTS", stage.text("ca"))
            .env("BENCH_BATCHES", if context.quick { "50" } else { "300" });
        per_second(hub(&mut command, stage), stage)
    });
    match done {
        Ok(done) => {
            table
                .add(
                    bench,
                    "azure-iot-device-http, sendEventBatch",
                    done.per_second,
                    "/s",
                )
                .note(
                    "npm; 1 000 one-reading messages a request; sends only: no source, no store, no cursor; median of 3",
                );
            table.ratio(bench, "azure-iot-device-http", ours, done.per_second);
        }
        Err(error) => table.failed("azure-iot-device-http", &*error),
    }
}

/// The old `connector.py`: for each tick a new client that reads one reader and sends one message. As it is, over MQTT with
/// the Python SDK, and the same work over HTTPS.
pub(super) fn connector(context: &Context, stage: &Stage, table: &mut Table, bench: &'static str, ours: f64) {
    let shapes = [
        (
            "connector.py shape over MQTT",
            "connector_shape_mqtt.py",
            "PyPI azure-iot-device, new client each tick, no store; median of 3",
        ),
        (
            "connector.py shape over HTTPS",
            "connector_shape.py",
            "PyPI requests, own SAS, new client each tick, no store; median of 3",
        ),
    ];
    for (name, script, note) in shapes {
        let done = python(context).and_then(|python| {
            if name.ends_with("MQTT") && stage.mqtt_port() != 8883 {
                return Err("port 8883 cannot be listened on, and its SDK knows no other".into());
            }
            let mut command = Command::new(python);
            command
                .arg(context.root.join("bench").join(script))
                .env("BENCH_READER", stage.text("reader"))
                .env("BENCH_TICKS", if context.quick { "200" } else { "1000" });
            median_of_three(hub(&mut command, stage), stage)
        });
        match done {
            Ok(done) => {
                table.add(bench, name, done.per_second, "ticks/s").note(note);
                table
                    .ratio(bench, name, ours, done.per_second)
                    .target(Target::AtLeast(15.0));
            }
            Err(error) => table.failed(name, &*error),
        }
    }
}

/// What a peer did.
struct Done {
    per_second: f64,
    count: u64,
}

/// Short runs meet more noise.
fn median_of_three(command: &mut Command, stage: &Stage) -> Outcome<Done> {
    let mut runs = Vec::new();
    let mut count = 0;
    for _ in 0..3 {
        let done = per_second(command, stage)?;
        runs.push(done.per_second);
        count = done.count;
    }
    Ok(Done {
        per_second: median(runs),
        count,
    })
}

/// Runs a peer, which tells `{"count":…,"seconds":…}` in its last line, and believes it only if the hub has taken something.
fn per_second(command: &mut Command, stage: &Stage) -> Outcome<Done> {
    let before = stage.arrived()?;
    let output = command.stderr(Stdio::piped()).output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let Some(last) = told.lines().last().filter(|_| output.status.success()) else {
        let error = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = error.lines().rev().take(3).collect();
        return Err(format!("{}: {}", output.status, last.join(" / ")).into());
    };
    let told: Value = serde_json::from_str(last)?;
    let count = told["count"].as_u64().ok_or("it told no count")?;
    let seconds = told["seconds"].as_f64().ok_or("it told no time")?;
    if stage.arrived()?.since(before).bytes < count * 20 {
        return Err("the hub has not taken what it told".into());
    }
    Ok(Done {
        per_second: count as f64 / seconds,
        count,
    })
}

fn hub<'a>(command: &'a mut Command, stage: &Stage) -> &'a mut Command {
    command
        .env("BENCH_CONNECTION_STRING", stage.connection_string())
        .env("BENCH_PORT", stage.port().to_string())
        .env("REQUESTS_CA_BUNDLE", stage.text("ca"))
}

/// Whether a program can be started.
pub(super) fn is_there(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// The Python of the benchmarks' own environment, made when it is first needed.
pub(super) fn python(context: &Context) -> Outcome<PathBuf> {
    let folder = context.root.join("target/bench/venv");
    let python = folder.join("bin/python");
    let wanted = context.root.join("bench/requirements.txt");
    if !is_installed(&folder, &wanted) {
        done(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        done(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(&wanted),
        )?;
        std::fs::copy(&wanted, folder.join(MARK))?;
    }
    Ok(python)
}

/// The Node modules, the same way.
fn node_modules(context: &Context) -> Outcome<PathBuf> {
    let folder = context.root.join("target/bench/node");
    let wanted = context.root.join("bench/package.json");
    if !is_installed(&folder, &wanted) {
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(&wanted, folder.join("package.json"))?;
        done(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--silent"])
                .current_dir(&folder),
        )?;
        std::fs::copy(&wanted, folder.join(MARK))?;
    }
    Ok(folder.join("node_modules"))
}

/// The list that was installed last.
const MARK: &str = "installed";

fn is_installed(folder: &std::path::Path, wanted: &std::path::Path) -> bool {
    let text = |path: PathBuf| std::fs::read(path).ok();
    let installed = text(folder.join(MARK));
    installed.is_some() && installed == text(wanted.to_owned())
}

fn done(command: &mut Command) -> Outcome<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}").into())
    }
}
