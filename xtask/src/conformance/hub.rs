//! The emulated hub: started as people start it, asked over its control API what arrived.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::failure::Failure;
use crate::process::{Background, Program};
use crate::project::Project;

/// The port that Microsoft's SDKs dial, and no other.
const HTTPS: u16 = 443;

/// The device that the scripts use.
const DEVICE: &str = "conformance";

/// A running hub with its DPS; ends when dropped.
pub(super) struct Hub {
    /// Where it listens for HTTPS.
    pub(super) port: u16,
    /// PEM file of the authority to trust.
    pub(super) trust: PathBuf,
    /// The device's connection string.
    pub(super) device: String,
    id_scope: String,
    group_key: String,
    control: String,
    _running: Background,
}

/// A message of the feed, as the control API shows it.
pub(super) type Arrived = Value;

impl Hub {
    /// Starts a hub with keys of its own below `directory`, on port 443 where that can be had.
    pub(super) fn start(project: &Project, directory: &Path) -> Result<Self, Failure> {
        let port = TcpListener::bind(("127.0.0.1", HTTPS)).map_or(0, |_| HTTPS);
        let mut running = project
            .program(project.target.join("debug/emulator"))
            .args([
                "hub",
                "--quiet",
                "--dps-port=0",
                "--control-port=0",
                "--device",
                DEVICE,
            ])
            .args([
                format!("--port={port}"),
                format!("--dir={}", directory.join("hub").display()),
            ])
            .background()?;
        // It introduces itself, then prints an empty line.
        let lines = running.lines_until(str::is_empty)?;
        let field = |name: &str| {
            let line = lines
                .iter()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim);
            line.ok_or_else(|| Failure::Check(format!("The hub prints no line {name}: {lines:?}")))
        };
        let between = |text: &str, before: &str, after: &str| {
            let found = text
                .split_once(before)
                .map(|(_, rest)| rest.split(after).next().unwrap_or(rest));
            found
                .map(str::to_owned)
                .ok_or_else(|| Failure::Check(format!("No {before} in {text}")))
        };
        let port = between(field("hub ")?, "localhost:", " ")?;
        Ok(Self {
            port: port
                .parse()
                .map_err(|_| Failure::Check(format!("{port} is no port")))?,
            trust: field("trust ")?.into(),
            device: field("device ")?.to_owned(),
            id_scope: between(field("dps ")?, "(id scope ", ")")?,
            group_key: between(field("group ")?, "key ", " ")?,
            control: between(field("control ")?, "http://", " ")?,
            _running: running,
        })
    }

    /// Tells a script where the hub is.
    pub(super) fn tell(&self, script: Program) -> Program {
        script
            .env("HUB_DEVICE", &self.device)
            .env("HUB_CONTROL", format!("http://{}", self.control))
            .env("HUB_CA", &self.trust)
            .env("HUB_HTTPS_PORT", self.port.to_string())
            .env("DPS_HOST", "localhost")
            .env("DPS_ID_SCOPE", &self.id_scope)
            .env("DPS_GROUP_KEY", &self.group_key)
            .env("NODE_EXTRA_CA_CERTS", &self.trust)
            .env("NO_PROXY", "localhost,127.0.0.1")
    }

    /// What Node has to load first where the hub is not on port 443.
    pub(super) fn remap(&self, scripts: &Path) -> Option<PathBuf> {
        (self.port != HTTPS).then(|| scripts.join("port.js"))
    }

    /// The same for people.
    pub(super) fn how_node_reaches_it(&self) -> &'static str {
        if self.port == HTTPS {
            "which every SDK dials"
        } else {
            "which Node gets to through port.js"
        }
    }

    /// All messages that arrived.
    pub(super) fn arrived(&self) -> Result<Vec<Arrived>, Failure> {
        let text = get(&self.control, "/feed?limit=1000000")
            .map_err(|error| Failure::Check(format!("The hub's control API at {}: {error}", self.control)))?;
        let mut feed: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::Check(format!("The hub's feed is not JSON: {error}")))?;
        match feed["messages"].take() {
            Value::Array(messages) => Ok(messages),
            other => Err(Failure::Check(format!(
                "The hub's feed has no messages but {other}"
            ))),
        }
    }
}

/// The body of a plain `GET` on loopback.
fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        _ => Err(std::io::Error::other(
            answer.lines().next().unwrap_or("no answer").to_owned(),
        )),
    }
}
