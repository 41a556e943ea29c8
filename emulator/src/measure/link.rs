//! One device's connection over MQTT and TLS, as the load client has it: no more than the measurement needs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder, RawPacket};
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::packet::v3_1_1::{Connect, Pingreq, Publish};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::hub::Key;

/// Connections from one address: fewer than Linux has ports for one.
const PER_ADDRESS: u32 = 20_000;

/// The longest a session's token and a keep-alive last: longer than any measurement.
const TOKEN_S: i64 = 3_600;
const KEEP_ALIVE_S: u16 = 1_177;

const CONNACK: u8 = 2;
const PUBACK: u8 = 4;
const PINGRESP: u8 = 13;

/// Why a connection is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("a packet that cannot be built or read: {0:?}")]
    Packet(MqttError),
    #[error("CONNACK says {0}")]
    Refused(u8),
    #[error("a packet of type {0} where {1} was due")]
    Unexpected(u8, &'static str),
}

impl From<MqttError> for Broken {
    fn from(error: MqttError) -> Self {
        Self::Packet(error)
    }
}

/// A connection that the broker has accepted.
pub(super) struct Link {
    stream: TlsStream<TcpStream>,
    builder: PacketBuilder,
    buffer: Vec<u8>,
    /// How much of `buffer` is read already.
    taken: usize,
    topic: String,
}

/// Name of the device with this number.
pub(super) fn device(number: u32) -> String {
    format!("load-{number:05}")
}

/// TLS as a device has it that connects for the first time: each handshake is a whole one.
pub(super) fn tls(ca_pem: &[u8]) -> Result<TlsConnector, Box<dyn std::error::Error>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Link {
    /// Connects as device `number` of the group with this key, and waits for CONNACK.
    pub(super) async fn open(
        addr: SocketAddr,
        tls: &TlsConnector,
        group: &Key,
        number: u32,
    ) -> Result<Self, Broken> {
        let stream = dial(addr, number).await?;
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
        let id = device(number);
        let mut link = Self {
            stream: tls.connect(name, stream).await?,
            builder: PacketBuilder::new(),
            buffer: Vec::new(),
            taken: 0,
            topic: format!("devices/{id}/messages/events/"),
        };
        let expires = chrono::Utc::now().timestamp() + TOKEN_S;
        let token = group
            .derive(&id)
            .token(&format!("localhost/devices/{id}"), expires, None);
        let connect = Connect::builder()
            .client_id(id.as_str())?
            .clean_session(true)
            .keep_alive(KEEP_ALIVE_S)
            .user_name(format!("localhost/{id}/?api-version=2021-04-12"))?
            .password(token.into_bytes())?
            .build()?;
        link.write(&connect.to_continuous_buffer()).await?;
        let answer = link.packet().await?;
        match (answer.packet_type(), answer.data_as_slice()) {
            (CONNACK, [_, 0]) => Ok(link),
            (CONNACK, data) => Err(Broken::Refused(data.get(1).copied().unwrap_or(u8::MAX))),
            (other, _) => Err(Broken::Unexpected(other, "CONNACK")),
        }
    }

    /// Asks for a sign of life and waits for it.
    pub(super) async fn ping(&mut self) -> Result<(), Broken> {
        self.write(&Pingreq::new().to_continuous_buffer()).await?;
        match self.packet().await?.packet_type() {
            PINGRESP => Ok(()),
            other => Err(Broken::Unexpected(other, "PINGRESP")),
        }
    }

    /// Publishes `count` messages with this body at QoS 1, `window` of them unconfirmed at most, until the last is confirmed.
    pub(super) async fn publish(&mut self, count: u32, window: u16, body: &[u8]) -> Result<(), Broken> {
        let (mut sent, mut confirmed) = (0, 0);
        while confirmed < count {
            // What fits the window goes out in one write, as a client does that has messages waiting.
            let mut bytes = Vec::new();
            while sent < count && sent - confirmed < u32::from(window) {
                // Ids 1 to `window` are in use at a time.
                let id = u16::try_from(sent % u32::from(window)).unwrap_or(0) + 1;
                let packet = Publish::builder()
                    .topic_name(self.topic.as_str())?
                    .payload(body.to_vec());
                let packet = packet.qos(Qos::AtLeastOnce).packet_id(id).build()?;
                bytes.extend(packet.to_continuous_buffer());
                sent += 1;
            }
            self.write(&bytes).await?;
            confirmed += self.confirmations().await?;
        }
        Ok(())
    }

    /// Waits for a PUBACK, and takes those that came with it.
    async fn confirmations(&mut self) -> Result<u32, Broken> {
        let mut count = 0;
        let mut packet = self.packet().await?;
        loop {
            match packet.packet_type() {
                PUBACK => count += 1,
                other => return Err(Broken::Unexpected(other, "PUBACK")),
            }
            packet = match self.built()? {
                Some(next) => next,
                None => return Ok(count),
            };
        }
    }

    async fn packet(&mut self) -> Result<RawPacket, Broken> {
        loop {
            if let Some(packet) = self.built()? {
                return Ok(packet);
            }
            self.buffer.clear();
            self.taken = 0;
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// The next packet of what was read already.
    fn built(&mut self) -> Result<Option<RawPacket>, Broken> {
        while let Some(rest) = self.buffer.get(self.taken..).filter(|rest| !rest.is_empty()) {
            let mut cursor = Cursor::new(rest);
            let built = self.builder.feed(&mut cursor);
            self.taken += usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            match built {
                PacketBuildResult::Complete(packet) => return Ok(Some(packet)),
                PacketBuildResult::Incomplete => {}
                PacketBuildResult::Error(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }
}

/// A TCP connection; more than one address can have come from 127.0.0.2, 127.0.0.3, …
async fn dial(addr: SocketAddr, number: u32) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let block = number / PER_ADDRESS;
    if block > 0 {
        let last = u8::try_from(block + 1).map_err(|_| io::ErrorKind::AddrNotAvailable)?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
    }
    let stream = socket.connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
