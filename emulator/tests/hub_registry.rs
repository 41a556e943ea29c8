//! The identity registry of the service side, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/service.rs"]
mod service;
#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::hub::{Devicebound, Hub};
use serde_json::{Value, json};
use service::Service;
use wire::{K32, K64, NOW_S, Wire, key, options, request};

/// Request line, headers and body; status and name of the refusal.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], String, u16, &'a str);

async fn hub() -> Hub {
    Hub::start(options()).await.unwrap()
}

/// Sends as a device with one of its keys; returns the status.
async fn sends(hub: &Hub, device: &str, with: &str) -> u16 {
    let token = key(with).token(&format!("localhost/devices/{device}"), NOW_S + 60, None);
    let line = format!("POST /devices/{device}/messages/events?api-version=2021-04-12");
    let headers = [("Authorization", token.as_str())];
    let mut wire = Wire::to(hub).await;
    wire.ask(&request(&line, &headers, "{}")).await.unwrap().status
}

/// As `e2etests/test/registry.js` of Microsoft's has it.
#[tokio::test]
async fn an_edge_device_begins_a_scope_of_its_own() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let edge = r#"{"deviceId":"edge","capabilities":{"iotEdge":true}}"#;
    let made = service.ok("PUT /devices/edge", edge).await.json();
    let scope = made["deviceScope"].as_str().unwrap().to_owned();
    let generation = made["generationId"].as_str().unwrap();
    assert_eq!(scope, format!("ms-azure-iot-edge://edge-{generation}"));
    let leaf = json!({"deviceId": "leaf", "deviceScope": scope});
    let made = service.ok("PUT /devices/leaf", &leaf.to_string()).await.json();
    assert_eq!(made["deviceScope"], scope.as_str());
    let other = r#"{"deviceId":"leaf","deviceScope":"5f0c"}"#;
    let any = [("If-Match", "*")];
    service
        .refused("PUT /devices/leaf", &any, other, 400, "ArgumentInvalid")
        .await;
}

