//! The hub over MQTT, byte by byte. That Microsoft's SDKs and mosquitto's client agree is what `cargo xtask conformance`
//! shows.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use emulator::hub::{
    Arrived, Clock, Device, Devicebound, Fault, Hub, HubOptions, Limits, Method, Operation, Rate, Throttles,
};
use mqtt::*;
use wire::{K32, K64, NOW_S, key, options};

const EVENTS: &str = "devices/meter-001/messages/events/";

/// The only message that arrived.
async fn arrived(hub: &Hub) -> Arrived {
    hub.wait_for(1).await;
    let all = hub.arrived();
    assert_eq!(all.len(), 1);
    (*all[0]).clone()
}

/// Sends at QoS 1 and waits for PUBACK.
async fn sends(client: &mut Client, topic: &str, body: &[u8]) {
    client.send(&publish_1(7, topic, body)).await;
    client.expect(&[0x40, 2, 0, 7]).await;
}

/// Microsoft's Node SDK connects anew with a fresh token, and does not subscribe again.
#[tokio::test]
async fn what_was_subscribed_to_outlasts_a_connection_without_clean_session() {
    let hub = hub().await;
    let connect = |flags| {
        let fields = [user("meter-001"), token("meter-001")];
        connect_with(flags, "meter-001", &[fields[0].as_bytes(), fields[1].as_bytes()])
    };
    let (kept, clean) = (connect(0b1100_0000), connect(0b1100_0010));
    let devicebound = "devices/meter-001/messages/devicebound/#";
    let desired = "$iothub/twin/PATCH/properties/desired/#";
    let resumed = [0x20, 2, 1, 0];

    let mut first = Client::with(&hub, &kept).await;
    first
        .send(&subscribe(
            1,
            &[(devicebound, 0), (desired, 0), ("$iothub/methods/POST/#", 0)],
        ))
        .await;
    first.expect(&[0x90, 5, 0, 1, 0, 0, 0]).await;
    first.send(&unsubscribe(2, desired)).await;
    first.expect(&[0xB0, 2, 0, 2]).await;
    first.send(&DISCONNECT).await;
    first.expect_end().await;

    let mut second = Client::open(&hub).await;
    second.send(&kept).await;
    second.expect(&resumed).await;
    hub.change_twin("meter-001", Some(&serde_json::json!({"a": 1})), None)
        .unwrap();
    hub.send_to_device("meter-001", Devicebound::default()).unwrap();
    let (first_byte, body) = second.packet().await;
    assert_eq!(first_byte, 0x30);
    let topic = "devices/meter-001/messages/devicebound/";
    assert!(String::from_utf8_lossy(&body[2..]).starts_with(topic), "{body:?}");
    let call = Method {
        name: "reboot".to_owned(),
        payload: serde_json::Value::Null,
        answer_within: Duration::from_secs(20),
        connect_within: Duration::ZERO,
    };
    let asked = async {
        let (_, body) = second.packet().await;
        let topic = "$iothub/methods/POST/reboot/?$rid=";
        let said = String::from_utf8_lossy(&body[2..]).into_owned();
        let rid = said.strip_prefix(topic).expect(&said).trim_end_matches("null");
        second
            .send(&publish(&format!("$iothub/methods/res/200/?$rid={rid}"), b""))
            .await;
    };
    let (answered, ()) = tokio::join!(hub.invoke("meter-001", call), asked);
    assert_eq!(answered.unwrap().status, 200);
    second.send(&DISCONNECT).await;
    second.expect_end().await;

    // Who begins anew, and who is another device of the same name, finds nothing.
    Client::with(&hub, &clean).await;
    let mut third = Client::with(&hub, &kept).await;
    third.send(&subscribe(1, &[(devicebound, 0)])).await;
    third.expect(&[0x90, 3, 0, 1, 0]).await;
    hub.remove_device("meter-001");
    third.expect_end().await;
    hub.put_device(Device::new("meter-001", key(K32)));
    Client::with(&hub, &kept).await;
}

