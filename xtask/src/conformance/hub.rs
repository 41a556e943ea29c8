//! The emulated hub: started as people start it, asked over its control API what arrived.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::failure::Failure;
use crate::process::{Background, Program};
use crate::project::Project;

/// The ports that Microsoft's SDKs dial, and no others.
const HTTPS: u16 = 443;
const MQTT: u16 = 8883;
const AMQP: u16 = 5671;

/// The device that the scripts use.
const DEVICE: &str = "conformance";

/// The model that the IoT Central application has a template for; `tests/conformance/central.py` names it, too.
const MODEL: &str = "dtmi:com:example:Meter;1";

/// Devices with certificates, and whether each has signed its own: `tests/conformance/certificates.js` uses them.
const CERTIFICATES: [(&str, bool); 4] = [
    ("by-thumbprint", true),
    ("by-authority", false),
    ("dps-own", true),
    ("dps-member", false),
];

/// A running hub with its DPS; ends when dropped.
pub(crate) struct Hub {
    /// Where it listens for HTTPS.
    pub(super) port: u16,
    /// Where it listens for MQTT.
    pub(super) mqtt: u16,
    /// Where it listens for AMQP.
    pub(super) amqp: u16,
    /// Its name, and that of the DPS.
    pub(super) name: String,
    /// PEM file of the authority to trust.
    pub(super) trust: PathBuf,
    /// The device's connection string.
    pub(super) device: String,
    /// That of the policy which may do everything.
    owner: String,
    id_scope: String,
    /// Connection string of the DPS's owner.
    dps_owner: String,
    /// Where [`CERTIFICATES`] are.
    certificates: PathBuf,
    group_key: String,
    control: String,
    _running: Background,
}

/// A message of the feed, as the control API shows it.
pub(super) type Arrived = Value;

impl Hub {
    /// Starts a hub with keys of its own below `directory`, on ports 443, 8883 and 5671 where they can be had.
    pub(crate) fn start(project: &Project, directory: &Path) -> Result<Self, Failure> {
        Self::start_with(project, directory, &[], &[])
    }

    /// The same as part of an IoT Central application, which knows one model and approves nobody by itself.
    pub(super) fn start_central(project: &Project, directory: &Path) -> Result<Self, Failure> {
        let template = format!("--template={MODEL}");
        Self::start_with(
            project,
            directory,
            &["--profile=iot-central", "--approval", &template],
            &[],
        )
    }

