//! Devices that prove themselves by certificate, at hub and DPS, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::dps::{Dps, DpsOptions, Group, Individual};
use emulator::hub::{Authentication, Clock, Device, Hub, HubOptions, Thumbprint};
use emulator::tls::{Authority, Certificate, Identity};
use mqtt::{ACCEPTED, Client, NOT_AUTHORIZED, connect_with, publish, publish_1, subscribe, token, user};
use serde_json::{Value, json};
use wire::{NOW_S, Reply, Wire, options, request};

const SCOPE: &str = "0ne00AABBCC";
const VERSION: &str = "api-version=2021-04-12";

/// Certificates last from yesterday; the clock of the tests is ahead of that, within a year.
const DAYS: u64 = 3650;

struct World {
    hub: Hub,
    _dps: Dps,
    /// Vouches for devices.
    authority: Authority,
    /// Of `thumb`.
    own: Identity,
    /// Of `enrolled`.
    enrolled: Identity,
}

fn read(identity: &Identity) -> Certificate {
    Certificate::parse(&identity.certificate).unwrap()
}

fn signed_by(authority: &Authority) -> Certificate {
    Certificate::parse(authority.ca_pem()).unwrap()
}

/// Devices `thumb` (SHA-256 first, an unknown SHA-1 second), `sha1`, `ca`, `off` and `meter-001` with keys; at the DPS
/// the individual `enrolled` and a group of what the authority signed.
async fn world() -> World {
    let authority = Authority::in_memory().unwrap();
    let own = Identity::self_signed("thumb", DAYS).unwrap();
    let enrolled = Identity::self_signed("enrolled", DAYS).unwrap();
    let thumbprint = |text: &str| Some(Thumbprint::parse(text).unwrap());
    let thumbprints = |primary, secondary| Authentication::SelfSigned { primary, secondary };
    let sha256 = thumbprint(&read(&own).sha256().to_lowercase());
    let mut devices = options().devices;
    devices.push(Device::with(
        "thumb",
        thumbprints(sha256, thumbprint(&"AB".repeat(20))),
    ));
    devices.push(Device::with(
        "sha1",
        thumbprints(None, thumbprint(&read(&own).sha1())),
    ));
    devices.push(Device::with("ca", Authentication::CertificateAuthority));
    devices.push(Device {
        enabled: false,
        ..Device::with("gone", Authentication::CertificateAuthority)
    });
    let hub = mqtt::start(HubOptions {
        devices,
        authorities: vec![signed_by(&authority)],
        ..options()
    })
    .await;
    let dps = Dps::start(
        DpsOptions {
            bind: None,
            id_scope: SCOPE.to_owned(),
            individuals: vec![Individual::certified("enrolled", read(&enrolled))],
            groups: vec![Group::signed_by("signed", signed_by(&authority))],
            assigning: 0,
            clock: Clock::fixed(NOW_S * 1000),
            ..DpsOptions::default()
        },
        &hub,
    )
    .await
    .unwrap();
    World {
        hub,
        _dps: dps,
        authority,
        own,
        enrolled,
    }
}

fn send(device: &str) -> Vec<u8> {
    let line = format!("POST /devices/{device}/messages/events?{VERSION}");
    request(&line, &[], "{}")
}

/// CONNECT with a user name and no password.
fn connect(id: &str, user: &str) -> Vec<u8> {
    connect_with(0b1000_0010, id, &[user.as_bytes()])
}

#[tokio::test]
async fn a_device_sends_by_its_certificate() {
    let World {
        hub, authority, own, ..
    } = world().await;
    let by_authority = authority.client_certificate("ca", DAYS).unwrap();
    for (device, identity) in [("thumb", &own), ("sha1", &own), ("ca", &by_authority)] {
        for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
            let mut wire = Wire::certified(&hub, identity, versions).await;
            assert_eq!(wire.ask(&send(device)).await.unwrap().status, 204, "{device}");
        }
        let mut client = Client::certified(&hub, identity).await;
        client.send(&connect(device, &user(device))).await;
        client.expect(&ACCEPTED).await;
        let topic = format!("devices/{device}/messages/events/");
        client.send(&publish_1(7, &topic, b"{}")).await;
        client.expect(&[0x40, 2, 0, 7]).await;
    }
    let senders: Vec<String> = hub
        .arrived()
        .iter()
        .map(|message| message.device.clone())
        .collect();
    let each = ["thumb", "sha1", "ca"].map(|id| [id; 3]).concat();
    assert_eq!(senders, each);
}

