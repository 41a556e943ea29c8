//! Bytes to packets.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::{Buf, BytesMut};
use mqtt_protocol_core::mqtt::common::{Arc, Cursor};
use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder, PacketData, RawPacket};
use mqtt_protocol_core::mqtt::packet::v3_1_1::{Connect, Puback, Publish, Subscribe, Unsubscribe};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use tokio::io::{AsyncRead, ReadBuf};

/// What a topic may take of a packet.
pub(crate) const LARGEST_TOPIC: usize = 65_535;

/// How much is read at a time: what fits a TLS record.
const READ: usize = 16 * 1024;

/// A packet that a client sends.
#[derive(Debug)]
pub(crate) enum Packet {
    Connect(Box<Connect>),
    Publish(Box<Publish>),
    Puback(u16),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Pingreq,
    Disconnect,
}

/// Why there is no packet.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPacket {
    /// The client has closed the connection, or it broke.
    #[error("the connection ended")]
    Ended(#[from] io::Error),
    /// A CONNECT of another version of MQTT.
    #[error("CONNECT asks for another version of MQTT; IoT Hub speaks 3.1.1 (protocol level 4) alone")]
    Version,
    /// The packet is larger than any message may be.
    #[error("a packet is larger than {0} bytes, more than the largest message and its topic take")]
    TooLarge(usize),
    /// Not MQTT.
    #[error("{0}")]
    Malformed(String),
}

/// The packets of one connection.
pub(super) struct Packets {
    buffer: BytesMut,
    builder: PacketBuilder,
    largest: usize,
}

impl Packets {
    /// Takes packets of at most `largest` bytes.
    pub(super) fn new(largest: usize) -> Self {
        let limit = u32::try_from(largest).unwrap_or(u32::MAX);
        Self {
            buffer: BytesMut::new(),
            builder: PacketBuilder::with_maximum_packet_size(limit),
            largest,
        }
    }

    /// The next packet. What was read stays when the wait is broken off.
    pub(super) async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Packet, NoPacket> {
        loop {
            if let Some(packet) = self.buffered()? {
                return Ok(packet);
            }
            if self.read(stream).await? == 0 {
                return Err(NoPacket::Ended(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// The next packet of those that were read already, if there is a whole one.
    pub(super) fn buffered(&mut self) -> Result<Option<Packet>, NoPacket> {
        self.build()?.map(packet).transpose()
    }

    /// Reads what has come, by way of a buffer that is there only meanwhile: thousands of idle connections keep none.
    async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        poll_fn(|context| {
            let mut space = [MaybeUninit::uninit(); READ];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
            self.buffer.extend_from_slice(read.filled());
            Poll::Ready(Ok(read.filled().len()))
        })
        .await
    }

    fn build(&mut self) -> Result<Option<RawPacket>, NoPacket> {
        while !self.buffer.is_empty() {
            let mut cursor = Cursor::new(&self.buffer[..]);
            let built = self.builder.feed(&mut cursor);
            let taken = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            self.buffer.advance(taken.min(self.buffer.len()));
            match built {
                PacketBuildResult::Complete(raw) => return Ok(Some(raw)),
                PacketBuildResult::Incomplete => {}
                PacketBuildResult::Error(MqttError::PacketTooLarge) => {
                    return Err(NoPacket::TooLarge(self.largest));
                }
                PacketBuildResult::Error(_) => {
                    return Err(malformed(
                        "a packet's remaining length takes more than four bytes",
                    ));
                }
            }
        }
        Ok(None)
    }
}

/// The packets that arrive in these pieces, and why there are no more.
#[cfg(any(test, fuzzing))]
pub(crate) fn decoded(pieces: &[&[u8]], largest: usize) -> (Vec<Packet>, String) {
    let mut packets = Packets::new(largest);
    let mut all = Vec::new();
    for piece in pieces {
        packets.buffer.extend_from_slice(piece);
        loop {
            match packets.build() {
                Ok(None) => break,
                Ok(Some(raw)) => match packet(raw) {
                    Ok(packet) => all.push(packet),
                    Err(why) => return (all, why.to_string()),
                },
                Err(why) => return (all, why.to_string()),
            }
        }
    }
    (all, "the connection ended".to_owned())
}

fn packet(raw: RawPacket) -> Result<Packet, NoPacket> {
    let (kind, flags) = (raw.packet_type(), raw.flags());
    let reserved = match kind {
        3 => flags,
        8 | 10 => 2,
        _ => 0,
    };
    if flags != reserved {
        return Err(malformed(&format!("{} has the flags {flags:04b}", name(kind))));
    }
    let wrong = |error: MqttError| malformed(&format!("{} is malformed ({error:?})", name(kind)));
    match kind {
        1 => connect(&raw),
        3 => {
            let data = match raw.data {
                PacketData::Publish(data) => data,
                PacketData::Normal(data) => Arc::from(data),
            };
            let (publish, _) = Publish::parse(flags, data).map_err(wrong)?;
            match publish.packet_id() {
                Some(0) => Err(malformed("PUBLISH has the packet id 0")),
                _ => Ok(Packet::Publish(Box::new(publish))),
            }
        }
        4 => raw
            .parse_exact(Puback::parse)
            .map(|ack| Packet::Puback(ack.packet_id()))
            .map_err(wrong),
        8 => match raw.parse_exact(Subscribe::parse).map_err(wrong)? {
            packet if packet.packet_id() == 0 => Err(malformed("SUBSCRIBE has the packet id 0")),
            packet => Ok(Packet::Subscribe(packet)),
        },
        10 => match raw.parse_exact(Unsubscribe::parse).map_err(wrong)? {
            packet if packet.packet_id() == 0 => Err(malformed("UNSUBSCRIBE has the packet id 0")),
            packet => Ok(Packet::Unsubscribe(packet)),
        },
        12 | 14 if !raw.data.is_empty() => Err(malformed(&format!("{} has a body", name(kind)))),
        12 => Ok(Packet::Pingreq),
        14 => Ok(Packet::Disconnect),
        5..=7 => Err(malformed(&format!(
            "{} belongs to QoS 2, which IoT Hub does not have",
            name(kind)
        ))),
        _ => Err(malformed(&format!("{} is not for a client to send", name(kind)))),
    }
}

fn connect(raw: &RawPacket) -> Result<Packet, NoPacket> {
    let data = raw.data_as_slice();
    // MQTT 3.1 has another protocol name.
    if data.starts_with(b"\0\x06MQIsdp") {
        return Err(NoPacket::Version);
    }
    let connect = match raw.parse_exact(Connect::parse) {
        Ok(connect) => connect,
        Err(MqttError::UnsupportedProtocolVersion) => return Err(NoPacket::Version),
        Err(error) => return Err(malformed(&format!("CONNECT is malformed ({error:?})"))),
    };
    // What the parser leaves unchecked of the flags, which lie behind protocol name and level.
    if let Some(flags) = data.get(7) {
        let (will, rest, qos) = (flags & 4 != 0, flags & 0b0011_1000 != 0, flags >> 3 & 3);
        if flags & 1 != 0 || qos == 3 || rest && !will {
            return Err(malformed(&format!("CONNECT has the flags {flags:08b}")));
        }
    }
    Ok(Packet::Connect(Box::new(connect)))
}

fn malformed(text: &str) -> NoPacket {
    NoPacket::Malformed(text.to_owned())
}

/// A packet's name in the standard.
fn name(kind: u8) -> &'static str {
    const NAMES: [&str; 16] = [
        "a packet of type 0",
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "a packet of type 15",
    ];
    NAMES.get(usize::from(kind)).copied().unwrap_or("a packet")
}
