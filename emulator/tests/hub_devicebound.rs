//! Cloud-to-device messages: over HTTPS and MQTT, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use emulator::hub::{Clock, Devicebound, Hub, HubOptions, NotSent, Outcome};
use mqtt::*;
use wire::{NOW_S, Reply, Wire, options, request};

const METER: &str = "meter-001";
const FILTER: &str = "devices/meter-001/messages/devicebound/#";

fn message(id: &str) -> Devicebound {
    Devicebound {
        message_id: Some(id.to_owned()),
        body: "hello".into(),
        ..Devicebound::default()
    }
}

fn outcomes(hub: &Hub) -> Vec<(u64, Outcome)> {
    hub.settled(METER)
        .iter()
        .map(|one| (one.sequence, one.outcome))
        .collect()
}

/// Asks as `meter-001` over HTTPS.
async fn ask(wire: &mut Wire, method: &str, rest: &str) -> Reply {
    let join = if rest.contains('?') { '&' } else { '?' };
    let line = format!("{method} /devices/{METER}/messages/deviceBound{rest}{join}api-version=2021-04-12");
    wire.ask(&request(&line, &[("Authorization", &token(METER))], ""))
        .await
        .unwrap()
}

/// Receives a message; gives its lock.
async fn lock(wire: &mut Wire) -> String {
    let reply = ask(wire, "GET", "").await;
    assert_eq!(reply.status, 200);
    reply.header("etag").unwrap().trim_matches('"').to_owned()
}