#[tokio::test]
async fn a_device_from_its_creation_to_its_end() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let body = json!({
        "deviceId": "new",
        "status": "enabled",
        "statusReason": "first",
        "authentication": {"type": "sas", "symmetricKey": {"primaryKey": K32, "secondaryKey": K64}},
        "capabilities": {"iotEdge": true},
        "deviceScope": "ms-azure-iot-edge://above-1",
        "parentScopes": ["ms-azure-iot-edge://above-1"],
    });
    let made = service.ok("PUT /devices/new", &body.to_string()).await;
    let mut view = made.json();
    let etag = view["etag"].as_str().unwrap().to_owned();
    assert_eq!(made.header("etag"), Some(format!("\"{etag}\"").as_str()));
    let generation = view["generationId"].take();
    assert!(
        generation.as_str().unwrap().bytes().all(|b| b.is_ascii_digit()),
        "{generation}"
    );
    let expected = json!({
        "deviceId": "new",
        "generationId": null,
        "etag": etag,
        "connectionState": "Disconnected",
        "status": "enabled",
        "statusReason": "first",
        "connectionStateUpdatedTime": "0001-01-01T00:00:00Z",
        "statusUpdatedTime": "0001-01-01T00:00:00Z",
        "lastActivityTime": "0001-01-01T00:00:00Z",
        "cloudToDeviceMessageCount": 0,
        "authentication": {
            "symmetricKey": {"primaryKey": K32, "secondaryKey": K64},
            "x509Thumbprint": {"primaryThumbprint": null, "secondaryThumbprint": null},
            "type": "sas",
        },
        "capabilities": {"iotEdge": true},
        "deviceScope": "ms-azure-iot-edge://above-1",
        "parentScopes": ["ms-azure-iot-edge://above-1"],
    });
    assert_eq!(view, expected);

    // Its keys work, and the registry tells that it was there.
    assert_eq!(
        (sends(&hub, "new", K32).await, sends(&hub, "new", K64).await),
        (204, 204)
    );
    hub.send_to_device("new", Devicebound::default()).unwrap();
    let seen = service.ok("GET /devices/new", "").await.json();
    assert_eq!(seen["lastActivityTime"], "2027-01-15T08:00:00.000Z");
    assert_eq!(seen["cloudToDeviceMessageCount"], 1);

    // Disabled under its tag. Without keys in the body, it keeps its own.
    let tag = [("If-Match", made.header("etag").unwrap())];
    let disabled = service
        .call("PUT /devices/new", &tag, r#"{"status":"disabled"}"#)
        .await;
    assert_eq!(disabled.status, 200, "{}", disabled.body);
    let view = disabled.json();
    assert_eq!(
        (&view["status"], &view["generationId"]),
        (&json!("disabled"), &generation)
    );
    assert_eq!(view["statusUpdatedTime"], "2027-01-15T08:00:00.000Z");
    assert_eq!(view["authentication"]["symmetricKey"]["primaryKey"], K32);
    assert_ne!(view["etag"], etag.as_str());
    assert_eq!(sends(&hub, "new", K32).await, 403);

    // The tag is used up.
    service
        .refused("PUT /devices/new", &tag, "{}", 412, "PreconditionFailed")
        .await;
    service
        .refused("DELETE /devices/new", &tag, "", 412, "PreconditionFailed")
        .await;
    let gone = service
        .call("DELETE /devices/new", &[("If-Match", "*")], "")
        .await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    service
        .refused("GET /devices/new", &[], "", 404, "DeviceNotFound")
        .await;
    assert_eq!(sends(&hub, "new", K32).await, 404);

    // The same id is another device.
    let again = service
        .ok("PUT /devices/new", r#"{"deviceId":"new"}"#)
        .await
        .json();
    assert_ne!(again["generationId"], generation);
    let keys = &again["authentication"]["symmetricKey"];
    assert_ne!(keys["primaryKey"], keys["secondaryKey"]);
    assert_eq!(
        sends(&hub, "new", keys["secondaryKey"].as_str().unwrap()).await,
        204
    );
}

/// What the hub does not take, each with its answer, over one connection that goes on.
#[tokio::test]
async fn what_is_refused_and_how() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let any: &[(&str, &str)] = &[("If-Match", "\"*\"")];
    let sas = |primary: &str, secondary: &str| {
        let keys = json!({"primaryKey": primary, "secondaryKey": secondary});
        json!({"deviceId": "n", "authentication": {"type": "sas", "symmetricKey": keys}}).to_string()
    };
    let many = Value::from(vec![json!({"id": "a", "importMode": "create"}); 101]).to_string();
    let cases: &[Case<'_>] = &[
        (
            "PUT /devices/meter-001",
            &[],
            r#"{"deviceId":"meter-001"}"#.into(),
            409,
            "DeviceAlreadyExists",
        ),
        (
            "PUT /devices/nobody",
            any,
            r#"{"deviceId":"nobody"}"#.into(),
            404,
            "DeviceNotFound",
        ),
        (
            "PUT /devices/nobody",
            &[("If-Match", "\"eA==\"")],
            "{}".into(),
            404,
            "DeviceNotFound",
        ),
        (
            "DELETE /devices/nobody",
            any,
            String::new(),
            404,
            "DeviceNotFound",
        ),
        (
            "DELETE /devices/meter-001",
            &[],
            String::new(),
            400,
            "ArgumentInvalid",
        ),
        (
            "DELETE /devices/meter-001",
            &[("If-Match", "old")],
            String::new(),
            412,
            "PreconditionFailed",
        ),
        (
            "PUT /devices/n",
            &[],
            r#"{"deviceId":"other"}"#.into(),
            400,
            "ArgumentInvalid",
        ),
        ("PUT /devices/a%20b", &[], "{}".into(), 400, "ArgumentInvalid"),
        (
            "PUT /devices/n",
            &[],
            r#"{"status":"asleep"}"#.into(),
            400,
            "ArgumentInvalid",
        ),
        (
            "PUT /devices/n",
            &[],
            r#"{"authentication":{"type":"magic"}}"#.into(),
            400,
            "ArgumentInvalid",
        ),
        ("PUT /devices/n", &[], sas("AAAA", K32), 400, "ArgumentInvalid"),
        ("PUT /devices/n", &[], sas("%", K32), 400, "ArgumentInvalid"),
        ("PUT /devices/n", &[], sas(K32, ""), 400, "ArgumentInvalid"),
        ("PUT /devices/n", &[], String::new(), 400, "IotHubFormatError"),
        ("PUT /devices/n", &[], "[1]".into(), 400, "IotHubFormatError"),
        ("PUT /devices/n", &[], "{".into(), 400, "IotHubFormatError"),
        (
            "PUT /devices/n",
            &[],
            r#"{"deviceId":7}"#.into(),
            400,
            "IotHubFormatError",
        ),
        ("PUT /devices/n", &[], " ".repeat(300_000), 413, "MessageTooLarge"),
        (
            "PATCH /devices/meter-001",
            &[],
            "{}".into(),
            405,
            "InvalidOperation",
        ),
        ("PUT /devices", &[], "{}".into(), 405, "InvalidOperation"),
        ("POST /devices", &[], many, 413, "TooManyDevices"),
        ("POST /devices", &[], "{}".into(), 400, "IotHubFormatError"),
        (
            "DELETE /devices/nobody/commands",
            &[],
            String::new(),
            404,
            "DeviceNotFound",
        ),
        (
            "GET /devices/nobody/modules",
            &[],
            String::new(),
            404,
            "DeviceNotFound",
        ),
        (
            "GET /devices/meter-001/modules/m",
            &[],
            String::new(),
            404,
            "ModuleNotFound",
        ),
        (
            "PUT /devices/nobody/modules/m",
            &[],
            "{}".into(),
            404,
            "DeviceNotFound",
        ),
        (
            "PUT /devices/meter-001/modules/a%2Fb",
            &[],
            "{}".into(),
            400,
            "ArgumentInvalid",
        ),
        (
            "PUT /devices/meter-001/modules/m",
            any,
            "{}".into(),
            404,
            "ModuleNotFound",
        ),
        (
            "DELETE /devices/meter-001/modules/m",
            &[],
            String::new(),
            400,
            "ArgumentInvalid",
        ),
        (
            "DELETE /devices/meter-001/modules/m",
            any,
            String::new(),
            404,
            "ModuleNotFound",
        ),
        ("GET /statistics", &[], String::new(), 404, "ResourceNotFound"),
        ("GET /devices/a/b", &[], String::new(), 404, "ResourceNotFound"),
        (
            "POST /statistics/devices",
            &[],
            String::new(),
            405,
            "InvalidOperation",
        ),
        ("GET /configurations", &[], String::new(), 501, "NotImplemented"),
        ("POST /jobs/create", &[], "{}".into(), 501, "NotImplemented"),
        (
            "GET /digitaltwins/meter-001",
            &[],
            String::new(),
            501,
            "NotImplemented",
        ),
    ];
    for (line, headers, body, status, name) in cases {
        service.refused(line, headers, body, *status, name).await;
    }
    assert_eq!(hub.stats().devices.len(), 3, "nothing was made");
    service.ok("GET /devices/meter-001", "").await;
    assert_eq!(sends(&hub, "meter-001", K32).await, 204);
}