#[tokio::test]
async fn the_answers_of_a_whole_conversation() {
    let hub = hub().await;
    let mut client = Client::meter(&hub).await;
    assert!(hub.is_connected("meter-001"));
    client.send(&PINGREQ).await;
    client.expect(&PINGRESP).await;
    let filters = [
        ("devices/meter-001/messages/devicebound/#", 0),
        ("$iothub/twin/res/#", 1),
        ("$iothub/methods/POST/#", 2),
    ];
    client.send(&subscribe(0x1234, &filters)).await;
    client.expect(&[0x90, 5, 0x12, 0x34, 0, 1, 1]).await;
    client.send(&unsubscribe(9, "$iothub/twin/res/#")).await;
    client.expect(&[0xB0, 2, 0, 9]).await;
    // Unsubscribing from what was never subscribed to is confirmed as well.
    client.send(&unsubscribe(10, "some/thing")).await;
    client.expect(&[0xB0, 2, 0, 10]).await;
    client.send(&publish(EVENTS, b"at QoS 0")).await;
    sends(&mut client, EVENTS, b"at QoS 1").await;
    client.send(&DISCONNECT).await;
    client.expect_end().await;
    let bodies: Vec<_> = hub.arrived().iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies, ["at QoS 0", "at QoS 1"]);
    assert!(!hub.is_connected("meter-001") && hub.closed().is_empty());
}

#[tokio::test]
async fn packets_in_pieces_and_several_at_once() {
    let hub = hub().await;
    let mut client = Client::open(&hub).await;
    for byte in connect("meter-001", &user("meter-001"), &token("meter-001")) {
        client.send(&[byte]).await;
    }
    client.expect(&ACCEPTED).await;
    let three = [
        publish_1(1, EVENTS, b"a"),
        PINGREQ.to_vec(),
        publish_1(2, EVENTS, &[b'b'; 200]),
    ]
    .concat();
    client.send(&three).await;
    client.expect(&[0x40, 2, 0, 1, 0xD0, 0, 0x40, 2, 0, 2]).await;
    // CONNECT and what follows in one write, as clients that wait for nothing do.
    let login = connect("m:1", &user("m:1"), &token("m:1"));
    let mut eager = Client::open(&hub).await;
    eager
        .send(&[login, publish_1(3, "devices/m:1/messages/events/", b"c")].concat())
        .await;
    eager.expect(&[0x20, 2, 0, 0, 0x40, 2, 0, 3]).await;
    assert_eq!(hub.arrived().len(), 3);
}

/// Messages that come together are confirmed together, in order, however many they are; and what was confirmed before a forbidden
/// packet stays confirmed.
#[tokio::test]
async fn a_burst_is_confirmed_to_the_last_before_the_connection_ends() {
    let hub = hub().await;
    let mut client = Client::meter(&hub).await;
    let mut burst: Vec<u8> = (1..=3000).flat_map(|id| publish_1(id, EVENTS, b"x")).collect();
    burst.extend(packet(0x34, &[field(EVENTS.as_bytes()), vec![0, 1]].concat()));
    client.send_anyway(&burst).await;
    for id in 1..=3000 {
        client.expect(&puback(id)).await;
    }
    client.expect_end().await;
    assert_eq!(hub.stats().messages, 3000);
}

