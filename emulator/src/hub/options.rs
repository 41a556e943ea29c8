//! What a hub is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::clock::Clock;
use super::fault::Rule;
use super::identity::Device;
use super::key::Key;
use super::meter::{Operation, Throttles};
use super::policy::Policy;
use super::routing::Routes;
use crate::tls::{Authority, Certificate};

/// Settings of a [`super::Hub`]. Start from `HubOptions::default()` and change what matters.
#[derive(Clone)]
pub struct HubOptions {
    /// Where to listen for TLS; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Where to listen for MQTT over TLS (Azure's port is 8883); port 0 takes a free one. `None`: no MQTT.
    pub mqtt: Option<SocketAddr>,
    /// Where to listen for AMQP over TLS, for back ends (Azure's port is 5671); port 0 takes a free one. `None`: no
    /// AMQP but over WebSocket.
    pub amqp: Option<SocketAddr>,
    /// Where the control API listens (plain HTTP, loopback only); `None` for no control API.
    pub control: Option<SocketAddr>,
    /// The hub's own name, as it stands in connection strings and in `sr`. Tokens are checked against this
    /// name and never against the `Host` header, so that a client may reach the hub under another one
    /// (`GatewayHostName`).
    pub host_name: String,
    /// Who signs the server certificate; a new authority in memory if `None`.
    pub authority: Option<Authority>,
    /// Devices known from the start.
    pub devices: Vec<Device>,
    /// Shared access policies of the hub.
    pub policies: Vec<Policy>,
    /// Off by default. With a group key, unknown devices come into being when they first send: with the
    /// key derived from this one, if their token is signed with it or a policy vouches for them.
    pub auto_create: Option<Key>,
    /// What a hub unit bills and how large a billing step is.
    pub tier: Tier,
    /// Sizes, rates and quota that the hub enforces.
    pub limits: Limits,
    /// Where devices, twins and what waits for devices are kept; in memory alone if `None`.
    pub data: Option<PathBuf>,
    /// Message routes; `None`: all messages go to the feed, as with the fallback route alone.
    pub routes: Option<Routes>,
    /// How much of what arrives is kept for [`super::Hub::arrived`] and the feed.
    pub keep: Keep,
    /// Refuse application property names and values that the documentation forbids over HTTPS. On by
    /// default: what passes here must pass at Azure.
    pub strict_properties: bool,
    /// Faults armed from the start.
    pub faults: Vec<Rule>,
    /// Messages whose body holds this text are refused for good (400), alone or in a batch: what no repeat can deliver.
    pub cursed: Option<String>,
    /// Where files that devices upload are written, besides being kept in memory.
    pub files: Option<PathBuf>,
    /// Certificate authorities that vouch for devices.
    pub authorities: Vec<Certificate>,
    /// The hub's clock.
    pub clock: Clock,
    /// How many times faster time passes for throttles and quota than by `clock`: at 60, a day has 24 minutes. All else
    /// (tokens, stamps, expiry) goes by `clock`, for clients compare it with their own.
    pub clock_speed: u32,
}

/// Tiers: the billing step, and what there is at all; [`Limits::documented`] gives the rates and quotas that go with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Tier {
    /// Free: 8 000 messages a day, counted in steps of 512 bytes.
    F1,
    /// Basic 1: as standard 1, without twins, direct methods and cloud-to-device messages.
    B1,
    /// Basic 2: as standard 2, without these.
    B2,
    /// Basic 3: as standard 3, without these.
    B3,
    /// Standard 1: 400 000 messages a day and unit, in steps of 4 096 bytes.
    #[default]
    S1,
    /// Standard 2: 6 000 000.
    S2,
    /// Standard 3: 300 000 000.
    S3,
}

/// Limits the hub enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest message: body, values of system properties, names and values of application properties.
    pub message_bytes: usize,
    /// Largest batch, as serialised.
    pub batch_bytes: usize,
    /// How many operations of each kind are taken in a time; above it 429. None by default.
    pub throttles: Throttles,
    /// Billing units a day (UTC); above it 403002. `None`: no quota.
    pub units_per_day: Option<u64>,
}

/// How much of what arrived is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Counters alone, for measurements.
    CountOnly,
    /// The last so many messages, up to so many bytes of bodies in all.
    Last {
        /// Messages at most.
        messages: usize,
        /// Bytes of bodies at most.
        bytes: usize,
    },
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            mqtt: None,
            amqp: None,
            control: None,
            host_name: "localhost".to_owned(),
            authority: None,
            devices: Vec::new(),
            policies: Vec::new(),
            auto_create: None,
            tier: Tier::default(),
            limits: Limits::default(),
            data: None,
            routes: None,
            keep: Keep::default(),
            strict_properties: true,
            faults: Vec::new(),
            cursed: None,
            files: None,
            authorities: Vec::new(),
            clock: Clock::system(),
            clock_speed: 1,
        }
    }
}

impl Tier {
    /// Bytes in one billing unit.
    pub fn unit_bytes(self) -> usize {
        if self == Self::F1 { 512 } else { 4096 }
    }

    /// Whether it has an operation: the basic ones are without twins, direct methods and cloud-to-device messages.
    pub fn has(self, operation: Operation) -> bool {
        operation.is_basic() || !matches!(self, Self::B1 | Self::B2 | Self::B3)
    }
}

impl Limits {
    /// The documented rates and quotas of `units` hub units (Azure docs, IoT Hub quotas and throttling, 2025-05).
    pub fn documented(tier: Tier, units: u32) -> Self {
        let day: u64 = match tier {
            Tier::F1 => 8_000,
            Tier::B1 | Tier::S1 => 400_000,
            Tier::B2 | Tier::S2 => 6_000_000,
            Tier::B3 | Tier::S3 => 300_000_000,
        };
        Self {
            throttles: Throttles::documented(tier, units),
            units_per_day: Some(day * u64::from(units)),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    /// The documented sizes (256 KB each), no throttle, no quota.
    fn default() -> Self {
        Self {
            message_bytes: 256 * 1024,
            batch_bytes: 256 * 1024,
            throttles: Throttles::default(),
            units_per_day: None,
        }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self::Last {
            messages: 100_000,
            bytes: 64 << 20,
        }
    }
}
