//! Jobs over many devices, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/service.rs"]
mod service;
#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::hub::Hub;
use serde_json::{Value, json};
use service::Service;
use wire::options;

/// Beyond the hub's clock, which stands still.
const LATER: &str = "2027-01-15T09:00:00Z";

async fn hub() -> (Hub, Service) {
    let hub = Hub::start(options()).await.unwrap();
    let service = Service::of(&hub, "service").await;
    (hub, service)
}

/// A job that tags what the condition names.
fn tags(condition: &str, start: Option<&str>) -> String {
    json!({
        "type": "scheduleUpdateTwin",
        "updateTwin": {"etag": "*", "tags": {"job": true}},
        "queryCondition": condition,
        "startTime": start,
        "maxExecutionTimeInSeconds": 10,
    })
    .to_string()
}

/// The job, once it has ended.
async fn ended(service: &mut Service, id: &str) -> Value {
    loop {
        let job = service.ok(&format!("GET /jobs/v2/{id}"), "").await.json();
        if job["endTime"].is_string() {
            return job;
        }
        tokio::task::yield_now().await;
    }
}

async fn ids(service: &mut Service, query: &str) -> Vec<String> {
    let jobs = service.ok(&format!("GET /jobs/v2/query{query}"), "").await.json();
    let jobs = jobs.as_array().unwrap().iter();
    jobs.map(|job| job["jobId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn twins_are_changed_and_each_device_is_told_of() {
    let (_hub, mut service) = hub().await;
    let made = service
        .ok("PUT /jobs/v2/j1", &tags("STARTSWITH(deviceId, 'm')", None))
        .await
        .json();
    assert_eq!(
        (&made["jobId"], &made["type"]),
        (&json!("j1"), &json!("scheduleUpdateTwin"))
    );
    let done = ended(&mut service, "j1").await;
    let expected = json!({
        "jobId": "j1",
        "type": "scheduleUpdateTwin",
        "updateTwin": {"etag": "*", "tags": {"job": true}},
        "queryCondition": "STARTSWITH(deviceId, 'm')",
        "createdTime": "2027-01-15T08:00:00.000Z",
        "startTime": "2027-01-15T08:00:00.000Z",
        "endTime": "2027-01-15T08:00:00.000Z",
        "maxExecutionTimeInSeconds": 10,
        "status": "completed",
        "deviceJobStatistics": {
            "deviceCount": 2, "failedCount": 0, "succeededCount": 2, "runningCount": 0, "pendingCount": 0,
        },
    });
    assert_eq!(done, expected);
    for (device, tagged) in [
        ("meter-001", json!(true)),
        ("m:1", json!(true)),
        ("off", Value::Null),
    ] {
        assert_eq!(
            service.ok(&format!("GET /twins/{device}"), "").await.json()["tags"]["job"],
            tagged
        );
    }
    let query = json!({"query": "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j1'"}).to_string();
    let reply = service.ok("POST /devices/query", &query).await;
    assert_eq!(reply.header("x-ms-item-type"), Some("DeviceJob"));
    let rows = reply.json();
    let rows: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["deviceId"], &row["status"]))
        .collect();
    let (first, second, status) = (json!("m:1"), json!("meter-001"), json!("completed"));
    assert_eq!(rows, [(&first, &status), (&second, &status)]);
}

#[tokio::test]
async fn a_method_of_devices_that_are_away_fails_for_each() {
    let (_hub, mut service) = hub().await;
    let body = json!({
        "jobId": "j",
        "type": "scheduleDeviceMethod",
        "cloudToDeviceMethod": {"methodName": "reboot", "responseTimeoutInSeconds": 5},
        "queryCondition": "status = 'enabled'",
    });
    service.ok("PUT /jobs/v2/j", &body.to_string()).await;
    let done = ended(&mut service, "j").await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["deviceJobStatistics"]["failedCount"], 2);
    let query = json!({"query": "SELECT error.description AS why FROM devices.jobs"}).to_string();
    let rows = service.ok("POST /devices/query", &query).await.json();
    assert!(rows[0]["why"].as_str().unwrap().contains("not online"), "{rows}");
    // All devices, in the way of Microsoft's samples.
    service.ok("PUT /jobs/v2/all", &tags("*", None)).await;
    assert_eq!(
        ended(&mut service, "all").await["deviceJobStatistics"]["deviceCount"],
        3
    );
}