#[tokio::test]
async fn properties_reach_the_feed_in_both_spellings() {
    for dollar in ["$", "%24"] {
        let hub = hub().await;
        let mut client = Client::meter(&hub).await;
        let topic = format!(
            "{EVENTS}{dollar}.ct=application%2Fjson&{dollar}.ce=utf-8&{dollar}.mid=m-1&{dollar}.cid=c&\
             {dollar}.ctime=2026-01-01T00%3A00%3A00Z&a%20b=%C3%BC%26&none&empty="
        );
        sends(&mut client, &topic, b"{}").await;
        let message = arrived(&hub).await;
        assert_eq!(message.content_type.as_deref(), Some("application/json"));
        assert_eq!(message.content_encoding.as_deref(), Some("utf-8"));
        assert_eq!(message.message_id.as_deref(), Some("m-1"));
        assert_eq!(message.creation_time.as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(message.system["iothub-correlationid"], "c");
        let properties: Vec<_> = message
            .properties
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(properties, [("a b", "ü&"), ("empty", ""), ("none", "")]);
        assert_eq!((message.device.as_str(), message.units), ("meter-001", 1));
    }
}

#[tokio::test]
async fn retain_becomes_a_property() {
    let hub = hub().await;
    let mut client = Client::meter(&hub).await;
    let mut bytes = publish_1(7, EVENTS, b"x");
    bytes[0] |= 1;
    client.send(&bytes).await;
    client.expect(&[0x40, 2, 0, 7]).await;
    assert_eq!(arrived(&hub).await.properties["mqtt-retain"], "true");
}

#[tokio::test]
async fn a_model_id_goes_with_each_message() {
    let hub = hub().await;
    let user = format!("{}&model-id=dtmi%3Acom%3Aexample%3AMeter%3B1", user("meter-001"));
    let mut client = Client::with(&hub, &connect("meter-001", &user, &token("meter-001"))).await;
    sends(&mut client, EVENTS, b"x").await;
    assert_eq!(
        arrived(&hub).await.system["dt-dataschema"],
        "dtmi:com:example:Meter;1"
    );
}

/// CONNECT of `meter-001` with a will at QoS 1.
fn with_will(topic: &str) -> Vec<u8> {
    let (user, token) = (user("meter-001"), token("meter-001"));
    let fields = [topic.as_bytes(), b"gone", user.as_bytes(), token.as_bytes()];
    connect_with(0b1100_1110, "meter-001", &fields)
}

#[tokio::test]
async fn a_will_is_sent_for_who_goes_without_a_word() {
    let hub = hub().await;
    let mut orderly = Client::with(&hub, &with_will(&format!("{EVENTS}a=1"))).await;
    orderly.send(&DISCONNECT).await;
    orderly.expect_end().await;
    drop(Client::with(&hub, &with_will(&format!("{EVENTS}a=2"))).await);
    let message = arrived(&hub).await;
    assert_eq!(message.body, "gone");
    assert_eq!(message.properties["iothub-MessageType"], "Will");
    assert_eq!(message.properties["a"], "2");
    // One that was closed for what it did leaves its will as well.
    let mut wrong = Client::with(&hub, &with_will(EVENTS)).await;
    wrong.send(&publish("home/kitchen", b"")).await;
    wrong.expect_end().await;
    hub.wait_for(2).await;
}

/// A CONNECT, its answer, and what is said to have been wrong.
async fn check_connect(hub: &Hub, bytes: &[u8], answer: &[u8], reason: &str) {
    let mut client = Client::open(hub).await;
    client.send_anyway(bytes).await;
    client.expect(answer).await;
    client.expect_end().await;
    let closed = hub.closed();
    let last = closed.last().unwrap();
    assert!(last.reason.contains(reason), "{last:?}, not: {reason}");
    // The next one is served.
    let mut good = Client::meter(hub).await;
    sends(&mut good, EVENTS, b"{}").await;
    good.send(&DISCONNECT).await;
    good.expect_end().await;
}

#[tokio::test]
async fn who_may_not_connect_is_told_5_and_closed() {
    let hub = hub().await;
    let (name, good) = (user("meter-001"), token("meter-001"));
    let resource = "localhost/devices/meter-001";
    let expired = key(K32).token(resource, NOW_S - 301, None);
    let foreign = key(K32).token("other/devices/meter-001", NOW_S + 60, None);
    let prefix = key(K32).token("localhost/devices/meter", NOW_S + 60, None);
    let wrong_key = key(K64).token(resource, NOW_S + 60, None);
    let service = key(K64).token("localhost", NOW_S + 60, Some("service"));
    let broken = good.replace("sig=", "sig=A");
    let cases: [(&str, &str, &str, &str); 17] = [
        ("meter-001", &name, &expired, "Unauthorized"),
        ("meter-001", &name, &foreign, "Unauthorized"),
        ("meter-001", &name, &prefix, "Unauthorized"),
        ("meter-001", &name, &wrong_key, "Unauthorized"),
        ("meter-001", &name, &service, "Unauthorized"),
        ("meter-001", &name, &broken, "Unauthorized"),
        ("meter-001", &name, &token("m:1"), "Unauthorized"),
        ("meter-001", &name, "", "Unauthorized"),
        ("meter-001", &name, "password", "Unauthorized"),
        (
            "meter-001",
            "",
            &good,
            "the user name is localhost/meter-001/?api-version=",
        ),
        ("meter-001", "meter-001", &good, "names no device"),
        ("meter-001", "localhost/meter-001", &good, "no api-version"),
        (
            "meter-001",
            "other/meter-001/?api-version=2021-04-12",
            &good,
            "the hub other",
        ),
        ("other", &name, &good, "the client id is other"),
        (
            "meter-001/module",
            &name,
            &good,
            "the client id is meter-001/module",
        ),
        (
            "nobody",
            &user("nobody"),
            &token("nobody"),
            "nobody not registered",
        ),
        ("off", &user("off"), &token("off"), "off is disabled"),
    ];
    for (client, user, password, reason) in cases {
        check_connect(&hub, &connect(client, user, password), &NOT_AUTHORIZED, reason).await;
    }
    // No password, no user name, a will to a topic that is not the device's.
    let no_password = connect_with(0b1000_0010, "meter-001", &[name.as_bytes()]);
    check_connect(&hub, &no_password, &NOT_AUTHORIZED, "Unauthorized").await;
    let no_name = connect_with(0b0000_0010, "meter-001", &[]);
    check_connect(&hub, &no_name, &NOT_AUTHORIZED, "no user name").await;
    check_connect(
        &hub,
        &with_will("devices/m:1/messages/events/"),
        &NOT_AUTHORIZED,
        "the device m:1",
    )
    .await;
}

#[tokio::test]
async fn what_is_no_connect_of_mqtt_3_1_1_is_closed() {
    let hub = hub().await;
    let good = connect("meter-001", &user("meter-001"), &token("meter-001"));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        // The length takes two bytes.
        bytes[at + 3] = byte;
        bytes
    };
    let version = "3.1.1 (protocol level 4) alone";
    let old = packet(0x10, b"\0\x06MQIsdp\x03\x02\0\x3c\0\x01a");
    for bytes in [changed(6, 3), changed(6, 5), old] {
        check_connect(&hub, &bytes, &[0x20, 2, 0, 1], version).await;
    }
    let longer = packet(0x10, &[&good[3..], b"x"].concat());
    let cases: [(Vec<u8>, &str); 14] = [
        (changed(2, b'X'), "CONNECT is malformed"),
        (changed(7, 0b1100_0011), "the flags 11000011"),
        (
            connect_with(0b0001_1110, "meter-001", &[b"a", b"b"]),
            "the flags 00011110",
        ),
        (changed(7, 0b1110_0010), "the flags 11100010"),
        (changed(7, 0b0100_0010), "CONNECT is malformed"),
        (longer, "CONNECT is malformed"),
        (packet(0x10, b""), "CONNECT is malformed"),
        (
            packet(0x10, b"\0\x04MQTT\x04\x02\0\x3c\0\x02\xff\xfe"),
            "CONNECT is malformed",
        ),
        (packet(0x11, &good[3..]), "CONNECT has the flags 0001"),
        (vec![0x10, 0xff, 0xff, 0xff, 0xff, 1], "more than four bytes"),
        (vec![0x30, 0xff, 0xff, 0xff, 0x7f], "a packet is larger than"),
        (PINGREQ.to_vec(), "the first packet was no CONNECT"),
        (publish(EVENTS, b"x"), "the first packet was no CONNECT"),
        (
            [&b"GET / HTTP/1.1\r\nUser-Agent: "[..], &[b'x'; 60]].concat(),
            "PUBACK has the flags 0111",
        ),
    ];
    for (bytes, reason) in cases {
        check_connect(&hub, &bytes, &[], reason).await;
    }
}