#[tokio::test]
async fn lists_are_in_order_and_bounded() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let ids = |reply: &wire::Reply| -> Vec<String> {
        let list = reply.json();
        let ids = list
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["deviceId"].as_str().unwrap().to_owned());
        ids.collect()
    };
    // Node asks with a slash at the end. What is out of range counts as 1000.
    for line in [
        "GET /devices",
        "GET /devices/",
        "GET /devices?top=0",
        "GET /devices?top=9999",
        "GET /devices?top=x",
    ] {
        assert_eq!(
            ids(&service.ok(line, "").await),
            ["m:1", "meter-001", "off"],
            "{line}"
        );
    }
    assert_eq!(
        ids(&service.ok("GET /devices?top=2", "").await),
        ["m:1", "meter-001"]
    );
}

#[tokio::test]
async fn many_at_once() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let good = json!([
        {"id": "a", "importMode": "create", "tags": {"site": "x"}, "properties": {"desired": {"n": 1}}},
        {"id": "b", "importMode": "create", "status": "disabled"},
        {"id": "a", "moduleId": "m", "importMode": "create"},
        {"id": "off", "importMode": "update", "status": "enabled"},
    ]);
    let done = service.ok("POST /devices", &good.to_string()).await;
    assert_eq!(
        done.json(),
        json!({"isSuccessful": true, "errors": [], "warnings": []})
    );
    let twin = service.ok("GET /twins/a", "").await.json();
    assert_eq!(
        (&twin["tags"], &twin["properties"]["desired"]["n"]),
        (&json!({"site": "x"}), &json!(1))
    );
    assert_eq!(
        service.ok("GET /devices/b", "").await.json()["status"],
        "disabled"
    );
    assert_eq!(
        service
            .ok("GET /devices/a/modules", "")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert!(hub.device("off").unwrap().enabled);

    // What fails is told, and the rest is done.
    let tag = service.ok("GET /devices/b", "").await.json()["etag"].clone();
    let mixed = json!([
        {"id": "a", "importMode": "Create"},
        {"id": "b", "importMode": "UpdateIfMatchETag", "eTag": "b2xk", "status": "enabled"},
        {"id": "nobody", "importMode": "delete"},
        {"id": "b", "importMode": "paint"},
        {"id": "b", "importMode": "deleteIfMatchETag"},
        {"importMode": "create"},
        {"id": "a", "importMode": "updateTwin", "tags": {"a b": 1}},
        {"id": "b", "importMode": "deleteIfMatchETag", "eTag": tag},
        {"id": "a", "importMode": "updateTwin", "tags": {"site": "y"}},
    ]);
    let reply = service.call("POST /devices", &[], &mixed.to_string()).await;
    assert_eq!(reply.status, 400);
    let result = reply.json();
    assert_eq!(result["isSuccessful"], false);
    let errors: Vec<_> = result["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["deviceId"].as_str(), error["errorCode"].as_str().unwrap()))
        .collect();
    let expected = [
        (Some("a"), "DeviceAlreadyExists"),
        (Some("b"), "PreconditionFailed"),
        (Some("nobody"), "DeviceNotFound"),
        (Some("b"), "ArgumentInvalid"),
        (Some("b"), "ArgumentInvalid"),
        (None, "ArgumentInvalid"),
        (Some("a"), "ArgumentInvalid"),
    ];
    assert_eq!(errors, expected);
    assert!(hub.device("b").is_none());
    assert_eq!(service.ok("GET /twins/a", "").await.json()["tags"]["site"], "y");
}

#[tokio::test]
async fn modules_of_a_device() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let body = r#"{"deviceId":"meter-001","moduleId":"m1","managedBy":"iotEdge"}"#;
    let made = service.ok("PUT /devices/meter-001/modules/m1", body).await;
    let view = made.json();
    assert_eq!(
        (&view["deviceId"], &view["moduleId"], &view["managedBy"]),
        (&json!("meter-001"), &json!("m1"), &json!("iotEdge"))
    );
    assert_eq!(
        made.header("etag").unwrap(),
        format!("\"{}\"", view["etag"].as_str().unwrap())
    );
    service
        .refused(
            "PUT /devices/meter-001/modules/m1",
            &[],
            body,
            409,
            "ModuleAlreadyExistsOnDevice",
        )
        .await;
    let tag = [("If-Match", made.header("etag").unwrap())];
    let changed = service
        .call("PUT /devices/meter-001/modules/m1", &tag, r#"{"managedBy":"me"}"#)
        .await;
    assert_eq!(
        (changed.status, &changed.json()["managedBy"]),
        (200, &json!("me"))
    );
    assert_eq!(changed.json()["authentication"], view["authentication"]);
    service
        .refused(
            "DELETE /devices/meter-001/modules/m1",
            &tag,
            "",
            412,
            "PreconditionFailed",
        )
        .await;
    for number in 2..=50 {
        service
            .ok(&format!("PUT /devices/meter-001/modules/m{number}"), "{}")
            .await;
    }
    service
        .refused(
            "PUT /devices/meter-001/modules/m51",
            &[],
            "{}",
            413,
            "TooManyModulesOnDevice",
        )
        .await;
    let gone = service
        .call("DELETE /devices/meter-001/modules/m1", &[("If-Match", "*")], "")
        .await;
    assert_eq!(gone.status, 204);
    let list = service.ok("GET /devices/meter-001/modules", "").await.json();
    assert_eq!(list.as_array().unwrap().len(), 49);
    // They go with their device.
    hub.remove_device("meter-001");
    service
        .refused(
            "GET /devices/meter-001/modules/m2",
            &[],
            "",
            404,
            "DeviceNotFound",
        )
        .await;
}

#[tokio::test]
async fn counts_and_what_waits() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let counts = service.ok("GET /statistics/devices", "").await.json();
    let expected = json!({"totalDeviceCount": 3, "enabledDeviceCount": 2, "disabledDeviceCount": 1});
    assert_eq!(counts, expected);
    let connected = service.ok("GET /statistics/service", "").await.json();
    assert_eq!(connected, json!({"connectedDeviceCount": 0}));
    for _ in 0..3 {
        hub.send_to_device("meter-001", Devicebound::default()).unwrap();
    }
    for purged in [3, 0] {
        let reply = service.ok("DELETE /devices/meter-001/commands", "").await.json();
        let expected = json!({"totalMessagesPurged": purged, "deviceId": "meter-001", "moduleId": null});
        assert_eq!(reply, expected);
    }
}

