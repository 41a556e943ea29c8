//! What each policy may do, on every call of the service side and when a device connects.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/service.rs"]
mod service;
#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::hub::{Hub, HubOptions, Policy, Rights};
use service::Service;
use wire::{K32, K64, NOW_S, Wire, key, options, request};

const OWNER: &str = "iothubowner";
const SERVICE: &str = "service";
const DEVICE: &str = "device";
const READ: &str = "registryRead";
const WRITE: &str = "registryReadWrite";

/// Each call with a body that is in order, who may make it, and the status then.
const CALLS: [(&str, &str, &[&str], u16); 25] = [
    ("GET /devices", "", &[OWNER, READ, WRITE], 200),
    ("GET /devices/meter-001", "", &[OWNER, READ, WRITE], 200),
    ("GET /devices/meter-001/modules", "", &[OWNER, READ, WRITE], 200),
    ("GET /devices/meter-001/modules/m", "", &[OWNER, READ, WRITE], 200),
    ("GET /statistics/devices", "", &[OWNER, READ, WRITE], 200),
    ("GET /statistics/service", "", &[OWNER, READ, WRITE], 200),
    ("PUT /devices/meter-001", "{}", &[OWNER, WRITE], 409),
    ("DELETE /devices/nobody", "", &[OWNER, WRITE], 404),
    ("POST /devices", "[]", &[OWNER, WRITE], 200),
    ("PUT /devices/meter-001/modules/m", "{}", &[OWNER, WRITE], 409),
    ("DELETE /devices/meter-001/modules/none", "", &[OWNER, WRITE], 404),
    ("GET /twins/meter-001", "", &[OWNER, SERVICE], 200),
    ("PATCH /twins/meter-001", "{}", &[OWNER, SERVICE], 200),
    ("PUT /twins/meter-001", "{}", &[OWNER, SERVICE], 200),
    ("GET /twins/meter-001/modules/m", "", &[OWNER, SERVICE], 200),
    ("PATCH /twins/meter-001/modules/m", "{}", &[OWNER, SERVICE], 200),
    ("PUT /twins/meter-001/modules/m", "{}", &[OWNER, SERVICE], 200),
    (
        "POST /twins/meter-001/methods",
        r#"{"methodName":"m"}"#,
        &[OWNER, SERVICE],
        404,
    ),
    (
        "POST /twins/meter-001/modules/m/methods",
        r#"{"methodName":"m"}"#,
        &[OWNER, SERVICE],
        404,
    ),
    (
        "POST /devices/query",
        r#"{"query":"SELECT * FROM devices"}"#,
        &[OWNER, SERVICE],
        200,
    ),
    ("DELETE /devices/meter-001/commands", "", &[OWNER, SERVICE], 200),
    ("GET /jobs/v2/query", "", &[OWNER, SERVICE], 200),
    ("PUT /jobs/v2/j", r#"{"type":"paint"}"#, &[OWNER, SERVICE], 400),
    (
        "GET /configurations",
        "",
        &[OWNER, SERVICE, DEVICE, READ, WRITE],
        501,
    ),
    ("GET /jobs", "", &[OWNER, SERVICE, DEVICE, READ, WRITE], 501),
];

async fn hub() -> Hub {
    let hub = Hub::start(HubOptions {
        mqtt: Some(([127, 0, 0, 1], 0).into()),
        ..options()
    })
    .await
    .unwrap();
    let mut owner = Service::owner(&hub).await;
    owner.ok("PUT /devices/meter-001/modules/m", "{}").await;
    hub
}

#[tokio::test]
async fn each_policy_may_do_what_is_documented() {
    let hub = hub().await;
    for policy in Policy::BUILT_IN {
        let mut service = Service::of(&hub, policy).await;
        for (line, body, allowed, status) in CALLS {
            let any = [("If-Match", "*")];
            let headers: &[(&str, &str)] = if line.starts_with("DELETE") { &any } else { &[] };
            let reply = service.call(line, headers, body).await;
            let expected = if allowed.contains(&policy) { status } else { 401 };
            assert_eq!(reply.status, expected, "{policy}: {line}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn device_connect_is_a_right_over_https_and_mqtt() {
    let hub = hub().await;
    for policy in Policy::BUILT_IN {
        let allowed = [OWNER, DEVICE].contains(&policy);
        let token = key(K64).token("localhost/devices", NOW_S + 60, Some(policy));
        let line = "POST /devices/meter-001/messages/events?api-version=2021-04-12";
        let headers = [("Authorization", token.as_str())];
        let reply = Wire::to(&hub)
            .await
            .ask(&request(line, &headers, "{}"))
            .await
            .unwrap();
        assert_eq!(reply.status, if allowed { 204 } else { 401 }, "{policy}");

        let mut client = mqtt::Client::open(&hub).await;
        let connect = mqtt::connect("meter-001", &mqtt::user("meter-001"), &token);
        client.send(&connect).await;
        let answer = if allowed {
            mqtt::ACCEPTED
        } else {
            mqtt::NOT_AUTHORIZED
        };
        client.expect(&answer).await;
    }
}

/// Rights of one's own, under a name that no built-in policy has.
#[tokio::test]
async fn a_policy_of_ones_own_has_the_rights_it_was_given() {
    let dashboard = Policy {
        rights: Rights::REGISTRY_READ.and(Rights::SERVICE_CONNECT),
        ..Policy::new("dashboard", key(K64))
    };
    let hub = Hub::start(HubOptions {
        policies: vec![dashboard],
        ..options()
    })
    .await
    .unwrap();
    let mut service = Service::of(&hub, "dashboard").await;
    service.ok("GET /devices", "").await;
    service.ok("GET /twins/meter-001", "").await;
    let name = "IotHubUnauthorizedAccess";
    service.refused("PUT /devices/n", &[], "{}", 401, name).await;
    Service::owner(&hub)
        .await
        .refused("GET /devices", &[], "", 401, name)
        .await;
}

/// Tokens that the service side refuses, and some that it takes.
#[tokio::test]
async fn tokens_and_their_scopes() {
    let hub = hub().await;
    let end = NOW_S + 60;
    let owner = |resource: &str, end: i64| key(K64).token(resource, end, Some(OWNER));
    let signed = owner("localhost", end);
    let cases = [
        (signed.clone(), 200),
        (owner("LocalHost", end), 200),
        (owner("localhost/twins", end), 200),
        (owner("localhost/twins/meter-001", end), 200),
        (
            key(K64).derive("secondary").token("localhost", end, Some(OWNER)),
            200,
        ),
        // Within the five minutes that clocks may differ.
        (owner("localhost", NOW_S - 300), 200),
        (owner("localhost", NOW_S - 301), 401),
        (owner("localhost/devices", end), 401),
        (owner("localhost/twins/meter", end), 401),
        (owner("localhost/twins/other", end), 401),
        (owner("elsewhere", end), 401),
        (key(K32).token("localhost", end, Some(OWNER)), 401),
        (key(K64).token("localhost", end, None), 401),
        (key(K64).token("localhost", end, Some("nobody")), 401),
        // A device's own key is none of a policy.
        (key(K32).token("localhost/devices/meter-001", end, None), 401),
        (signed.replace("SharedAccessSignature", "Bearer"), 401),
        (signed.replace(&format!("se={end}"), "se=9999999999"), 401),
        ("SharedAccessSignature sr=localhost".to_owned(), 401),
        (String::new(), 401),
    ];
    for (token, status) in cases {
        let reply = Service::with(&hub, token.clone())
            .await
            .call("GET /twins/meter-001", &[], "")
            .await;
        assert_eq!(reply.status, status, "{token}");
    }
    // Of the versions of the API, there is one in the request at least.
    let headers = [("Authorization", signed.as_str())];
    let mut wire = Wire::to(&hub).await;
    for (query, status) in [
        ("", 400),
        ("?api-version=soon", 400),
        ("?api-version=2020-03-13", 200),
    ] {
        let line = format!("GET /devices{query}");
        assert_eq!(
            wire.ask(&request(&line, &headers, "")).await.unwrap().status,
            status,
            "{query}"
        );
    }
}