/// What a connected device sends, and why the hub closes.
async fn check_closed(hub: &Hub, bytes: &[u8], reason: &str) {
    let mut client = Client::meter(hub).await;
    client.send_anyway(bytes).await;
    client.expect_end().await;
    let closed = hub.closed();
    let last = closed.last().unwrap();
    assert!(last.reason.contains(reason), "{last:?}, not: {reason}");
    assert_eq!(last.client.as_deref(), Some("meter-001"));
    let mut good = Client::meter(hub).await;
    sends(&mut good, EVENTS, b"{}").await;
    good.send(&DISCONNECT).await;
    good.expect_end().await;
}

#[tokio::test]
async fn what_a_device_may_not_do_closes_its_connection_and_is_told() {
    let hub = hub().await;
    let qos_2 = packet(0x34, &[field(EVENTS.as_bytes()), vec![0, 1]].concat());
    let qos_3 = packet(0x36, &[field(EVENTS.as_bytes()), vec![0, 1]].concat());
    let bag = |bag: &str| publish(&format!("{EVENTS}{bag}"), b"{}");
    let cases = [
        (publish("devices/m:1/messages/events/", b""), "the device m:1"),
        (
            publish("devices/METER-001/messages/events/", b""),
            "the device METER-001",
        ),
        (publish("devices/meter-001/messages/events", b""), "ends with a /"),
        (
            publish("devices/meter-001/messages/devicebound/", b""),
            "messages/events/ alone",
        ),
        (
            publish("devices/meter-001/modules/m/messages/events/", b""),
            "messages/events/ alone",
        ),
        (publish("home/kitchen", b""), "IoT Hub is no broker"),
        (publish("", b""), "IoT Hub is no broker"),
        (publish("devices/+/messages/events/", b""), "wildcards"),
        (
            publish("$dps/registrations/PUT/iotdps-register/?$rid=1", b""),
            "a topic of the DPS",
        ),
        (bag("$.ct=application/json"), "application%2Fjson"),
        (bag("a=%4"), "percent-encoded"),
        (bag("a=%ff"), "UTF-8"),
        (bag("=1"), "no name"),
        (bag("$.nonsense=1"), "no system property"),
        (bag("$.ctime=today"), "does not fit"),
        (bag("$.mid=a%20b"), "does not fit"),
        (qos_2, "QoS 2"),
        (qos_3, "PUBLISH is malformed"),
        (
            packet(0x32, &[field(EVENTS.as_bytes()), vec![0, 0]].concat()),
            "packet id 0",
        ),
        (packet(0x32, &field(EVENTS.as_bytes())), "PUBLISH is malformed"),
        (packet(0x30, &[0, 200, b'x']), "PUBLISH is malformed"),
        (packet(0x30, &field(b"\xff")), "PUBLISH is malformed"),
        (publish(EVENTS, &[0; 262_145]), "exceeds the maximum of 262144"),
        (publish(EVENTS, &[0; 400_000]), "a packet is larger than"),
        (subscribe(1, &[("#", 0)]), "a SUBSCRIBE to #"),
        (
            subscribe(1, &[("devices/m:1/messages/devicebound/#", 0)]),
            "devices/m:1",
        ),
        (
            subscribe(1, &[("devices/meter-001/messages/events/#", 0)]),
            "a SUBSCRIBE to",
        ),
        (
            subscribe(1, &[("$iothub/twin/res/#", 0), ("a", 0)]),
            "a SUBSCRIBE to a:",
        ),
        (
            subscribe(1, &[("$iothub/twin/res/#", 3)]),
            "SUBSCRIBE is malformed",
        ),
        (subscribe(1, &[]), "SUBSCRIBE is malformed"),
        (subscribe(0, &[("$iothub/twin/res/#", 0)]), "packet id 0"),
        (
            packet(0x80, &subscribe(1, &[("$iothub/twin/res/#", 0)])[2..]),
            "SUBSCRIBE has the flags",
        ),
        (packet(0xA2, &[0, 1]), "UNSUBSCRIBE is malformed"),
        (packet(0xA2, &[0, 0, 0, 1, b'a']), "packet id 0"),
        (packet(0xC0, &[0]), "PINGREQ has a body"),
        (packet(0x50, &[0, 1]), "PUBREC belongs to QoS 2"),
        (packet(0x62, &[0, 1]), "PUBREL"),
        (packet(0x20, &[0, 0]), "CONNACK is not for a client"),
        (packet(0x90, &[0, 1, 0]), "SUBACK is not for a client"),
        (packet(0xD0, &[]), "PINGRESP is not for a client"),
        (packet(0x00, &[]), "type 0"),
        (packet(0xF0, &[]), "type 15"),
        (packet(0x40, &[0]), "PUBACK is malformed"),
        (
            connect("meter-001", &user("meter-001"), &token("meter-001")),
            "a second CONNECT",
        ),
    ];
    let refused = cases.len();
    for (bytes, reason) in cases {
        check_closed(&hub, &bytes, reason).await;
    }
    assert_eq!(hub.closed().len(), refused);
    assert_eq!(hub.stats().messages, refused as u64, "only the good ones arrived");
}

