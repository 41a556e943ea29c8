use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::ValueEnum;

use super::{Cell, Clock, Generator, Password, Row, Wave};

/// What the backend holds, and how it behaves where the public sources are silent.
#[derive(Clone, Debug)]
pub struct BackendOptions {
    /// Where to listen. Port 0: any free one.
    pub bind: SocketAddr,
    /// The path before all others, without the slash at its end. A slash too many inside a request is forgiven.
    pub base: String,
    /// Who may log in with HTTP Basic. An empty user and password let everyone in, as on the backend's own machine.
    pub user: String,
    /// The user's password.
    pub password: Password,
    /// The customers and their sites.
    pub customers: Vec<CustomerOptions>,
    /// Whether a row stamped exactly `from` is in the answer. Nobody says so in public.
    pub from_inclusive: bool,
    /// In which order rows come. Ascending wherever it was seen, but never promised.
    pub order: Order,
    /// Whether zeros are stripped from stamps, as the real one does.
    pub strip_stamps: bool,
    /// No answer has more rows than this; the oldest are given. `None`: no limit was ever seen.
    pub max_rows: Option<usize>,
    /// How long each answer takes.
    pub latency: Duration,
    /// How many of the latest requests are kept for looking at.
    pub keep_requests: usize,
    /// Where the time comes from.
    pub clock: Clock,
}

/// The order of the rows of an answer. All but ascending need the whole answer in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
    /// In no order, but the same each time.
    Shuffled,
}

/// A customer.
#[derive(Clone, Debug, Default)]
pub struct CustomerOptions {
    /// Its id: any text, often an e-mail address.
    pub id: String,
    /// Its sites.
    pub sites: Vec<SiteOptions>,
}

/// A site: a device with its data.
#[derive(Clone, Debug, Default)]
pub struct SiteOptions {
    /// Its id: any text, blanks included.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its id as 16 hexadecimal digits. `None`: made from both ids.
    pub uid: Option<String>,
    /// Its series by number: 0 is `histdata0`. The numbers go up to 9.
    pub series: BTreeMap<u8, SeriesOptions>,
    /// Where it is.
    pub position: Option<Position>,
}

/// A position, as the JSON texts of its numbers.
#[derive(Clone, Debug)]
pub struct Position {
    /// Degrees north.
    pub latitude: Cell,
    /// Degrees east.
    pub longitude: Cell,
    /// The unexplained fourth value that some backends send.
    pub fourth: Option<Cell>,
}

/// A time series.
#[derive(Clone, Debug, Default)]
pub struct SeriesOptions {
    /// Its channels, in the order of the cells of its rows.
    pub channels: Vec<Channel>,
    /// Makes its rows. `None`: only the rows below, and those pushed later.
    pub generator: Option<Generator>,
    /// Rows written down, each with the time from which it is visible. They lie over generated ones.
    pub rows: Vec<Row>,
}

/// A channel of a series.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name: `ch0`, `xch1`; one with `calc` in it is computed by the backend.
    pub name: String,
    /// Another name by which it can be selected.
    pub alias: Option<String>,
    /// Its title in the blueprint.
    pub title: String,
    /// Its unit in the blueprint.
    pub units: String,
    /// How generated values run.
    pub wave: Wave,
}

impl Default for BackendOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            base: "/api/1".to_owned(),
            user: "demo@example.com".to_owned(),
            password: "demo".into(),
            customers: Vec::new(),
            from_inclusive: true,
            order: Order::default(),
            strip_stamps: true,
            max_rows: None,
            latency: Duration::ZERO,
            keep_requests: 10_000,
            clock: Clock::system(),
        }
    }
}

impl Channel {
    /// Channels of a meter, as many as wanted: `ch0` counts Wh, the others measure volts.
    pub fn numbered(count: usize) -> Vec<Self> {
        (0..count)
            .map(|number| {
                let (title, units, wave) = match number {
                    0 => (
                        "Energy".to_owned(),
                        "Wh",
                        Wave::Counter {
                            start: 51_000,
                            step: 125,
                        },
                    ),
                    _ => (
                        format!("Voltage {number}"),
                        "V",
                        Wave::Gauge {
                            base: 2_300,
                            spread: 60,
                            decimals: 1,
                        },
                    ),
                };
                Self {
                    name: format!("ch{number}"),
                    alias: None,
                    title,
                    units: units.to_owned(),
                    wave,
                }
            })
            .collect()
    }
}

impl SiteOptions {
    /// A site with one series, `histdata0`, made by a generator.
    pub fn generated(id: &str, channels: Vec<Channel>, generator: Generator) -> Self {
        let series = SeriesOptions {
            channels,
            generator: Some(generator),
            rows: Vec::new(),
        };
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            series: BTreeMap::from([(0, series)]),
            ..Self::default()
        }
    }
}
