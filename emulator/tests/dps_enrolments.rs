//! The DPS's service side, byte by byte: enrolments are written, and what they say comes about at the next registration.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/wire.rs"]
mod wire;

use base64::Engine;
use emulator::dps::{Central, Decision, Dps, DpsOptions, Group, Policy};
use emulator::hub::{Clock, Hub, HubOptions, Key};
use emulator::tls::{Authority, Identity};
use serde_json::{Value, json};
use wire::{K32, K64, NOW_S, Reply, Wire, key, options, request};

const SCOPE: &str = "0ne00AABBCC";
const VERSION: &str = "api-version=2021-10-01";

async fn start(change: impl FnOnce(&mut DpsOptions)) -> (Hub, Dps, Wire) {
    let control = Some("127.0.0.1:0".parse().unwrap());
    let hub = Hub::start(HubOptions { control, ..options() }).await.unwrap();
    let reader = Policy {
        name: "EnrollmentRead".to_owned(),
        writes: false,
        ..Policy::owner(key(K64))
    };
    let mut options = DpsOptions {
        bind: None,
        id_scope: SCOPE.to_owned(),
        groups: vec![Group::new("meters", key(K64))],
        policies: vec![Policy::owner(key(K32)), reader],
        assigning: 0,
        clock: Clock::fixed(NOW_S * 1000),
        ..DpsOptions::default()
    };
    change(&mut options);
    let dps = Dps::start(options, &hub).await.unwrap();
    let wire = Wire::to(&hub).await;
    (hub, dps, wire)
}

fn owner() -> String {
    key(K32).token("localhost", NOW_S + 60, Some("provisioningserviceowner"))
}

/// A call of the service side.
async fn call(wire: &mut Wire, line: &str, headers: &[(&str, &str)], body: Value) -> Reply {
    let token = owner();
    let headers = [&[("Authorization", token.as_str())], headers].concat();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    wire.ask(&request(&format!("{line}?{VERSION}"), &headers, body))
        .await
        .unwrap()
}

/// Registers with `key` and polls once; gives the answer of the poll.
async fn register(wire: &mut Wire, id: &str, key: &Key, payload: Value) -> Value {
    let token = key.token(&format!("{SCOPE}/registrations/{id}"), NOW_S + 60, None);
    let headers = [("Authorization", token.as_str())];
    let line = format!("PUT /{SCOPE}/registrations/{id}/register?{VERSION}");
    let body = json!({ "registrationId": id, "payload": payload }).to_string();
    let begun = wire.ask(&request(&line, &headers, body)).await.unwrap();
    if begun.status != 202 {
        return begun.json();
    }
    let operation = begun.json()["operationId"].as_str().unwrap().to_owned();
    let line = format!("GET /{SCOPE}/registrations/{id}/operations/{operation}?{VERSION}");
    let ended = wire.ask(&request(&line, &headers, "")).await.unwrap();
    assert_eq!(ended.status, 200, "{ended:?}");
    ended.json()
}

fn twin(hub: &Hub, id: &str) -> Value {
    hub.change_twin(id, None, None).unwrap()
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: u32) {
    assert_eq!(
        (reply.status, &reply.json()["errorCode"]),
        (status, &json!(code)),
        "{reply:?}"
    );
}

#[tokio::test]
async fn an_enrolment_by_tpm_is_kept_and_lets_nobody_in() {
    let (_hub, _dps, mut wire) = start(|_| {}).await;
    let tpm = json!({"type": "tpm", "tpm": {"endorsementKey": "AToAAQ=="}});
    let enrolment = json!({"registrationId": "chip", "attestation": tpm});
    let written = call(&mut wire, "PUT /enrollments/chip", &[], enrolment).await;
    assert_eq!(written.status, 200, "{written:?}");
    let read = call(&mut wire, "GET /enrollments/chip", &[], Value::Null)
        .await
        .json();
    assert_eq!(read["attestation"]["tpm"]["endorsementKey"], "AToAAQ==");
    let line = "POST /enrollments/chip/attestationmechanism";
    let mechanism = call(&mut wire, line, &[], Value::Null).await.json();
    assert_eq!(mechanism["type"], "tpm");
    let group = json!({"enrollmentGroupId": "chips", "attestation": tpm});
    refused(
        &call(&mut wire, "PUT /enrollmentGroups/chips", &[], group).await,
        400,
        400_004,
    );
}

