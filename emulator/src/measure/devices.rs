//! The load client: devices by the thousand against a hub, or another MQTT broker, on loopback. Bounded in number and time.

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Error;
use super::link::{self, Link};
use crate::hub::Key;

/// Handshakes at once: enough to keep both ends busy, few enough for a broker's backlog.
const HANDSHAKES: usize = 64;

/// What the devices do. Lines of JSON on standard output tell what was measured; after each, a line on standard input lets it go on.
#[derive(Debug, clap::Args)]
pub struct Devices {
    /// Where the devices connect: MQTT over TLS. Loopback only.
    #[arg(long, required_unless_present = "https")]
    mqtt: Option<SocketAddr>,
    /// Where they post: HTTPS. Loopback only.
    #[arg(long, conflicts_with = "mqtt")]
    https: Option<SocketAddr>,
    /// The certificate to trust, PEM.
    #[arg(long)]
    ca: PathBuf,
    /// The group key that the devices' keys derive from, base64.
    #[arg(long, env = "BENCH_KEY", hide_env_values = true)]
    key: String,
    /// How many devices.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    count: u32,
    /// Messages in all, shared out evenly; with 0 the devices are idle.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=5_000_000))]
    messages: u32,
    /// Messages of a device that are unconfirmed at once (MQTT).
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    window: u16,
    /// Bytes of each body.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(..=200_000))]
    bytes: u32,
    /// Ends after so many seconds, whatever is still to do.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=900))]
    limit: u64,
}

impl Devices {
    pub(super) async fn run(self) -> Result<(), Error> {
        let loopback = |addr: &SocketAddr| addr.ip().is_loopback();
        if ![self.mqtt, self.https].iter().flatten().all(loopback) {
            return Err(Error::NotLoopback);
        }
        crate::files::raise_limit();
        let limit = Duration::from_secs(self.limit);
        let measured = timeout(limit, async {
            match (self.mqtt, self.https) {
                (Some(addr), _) => self.over_mqtt(addr).await,
                (None, Some(addr)) => self.over_https(addr).await,
                (None, None) => Ok(()),
            }
        });
        measured.await.map_err(|_| Error::TimeOver(self.limit))?
    }

    async fn over_mqtt(&self, addr: SocketAddr) -> Result<(), Error> {
        let tls = link::tls(&std::fs::read(&self.ca)?).map_err(|e| Error::Part("TLS", e.to_string()))?;
        let key = Arc::new(Key::parse(&self.key)?);
        let began = Instant::now();
        let turn = Arc::new(Semaphore::new(HANDSHAKES));
        let mut opening = JoinSet::new();
        for number in 0..self.count {
            let (tls, key, turn) = (tls.clone(), key.clone(), turn.clone());
            opening.spawn(async move {
                let _turn = turn.acquire().await;
                Link::open(addr, &tls, &key, number).await
            });
        }
        let mut links = Vec::new();
        while let Some(opened) = opening.join_next().await {
            links.push(opened.map_err(|e| Error::Device(e.to_string()))??);
        }
        tell(&json!({ "connected": links.len(), "seconds": began.elapsed().as_secs_f64() }))?;
        if self.messages > 0 {
            links = self.publish(links).await?;
        }
        let mut alive = 0;
        for link in &mut links {
            alive += u32::from(link.ping().await.is_ok());
        }
        tell(&json!({ "alive": alive }))
    }

    async fn publish(&self, links: Vec<Link>) -> Result<Vec<Link>, Error> {
        let body: Arc<[u8]> = vec![b'7'; self.bytes as usize].into();
        let (each, window) = (self.messages / self.count, self.window);
        let began = Instant::now();
        let mut sending = JoinSet::new();
        for mut link in links {
            let body = body.clone();
            sending.spawn(async move {
                link.publish(each, window, &body).await?;
                Ok::<_, link::Broken>(link)
            });
        }
        let mut links = Vec::new();
        while let Some(sent) = sending.join_next().await {
            links.push(sent.map_err(|e| Error::Device(e.to_string()))??);
        }
        tell(&json!({ "messages": each * self.count, "seconds": began.elapsed().as_secs_f64() }))?;
        Ok(links)
    }

    async fn over_https(&self, addr: SocketAddr) -> Result<(), Error> {
        let ca = reqwest::Certificate::from_pem(&std::fs::read(&self.ca)?)?;
        let key = Key::parse(&self.key)?;
        let body = bytes::Bytes::from(vec![b'7'; self.bytes as usize]);
        let each = self.messages / self.count;
        let expires = chrono::Utc::now().timestamp() + 3_600;
        let began = Instant::now();
        let mut sending = JoinSet::new();
        for number in 0..self.count {
            let id = link::device(number);
            let token = key
                .derive(&id)
                .token(&format!("localhost/devices/{id}"), expires, None);
            let url = format!("https://{addr}/devices/{id}/messages/events?api-version=2021-04-12");
            let client = reqwest::Client::builder()
                .tls_certs_only([ca.clone()])
                .tcp_nodelay(true)
                .build()?;
            let body = body.clone();
            sending.spawn(async move {
                for _ in 0..each {
                    let request = client
                        .post(&url)
                        .header(AUTHORIZATION, &token)
                        .header(CONTENT_TYPE, "application/octet-stream")
                        .body(body.clone());
                    let status = request.send().await?.status();
                    if status != reqwest::StatusCode::NO_CONTENT {
                        return Err(Error::Refused(status.as_u16()));
                    }
                }
                Ok(())
            });
        }
        while let Some(sent) = sending.join_next().await {
            sent.map_err(|e| Error::Device(e.to_string()))??;
        }
        tell(&json!({ "messages": each * self.count, "seconds": began.elapsed().as_secs_f64() }))
    }
}

impl From<link::Broken> for Error {
    fn from(error: link::Broken) -> Self {
        Self::Device(error.to_string())
    }
}

/// Tells what was measured, and waits until the one who measures has looked at the other process.
fn tell(measured: &Value) -> Result<(), Error> {
    println!("{measured}");
    io::stdout().flush()?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}
