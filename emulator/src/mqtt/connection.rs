//! The life of one connection.

use std::io;
use std::time::Duration;

use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::packet::v3_1_1::{
    Connack, Pingresp, Puback, Publish, Suback, Subscribe, Unsuback, Unsubscribe,
};
use mqtt_protocol_core::mqtt::result_code::{ConnectReturnCode, MqttError, SubackReturnCode};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::closing::Closing;
use super::packets::{NoPacket, Packet, Packets};
use super::service::{Service, Session};

/// A client that connects and then says nothing is dropped after this.
const FIRST_PACKET: Duration = Duration::from_secs(30);

/// A client that does not take what it is sent is dropped after this.
const STUCK: Duration = Duration::from_secs(60);

/// Bytes of answers that are sent at the latest, however much more has come.
const MOST_ANSWERS: usize = 4096;

/// The longest that a hub waits for a sign of life, whatever the client asks for: 1.5 times 1 177 s (Azure
/// docs, MQTT support).
const LONGEST_SILENCE: Duration = Duration::from_secs(1767);

/// Serves a connection to its end; `largest` bytes are the largest packet. Returns whether the end is to be
/// a TCP reset.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    service: &dyn Service,
    largest: usize,
) -> bool {
    let mut client = None;
    let ended = run(&mut stream, service, largest, &mut client).await;
    let reset = match &ended {
        Err(End::Closed(why)) => {
            service.closed(client.as_deref(), why);
            why.reset
        }
        Ok(()) | Err(End::Gone) => false,
    };
    if !reset {
        // The client may be gone already.
        let _ = timeout(STUCK, stream.shutdown()).await;
    }
    reset
}

/// Why a connection ends, other than by DISCONNECT.
enum End {
    /// The client went without a word.
    Gone,
    /// It was closed from this side.
    Closed(Closing),
}

impl From<Closing> for End {
    fn from(why: Closing) -> Self {
        Self::Closed(why)
    }
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<NoPacket> for End {
    fn from(error: NoPacket) -> Self {
        match error {
            NoPacket::Ended(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Closed(Closing::protocol(error.to_string()))
            }
            NoPacket::Ended(_) => Self::Gone,
            NoPacket::TooLarge(_) => Self::Closed(Closing::new("MessageTooLarge", error.to_string())),
            other => Self::Closed(Closing::protocol(other.to_string())),
        }
    }
}

impl From<MqttError> for End {
    fn from(error: MqttError) -> Self {
        Self::Closed(Closing::protocol(format!(
            "the answer cannot be written: {error:?}"
        )))
    }
}

async fn run(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    service: &dyn Service,
    largest: usize,
    client: &mut Option<String>,
) -> Result<(), End> {
    let mut packets = Packets::new(largest);
    let connect = match timeout(FIRST_PACKET, packets.next(stream)).await {
        Ok(Ok(Packet::Connect(connect))) => connect,
        Ok(Err(error @ NoPacket::Version)) => {
            write(
                stream,
                &connack(ConnectReturnCode::UnacceptableProtocolVersion, false)?,
            )
            .await?;
            return Err(error.into());
        }
        Ok(Err(error)) => return Err(error.into()),
        Ok(Ok(_)) => return Err(Closing::protocol("the first packet was no CONNECT").into()),
        Err(_) => return Err(Closing::protocol("no CONNECT came within 30 s").into()),
    };
    *client = Some(connect.client_id().to_owned());
    let mut session = match service.connect(&connect).await {
        Ok(session) => session,
        Err(refused) => {
            write(stream, &connack(refused.code, false)?).await?;
            return Err(refused.why.into());
        }
    };
    let accepted = connack(ConnectReturnCode::Accepted, session.is_resumed())?;
    let ended = match write(stream, &accepted).await {
        Ok(()) => talk(stream, &mut packets, &mut *session, silence(connect.keep_alive())).await,
        Err(gone) => Err(gone),
    };
    session.ended(ended.is_ok());
    ended
}

/// Packets in either direction, until DISCONNECT.
async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    packets: &mut Packets,
    session: &mut dyn Session,
    silence: Duration,
) -> Result<(), End> {
    let mut deadline = Instant::now() + silence;
    loop {
        let packet = tokio::select! {
            packet = packets.next(stream) => packet?,
            publication = session.next() => {
                write(stream, &publication?.bytes()?).await?;
                continue;
            }
            () = sleep_until(deadline) => {
                let text = format!(
                    "nothing came for {} s, 1.5 times the keep-alive; send PINGREQ in time",
                    silence.as_secs_f32()
                );
                return Err(Closing::new("MqttKeepAlive", text).into());
            }
        };
        deadline = Instant::now() + silence;
        // What came together is answered together: one write, and one TLS record, for a whole window of messages.
        let mut answers = Vec::new();
        let mut next = Some(packet);
        let mut ended = None;
        while let Some(packet) = next.take() {
            match answer(session, packet, &mut answers).await {
                Ok(true) if answers.len() < MOST_ANSWERS => match packets.buffered() {
                    Ok(packet) => next = packet,
                    Err(error) => ended = Some(Err(error.into())),
                },
                Ok(true) => {}
                Ok(false) => ended = Some(Ok(())),
                Err(error) => ended = Some(Err(error)),
            }
        }
        // Also before a connection ends: what was confirmed until then stays confirmed.
        let written = write(stream, &answers).await;
        if let Some(ended) = ended {
            return ended;
        }
        written?;
    }
}

