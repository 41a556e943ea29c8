//! The DPS, byte by byte over TLS: registration from the first request to the first message at the hub.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::dps::{Dps, DpsOptions, Group, Individual, Terms};
use emulator::hub::{Clock, Fault, Hub, Key};
use serde_json::{Value, json};
use wire::{K32, K64, NOW_S, Reply, Wire, key, options, request};

const SCOPE: &str = "0ne00AABBCC";
const VERSION: &str = "api-version=2021-10-01";

fn disabled() -> Terms {
    Terms {
        enabled: false,
        ..Terms::default()
    }
}

async fn start(change: impl FnOnce(&mut DpsOptions)) -> (Hub, Dps, Wire) {
    let hub = Hub::start(options()).await.unwrap();
    let mut options = DpsOptions {
        id_scope: SCOPE.to_owned(),
        groups: vec![
            Group {
                terms: disabled(),
                ..Group::new("old", key(K32))
            },
            Group::new("meters", key(K64)),
        ],
        individuals: vec![
            Individual {
                device_id: Some("renamed".to_owned()),
                ..Individual::new("own", key(K32))
            },
            Individual {
                terms: disabled(),
                ..Individual::new("blocked", key(K32))
            },
        ],
        assigning: 2,
        retry_after: 3,
        clock: Clock::fixed(NOW_S * 1000),
        ..DpsOptions::default()
    };
    change(&mut options);
    let dps = Dps::start(options, &hub).await.unwrap();
    let name = "global.azure-devices-provisioning.net";
    let wire = Wire::open(dps.addr(), hub.ca_pem(), name, rustls::ALL_VERSIONS)
        .await
        .unwrap();
    (hub, dps, wire)
}

fn signed(key: &Key, id: &str) -> String {
    key.token(
        &format!("{SCOPE}/registrations/{id}"),
        NOW_S + 60,
        Some("registration"),
    )
}

fn register(id: &str, token: &str) -> Vec<u8> {
    let body = json!({ "registrationId": id, "payload": {"modelId": "dtmi:com:example:Meter;1"} });
    let line = format!("PUT /{SCOPE}/registrations/{id}/register?{VERSION}");
    request(&line, &[("Authorization", token)], body.to_string())
}

fn poll(id: &str, operation: &str, token: &str) -> Vec<u8> {
    let line = format!("GET /{SCOPE}/registrations/{id}/operations/{operation}?{VERSION}");
    request(&line, &[("Authorization", token)], "{}")
}

/// Registers and polls to the end; returns the final answer and how many polls said "assigning".
async fn to_the_end(wire: &mut Wire, id: &str, key: &Key) -> (Value, u32) {
    let token = signed(key, id);
    let started = wire.ask(&register(id, &token)).await.unwrap();
    assert_eq!(
        (started.status, started.header("retry-after")),
        (202, Some("3")),
        "{started:?}"
    );
    let operation = started.json()["operationId"].as_str().unwrap().to_owned();
    assert_eq!(
        started.json(),
        json!({ "operationId": operation, "status": "assigning" })
    );
    let mut waits = 0;
    loop {
        let reply = wire.ask(&poll(id, &operation, &token)).await.unwrap();
        if reply.status == 200 {
            return (reply.json(), waits);
        }
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (202, Some("3")),
            "{reply:?}"
        );
        waits += 1;
    }
}

async fn sends(hub: &Hub, device: &str, key: &Key) -> u16 {
    let token = key.token(&format!("localhost/devices/{device}"), NOW_S + 60, None);
    let line = format!("POST /devices/{device}/messages/events?api-version=2021-04-12");
    Wire::to(hub)
        .await
        .ask(&request(&line, &[("Authorization", &token)], "{}"))
        .await
        .unwrap()
        .status
}

