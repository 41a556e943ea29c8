//! From exec to the first HTTP answer, and memory at rest.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::handler::Handler;
use super::run::{Running, median, memory};
use super::table::{Table, Target};
use super::{Context, Outcome, http, peers};

const BENCH: &str = "cold-start";

pub(super) fn measure(context: &Context, table: &mut Table) -> Outcome<()> {
    let runs = if context.quick { 5 } else { 25 };
    let empty = Handler::new(context, None, "")?;
    let ten = Handler::new(context, None, &sources(10))?;
    let mut handlers = vec![(empty, "no source", 10.0), (ten, "10 sources", 10.0)];
    if context.packaged {
        let packaged = Handler::new(context, None, &sources(10))?.packaged(context);
        handlers.push((packaged, "packaged, 10 sources", 15.0));
        sizes(context, table)?;
    }
    for (handler, name, most) in handlers {
        let (first, rest) = starts(runs, |port| {
            Ok(handler.command(&["serve", "--port", &port.to_string()]))
        })?;
        table
            .add(BENCH, format!("exec to first answer, {name}"), first, "ms")
            .target(Target::AtMost(most))
            .note(format!("median of {runs}, the binary in the page cache"));
        table
            .add(BENCH, format!("idle memory, {name}"), rest, "MB")
            .target(Target::AtMost(15.0))
            .note("VmRSS after 2 s");
    }
    if context.peers {
        node(context, table, runs)?;
    }
    Ok(())
}

/// What is deployed, in megabytes.
fn sizes(context: &Context, table: &mut Table) -> Outcome<()> {
    let megabytes = |name: &str| -> Outcome<f64> {
        let size = std::fs::metadata(context.root.join(name))?.len();
        Ok(size as f64 / (1024.0 * 1024.0))
    };
    table.add(BENCH, "packaged handler", megabytes("dist/meterbridge")?, "MB");
    table
        .add(BENCH, "dist.zip", megabytes("dist.zip")?, "MB")
        .target(Target::AtMost(10.0));
    Ok(())
}

/// What a handler on Node cannot be faster than: a server of five lines without any package.
fn node(context: &Context, table: &mut Table, runs: u32) -> Outcome<()> {
    if !peers::is_there("node") {
        return Ok(());
    }
    let script = context.root.join("bench/server.js");
    let (first, rest) = starts(runs, |port| Ok(node_server(&script, port)))?;
    table
        .add(BENCH, "bare Node server, exec to first answer", first, "ms")
        .note("no package loaded");
    table
        .add(BENCH, "bare Node server, idle memory", rest, "MB")
        .note("VmRSS after 2 s");
    Ok(())
}

fn node_server(script: &Path, port: u16) -> Command {
    let mut command = Command::new("node");
    command.arg(script).arg(port.to_string());
    command
}

/// Median of the times to the first answer in milliseconds, and memory of the last one at rest in megabytes.
fn starts(runs: u32, command: impl Fn(u16) -> Outcome<Command>) -> Outcome<(f64, f64)> {
    let mut times = Vec::new();
    let mut rest = 0;
    for run in 0..runs {
        let address = SocketAddr::from(([127, 0, 0, 1], http::free_port()?));
        let mut command = command(address.port())?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let process = Running(command.spawn()?);
        answer(address, began)?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
        if run + 1 == runs {
            std::thread::sleep(Duration::from_secs(2));
            rest = memory(process.0.id(), "VmRSS").unwrap_or_default();
        }
    }
    Ok((median(times), rest as f64 / (1024.0 * 1024.0)))
}

/// Asks as the host's probe does until the first byte of an answer is here.
fn answer(address: SocketAddr, began: Instant) -> Outcome<()> {
    while began.elapsed() < Duration::from_secs(10) {
        if let Ok(mut stream) = TcpStream::connect(address) {
            write!(
                stream,
                "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
            )?;
            stream.read_exact(&mut [0])?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Err("no answer within ten seconds".into())
}

fn sources(count: u32) -> String {
    (0..count)
        .map(|number| {
            format!("[[source]]\nid = \"s{number}\"\nkind = \"tasmota\"\nurl = \"http://192.0.2.{number}\"\nevery = \"60s\"\n\n")
        })
        .collect()
}
