//! HTTP over TLS, byte by byte: what the tests of hub and DPS speak with.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use emulator::hub::{Device, Hub, HubOptions, Key, Policy};
use emulator::tls::Identity;
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The hub's clock in most tests, seconds since 1970.
pub const NOW_S: i64 = 1_800_000_000;

/// Keys that are made up; the same as in `hub_vectors.json`.
pub const K32: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const K64: &str =
    "/+7dzLuqmYh3ZlVEMyIRAA8eLTxLWml4h5altMPS4fAQMlR2mLrc/gEjRWeJq83v8OHSw7SlloeGd1pNPC0eDw==";

pub fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// A hub named `localhost` at [`NOW_S`]: devices `meter-001` (K32), `m:1`, `off` (disabled), and the
/// built-in policies (K64).
pub fn options() -> HubOptions {
    let mut devices = vec![Device::new("meter-001", key(K32)), Device::new("m:1", key(K32))];
    devices.push(Device {
        enabled: false,
        ..Device::new("off", key(K32))
    });
    HubOptions {
        devices,
        policies: Policy::BUILT_IN.map(|name| Policy::new(name, key(K64))).to_vec(),
        clock: emulator::hub::Clock::fixed(NOW_S * 1000),
        ..HubOptions::default()
    }
}

/// A request's bytes; `Content-Length` is added.
pub fn request(line: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut text = format!("{line} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n", body.len());
    [text.as_bytes(), body].concat()
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The client's side of TLS, with a certificate or without.
pub fn presenting(
    config: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<&Identity>,
) -> ClientConfig {
    let Some(identity) = identity else {
        return config.with_no_client_auth();
    };
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let key = config
        .crypto_provider()
        .key_provider
        .load_private_key(key)
        .unwrap();
    // Without a look at the certificate, which the hub is to have.
    let own = CertifiedKey::new(chain.map(Result::unwrap).collect(), key);
    config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
}

/// A connection.
pub struct Wire {
    pub stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Wire {
    pub async fn to(hub: &Hub) -> Self {
        Self::open(hub.addr(), hub.ca_pem(), "localhost", rustls::ALL_VERSIONS)
            .await
            .unwrap()
    }

    /// A client that presents a certificate.
    pub async fn certified(
        hub: &Hub,
        identity: &Identity,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        Self::dial(hub.addr(), hub.ca_pem(), "localhost", versions, Some(identity))
            .await
            .unwrap()
    }

    pub async fn open(
        addr: SocketAddr,
        ca_pem: &str,
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<Self> {
        Self::dial(addr, ca_pem, name, versions, None).await
    }

    async fn dial(
        addr: SocketAddr,
        ca_pem: &str,
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = presenting(config, identity);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TcpStream::connect(addr).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    pub fn version(&self) -> Option<ProtocolVersion> {
        self.stream.get_ref().1.protocol_version()
    }

    pub async fn ask(&mut self, bytes: &[u8]) -> std::io::Result<Reply> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        self.reply().await
    }

    /// The next answer; an error if the connection ends before it is whole.
    pub async fn reply(&mut self) -> std::io::Result<Reply> {
        timeout(Duration::from_secs(20), self.read())
            .await
            .expect("no answer within 20 s")
    }

    async fn read(&mut self) -> std::io::Result<Reply> {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.buffer.drain(..head_end).collect()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut reply = Reply {
            status,
            headers,
            body: String::new(),
        };
        let length = reply.header("content-length").map_or(0, |n| n.parse().unwrap());
        while self.buffer.len() < length {
            self.more().await?;
        }
        reply.body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        Ok(reply)
    }

    async fn more(&mut self) -> std::io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