    /// The same with more arguments, and with an environment.
    pub(super) fn start_with(
        project: &Project,
        directory: &Path,
        more: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let place = Place::find();
        let program = project
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
                format!("--bind={}", place.address),
                format!("--host-name={}", place.name()),
                format!("--port={}", place.https),
                format!("--mqtt-port={}", place.mqtt),
                format!("--amqp-port={}", place.amqp),
                format!("--dir={}", directory.join("hub").display()),
            ])
            .args(more)
            // It tells of every client that it turns away, which is what many operations are about.
            .env("RUST_LOG", "error");
        let mut running = environment
            .iter()
            .fold(program, |program, (name, value)| program.env(name, value))
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
        let port = |name: &str, scheme: &str| {
            let text = between(field(name)?, &format!("{scheme}://{}:", place.name()), " ")?;
            let port = text.parse();
            port.map_err(|_| Failure::Check(format!("{text} is no port")))
        };
        Ok(Self {
            port: port("hub ", "https")?,
            mqtt: port("mqtt ", "mqtts")?,
            amqp: port("amqp ", "amqps")?,
            name: place.name(),
            trust: field("trust ")?.into(),
            device: field("device ")?.to_owned(),
            owner: field("owner ")?.to_owned(),
            dps_owner: field("dps owner ")?.to_owned(),
            certificates: certificates(project, directory)?,
            id_scope: between(field("dps ")?, "(id scope ", ")")?,
            group_key: between(field("group ")?, "key ", " ")?,
            control: between(field("control ")?, "http://", " ")?,
            _running: running,
        })
    }

    /// Tells a script where the hub is.
    pub(crate) fn tell(&self, script: Program) -> Program {
        script
            .env("HUB_DEVICE", &self.device)
            .env("HUB_OWNER", &self.owner)
            .env("HUB_CONTROL", format!("http://{}", self.control))
            .env("HUB_CA", &self.trust)
            .env("HUB_HTTPS_PORT", self.port.to_string())
            .env("HUB_MQTT_PORT", self.mqtt.to_string())
            .env("HUB_CERTIFICATES", &self.certificates)
            .env("DPS_SERVICE", &self.dps_owner)
            .env("HUB_AMQP_PORT", self.amqp.to_string())
            .env("DPS_HOST", &self.name)
            .env("DPS_ID_SCOPE", &self.id_scope)
            .env("DPS_GROUP_KEY", &self.group_key)
            .env("NODE_EXTRA_CA_CERTS", &self.trust)
            .env("NO_PROXY", format!("localhost,127.0.0.1,{}", self.name))
    }

    /// What Node has to load first where the hub is not on the usual ports.
    pub(crate) fn remap(&self, scripts: &Path) -> Option<PathBuf> {
        (self.port != HTTPS || self.mqtt != MQTT || self.amqp != AMQP).then(|| scripts.join("port.js"))
    }

    /// Where it is, for people, and what to do where an SDK cannot reach it.
    pub(crate) fn told(&self) -> String {
        let mut told = format!(
            "Hub {}, HTTPS on port {}, MQTT on port {}, AMQP on port {}",
            self.name, self.port, self.mqtt, self.amqp
        );
        for (port, usual) in [(self.port, HTTPS), (self.mqtt, MQTT), (self.amqp, AMQP)] {
            if port != usual {
                told += &format!(
                    "\nPort {usual} cannot be bound on any loopback address: Node gets to the hub through port.js, Python \
                     does not. Run as root, or `sysctl net.ipv4.ip_unprivileged_port_start=443`."
                );
            }
        }
        told
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

/// Makes the certificates of [`CERTIFICATES`] with the hub's authority; returns where they are.
fn certificates(project: &Project, directory: &Path) -> Result<PathBuf, Failure> {
    let out = directory.join("certificates");
    for (id, self_signed) in CERTIFICATES {
        let program = project
            .program(project.target.join("debug/emulator"))
            .args(["certificate", id])
            .args([
                format!("--dir={}", directory.join("hub").display()),
                format!("--out={}", out.display()),
            ]);
        let program = if self_signed {
            program.args(["--self-signed"])
        } else {
            program
        };
        program.run()?;
    }
    Ok(out)
}

/// Where the hub is to listen.
struct Place {
    address: IpAddr,
    https: u16,
    mqtt: u16,
    amqp: u16,
}

impl Place {
    /// The first loopback address whose ports are free; 0 for a port that none has. On Linux all of 127.0.0.0/8 is
    /// loopback, so that several runs, or another broker, do not stand in each other's way.
    fn find() -> Self {
        let places = (1..=20).map(|last| {
            let address = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
            let free = |port| TcpListener::bind((address, port)).map_or(0, |_| port);
            Self {
                address,
                https: free(HTTPS),
                mqtt: free(MQTT),
                amqp: free(AMQP),
            }
        });
        let mut best: Option<Self> = None;
        for place in places {
            let had = best.as_ref().map_or(-1, Self::usual_ports);
            if place.usual_ports() > had {
                best = Some(place);
            }
        }
        best.unwrap_or(Self {
            address: Ipv4Addr::LOCALHOST.into(),
            https: 0,
            mqtt: 0,
            amqp: 0,
        })
    }

    fn usual_ports(&self) -> i32 {
        [self.https, self.mqtt, self.amqp]
            .map(|port| i32::from(port != 0))
            .iter()
            .sum()
    }

    /// What clients call the hub.
    fn name(&self) -> String {
        if self.address == Ipv4Addr::LOCALHOST {
            "localhost".to_owned()
        } else {
            self.address.to_string()
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
