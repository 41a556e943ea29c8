//! Throttles, the daily quota, tiers, and what is charged, over each transport.

#![allow(clippy::unwrap_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

use emulator::hub::{
    Charged, Devicebound, Hub, HubOptions, Limits, Method, NoAnswer, NotSent, Operation, Rate, Shaping,
    Throttles, Tier,
};
use mqtt::{ACCEPTED, Client, connect, puback, publish, publish_1, start, subscribe, token, user};
use serde_json::{Value, json};
use wire::{Reply, Wire, options, request};

const EVENTS: &str = "devices/meter-001/messages/events/";
const TWIN_GET: &str = "$iothub/twin/GET/?$rid=1";
const REPORTED: &str = "$iothub/twin/PATCH/properties/reported/?$rid=2";

async fn hub_with(throttles: &[(Operation, Rate)]) -> Hub {
    let throttles = throttles
        .iter()
        .fold(Throttles::default(), |all, (operation, rate)| {
            all.with(*operation, *rate)
        });
    let limits = Limits {
        throttles,
        ..Limits::default()
    };
    start(HubOptions { limits, ..options() }).await
}

/// `meter-001` over MQTT, subscribed to everything.
async fn device(hub: &Hub) -> Client {
    let mut client = Client::meter(hub).await;
    let filters = [
        ("$iothub/twin/res/#", 0),
        ("$iothub/twin/PATCH/properties/desired/#", 0),
        ("$iothub/methods/POST/#", 0),
    ];
    client.send(&subscribe(1, &filters)).await;
    client.expect(&[0x90, 5, 0, 1, 0, 0, 0]).await;
    client
}

/// Topic and payload of the next PUBLISH at QoS 0.
async fn told(client: &mut Client) -> (String, Value) {
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x30);
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
    let payload = serde_json::from_slice(&body[2 + length..]).unwrap_or_default();
    (topic, payload)
}

async fn receive(hub: &Hub) -> Reply {
    let token = token("meter-001");
    let line = "GET /devices/meter-001/messages/devicebound?api-version=2021-04-12";
    let ask = request(line, &[("Authorization", &token)], "");
    Wire::to(hub).await.ask(&ask).await.unwrap()
}

fn method(payload: Value) -> Method {
    Method {
        name: "read".to_owned(),
        payload,
        answer_within: Duration::from_secs(20),
        connect_within: Duration::ZERO,
    }
}

/// Calls a method that the device answers with `answer`.
async fn invoke(hub: &Hub, client: &mut Client, payload: Value, answer: &str) {
    let called = hub.invoke("meter-001", method(payload));
    let answers = async {
        let (topic, _) = told(client).await;
        let rid = topic.rsplit('=').next().unwrap();
        let topic = format!("$iothub/methods/res/200/?$rid={rid}");
        client.send(&publish(&topic, answer.as_bytes())).await;
    };
    let (called, ()) = tokio::join!(called, answers);
    assert_eq!(called.unwrap().status, 200);
}

#[tokio::test]
async fn twins_over_mqtt_are_told_of_throttles_and_stay_connected() {
    let rates = [
        (Operation::TwinRead, Rate::per_second(1)),
        (Operation::TwinUpdate, Rate::per_minute(1)),
    ];
    let hub = hub_with(&rates).await;
    let mut client = device(&hub).await;
    for (topic, payload, good) in [(TWIN_GET, "", "200"), (REPORTED, "{\"a\":1}", "204")] {
        let rid = &topic[topic.len() - 1..];
        client.send(&publish(topic, payload.as_bytes())).await;
        let (answer, _) = told(&mut client).await;
        assert!(
            answer.starts_with(&format!("$iothub/twin/res/{good}/?$rid={rid}")),
            "{answer}"
        );
        client.send(&publish(topic, payload.as_bytes())).await;
        let (answer, error) = told(&mut client).await;
        assert_eq!(answer, format!("$iothub/twin/res/429/?$rid={rid}"));
        assert_eq!(error["errorCode"], 429_003);
        assert!(
            error["message"].as_str().unwrap().contains("Wait 10 seconds"),
            "{error}"
        );
    }
    client.send(&publish_1(7, EVENTS, b"x")).await;
    client.expect(&puback(7)).await;
}