/// Adds what a packet is answered with to `answers`; `false` says that the client has left.
async fn answer(session: &mut dyn Session, packet: Packet, answers: &mut Vec<u8>) -> Result<bool, End> {
    match packet {
        Packet::Publish(packet) => publish(session, *packet, answers).await?,
        Packet::Puback(id) => session.acknowledged(id),
        Packet::Subscribe(packet) => answers.extend(subscribe(session, &packet)?),
        Packet::Unsubscribe(packet) => answers.extend(unsubscribe(session, &packet)?),
        Packet::Pingreq => answers.extend(Pingresp::new().to_continuous_buffer()),
        Packet::Disconnect => return Ok(false),
        Packet::Connect(_) => return Err(Closing::protocol("a second CONNECT came").into()),
    }
    Ok(true)
}

async fn publish(session: &mut dyn Session, packet: Publish, answers: &mut Vec<u8>) -> Result<(), End> {
    if packet.qos() == Qos::ExactlyOnce {
        return Err(Closing::protocol("a PUBLISH asks for QoS 2; IoT Hub knows 0 and 1").into());
    }
    let id = packet.packet_id();
    let Some(publications) = session.publish(packet).await? else {
        return Ok(());
    };
    if let Some(id) = id {
        answers.extend(Puback::builder().packet_id(id).build()?.to_continuous_buffer());
    }
    for publication in publications {
        answers.extend(publication.bytes()?);
    }
    Ok(())
}

fn subscribe(session: &mut dyn Session, packet: &Subscribe) -> Result<Vec<u8>, End> {
    let mut granted = Vec::new();
    for entry in packet.entries() {
        granted.push(
            match session.subscribe(entry.topic_filter(), entry.sub_opts().qos())? {
                Qos::AtMostOnce => SubackReturnCode::SuccessMaximumQos0,
                _ => SubackReturnCode::SuccessMaximumQos1,
            },
        );
    }
    let suback = Suback::builder()
        .packet_id(packet.packet_id())
        .return_codes(granted);
    Ok(suback.build()?.to_continuous_buffer())
}

fn unsubscribe(session: &mut dyn Session, packet: &Unsubscribe) -> Result<Vec<u8>, End> {
    for filter in packet.entries() {
        session.unsubscribe(filter.as_str());
    }
    let unsuback = Unsuback::builder().packet_id(packet.packet_id()).build()?;
    Ok(unsuback.to_continuous_buffer())
}

fn connack(code: ConnectReturnCode, resumed: bool) -> Result<Vec<u8>, MqttError> {
    let connack = Connack::builder()
        .session_present(resumed)
        .return_code(code)
        .build()?;
    Ok(connack.to_continuous_buffer())
}

/// How long a client may be silent: 1.5 times its keep-alive.
fn silence(keep_alive_s: u16) -> Duration {
    match keep_alive_s {
        0 => LONGEST_SILENCE,
        seconds => (Duration::from_secs(seconds.into()) * 3 / 2).min(LONGEST_SILENCE),
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), End> {
    if bytes.is_empty() {
        return Ok(());
    }
    let writing = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match timeout(STUCK, writing).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(Closing::new("MqttStuck", "the client has not read for 60 s").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_one_and_a_half_keep_alives_and_bounded() {
        for (keep_alive_s, expected_ms) in [
            (1, 1_500),
            (180, 270_000),
            (1177, 1_765_500),
            (1178, 1_767_000),
            (0, 1_767_000),
        ] {
            assert_eq!(silence(keep_alive_s).as_millis(), expected_ms, "{keep_alive_s} s");
        }
    }
}