#[tokio::test]
async fn a_device_of_a_group_registers_and_sends() {
    let (hub, dps, mut wire) = start(|_| {}).await;
    let derived = key(K64).derive("meter-007");
    assert!(hub.device("meter-007").is_none());
    let (done, waits) = to_the_end(&mut wire, "meter-007", &derived).await;
    assert_eq!((waits, &done["status"]), (2, &json!("assigned")));
    let mut state = done["registrationState"].clone();
    assert!(state.as_object_mut().unwrap().remove("etag").is_some());
    assert_eq!(
        state,
        json!({
            "registrationId": "meter-007", "deviceId": "meter-007", "assignedHub": "localhost",
            "status": "assigned", "substatus": "initialAssignment",
            "createdDateTimeUtc": "2027-01-15T08:00:00.000Z", "lastUpdatedDateTimeUtc": "2027-01-15T08:00:00.000Z",
            "symmetricKey": {"enrollmentGroupId": "meters"},
        })
    );
    assert_eq!(sends(&hub, "meter-007", &derived).await, 204);
    // Both group keys are good, here and there.
    let secondary = key(K64).derive("secondary").derive("meter-007");
    assert_eq!(sends(&hub, "meter-007", &secondary).await, 204);
    let (again, _) = to_the_end(&mut wire, "meter-007", &secondary).await;
    assert_eq!(again["registrationState"]["deviceId"], "meter-007");
    let registered = dps.registered("meter-007").unwrap();
    assert_eq!(
        (registered.requests, registered.group.as_deref()),
        (2, Some("meters"))
    );
    assert_eq!(hub.device("meter-007").unwrap().primary_key(), Some(&derived));

    let look_up = format!("POST /{SCOPE}/registrations/meter-007?{VERSION}");
    let token = signed(&derived, "meter-007");
    let found = wire
        .ask(&request(&look_up, &[("Authorization", &token)], ""))
        .await
        .unwrap();
    assert_eq!(
        (found.status, &found.json()["assignedHub"]),
        (200, &json!("localhost"))
    );
}

#[tokio::test]
async fn an_individual_enrolment_has_its_own_key_and_device_id() {
    let (hub, _dps, mut wire) = start(|options| {
        options.assigning = 0;
        options.assigned_hub = Some("localhost:8443".to_owned());
    })
    .await;
    let (done, waits) = to_the_end(&mut wire, "own", &key(K32)).await;
    let state = &done["registrationState"];
    assert_eq!((waits, &state["deviceId"]), (0, &json!("renamed")));
    assert_eq!(
        (&state["assignedHub"], &state["symmetricKey"]),
        (&json!("localhost:8443"), &Value::Null)
    );
    assert_eq!(sends(&hub, "renamed", &key(K32)).await, 204);
    assert_eq!(sends(&hub, "own", &key(K32)).await, 404);
}

/// One answer and what it must say; afterwards a good registration still works.
#[tokio::test]
async fn refusals_have_the_services_error_shape_and_the_next_request_is_served() {
    let (hub, _dps, mut wire) = start(|options| options.assigning = 0).await;
    let derived = key(K64).derive("m-1");
    let good = signed(&derived, "m-1");
    let at = |line: &str, token: &str, body: &str| request(line, &[("Authorization", token)], body);
    let base = format!("/{SCOPE}/registrations/m-1");
    let put = format!("PUT {base}/register?{VERSION}");
    let body = r#"{"registrationId":"m-1"}"#;
    let old_group = key(K32).derive("m-1");
    let raw = |key: &Key, sr: &str, at: i64, skn: Option<&str>| key.token(sr, NOW_S + at, skn);
    let sr = format!("{SCOPE}/registrations/m-1");
    let cases = [
        ("no token", request(&put, &[], body), 401, 401_002),
        (
            "malformed token",
            at(&put, "SharedAccessSignature sr=x", body),
            401,
            401_002,
        ),
        (
            "group key itself",
            at(&put, &signed(&key(K64), "m-1"), body),
            401,
            401_002,
        ),
        (
            "disabled group",
            at(&put, &signed(&old_group, "m-1"), body),
            401,
            401_002,
        ),
        (
            "expired",
            at(&put, &raw(&derived, &sr, -301, None), body),
            401,
            401_002,
        ),
        (
            "another registration",
            at(&put, &signed(&derived, "m-2"), body),
            401,
            401_002,
        ),
        (
            "a service policy",
            at(
                &put,
                &raw(&derived, &sr, 60, Some("provisioningserviceowner")),
                body,
            ),
            401,
            401_002,
        ),
        (
            "scope too wide",
            at(&put, &raw(&derived, SCOPE, 60, None), body),
            401,
            401_002,
        ),
        (
            "another id scope in sr",
            at(
                &put,
                &raw(&derived, "0ne00OTHER00/registrations/m-1", 60, None),
                body,
            ),
            401,
            401_002,
        ),
        (
            "disabled enrolment",
            register("blocked", &signed(&key(K32), "blocked")),
            401,
            401_002,
        ),
        (
            "individual with a group key",
            register("own", &signed(&key(K64).derive("own"), "own")),
            401,
            401_002,
        ),
        (
            "another id scope",
            at(
                &format!("PUT /0ne00OTHER00/registrations/m-1/register?{VERSION}"),
                &good,
                body,
            ),
            404,
            404_000,
        ),
        (
            "no api-version",
            at(&format!("PUT {base}/register"), &good, body),
            400,
            400_004,
        ),
        (
            "malformed api-version",
            at(&format!("PUT {base}/register?api-version=1"), &good, body),
            400,
            400_004,
        ),
        ("body no JSON", at(&put, &good, "x"), 400, 400_004),
        ("empty body", at(&put, &good, ""), 400, 400_004),
        (
            "another id in the body",
            at(&put, &good, r#"{"registrationId":"m-2"}"#),
            400,
            400_004,
        ),
        (
            "id with a space",
            at(
                &format!("PUT /{SCOPE}/registrations/m%201/register?{VERSION}"),
                &good,
                body,
            ),
            400,
            400_004,
        ),
        (
            "body too large",
            at(
                &put,
                &good,
                &format!(
                    r#"{{"registrationId":"m-1","payload":"{}"}}"#,
                    "x".repeat(96 << 10)
                ),
            ),
            400,
            400_004,
        ),
        ("unknown operation", poll("m-1", "op1", &good), 404, 404_000),
        (
            "never registered",
            at(&format!("POST {base}?{VERSION}"), &good, ""),
            404,
            404_000,
        ),
        (
            "another method",
            at(&format!("DELETE {base}?{VERSION}"), &good, ""),
            404,
            404_000,
        ),
        ("a short path", at("GET /x", &good, ""), 404, 404_000),
    ];
    for (name, bytes, status, code) in cases {
        let reply = wire.ask(&bytes).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        check(name, &reply, status, code);
        let next = wire
            .ask(&register("m-9", &signed(&key(K64).derive("m-9"), "m-9")))
            .await
            .unwrap();
        assert_eq!(next.status, 202, "after {name}");
    }
    assert!(hub.device("m-1").is_none());
}

fn check(name: &str, reply: &Reply, status: u16, code: u32) {
    let body = reply.json();
    assert_eq!(
        (reply.status, &body["errorCode"]),
        (status, &json!(code)),
        "{name}: {reply:?}"
    );
    let mut fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["errorCode", "info", "message", "timestampUtc", "trackingId"],
        "{name}"
    );
    assert_eq!(
        reply.header("date"),
        Some("Fri, 15 Jan 2027 08:00:00 GMT"),
        "{name}"
    );
}