#[tokio::test]
async fn methods_are_throttled_by_four_kilobytes() {
    let hub = hub_with(&[(Operation::Method, Rate::per_second(3))]).await;
    let mut client = device(&hub).await;
    invoke(&hub, &mut client, json!("x".repeat(4095)), "{}").await;
    let denied = hub.invoke("meter-001", method(json!("x".repeat(4095)))).await;
    let Err(NoAnswer::Denied(denied)) = denied else {
        panic!("{denied:?}");
    };
    assert_eq!(
        (denied.number, denied.name),
        (429_003, "ThrottlingBacklogTimeout")
    );
    assert!(denied.text.ends_with("Operation type: InvokeMethod"), "{denied}");
    invoke(&hub, &mut client, json!("x".repeat(4094)), "{}").await;
}

#[tokio::test]
async fn too_many_new_connections_are_not_let_in_and_told_why() {
    let hub = hub_with(&[(Operation::Connect, Rate::per_second(1))]).await;
    let login = connect("meter-001", &user("meter-001"), &token("meter-001"));
    let mut first = Client::with(&hub, &login).await;
    let mut second = Client::open(&hub).await;
    second.send(&login).await;
    second.expect(&[0x20, 2, 0, 3]).await;
    second.expect_end().await;
    let closed = &hub.closed()[0];
    assert_eq!(closed.name, "ThrottlingBacklogTimeout");
    assert!(closed.reason.contains("Wait 10 seconds") && closed.reason.contains("DeviceConnect"));
    // Who is in stays in.
    first.send(&mqtt::PINGREQ).await;
    first.expect(&mqtt::PINGRESP).await;
}

#[tokio::test]
async fn messages_for_devices_are_throttled_both_ways() {
    let rates = [
        (Operation::SendToDevice, Rate::per_minute(1)),
        (Operation::Receive, Rate::per_minute(1)),
    ];
    let hub = hub_with(&rates).await;
    let send = || hub.send_to_device("meter-001", Devicebound::default());
    assert_eq!(send(), Ok(1));
    assert!(matches!(send(), Err(NotSent::Denied(denied)) if denied.number == 429_003));
    assert_eq!(receive(&hub).await.status, 200);
    let refused = receive(&hub).await;
    assert_eq!(
        (refused.status, refused.header("iothub-errorcode")),
        (429, Some("ThrottlingBacklogTimeout"))
    );
    assert_eq!(refused.header("retry-after"), None, "the hub sends none");
    let words = refused.json()["Message"].as_str().unwrap().to_owned();
    assert!(
        words.starts_with("ErrorCode:ThrottlingBacklogTimeout;") && words.contains("Wait 10 seconds"),
        "{words}"
    );
}

#[tokio::test]
async fn a_burst_beyond_the_rate_waits_for_its_turn_before_it_is_refused() {
    let shaping = Shaping {
        burst_s: 1,
        queue_s: 1,
    };
    let throttles = Throttles::default().with(Operation::Send, Rate::per_second(4));
    let limits = Limits {
        throttles: throttles.shaped(shaping),
        ..Limits::default()
    };
    let hub = start(HubOptions { limits, ..options() }).await;
    let mut client = Client::meter(&hub).await;
    for id in 1..=4 {
        client.send(&publish_1(id, EVENTS, b"x")).await;
        client.expect(&puback(id)).await;
    }
    // The clock stands, so that the queue only grows.
    let began = Instant::now();
    client.send(&publish_1(5, EVENTS, b"x")).await;
    client.expect(&puback(5)).await;
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "{:?}",
        began.elapsed()
    );
    for id in 6..=9 {
        client.send(&publish_1(id, EVENTS, b"x")).await;
    }
    for id in 6..=8 {
        client.expect(&puback(id)).await;
    }
    client.expect_end().await;
    assert_eq!(
        (hub.closed()[0].name, hub.stats().messages),
        ("ThrottlingBacklogTimeout", 8)
    );
}

#[tokio::test]
async fn basic_tiers_have_telemetry_and_no_more() {
    let tier = Tier::B1;
    let hub = start(HubOptions { tier, ..options() }).await;
    let name = "OperationNotAvailableInCurrentTier";
    let refused = receive(&hub).await;
    assert_eq!(
        (refused.status, refused.header("iothub-errorcode")),
        (403, Some(name))
    );
    let sent = hub.send_to_device("meter-001", Devicebound::default());
    assert!(matches!(sent, Err(NotSent::Denied(denied)) if denied.number == 403_010));
    let called = hub.invoke("meter-001", method(Value::Null)).await;
    assert!(matches!(called, Err(NoAnswer::Denied(denied)) if denied.name == name));
    for bytes in [
        subscribe(1, &[("$iothub/twin/res/#", 0)]),
        subscribe(1, &[("$iothub/methods/POST/#", 0)]),
        subscribe(1, &[("devices/meter-001/messages/devicebound/#", 1)]),
        publish(TWIN_GET, b""),
        publish(REPORTED, b"{}"),
    ] {
        let mut client = Client::meter(&hub).await;
        client.send(&publish_1(7, EVENTS, b"x")).await;
        client.expect(&puback(7)).await;
        client.send(&bytes).await;
        client.expect_end().await;
        assert_eq!(hub.closed().last().unwrap().name, name);
    }
    assert_eq!(hub.stats().messages, 5);
}

