//! The hub over AMQP, byte by byte: logins, links, messages for devices, feedback.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/amqp.rs"]
mod amqp;
#[path = "hub_wire/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use amqp::*;
use emulator::hub::{Clock, Devicebound, Hub, HubOptions};
use wire::{K32, K64, NOW_S, Wire, key, options, request};

const METER: &str = "meter-001";
const DEVICEBOUND: &str = "/messages/devicebound";
const FEEDBACK: &str = "/messages/serviceBound/feedback";
const TO_METER: &str = "/devices/meter-001/messages/devicebound";

/// A message to `to`, with an id and nothing else.
fn to(to: &str) -> Vec<u8> {
    message(vec![s("m-1"), V::Null, s(to)], &[], data(b"hello"))
}

fn closings(hub: &Hub) -> Vec<&'static str> {
    hub.closed().iter().map(|closed| closed.name).collect()
}

/// Asks as `meter-001` over HTTPS for a cloud-to-device message, and completes or rejects it.
async fn device_settles(hub: &Hub, rejects: bool) {
    let token = key(K32).token("localhost/devices/meter-001", NOW_S + 36_000, None);
    let authorization = [("Authorization", token.as_str())];
    let mut wire = Wire::to(hub).await;
    let path = format!("/devices/{METER}/messages/deviceBound");
    let line = format!("GET {path}?api-version=2021-04-12");
    let reply = wire.ask(&request(&line, &authorization, "")).await.unwrap();
    let lock = reply.header("etag").unwrap().trim_matches('"').to_owned();
    let reject = if rejects { "&reject" } else { "" };
    let line = format!("DELETE {path}/{lock}?api-version=2021-04-12{reject}");
    let reply = wire.ask(&request(&line, &authorization, "")).await.unwrap();
    assert_eq!(reply.status, 204);
}

