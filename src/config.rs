//! Configuration: every setting, read through `get(key)`, with all faults reported together.
//!
//! Application settings come from the environment (in Azure: the app's settings), sources from `sources.toml` and, for the old
//! connector's users, from its ten settings. Nothing else in the program reads the environment.

mod address;
mod channels;
mod connection;
mod credential;
mod discovery;
mod document;
pub mod duration;
mod fields;
mod file;
mod findings;
mod id;
mod identity;
pub mod instant;
mod load;
mod old;
mod process;
mod schedule;
mod settings;
mod source;
mod storage;
mod stored;
mod together;
mod values;

pub use discovery::{DiscoveryConfig, Pattern, Patterns, unusable};
pub use load::load;
pub use process::{Process, from_process, process};
pub use schedule::{cron, timer_period};
pub use settings::{SETTINGS, Setting};
pub use stored::{Definition, Draft, Lookup, definition, definition_of, drafts};
pub use together::Ids;
pub use values::Get;

use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::clock::Millis;
use crate::secret::Secret;
use crate::source::Mapped;

/// Everything the process was told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The application settings.
    pub settings: Settings,
    /// The sources, from all origins, ids unique.
    pub sources: Vec<SourceConfig>,
    /// Customers whose sites are found at their backend.
    pub discoveries: Vec<DiscoveryConfig>,
    /// What is allowed but doubtful; shown by `check`, in the log and in health.
    pub warnings: Vec<String>,
    /// Settings that definitions in the store may name.
    pub lookup: Lookup,
}

/// The application settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose sources this process polls: `cloud`, or the name given to `run`.
    pub runner: String,
    /// Where polls are kept.
    pub store: StoreConfig,
    /// Who speaks to the hub.
    pub identity: Identity,
    /// Host (and port) to connect to in place of the hub's own name: a gateway or an emulator.
    pub hub_connect: Option<String>,
    /// PEM file with certificates to trust besides the system's: a gateway's or the emulator's own authority.
    pub hub_ca_file: Option<PathBuf>,
    /// How rows become bodies.
    pub pack: PackConfig,
    /// How long a tick inside TimerPoll may work before it stops at a slice.
    pub tick: Duration,
    /// How long a tick inside PollWorker, `run` and `poll` may work.
    pub worker_tick: Duration,
    /// Sources polled at once in one process.
    pub concurrency: usize,
    /// What keeps one process from asking too much.
    pub limits: LimitsConfig,
    /// How the lists of customers' sites are kept.
    pub discovery: DiscoveryPace,
    /// Whether this process runs in Azure.
    pub in_azure: bool,
    /// How many due sources TimerPoll polls itself; more are handed to PollWorker.
    pub inline_limit: usize,
    /// How long delivered documents are kept.
    pub retention: Duration,
    /// The timer's schedule as the host has it; `None` means that the host disabled the function.
    pub timer_schedule: Option<String>,
    /// Key for the operations API of a plain service.
    pub operations_key: Option<Secret>,
    /// What is logged, and how.
    pub log: LogConfig,
}

impl Settings {
    /// How far apart the timer's runs are at the closest; `None` without a schedule.
    #[must_use]
    pub fn timer_period(&self) -> Option<Duration> {
        timer_period(self.timer_schedule.as_deref()?).ok()
    }
}

/// What keeps one process from asking too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Failed polls in a row after which a source is probed once per cool-down.
    pub breaker_failures: u32,
    /// Questions to one backend host at once. A reader has one.
    pub backend_concurrency: usize,
    /// Questions to one backend host a minute; 0 sets no bound.
    pub backend_requests: u32,
}

/// How the lists of customers' sites are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryPace {
    /// How often a backend is asked for them.
    pub every: Duration,
    /// How long a site that a list no longer holds is polled on.
    pub grace: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A level or directives as `tracing_subscriber::EnvFilter` reads them; checked.
    pub level: String,
    /// Lines for people or for machines; `None`: JSON under the Functions host, text elsewhere.
    pub format: Option<LogFormat>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which store.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// One SQLite file.
    Embedded {
        /// Its path.
        path: PathBuf,
    },
    /// Azure Cosmos DB.
    Cosmos {
        /// `https://account.documents.azure.com/`.
        endpoint: String,
        /// Account key; `None` uses the managed identity.
        key: Option<Secret>,
        /// Client id of a user-assigned identity.
        client_id: Option<String>,
        /// Database.
        database: String,
        /// Container.
        container: String,
    },
}

/// Who speaks to the hub, in order of preference.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Every source gets its own device through DPS, with keys derived from the group's.
    Group {
        /// DPS host name.
        endpoint: String,
        /// Id scope, `0ne…`.
        id_scope: String,
        /// The enrolment group's key, base64.
        key: Secret,
    },
    /// One device for all sources, with its key.
    Device {
        /// The hub's own name: in tokens.
        hub: String,
        /// Host (and port) to connect to; differs from `hub` behind a gateway or emulator.
        connect: String,
        /// Device id.
        device: String,
        /// Device key, base64.
        key: Secret,
    },
    /// One device, with a ready-made token as the old connector had it.
    Token {
        /// The hub's own name.
        hub: String,
        /// Host (and port) to connect to.
        connect: String,
        /// Device id.
        device: String,
        /// The whole `SharedAccessSignature sr=…` text.
        token: Secret,
    },
    /// Nothing is configured: `poll --dry-run`, `check` and `plan` still work.
    None,
}

