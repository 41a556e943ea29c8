use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Access, Clock, FaultStep, Firmware, Labels, Language, Meter, Password, TimeFormat, Zone};

/// What a reader is set to. The default is a healthy, open device of today on a free loopback port.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// Where to listen. Port 0: any free one.
    pub bind: SocketAddr,
    /// The meters on its optical heads. More than one: a text (`TempUnit`) stands beside them, as on such devices.
    pub meters: Vec<Meter>,
    /// Whether the meters feed in at noon.
    pub solar: bool,
    /// Gives the meters their size and their first counts. Two readers of one seed show the same.
    pub seed: u64,
    /// Generation of the firmware.
    pub firmware: Firmware,
    /// Language of its warnings.
    pub language: Language,
    /// What it lets through before the login.
    pub access: Access,
    /// The password of `admin`. Empty: open to all.
    pub password: Password,
    /// Its name, for the `Referer` rule and `Status 5`.
    pub hostname: String,
    /// Its address as it knows it itself, for the `Referer` rule and `Status 5`; behind a tunnel not the one called.
    pub address: String,
    /// How it writes times.
    pub time_format: TimeFormat,
    /// Its zone.
    pub zone: Zone,
    /// How long an answer takes: evenly spread between both. Real ones take 50 to 300 ms.
    pub latency: RangeInclusive<Duration>,
    /// Whether it closes the connection after each answer.
    pub connection_close: bool,
    /// Whether a second call waits until the first is answered.
    pub one_at_a_time: bool,
    /// What goes wrong with the first calls.
    pub faults: Vec<FaultStep>,
    /// How many of the latest calls are kept for looking at.
    pub keep_calls: usize,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            meters: vec![Labels::default().into()],
            solar: true,
            seed: 1,
            firmware: Firmware::default(),
            language: Language::default(),
            access: Access::default(),
            password: Password::default(),
            hostname: "tasmota-5E1A3C-2620".to_owned(),
            address: "127.0.0.1".to_owned(),
            time_format: TimeFormat::default(),
            zone: Zone::default(),
            latency: Duration::ZERO..=Duration::ZERO,
            connection_close: false,
            one_at_a_time: false,
            faults: Vec::new(),
            keep_calls: 1_000,
            clock: Clock::system(),
        }
    }
}
