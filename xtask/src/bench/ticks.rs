//! Many sources: readers with one reading each, all due, polled in one call of TimerPoll as the Functions host makes it.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::handler::Handler;
use super::run::{Running, cpu, median, memory};
use super::stage::{Scene, Stage};
use super::table::{Table, Target};
use super::{Context, Outcome, http, peers};

const BENCH: &str = "ticks";
/// What the host's timer sends; without a status, this very second is due.
const CALL: &str = r#"{"Data":{"timer":{"IsPastDue":false}},"Metadata":{}}"#;

/// One call of TimerPoll.
struct Round {
    wall: f64,
    cpu: f64,
}

pub(super) fn measure(context: &Context, table: &mut Table) -> Outcome<()> {
    let stage = Stage::start(
        context,
        &Scene {
            readers: 10_000,
            ..Scene::default()
        },
    )?;
    let (rounds, large) = if context.quick { (3, 2_000) } else { (5, 10_000) };
    let (done, peak) = poll(context, &stage, 1_000, rounds)?;
    // The first creates every source's state.
    let first = done.first().map_or(f64::NAN, |round| round.wall);
    let later: Vec<f64> = done.iter().skip(1).map(|round| round.wall).collect();
    let spent: Vec<f64> = done.iter().skip(1).map(|round| round.cpu).collect();
    let ours = 1_000.0 / median(later);
    table
        .add(BENCH, "1000 readers due", ours, "ticks/s")
        .target(Target::AtLeast(2_000.0))
        .note(format!(
            "POST /TimerPoll, one answer, one message and three commits a tick; median of {}; {:.2} ms of processor a tick",
            rounds - 1,
            median(spent)
        ));
    table
        .add(BENCH, "… their first round", 1_000.0 / first, "ticks/s")
        .note("makes their states");
    table.add(BENCH, "… peak memory", peak, "MB").note("VmHWM");
    let (done, peak) = poll(context, &stage, large, 2)?;
    for (round, name) in done.iter().zip(["first round", "next round"]) {
        table
            .add(BENCH, format!("{large} readers due, {name}"), round.wall, "s")
            .target(Target::AtMost(60.0))
            .note(format!("{:.0} ticks/s", f64::from(large) / round.wall));
    }
    table.add(BENCH, "… peak memory", peak, "MB").note("VmHWM");
    if context.peers {
        peers::connector(context, &stage, table, BENCH, ours);
    }
    Ok(())
}

fn poll(context: &Context, stage: &Stage, readers: u32, rounds: u32) -> Outcome<(Vec<Round>, f64)> {
    let sources: String = (0..readers).map(|number| source(stage, number)).collect();
    let handler = Handler::new(context, Some(stage), &sources)?
        .with("TICK_SECONDS", &110)
        // A reader that is asked each second is warned of.
        .with("LOG_LEVEL", &"error");
    let address = SocketAddr::from(([127, 0, 0, 1], http::free_port()?));
    let mut command = handler.command(&["serve", "--port", &address.port().to_string()]);
    command.stdout(Stdio::null());
    let process = Running(command.spawn()?);
    let pid = process.0.id();
    ready(address)?;
    let mut done = Vec::new();
    for _ in 0..rounds {
        let before = (stage.arrived()?, cpu(pid).unwrap_or_default(), Instant::now());
        http::call(address, "POST", "/TimerPoll", CALL)?;
        let wall = before.2.elapsed().as_secs_f64();
        let spent = cpu(pid).unwrap_or_default() - before.1;
        let arrived = stage.arrived()?.since(before.0);
        if arrived.messages != u64::from(readers) {
            return Err(format!("{} of {readers} readings arrived", arrived.messages).into());
        }
        done.push(Round {
            wall,
            cpu: spent.as_secs_f64() * 1_000.0 / f64::from(readers),
        });
        // Every reader is due again, wherever in its second it stands.
        std::thread::sleep(Duration::from_millis(2_100));
    }
    let peak = memory(pid, "VmHWM").unwrap_or_default() as f64 / (1024.0 * 1024.0);
    Ok((done, peak))
}

/// Waits until the handler has answered.
pub(super) fn ready(address: SocketAddr) -> Outcome<()> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        if http::exchange(address, "GET", "/", "").is_ok_and(|answer| answer.starts_with("HTTP/1.1 ")) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err("the handler does not answer".into())
}

/// One reader, of which one value is read.
fn source(stage: &Stage, number: u32) -> String {
    format!(
        "[[source]]\nid = \"reader-{number:05}\"\nkind = \"tasmota\"\nurl = \"{}{number}\"\nzone = \"Etc/GMT-1\"\n\
         every = \"1s\"\nchannels = {{ \"/SML/Total_in\" = \"1-0:1.8.0*255\" }}\n\n",
        stage.text("reader")
    )
}
