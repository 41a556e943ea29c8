//! What `cargo xtask bench` measures against, and the bare loop it compares with: hub, backend and readers in a process of their
//! own, so that the handler's figures are the handler's alone.

mod certificate;
mod devices;
mod link;

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;

use crate::hub::{Device, Hub, HubOptions, Keep, Key};
use crate::rapidm2m::{Backend, BackendOptions, Channel, CustomerOptions, Generator, SiteOptions};
use crate::readers::{FarmOptions, Labels, ReaderFarm, ReaderOptions};
use crate::tls::Authority;

/// Name of the one device of the measured hub.
const DEVICE: &str = "bench";
/// Login and customer of the measured backend.
const LOGIN: &str = "bench";

/// Parts of a measurement.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Hub (TLS), rapidM2M backend and readers, until standard input ends; addresses go to standard output as one line of JSON.
    Stage(Stage),
    /// The bare loop: posts the same body again and again over one connection, as fast as the hub answers.
    Post(Post),
    /// Devices by the thousand: idle connections, or messages over MQTT or HTTPS.
    Devices(devices::Devices),
    /// A certificate in files, for a broker that is measured beside the hub.
    Certificate(certificate::Certificate),
}

/// What stands on the stage.
#[derive(Debug, clap::Args)]
pub struct Stage {
    /// Port of the hub; the Node SDK knows 443 only.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the hub for MQTT; the Python SDK knows 8883 only.
    #[arg(long)]
    mqtt_port: Option<u16>,
    /// Where the certificates are written.
    #[arg(long)]
    dir: PathBuf,
    /// Sites `rows-N` with N rows of one channel, one a second, the last a moment ago.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<i64>,
    /// A site `quarters` with N rows of two channels, one each quarter of an hour.
    #[arg(long, default_value_t = 0)]
    quarters: i64,
    /// Readers, all behind one port.
    #[arg(long, default_value_t = 1)]
    readers: u32,
    /// Keep what arrives (for looking at); else it is only counted.
    #[arg(long)]
    keep: bool,
}

/// What the bare loop posts.
#[derive(Debug, clap::Args)]
pub struct Post {
    /// Port of the hub on loopback.
    #[arg(long)]
    port: u16,
    /// The authority that signed the hub's certificate, PEM.
    #[arg(long)]
    ca: PathBuf,
    /// The device's key, base64.
    #[arg(long, env = "BENCH_KEY", hide_env_values = true)]
    key: String,
    /// Bytes of each body.
    #[arg(long)]
    bytes: usize,
    /// How many bodies.
    #[arg(long)]
    count: usize,
}

/// Why a part of a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part did not start.
    #[error("{0} did not start: {1}")]
    Part(&'static str, String),
    /// The key is none.
    #[error("the key is not base64: {0}")]
    Key(#[from] crate::hub::KeyError),
    /// Certificates, or standard input.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The hub did not answer.
    #[error("the hub did not answer: {0}")]
    Http(#[from] reqwest::Error),
    /// The hub answered something else than 204.
    #[error("the hub answered {0}")]
    Refused(u16),
    /// A device's connection.
    #[error("a device failed: {0}")]
    Device(String),
    /// The load client is for this machine.
    #[error("the load client connects to loopback alone")]
    NotLoopback,
    /// The measurement took too long.
    #[error("not done after {0} s")]
    TimeOver(u64),
}

/// Runs a part.
///
/// # Errors
/// [`enum@Error`].
pub async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Stage(stage) => stage.run().await,
        Command::Post(post) => post.run().await,
        Command::Devices(devices) => devices.run().await,
        Command::Certificate(certificate) => certificate.write(),
    }
}

impl Stage {
    async fn run(self) -> Result<(), Error> {
        let part = |name: &'static str| move |error: String| Error::Part(name, error);
        let hub = self.hub().await.map_err(part("the hub"))?;
        // Some seconds ago, so that no row comes into being while it is measured.
        let end = chrono::Utc::now().timestamp() * 1_000 - 10_000;
        let backend = self.backend(end).await.map_err(part("the backend"))?;
        let farm = self.farm().await.map_err(part("the readers"))?;
        let key = hub
            .device(DEVICE)
            .and_then(|device| Some(device.primary_key()?.text()))
            .unwrap_or_default();
        let address = json!({
            "port": hub.addr().port(),
            "mqtt": hub.mqtt_addr().map(|address| address.port()),
            "control": hub.control_addr().map(|address| address.to_string()),
            "host": hub.host_name(),
            "device": DEVICE,
            "key": key,
            "ca": self.dir.join("ca.pem"),
            "backend": backend.url(),
            "login": LOGIN,
            "starts": self.starts(end),
            "reader": format!("http://{}/r/", farm.address()),
        });
        println!("{address}");
        // The one who started this holds the other end; it is closed even if that process is killed.
        let ended = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
        let _ = ended.await;
        Ok(())
    }