/// A certificate of version 1 and its key, as `openssl x509 -req` makes them.
const OLD: [&str; 2] = [
    "\
-----BEGIN CERTIFICATE-----
MIIBGDCBvwIUenvvtb/uQFb6oy3tz+bT1AyE+aMwCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyODA0NTMzMFoYDzIxMjYxMTA0MDQ1MzMwWjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASQx0U82V0Ct7ZA
7nXFpn9sGzyY7kdgjZyb6lIbHzD8YR1AWkKLT7YwjQd2bQ3kfIgpHxyAeSvWOWnw
SyyOQEcNMAoGCCqGSM49BAMCA0gAMEUCIQDFEU/b0AuCNVMDp+uqDfsyjjuvokFq
CIyvFTN4MZHUywIgIF/e7nbrxDi7v4pnoUIeWBa0typDWUDjVYwXf+pBTqk=
-----END CERTIFICATE-----
",
    "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7MZGlRtwcma8iSej
EWI/pm94HOC0sNIFiGtJ7OHe+DyhRANCAASQx0U82V0Ct7ZA7nXFpn9sGzyY7kdg
jZyb6lIbHzD8YR1AWkKLT7YwjQd2bQ3kfIgpHxyAeSvWOWnwSyyOQEcN
-----END PRIVATE KEY-----
",
];

#[tokio::test]
async fn a_certificate_of_version_1_is_good_for_its_thumbprint() {
    let old = Identity {
        certificate: OLD[0].to_owned(),
        key: OLD[1].to_owned(),
    };
    let hub = mqtt::start(HubOptions {
        devices: vec![Device::with("old", Authentication::self_signed(&read(&old)))],
        ..options()
    })
    .await;
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let mut wire = Wire::certified(&hub, &old, versions).await;
        assert_eq!(wire.ask(&send("old")).await.unwrap().status, 204);
    }
}

#[tokio::test]
async fn certificates_that_prove_nothing() {
    let World {
        hub, authority, own, ..
    } = world().await;
    let stranger = Authority::in_memory().unwrap();
    let identity =
        |authority: &Authority, name: &str, days| authority.client_certificate(name, days).unwrap();
    let cases = [
        (
            "another certificate",
            "thumb",
            Identity::self_signed("thumb", DAYS).unwrap(),
            401,
        ),
        (
            "signed by nobody the hub knows",
            "ca",
            identity(&stranger, "ca", DAYS),
            401,
        ),
        (
            "signed by itself",
            "ca",
            Identity::self_signed("ca", DAYS).unwrap(),
            401,
        ),
        ("another device's", "ca", identity(&authority, "cb", DAYS), 401),
        ("another letter case", "ca", identity(&authority, "CA", DAYS), 401),
        // It is over by the clock of the tests.
        ("expired", "ca", identity(&authority, "ca", 1), 401),
        (
            "a device with keys",
            "meter-001",
            identity(&authority, "meter-001", DAYS),
            401,
        ),
        ("disabled", "gone", identity(&authority, "gone", DAYS), 403),
        ("unknown", "nobody", identity(&authority, "nobody", DAYS), 404),
    ];
    for (name, device, identity, status) in cases {
        let mut wire = Wire::certified(&hub, &identity, rustls::ALL_VERSIONS).await;
        let reply = wire.ask(&send(device)).await.unwrap();
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        let mut client = Client::certified(&hub, &identity).await;
        client.send(&connect(device, &user(device))).await;
        client.expect(&NOT_AUTHORIZED).await;
        client.expect_end().await;
        // The next good client is served.
        let mut wire = Wire::certified(&hub, &own, rustls::ALL_VERSIONS).await;
        assert_eq!(
            wire.ask(&send("thumb")).await.unwrap().status,
            204,
            "after {name}"
        );
    }
    // No certificate and no token; a token for a device that has a certificate.
    let mut wire = Wire::to(&hub).await;
    assert_eq!(wire.ask(&send("thumb")).await.unwrap().status, 401);
    let mut client = Client::open(&hub).await;
    client.send(&connect("thumb", &user("thumb"))).await;
    client.expect(&NOT_AUTHORIZED).await;
    let mut client = Client::open(&hub).await;
    client
        .send(&mqtt::connect("thumb", &user("thumb"), &token("thumb")))
        .await;
    client.expect(&NOT_AUTHORIZED).await;
    // A certificate besides a token does no harm.
    let mut client = Client::certified(&hub, &own).await;
    client
        .send(&mqtt::connect(
            "meter-001",
            &user("meter-001"),
            &token("meter-001"),
        ))
        .await;
    client.expect(&ACCEPTED).await;
}

