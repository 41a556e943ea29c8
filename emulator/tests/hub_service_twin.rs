//! Twins and direct methods of the service side, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/service.rs"]
mod service;
#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::hub::Hub;
use mqtt::{Client, DISCONNECT, hub, publish, subscribe};
use serde_json::{Value, json};
use service::Service;

const TWIN: &str = "/twins/meter-001";
const METHODS: &str = "POST /twins/meter-001/methods";

/// `meter-001`, connected and subscribed to `filter` at QoS 0.
async fn meter(hub: &Hub, filter: &str) -> Client {
    let mut client = Client::meter(hub).await;
    client.send(&subscribe(1, &[(filter, 0)])).await;
    client.expect(&[0x90, 3, 0, 1, 0]).await;
    client
}

/// The next PUBLISH, at QoS 0: topic and JSON.
async fn publication(client: &mut Client) -> (String, Value) {
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x30);
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
    (topic, serde_json::from_slice(&body[2 + length..]).unwrap())
}

/// As `e2etests/test/twin_e2e_tests.js` of Microsoft's has it.
#[tokio::test]
async fn desired_properties_that_are_null_are_taken_away_one_by_one() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let patch = format!("PATCH {TWIN}");
    let some = r#"{"properties":{"desired":{"a":1,"b":{"c":2}}}}"#;
    service.ok(&patch, some).await;
    let mut client = meter(&hub, "$iothub/twin/PATCH/properties/desired/#").await;
    let twin = service.ok(&patch, r#"{"properties":{"desired":null}}"#).await;
    assert_eq!(twin.json()["properties"]["desired"]["$version"], 3);
    assert_eq!(twin.json()["properties"]["desired"]["a"], Value::Null);
    let (_, told) = publication(&mut client).await;
    assert_eq!(told, json!({"a": null, "b": null, "$version": 3}));
    // What is not named at all stays.
    let twin = service.ok(&patch, r#"{"properties":{"reported":{}}}"#).await;
    assert_eq!(twin.json()["properties"]["desired"]["$version"], 3);
}

#[tokio::test]
async fn a_new_twin_is_shown_whole() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let reply = service.ok(&format!("GET {TWIN}"), "").await;
    assert_eq!(reply.header("etag"), Some("\"AAAAAAAAAAE=\""));
    let mut twin = reply.json();
    let device_etag = twin["deviceEtag"].take();
    assert_eq!(
        device_etag,
        service.ok("GET /devices/meter-001", "").await.json()["etag"]
    );
    let never = "0001-01-01T00:00:00Z";
    let part = json!({"$metadata": {"$lastUpdated": never}, "$version": 1});
    let expected = json!({
        "deviceId": "meter-001",
        "etag": "AAAAAAAAAAE=",
        "deviceEtag": null,
        "status": "enabled",
        "statusUpdateTime": never,
        "connectionState": "Disconnected",
        "lastActivityTime": never,
        "cloudToDeviceMessageCount": 0,
        "authenticationType": "sas",
        "x509Thumbprint": {"primaryThumbprint": null, "secondaryThumbprint": null},
        "modelId": "",
        "version": 1,
        "tags": {},
        "properties": {"desired": part, "reported": part},
        "capabilities": {"iotEdge": false},
    });
    assert_eq!(twin, expected);
}

