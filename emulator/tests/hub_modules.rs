//! Modules of devices over MQTT, byte by byte: in all but their names they are as devices.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/service.rs"]
mod service;
#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::hub::{Authentication, Device, Hub, HubOptions, Routes};
use emulator::tls::{Authority, Certificate};
use mqtt::*;
use serde_json::{Value, json};
use service::Service;
use wire::{K32, K64, NOW_S, key, options};

/// Keys of the modules `m` and `n`, which are not their device's.
const KEY_M: &str = "bW9kdWxlLW0tMDEyMzQ1Njc4OWFiY2RlZg==";
const KEY_N: &str = "bW9kdWxlLW4tMDEyMzQ1Njc4OWFiY2RlZg==";

const M: &str = "meter-001/m";
const EVENTS: &str = "devices/meter-001/modules/m/messages/events/";

/// Gives `meter-001` the modules `m` and `n`, and the disabled device `off` an `m` as well.
async fn modules(hub: &Hub) -> Service {
    let mut service = Service::owner(hub).await;
    for (path, secret) in [
        ("meter-001/modules/m", KEY_M),
        ("meter-001/modules/n", KEY_N),
        ("off/modules/m", KEY_M),
    ] {
        let keys = json!({"primaryKey": secret, "secondaryKey": K64});
        let body = json!({"authentication": {"type": "sas", "symmetricKey": keys}}).to_string();
        service.ok(&format!("PUT /devices/{path}"), &body).await;
    }
    service
}

async fn world() -> (Hub, Service) {
    let hub = hub().await;
    let service = modules(&hub).await;
    (hub, service)
}

/// A token for a module, or for what else a scope holds, for ten minutes.
fn signed(secret: &str, scope: &str) -> String {
    key(secret).token(&format!("localhost/{scope}"), NOW_S + 600, None)
}

fn token_of(module: &str) -> String {
    let secret = if module == "n" { KEY_N } else { KEY_M };
    signed(secret, &format!("devices/meter-001/modules/{module}"))
}

/// A module of `meter-001`, connected.
async fn module(hub: &Hub, id: &str) -> Client {
    let client = format!("meter-001/{id}");
    Client::with(hub, &connect(&client, &user(&client), &token_of(id))).await
}

async fn subscribed(client: &mut Client, filter: &str) {
    client.send(&subscribe(1, &[(filter, 0)])).await;
    client.expect(&[0x90, 3, 0, 1, 0]).await;
}

/// It is still there, and nothing came before the answer.
async fn is_quiet(client: &mut Client) {
    client.send(&PINGREQ).await;
    client.expect(&PINGRESP).await;
}

