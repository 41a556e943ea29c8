//! Queries of the service side, byte by byte. The language itself is tested beside its parser.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/service.rs"]
mod service;
#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::hub::{Device, Hub, HubOptions};
use serde_json::{Value, json};
use service::Service;
use wire::{K32, Reply, key, options};

/// A hub with devices `d-0` … `d-6`, tagged with their number, and a module on each even one.
async fn hub() -> (Hub, Service) {
    let devices = (0..7)
        .map(|number| Device::new(&format!("d-{number}"), key(K32)))
        .collect();
    let hub = Hub::start(HubOptions { devices, ..options() }).await.unwrap();
    for number in 0..7 {
        let tags = json!({"number": number, "odd": number % 2 == 1});
        hub.change_twin(&format!("d-{number}"), None, Some(&tags))
            .unwrap();
    }
    let mut service = Service::of(&hub, "iothubowner").await;
    for number in [0, 2, 4, 6] {
        service
            .ok(&format!("PUT /devices/d-{number}/modules/m"), "{}")
            .await;
    }
    (hub, service)
}

async fn ask(service: &mut Service, query: &str, headers: &[(&str, &str)]) -> Reply {
    let body = json!({ "query": query }).to_string();
    service.call("POST /devices/query", headers, &body).await
}

fn ids(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let rows = reply.json();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["deviceId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn rows_are_twins_or_raw() {
    let (_hub, mut service) = hub().await;
    let twins = ask(&mut service, "SELECT * FROM devices WHERE tags.number >= 5", &[]).await;
    assert_eq!(twins.header("x-ms-item-type"), Some("Twin"));
    assert_eq!(twins.header("x-ms-continuation"), None);
    assert_eq!(ids(&twins), ["d-5", "d-6"]);
    let whole = service.ok("GET /twins/d-5", "").await.json();
    assert_eq!(twins.json()[0], whole, "the whole twin, with its metadata");

    let raw = ask(
        &mut service,
        "SELECT deviceId, tags.number AS n FROM devices WHERE tags.odd",
        &[],
    )
    .await;
    assert_eq!(raw.header("x-ms-item-type"), Some("Raw"));
    assert_eq!(raw.json()[2], json!({"deviceId": "d-5", "n": 5}));
    let groups = "SELECT tags.odd AS odd, COUNT() AS n FROM devices GROUP BY tags.odd";
    let groups = ask(&mut service, groups, &[]).await.json();
    assert_eq!(groups, json!([{"odd": false, "n": 4}, {"odd": true, "n": 3}]));
    let none = ask(&mut service, "SELECT * FROM devices WHERE tags.number = 99", &[]).await;
    assert_eq!((none.status, none.body.as_str()), (200, "[]"));

    let modules = ask(
        &mut service,
        "SELECT * FROM devices.modules WHERE deviceId IN ['d-0', 'd-4']",
        &[],
    )
    .await;
    assert_eq!(ids(&modules), ["d-0", "d-4"]);
    assert_eq!(modules.json()[0]["moduleId"], "m");
}

/// All pages of a query, with so many rows on each.
async fn pages(service: &mut Service, query: &str, size: &str) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut token: Option<String> = None;
    let mut seen = Vec::new();
    loop {
        let mut headers = vec![("x-ms-max-item-count", size)];
        headers.extend(token.as_deref().map(|token| ("x-ms-continuation", token)));
        let reply = ask(service, query, &headers).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let rows = reply.json();
        sizes.push(rows.as_array().unwrap().len());
        seen.extend(rows.as_array().unwrap().clone());
        token = reply.header("x-ms-continuation").map(str::to_owned);
        if token.is_none() {
            let all = seen.len();
            seen.dedup();
            assert_eq!(seen.len(), all, "no row twice");
            return sizes;
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other() {
    let (hub, mut service) = hub().await;
    let all = "SELECT * FROM devices";
    assert_eq!(pages(&mut service, all, "3").await, [3, 3, 1]);
    assert_eq!(pages(&mut service, all, "7").await, [7]);
    assert_eq!(pages(&mut service, all, "1000000").await, [7]);
    assert_eq!(
        pages(&mut service, "SELECT TOP 5 * FROM devices", "2").await,
        [2, 2, 1]
    );
    assert_eq!(
        pages(&mut service, "SELECT TOP 4 * FROM devices", "2").await,
        [2, 2]
    );
    assert_eq!(
        pages(&mut service, "SELECT * FROM devices.modules", "3").await,
        [3, 1]
    );
    let groups = "SELECT tags.number AS n, COUNT() AS c FROM devices GROUP BY tags.number";
    assert_eq!(pages(&mut service, groups, "4").await, [4, 3]);

    // A device that goes or comes between two pages moves no other.
    let first = ask(&mut service, all, &[("x-ms-max-item-count", "2")]).await;
    let token = first.header("x-ms-continuation").unwrap().to_owned();
    hub.remove_device("d-0");
    hub.put_device(Device::new("d-00", key(K32)));
    let second = ask(
        &mut service,
        all,
        &[("x-ms-max-item-count", "2"), ("x-ms-continuation", &token)],
    )
    .await;
    assert_eq!(ids(&second), ["d-2", "d-3"]);

    // The token is one of this query, and of no other.
    let other = "SELECT * FROM devices WHERE tags.odd";
    for (query, token) in [(other, token.as_str()), (all, "nonsense"), (all, "e30")] {
        let reply = ask(&mut service, query, &[("x-ms-continuation", token)]).await;
        assert_eq!(reply.status, 400, "{token}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_told() {
    let (_hub, mut service) = hub().await;
    let long = format!("SELECT * FROM devices WHERE {}", "(".repeat(100_000));
    let queries = [
        "",
        "SELECT",
        "SELECT * FROM devices.twins",
        "SELECT * FROM devices WHERE deviceId LIKE 'x'",
        "SELECT * FROM devices; DROP TABLE devices",
        "SELECT * FROM devices WHERE UPPER(deviceId) = 'X'",
        "SELECT deviceId, COUNT() AS n FROM devices",
        long.as_str(),
    ];
    for query in queries {
        let reply = ask(&mut service, query, &[]).await;
        assert_eq!(
            (reply.status, reply.header("iothub-errorcode")),
            (400, Some("ArgumentInvalid")),
            "{query}"
        );
        // SDKs take what stands behind the first semicolon for the message.
        assert_eq!(
            reply.json()["Message"].as_str().unwrap().matches(';').count(),
            1,
            "{}",
            reply.body
        );
    }
    let reply = ask(&mut service, "SELECT * FROM devices WHERE deviceId LIKE 'x'", &[]).await;
    let message = reply.json()["Message"].clone();
    assert!(message.as_str().unwrap().contains("Line 1:38"), "{message}");
    for count in ["0", "-1", "many"] {
        let reply = ask(
            &mut service,
            "SELECT * FROM devices",
            &[("x-ms-max-item-count", count)],
        )
        .await;
        assert_eq!(reply.status, 400, "{count}");
    }
    for body in ["", "[]", "{}", r#"{"query":1}"#] {
        service
            .refused("POST /devices/query", &[], body, 400, "IotHubFormatError")
            .await;
    }
    let good = ask(&mut service, "SELECT * FROM devices WHERE deviceId = 'd-1'", &[]).await;
    assert_eq!(ids(&good), ["d-1"]);
    assert_eq!(good.json()[0]["tags"]["number"], Value::from(1));
}