    async fn hub(&self) -> Result<Hub, String> {
        let authority = Authority::load_or_create(&self.dir).map_err(|e| e.to_string())?;
        let key = Key::random().map_err(|e| e.to_string())?;
        let options = HubOptions {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            mqtt: self
                .mqtt_port
                .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            control: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            authority: Some(authority),
            devices: vec![Device::new(DEVICE, key)],
            keep: if self.keep {
                Keep::default()
            } else {
                Keep::CountOnly
            },
            ..HubOptions::default()
        };
        Hub::start(options).await.map_err(|e| e.to_string())
    }

    /// Stamp of the first row of each site, as `start` in sources.toml wants it.
    fn starts(&self, end_ms: i64) -> serde_json::Value {
        let text = |ago_ms: i64| {
            let at = chrono::DateTime::from_timestamp_millis(end_ms - ago_ms).unwrap_or_default();
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        };
        let mut starts: serde_json::Map<_, _> = self
            .rows
            .iter()
            .map(|rows| (format!("rows-{rows}"), text(rows * 1_000).into()))
            .collect();
        starts.insert("quarters".into(), text(self.quarters * 900_000).into());
        starts.into()
    }

    async fn backend(&self, end: i64) -> Result<Backend, String> {
        let site = |name: &str, channels, count: i64, interval_ms: i64| {
            let generator = Generator {
                start_ms: end - count * interval_ms,
                end_ms: Some(end),
                interval_ms,
                ..Generator::default()
            };
            SiteOptions::generated(name, Channel::numbered(channels), generator)
        };
        let mut sites: Vec<_> = self
            .rows
            .iter()
            .map(|&rows| site(&format!("rows-{rows}"), 1, rows, 1_000))
            .collect();
        if self.quarters > 0 {
            sites.push(site("quarters", 2, self.quarters, 900_000));
        }
        let options = BackendOptions {
            user: LOGIN.into(),
            password: LOGIN.into(),
            customers: vec![CustomerOptions {
                id: LOGIN.into(),
                sites,
            }],
            keep_requests: 0,
            ..BackendOptions::default()
        };
        Backend::start(options).await.map_err(|e| e.to_string())
    }

    async fn farm(&self) -> Result<ReaderFarm, String> {
        let options = FarmOptions {
            readers: self.readers,
            reader: ReaderOptions {
                meters: vec![Labels::Total.into()],
                keep_calls: 0,
                ..ReaderOptions::default()
            },
        };
        ReaderFarm::start(options).await.map_err(|e| e.to_string())
    }
}

impl Post {
    async fn run(self) -> Result<(), Error> {
        let key = Key::parse(&self.key)?;
        let ca = reqwest::Certificate::from_pem(&std::fs::read(&self.ca)?)?;
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .tcp_nodelay(true)
            .build()?;
        let resource = format!("localhost/devices/{DEVICE}");
        let expires = chrono::Utc::now().timestamp() + 3_600;
        let token = key.token(&resource, expires, None);
        let url = format!(
            "https://localhost:{}/devices/{DEVICE}/messages/events?api-version=2021-04-12",
            self.port
        );
        let body = bytes::Bytes::from(vec![b'7'; self.bytes]);
        let began = Instant::now();
        for _ in 0..self.count {
            let answer = client
                .post(&url)
                .header(AUTHORIZATION, &token)
                .header(CONTENT_TYPE, "application/octet-stream")
                .timeout(Duration::from_secs(30))
                .body(body.clone())
                .send()
                .await?;
            if answer.status() != reqwest::StatusCode::NO_CONTENT {
                return Err(Error::Refused(answer.status().as_u16()));
            }
        }
        println!("{}", json!({ "seconds": began.elapsed().as_secs_f64() }));
        Ok(())
    }
}