/// Identities that prove themselves by certificate, as the service SDKs write them.
#[tokio::test]
async fn devices_by_certificate() {
    let hub = hub().await;
    let mut service = Service::owner(&hub).await;
    let thumbprint = "ab".repeat(20);
    let own =
        json!({"deviceId": "own", "authentication": {"x509Thumbprint": {"primaryThumbprint": thumbprint}}});
    let made = service.ok("PUT /devices/own", &own.to_string()).await.json();
    assert_eq!(
        made["authentication"],
        json!({
            "symmetricKey": {"primaryKey": null, "secondaryKey": null},
            "x509Thumbprint": {"primaryThumbprint": "AB".repeat(20), "secondaryThumbprint": null},
            "type": "selfSigned",
        })
    );
    let signed = json!({"deviceId": "signed", "authentication": {"type": "certificateAuthority"}});
    let made = service
        .ok("PUT /devices/signed", &signed.to_string())
        .await
        .json();
    assert_eq!(made["authentication"]["type"], "certificateAuthority");
    for wrong in [json!({"primaryThumbprint": "AB"}), json!({}), Value::Null] {
        let body =
            json!({"deviceId": "x", "authentication": {"type": "selfSigned", "x509Thumbprint": wrong}});
        let reply = service.call("PUT /devices/x", &[], &body.to_string()).await;
        assert_eq!(
            (reply.status, reply.header("iothub-errorcode")),
            (400, Some("ArgumentInvalid")),
            "{body}"
        );
    }
    assert!(hub.device("x").is_none());
}
