//! Message routes: which messages go where, and in which shape.

#![allow(clippy::unwrap_used)]

#[path = "hub_wire/mqtt.rs"]
mod mqtt;
#[path = "hub_wire/wire.rs"]
mod wire;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use emulator::hub::{Hub, HubOptions, Routes};
use mqtt::{Client, puback, publish_1, start};
use serde_json::{Value, json};
use wire::{K64, options};

/// As SDKs write it: JSON in UTF-8, with a property.
const JSON: &str =
    "devices/meter-001/messages/events/level=high&%24.ct=application%2Fjson&%24.ce=utf-8&%24.mid=m-1";
const PLAIN: &str = "devices/meter-001/messages/events/level=low";

async fn hub(directory: &Path, routes: &str) -> Hub {
    let path = directory.join("routes.toml");
    std::fs::write(&path, routes).unwrap();
    let routes = Routes::read(&path, |name| (name == "KEY").then(|| K64.to_owned())).unwrap();
    start(HubOptions {
        routes: Some(routes),
        host_name: "localhost".to_owned(),
        ..options()
    })
    .await
}

/// Sends messages and waits until they are where they go.
async fn send(hub: &Hub, messages: &[(&str, &str)]) {
    let mut client = Client::meter(hub).await;
    for (topic, body) in messages {
        client.send(&publish_1(7, topic, body.as_bytes())).await;
        client.expect(&puback(7)).await;
    }
    let waited = tokio::time::timeout(Duration::from_secs(20), hub.wait_for_endpoints()).await;
    assert!(waited.is_ok(), "{:?}", hub.routed());
}

/// The id of a device's generation: a number as text, whatever it is.
fn generation(value: &Value) -> String {
    let text = value.as_str().unwrap();
    assert!(text.parse::<u64>().is_ok(), "{text}");
    text.to_owned()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// As a hub writes how a device has proven itself.
const AUTH: &str = r#"{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;

/// What a Cosmos DB account was asked.
type Asked = Arc<Mutex<Vec<(HeaderMap, String, Value)>>>;

/// A server that answers as Cosmos DB, with these statuses one after the other and then 201.
async fn account(statuses: &[u16]) -> (String, Asked) {
    let asked = Asked::default();
    let left = Arc::new(Mutex::new(statuses.to_vec()));
    let answer = |State((asked, left)): State<(Asked, Arc<Mutex<Vec<u16>>>)>, request: Request| async move {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let document = serde_json::from_slice(&body).unwrap();
        let line = format!("{} {}", head.method, head.uri);
        asked.lock().unwrap().push((head.headers, line, document));
        let mut left = left.lock().unwrap();
        let status = if left.is_empty() { 201 } else { left.remove(0) };
        (StatusCode::from_u16(status).unwrap(), "{\"message\":\"said\"}")
    };
    let router = axum::Router::new()
        .fallback(answer)
        .with_state((asked.clone(), left));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

fn cosmos(url: &str) -> String {
    format!(
        "[[endpoint]]\nname = 'c'\nkind = 'cosmos'\nurl = '{url}'\nkey = '${{KEY}}'\ndatabase = 'd'\ncontainer = 'k'\n\
         partition_key = '/month'\n[[route]]\nname = 'all'\nendpoint = 'c'\n"
    )
}

#[tokio::test]
async fn each_message_goes_where_its_conditions_lead() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let endpoint = |name: &str| {
        let path = at(name);
        format!(
            "[[endpoint]]\nname = '{name}'\nkind = 'file'\npath = '{}'\n",
            path.display()
        )
    };
    let routes = [
        ("by property", "level = 'high'", "high"),
        ("again", "$contentType = 'application/json'", "high"),
        ("by body", "$body.Wh >= 1000 AND $body.phases[0].ok", "body"),
        (
            "by twin",
            "$twin.tags.site = 'a1' AND $twin.properties.reported.fw = 2",
            "twin",
        ),
        (
            "by device",
            "$connectionDeviceId = 'meter-001' AND NOT is_defined($body.Wh)",
            "events",
        ),
        ("off", "false", "body"),
    ];
    let mut text = ["high", "body", "twin"].map(endpoint).concat();
    for (name, condition, to) in routes {
        text += &format!("[[route]]\nname = \"{name}\"\ncondition = \"{condition}\"\nendpoint = \"{to}\"\n");
    }
    let hub = hub(directory.path(), &text).await;
    let body = "{\"Wh\":1500,\"phases\":[{\"ok\":true}]}";
    // The second is JSON, and does not say so: nothing of its body is seen.
    send(&hub, &[(JSON, body), (PLAIN, body), (JSON, "{\"Wh\":999}")]).await;
    hub.change_twin("meter-001", None, Some(&json!({"site": "a1"})))
        .unwrap();
    let mut client = Client::meter(&hub).await;
    client
        .send(&mqtt::publish_1(
            8,
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            b"{\"fw\":2}",
        ))
        .await;
    client.expect(&puback(8)).await;
    send(&hub, &[(JSON, body)]).await;

    let routed = hub.routed().unwrap();
    let counts: Vec<(&str, u64)> = routed
        .routes
        .iter()
        .map(|(name, n)| (name.as_str(), *n))
        .collect();
    let expected = [
        ("again", 3),
        ("by body", 2),
        ("by device", 1),
        ("by property", 3),
        ("by twin", 1),
        ("off", 0),
    ];
    assert_eq!(counts, expected);
    assert_eq!((routed.fallback, routed.unrouted), (0, 0));
    assert_eq!(
        ["high", "body", "twin"].map(|name| lines(&at(name)).len()),
        [3, 2, 1],
        "one copy an endpoint"
    );
    let arrived = hub.arrived();
    assert_eq!(arrived.len(), 1);
    assert_eq!(
        (arrived[0].number, &arrived[0].properties["level"]),
        (1, &"low".to_owned())
    );
    assert_eq!(
        (hub.stats().messages, hub.stats().units),
        (4, 5),
        "all are counted and charged"
    );
}

#[tokio::test]
async fn what_meets_no_route_falls_back_to_the_feed_or_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    for (fallback, arrived) in [(true, 1), (false, 0)] {
        let text = format!(
            "fallback = {fallback}\n[[route]]\nname='no'\ncondition='$body.x = 1'\nendpoint='events'"
        );
        let hub = hub(directory.path(), &text).await;
        send(&hub, &[(JSON, "{\"x\":1}"), (PLAIN, "{\"x\":1}")]).await;
        let routed = hub.routed().unwrap();
        assert_eq!(hub.arrived().len(), 1 + arrived);
        assert_eq!(
            (routed.fallback, routed.unrouted),
            (arrived as u64, 1 - arrived as u64)
        );
    }
}