#[tokio::test]
async fn cancelled_before_the_start() {
    let (_hub, mut service) = hub().await;
    let body = tags("deviceId = 'off'", Some(LATER));
    let made = service.ok("PUT /jobs/v2/late", &body).await.json();
    assert_eq!(
        (&made["status"], &made["endTime"]),
        (&json!("queued"), &Value::Null)
    );
    assert_eq!(
        service.ok("GET /jobs/v2/late", "").await.json()["status"],
        "scheduled"
    );
    let cancelled = service.ok("POST /jobs/v2/late/cancel", "").await.json();
    assert_eq!(cancelled["status"], "cancelled");
    let name = "JobRunPreconditionFailed";
    service
        .refused("POST /jobs/v2/late/cancel", &[], "", 412, name)
        .await;
    assert_eq!(
        service.ok("GET /jobs/v2/late", "").await.json()["status"],
        "cancelled"
    );
    assert_eq!(service.ok("GET /twins/off", "").await.json()["version"], 1);
}

#[tokio::test]
async fn lists_by_kind_and_status_in_pages() {
    let (_hub, mut service) = hub().await;
    for id in ["a", "b", "c"] {
        service
            .ok(
                &format!("PUT /jobs/v2/{id}"),
                &tags("deviceId = 'off'", Some(LATER)),
            )
            .await;
    }
    service.ok("POST /jobs/v2/b/cancel", "").await;
    assert_eq!(ids(&mut service, "").await, ["a", "b", "c"]);
    assert_eq!(
        ids(&mut service, "?jobType=scheduleUpdateTwin&jobStatus=Cancelled").await,
        ["b"]
    );
    assert_eq!(ids(&mut service, "?jobType=scheduleDeviceMethod").await, [""; 0]);
    let size = ("x-ms-max-item-count", "2");
    let first = service.call("GET /jobs/v2/query", &[size], "").await;
    let token = first.header("x-ms-continuation").unwrap();
    assert_eq!(first.json().as_array().unwrap().len(), 2);
    let rest = service
        .call("GET /jobs/v2/query", &[size, ("x-ms-continuation", token)], "")
        .await;
    assert_eq!(
        (rest.json()[0]["jobId"].as_str(), rest.header("x-ms-continuation")),
        (Some("c"), None)
    );
}

#[tokio::test]
async fn what_is_refused_and_how() {
    let (_hub, mut service) = hub().await;
    service
        .ok("PUT /jobs/v2/known", &tags("deviceId = 'off'", Some(LATER)))
        .await;
    let method = |call: Value| {
        json!({"type": "scheduleDeviceMethod", "queryCondition": "1 = 1", "cloudToDeviceMethod": call})
            .to_string()
    };
    let cases = [
        (
            "PUT /jobs/v2/known",
            tags("deviceId = 'off'", None),
            409,
            "JobAlreadyExists",
        ),
        ("GET /jobs/v2/none", String::new(), 404, "JobNotFound"),
        ("POST /jobs/v2/none/cancel", String::new(), 404, "JobNotFound"),
        ("PUT /jobs/v2/j", "{}".to_owned(), 400, "IotHubFormatError"),
        (
            "PUT /jobs/v2/j",
            r#"{"type":"paint","queryCondition":"1=1"}"#.to_owned(),
            400,
            "ArgumentInvalid",
        ),
        ("PUT /jobs/v2/j", tags("", None), 400, "ArgumentInvalid"),
        (
            "PUT /jobs/v2/j",
            tags("deviceId LIKE 'x'", None),
            400,
            "ArgumentInvalid",
        ),
        (
            "PUT /jobs/v2/j",
            tags("1 = 1 GROUP BY status", None),
            400,
            "ArgumentInvalid",
        ),
        (
            "PUT /jobs/v2/j",
            tags("1 = 1", Some("soon")),
            400,
            "ArgumentInvalid",
        ),
        (
            "PUT /jobs/v2/j",
            tags("1 = 1", None).replacen('{', r#"{"jobId":"k","#, 1),
            400,
            "ArgumentInvalid",
        ),
        ("PUT /jobs/v2/j", method(json!({})), 400, "IotHubFormatError"),
        (
            "PUT /jobs/v2/j",
            method(json!({"methodName": "m", "responseTimeoutInSeconds": 1})),
            400,
            "ArgumentInvalid",
        ),
        ("DELETE /jobs/v2/known", String::new(), 405, "InvalidOperation"),
        ("POST /jobs/create", "{}".to_owned(), 501, "NotImplemented"),
        ("GET /jobs", String::new(), 501, "NotImplemented"),
    ];
    for (line, body, status, name) in cases {
        service.refused(line, &[], &body, status, name).await;
    }
    assert_eq!(ids(&mut service, "").await, ["known"]);
}