#[tokio::test]
async fn an_enrolment_is_written_and_used() {
    let (hub, _dps, mut wire) = start(|_| {}).await;
    let enrolment = json!({
        "registrationId": "own", "deviceId": "renamed",
        "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": K64, "secondaryKey": K32}},
        "provisioningStatus": "enabled", "capabilities": {"iotEdge": true},
        "initialTwin": {"tags": {"site": "a1"}, "properties": {"desired": {"interval": 60, "$version": 9}}},
        "iotHubHostName": "other.azure-devices.net", "payload": {"welcome": true},
    });
    let written = call(&mut wire, "PUT /enrollments/own", &[], enrolment.clone()).await;
    assert_eq!(written.status, 200, "{written:?}");
    assert_eq!(written.json()["attestation"]["symmetricKey"]["primaryKey"], K64);

    let read = call(&mut wire, "GET /enrollments/own", &[], Value::Null)
        .await
        .json();
    assert_eq!(
        read,
        json!({
            "registrationId": "own", "deviceId": "renamed", "attestation": {"type": "symmetricKey"},
            "provisioningStatus": "enabled", "capabilities": {"iotEdge": true}, "etag": read["etag"],
            "initialTwin": {"tags": {"site": "a1"}, "properties": {"desired": {"interval": 60}}},
            "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": true},
            "allocationPolicy": "static", "iotHubHostName": "other.azure-devices.net",
            "iotHubs": ["other.azure-devices.net"], "payload": {"welcome": true},
            "createdDateTimeUtc": "2027-01-15T08:00:00.000Z", "lastUpdatedDateTimeUtc": "2027-01-15T08:00:00.000Z",
        })
    );
    let keys = call(
        &mut wire,
        "POST /enrollments/own/attestationmechanism",
        &[],
        Value::Null,
    )
    .await;
    assert_eq!(
        keys.json()["symmetricKey"],
        json!({"primaryKey": K64, "secondaryKey": K32})
    );

    let state = register(&mut wire, "own", &key(K64), Value::Null).await["registrationState"].clone();
    assert_eq!(
        (
            &state["assignedHub"],
            &state["deviceId"],
            &state["payload"],
            &state["substatus"]
        ),
        (
            &json!("other.azure-devices.net"),
            &json!("renamed"),
            &json!({"welcome": true}),
            &json!("initialAssignment")
        )
    );
    let at_hub = hub.device("renamed").unwrap();
    assert!(at_hub.edge && at_hub.primary_key() == Some(&key(K64)));
    let twin = twin(&hub, "renamed");
    assert_eq!(
        (&twin["tags"]["site"], &twin["properties"]["desired"]["interval"]),
        (&json!("a1"), &json!(60))
    );
    let shown = call(&mut wire, "GET /enrollments/own", &[], Value::Null)
        .await
        .json();
    assert_eq!(shown["registrationState"]["status"], "assigned");
    let state = call(&mut wire, "GET /registrations/own", &[], Value::Null).await;
    assert_eq!(
        (state.status, &state.json()["deviceId"]),
        (200, &json!("renamed"))
    );

    // Disabled, then gone: its device is refused like one with a wrong key, then it is one of the group's.
    let tag = shown["etag"].as_str().unwrap().to_owned();
    let mut disabled = enrolment;
    disabled["provisioningStatus"] = "disabled".into();
    let written = call(&mut wire, "PUT /enrollments/own", &[("If-Match", &tag)], disabled).await;
    assert_eq!(written.status, 200);
    assert_eq!(
        register(&mut wire, "own", &key(K64), Value::Null).await["errorCode"],
        401_002
    );
    let stale = call(
        &mut wire,
        "DELETE /enrollments/own",
        &[("If-Match", &tag)],
        Value::Null,
    )
    .await;
    refused(&stale, 412, 412_000);
    assert_eq!(
        call(&mut wire, "DELETE /enrollments/own", &[], Value::Null)
            .await
            .status,
        204
    );
    let derived = key(K64).derive("own");
    let state = register(&mut wire, "own", &derived, Value::Null).await["registrationState"].clone();
    assert_eq!(state["symmetricKey"]["enrollmentGroupId"], "meters");
}

