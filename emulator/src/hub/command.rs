//! Hub and DPS at the command line.

mod examples;
mod line;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use examples::EXAMPLES;

use super::registry::is_device_id;
use super::{
    BadRate, BadRoutes, BadRules, Device, Hub, HubOptions, Key, KeyError, Limits, Operation, Policy, Rate,
    Routes, Rule, StartError, Tier,
};
use crate::dps::{self, Central, Dps, DpsOptions, Group};
use crate::tls::{self, Authority, Certificate};
use line::line;

/// Azure IoT Hub and DPS on loopback: devices over HTTPS and MQTT, services over HTTPS and AMQP.
///
/// Keys and certificates are made at the first start and kept in --dir, so that connection strings stay the
/// same. Arriving messages are shown, one a line, until Ctrl-C.
#[derive(Debug, Clone, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Port of the hub (HTTPS); 0 takes a free one.
    #[arg(long, default_value_t = 8443)]
    pub port: u16,
    /// Port of hub and DPS (MQTT over TLS); SDKs dial 8883. 0 takes a free one.
    #[arg(long, default_value_t = 8883)]
    pub mqtt_port: u16,
    /// Port of the hub for back ends (AMQP over TLS); SDKs dial 5671. 0 takes a free one.
    #[arg(long, default_value_t = 5671)]
    pub amqp_port: u16,
    /// Port of the DPS (HTTPS). The hub's own port serves both, for SDKs that know port 443 only.
    #[arg(long, default_value_t = 8444)]
    pub dps_port: u16,
    /// Port of the control API (HTTP, loopback): feed, counters, faults, devices. `curl` it for a list.
    #[arg(long, default_value_t = 8445)]
    pub control_port: u16,
    /// Address to listen on for HTTPS, MQTT and AMQP.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,
    /// Where keys and certificates are kept.
    #[arg(long, default_value = ".emulator", value_name = "DIR")]
    pub dir: PathBuf,
    /// The hub's own name: HostName in connection strings, sr in tokens, assignedHub at the DPS.
    #[arg(long, default_value = "localhost", value_name = "NAME")]
    pub host_name: String,
    /// Behave like the DPS and hub of an IoT Central application: the model that a device names picks its template.
    #[arg(long, value_enum, default_value_t = Profile::IotHub)]
    pub profile: Profile,
    /// With --profile iot-central: new devices wait until somebody approves them (control API).
    #[arg(long, requires = "profile")]
    pub approval: bool,
    /// With --profile iot-central: a model that has a template; may be repeated. Without, any has.
    #[arg(long = "template", value_name = "DTMI", requires = "profile")]
    pub templates: Vec<String>,
    /// Id scope of the DPS.
    #[arg(long, default_value = "0ne00EMULATE", value_name = "SCOPE")]
    pub id_scope: String,
    /// A device to register; may be repeated.
    #[arg(long = "device", value_name = "ID", value_parser = device_id, default_values_t = ["meter-001".to_owned()])]
    pub devices: Vec<String>,
    /// Create unknown devices when they first send, with the key of the enrolment group.
    #[arg(long)]
    pub auto_create: bool,
    /// Tier: the size of a billing unit, and the limits of --limits.
    #[arg(long, value_enum, default_value_t = Tier::S1)]
    pub tier: Tier,
    /// Enforce the tier's documented rates and daily quota for so many hub units, shaped as Azure does: a burst of a
    /// minute's worth at once, then a queue of 10 s, then 429.
    #[arg(long, value_name = "UNITS")]
    pub limits: Option<u32>,
    /// Also write the files that devices upload into this directory.
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// A rate of one operation besides, such as send=5/s or query=20/min; may be repeated. Operations: send, connect, registry,
    /// query, send-to-device, receive, method (in steps of 4 KB), twin-read, twin-update, upload.
    #[arg(long = "throttle", value_name = "OPERATION=RATE", value_parser = throttle)]
    pub throttles: Vec<(Operation, Rate)>,
    /// How many times faster time passes for rates and quota: at 60, a day has 24 minutes. Tokens go by the real time.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub clock_speed: u32,
    /// Message routes to Cosmos DB containers, files and the feed (`events`), in TOML or JSON; see the example below.
    /// Without it all messages go to the feed.
    #[arg(long, value_name = "FILE")]
    pub routes: Option<PathBuf>,
    /// Keep devices, modules, twins, what waits for devices, the day's units, enrolments and registrations here, so that they
    /// survive a restart; without it they are in memory alone.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Faults from the start, as rules in TOML or JSON with probability, seed and window; see the example below.
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Print addresses and keys, and nothing of what arrives.
    #[arg(long)]
    pub quiet: bool,
}