#[tokio::test]
async fn merged_replaced_and_told() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let mut client = meter(&hub, "$iothub/twin/PATCH/properties/desired/#").await;
    let patch =
        json!({"tags": {"site": "a1"}, "properties": {"desired": {"interval": 60, "keep": {"a": 1}}}})
            .to_string();
    let reply = service
        .call(
            &format!("PATCH {TWIN}"),
            &[("If-Match", "\"AAAAAAAAAAE=\"")],
            &patch,
        )
        .await;
    assert_eq!(
        (reply.status, reply.header("etag")),
        (200, Some("\"AAAAAAAAAAI=\""))
    );
    let told = json!({"interval": 60, "keep": {"a": 1}, "$version": 2});
    let topic = "$iothub/twin/PATCH/properties/desired/?$version=2".to_owned();
    assert_eq!(publication(&mut client).await, (topic, told));
    let twin = reply.json();
    let at = "2027-01-15T08:00:00.000Z";
    let updated = json!({"$lastUpdated": at, "$lastUpdatedVersion": 2});
    assert_eq!(twin["properties"]["desired"]["$metadata"]["interval"], updated);
    assert_eq!(
        (&twin["tags"], &twin["version"]),
        (&json!({"site": "a1"}), &json!(2))
    );
    assert_eq!(
        (&twin["connectionState"], &twin["lastActivityTime"]),
        (&json!("Connected"), &json!(at))
    );

    // Bare, quoted or without quotes: the tag is used up, and `*` is always one.
    for old in ["\"AAAAAAAAAAE=\"", "AAAAAAAAAAE=", "\"nonsense\""] {
        for method in ["PATCH", "PUT"] {
            let line = format!("{method} {TWIN}");
            service
                .refused(&line, &[("If-Match", old)], "{}", 412, "PreconditionFailed")
                .await;
        }
    }
    for any in ["*", "\"*\""] {
        let reply = service
            .call(
                &format!("PATCH {TWIN}"),
                &[("If-Match", any)],
                r#"{"tags":{"floor":2}}"#,
            )
            .await;
        assert_eq!(reply.status, 200);
    }

    // What the device reports, the service sees; it changes no tag of the service side.
    client
        .send(&publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            br#"{"fw":"1.2"}"#,
        ))
        .await;
    let twin = loop {
        let twin = service.ok(&format!("GET {TWIN}"), "").await.json();
        if twin["properties"]["reported"]["$version"] == 2 {
            break twin;
        }
    };
    assert_eq!(twin["properties"]["reported"]["fw"], "1.2");
    assert_eq!(
        (&twin["etag"], &twin["version"]),
        (&json!("AAAAAAAAAAQ="), &json!(5))
    );

    // Replaced: what is not named is gone, and what a client got is taken back as it is.
    let whole = json!({"deviceId": "meter-001", "etag": "?", "status": "enabled", "tags": {"only": true},
        "properties": {"desired": {"keep": {"a": 1}, "$version": 2, "$metadata": {}}, "reported": {"fw": "9"}}});
    let reply = service
        .ok(&format!("PUT {TWIN}"), &whole.to_string())
        .await
        .json();
    assert_eq!(reply["tags"], json!({"only": true}));
    assert_eq!(reply["properties"]["desired"]["interval"], Value::Null);
    assert_eq!(reply["properties"]["reported"]["fw"], "1.2");
    let (topic, told) = publication(&mut client).await;
    assert!(topic.ends_with("$version=3"), "{topic}");
    assert_eq!(told, json!({"keep": {"a": 1}, "$version": 3}));
}

#[tokio::test]
async fn twins_of_modules_and_refusals() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    service.ok("PUT /devices/meter-001/modules/m", "{}").await;
    let patch = r#"{"properties":{"desired":{"n":1}}}"#;
    let twin = service.ok("PATCH /twins/meter-001/modules/m", patch).await.json();
    assert_eq!(
        (&twin["deviceId"], &twin["moduleId"]),
        (&json!("meter-001"), &json!("m"))
    );
    assert_eq!(twin["properties"]["desired"]["n"], 1);
    assert_eq!(
        service.ok(&format!("GET {TWIN}"), "").await.json()["properties"]["desired"]["n"],
        Value::Null
    );

    let large = json!({"tags": {"a": "x".repeat(4097)}}).to_string();
    let cases: [(&str, &str, u16, &str); 10] = [
        ("GET /twins/nobody", "", 404, "DeviceNotFound"),
        ("PATCH /twins/nobody", "{}", 404, "DeviceNotFound"),
        ("PATCH /twins/meter-001/modules/x", "{}", 404, "ModuleNotFound"),
        ("PATCH /twins/meter-001", "{", 400, "IotHubFormatError"),
        ("PATCH /twins/meter-001", "[]", 400, "IotHubFormatError"),
        (
            "PATCH /twins/meter-001",
            r#"{"tags":[1]}"#,
            400,
            "ArgumentInvalid",
        ),
        (
            "PATCH /twins/meter-001",
            r#"{"tags":{"a.b":1}}"#,
            400,
            "ArgumentInvalid",
        ),
        (
            "PUT /twins/meter-001",
            r#"{"properties":{"desired":{"n":9007199254740993}}}"#,
            400,
            "ArgumentInvalid",
        ),
        ("PATCH /twins/meter-001", &large, 400, "ArgumentInvalid"),
        ("POST /twins/meter-001", "{}", 405, "InvalidOperation"),
    ];
    for (line, body, status, name) in cases {
        service.refused(line, &[], body, status, name).await;
    }
    let twin = service.ok(&format!("GET {TWIN}"), "").await.json();
    assert_eq!(
        (&twin["version"], &twin["tags"]),
        (&json!(1), &json!({})),
        "nothing was changed"
    );
}