#[tokio::test]
async fn what_becomes_of_a_device_that_registers_again() {
    let (hub, _dps, mut wire) = start(|_| {}).await;
    let group = |hub: &str, updates: bool, migrates: bool| {
        json!({
            "enrollmentGroupId": "meters", "attestation": {"type": "symmetricKey"}, "iotHubHostName": hub,
            "initialTwin": {"properties": {"desired": {"at": "first"}}},
            "reprovisionPolicy": {"updateHubAssignment": updates, "migrateDeviceData": migrates},
        })
    };
    let derived = key(K64).derive("m");
    let changed = json!({"at": "changed"});
    // The group's terms, whether the hub lost the device before; what is told, and what the twin says then.
    let cases = [
        (
            group("one", true, true),
            false,
            "one",
            "initialAssignment",
            "first",
        ),
        (
            group("one", true, true),
            false,
            "one",
            "initialAssignment",
            "changed",
        ),
        (
            group("two", true, true),
            false,
            "two",
            "deviceDataMigrated",
            "changed",
        ),
        (
            group("two", true, true),
            true,
            "two",
            "reprovisionedToInitialAssignment",
            "first",
        ),
        (
            group("three", false, false),
            false,
            "two",
            "reprovisionedToInitialAssignment",
            "changed",
        ),
        (
            group("three", true, false),
            false,
            "three",
            "deviceDataReset",
            "first",
        ),
    ];
    for (terms, lost, at, substatus, expected) in cases {
        let written = call(
            &mut wire,
            "PUT /enrollmentGroups/meters",
            &[("If-Match", "*")],
            terms.clone(),
        )
        .await;
        assert_eq!(written.status, 200, "{written:?}");
        if lost {
            assert!(hub.remove_device("m"));
        }
        let state = register(&mut wire, "m", &derived, Value::Null).await["registrationState"].clone();
        assert_eq!(
            (&state["assignedHub"], &state["substatus"]),
            (&json!(at), &json!(substatus)),
            "{terms}"
        );
        assert_eq!(
            twin(&hub, "m")["properties"]["desired"]["at"],
            expected,
            "{terms}"
        );
        hub.change_twin("m", Some(&changed), None).unwrap();
    }
    // One that never is given anew stays away when the hub has lost it.
    let never = group("three", false, false);
    call(
        &mut wire,
        "PUT /enrollmentGroups/meters",
        &[("If-Match", "*")],
        never,
    )
    .await;
    assert!(hub.remove_device("m"));
    let state = register(&mut wire, "m", &derived, Value::Null).await["registrationState"].clone();
    assert_eq!((&state["status"], hub.device("m")), (&json!("assigned"), None));
    // A forgotten registration is a first one.
    assert_eq!(
        call(&mut wire, "DELETE /registrations/m", &[], Value::Null)
            .await
            .status,
        204
    );
    let state = register(&mut wire, "m", &derived, Value::Null).await["registrationState"].clone();
    assert_eq!(state["substatus"], "initialAssignment");
    assert!(hub.device("m").is_some());
}

#[tokio::test]
async fn keys_are_kept_made_and_rolled() {
    let (hub, _dps, mut wire) = start(|_| {}).await;
    let bare = json!({"enrollmentGroupId": "new", "attestation": {"type": "symmetricKey"}});
    let made = call(&mut wire, "PUT /enrollmentGroups/new", &[], bare.clone())
        .await
        .json();
    let first = Key::parse(
        made["attestation"]["symmetricKey"]["primaryKey"]
            .as_str()
            .unwrap(),
    )
    .unwrap();
    let kept = call(&mut wire, "PUT /enrollmentGroups/new", &[("If-Match", "*")], bare)
        .await
        .json();
    assert_eq!(made["attestation"], kept["attestation"]);
    register(&mut wire, "m", &first.derive("m"), Value::Null).await;
    assert_eq!(hub.device("m").unwrap().primary_key(), Some(&first.derive("m")));
    let rolled = json!({
        "enrollmentGroupId": "new",
        "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": K32, "secondaryKey": K32}},
    });
    call(
        &mut wire,
        "PUT /enrollmentGroups/new",
        &[("If-Match", "*")],
        rolled,
    )
    .await;
    assert_eq!(
        register(&mut wire, "m", &first.derive("m"), Value::Null).await["errorCode"],
        401_002
    );
    register(&mut wire, "m", &key(K32).derive("m"), Value::Null).await;
    assert_eq!(
        hub.device("m").unwrap().primary_key(),
        Some(&key(K32).derive("m"))
    );
}