/// What hub and DPS belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Themselves.
    IotHub,
    /// An IoT Central application.
    IotCentral,
}

impl Args {
    fn central(&self) -> Option<Central> {
        (self.profile == Profile::IotCentral).then(|| Central {
            approves: !self.approval,
            templates: (!self.templates.is_empty()).then(|| self.templates.clone()),
        })
    }
}

/// Why the command ends.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Hub or DPS does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The kept key cannot be read or written.
    #[error("cannot use {path} for the emulator's key: {source}")]
    File {
        /// The file at fault.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kept key is damaged.
    #[error("{path} holds no key ({source}); delete it and a new one is made")]
    Key {
        /// The file at fault.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The file of faults.
    #[error(transparent)]
    Faults(#[from] BadRules),
    /// The file of routes.
    #[error(transparent)]
    Routes(#[from] BadRoutes),
    /// Ctrl-C cannot be waited for, or the terminal is gone.
    #[error("the terminal is gone: {0}")]
    Terminal(#[from] io::Error),
}

impl From<tls::Error> for CommandError {
    fn from(error: tls::Error) -> Self {
        Self::Start(error.into())
    }
}

/// Runs hub and DPS, prints how to reach them and what arrives, until Ctrl-C.
pub async fn run(args: Args) -> Result<(), CommandError> {
    crate::files::raise_limit();
    let started = Started::new(&args).await?;
    let hub = &started.hub;
    let mut live = hub.subscribe();
    let mut out = io::stdout();
    started.introduce(&mut out, &args.devices)?;
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            stopped = &mut stop => {
                let stats = hub.stats();
                writeln!(out, "{} messages, {} billing units", stats.messages, stats.units)?;
                // What waits for an endpoint is written, if that does not take long.
                let _ = timeout(Duration::from_secs(5), hub.wait_for_endpoints()).await;
                return Ok(stopped?);
            }
            arrived = live.recv() => match arrived {
                Ok(message) if !args.quiet => writeln!(out, "{}", line(&message))?,
                Err(RecvError::Lagged(missed)) if !args.quiet => writeln!(out, "… {missed} more")?,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// What runs, and the key that all others derive from.
struct Started {
    hub: Hub,
    dps: Dps,
    group: Key,
}

impl Started {
    async fn new(args: &Args) -> Result<Self, CommandError> {
        let authority = Authority::load_or_create(&args.dir)?;
        let authorities = Certificate::parse(authority.ca_pem()).into_iter().collect();
        let group = load_or_create_key(&args.dir.join("group.key"))?;
        let faults = args.faults.as_deref().map(Rule::read).transpose()?;
        let environment = |name: &str| std::env::var(name).ok();
        let routes = args.routes.as_deref();
        let routes = routes.map(|path| Routes::read(path, environment)).transpose()?;
        let limits = args.limits.map(|units| Limits::documented(args.tier, units));
        let mut limits = limits.unwrap_or_default();
        for (operation, rate) in &args.throttles {
            limits.throttles = limits.throttles.with(*operation, *rate);
        }
        let policies = Policy::BUILT_IN.map(|name| policy(&group, name));
        let hub = Hub::start(HubOptions {
            bind: SocketAddr::new(args.bind, args.port),
            mqtt: Some(SocketAddr::new(args.bind, args.mqtt_port)),
            amqp: Some(SocketAddr::new(args.bind, args.amqp_port)),
            control: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, args.control_port))),
            host_name: args.host_name.clone(),
            authority: Some(authority),
            authorities,
            devices: args
                .devices
                .iter()
                .map(|id| Device::new(id, group.derive(id)))
                .collect(),
            policies: policies.to_vec(),
            auto_create: args.auto_create.then(|| group.clone()),
            tier: args.tier,
            limits,
            data: args.data.clone(),
            routes,
            faults: faults.unwrap_or_default(),
            clock_speed: args.clock_speed,
            files: args.files.clone(),
            ..HubOptions::default()
        })
        .await?;
        let enrolments = DpsOptions {
            bind: Some(SocketAddr::new(args.bind, args.dps_port)),
            id_scope: args.id_scope.clone(),
            groups: vec![Group::new("meters", group.clone())],
            policies: vec![dps_owner(&group)],
            central: args.central(),
            data: args.data.clone(),
            ..DpsOptions::default()
        };
        let dps = Dps::start(enrolments, &hub).await?;
        Ok(Self { hub, dps, group })
    }

    /// Says how to reach what runs.
    fn introduce(&self, out: &mut impl Write, devices: &[String]) -> io::Result<()> {
        let (hub, dps, group) = (&self.hub, &self.dps, &self.group);
        let name = hub.host_name();
        writeln!(out, "hub      {}  (name {name})", hub.url())?;
        if let Some(mqtt) = hub.mqtt_addr() {
            writeln!(out, "mqtt     {}", super::url("mqtts", mqtt))?;
        }
        if let Some(amqp) = hub.amqp_addr() {
            writeln!(out, "amqp     {}", super::url("amqps", amqp))?;
        }
        writeln!(out, "dps      {}  (id scope {})", dps.url(), dps.id_scope())?;
        if let Some(control) = hub.control_addr() {
            writeln!(out, "control  http://{control}")?;
        }
        if let Some(ca) = hub.authority().ca_path() {
            writeln!(out, "trust    {}", std::path::absolute(ca)?.display())?;
        }
        writeln!(out, "group    meters, key {}", group.text())?;
        let dps_owner = dps_owner(group);
        writeln!(out, "dps owner {}", dps_owner.connection_string(name))?;
        let owner = policy(group, "iothubowner");
        writeln!(out, "owner    {}", owner.connection_string(name))?;
        for device in devices.iter().filter_map(|id| hub.device(id)) {
            writeln!(out, "device   {}", device.connection_string(name))?;
        }
        writeln!(out)?;
        out.flush()
    }
}

fn policy(group: &Key, name: &str) -> Policy {
    Policy::new(name, group.derive(&format!("policy {name}")))
}

fn dps_owner(group: &Key) -> dps::Policy {
    dps::Policy::owner(group.derive("policy provisioningserviceowner"))
}

fn throttle(text: &str) -> Result<(Operation, Rate), String> {
    let (operation, rate) = text
        .split_once('=')
        .ok_or_else(|| "it is OPERATION=RATE, such as send=5/s".to_owned())?;
    let rate = rate.parse().map_err(|error: BadRate| error.to_string())?;
    let operation = Operation::from_str(operation, true)?;
    Ok((operation, rate))
}

fn device_id(text: &str) -> Result<String, String> {
    if is_device_id(text) {
        Ok(text.to_owned())
    } else {
        Err("a device id has 1 to 128 letters, digits and -:.+%_#*?!(),=@$'".to_owned())
    }
}

/// The key that all others derive from, made at the first start. Readable by the owner alone.
fn load_or_create_key(path: &Path) -> Result<Key, CommandError> {
    let file = |source| CommandError::File {
        path: path.to_owned(),
        source,
    };
    if !path.exists() {
        let key = Key::random().map_err(tls::Error::from)?;
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(dir).map_err(file)?;
        new.write_all(key.text().as_bytes()).map_err(file)?;
        // Another process may have been first; its key is read below.
        match new.persist_noclobber(path) {
            Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => return Err(file(e.error)),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(path).map_err(file)?;
    Key::parse(text.trim()).map_err(|source| CommandError::Key {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
