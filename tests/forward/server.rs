//! The server that plays the hub and DPS on loopback, and what every test begins with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use meterbridge::clock::Clock;
use meterbridge::config::Identity;
use meterbridge::forward::hub::Hub;
use meterbridge::forward::{Assignment, Message};
use meterbridge::http;
use meterbridge::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use wire::key::Key;
use wire::sas::{Resource, Token};

pub(crate) const HUB: &str = "contoso.azure-devices.net";
pub(crate) const K32: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const K64: &str =
    "/+7dzLuqmYh3ZlVEMyIRAA8eLTxLWml4h5altMPS4fAQMlR2mLrc/gEjRWeJq83v8OHSw7SlloeGd1pNPC0eDw==";
/// 2026-01-26T13:30:00Z, a Monday.
pub(crate) const NOW: i64 = 1_769_434_200_000;
pub(crate) const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// What was received.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Request line and headers, without the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers: HashMap<_, _> = self
            .head
            .lines()
            .skip(1)
            .filter_map(|l| l.split_once(": "))
            .collect();
        headers.get(name).copied()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn token(&self) -> Token {
        Token::parse(self.header("authorization").unwrap()).unwrap()
    }
}

/// What is answered.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    close: bool,
    after: Option<Arc<Notify>>,
}

impl Reply {
    pub(crate) fn text(text: &str) -> Self {
        Self {
            bytes: text.into(),
            close: text.contains("Connection: close"),
            after: None,
        }
    }

    pub(crate) fn dated(at: i64, status: &str, headers: &str, body: &str) -> Self {
        let at = Duration::from_millis(u64::try_from(at).unwrap());
        let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + at);
        Self::text(&answer(status, &format!("Date: {date}\r\n{headers}"), body))
    }

    pub(crate) fn hang_up() -> Self {
        Self::text("").and_close()
    }

    pub(crate) fn and_close(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) fn after(mut self, gate: Option<Arc<Notify>>) -> Self {
        self.after = gate;
        self
    }
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = if status.starts_with("204") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    format!("HTTP/1.1 {status}\r\n{headers}{length}\r\n{body}")
}

/// A hub and DPS on loopback, without TLS.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    state: Arc<State>,
}

/// Answers the n-th request.
type Script = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

struct State {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    arrived: Notify,
    connections: AtomicUsize,
}

impl Server {
    /// `script` answers the n-th request.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            script: Box::new(script),
            seen: Mutex::default(),
            arrived: Notify::new(),
            connections: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let _ = shared.converse(stream).await;
                });
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    pub(crate) fn identity(&self, device: &str, key: &str) -> Identity {
        Identity::Device {
            hub: HUB.into(),
            connect: self.url(),
            device: device.into(),
            key: Secret::new(key),
        }
    }

    pub(crate) fn group(&self) -> Identity {
        Identity::Group {
            endpoint: self.url(),
            id_scope: "0ne00AABBCC".into(),
            key: Secret::new(K64),
        }
    }

    pub(crate) fn hub(&self, device: &str, key: &str) -> Hub {
        build(self.identity(device, key), clock(NOW))
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    }

    pub(crate) fn expiry_of_last(&self) -> i64 {
        i64::try_from(self.seen().pop().unwrap().token().expiry()).unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Until so many requests have come.
    pub(crate) async fn until(&self, count: usize) {
        while self.seen().len() < count {
            let arrived = self.state.arrived.notified();
            if self.seen().len() < count {
                let _ = tokio::time::timeout(Duration::from_millis(50), arrived).await;
            }
        }
    }
}

impl State {
    async fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                    break end;
                }
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            };
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let mut seen = Seen {
                head,
                body: Vec::new(),
            };
            let length = seen.header("content-length").map_or(0, |l| l.parse().unwrap());
            while buffer.len() < end + 4 + length {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            }
            seen.body = buffer[end + 4..end + 4 + length].to_vec();
            buffer.drain(..end + 4 + length);
            let number = {
                let mut all = self.seen.lock().unwrap();
                all.push(seen.clone());
                all.len() - 1
            };
            self.arrived.notify_waiters();
            let reply = (self.script)(number, &seen);
            if let Some(gate) = &reply.after {
                gate.notified().await;
            }
            stream.write_all(&reply.bytes).await?;
            if reply.close {
                return Ok(());
            }
        }
    }
}

pub(crate) fn client() -> reqwest::Client {
    http::client(&[]).unwrap()
}

pub(crate) fn build(identity: Identity, clock: Clock) -> Hub {
    Hub::new(identity, 4096, client(), clock).unwrap()
}

pub(crate) fn clock(now: i64) -> Clock {
    Clock::from_fn(move || now)
}

pub(crate) fn movable(now: i64) -> (Arc<AtomicI64>, Clock) {
    let time = Arc::new(AtomicI64::new(now));
    let shared = Arc::clone(&time);
    (time, Clock::from_fn(move || shared.load(Ordering::SeqCst)))
}

pub(crate) fn to(device: &str) -> Assignment {
    Assignment {
        hub: HUB.into(),
        device: device.into(),
    }
}

pub(crate) fn token(key: &str, expiry: u64) -> String {
    let resource = Resource::device(HUB, "meter-001");
    wire::sas::sign(&resource, &Key::parse(key).unwrap(), expiry, None)
}

pub(crate) fn message(number: usize, properties: &[(&str, &str)]) -> Message {
    Message {
        id: format!("home.b.0000000007.{number}"),
        created: NOW,
        body: Bytes::from(format!("{{\"ch0\":{}}}", 5_100 + number)),
        properties: properties
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
    }
}