#[tokio::test]
async fn a_message_has_its_headers_and_is_settled_in_three_ways() {
    let hub = hub().await;
    let mut wire = Wire::to(&hub).await;
    assert_eq!(ask(&mut wire, "GET", "").await.status, 204);
    let full = Devicebound {
        correlation_id: Some("c".to_owned()),
        content_type: Some("application/json".to_owned()),
        ack: Some("full".to_owned()),
        expires_ms: Some((NOW_S + 60) * 1000),
        properties: [("site".to_owned(), "a1".to_owned())].into(),
        ..message("m-1")
    };
    assert_eq!(hub.send_to_device(METER, full), Ok(1));
    let reply = ask(&mut wire, "GET", "").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    let headers = [
        ("iothub-messageid", "m-1"),
        ("iothub-correlationid", "c"),
        ("iothub-sequencenumber", "1"),
        ("iothub-enqueuedtime", "2027-01-15T08:00:00.000Z"),
        ("iothub-expiry", "2027-01-15T08:01:00.000Z"),
        ("iothub-deliverycount", "0"),
        ("iothub-to", "/devices/meter-001/messages/deviceBound"),
        ("iothub-ack", "full"),
        ("iothub-contenttype", "application/json"),
        ("iothub-app-site", "a1"),
    ];
    for (name, value) in headers {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let held = reply.header("etag").unwrap().trim_matches('"').to_owned();
    // Locked, so that nobody else gets it.
    assert_eq!(ask(&mut wire, "GET", "").await.status, 204);
    assert_eq!(
        ask(&mut wire, "POST", &format!("/{held}/abandon")).await.status,
        204
    );
    let again = ask(&mut wire, "GET", "").await;
    assert_eq!(again.header("iothub-deliverycount"), Some("1"));
    let held = again.header("etag").unwrap().trim_matches('"').to_owned();
    assert_eq!(ask(&mut wire, "DELETE", &format!("/{held}")).await.status, 204);
    let gone = ask(&mut wire, "DELETE", &format!("/{held}")).await;
    assert_eq!(
        (gone.status, gone.header("iothub-errorcode")),
        (412, Some("DeviceMessageLockLost"))
    );
    hub.send_to_device(METER, message("m-2")).unwrap();
    let held = lock(&mut wire).await;
    assert_eq!(
        ask(&mut wire, "DELETE", &format!("/{held}?reject")).await.status,
        204
    );
    assert_eq!(outcomes(&hub), [(1, Outcome::Success), (2, Outcome::Rejected)]);
}

#[tokio::test]
async fn a_lock_lasts_a_minute_or_as_long_as_was_asked_for() {
    let now_s = Arc::new(AtomicI64::new(NOW_S));
    let read = now_s.clone();
    let clock = Clock::new(move || read.load(Ordering::Relaxed) * 1000);
    let hub = start(HubOptions { clock, ..options() }).await;
    let mut wire = Wire::to(&hub).await;
    let short = Devicebound {
        expires_ms: Some((NOW_S + 120) * 1000),
        ..message("m")
    };
    hub.send_to_device(METER, short).unwrap();
    let mut now = NOW_S;
    for (query, lasts) in [("", 60), ("?iothub-messageLockTimeout=5", 5)] {
        let reply = ask(&mut wire, "GET", query).await;
        assert_eq!(reply.status, 200);
        now_s.store(now + lasts - 1, Ordering::Relaxed);
        assert_eq!(ask(&mut wire, "GET", "").await.status, 204);
        now += lasts;
        now_s.store(now, Ordering::Relaxed);
    }
    let held = lock(&mut wire).await;
    // Expired and locked, it may still be completed; once the lock is over, it is gone.
    now_s.store(now + 60, Ordering::Relaxed);
    assert_eq!(ask(&mut wire, "DELETE", &format!("/{held}")).await.status, 412);
    assert_eq!(outcomes(&hub), [(1, Outcome::Expired)]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    let hub = hub().await;
    let cases = [
        (
            Devicebound {
                body: vec![0; 65_537].into(),
                ..Devicebound::default()
            },
            NotSent::TooLarge(65_537),
        ),
        (
            Devicebound {
                expires_ms: Some(NOW_S * 1000),
                ..message("m")
            },
            NotSent::Expiry,
        ),
        (
            Devicebound {
                expires_ms: Some((NOW_S + 172_801) * 1000),
                ..message("m")
            },
            NotSent::Expiry,
        ),
        (
            Devicebound {
                ack: Some("all".to_owned()),
                ..message("m")
            },
            NotSent::Ack("all".to_owned()),
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(hub.send_to_device(METER, message), Err(expected));
    }
    let nobody = hub.send_to_device("nobody", message("m"));
    assert_eq!(nobody, Err(NotSent::NoDevice("nobody".to_owned())));
    for _ in 0..50 {
        hub.send_to_device(METER, message("m")).unwrap();
    }
    assert!(matches!(
        hub.send_to_device(METER, message("m")),
        Err(NotSent::Full(_))
    ));
}

/// The next PUBLISH: its topic, packet id and body.
async fn publication(client: &mut Client) -> (String, Option<u16>, Vec<u8>) {
    let (first, body) = client.packet().await;
    assert_eq!(first & 0xF0, 0x30);
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
    let rest = &body[2 + length..];
    if first & 6 == 0 {
        return (topic, None, rest.to_vec());
    }
    (
        topic,
        Some(u16::from_be_bytes([rest[0], rest[1]])),
        rest[2..].to_vec(),
    )
}

async fn subscribed(hub: &Hub, qos: u8) -> Client {
    let mut client = Client::meter(hub).await;
    client.send(&subscribe(1, &[(FILTER, qos)])).await;
    client.expect(&[0x90, 3, 0, 1, qos]).await;
    client
}

#[tokio::test]
async fn over_mqtt_puback_completes() {
    let hub = hub().await;
    let with = Devicebound {
        content_type: Some("application/json".to_owned()),
        properties: [("a b".to_owned(), "ü&".to_owned())].into(),
        ..message("m-1")
    };
    hub.send_to_device(METER, with).unwrap();
    let mut client = subscribed(&hub, 1).await;
    let (topic, id, body) = publication(&mut client).await;
    assert_eq!(
        topic,
        "devices/meter-001/messages/devicebound/%24.to=%2Fdevices%2Fmeter-001%2Fmessages%2FdeviceBound\
         &%24.mid=m-1&%24.ct=application%2Fjson&%24.exp=2027-01-15T09%3A00%3A00.000Z&a%20b=%C3%BC%26"
    );
    assert_eq!((id, body.as_slice()), (Some(1), &b"hello"[..]));
    // The next one comes without waiting for the confirmation of the first.
    hub.send_to_device(METER, message("m-2")).unwrap();
    assert_eq!(publication(&mut client).await.1, Some(2));
    client
        .send(&[puback(2), puback(77), PINGREQ.to_vec()].concat())
        .await;
    client.expect(&PINGRESP).await;
    assert_eq!(outcomes(&hub), [(2, Outcome::Success)]);
    // What was not confirmed comes again, over the next connection.
    client.send(&DISCONNECT).await;
    client.expect_end().await;
    let mut client = subscribed(&hub, 1).await;
    assert!(publication(&mut client).await.0.contains("%24.mid=m-1"));
    client.send(&[puback(1), PINGREQ.to_vec()].concat()).await;
    client.expect(&PINGRESP).await;
    assert_eq!(outcomes(&hub), [(2, Outcome::Success), (1, Outcome::Success)]);
}

#[tokio::test]
async fn at_qos_0_a_message_is_done_with_being_sent() {
    let hub = hub().await;
    let mut client = subscribed(&hub, 0).await;
    hub.send_to_device(METER, message("m-1")).unwrap();
    assert_eq!(publication(&mut client).await.1, None);
    assert_eq!(outcomes(&hub), [(1, Outcome::Success)]);
}

#[tokio::test]
async fn nothing_comes_to_who_has_not_subscribed() {
    let hub = hub().await;
    let mut client = subscribed(&hub, 1).await;
    client.send(&unsubscribe(2, FILTER)).await;
    client.expect(&[0xB0, 2, 0, 2]).await;
    hub.send_to_device(METER, message("m-1")).unwrap();
    client.send(&PINGREQ).await;
    client.expect(&PINGRESP).await;
    client.send(&DISCONNECT).await;
    client.expect_end().await;
    assert_eq!(outcomes(&hub), []);
}

#[tokio::test]
async fn the_control_api_sends_shows_and_purges() {
    let hub = start(HubOptions {
        control: Some(([127, 0, 0, 1], 0).into()),
        ..options()
    })
    .await;
    let url = format!("http://{}/devices/{METER}/messages", hub.control_addr().unwrap());
    let client = reqwest::Client::new();
    let post = async |body: serde_json::Value| client.post(&url).json(&body).send().await.unwrap();
    let sent = post(
        serde_json::json!({"bodyBase64": "AP8=", "messageId": "m", "ttl": 60, "properties": {"a": "b"}}),
    )
    .await;
    assert_eq!(sent.status(), 201);
    assert_eq!(sent.json::<serde_json::Value>().await.unwrap()["sequence"], 1);
    for wrong in [
        serde_json::json!({"bodyBase64": "?"}),
        serde_json::json!({"body": "", "bodyBase64": ""}),
        serde_json::json!({"ack": "all"}),
    ] {
        assert_eq!(post(wrong).await.status(), 400);
    }
    let view = async || {
        client
            .get(&url)
            .send()
            .await
            .unwrap()
            .json::<serde_json::Value>()
            .await
            .unwrap()
    };
    assert_eq!(view().await["waiting"][0]["messageId"], "m");
    let purged = client.delete(&url).send().await.unwrap();
    assert_eq!(purged.json::<serde_json::Value>().await.unwrap()["purged"], 1);
    assert_eq!(view().await["settled"][0]["outcome"], "Purged");
    let nobody = url.replace(METER, "nobody");
    assert_eq!(client.get(nobody).send().await.unwrap().status(), 404);
}