#[tokio::test]
async fn an_authority_and_a_thumbprint_are_registered_over_the_control_api() {
    let control = Some("127.0.0.1:0".parse().unwrap());
    let hub = Hub::start(HubOptions { control, ..options() }).await.unwrap();
    let url = |path: &str| format!("http://{}{path}", hub.control_addr().unwrap());
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let put = async |id: &str, body: Value| {
        client
            .put(url(&format!("/devices/{id}")))
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let authority = Authority::in_memory().unwrap();
    let identity = authority.client_certificate("new", DAYS).unwrap();
    assert_eq!(
        put("new", json!({"authentication": "certificateAuthority"})).await,
        200
    );
    let mut wire = Wire::certified(&hub, &identity, rustls::ALL_VERSIONS).await;
    assert_eq!(
        wire.ask(&send("new")).await.unwrap().status,
        401,
        "the authority is not known"
    );
    let add = async |pem: String| client.post(url("/certificates")).body(pem).send().await.unwrap();
    assert_eq!(add("no certificate".to_owned()).await.status(), 400);
    let added = add(authority.ca_pem().to_owned()).await;
    assert_eq!(added.status(), 201);
    assert_eq!(
        added.json::<Value>().await.unwrap()["subjectName"],
        "CN=meterbridge emulator CA"
    );
    assert_eq!(wire.ask(&send("new")).await.unwrap().status, 204);

    let thumbprint = read(&identity).sha1();
    assert_eq!(put("thumb", json!({"primary_thumbprint": "AB"})).await, 400);
    assert_eq!(put("thumb", json!({"primary_thumbprint": thumbprint})).await, 200);
    assert_eq!(wire.ask(&send("thumb")).await.unwrap().status, 204);
    let all: Value = client
        .get(url("/devices"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let view = all
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == "thumb")
        .unwrap();
    assert_eq!(
        (&view["authentication"], &view["connectionString"]),
        (
            &json!("selfSigned"),
            &json!("HostName=localhost;DeviceId=thumb;x509=true")
        )
    );
}

/// Registers over HTTPS; the last answer.
async fn register(wire: &mut Wire, id: &str) -> Reply {
    let line = format!("PUT /{SCOPE}/registrations/{id}/register?{VERSION}");
    let begun = wire
        .ask(&request(&line, &[], json!({ "registrationId": id }).to_string()))
        .await
        .unwrap();
    if begun.status != 202 {
        return begun;
    }
    let operation = begun.json()["operationId"].as_str().unwrap().to_owned();
    let line = format!("GET /{SCOPE}/registrations/{id}/operations/{operation}?{VERSION}");
    wire.ask(&request(&line, &[], "")).await.unwrap()
}

#[tokio::test]
async fn the_dps_takes_certificates() {
    // Bound, or it would stop here.
    let World {
        hub,
        authority,
        enrolled,
        own: _,
        _dps,
    } = world().await;
    let member = authority.client_certificate("member", DAYS).unwrap();
    for (id, identity, group) in [("enrolled", &enrolled, None), ("member", &member, Some("signed"))] {
        let mut wire = Wire::certified(&hub, identity, rustls::ALL_VERSIONS).await;
        let ended = register(&mut wire, id).await;
        let state = &ended.json()["registrationState"];
        assert_eq!(
            (ended.status, &state["status"]),
            (200, &json!("assigned")),
            "{ended:?}"
        );
        assert_eq!(
            (
                &state["x509"]["enrollmentGroupId"],
                &state["x509"]["certificateInfo"]["sha256Thumbprint"]
            ),
            (&json!(group), &json!(read(identity).sha256()))
        );
        // The hub knows it by its thumbprint from now on.
        assert_eq!(wire.ask(&send(id)).await.unwrap().status, 204);
        assert_eq!(
            hub.device(id).unwrap().authentication,
            Authentication::self_signed(&read(identity))
        );

        // The same over MQTT, with no password.
        let mut client = Client::certified(&hub, identity).await;
        let user = format!("{SCOPE}/registrations/{id}/api-version=2019-03-31&ClientVersion=test");
        client.send(&connect(id, &user)).await;
        client.expect(&ACCEPTED).await;
        client
            .send(&subscribe(1, &[("$dps/registrations/res/#", 0)]))
            .await;
        client.expect(&[0x90, 3, 0, 1, 0]).await;
        let body = json!({ "registrationId": id }).to_string();
        client
            .send(&publish(
                "$dps/registrations/PUT/iotdps-register/?$rid=1",
                body.as_bytes(),
            ))
            .await;
        let (_, answer) = client.packet().await;
        assert!(answer[2..].starts_with(b"$dps/registrations/res/202/?$rid=1"));
    }
    let stranger = Authority::in_memory().unwrap();
    for (name, id, identity) in [
        (
            "another certificate of the same name",
            "enrolled",
            Identity::self_signed("enrolled", DAYS).unwrap(),
        ),
        (
            "signed by the group's, and enrolled by itself",
            "enrolled",
            authority.client_certificate("enrolled", DAYS).unwrap(),
        ),
        (
            "another name",
            "member",
            authority.client_certificate("other", DAYS).unwrap(),
        ),
        (
            "signed by a stranger",
            "member",
            stranger.client_certificate("member", DAYS).unwrap(),
        ),
        (
            "expired",
            "member",
            authority.client_certificate("member", 1).unwrap(),
        ),
    ] {
        let mut wire = Wire::certified(&hub, &identity, rustls::ALL_VERSIONS).await;
        let reply = register(&mut wire, id).await;
        assert_eq!(
            (reply.status, &reply.json()["errorCode"]),
            (401, &json!(401_002)),
            "{name}"
        );
        let mut client = Client::certified(&hub, &identity).await;
        client
            .send(&connect(
                id,
                &format!("{SCOPE}/registrations/{id}/api-version=2019-03-31"),
            ))
            .await;
        client.expect(&NOT_AUTHORIZED).await;
        let mut wire = Wire::certified(&hub, &member, rustls::ALL_VERSIONS).await;
        assert_eq!(register(&mut wire, "member").await.status, 200, "after {name}");
    }
    let mut wire = Wire::to(&hub).await;
    assert_eq!(
        register(&mut wire, "member").await.status,
        401,
        "no certificate at all"
    );
}