/// How rows become bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackConfig {
    /// Body format.
    pub format: Format,
    /// Bytes of one billing unit: 4096, on the free tier 512.
    pub unit: usize,
    /// A body is filled up to so many units; the hub's limit of 256 KB holds besides.
    pub units: usize,
}

/// Body formats, see README "What is sent".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object per row.
    Timeseries,
    /// One object per reading.
    Flat,
    /// One array per channel.
    Columns,
}

/// One source: one meter or site.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// Letters, digits, `-` and `_`, at most 64.
    pub id: String,
    /// Where its readings come from.
    pub kind: Kind,
    /// Whose process polls it.
    pub runner: String,
    /// When it is polled.
    pub schedule: Schedule,
    /// The zone of a reader's clock that gives no offset, and of cron schedules.
    pub zone: Tz,
    /// How far back each poll looks again for late and corrected rows. Zero for sources without history.
    pub overlap: Duration,
    /// How far apart rows are expected: holes of a source with a history are asked for again, and `plan` reckons with it.
    pub expected: Option<Duration>,
    /// Where a first run starts; `None` takes the newest row only.
    pub start: Option<Millis>,
    /// The longest window asked for at once.
    pub slice: Duration,
    /// Rows of several attempts go out together when the oldest is so old or a unit is full. Zero sends every tick.
    pub send_every: Duration,
    /// What the bodies name: customer and site, or the source's id.
    pub naming: Naming,
    /// Where it was defined, for messages: `sources.toml:12`, `M2MBackendURL`, `store`.
    pub origin: String,
}

/// What the bodies name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// `customer_id` and `site_id`; properties `Customer_Id` and `Site_Id`.
    Site {
        /// Customer.
        customer: String,
        /// Site.
        site: String,
    },
    /// `source_id`; property `Source_Id`.
    Source,
}

/// When a source is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At this interval, staggered by a hash of the id.
    Every(Duration),
    /// By a cron expression (five fields, or six with seconds first) in the source's zone.
    Cron(String),
}

/// Where readings come from.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A Tasmota reader (bitShake SmartReader).
    Tasmota(TasmotaConfig),
    /// A Microtronics rapidM2M backend.
    RapidM2m(RapidM2mConfig),
    /// No backend: a made-up load curve, or the old connector's counter.
    Synthetic(SyntheticConfig),
}

/// A Tasmota reader.
#[derive(Clone, Debug)]
pub struct TasmotaConfig {
    /// `http://192.168.1.40` or with port and path prefix; `/cm` is added.
    pub url: url::Url,
    /// Login; the user is `admin` unless said otherwise.
    pub user: String,
    /// WebPassword.
    pub password: Option<Secret>,
    /// What to send as `Referer`; `None` sends `http://{host}/`.
    pub referer: Option<String>,
    /// By key path (`/SML/Total_in`) what each value is. Empty: recognised defaults.
    pub channels: Vec<Mapped>,
    /// Whether recognised defaults are used besides `channels`.
    pub recognise: bool,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// After how many identical telegrams in a row the optical head is called dead.
    pub stale_after: u32,
}

/// A rapidM2M site.
#[derive(Clone, Debug)]
pub struct RapidM2mConfig {
    /// `https://backend.example/api/1/`, always with the closing slash.
    pub url: url::Url,
    /// Base64 of `user:password`, as `Authorization: Basic` carries it; `None` on a backend's own machine.
    pub basic: Option<Secret>,
    /// Customer id, as it is.
    pub customer: String,
    /// Site id or its 16-digit uid, as it is; `*` in the template of a discovery.
    pub site: String,
    /// `histdata0` … `histdata9`: 0 to 9.
    pub histdata: u8,
    /// Channels to select, in order, with what is known of them.
    pub channels: Vec<Mapped>,
    /// How long to wait for an answer to begin, and between its pieces.
    pub timeout: Duration,
    /// More rows than this in one answer: the window is halved.
    pub max_rows: usize,
}

/// A source without a backend.
#[derive(Clone, Debug)]
pub struct SyntheticConfig {
    /// Channels. `EmulationMode` has the old connector's first one.
    pub channels: Vec<Mapped>,
    /// The old connector's counter (seconds since 2017-01-01) instead of a load curve.
    pub counter: bool,
    /// Interval of the rows.
    pub interval: Duration,
    /// Seed of the curve.
    pub seed: u64,
}

/// One fault of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the setting, or `sources.toml:12 [home].url`.
    pub place: String,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// A source's scale: `0.001`.
pub type Scale = Decimal;