#[tokio::test]
async fn without_groups_an_unknown_device_has_no_enrolment() {
    let (_hub, _dps, mut wire) = start(|options| options.groups.clear()).await;
    let reply = wire
        .ask(&register("m-1", &signed(&key(K64), "m-1")))
        .await
        .unwrap();
    check("no groups", &reply, 404, 404_201);
}

#[tokio::test]
async fn an_operation_belongs_to_its_registration_and_to_its_latest_request() {
    let (_hub, _dps, mut wire) = start(|options| options.assigning = 0).await;
    let tokens = ["a", "b"].map(|id| signed(&key(K64).derive(id), id));
    let first = wire.ask(&register("a", &tokens[0])).await.unwrap().json();
    let second = wire.ask(&register("a", &tokens[0])).await.unwrap().json();
    let [first, second] = [&first, &second].map(|json| json["operationId"].as_str().unwrap());
    assert_eq!(
        wire.ask(&poll("b", second, &tokens[1])).await.unwrap().status,
        404
    );
    assert_eq!(wire.ask(&poll("a", first, &tokens[0])).await.unwrap().status, 404);
    assert_eq!(
        wire.ask(&poll("a", second, &tokens[1])).await.unwrap().status,
        401
    );
    assert_eq!(
        wire.ask(&poll("a", second, &tokens[0])).await.unwrap().status,
        200
    );
}

#[tokio::test]
async fn faults_strike_the_service_and_single_devices() {
    let (hub, dps, mut wire) = start(|options| options.assigning = 0).await;
    let [own, other] = ["a", "b"].map(|id| register(id, &signed(&key(K64).derive(id), id)));
    dps.fail_next_of(
        "a",
        1,
        Fault::Status {
            code: 429,
            retry_after: Some(9),
            body: None,
        },
    );
    assert_eq!(wire.ask(&other).await.unwrap().status, 202);
    let throttled = wire.ask(&own).await.unwrap();
    check("throttled", &throttled, 429, 429_001);
    assert_eq!(throttled.header("retry-after"), Some("9"));
    dps.fail_next(1, Fault::ClockSkew(3600));
    assert_eq!(wire.ask(&own).await.unwrap().status, 401);
    dps.fail_next(1, Fault::ResetAfterAccept);
    assert!(wire.ask(&own).await.is_err());
    assert_eq!(
        dps.registered("a").unwrap().requests,
        1,
        "the lost reply's request counts"
    );
    dps.fail_next(3, Fault::Reset);
    assert_eq!(dps.clear_faults(), 3);
    assert_eq!(hub.stats().faults, 0);
}
