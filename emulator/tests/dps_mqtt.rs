//! The DPS over MQTT, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::dps::{Dps, DpsOptions, Group, Individual};
use emulator::hub::{Clock, Fault, Hub};
use mqtt::*;
use serde_json::{Value, json};
use wire::{K32, K64, NOW_S, key};

const SCOPE: &str = "0ne00000001";
const FILTER: &str = "$dps/registrations/res/#";
const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/?$rid=";
const POLL: &str = "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=";

async fn start() -> (Hub, Dps) {
    let hub = hub().await;
    let individual = Individual {
        device_id: Some("renamed".to_owned()),
        ..Individual::new("own", key(K64))
    };
    let options = DpsOptions {
        id_scope: SCOPE.to_owned(),
        groups: vec![Group::new("meters", key(K32))],
        individuals: vec![individual],
        clock: Clock::fixed(NOW_S * 1000),
        retry_after: 3,
        ..DpsOptions::default()
    };
    let dps = Dps::start(options, &hub).await.unwrap();
    (hub, dps)
}

fn user(id: &str) -> String {
    format!("{SCOPE}/registrations/{id}/api-version=2019-03-31&ClientVersion=test%2F1")
}

fn token(id: &str, key: &emulator::hub::Key) -> String {
    key.token(
        &format!("{SCOPE}/registrations/{id}"),
        NOW_S + 60,
        Some("registration"),
    )
}

/// A client that was let in and has subscribed.
async fn client(hub: &Hub, id: &str, key: &emulator::hub::Key) -> Client {
    let mut client = Client::with(hub, &connect(id, &user(id), &token(id, key))).await;
    client.send(&subscribe(1, &[(FILTER, 1)])).await;
    client.expect(&[0x90, 3, 0, 1, 1]).await;
    client
}

/// Asks at QoS 1 and takes the confirmation and the answer: topic and body.
async fn ask(client: &mut Client, topic: &str, body: &str) -> (String, Value) {
    client.send(&publish_1(5, topic, body.as_bytes())).await;
    client.expect(&[0x40, 2, 0, 5]).await;
    answer(client).await
}

async fn answer(client: &mut Client) -> (String, Value) {
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x32, "PUBLISH at QoS 1");
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
    let id = u16::from_be_bytes([body[2 + length], body[3 + length]]);
    client.send(&puback(id)).await;
    (topic, serde_json::from_slice(&body[4 + length..]).unwrap())
}

#[tokio::test]
async fn a_device_of_a_group_is_assigned() {
    let (hub, dps) = start().await;
    let mut client = client(&hub, "meter-9", &key(K32).derive("meter-9")).await;
    let asked = json!({"registrationId": "meter-9", "payload": {"modelId": "dtmi:a:b;1"}}).to_string();
    let (topic, body) = ask(&mut client, &format!("{REGISTER}r-1"), &asked).await;
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=r-1&retry-after=3");
    assert_eq!(body["status"], "assigning");
    let poll = format!("{POLL}r-2&operationId={}", body["operationId"].as_str().unwrap());
    let (topic, body) = ask(&mut client, &poll, " ").await;
    assert_eq!(
        (topic.as_str(), &body["status"]),
        (
            "$dps/registrations/res/202/?$rid=r-2&retry-after=3",
            &json!("assigning")
        )
    );
    let (topic, body) = ask(&mut client, &poll, " ").await;
    assert_eq!(topic, "$dps/registrations/res/200/?$rid=r-2");
    assert_eq!(body["status"], "assigned");
    let state = &body["registrationState"];
    assert_eq!(
        (&state["assignedHub"], &state["deviceId"]),
        (&json!("localhost"), &json!("meter-9"))
    );
    assert_eq!(
        dps.registered("meter-9").unwrap().payload,
        Some(json!({"modelId": "dtmi:a:b;1"}))
    );
    assert!(hub.device("meter-9").is_some());
}