/// The next PUBLISH, which is at QoS 0: topic and JSON.
async fn told(client: &mut Client) -> (String, Value) {
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x30);
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
    let payload = &body[2 + length..];
    (topic, serde_json::from_slice(payload).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_module_connects_and_its_telemetry_names_it() {
    let (hub, mut service) = world().await;
    let mut client = module(&hub, "m").await;
    assert!(hub.is_connected(M) && !hub.is_connected("meter-001"));
    client.send(&publish_1(7, &format!("{EVENTS}a=1"), b"{}")).await;
    client.expect(&puback(7)).await;
    // An output is for an Edge hub; here it is telemetry. Node ends its topic with a slash, Python does not.
    for end in ["/", ""] {
        client
            .send(&publish_1(8, &format!("{EVENTS}%24.on=out&a=1{end}"), b"{}"))
            .await;
        client.expect(&puback(8)).await;
    }
    let arrived = hub.arrived();
    assert_eq!(arrived.len(), 3);
    for message in arrived {
        assert_eq!(
            (message.device.as_str(), message.module.as_deref()),
            ("meter-001", Some("m"))
        );
        let system = json!({"iothub-connection-device-id": "meter-001", "iothub-connection-module-id": "m"});
        assert_eq!(json!(message.system), system);
        assert_eq!(json!(message.properties), json!({"a": "1"}));
    }
    let stats = &hub.stats().devices["meter-001"];
    assert_eq!((stats.messages, stats.units), (3, 3), "they count for the device");

    for path in ["/devices/meter-001/modules/m", "/twins/meter-001/modules/m"] {
        let view = service.ok(&format!("GET {path}"), "").await.json();
        assert_eq!(view["connectionState"], "Connected", "{path}");
        assert_ne!(view["lastActivityTime"], "0001-01-01T00:00:00Z", "{path}");
    }
    let query = r#"{"query": "SELECT * FROM devices.modules WHERE connectionState = 'Connected'"}"#;
    let found = service.ok("POST /devices/query", query).await.json();
    assert_eq!(
        (found.as_array().unwrap().len(), &found[0]["moduleId"]),
        (1, &json!("m"))
    );
}

#[tokio::test]
async fn a_policy_and_the_other_key_sign_for_a_module() {
    let (hub, _) = world().await;
    let policy = |scope: &str| key(K64).token(&format!("localhost{scope}"), NOW_S + 60, Some("device"));
    for token in [
        policy(""),
        policy("/devices"),
        policy("/devices/meter-001"),
        policy("/devices/meter-001/modules/m"),
        signed(K64, "devices/meter-001/modules/m"),
    ] {
        let mut client = Client::with(&hub, &connect(M, &user(M), &token)).await;
        is_quiet(&mut client).await;
    }
}

#[tokio::test]
async fn who_may_not_connect_is_told_5_and_closed() {
    let (hub, _) = world().await;
    let own = "devices/meter-001/modules/m";
    let service = key(K64).token("localhost", NOW_S + 60, Some("service"));
    let expired = key(KEY_M).token(&format!("localhost/{own}"), NOW_S - 301, None);
    let good = token_of("m");
    let cases = [
        ("the device's key", M, user(M), signed(K32, own), "Unauthorized"),
        (
            "the other module's key",
            M,
            user(M),
            signed(KEY_N, own),
            "Unauthorized",
        ),
        (
            "the device's key and scope",
            M,
            user(M),
            signed(K32, "devices/meter-001"),
            "Unauthorized",
        ),
        (
            "the device's scope",
            M,
            user(M),
            signed(KEY_M, "devices/meter-001"),
            "Unauthorized",
        ),
        (
            "the other module's scope",
            M,
            user(M),
            signed(KEY_M, "devices/meter-001/modules/n"),
            "Unauthorized",
        ),
        (
            "a scope below the module's",
            M,
            user(M),
            signed(KEY_M, &format!("{own}/messages")),
            "Unauthorized",
        ),
        ("a policy without the right", M, user(M), service, "Unauthorized"),
        ("an expired token", M, user(M), expired, "Unauthorized"),
        ("no token", M, user(M), String::new(), "Unauthorized"),
        (
            "a module's token for its device",
            "meter-001",
            user("meter-001"),
            good.clone(),
            "Unauthorized",
        ),
        (
            "a module that is not there",
            "meter-001/x",
            user("meter-001/x"),
            signed(KEY_M, "devices/meter-001/modules/x"),
            "Module meter-001/x not registered",
        ),
        (
            "a device that is not there",
            "nobody/m",
            user("nobody/m"),
            signed(KEY_M, "devices/nobody/modules/m"),
            "nobody not registered",
        ),
        (
            "a disabled device",
            "off/m",
            user("off/m"),
            signed(KEY_M, "devices/off/modules/m"),
            "off is disabled",
        ),
        (
            "no module id",
            "meter-001/",
            user("meter-001/"),
            good.clone(),
            "no module id",
        ),
        (
            "the other module's user name",
            M,
            user("meter-001/n"),
            good.clone(),
            "the module meter-001/n",
        ),
        (
            "three parts",
            "meter-001/m/x",
            user("meter-001/m/x"),
            good.clone(),
            "more parts",
        ),
    ];
    for (what, client, user, token, reason) in cases {
        let mut wrong = Client::open(&hub).await;
        wrong.send(&connect(client, &user, &token)).await;
        wrong.expect(&NOT_AUTHORIZED).await;
        wrong.expect_end().await;
        let closed = hub.closed();
        let last = closed.last().unwrap();
        assert!(last.reason.contains(reason), "{what}: {last:?}");
    }
    module(&hub, "m").await;
}

#[tokio::test]
async fn what_a_module_may_not_do_closes_its_connection_and_is_told() {
    let (hub, _) = world().await;
    let cases = [
        (
            publish("devices/meter-001/modules/n/messages/events/", b""),
            "it names the module meter-001/n",
        ),
        (
            publish("devices/meter-001/messages/events/", b""),
            "it names the device meter-001",
        ),
        (
            publish("devices/m:1/modules/m/messages/events/", b""),
            "the module m:1/m",
        ),
        (publish(&format!("{EVENTS}a=1/2"), b""), "%2F"),
        (
            publish("devices/meter-001/modules/m/outputs/out/", b""),
            "messages/events/ alone",
        ),
        // Inputs are an Edge hub's, and no module has cloud-to-device messages.
        (
            subscribe(1, &[("devices/meter-001/modules/m/inputs/#", 1)]),
            "inputs are an IoT Edge hub's",
        ),
        (
            subscribe(1, &[("devices/meter-001/modules/m/#", 1)]),
            "an IoT Edge hub's",
        ),
        (
            subscribe(1, &[("devices/meter-001/modules/m/messages/devicebound/#", 1)]),
            "cloud-to-device messages are for devices",
        ),
        (
            subscribe(1, &[("devices/meter-001/messages/devicebound/#", 1)]),
            "cloud-to-device messages are for devices",
        ),
    ];
    for (bytes, reason) in cases {
        let mut client = module(&hub, "m").await;
        client.send(&bytes).await;
        client.expect_end().await;
        let closed = hub.closed();
        let last = closed.last().unwrap();
        assert!(last.reason.contains(reason), "{last:?}, not: {reason}");
        assert_eq!(last.client.as_deref(), Some(M));
    }
    let mut device = Client::meter(&hub).await;
    device.send(&publish(EVENTS, b"")).await;
    device.expect_end().await;
    assert_eq!(hub.stats().messages, 0);
}

#[tokio::test]
async fn a_module_has_a_twin_of_its_own() {
    let (hub, mut service) = world().await;
    let (mut client, mut device) = (module(&hub, "m").await, Client::meter(&hub).await);
    for one in [&mut client, &mut device] {
        subscribed(one, "$iothub/twin/res/#").await;
        subscribed(one, "$iothub/twin/PATCH/properties/desired/#").await;
    }
    let change = r#"{"properties":{"desired":{"every":60}},"tags":{"of":"m"}}"#;
    service.ok("PATCH /twins/meter-001/modules/m", change).await;
    let desired = "$iothub/twin/PATCH/properties/desired/?$version=2";
    assert_eq!(
        told(&mut client).await,
        (desired.to_owned(), json!({"every": 60, "$version": 2}))
    );
    client
        .send(&publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            br#"{"every":60}"#,
        ))
        .await;
    assert_eq!(
        told(&mut client).await.0,
        "$iothub/twin/res/204/?$rid=1&$version=2"
    );
    client.send(&publish("$iothub/twin/GET/?$rid=2", b"")).await;
    let document = json!({"desired": {"every": 60, "$version": 2}, "reported": {"every": 60, "$version": 2}});
    assert_eq!(
        told(&mut client).await,
        ("$iothub/twin/res/200/?$rid=2".to_owned(), document)
    );
    is_quiet(&mut device).await;
    let view = service.ok("GET /twins/meter-001/modules/m", "").await.json();
    assert_eq!(view["properties"]["reported"]["every"], 60);
    let view = service.ok("GET /twins/meter-001", "").await.json();
    assert_eq!((&view["version"], &view["tags"]), (&json!(1), &json!({})));
    assert_eq!(hub.stats().devices["meter-001"].charged.twins, 6);
}