#[tokio::test]
async fn the_largest_message_is_taken() {
    let hub = hub().await;
    let mut client = Client::meter(&hub).await;
    sends(&mut client, EVENTS, &[b'x'; 262_144]).await;
    assert_eq!(arrived(&hub).await.units, 64);
}

#[tokio::test]
async fn the_newer_connection_wins() {
    let hub = hub().await;
    let mut older = Client::meter(&hub).await;
    let mut newer = Client::meter(&hub).await;
    older.expect_end().await;
    sends(&mut newer, EVENTS, b"x").await;
    assert!(hub.is_connected("meter-001"));
    assert!(hub.closed()[0].reason.contains("400027"), "{:?}", hub.closed());
    // Another device's is left alone.
    Client::with(&hub, &connect("m:1", &user("m:1"), &token("m:1"))).await;
    newer.send(&PINGREQ).await;
    newer.expect(&PINGRESP).await;
}

#[tokio::test]
async fn a_device_that_is_disabled_or_removed_is_disconnected() {
    let hub = hub().await;
    let mut client = Client::meter(&hub).await;
    let meter = hub.device("meter-001").unwrap();
    hub.put_device(meter.clone());
    sends(&mut client, EVENTS, b"x").await;
    hub.put_device(Device {
        enabled: false,
        ..meter.clone()
    });
    client.expect_end().await;
    hub.put_device(meter);
    let mut client = Client::meter(&hub).await;
    hub.remove_device("meter-001");
    client.expect_end().await;
    let reasons: Vec<_> = hub.closed().into_iter().map(|closed| closed.name).collect();
    assert_eq!(reasons, ["DeviceDisabled", "DeviceNotFound"]);
}

