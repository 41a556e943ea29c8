//! MQTT over TLS, byte by byte: what the tests of hub and DPS speak with. Packets are put together here by hand, not by
//! the library that the emulator reads them with.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use emulator::hub::{Hub, HubOptions};
use emulator::tls::Identity;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire::{K32, NOW_S, key, options, presenting};

pub const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
pub const NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 5];
pub const PINGREQ: [u8; 2] = [0xC0, 0];
pub const PINGRESP: [u8; 2] = [0xD0, 0];
pub const DISCONNECT: [u8; 2] = [0xE0, 0];

/// The hub of [`options`], with MQTT.
pub async fn hub() -> Hub {
    start(options()).await
}

pub async fn start(options: HubOptions) -> Hub {
    Hub::start(HubOptions {
        mqtt: Some(([127, 0, 0, 1], 0).into()),
        ..options
    })
    .await
    .unwrap()
}

/// A connection.
pub struct Client(TlsStream<TcpStream>);

impl Client {
    /// A connection over which nothing was said yet.
    pub async fn open(hub: &Hub) -> Self {
        Self::dial(hub, None).await
    }

    /// The same by a client that presents a certificate.
    pub async fn certified(hub: &Hub, identity: &Identity) -> Self {
        Self::dial(hub, Some(identity)).await
    }

    async fn dial(hub: &Hub, identity: Option<&Identity>) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(hub.ca_pem().as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap()
            .with_root_certificates(roots);
        let config = presenting(config, identity);
        let stream = TcpStream::connect(hub.mqtt_addr().unwrap()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self(
            TlsConnector::from(Arc::new(config))
                .connect(name, stream)
                .await
                .unwrap(),
        )
    }

    /// `meter-001`, connected.
    pub async fn meter(hub: &Hub) -> Self {
        Self::with(
            hub,
            &connect("meter-001", &user("meter-001"), &token("meter-001")),
        )
        .await
    }

    /// A connection that this CONNECT has opened.
    pub async fn with(hub: &Hub, connect: &[u8]) -> Self {
        let mut client = Self::open(hub).await;
        client.send(connect).await;
        client.expect(&ACCEPTED).await;
        client
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Sends what the hub may hang up on before it has been written whole.
    pub async fn send_anyway(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    /// The next bytes are these.
    #[track_caller]
    pub fn expect<'a>(&'a mut self, expected: &'a [u8]) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let mut bytes = vec![0; expected.len()];
            let read = timeout(Duration::from_secs(20), self.0.read_exact(&mut bytes)).await;
            assert!(matches!(read, Ok(Ok(_))), "{at}: {read:?}, got {bytes:?}");
            assert_eq!(bytes, expected, "{at}");
        }
    }

    /// The next packet, as first byte and body.
    pub async fn packet(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let first = self.0.read_u8().await.unwrap();
            let (mut length, mut shift) = (0, 0);
            loop {
                let byte = usize::from(self.0.read_u8().await.unwrap());
                length |= (byte & 127) << shift;
                shift += 7;
                if byte < 128 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.unwrap();
            (first, body)
        };
        timeout(Duration::from_secs(20), read)
            .await
            .expect("no packet within 20 s")
    }

    /// The hub closes the connection, and says nothing more.
    pub async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let read = timeout(Duration::from_secs(20), self.0.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "still open after 20 s");
        assert!(rest.is_empty(), "{rest:?} came before the end");
    }

    /// Whether the end is a TCP reset.
    pub async fn expect_reset(&mut self) {
        let read = timeout(Duration::from_secs(20), self.0.read_u8()).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
}

/// A user name as the SDKs write it.
pub fn user(device: &str) -> String {
    format!("localhost/{device}/?api-version=2021-04-12&DeviceClientType=test%2F1")
}

/// A token of a device, for ten minutes.
pub fn token(device: &str) -> String {
    key(K32).token(&format!("localhost/devices/{device}"), NOW_S + 600, None)
}

/// CONNECT with keep-alive 240.
pub fn connect(client: &str, user: &str, password: &str) -> Vec<u8> {
    connect_with(0b1100_0010, client, &[user.as_bytes(), password.as_bytes()])
}

/// CONNECT with flags of one's own and the fields that they stand for.
pub fn connect_with(flags: u8, client: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04".to_vec();
    body.extend([flags, 0, 240]);
    body.extend(field(client.as_bytes()));
    for bytes in fields {
        body.extend(field(bytes));
    }
    packet(0x10, &body)
}

/// PUBLISH at QoS 0.
pub fn publish(topic: &str, body: &[u8]) -> Vec<u8> {
    packet(0x30, &[field(topic.as_bytes()), body.to_vec()].concat())
}

/// PUBLISH at QoS 1.
pub fn publish_1(id: u16, topic: &str, body: &[u8]) -> Vec<u8> {
    packet(
        0x32,
        &[field(topic.as_bytes()), id.to_be_bytes().to_vec(), body.to_vec()].concat(),
    )
}

pub fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &id.to_be_bytes())
}

pub fn subscribe(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        body.extend(field(filter.as_bytes()));
        body.push(*qos);
    }
    packet(0x82, &body)
}

pub fn unsubscribe(id: u16, filter: &str) -> Vec<u8> {
    packet(
        0xA2,
        &[id.to_be_bytes().to_vec(), field(filter.as_bytes())].concat(),
    )
}

/// A packet with its length before it.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let more = length > 127;
        bytes.push(u8::try_from(length & 127).unwrap() | if more { 128 } else { 0 });
        length >>= 7;
        if !more {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

pub fn field(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length, bytes].concat()
}