#[tokio::test]
async fn a_message_arrives_with_all_that_it_has() {
    let hub = hub().await;
    let mut client = Client::service(&hub).await;
    let link = client.sender(DEVICEBOUND).await.unwrap();
    let uuid = *b"\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x00";
    let properties = vec![
        V::Uuid(uuid),
        V::Bin(b"operator".to_vec()),
        s("/devices/meter%2D001/messages/deviceBound"),
        V::Null,
        V::Null,
        s("c-1"),
        sym("application/json"),
        sym("utf-8"),
        V::Time((NOW_S + 60) * 1000),
    ];
    let own = [
        ("iothub-ack", s("Full")),
        ("site", s("a1")),
        ("n", V::Int(-7)),
        ("on", V::Bool(true)),
    ];
    // A body may come in pieces.
    let body = [
        data("{\"Z".as_bytes()).encode(),
        data("ähler\":1}".as_bytes()).encode(),
    ]
    .concat();
    let sections = [message(properties, &own, data(b"")), body].concat();
    client.transfer(link, &sections).await.unwrap();

    let token = key(K32).token("localhost/devices/meter-001", NOW_S + 600, None);
    let line = "GET /devices/meter-001/messages/deviceBound?api-version=2021-04-12";
    let reply = Wire::to(&hub)
        .await
        .ask(&request(line, &[("Authorization", &token)], ""))
        .await
        .unwrap();
    assert_eq!(reply.body, "{\"Zähler\":1}");
    for (name, value) in [
        ("iothub-messageid", "11223344-5566-7788-99aa-bbccddeeff00"),
        ("iothub-correlationid", "c-1"),
        ("iothub-userid", "operator"),
        ("iothub-contenttype", "application/json"),
        ("iothub-contentencoding", "utf-8"),
        ("iothub-expiry", "2027-01-15T08:01:00.000Z"),
        ("iothub-ack", "full"),
        ("iothub-app-site", "a1"),
        ("iothub-app-n", "-7"),
        ("iothub-app-on", "true"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn refused_messages_have_the_hubs_conditions_and_the_link_goes_on() {
    let hub = hub().await;
    let mut client = Client::service(&hub).await;
    let link = client
        .sender("amqps://localhost/messages/devicebound")
        .await
        .unwrap();
    let with = |expires: V, own: &[(&str, V)], body: &[u8]| {
        let mut properties = vec![s("m"), V::Null, s(TO_METER)];
        properties.extend([V::Null, V::Null, V::Null, V::Null, V::Null, expires]);
        message(properties, own, data(body))
    };
    let none = || V::Null;
    let cases = [
        (
            to("/devices/nobody/messages/devicebound"),
            "amqp:not-found",
            "nobody",
        ),
        (
            to("/devices/meter-001/modules/a/messages/devicebound"),
            "amqp:not-found",
            "only devices",
        ),
        (
            to("/devices/meter-001/messages/events"),
            "com.microsoft:argument-error",
            "has to be to",
        ),
        (to("meter-001"), "com.microsoft:argument-error", "has to be to"),
        (
            message(vec![s("m")], &[], data(b"")),
            "com.microsoft:argument-error",
            "has to be to",
        ),
        (
            with(none(), &[("iothub-ack", s("some"))], b""),
            "com.microsoft:argument-error",
            "ack is some",
        ),
        (
            with(V::Time(NOW_S * 1000), &[], b""),
            "com.microsoft:argument-error",
            "expires",
        ),
        (
            with(V::Time((NOW_S + 172_801) * 1000), &[], b""),
            "com.microsoft:argument-error",
            "expires",
        ),
        (
            with(none(), &[], &[0; 65_536]),
            "amqp:link:message-size-exceeded",
            "65536",
        ),
        (
            message(
                vec![s("m"), V::Null, s(TO_METER)],
                &[],
                V::Described(0x77, Box::new(V::Int(1))),
            ),
            "com.microsoft:argument-error",
            "neither data nor a text",
        ),
    ];
    for (message, condition, text) in cases {
        let (got, description) = client.transfer(link, &message).await.unwrap_err();
        assert!(
            got == condition && description.contains(text),
            "{got}: {description}, not {condition}: {text}"
        );
    }
    for _ in 0..50 {
        client.transfer(link, &to(TO_METER)).await.unwrap();
    }
    let (condition, description) = client.transfer(link, &to(TO_METER)).await.unwrap_err();
    assert_eq!(condition, "amqp:resource-limit-exceeded");
    assert!(description.contains("403004"), "{description}");
    // Another device has room.
    client
        .transfer(link, &to("/devices/m:1/messages/devicebound"))
        .await
        .unwrap();
}

#[tokio::test]
async fn logins_that_prove_nothing_are_refused_and_the_next_one_is_served() {
    let hub = hub().await;
    let user = "service@sas.root.localhost";
    let signed = |resource: &str, expires_s, policy| key(K64).token(resource, expires_s, policy);
    let cases = [
        (user, "secret".to_owned()),
        (user, signed("localhost", NOW_S - 301, Some("service"))),
        (user, signed("otherhost", NOW_S + 60, Some("service"))),
        (
            user,
            signed("localhost/devices/meter-001", NOW_S + 60, Some("service")),
        ),
        (user, signed("localhost", NOW_S + 60, Some("nobody"))),
        (user, signed("localhost", NOW_S + 60, None)),
        (user, key(K32).token("localhost", NOW_S + 60, Some("service"))),
        // Another policy, one without the right, another hub.
        ("iothubowner@sas.root.localhost", token("service")),
        ("device@sas.root.localhost", token("device")),
        ("service@sas.root.other", token("service")),
    ];
    for (user, password) in &cases {
        let mut client = Client::dial(&hub).await;
        assert_eq!(client.plain(user, password).await, 1, "{user} {password}");
        client.ends().await;
    }
    assert_eq!(closings(&hub), ["IotHubUnauthorizedAccess"; 10]);
    let reasons: String = hub.closed().iter().map(|closed| closed.reason.clone()).collect();
    assert!(
        !reasons.contains("sig=") && !reasons.contains("secret"),
        "{reasons}"
    );

    let mut client = Client::dial(&hub).await;
    assert_eq!(client.sasl("SCRAM-SHA-256", None).await, 1);
    client.ends().await;
    let mut client = Client::dial(&hub).await;
    assert_eq!(client.sasl("PLAIN", Some("service".to_owned())).await, 1);
    client.ends().await;

    let mut client = Client::service(&hub).await;
    let link = client.sender(DEVICEBOUND).await.unwrap();
    client.transfer(link, &to(TO_METER)).await.unwrap();
}

/// A `put-token` with message id `id`.
fn put_token(id: V, token: &str) -> Vec<u8> {
    let own = [
        ("operation", s("put-token")),
        ("type", s("servicebus.windows.net:sastoken")),
        ("name", s("localhost")),
    ];
    message(
        vec![id, V::Null, s("$cbs")],
        &own,
        V::Described(0x77, Box::new(s(token))),
    )
}

/// Status and correlation id of an answer of `$cbs`.
fn status(sections: &[(u64, V)]) -> (V, V) {
    let section = |code| {
        sections
            .iter()
            .find(|(found, _)| *found == code)
            .map(|(_, v)| v.clone())
    };
    let V::List(properties) = section(0x73).unwrap() else {
        panic!("{sections:?}");
    };
    (
        section(0x74).unwrap().get("status-code").unwrap().clone(),
        properties[5].clone(),
    )
}

#[tokio::test]
async fn a_token_may_come_over_cbs_with_or_without_sasl() {
    let hub = hub().await;
    for sasl in [Some("ANONYMOUS"), Some("MSSBCBS"), None] {
        let mut client = Client::dial(&hub).await;
        if let Some(mechanism) = sasl {
            assert_eq!(client.sasl(mechanism, None).await, 0);
        }
        client.open().await;
        let unauthorized = Err("amqp:unauthorized-access".to_owned());
        assert_eq!(client.sender(DEVICEBOUND).await, unauthorized);
        assert_eq!(client.receiver(FEEDBACK).await, unauthorized);
        client.receiver("$cbs").await.unwrap();
        let cbs = client.sender("$cbs").await.unwrap();
        // Node's ids are texts, Python's are numbers; the answer names them as they came.
        client
            .transfer_only(cbs, &put_token(s("a"), &token("device")))
            .await;
        assert_eq!(status(&client.receive().await.1), (V::Int(401), s("a")));
        assert_eq!(client.sender(DEVICEBOUND).await, unauthorized);
        client
            .transfer_only(cbs, &put_token(V::Ulong(7), "Bearer x"))
            .await;
        assert_eq!(status(&client.receive().await.1), (V::Int(401), V::Ulong(7)));
        client.transfer_only(cbs, &to("$cbs")).await;
        assert_eq!(status(&client.receive().await.1), (V::Int(400), s("m-1")));
        client
            .transfer_only(cbs, &put_token(V::Ulong(8), &token("iothubowner")))
            .await;
        assert_eq!(status(&client.receive().await.1), (V::Int(200), V::Ulong(8)));
        let link = client.sender(DEVICEBOUND).await.unwrap();
        client.transfer(link, &to(TO_METER)).await.unwrap();
    }
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_refused() {
    let hub = hub().await;
    let mut client = Client::service(&hub).await;
    for (address, condition) in [
        ("", "amqp:not-found"),
        ("/messages/events", "amqp:not-found"),
        ("/devices/meter-001/messages/events", "amqp:not-found"),
        (FEEDBACK, "amqp:not-allowed"),
    ] {
        assert_eq!(
            client.sender(address).await,
            Err(condition.to_owned()),
            "{address}"
        );
    }
    assert_eq!(
        client.receiver(DEVICEBOUND).await,
        Err("amqp:not-allowed".to_owned())
    );
    let link = client.sender(DEVICEBOUND).await.unwrap();
    client.transfer(link, &to(TO_METER)).await.unwrap();
}

#[tokio::test]
async fn what_is_no_amqp_ends_and_the_next_client_is_served() {
    let hub = hub().await;
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"AMQP\x02\x01\x00\x00",
        b"AMQP\x00\x00\x09\x01",
        b"\x10\x20\x00\x04MQTT\x04\x02",
        // A frame that claims more than any may have, one shorter than its header, one with no performative.
        b"AMQP\x00\x01\x00\x00\xff\xff\xff\xff\x02\x00\x00\x00",
        b"AMQP\x00\x01\x00\x00\x00\x00\x00\x04\x02\x00\x00\x00",
        b"AMQP\x00\x01\x00\x00\x00\x00\x00\x09\x02\x00\x00\x00\x41",
        // SASL that begins with an outcome.
        b"AMQP\x03\x01\x00\x00\x00\x00\x00\x10\x02\x01\x00\x00\x00\x53\x44\xc0\x03\x01\x50\x00",
    ] {
        let mut client = Client::dial(&hub).await;
        client.send(bytes).await;
        client.ends().await;
    }
    // Inside a session: what is no message.
    let mut client = Client::service(&hub).await;
    let link = client.sender(DEVICEBOUND).await.unwrap();
    client.transfer_only(link, b"\x00\x53\x75\xa0\xffhello").await;
    client.detached("amqp:decode-error").await;

    let mut client = Client::service(&hub).await;
    let link = client.sender(DEVICEBOUND).await.unwrap();
    client.transfer(link, &to(TO_METER)).await.unwrap();
}

#[tokio::test]
async fn a_token_that_is_over_sends_no_more() {
    let now = Arc::new(AtomicI64::new(NOW_S));
    let clock = now.clone();
    let hub = start(HubOptions {
        clock: Clock::new(move || clock.load(Ordering::Relaxed) * 1000),
        ..options()
    })
    .await;
    let mut client = Client::service(&hub).await;
    let link = client.sender(DEVICEBOUND).await.unwrap();
    now.store(NOW_S + 3600 + 600, Ordering::Relaxed);
    client.transfer(link, &to(TO_METER)).await.unwrap();
    now.store(NOW_S + 3600 + 601, Ordering::Relaxed);
    let (condition, _) = client.transfer(link, &to(TO_METER)).await.unwrap_err();
    assert_eq!(condition, "amqp:unauthorized-access");
}

/// The one section of data in a message, as JSON.
fn json(sections: &[(u64, V)]) -> serde_json::Value {
    let (_, V::Bin(bytes)) = sections.iter().find(|(code, _)| *code == 0x75).unwrap() else {
        panic!("{sections:?}");
    };
    serde_json::from_slice(bytes).unwrap()
}

/// The generation id of `meter-001`, as the registry tells it.
async fn generation(hub: &Hub) -> String {
    let line = format!("GET /devices/{METER}?api-version=2021-04-12");
    let token = token("iothubowner");
    let ask = request(&line, &[("Authorization", &token)], "");
    let reply = Wire::to(hub).await.ask(&ask).await.unwrap();
    reply.json()["generationId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn feedback_tells_what_became_of_messages() {
    let hub = hub().await;
    for (id, ack) in [
        ("a", "full"),
        ("b", "positive"),
        ("c", "negative"),
        ("d", "none"),
        ("e", "negative"),
    ] {
        let message = Devicebound {
            message_id: Some(id.to_owned()),
            ack: Some(ack.to_owned()),
            ..Devicebound::default()
        };
        hub.send_to_device(METER, message).unwrap();
    }
    for rejects in [false, true, false, true, true] {
        device_settles(&hub, rejects).await;
    }
    let mut client = Client::service(&hub).await;
    client.receiver(FEEDBACK).await.unwrap();
    let (id, sections) = client.receive().await;
    let V::List(properties) = &sections.iter().find(|(code, _)| *code == 0x73).unwrap().1 else {
        panic!("{sections:?}");
    };
    assert_eq!(
        properties[6],
        sym("application/vnd.microsoft.iothub.feedback.json")
    );
    let generation = generation(&hub).await;
    let record = |id: &str, outcome: &str| {
        serde_json::json!({
            "originalMessageId": id, "deviceId": METER, "deviceGenerationId": generation,
            "enqueuedTimeUtc": "2027-01-15T08:00:00.000Z", "statusCode": outcome, "description": outcome,
        })
    };
    let expected = serde_json::json!([record("a", "Success"), record("e", "Rejected")]);
    assert_eq!(json(&sections), expected);
    // What is not settled waits for the next one who asks; what is accepted does not.
    client.settle(id, RELEASED).await;
    let (_, again) = client.receive().await;
    assert_eq!(json(&again), expected);
    drop(client);
    let mut client = Client::service(&hub).await;
    client.receiver(FEEDBACK).await.unwrap();
    let (id, again) = client.receive().await;
    assert_eq!(json(&again), expected);
    client.settle(id, ACCEPTED).await;
    let message = Devicebound {
        message_id: Some("f".to_owned()),
        ack: Some("full".to_owned()),
        ..Devicebound::default()
    };
    hub.send_to_device(METER, message).unwrap();
    device_settles(&hub, false).await;
    assert_eq!(json(&client.receive().await.1)[0]["originalMessageId"], "f");
}

#[tokio::test]
async fn feedback_tells_of_a_message_that_has_expired_though_nobody_asks_for_it() {
    let now = Arc::new(AtomicI64::new(NOW_S));
    let clock = now.clone();
    let hub = start(HubOptions {
        clock: Clock::new(move || clock.load(Ordering::Relaxed) * 1000),
        ..options()
    })
    .await;
    let message = Devicebound {
        message_id: Some("m".to_owned()),
        ack: Some("negative".to_owned()),
        expires_ms: Some((NOW_S + 5) * 1000),
        ..Devicebound::default()
    };
    hub.send_to_device(METER, message).unwrap();
    let mut client = Client::service(&hub).await;
    client.receiver(FEEDBACK).await.unwrap();
    now.store(NOW_S + 5, Ordering::Relaxed);
    let (_, sections) = client.receive().await;
    assert_eq!(json(&sections)[0]["statusCode"], "Expired");
}

#[tokio::test]
async fn back_ends_are_told_of_an_uploaded_file_once() {
    let hub = hub().await;
    let mut client = Client::service(&hub).await;
    client
        .receiver("/messages/serviceBound/filenotifications")
        .await
        .unwrap();
    let token = key(K32).token("localhost/devices/meter-001", NOW_S + 600, None);
    let headers = [("Authorization", token.as_str())];
    let mut wire = Wire::to(&hub).await;
    let line = format!("POST /devices/{METER}/files?api-version=2021-04-12");
    let begun = wire
        .ask(&request(&line, &headers, r#"{"blobName":"a.bin"}"#))
        .await
        .unwrap()
        .json();
    let text = |name: &str| begun[name].as_str().unwrap().to_owned();
    let line = format!(
        "PUT /{}/{}{}",
        text("containerName"),
        text("blobName"),
        text("sasToken")
    );
    let reply = wire
        .ask(&request(
            &line,
            &[("x-ms-blob-type", "BlockBlob")],
            "twelve bytes",
        ))
        .await
        .unwrap();
    assert_eq!(reply.status, 201);
    let line = format!("POST /devices/{METER}/files/notifications?api-version=2021-04-12");
    let told = serde_json::json!({
        "correlationId": text("correlationId"), "isSuccess": true, "statusCode": 200, "statusDescription": "",
    });
    // Told twice, as a client does that missed the answer.
    for _ in 0..2 {
        let reply = wire
            .ask(&request(&line, &headers, told.to_string()))
            .await
            .unwrap();
        assert_eq!(reply.status, 204);
    }
    let (id, sections) = client.receive().await;
    let notice = json(&sections);
    assert_eq!(notice["deviceId"], METER);
    assert_eq!(notice["blobName"], "meter-001/a.bin");
    assert_eq!(notice["blobSizeInBytes"], 12);
    let uri = notice["blobUri"].as_str().unwrap();
    assert!(uri.ends_with("/uploads/meter-001/a.bin"), "{uri}");
    client.settle(id, ACCEPTED).await;
    client.quiet().await;
    drop(client);
    let mut client = Client::service(&hub).await;
    client
        .receiver("/messages/serviceBound/filenotifications")
        .await
        .unwrap();
    client.quiet().await;
}
