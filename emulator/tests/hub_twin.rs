//! Twins and direct methods over MQTT, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/wire.rs"]
mod wire;

use std::time::Duration;

use emulator::hub::{Answered, Hub, HubOptions, Method, NoAnswer};
use mqtt::*;
use serde_json::{Value, json};
use wire::options;

const METER: &str = "meter-001";
const RES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const METHODS: &str = "$iothub/methods/POST/#";
const REPORT: &str = "$iothub/twin/PATCH/properties/reported/?$rid=";

/// `meter-001`, subscribed at QoS 0.
async fn subscribed(hub: &Hub, filters: &[&str]) -> Client {
    let mut client = Client::meter(hub).await;
    for filter in filters {
        client.send(&subscribe(1, &[(filter, 0)])).await;
        client.expect(&[0x90, 3, 0, 1, 0]).await;
    }
    client
}

/// The next PUBLISH, which is at QoS 0: topic and payload.
async fn publication(client: &mut Client) -> (String, Vec<u8>) {
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x30);
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
    (topic, body[2 + length..].to_vec())
}

/// The same with a JSON payload.
async fn json_publication(client: &mut Client) -> (String, Value) {
    let (topic, payload) = publication(client).await;
    (topic, serde_json::from_slice(&payload).unwrap())
}

