//! MQTT inside WebSocket, frame by frame.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/wire.rs"]
mod wire;

use std::time::Duration;

use emulator::hub::{Fault, Hub};
use mqtt::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use wire::Wire;

const EVENTS: &str = "devices/meter-001/messages/events/";
const HEADERS: [(&str, &str); 5] = [
    ("Connection", "keep-alive, Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Protocol", "mqttv3.1, mqtt"),
    // The key of RFC 6455 and, below, its answer.
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const PATH: &str = "GET /$iothub/websocket?iothub-no-client-cert=true";

/// A client's frame, masked.
fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut bytes = vec![first];
    match u16::try_from(body.len()).unwrap() {
        length @ 0..=125 => bytes.push(128 | u8::try_from(length).unwrap()),
        length => {
            bytes.push(128 | 126);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(
        body.iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

fn binary(body: &[u8]) -> Vec<u8> {
    frame(0x82, body)
}

/// A connection whose upgrade was answered.
async fn upgraded(hub: &Hub) -> Wire {
    let mut wire = Wire::to(hub).await;
    let reply = wire.ask(&upgrade(&HEADERS)).await.unwrap();
    assert_eq!(reply.status, 101);
    assert_eq!(
        reply.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(reply.header("sec-websocket-protocol"), Some("mqtt"));
    assert_eq!(reply.header("upgrade"), Some("websocket"));
    wire
}

fn upgrade(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = String::from_utf8(wire::request(PATH, headers, "")).unwrap();
    text.replace("Content-Length: 0\r\n", "").into_bytes()
}

async fn send(wire: &mut Wire, bytes: &[u8]) {
    wire.stream.write_all(bytes).await.unwrap();
    wire.stream.flush().await.unwrap();
}

async fn expect(wire: &mut Wire, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    let read = timeout(Duration::from_secs(20), wire.stream.read_exact(&mut bytes)).await;
    assert!(matches!(read, Ok(Ok(_))), "{read:?}");
    assert_eq!(bytes, expected);
}

/// Waits for the end, whatever comes before.
async fn end(wire: &mut Wire) {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(20), wire.stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "still open after 20 s");
}

fn login() -> Vec<u8> {
    connect("meter-001", &user("meter-001"), &token("meter-001"))
}

async fn meter(hub: &Hub) -> Wire {
    let mut wire = upgraded(hub).await;
    send(&mut wire, &binary(&login())).await;
    expect(&mut wire, &[0x82, 4, 0x20, 2, 0, 0]).await;
    wire
}

#[tokio::test]
async fn packets_and_frames_need_not_match() {
    let hub = hub().await;
    let mut wire = upgraded(&hub).await;
    let login = login();
    // One packet in three frames (the last two of one fragmented message), with a ping between them.
    let (a, b) = (10, 100);
    let mut bytes = binary(&login[..a]);
    bytes.extend(frame(0x89, b"hey"));
    bytes.extend(frame(0x02, &login[a..b]));
    bytes.extend(frame(0x80, &login[b..]));
    send(&mut wire, &bytes).await;
    expect(&mut wire, &[0x8A, 3, b'h', b'e', b'y', 0x82, 4, 0x20, 2, 0, 0]).await;
    // Three packets in one frame.
    let packets = [
        publish(EVENTS, b"a"),
        publish_1(7, EVENTS, b"b"),
        PINGREQ.to_vec(),
    ]
    .concat();
    send(&mut wire, &binary(&packets)).await;
    // … whose answers come in one frame, too.
    expect(&mut wire, &[0x82, 6, 0x40, 2, 0, 7, 0xD0, 0]).await;
    assert_eq!(hub.arrived().len(), 2);
    // An orderly end, both of MQTT and of WebSocket.
    send(&mut wire, &binary(&DISCONNECT)).await;
    expect(&mut wire, &[0x88, 0]).await;
    assert!(hub.closed().is_empty());
}

#[tokio::test]
async fn what_comes_with_the_upgrade_is_read() {
    let hub = hub().await;
    let mut wire = Wire::to(&hub).await;
    send(&mut wire, &[upgrade(&HEADERS), binary(&login())].concat()).await;
    // Byte by byte, since the answer to CONNECT may come with that to the upgrade.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(Duration::from_secs(20), wire.stream.read_u8()).await;
        head.push(byte.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    expect(&mut wire, &[0x82, 4, 0x20, 2, 0, 0]).await;
}

#[tokio::test]
async fn a_request_that_lacks_something_is_told_so() {
    let hub = hub().await;
    let without = |left_out: usize| -> Vec<_> {
        let all = HEADERS.iter().enumerate();
        all.filter(|(at, _)| *at != left_out)
            .map(|(_, header)| *header)
            .collect()
    };
    let mut wire = Wire::to(&hub).await;
    for (at, reason) in [
        (0, "Connection"),
        (1, "Upgrade"),
        (2, "Version"),
        (3, "mqtt"),
        (4, "Key"),
    ] {
        let reply = wire.ask(&upgrade(&without(at))).await.unwrap();
        assert_eq!(reply.status, 400);
        assert!(reply.body.contains(reason), "{}", reply.body);
    }
    let post = wire::request("POST /$iothub/websocket", &HEADERS, "");
    assert_eq!(wire.ask(&post).await.unwrap().status, 404);
    meter(&hub).await;
}

#[tokio::test]
async fn what_is_no_mqtt_in_binary_frames_is_closed_and_told() {
    let hub = hub().await;
    let unmasked = [&[0x82, 2][..], &PINGREQ].concat();
    let reserved = frame(0xC2, &PINGREQ);
    let cases = [
        (frame(0x81, b"text"), "text frame"),
        (unmasked, "WebSocket"),
        (reserved, "WebSocket"),
        (
            vec![0x82, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4],
            "WebSocket",
        ),
        (binary(&publish("home/kitchen", b"")), "IoT Hub is no broker"),
    ];
    for (bytes, reason) in cases {
        let mut wire = meter(&hub).await;
        send(&mut wire, &bytes).await;
        end(&mut wire).await;
        let closed = hub.closed();
        assert!(
            closed.last().unwrap().reason.contains(reason),
            "{:?}, not: {reason}",
            closed.last()
        );
    }
    meter(&hub).await;
}

#[tokio::test]
async fn a_reset_and_an_outage_end_it() {
    let hub = hub().await;
    let mut wire = meter(&hub).await;
    hub.fail_next(1, Fault::ResetAfterAccept);
    send(&mut wire, &binary(&publish(EVENTS, b"taken"))).await;
    let read = timeout(Duration::from_secs(20), wire.stream.read_u8())
        .await
        .unwrap();
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(hub.arrived().len(), 1);
    let mut wire = meter(&hub).await;
    hub.go_down();
    end(&mut wire).await;
}