#[tokio::test]
async fn a_file_gets_the_storage_endpoints_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines.jsonl");
    let text = format!(
        "[[endpoint]]\nname='f'\nkind='file'\npath='{}'\n[[route]]\nname='all'\nendpoint='f'",
        path.display()
    );
    let hub = hub(directory.path(), &text).await;
    send(
        &hub,
        &[(JSON, "{\"Wh\":1}"), (PLAIN, "{\"Wh\":1}"), (JSON, "no JSON")],
    )
    .await;
    let lines = lines(&path);
    let generation = generation(&lines[0]["SystemProperties"]["connectionDeviceGenerationId"]);
    assert_eq!(
        lines[0],
        json!({
            "EnqueuedTimeUtc": "2027-01-15T08:00:00.000Z",
            "Properties": {"level": "high"},
            "SystemProperties": {
                "connectionDeviceId": "meter-001", "connectionAuthMethod": AUTH, "connectionDeviceGenerationId": generation,
                "contentType": "application/json", "contentEncoding": "utf-8", "messageId": "m-1",
                "enqueuedTime": "2027-01-15T08:00:00.000Z",
            },
            "Body": {"Wh": 1},
        })
    );
    // Base64 of what does not say that it is JSON, and of what says so and is not.
    assert_eq!(
        (&lines[1]["Body"], &lines[2]["Body"]),
        (&json!("eyJXaCI6MX0="), &json!("bm8gSlNPTg=="))
    );
}

#[tokio::test]
async fn cosmos_gets_documents_as_a_hub_writes_them() {
    let directory = tempfile::tempdir().unwrap();
    let (url, asked) = account(&[]).await;
    let hub = hub(directory.path(), &cosmos(&url)).await;
    send(&hub, &[(JSON, "{\"Wh\":1}"), (PLAIN, "{\"Wh\":1}")]).await;
    let asked = asked.lock().unwrap();
    let (headers, line, document) = &asked[0];
    assert_eq!(line, "POST /dbs/d/colls/k/docs");
    assert_eq!(headers["x-ms-documentdb-partitionkey"], "[\"meter-001-2027-01\"]");
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("type%3Dmaster%26ver%3D1.0%26sig%3D")
    );
    let id = document["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    let generation = generation(&document["SystemProperties"]["iothub-connection-auth-generation-id"]);
    assert_eq!(
        *document,
        json!({
            "id": id,
            "month": "meter-001-2027-01",
            "Properties": {"level": "high"},
            "SystemProperties": {
                "iothub-content-type": "application/json",
                "iothub-content-encoding": "utf-8",
                "iothub-message-id": "m-1",
                "iothub-connection-device-id": "meter-001",
                "iothub-connection-auth-method":
                    AUTH,
                "iothub-connection-auth-generation-id": generation,
                "iothub-enqueuedtime": "2027-01-15T08:00:00.000Z",
                "iothub-message-source": "Telemetry",
            },
            "iothub-name": "localhost",
            "Body": {"Wh": 1},
        })
    );
    assert_eq!(asked[1].2["Body"], "eyJXaCI6MX0=");
    assert_ne!(asked[1].2["id"], *id);
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_is_lost_is_told() {
    let directory = tempfile::tempdir().unwrap();
    // Written at the third try; given up after the third; given up at once.
    let (url, asked) = account(&[503, 429, 201, 500, 500, 500, 404]).await;
    let hub = hub(directory.path(), &cosmos(&url)).await;
    send(&hub, &[(PLAIN, "a"), (PLAIN, "b"), (PLAIN, "c")]).await;
    let written = &hub.routed().unwrap().endpoints["c"];
    assert_eq!((written.written, written.lost, written.waiting), (1, 2, 0));
    let why = written.why.as_deref().unwrap();
    assert!(
        why.contains("404") && why.contains("d/k") && why.contains("said"),
        "{why}"
    );
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 7);
    assert_eq!(asked[0].2, asked[2].2, "a repeat is the same document");
}

#[tokio::test]
async fn an_account_that_is_away_loses_messages_and_holds_up_no_device() {
    let directory = tempfile::tempdir().unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let hub = hub(directory.path(), &cosmos(&url)).await;
    send(&hub, &[(PLAIN, "a")]).await;
    let written = &hub.routed().unwrap().endpoints["c"];
    assert_eq!((written.written, written.lost), (0, 1));
    assert!(written.why.as_deref().unwrap().contains("does not answer"));
}