#[tokio::test]
async fn the_twin_is_told_and_reported_properties_are_merged() {
    let hub = hub().await;
    hub.change_twin(METER, Some(&json!({"interval": 60})), None)
        .unwrap();
    let mut client = subscribed(&hub, &[RES]).await;
    // Node sends a space, others nothing.
    for payload in [&b" "[..], b""] {
        client.send(&publish("$iothub/twin/GET/?$rid=7", payload)).await;
        let (topic, document) = json_publication(&mut client).await;
        assert_eq!(topic, "$iothub/twin/res/200/?$rid=7");
        let expected = json!({"desired": {"interval": 60, "$version": 2}, "reported": {"$version": 1}});
        assert_eq!(document, expected);
    }
    // At QoS 1 PUBACK goes before the answer.
    client
        .send(&publish_1(
            3,
            &format!("{REPORT}a-b"),
            br#"{"state":{"on":true}}"#,
        ))
        .await;
    client.expect(&[0x40, 2, 0, 3]).await;
    let answer = publication(&mut client).await;
    assert_eq!(
        answer,
        ("$iothub/twin/res/204/?$rid=a-b&$version=2".to_owned(), Vec::new())
    );
    client
        .send(&publish(&format!("{REPORT}1"), br#"{"state":{"on":null,"x":1}}"#))
        .await;
    assert_eq!(
        publication(&mut client).await.0,
        "$iothub/twin/res/204/?$rid=1&$version=3"
    );
    let twin = hub
        .change_twin(METER, None, Some(&json!({"site": "a1"})))
        .unwrap();
    assert_eq!(
        twin["properties"]["reported"],
        json!({"state": {"x": 1}, "$version": 3})
    );
    assert_eq!(twin["tags"], json!({"site": "a1"}));
}

#[tokio::test]
async fn what_a_twin_cannot_hold_is_answered_400_and_changes_nothing() {
    let hub = hub().await;
    let mut client = subscribed(&hub, &[RES]).await;
    let big = json!({"a": "x".repeat(4097)}).to_string();
    let deep = (0..10).fold(json!(1), |inner, _| json!({ "x": inner }));
    let deeper = json!({ "x": deep }).to_string();
    let cases = [
        ("", "not JSON"),
        ("[]", "no JSON object"),
        (r#"{"a.b":1}"#, "holds a dot"),
        (r#"{"$version":1}"#, "a dollar sign"),
        (r#"{"n":4503599627370496}"#, "beyond"),
        (big.as_str(), "4097 bytes"),
        (deeper.as_str(), "deeper than 10"),
    ];
    for (patch, reason) in cases {
        client
            .send(&publish(&format!("{REPORT}5"), patch.as_bytes()))
            .await;
        let (topic, error) = json_publication(&mut client).await;
        assert_eq!(topic, "$iothub/twin/res/400/?$rid=5");
        assert_eq!(error["errorCode"], 400_004);
        assert!(error["message"].as_str().unwrap().contains(reason), "{error}");
    }
    client.send(&publish(&format!("{REPORT}6"), b"{}")).await;
    assert_eq!(
        publication(&mut client).await.0,
        "$iothub/twin/res/204/?$rid=6&$version=2"
    );
}

#[tokio::test]
async fn changed_desired_properties_are_told_to_who_has_subscribed() {
    let hub = hub().await;
    let mut client = subscribed(&hub, &[DESIRED]).await;
    hub.change_twin(METER, Some(&json!({"a": 1, "b": null})), None)
        .unwrap();
    hub.change_twin(METER, Some(&json!({"a": 2})), None).unwrap();
    for (version, expected) in [
        (2, json!({"a": 1, "b": null, "$version": 2})),
        (3, json!({"a": 2, "$version": 3})),
    ] {
        let (topic, told) = json_publication(&mut client).await;
        assert_eq!(
            topic,
            format!("$iothub/twin/PATCH/properties/desired/?$version={version}")
        );
        assert_eq!(told, expected);
    }
    // Microsoft's Plug and Play sample takes the first member for the component.
    hub.change_twin(METER, Some(&json!({"b": {"c": 1}})), None)
        .unwrap();
    let (_, told) = publication(&mut client).await;
    assert_eq!(told, br#"{"b":{"c":1},"$version":4}"#);
    // Tags are none of the device's business, and a bad change is not told.
    hub.change_twin(METER, None, Some(&json!({"t": 1}))).unwrap();
    assert!(hub.change_twin(METER, Some(&json!({"a b": 1})), None).is_err());
    client.send(&unsubscribe(2, DESIRED)).await;
    client.expect(&[0xB0, 2, 0, 2]).await;
    hub.change_twin(METER, Some(&json!({"a": 3})), None).unwrap();
    client.send(&PINGREQ).await;
    client.expect(&PINGRESP).await;
}

fn method(payload: Value, answer_within: Duration, connect_within: Duration) -> Method {
    Method {
        name: "reboot".to_owned(),
        payload,
        answer_within,
        connect_within,
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_method_goes_to_the_device_and_its_answer_back() {
    let hub = hub().await;
    let mut client = subscribed(&hub, &[METHODS]).await;
    for (rid, answer, expected) in [
        ("1", &br#"{"ok":1}"#[..], json!({"ok": 1})),
        ("2", b"", Value::Null),
    ] {
        let (called, ()) = tokio::join!(
            hub.invoke(METER, method(json!({"in": 5}), LONG, Duration::ZERO)),
            async {
                let (topic, payload) = json_publication(&mut client).await;
                assert_eq!(topic, format!("$iothub/methods/POST/reboot/?$rid={rid}"));
                assert_eq!(payload, json!({"in": 5}));
                client
                    .send(&publish_1(
                        9,
                        &format!("$iothub/methods/res/207/?$rid={rid}"),
                        answer,
                    ))
                    .await;
                client.expect(&[0x40, 2, 0, 9]).await;
            }
        );
        assert_eq!(
            called,
            Ok(Answered {
                status: 207,
                payload: expected
            })
        );
    }
    // An answer that nobody waits for is confirmed.
    client
        .send(&publish_1(9, "$iothub/methods/res/200/?$rid=99", b"{}"))
        .await;
    client.expect(&[0x40, 2, 0, 9]).await;
    client
        .send(&publish("$iothub/methods/res/200/?$rid=1", b"{"))
        .await;
    client.expect_end().await;
    assert!(
        hub.closed()[0].reason.contains("is not JSON"),
        "{:?}",
        hub.closed()
    );
}

#[tokio::test]
async fn who_is_not_there_or_does_not_answer() {
    let hub = hub().await;
    let call = |within| method(Value::Null, Duration::from_millis(within), Duration::ZERO);
    let absent = Err(NoAnswer::NotOnline(METER.to_owned()));
    assert_eq!(hub.invoke(METER, call(9_999)).await, absent);
    assert_eq!(
        hub.invoke("nobody", call(9_999)).await,
        Err(NoAnswer::NoDevice("nobody".to_owned()))
    );
    // Connected, and not subscribed.
    let mut client = subscribed(&hub, &[]).await;
    assert_eq!(hub.invoke(METER, call(9_999)).await, absent);
    client.send(&subscribe(1, &[(METHODS, 1)])).await;
    client.expect(&[0x90, 3, 0, 1, 1]).await;
    let late = Err(NoAnswer::TimedOut(METER.to_owned()));
    assert_eq!(hub.invoke(METER, call(20)).await, late);
    // Gone in between.
    let (called, ()) = tokio::join!(hub.invoke(METER, call(9_999)), async {
        while publication(&mut client).await.0 != "$iothub/methods/POST/reboot/?$rid=2" {}
        drop(client);
    });
    assert_eq!(called, late);
    for name in ["", "a/b", "a b", "ü"] {
        let wrong = Method {
            name: name.to_owned(),
            ..call(1)
        };
        assert!(
            matches!(hub.invoke(METER, wrong).await, Err(NoAnswer::Invalid(_))),
            "{name}"
        );
    }
    let large = method(json!("x".repeat(131_072)), LONG, Duration::ZERO);
    assert!(matches!(
        hub.invoke(METER, large).await,
        Err(NoAnswer::Invalid(_))
    ));
}

#[tokio::test]
async fn a_call_waits_for_its_device_to_connect() {
    let hub = hub().await;
    let (called, ()) = tokio::join!(hub.invoke(METER, method(Value::Null, LONG, LONG)), async {
        let mut client = subscribed(&hub, &[METHODS]).await;
        assert_eq!(publication(&mut client).await.1, b"null");
        client
            .send(&publish("$iothub/methods/res/200/?$rid=1", b"\"up\""))
            .await;
        client.send(&PINGREQ).await;
        client.expect(&PINGRESP).await;
    });
    assert_eq!(
        called,
        Ok(Answered {
            status: 200,
            payload: json!("up")
        })
    );
}

#[tokio::test]
async fn the_control_api_changes_twins_and_calls_methods() {
    let hub = start(HubOptions {
        control: Some(([127, 0, 0, 1], 0).into()),
        ..options()
    })
    .await;
    let url = format!("http://{}/devices", hub.control_addr().unwrap());
    let client = reqwest::Client::new();
    let twin = format!("{url}/{METER}/twin");
    let change = json!({"desired": {"a": 1}, "tags": {"t": 1}});
    let changed = client.patch(&twin).json(&change).send().await.unwrap();
    let expected = json!({
        "properties": {"desired": {"a": 1, "$version": 2}, "reported": {"$version": 1}}, "tags": {"t": 1},
    });
    assert_eq!(changed.json::<Value>().await.unwrap(), expected);
    let bad = json!({"desired": {"a": 2}, "tags": {"t.t": 1}});
    assert_eq!(client.patch(&twin).json(&bad).send().await.unwrap().status(), 400);
    let shown = client
        .get(&twin)
        .send()
        .await
        .unwrap()
        .json::<Value>()
        .await
        .unwrap();
    assert_eq!(shown, expected);
    let call = json!({"methodName": "reboot"});
    for (device, code) in [(METER, 404_103), ("nobody", 404_001)] {
        let answer = client
            .post(format!("{url}/{device}/methods"))
            .json(&call)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.json::<Value>().await.unwrap()["errorCode"], code);
    }
    assert_eq!(
        client
            .get(format!("{url}/nobody/twin"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}