#[tokio::test]
async fn lists_come_in_pages_and_several_are_written_at_once() {
    let (_hub, _dps, mut wire) = start(|_| {}).await;
    let one = |id: &str| json!({"registrationId": id, "attestation": {"type": "symmetricKey"}});
    let bulk = |mode: &str, all: Vec<Value>| json!({"mode": mode, "enrollments": all});
    let all = bulk("create", vec![one("a"), one("b"), one("c")]);
    // As the Node SDK writes the path.
    let done = call(&mut wire, "POST /enrollments/", &[], all).await;
    assert_eq!(
        (done.status, done.json()),
        (200, json!({"isSuccessful": true, "errors": []}))
    );
    let again = bulk("create", vec![one("c"), one("d"), one("e f")]);
    let done = call(&mut wire, "POST /enrollments", &[], again).await.json();
    assert_eq!(done["isSuccessful"], false);
    assert_eq!(
        (
            &done["errors"][0]["registrationId"],
            &done["errors"][0]["errorCode"]
        ),
        (&json!("c"), &json!(409_000))
    );
    assert_eq!(
        (
            &done["errors"][1]["registrationId"],
            &done["errors"][1]["errorCode"]
        ),
        (&json!("e f"), &json!(400_004))
    );

    let query = json!({"query": "SELECT * FROM enrollments"});
    let all = call(&mut wire, "POST /enrollments/query", &[], json!({"query": "*"})).await;
    assert_eq!(all.json().as_array().unwrap().len(), 4);
    let first = call(
        &mut wire,
        "POST /enrollments/query",
        &[("x-ms-max-item-count", "3")],
        query.clone(),
    )
    .await;
    let ids = |reply: &Reply| -> Vec<String> {
        let all = reply.json();
        all.as_array()
            .unwrap()
            .iter()
            .map(|one| one["registrationId"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&first), ["a", "b", "c"]);
    let next = first.header("x-ms-continuation").unwrap().to_owned();
    let last = call(
        &mut wire,
        "POST /enrollments/query",
        &[("x-ms-continuation", &next)],
        query.clone(),
    )
    .await;
    assert_eq!(
        (ids(&last), last.header("x-ms-continuation")),
        (vec!["d".to_owned()], None)
    );

    let done = call(
        &mut wire,
        "POST /enrollments",
        &[],
        bulk("delete", vec![one("a"), one("b")]),
    )
    .await
    .json();
    assert_eq!(done["isSuccessful"], true);
    assert_eq!(
        ids(&call(&mut wire, "POST /enrollments/query", &[], query.clone()).await),
        ["c", "d"]
    );

    register(&mut wire, "m", &key(K64).derive("m"), Value::Null).await;
    let members = call(&mut wire, "POST /registrations/meters/query", &[], query).await;
    assert_eq!(ids(&members), ["m"]);
}

#[tokio::test]
async fn refusals_of_the_service_side() {
    let (_hub, _dps, mut wire) = start(|_| {}).await;
    let ask = |line: &str, token: &str, body: &str| {
        request(&format!("{line}?{VERSION}"), &[("Authorization", token)], body)
    };
    let token = |key: &Key, sr: &str, at: i64, skn: &str| key.token(sr, NOW_S + at, Some(skn));
    let good = owner();
    let reader = token(&key(K64), "localhost", 60, "EnrollmentRead");
    let group = r#"{"enrollmentGroupId":"g","attestation":{"type":"symmetricKey"}}"#;
    let own = r#"{"registrationId":"o","attestation":{"type":"symmetricKey"}}"#;
    let put = "PUT /enrollmentGroups/g";
    for (bytes, status, code) in [
        (ask(put, "", group), 401, 401_002),
        (ask(put, "SharedAccessSignature sr=x", group), 401, 401_002),
        (
            ask(
                put,
                &token(&key(K64), "localhost", 60, "provisioningserviceowner"),
                group,
            ),
            401,
            401_002,
        ),
        (
            ask(
                put,
                &token(&key(K32), "localhost", -301, "provisioningserviceowner"),
                group,
            ),
            401,
            401_002,
        ),
        (
            ask(
                put,
                &token(&key(K32), "elsewhere", 60, "provisioningserviceowner"),
                group,
            ),
            401,
            401_002,
        ),
        (
            ask(put, &token(&key(K32), "localhost", 60, "iothubowner"), group),
            401,
            401_002,
        ),
        (ask(put, &reader, group), 401, 401_002),
        (ask("DELETE /enrollmentGroups/meters", &reader, ""), 401, 401_002),
        (request(put, &[("Authorization", &good)], group), 400, 400_004),
        (ask(put, &good, "{}"), 400, 400_004),
        (ask(put, &good, "x"), 400, 400_004),
        (ask("PUT /enrollmentGroups/other", &good, group), 400, 400_004),
        (ask("PUT /enrollments/o", &good, group), 400, 400_004),
        (ask("PUT /enrollments/o%20p", &good, own), 400, 400_004),
        (
            ask("PUT /enrollments/o", &good, &own.replace("symmetricKey", "tpm")),
            400,
            400_004,
        ),
        (
            ask(
                "PUT /enrollments/o",
                &good,
                &own.replace('}', r#","symmetricKey":{"primaryKey":"AAAA"}}"#),
            ),
            400,
            400_004,
        ),
        (
            ask(
                "PUT /enrollments/o",
                &good,
                &own.replace("{\"r", "{\"provisioningStatus\":\"on\",\"r"),
            ),
            400,
            400_004,
        ),
        (
            ask(
                "PUT /enrollmentGroups/meters",
                &good,
                &group.replace("\"g\"", "\"meters\""),
            ),
            409,
            409_000,
        ),
        (ask("GET /enrollments/nobody", &good, ""), 404, 404_201),
        (ask("DELETE /enrollmentGroups/nobody", &good, ""), 404, 404_201),
        (ask("GET /registrations/nobody", &good, ""), 404, 404_000),
        (ask("PATCH /enrollments/o", &good, own), 404, 404_000),
        (
            ask("POST /enrollments/query", &good, r#"{"query":"DROP TABLE"}"#),
            400,
            400_004,
        ),
        (ask("POST /enrollments/query", &good, ""), 400, 400_004),
        (
            ask("POST /enrollments", &good, r#"{"mode":"burn","enrollments":[]}"#),
            400,
            400_004,
        ),
        (
            ask(
                "POST /enrollments",
                &good,
                r#"{"mode":"delete","enrollments":[{"registrationId":"x"},{"registrationId":"x"}]}"#,
            ),
            400,
            400_004,
        ),
    ] {
        let reply = wire.ask(&bytes).await.unwrap();
        assert_eq!(
            (reply.status, &reply.json()["errorCode"]),
            (status, &json!(code)),
            "{}: {reply:?}",
            String::from_utf8_lossy(&bytes)
        );
        // The next good request is served; whoever may only read reads.
        let next = wire
            .ask(&ask("GET /enrollmentGroups/meters", &reader, ""))
            .await
            .unwrap();
        assert_eq!(next.status, 200);
    }
}

#[tokio::test]
async fn an_iot_central_application_has_a_say() {
    let (hub, dps, mut wire) = start(|options| {
        options.central = Some(Central {
            approves: false,
            templates: Some(vec!["dtmi:com:example:Meter;1".to_owned()]),
        });
    })
    .await;
    let derived = key(K64).derive("m");
    let model = json!({"iotcModelId": "dtmi:com:example:Meter;1"});
    let failed = |ended: &Value, text: &str| {
        let state = &ended["registrationState"];
        assert_eq!(
            (&ended["status"], &state["status"]),
            (&json!("failed"), &json!("failed")),
            "{ended}"
        );
        assert_eq!(state["errorCode"], 400_209, "{ended}");
        assert!(state["errorMessage"].as_str().unwrap().contains(text), "{ended}");
    };
    failed(
        &register(&mut wire, "m", &derived, model.clone()).await,
        "not approved",
    );
    assert_eq!(hub.device("m"), None);
    dps.decide("m", Some(Decision::Approved));
    failed(&register(&mut wire, "m", &derived, Value::Null).await, "template");
    failed(
        &register(&mut wire, "m", &derived, json!({"modelId": "dtmi:other;1"})).await,
        "template",
    );
    let ended = register(&mut wire, "m", &derived, model.clone()).await;
    assert_eq!(ended["status"], "assigned");
    assert!(hub.device("m").is_some());

    // A person decides over the control API, and sees which template it is.
    let url = |path: &str| format!("http://{}{path}", hub.control_addr().unwrap());
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let decide = client
        .put(url("/registrations/m/decision"))
        .json(&json!({"decision": "blocked"}));
    assert_eq!(decide.send().await.unwrap().status(), 204);
    failed(
        &register(&mut wire, "m", &derived, model.clone()).await,
        "blocked",
    );
    let all: Value = client
        .get(url("/registrations"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&all[0]["modelId"], &all[0]["decision"], &all[0]["sent"]),
        (&json!("dtmi:com:example:Meter;1"), &json!("blocked"), &model)
    );
}

/// The control API takes the same documents, without tokens and entity tags.
#[tokio::test]
async fn enrolments_over_the_control_api() {
    let (hub, _dps, mut wire) = start(|_| {}).await;
    let url = |path: &str| format!("http://{}{path}", hub.control_addr().unwrap());
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let own = |status: &str| {
        json!({
            "registrationId": "own", "provisioningStatus": status,
            "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": K32, "secondaryKey": K32}},
        })
    };
    for status in ["disabled", "enabled"] {
        let put = client
            .put(url("/enrollments/own"))
            .json(&own(status))
            .send()
            .await
            .unwrap();
        assert_eq!(put.status(), 200);
    }
    assert_eq!(
        register(&mut wire, "own", &key(K32), Value::Null).await["status"],
        "assigned"
    );
    let query = client
        .post(url("/enrollmentGroups/query"))
        .json(&json!({"query": "SELECT *"}));
    let groups: Value = query.send().await.unwrap().json().await.unwrap();
    assert_eq!(groups[0]["enrollmentGroupId"], "meters");
    assert_eq!(
        client
            .delete(url("/enrollments/own"))
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    let gone = client.get(url("/enrollments/own")).send().await.unwrap();
    assert_eq!(gone.status(), 404);
    assert_eq!(gone.json::<Value>().await.unwrap()["errorCode"], 404_201);
}

/// Certificates in enrolments, as the provisioning service SDKs write them.
#[tokio::test]
async fn enrolments_by_certificate() {
    let (hub, _dps, mut wire) = start(|_| {}).await;
    let authority = Authority::in_memory().unwrap();
    let member = authority.client_certificate("member", 3650).unwrap();
    let own = Identity::self_signed("own", 3650).unwrap();
    let x509 =
        |kind: &str, pem: &str| json!({"type": "x509", "x509": {kind: {"primary": {"certificate": pem}}}});
    let group =
        json!({"enrollmentGroupId": "ca", "attestation": x509("signingCertificates", authority.ca_pem())});
    let written = call(&mut wire, "PUT /enrollmentGroups/ca", &[], group).await;
    let info = &written.json()["attestation"]["x509"]["signingCertificates"]["primary"]["info"];
    assert_eq!(
        (written.status, &info["subjectName"]),
        (200, &json!("CN=meterbridge emulator CA"))
    );
    let base64 = base64::engine::general_purpose::STANDARD.encode(&own.certificate);
    let individual = json!({"registrationId": "own", "attestation": x509("clientCertificates", &base64)});
    assert_eq!(
        call(&mut wire, "PUT /enrollments/own", &[], individual)
            .await
            .status,
        200
    );
    for (id, identity) in [("member", &member), ("own", &own)] {
        let mut wire = Wire::certified(&hub, identity, rustls::ALL_VERSIONS).await;
        let line = format!("PUT /{SCOPE}/registrations/{id}/register?{VERSION}");
        let body = json!({ "registrationId": id }).to_string();
        assert_eq!(
            wire.ask(&request(&line, &[], body)).await.unwrap().status,
            202,
            "{id}"
        );
    }
    // What was read can be written again: the certificate stays.
    let mut read = call(&mut wire, "GET /enrollments/own", &[], Value::Null)
        .await
        .json();
    read["provisioningStatus"] = "disabled".into();
    assert_eq!(
        call(&mut wire, "PUT /enrollments/own", &[("If-Match", "*")], read)
            .await
            .status,
        200
    );
    for (line, body) in [
        (
            "PUT /enrollments/a",
            json!({"registrationId": "a", "attestation": {"type": "x509"}}),
        ),
        (
            "PUT /enrollments/a",
            json!({"registrationId": "a", "attestation": x509("clientCertificates", "AAAA")}),
        ),
        (
            "PUT /enrollments/a",
            json!({"registrationId": "a", "attestation": x509("signingCertificates", authority.ca_pem())}),
        ),
    ] {
        refused(&call(&mut wire, line, &[], body).await, 400, 400_004);
    }
}

/// Enrolments with keys and certificates, what they give, registrations and decisions: after a restart they are as they were, and a
/// deleted registration is not back.
#[tokio::test]
async fn enrolments_and_registrations_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let data = Some(directory.path().to_owned());
    let started = |options: &mut DpsOptions| {
        options.data = data.clone();
        options.central = Some(Central {
            approves: false,
            templates: None,
        });
    };
    let authority = Authority::in_memory().unwrap();
    let paths = [
        "GET /enrollments/own",
        "GET /enrollmentGroups/ca",
        "GET /enrollmentGroups/meters",
        "GET /registrations/own",
        "GET /registrations/m-2",
    ];
    let mut before = Vec::new();
    {
        let (_hub, dps, mut wire) = start(started).await;
        let own = json!({
            "registrationId": "own", "deviceId": "renamed",
            "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": K64, "secondaryKey": K32}},
            "initialTwin": {"tags": {"site": "a1"}}, "payload": {"welcome": true},
        });
        let ca = json!({"enrollmentGroupId": "ca", "attestation": {"type": "x509", "x509": {"signingCertificates": {"primary":
            {"certificate": authority.ca_pem()}}}}});
        for (line, body) in [("PUT /enrollments/own", own), ("PUT /enrollmentGroups/ca", ca)] {
            assert_eq!(call(&mut wire, line, &[], body).await.status, 200);
        }
        dps.decide("m-2", Some(Decision::Approved));
        let model = json!({"modelId": "dtmi:x;1"});
        for (id, key) in [
            ("own", key(K64)),
            ("m-2", key(K64).derive("m-2")),
            ("m-3", key(K64).derive("m-3")),
        ] {
            register(&mut wire, id, &key, model.clone()).await;
        }
        assert_eq!(
            call(&mut wire, "DELETE /registrations/m-3", &[], Value::Null)
                .await
                .status,
            204
        );
        for line in paths {
            before.push(call(&mut wire, line, &[], Value::Null).await);
        }
    }
    assert!(before.iter().all(|reply| reply.status == 200), "{before:?}");

    let (_hub, dps, mut wire) = start(started).await;
    for (line, before) in paths.into_iter().zip(before) {
        let now = call(&mut wire, line, &[], Value::Null).await;
        assert_eq!((now.status, now.json()), (200, before.json()), "{line}");
    }
    assert!(dps.registered("m-3").is_none());
    let again = register(
        &mut wire,
        "m-2",
        &key(K64).derive("m-2"),
        json!({"modelId": "dtmi:x;1"}),
    )
    .await;
    assert_eq!(again["status"], "assigned", "the approval holds: {again}");

    // What is no state is named and left alone.
    drop((dps, wire));
    let file = directory.path().join("dps.json");
    std::fs::write(&file, "{\"version\":9}").unwrap();
    let hub = Hub::start(options()).await.unwrap();
    let options = DpsOptions {
        bind: None,
        data,
        ..DpsOptions::default()
    };
    let error = Dps::start(options, &hub).await.err().unwrap().to_string();
    assert!(error.contains("dps.json"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"version\":9}");
}
