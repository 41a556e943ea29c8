//! How much the emulated hub bears, beside mosquitto: connections held, messages taken, memory. The same client program drives both,
//! in one run on one machine, with whole TLS 1.3 handshakes and certificates of one kind.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::run::{Running, cpu, memory};
use super::table::{Table, Target};
use super::{Context, Outcome, http};

const BENCH: &str = "hub";
/// Devices that send, and messages of one that are unconfirmed at once.
const SENDERS: &str = "100";
const WINDOW: &str = "16";
/// Bytes of each body: about one reading.
const BODY: &str = "200";

/// A broker that is measured.
struct Broker {
    process: Running,
    /// Addresses on loopback.
    mqtt: String,
    https: Option<String>,
    ca: PathBuf,
    /// What the devices' keys derive from.
    key: String,
}

/// What a broker came to.
#[derive(Default)]
struct Borne {
    connects: f64,
    /// Bytes of memory for each idle connection.
    connection: f64,
    messages: f64,
}

pub(super) fn measure(context: &Context, table: &mut Table) -> Outcome<()> {
    let ours = bear(context, table, "hub", &hub(context)?)?;
    match mosquitto(context)? {
        None => table.failed(
            "mosquitto",
            &*Box::<dyn std::error::Error>::from("it is not installed (Debian: apt-get install mosquitto)"),
        ),
        Some(broker) => {
            let theirs = bear(context, table, "mosquitto", &broker)?;
            let peer = |what: &str| format!("mosquitto, {what}");
            table.ratio(BENCH, &peer("connects a second"), ours.connects, theirs.connects);
            let note = "smaller is better; mosquitto keeps no twin, queue or counters of a device and checks no token";
            let memory = table.ratio(
                BENCH,
                &peer("memory a connection"),
                ours.connection,
                theirs.connection,
            );
            memory.note(note);
            table.ratio(BENCH, &peer("messages a second"), ours.messages, theirs.messages);
        }
    }
    Ok(())
}

fn bear(context: &Context, table: &mut Table, name: &str, broker: &Broker) -> Outcome<Borne> {
    let mut borne = Borne::default();
    let count = if context.quick { 2_000 } else { 10_000 };
    let rest = broker.memory();
    table
        .add(BENCH, format!("{name}: memory at rest"), rest / 1e6, "MB")
        .note("VmRSS");
    let spent = broker.cpu();
    let mut devices = Devices::start(
        context,
        broker,
        &["--mqtt", &broker.mqtt, "--count", &count.to_string()],
    )?;
    let connected = devices.told()?;
    borne.connects = f64::from(count) / seconds(&connected);
    borne.connection = (broker.memory() - rest) / f64::from(count);
    table
        .add(
            BENCH,
            format!("{name}: {count} devices connect"),
            borne.connects,
            "/s",
        )
        .note(format!(
            "whole TLS 1.3 handshakes, 64 at once; {:.2} ms of the broker's processor each",
            (broker.cpu() - spent).as_secs_f64() * 1e3 / f64::from(count)
        ));
    table
        .add(
            BENCH,
            format!("{name}: memory an idle connection"),
            borne.connection / 1024.0,
            "KB",
        )
        .note("growth of VmRSS; what the kernel keeps of a socket is not in it");
    let alive = devices.told()?["alive"].as_f64().unwrap_or_default();
    table
        .add(BENCH, format!("{name}: … still answer"), alive, "devices")
        .target(Target::AtLeast(f64::from(count)))
        .note("PINGREQ over each");
    drop(devices);

    let messages = if context.quick { 100_000 } else { 400_000 };
    let load = [
        "--count",
        SENDERS,
        "--messages",
        &messages.to_string(),
        "--bytes",
        BODY,
        "--window",
        WINDOW,
    ];
    let mut devices = Devices::start(context, broker, &[&["--mqtt", &broker.mqtt], &load[..]].concat())?;
    devices.told()?;
    let spent = broker.cpu();
    borne.messages = f64::from(messages) / seconds(&devices.told()?);
    table
        .add(BENCH, format!("{name}: MQTT messages, QoS 1"), borne.messages, "/s")
        .note(format!(
            "{BODY} bytes, {SENDERS} devices with {WINDOW} unconfirmed; {:.1} µs of the broker's processor each",
            (broker.cpu() - spent).as_secs_f64() * 1e6 / f64::from(messages)
        ));
    table.add(
        BENCH,
        format!("{name}: memory afterwards"),
        broker.memory() / 1e6,
        "MB",
    );
    drop(devices);

    if let Some(https) = &broker.https {
        let messages = messages / 10;
        let load = [
            "--https",
            https,
            "--count",
            "32",
            "--messages",
            &messages.to_string(),
            "--bytes",
            BODY,
        ];
        let spent = broker.cpu();
        let rate = f64::from(messages) / seconds(&Devices::start(context, broker, &load)?.told()?);
        table
            .add(BENCH, format!("{name}: HTTPS messages"), rate, "/s")
            .note(format!(
                "32 devices, one request at a time each; {:.1} µs of the hub's processor each",
                (broker.cpu() - spent).as_secs_f64() * 1e6 / f64::from(messages)
            ));
        table.add(
            BENCH,
            format!("{name}: memory afterwards"),
            broker.memory() / 1e6,
            "MB",
        );
    }
    Ok(borne)
}