#[tokio::test]
async fn an_individual_enrolment_and_answers_at_qos_0() {
    let (hub, _dps) = start().await;
    let mut client = Client::with(&hub, &connect("own", &user("own"), &token("own", &key(K64)))).await;
    client.send(&subscribe(1, &[(FILTER, 0)])).await;
    client.expect(&[0x90, 3, 0, 1, 0]).await;
    client
        .send(&publish(&format!("{REGISTER}1"), br#"{"registrationId":"own"}"#))
        .await;
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x30, "PUBLISH at QoS 0");
    let topic = b"$dps/registrations/res/202/?$rid=1&retry-after=3";
    assert_eq!(body[2..2 + topic.len()], topic[..]);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_answered() {
    let (hub, _dps) = start().await;
    let mut client = client(&hub, "own", &key(K64)).await;
    let cases = [
        (format!("{REGISTER}1"), "", 400, 400_004),
        (
            format!("{REGISTER}1"),
            r#"{"registrationId":"other"}"#,
            400,
            400_004,
        ),
        (format!("{POLL}1&operationId=5.none"), " ", 404, 404_000),
        (format!("{POLL}1"), " ", 404, 404_000),
    ];
    for (topic, payload, status, code) in cases {
        let (answered, body) = ask(&mut client, &topic, payload).await;
        assert_eq!(answered, format!("$dps/registrations/res/{status}/?$rid=1"));
        assert_eq!(body["errorCode"], code);
        assert!(
            body["trackingId"].is_string() && body["message"].is_string(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn who_may_not_register_is_told_5_and_closed() {
    let (hub, _dps) = start().await;
    let own = key(K64);
    let derived = key(K32).derive("meter-9");
    let expired = own.token(&format!("{SCOPE}/registrations/own"), NOW_S - 301, None);
    let hub_token = own.token("localhost/devices/own", NOW_S + 60, None);
    let cases = [
        (
            "own",
            user("own"),
            token("own", &derived),
            "Unauthorized (401002)",
        ),
        ("own", user("own"), expired, "Unauthorized (401002)"),
        ("own", user("own"), hub_token, "Unauthorized (401002)"),
        ("own", user("own"), String::new(), "Unauthorized (401002)"),
        (
            "meter-9",
            user("meter-9"),
            token("meter-9", &key(K32)),
            "Unauthorized (401002)",
        ),
        (
            "meter-8",
            user("meter-8"),
            token("meter-8", &derived),
            "Unauthorized (401002)",
        ),
        ("own", user("other"), token("own", &own), "the registration other"),
        (
            "own",
            user("own").replace(SCOPE, "0ne00NOBODY"),
            token("own", &own),
            "the id scope 0ne00NOBODY",
        ),
        (
            "own",
            format!("{SCOPE}/registrations/own/"),
            token("own", &own),
            "no api-version",
        ),
        (
            "own",
            format!("{SCOPE}/registrations/own"),
            token("own", &own),
            "too few parts",
        ),
        ("a b", user("a b"), token("a b", &own), "no registration id"),
    ];
    for (id, user, password, reason) in cases {
        let mut client = Client::open(&hub).await;
        client.send(&connect(id, &user, &password)).await;
        client.expect(&NOT_AUTHORIZED).await;
        client.expect_end().await;
        let closed = hub.closed();
        assert!(
            closed.last().unwrap().reason.contains(reason),
            "{:?}, not: {reason}",
            closed.last()
        );
    }
    client_is_served(&hub).await;
}

#[tokio::test]
async fn what_a_client_may_not_do_closes_its_connection() {
    let (hub, dps) = start().await;
    let cases = [
        (
            publish("$dps/registrations/PUT/iotdps-register/", b"{}"),
            "the DPS takes",
        ),
        (
            publish("$dps/registrations/PUT/iotdps-register/?rid=1", b"{}"),
            "no $rid",
        ),
        (publish("devices/own/messages/events/", b"{}"), "the DPS takes"),
        (
            publish(&format!("{REGISTER}1"), &[b' '; 96 * 1024 + 1]),
            "the DPS takes 98304",
        ),
        (
            subscribe(2, &[("$iothub/twin/res/#", 0)]),
            "the DPS has $dps/registrations/res/# alone",
        ),
    ];
    for (bytes, reason) in cases {
        let mut client = client(&hub, "own", &key(K64)).await;
        client.send(&bytes).await;
        client.expect_end().await;
        let closed = hub.closed();
        assert!(
            closed.last().unwrap().reason.contains(reason),
            "{:?}, not: {reason}",
            closed.last()
        );
    }
    dps.fail_next_of("own", 1, Fault::status(429));
    let mut client = Client::open(&hub).await;
    client
        .send(&connect("own", &user("own"), &token("own", &key(K64))))
        .await;
    client.expect(&[0x20, 2, 0, 3]).await;
    client_is_served(&hub).await;
}

async fn client_is_served(hub: &Hub) {
    let mut client = client(hub, "own", &key(K64)).await;
    let (topic, _) = ask(
        &mut client,
        &format!("{REGISTER}1"),
        r#"{"registrationId":"own"}"#,
    )
    .await;
    assert!(topic.starts_with("$dps/registrations/res/202/"), "{topic}");
}