/// The shortest keep-alive there is, in real time.
#[tokio::test]
async fn silence_for_one_and_a_half_keep_alives_is_the_end() {
    let hub = hub().await;
    let mut bytes = connect("meter-001", &user("meter-001"), &token("meter-001"));
    // Behind two bytes of length, protocol name, level and flags.
    bytes[11..13].copy_from_slice(&[0, 1]);
    let mut client = Client::with(&hub, &bytes).await;
    let began = std::time::Instant::now();
    client.expect_end().await;
    assert!(began.elapsed().as_millis() >= 1_490, "{:?}", began.elapsed());
    assert!(hub.closed()[0].reason.contains("for 1.5 s"), "{:?}", hub.closed());
}

#[tokio::test]
async fn a_connection_outlives_its_token_by_ten_minutes() {
    let now_s = Arc::new(AtomicI64::new(NOW_S));
    let read = now_s.clone();
    let clock = Clock::new(move || read.load(Ordering::Relaxed) * 1000);
    let hub = start(HubOptions { clock, ..options() }).await;
    let mut client = Client::meter(&hub).await;
    now_s.store(NOW_S + 1200, Ordering::Relaxed);
    sends(&mut client, EVENTS, b"x").await;
    now_s.store(NOW_S + 1201, Ordering::Relaxed);
    client.send(&publish_1(7, EVENTS, b"x")).await;
    client.expect_end().await;
    assert!(
        hub.closed()[0].reason.contains("token ended"),
        "{:?}",
        hub.closed()
    );
}