fn seconds(told: &Value) -> f64 {
    told["seconds"].as_f64().unwrap_or(f64::NAN)
}

impl Broker {
    fn memory(&self) -> f64 {
        // What the allocator gives back, it gives back within moments of the last device's end.
        std::thread::sleep(Duration::from_millis(300));
        memory(self.process.0.id(), "VmRSS").map_or(f64::NAN, |bytes| bytes as f64)
    }

    fn cpu(&self) -> Duration {
        cpu(self.process.0.id()).unwrap_or_default()
    }
}

/// The hub as people start it, but for what it prints.
fn hub(context: &Context) -> Outcome<Broker> {
    let folder = context.fresh("load-hub-")?;
    let mut child = Command::new(context.binary("emulator"))
        .args([
            "hub",
            "--quiet",
            "--auto-create",
            "--port=0",
            "--mqtt-port=0",
            "--amqp-port=0",
            "--dps-port=0",
            "--control-port=0",
        ])
        .arg("--dir")
        .arg(&folder)
        // Each connection that the hub closes would be told of between the figures.
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().ok_or("no output")?;
    let mut broker = Broker {
        process: Running(child),
        mqtt: String::new(),
        https: None,
        ca: folder.join("ca.pem"),
        key: String::new(),
    };
    // One line each, `name  value`, up to an empty one.
    for line in BufReader::new(out).lines() {
        let line = line?;
        let address = |text: &str| {
            text.rsplit(':')
                .next()
                .map(|port| format!("127.0.0.1:{}", port.trim()))
        };
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["hub", url, ..] => broker.https = address(url),
            ["mqtt", url, ..] => broker.mqtt = address(url).unwrap_or_default(),
            ["group", .., key] => (*key).clone_into(&mut broker.key),
            [] => break,
            _ => {}
        }
    }
    if broker.mqtt.is_empty() || broker.key.is_empty() {
        return Err("the hub did not say where it listens".into());
    }
    Ok(broker)
}

/// mosquitto with TLS and nothing kept; `None` if it is not installed.
fn mosquitto(context: &Context) -> Outcome<Option<Broker>> {
    let known = [
        "/usr/sbin/mosquitto",
        "/usr/local/sbin/mosquitto",
        "/opt/homebrew/sbin/mosquitto",
    ];
    let Some(program) = known.into_iter().map(Path::new).find(|path| path.exists()) else {
        return Ok(None);
    };
    let folder = context.fresh("load-mosquitto-")?;
    let made = Command::new(context.binary("emulator"))
        .args(["measure", "certificate", "--dir"])
        .arg(&folder)
        .status()?;
    if !made.success() {
        return Err("no certificate for mosquitto".into());
    }
    let port = http::free_port()?;
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let settings = format!(
        "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n\
         certfile {}\nkeyfile {}\n",
        cert.display(),
        key.display()
    );
    let file = folder.join("mosquitto.conf");
    std::fs::write(&file, settings)?;
    let child = Command::new(program)
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .spawn()?;
    let broker = Broker {
        process: Running(child),
        mqtt: format!("127.0.0.1:{port}"),
        https: None,
        ca: cert,
        // It asks for no token; the devices send theirs all the same.
        key: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
    };
    let began = Instant::now();
    while std::net::TcpStream::connect(&broker.mqtt).is_err() {
        if began.elapsed() > Duration::from_secs(10) {
            return Err("mosquitto does not listen".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Some(broker))
}

/// The load client: it tells what it measured and then waits to be let on.
struct Devices {
    process: Running,
    told: BufReader<std::process::ChildStdout>,
    waits: bool,
}

impl Devices {
    fn start(context: &Context, broker: &Broker, options: &[&str]) -> Outcome<Self> {
        let mut child: Child = Command::new(context.binary("emulator"))
            .args(["measure", "devices"])
            .args(options)
            .arg("--ca")
            .arg(&broker.ca)
            .env("BENCH_KEY", &broker.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        Ok(Self {
            process: Running(child),
            told: BufReader::new(out),
            waits: false,
        })
    }

    /// The next measurement.
    fn told(&mut self) -> Outcome<Value> {
        if self.waits {
            let go_on = self.process.0.stdin.as_mut().ok_or("no input")?;
            writeln!(go_on)?;
        }
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        self.waits = true;
        serde_json::from_str(&line).map_err(|_| "the load client ended; see its words above".into())
    }
}
