//! Tokens and requests of the official SDKs against this hub's own verifier. The vectors say how they were made.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::dps::{Dps, DpsOptions, Individual};
use emulator::hub::token::Token;
use emulator::hub::{Clock, Device, Hub, HubOptions, Key};
use serde_json::Value;
use wire::{Wire, key, request};

fn vectors() -> Value {
    serde_json::from_str(include_str!("hub_vectors.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

fn named_key(vectors: &Value, name: &str) -> Key {
    key(text(&vectors["keys"], name))
}

#[test]
fn tokens_of_both_sdks_verify_and_every_change_breaks_them() {
    let vectors = vectors();
    let mut seen = 0;
    for vector in vectors["tokens"].as_array().unwrap() {
        let right = named_key(&vectors, text(vector, "key"));
        for sdk in ["python", "node"] {
            let written = text(&vector[sdk], "token");
            let token = Token::parse(written).unwrap();
            assert!(token.is_signed_by(&right), "{written}");
            assert_eq!(token.expires_s, vector["se"].as_i64().unwrap());
            assert!(!token.is_signed_by(&right.derive("another")), "{written}");
            let later = written.replace(&format!("se={}", vector["se"]), "se=4000000000");
            assert!(!Token::parse(&later).unwrap().is_signed_by(&right), "{later}");
            let (now_s, end_ms) = (token.expires_s, token.expires_s * 1000);
            assert!(!token.is_expired((now_s + 300) * 1000) && token.is_expired(end_ms + 301_000));
            seen += 1;
        }
    }
    assert_eq!(seen, 18);
}

#[test]
fn scopes_compare_by_whole_segments() {
    let of = |sr: &str| {
        format!(
            "SharedAccessSignature sr={sr}&sig={}&se=1",
            "A".repeat(43) + "%3D"
        )
    };
    let covers = |sr: &str, resource: &[&str]| Token::parse(&of(sr)).unwrap().covers(resource);
    let device = ["contoso.azure-devices.net", "devices", "meter!1"];
    for sr in [
        "contoso.azure-devices.net",
        "Contoso.Azure-Devices.net%2FDevices",
        "contoso.azure-devices.net/devices/meter!1",
        "contoso.azure-devices.net%2fdevices%2fmeter%211",
    ] {
        assert!(covers(sr, &device), "{sr}");
    }
    for sr in [
        "contoso",
        "contoso.azure-devices.net%2Fdevices%2Fmeter",
        "contoso.azure-devices.net%2Fdevices%2Fmeter!11",
        "contoso.azure-devices.net%2Fdevices%2FMeter!1",
        "contoso.azure-devices.net%2Fdevices%2Fmeter!1%2Fmodules%2Fm",
    ] {
        assert!(!covers(sr, &device), "{sr}");
    }
}

#[test]
fn derived_keys_match() {
    let vectors = vectors();
    for vector in vectors["group_key_derivation"].as_array().unwrap() {
        let master = named_key(&vectors, text(vector, "master_key"));
        let derived = master.derive(text(vector, "registration_id"));
        assert_eq!(derived.text(), text(vector, "derived_key"));
    }
}

#[test]
fn keys_never_show_in_debug_and_bad_ones_say_why() {
    assert_eq!(
        format!("{:?}", Device::new("m", key(wire::K32)).authentication),
        "Sas { primary: Key(…), secondary: Key(…) }"
    );
    assert_eq!(
        Key::parse("%").unwrap_err().to_string(),
        "the key is not base64; copy it again, with its trailing `=` signs"
    );
    assert_eq!(
        Key::parse("AAAA").unwrap_err().to_string(),
        "the key has 3 bytes, a hub takes 16 to 64"
    );
}

/// The vectors' device tokens through the whole hub: accepted with the right key at the right time, and the
/// negatives refused.
#[tokio::test]
async fn vectors_pass_and_negatives_fail_at_a_running_hub() {
    let vectors = vectors();
    let send = async |token: &str, host: &str, device: &str, key: Key, now_s: i64| {
        let hub = Hub::start(HubOptions {
            host_name: host.to_owned(),
            devices: vec![Device::new(device, key)],
            clock: Clock::fixed(now_s * 1000),
            ..HubOptions::default()
        })
        .await
        .unwrap();
        let line = format!("POST /devices/{device}/messages/events?api-version=2021-04-12");
        Wire::to(&hub)
            .await
            .ask(&request(&line, &[("Authorization", token)], "{}"))
            .await
            .unwrap()
            .status
    };
    let mut seen = 0;
    for vector in vectors["tokens"].as_array().unwrap() {
        if text(vector, "kind") != "device" || vector["module"].is_string() {
            continue;
        }
        for sdk in ["python", "node"] {
            let (token, now) = (text(&vector[sdk], "token"), vector["se"].as_i64().unwrap() - 60);
            let (host, device) = (text(vector, "host"), text(vector, "device"));
            let key = named_key(&vectors, text(vector, "key"));
            assert_eq!(send(token, host, device, key, now).await, 204, "{token}");
            seen += 1;
        }
    }
    assert_eq!(seen, 8);
    for vector in vectors["negative"].as_array().unwrap() {
        let token = text(vector, "token");
        let resource = vector["resource"]
            .as_str()
            .map_or_else(|| Token::parse(token).unwrap().resource.join("/"), str::to_owned);
        let device = resource.rsplit('/').next().unwrap();
        let key = named_key(&vectors, text(vector, "key"));
        let status = send(token, "contoso.azure-devices.net", device, key, 1_800_000_000).await;
        assert_eq!(status, 401, "{}", text(vector, "why"));
    }
}

/// The SDKs' own requests, header by header and chunk by chunk, on one connection; hub and DPS share port
/// 443 there, since the Node SDKs know no other.
#[tokio::test]
async fn recorded_sdk_requests_are_served_byte_for_byte() {
    let vectors = vectors();
    let k32 = named_key(&vectors, "k32");
    // The recorded tokens ended at 1795257640 and a few seconds later.
    let clock = Clock::fixed(1_795_257_000_000);
    let hub = Hub::start(HubOptions {
        devices: vec![Device::new("meter-001", k32.clone())],
        clock: clock.clone(),
        ..HubOptions::default()
    })
    .await
    .unwrap();
    let dps = Dps::start(
        DpsOptions {
            bind: None,
            id_scope: "0ne00AABBCC".to_owned(),
            individuals: vec![Individual::new("meter-001", k32)],
            assigning: 0,
            clock,
            ..DpsOptions::default()
        },
        &hub,
    )
    .await
    .unwrap();
    assert_eq!(dps.addr(), hub.addr());

    let mut wire = Wire::to(&hub).await;
    let mut operation = String::new();
    let mut statuses = Vec::new();
    for recorded in vectors["recorded"].as_array().unwrap() {
        // The operation's id is the one thing a real client would take from the answer before.
        let line = text(recorded, "line").replace("/operations/op1", &format!("/operations/{operation}"));
        let mut bytes = format!("{line}\r\n");
        for header in recorded["headers"].as_array().unwrap() {
            bytes += &format!(
                "{}: {}\r\n",
                header[0].as_str().unwrap(),
                header[1].as_str().unwrap()
            );
        }
        bytes += &format!("\r\n{}", text(recorded, "body"));
        let reply = wire.ask(bytes.as_bytes()).await.unwrap();
        if line.contains("/register?") {
            operation = reply.json()["operationId"].as_str().unwrap().to_owned();
        }
        statuses.push(reply.status);
    }
    assert_eq!(statuses, [204, 204, 204, 412, 412, 412, 202, 200]);
    let arrived = hub.arrived();
    let bodies: Vec<&[u8]> = arrived.iter().map(|message| message.body.as_ref()).collect();
    assert_eq!(
        bodies,
        [br#"{"i":0}"#.as_ref(), br#"{"i":1}"#, br#"{"i":2}"#, b"x"]
    );
    assert_eq!(arrived[0].message_id.as_deref(), Some("id-0"));
    assert_eq!(arrived[0].content_type.as_deref(), Some("application/json"));
    assert_eq!(arrived[1].properties["obis"], "1.8.0");
    let payload = dps.registered("meter-001").unwrap().payload.unwrap();
    assert_eq!(payload["modelId"], "dtmi:com:example:Meter;1");
}