#[tokio::test]
async fn throttle_and_quota_close_the_connection() {
    let limits = [
        (
            Limits {
                throttles: Throttles::default().with(Operation::Send, Rate::per_second(2)),
                ..Limits::default()
            },
            "ThrottlingBacklogTimeout",
        ),
        (
            Limits {
                units_per_day: Some(2),
                ..Limits::default()
            },
            "IotHubQuotaExceeded",
        ),
    ];
    for (limits, name) in limits {
        let hub = start(HubOptions { limits, ..options() }).await;
        let mut client = Client::meter(&hub).await;
        sends(&mut client, EVENTS, b"1").await;
        sends(&mut client, EVENTS, b"2").await;
        client.send(&publish_1(7, EVENTS, b"3")).await;
        client.expect_end().await;
        assert_eq!((hub.closed()[0].name, hub.arrived().len()), (name, 2));
        assert_eq!(hub.stats().refused[name], 1);
    }
}

#[tokio::test]
async fn faults_on_demand() {
    let hub = hub().await;
    let mut client = Client::meter(&hub).await;
    hub.fail_next(1, Fault::status(503));
    client.send(&publish_1(7, EVENTS, b"lost")).await;
    client.expect_end().await;
    assert!(hub.closed()[0].reason.contains("status 503"));

    // A message that is taken and never confirmed, and one that is confirmed and never taken.
    let mut client = Client::meter(&hub).await;
    hub.fail_next(1, Fault::ResetAfterAccept);
    client.send(&publish_1(7, EVENTS, b"taken")).await;
    client.expect_reset().await;
    let mut client = Client::meter(&hub).await;
    hub.fail_next(1, Fault::status(204));
    sends(&mut client, EVENTS, b"swallowed").await;
    hub.fail_next(1, Fault::Delay(5));
    sends(&mut client, EVENTS, b"late").await;
    let bodies: Vec<_> = hub.arrived().iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies, ["taken", "late"]);

    // At CONNECT.
    let login = connect("meter-001", &user("meter-001"), &token("meter-001"));
    for (fault, answer) in [
        (Fault::status(503), &[0x20, 2, 0, 3][..]),
        (Fault::status(401), &NOT_AUTHORIZED),
        (Fault::ClockSkew(86_400), &NOT_AUTHORIZED),
    ] {
        hub.fail_next(1, fault);
        let mut client = Client::open(&hub).await;
        client.send(&login).await;
        client.expect(answer).await;
        client.expect_end().await;
    }
    assert_eq!((hub.stats().faults, hub.clear_faults()), (7, 0));
}

#[tokio::test]
async fn an_outage_ends_all_connections() {
    let hub = hub().await;
    let mut client = Client::meter(&hub).await;
    hub.go_down();
    client.expect_end().await;
    assert!(
        tokio::net::TcpStream::connect(hub.mqtt_addr().unwrap())
            .await
            .is_err()
    );
    hub.come_up().await.unwrap();
    let mut client = Client::meter(&hub).await;
    sends(&mut client, EVENTS, b"x").await;
}

#[tokio::test]
async fn faults_on_demand_without_an_end() {
    let hub = hub().await;
    let mut client = Client::meter(&hub).await;
    // The first is taken and never confirmed, so that the next PUBACK is that of the second.
    hub.fail_next(1, Fault::NoAnswer);
    client.send(&publish_1(7, EVENTS, b"silent")).await;
    hub.fail_next(1, Fault::Duplicate);
    client.send(&publish_1(8, EVENTS, b"twice")).await;
    client.expect(&puback(8)).await;
    let bodies: Vec<_> = hub.arrived().iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies, ["silent", "twice", "twice"]);

    // A question about the twin is told of it.
    client.send(&subscribe(9, &[("$iothub/twin/res/#", 0)])).await;
    client.expect(&[0x90, 3, 0, 9, 0]).await;
    for (fault, status) in [(Fault::Throttle, "429"), (Fault::status(500), "500")] {
        hub.fail_next(1, fault);
        client.send(&publish("$iothub/twin/GET/?$rid=1", b"")).await;
        let (_, body) = client.packet().await;
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.contains(&format!("$iothub/twin/res/{status}/?$rid=1")),
            "{text}"
        );
    }
    hub.fail_next(1, Fault::Throttle);
    client.send(&publish_1(7, EVENTS, b"x")).await;
    client.expect_end().await;
    assert!(hub.closed()[0].reason.contains("throttled"), "{:?}", hub.closed());
}