#[tokio::test]
async fn what_is_charged_and_what_is_free() {
    let hub = start(options()).await;
    let mut client = device(&hub).await;
    client.send(&mqtt::PINGREQ).await;
    client.expect(&mqtt::PINGRESP).await;
    assert_eq!(hub.stats().units, 0, "connecting, subscribing and pings are free");

    client.send(&publish_1(7, EVENTS, &[b'x'; 4097])).await;
    client.expect(&puback(7)).await;
    client.send(&publish(TWIN_GET, b"")).await;
    told(&mut client).await;
    client
        .send(&publish(
            REPORTED,
            format!("{{\"a\":\"{}\",\"b\":\"{}\"}}", "x".repeat(4000), "y".repeat(200)).as_bytes(),
        ))
        .await;
    told(&mut client).await;
    client.send(&publish(REPORTED, b"not JSON")).await;
    assert_eq!(told(&mut client).await.0, "$iothub/twin/res/400/?$rid=2");
    hub.change_twin("meter-001", Some(&json!({"a": 1})), None)
        .unwrap();
    told(&mut client).await;
    invoke(&hub, &mut client, json!("x".repeat(6000)), "{\"y\":1}").await;
    let body = vec![0; 5000].into();
    let message = Devicebound {
        body,
        ..Devicebound::default()
    };
    hub.send_to_device("meter-001", message).unwrap();
    // One that is not there: one for the question, one for saying so.
    assert!(hub.invoke("m:1", method(Value::Null)).await.is_err());

    let stats = hub.stats();
    let meter = Charged {
        telemetry: 2,
        twins: 1 + 2 + 1,
        methods: 2 + 1,
        devicebound: 2,
        ..Charged::default()
    };
    assert_eq!(stats.devices["meter-001"].charged, meter);
    assert_eq!(
        (stats.devices["meter-001"].units, stats.devices["m:1"].units),
        (11, 2)
    );
    assert_eq!(
        (stats.units, stats.units_today, stats.charged.methods),
        (13, 13, 5)
    );
}

#[tokio::test]
async fn the_quota_is_one_for_all_transports() {
    let limits = Limits {
        units_per_day: Some(2),
        ..Limits::default()
    };
    let tier = Tier::F1;
    let hub = start(HubOptions {
        limits,
        tier,
        ..options()
    })
    .await;
    let mut client = device(&hub).await;
    client.send(&publish_1(7, EVENTS, &[b'x'; 1000])).await;
    client.expect(&puback(7)).await;

    client.send(&publish(TWIN_GET, b"")).await;
    let (topic, error) = told(&mut client).await;
    assert_eq!(
        (topic.as_str(), &error["errorCode"]),
        ("$iothub/twin/res/403/?$rid=1", &json!(403_002))
    );
    client.send(&publish(REPORTED, b"{\"a\":1}")).await;
    assert_eq!(told(&mut client).await.0, "$iothub/twin/res/403/?$rid=2");
    let called = hub.invoke("meter-001", method(Value::Null)).await;
    assert!(matches!(called, Err(NoAnswer::Denied(denied)) if denied.number == 403_002));
    let sent = hub.send_to_device("meter-001", Devicebound::default());
    assert!(matches!(sent, Err(NotSent::Denied(denied)) if denied.number == 403_002));
    client.send(&publish_1(8, EVENTS, b"x")).await;
    client.expect_end().await;
    assert_eq!(hub.closed()[0].name, "IotHubQuotaExceeded");

    let token = token("meter-001");
    let line = "POST /devices/meter-001/messages/events?api-version=2021-04-12";
    let refused = Wire::to(&hub)
        .await
        .ask(&request(line, &[("Authorization", &token)], "x"))
        .await
        .unwrap();
    assert_eq!(
        (refused.status, refused.header("iothub-errorcode")),
        (403, Some("IotHubQuotaExceeded"))
    );
    // Reconnecting is free, and the twin is as it was.
    let mut again = Client::open(&hub).await;
    again
        .send(&connect("meter-001", &user("meter-001"), &token))
        .await;
    again.expect(&ACCEPTED).await;
    assert_eq!((hub.stats().units_today, hub.stats().units_per_day), (2, Some(2)));
}
