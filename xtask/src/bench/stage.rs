//! The emulators that a measurement runs against, in one process of their own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::run::{self, Running};
use super::{Context, Outcome, http};

/// Hub, backend and readers.
pub(super) struct Stage {
    process: Running,
    address: Value,
}

/// What a stage is set up with.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene<'a> {
    /// Sites `rows-N`.
    pub(super) rows: &'a [u64],
    /// Rows of the site `quarters`.
    pub(super) quarters: u64,
    /// Number of readers.
    pub(super) readers: u32,
    /// Keep what arrives, to look at it.
    pub(super) keep: bool,
}

/// What has arrived at the hub so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrived {
    pub(super) requests: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Stage {
    /// Starts one; on ports 443 and, for MQTT, 8883, where that is allowed and free.
    pub(super) fn start(context: &Context, scene: &Scene<'_>) -> Outcome<Self> {
        let port = |usual: u16| TcpListener::bind(("127.0.0.1", usual)).map_or(0, |_| usual);
        Self::start_on(context, scene, port(443), port(8883))
            .or_else(|_| Self::start_on(context, scene, 0, 0))
    }

    fn start_on(context: &Context, scene: &Scene<'_>, port: u16, mqtt: u16) -> Outcome<Self> {
        let rows: Vec<String> = scene.rows.iter().map(u64::to_string).collect();
        let mut command = Command::new(context.binary("emulator"));
        command
            .args(["measure", "stage", "--port", &port.to_string()])
            .args(["--mqtt-port", &mqtt.to_string()])
            .args([
                "--readers",
                &scene.readers.max(1).to_string(),
                "--quarters",
                &scene.quarters.to_string(),
            ])
            .arg("--dir")
            .arg(context.fresh("stage-")?);
        if !rows.is_empty() {
            command.args(["--rows", &rows.join(",")]);
        }
        if scene.keep {
            command.arg("--keep");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Each connection that the hub closes would be told of between the figures.
        command.env("RUST_LOG", "error");
        if port != 0 {
            command.stderr(Stdio::null());
        }
        let mut child = command.spawn()?;
        let out = child.stdout.take();
        let process = Running(child);
        let mut line = String::new();
        BufReader::new(out.ok_or("no output")?).read_line(&mut line)?;
        let address = serde_json::from_str(&line).map_err(|_| "the emulators did not start")?;
        Ok(Self { process, address })
    }

    /// One of the texts that the stage told.
    pub(super) fn text(&self, name: &str) -> &str {
        self.address[name].as_str().unwrap_or_default()
    }

    /// When the rows of a site begin, as sources.toml wants it.
    pub(super) fn start_of(&self, site: &str) -> &str {
        self.address["starts"][site].as_str().unwrap_or_default()
    }

    /// The hub's port.
    pub(super) fn port(&self) -> u16 {
        self.address["port"]
            .as_u64()
            .and_then(|port| port.try_into().ok())
            .unwrap_or_default()
    }

    /// The hub's port for MQTT.
    pub(super) fn mqtt_port(&self) -> u64 {
        self.address["mqtt"].as_u64().unwrap_or_default()
    }

    /// The device's connection string.
    pub(super) fn connection_string(&self) -> String {
        format!(
            "HostName={};DeviceId={};SharedAccessKey={}",
            self.text("host"),
            self.text("device"),
            self.text("key")
        )
    }

    /// What has arrived so far.
    pub(super) fn arrived(&self) -> Outcome<Arrived> {
        let stats: Value = serde_json::from_str(&self.control("/stats")?)?;
        let count = |name: &str| stats[name].as_u64().unwrap_or_default();
        Ok(Arrived {
            requests: count("requests"),
            messages: count("messages"),
            bytes: count("bytes"),
        })
    }

    /// The messages kept with a number above `after`.
    pub(super) fn kept(&self, after: u64) -> Outcome<Vec<Value>> {
        let feed: Value = serde_json::from_str(&self.control(&format!("/feed?after={after}&limit=100000"))?)?;
        Ok(feed["messages"].as_array().cloned().unwrap_or_default())
    }

    /// Processor time the emulators have taken.
    pub(super) fn cpu(&self) -> Duration {
        run::cpu(self.process.0.id()).unwrap_or_default()
    }

    fn control(&self, path: &str) -> Outcome<String> {
        let address: SocketAddr = self.text("control").parse()?;
        http::call(address, "GET", path, "")
    }
}

impl Arrived {
    /// What came since.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            messages: self.messages - before.messages,
            bytes: self.bytes - before.bytes,
        }
    }
}