#[tokio::test]
async fn a_method_is_answered() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let mut client = meter(&hub, "$iothub/methods/POST/#").await;
    let call = r#"{"methodName":"reboot","payload":{"in":1},"responseTimeoutInSeconds":300,"connectTimeoutInSeconds":0}"#;
    let (reply, ()) = tokio::join!(service.ok(METHODS, call), async {
        let (topic, payload) = publication(&mut client).await;
        assert!(topic.starts_with("$iothub/methods/POST/reboot/?$rid="), "{topic}");
        assert_eq!(payload, json!({"in": 1}));
        let rid = topic.split("$rid=").nth(1).unwrap();
        client
            .send(&publish(
                &format!("$iothub/methods/res/207/?$rid={rid}"),
                br#"["ok"]"#,
            ))
            .await;
    });
    assert_eq!(reply.json(), json!({"status": 207, "payload": ["ok"]}));
}

/// Errors of the device are JSON inside JSON; those of the request are not.
#[tokio::test]
async fn methods_that_are_not_answered() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    service.ok("PUT /devices/meter-001/modules/m", "{}").await;
    let call = r#"{"methodName":"reboot","responseTimeoutInSeconds":5}"#;
    for line in [METHODS, "POST /twins/meter-001/modules/m/methods"] {
        let reply = service.call(line, &[], call).await;
        assert_eq!(
            (reply.status, reply.header("iothub-errorcode")),
            (404, Some("DeviceNotOnline"))
        );
        let outer = reply.json();
        assert_eq!(outer["ExceptionMessage"], "");
        let inner: Value = serde_json::from_str(outer["Message"].as_str().unwrap()).unwrap();
        assert_eq!(inner["errorCode"], 404_103);
        for member in ["trackingId", "message", "timestampUtc"] {
            assert!(inner[member].is_string(), "{inner}");
        }
    }

    let long = json!({"methodName": "m", "payload": "x".repeat(128 * 1024)}).to_string();
    let cases = [
        ("POST /twins/nobody/methods", call, 404, "DeviceNotFound"),
        (
            "POST /twins/meter-001/modules/x/methods",
            call,
            404,
            "ModuleNotFound",
        ),
        (METHODS, "{}", 400, "IotHubFormatError"),
        (METHODS, r#"{"methodName":""}"#, 400, "ArgumentInvalid"),
        (METHODS, r#"{"methodName":"a b"}"#, 400, "ArgumentInvalid"),
        (
            METHODS,
            r#"{"methodName":"m","responseTimeoutInSeconds":4}"#,
            400,
            "ArgumentInvalid",
        ),
        (
            METHODS,
            r#"{"methodName":"m","responseTimeoutInSeconds":301}"#,
            400,
            "ArgumentInvalid",
        ),
        (
            METHODS,
            r#"{"methodName":"m","connectTimeoutInSeconds":301}"#,
            400,
            "ArgumentInvalid",
        ),
        (METHODS, &long, 400, "ArgumentInvalid"),
        ("GET /twins/meter-001/methods", "", 405, "InvalidOperation"),
    ];
    for (line, body, status, name) in cases {
        service.refused(line, &[], body, status, name).await;
    }
    service.ok(&format!("GET {TWIN}"), "").await;
}

/// A device that goes without an answer; so nobody has to wait for the five seconds that a caller must allow.
#[tokio::test]
async fn no_answer() {
    let hub = hub().await;
    let mut client = meter(&hub, "$iothub/methods/POST/#").await;
    let mut service = Service::owner(&hub).await;
    let call = r#"{"methodName":"sleep","responseTimeoutInSeconds":5}"#;
    let (reply, ()) = tokio::join!(service.call(METHODS, &[], call), async {
        publication(&mut client).await;
        client.send(&DISCONNECT).await;
    });
    let answered = (reply.status, reply.header("iothub-errorcode"));
    assert_eq!(answered, (504, Some("GatewayTimeout")));
    let inner: Value = serde_json::from_str(reply.json()["Message"].as_str().unwrap()).unwrap();
    assert_eq!(inner["errorCode"], 504_101);
}