#[tokio::test]
async fn a_module_answers_direct_methods() {
    let (hub, mut service) = world().await;
    let call = r#"{"methodName":"reboot","payload":{"in":5},"responseTimeoutInSeconds":5}"#;
    let line = "POST /twins/meter-001/modules/m/methods";
    let mut device = Client::meter(&hub).await;
    subscribed(&mut device, "$iothub/methods/POST/#").await;
    let mut client = module(&hub, "m").await;
    let reply = service.call(line, &[], call).await;
    assert_eq!(
        reply.status, 404,
        "it has not subscribed, and its device is not asked"
    );
    subscribed(&mut client, "$iothub/methods/POST/#").await;
    let (reply, ()) = tokio::join!(service.ok(line, call), async {
        let asked = ("$iothub/methods/POST/reboot/?$rid=1".to_owned(), json!({"in": 5}));
        assert_eq!(told(&mut client).await, asked);
        let answer = publish("$iothub/methods/res/207/?$rid=1", br#"["m"]"#);
        client.send(&answer).await;
    });
    assert_eq!(reply.json(), json!({"status": 207, "payload": ["m"]}));
    is_quiet(&mut device).await;
}

#[tokio::test]
async fn each_has_one_connection_and_they_do_not_touch_each_other() {
    let (hub, mut service) = world().await;
    let mut device = Client::meter(&hub).await;
    let mut older = module(&hub, "m").await;
    let mut beside = module(&hub, "n").await;
    let mut newer = module(&hub, "m").await;
    older.expect_end().await;
    assert!(hub.closed()[0].reason.contains("400027"), "{:?}", hub.closed());
    for client in [&mut device, &mut beside, &mut newer] {
        is_quiet(client).await;
    }
    device.send(&DISCONNECT).await;
    device.expect_end().await;
    assert!(!hub.is_connected("meter-001") && hub.is_connected(M));
    is_quiet(&mut newer).await;

    let remove = [("If-Match", "*")];
    let removed = service
        .call("DELETE /devices/meter-001/modules/n", &remove, "")
        .await;
    assert_eq!(removed.status, 204);
    beside.expect_end().await;
    is_quiet(&mut newer).await;
    let meter = hub.device("meter-001").unwrap();
    hub.put_device(Device {
        enabled: false,
        ..meter.clone()
    });
    newer.expect_end().await;
    hub.put_device(meter);
    let mut client = module(&hub, "m").await;
    hub.remove_device("meter-001");
    client.expect_end().await;
    let reasons: Vec<_> = hub.closed().into_iter().map(|closed| closed.name).collect();
    assert_eq!(
        reasons,
        [
            "ConnectionReplaced",
            "ModuleNotFound",
            "DeviceDisabled",
            "DeviceNotFound"
        ]
    );
}

/// A certificate's common name holds device and module.
#[tokio::test]
async fn a_module_proves_itself_by_certificate() {
    let authority = Authority::in_memory().unwrap();
    let hub = start(HubOptions {
        authorities: vec![Certificate::parse(authority.ca_pem()).unwrap()],
        devices: vec![Device::with("meter-001", Authentication::CertificateAuthority)],
        ..options()
    })
    .await;
    let mut service = Service::owner(&hub).await;
    let body = r#"{"authentication":{"type":"certificateAuthority"}}"#;
    service.ok("PUT /devices/meter-001/modules/m", body).await;
    for (name, answer) in [
        (M, ACCEPTED),
        ("meter-001", NOT_AUTHORIZED),
        ("m", NOT_AUTHORIZED),
    ] {
        let identity = authority.client_certificate(name, 3650).unwrap();
        let mut client = Client::certified(&hub, &identity).await;
        client
            .send(&connect_with(0b1000_0010, M, &[user(M).as_bytes()]))
            .await;
        client.expect(&answer).await;
    }
}

#[tokio::test]
async fn routes_see_the_module_and_write_it() {
    let directory = tempfile::tempdir().unwrap();
    let (routes, file) = (
        directory.path().join("routes.toml"),
        directory.path().join("m.jsonl"),
    );
    let text = format!(
        "[[endpoint]]\nname = 'f'\nkind = 'file'\npath = '{}'\n[[route]]\nname = 'm'\nendpoint = 'f'\n\
         condition = \"$connectionModuleId = 'm' AND $twin.tags.site = 'a1'\"\n",
        file.display()
    );
    std::fs::write(&routes, text).unwrap();
    let hub = start(HubOptions {
        routes: Some(Routes::read(&routes, |_| None).unwrap()),
        ..options()
    })
    .await;
    let mut service = modules(&hub).await;
    // The device's twin is what a route sees.
    service
        .ok("PATCH /twins/meter-001", r#"{"tags":{"site":"a1"}}"#)
        .await;
    let mut client = module(&hub, "m").await;
    let mut beside = module(&hub, "n").await;
    for (client, id) in [(&mut client, "m"), (&mut beside, "n")] {
        let topic = format!("devices/meter-001/modules/{id}/messages/events/");
        client.send(&publish_1(7, &topic, b"x")).await;
        client.expect(&puback(7)).await;
    }
    hub.wait_for_endpoints().await;
    let written = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1, "{written}");
    let system = &lines[0]["SystemProperties"];
    assert_eq!(
        (&system["connectionDeviceId"], &system["connectionModuleId"]),
        (&json!("meter-001"), &json!("m"))
    );
    let method = r#"{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;
    assert_eq!(system["connectionAuthMethod"], method);
}
