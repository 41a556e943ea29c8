//! File upload, byte by byte: the device's two calls, and what the storage client writes in between.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use emulator::hub::{Clock, Device, Hub, HubOptions, Told};
use serde_json::{Value, json};
use wire::{K32, NOW_S, Reply, Wire, key, options, request};

const VERSION: &str = "api-version=2021-04-12";

fn token(device: &str) -> String {
    key(K32).token(&format!("localhost/devices/{device}"), NOW_S + 90_000, None)
}

fn post(device: &str, path: &str, body: &Value) -> Vec<u8> {
    let line = format!("POST /devices/{device}/files{path}?{VERSION}");
    request(&line, &[("Authorization", &token(device))], body.to_string())
}

/// Asks for a place; gives the answer.
async fn begin(wire: &mut Wire, device: &str, name: &str) -> Value {
    let reply = wire
        .ask(&post(device, "", &json!({ "blobName": name })))
        .await
        .unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// Where a client writes to, as the SDKs put it together, with more for the query.
fn place(began: &Value, more: &str) -> String {
    let text = |name: &str| began[name].as_str().unwrap();
    format!(
        "/{}/{}{}{more}",
        text("containerName"),
        text("blobName"),
        text("sasToken")
    )
}

async fn put(wire: &mut Wire, place: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
    wire.ask(&request(&format!("PUT {place}"), headers, body))
        .await
        .unwrap()
}

async fn end(wire: &mut Wire, id: &str, success: bool) -> Reply {
    let body = json!({
        "correlationId": id, "isSuccess": success, "statusCode": 201, "statusDescription": "Created",
    });
    wire.ask(&post("meter-001", "/notifications", &body))
        .await
        .unwrap()
}

/// A refusal of the hub has its code as a header and in the body.
#[track_caller]
fn refused(reply: &Reply, status: u16, name: &str) {
    assert_eq!(
        (reply.status, reply.header("iothub-errorcode")),
        (status, Some(name)),
        "{reply:?}"
    );
    assert!(
        reply.json()["Message"]
            .as_str()
            .unwrap()
            .starts_with(&format!("ErrorCode:{name};")),
        "{reply:?}"
    );
}

/// A refusal of the storage, likewise.
#[track_caller]
fn storage_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, reply.header("x-ms-error-code")),
        (status, Some(code)),
        "{reply:?}"
    );
    assert!(reply.body.contains(&format!("<Code>{code}</Code>")), "{reply:?}");
}

const WHOLE: [(&str, &str); 1] = [("x-ms-blob-type", "BlockBlob")];

#[tokio::test]
async fn a_file_written_at_once() {
    let kept = tempfile::tempdir().unwrap();
    let files = Some(kept.path().join("files"));
    let hub = Hub::start(HubOptions { files, ..options() }).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let began = begin(&mut wire, "meter-001", "photos/a.jpg").await;
    assert_eq!(
        (&began["hostName"], &began["containerName"], &began["blobName"]),
        (
            &json!("localhost"),
            &json!("uploads"),
            &json!("meter-001/photos/a.jpg")
        )
    );
    let headers = [
        WHOLE[0],
        ("Content-Type", "image/jpeg"),
        ("x-ms-version", "2020-10-02"),
    ];
    let reply = put(&mut wire, &place(&began, ""), &headers, b"\xff\xd8\xff").await;
    assert_eq!(
        (reply.status, reply.body.as_str(), reply.header("x-ms-version")),
        (201, "", Some("2020-10-02"))
    );
    assert!(
        reply.header("etag").is_some() && reply.header("last-modified").is_some(),
        "{reply:?}"
    );
    let id = began["correlationId"].as_str().unwrap();
    let reply = end(&mut wire, id, true).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));

    let blob = hub.blob("meter-001/photos/a.jpg").unwrap();
    assert_eq!(
        (&blob.content[..], blob.content_type.as_deref()),
        (&b"\xff\xd8\xff"[..], Some("image/jpeg"))
    );
    let file = kept.path().join("files/meter-001%2Fphotos%2Fa.jpg");
    assert_eq!(std::fs::read(file).unwrap(), b"\xff\xd8\xff");
    let upload = hub.uploads("meter-001").pop().unwrap();
    assert_eq!(
        (upload.correlation_id.as_str(), upload.told.unwrap().status_code),
        (id, 201)
    );
}

#[tokio::test]
async fn a_file_written_in_blocks() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let began = begin(&mut wire, "meter-001", "log").await;
    // "AAAA", "AAAB", "AAAC" and one that no list names.
    for (id, body) in [
        ("QUFBQQ%3D%3D", "one,"),
        ("QUFBQg%3D%3D", "two,"),
        ("QUFBQw%3D%3D", "three"),
        ("QUFBRA%3D%3D", "?"),
    ] {
        let reply = put(
            &mut wire,
            &place(&began, &format!("&comp=block&blockid={id}")),
            &[],
            body,
        )
        .await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }
    assert!(hub.blob("meter-001/log").is_none(), "no list yet");
    let list = |ids: &[(&str, &str)]| {
        let ids: String = ids
            .iter()
            .map(|(kind, id)| format!("<{kind}>{id}</{kind}>"))
            .collect();
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{ids}</BlockList>")
    };
    let listed = place(&began, "&comp=blocklist");
    let headers = [
        ("Content-Type", "application/xml"),
        ("x-ms-blob-content-type", "text/plain"),
    ];
    let all = list(&[
        ("Latest", "QUFBQg=="),
        ("Uncommitted", "QUFBQQ=="),
        ("Latest", "QUFBQw=="),
    ]);
    assert_eq!(put(&mut wire, &listed, &headers, all).await.status, 201);
    let blob = hub.blob("meter-001/log").unwrap();
    assert_eq!(
        (&blob.content[..], blob.content_type.as_deref()),
        (&b"two,one,three"[..], Some("text/plain"))
    );

    // Blocks of the blob as it is can be used again, those that no list named are gone.
    let lost = put(&mut wire, &listed, &[], list(&[("Latest", "QUFBRA==")])).await;
    storage_refused(&lost, 400, "InvalidBlockList");
    let again = list(&[("Committed", "QUFBQw=="), ("Latest", "QUFBQQ==")]);
    assert_eq!(put(&mut wire, &listed, &[], again).await.status, 201);
    assert_eq!(&hub.blob("meter-001/log").unwrap().content[..], b"threeone,");

    let read = wire
        .ask(&request(&format!("GET {}", place(&began, "")), &[], ""))
        .await
        .unwrap();
    assert_eq!(
        (read.status, read.body.as_str(), read.header("content-type")),
        (200, "threeone,", Some("application/octet-stream"))
    );
    // SDKs read in parts.
    for (range, status, content, told) in [
        ("bytes=5-7", 206, "one", Some("bytes 5-7/9")),
        ("bytes=5-", 206, "one,", Some("bytes 5-8/9")),
        ("bytes=0-99999", 206, "threeone,", Some("bytes 0-8/9")),
        ("lines=1-2", 200, "threeone,", None),
    ] {
        let get = request(
            &format!("GET {}", place(&began, "")),
            &[("x-ms-range", range)],
            "",
        );
        let read = wire.ask(&get).await.unwrap();
        assert_eq!(
            (read.status, read.body.as_str(), read.header("content-range")),
            (status, content, told)
        );
    }
    let get = request(
        &format!("GET {}", place(&began, "")),
        &[("Range", "bytes=9-12")],
        "",
    );
    storage_refused(&wire.ask(&get).await.unwrap(), 416, "InvalidRange");
}

/// The Node SDK has the correlation id in the path.
#[tokio::test]
async fn the_end_is_told_either_way() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let began = begin(&mut wire, "meter-001", "a").await;
    let id = began["correlationId"].as_str().unwrap();
    let encoded = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let body = json!({ "isSuccess": false, "statusCode": 500, "statusDescription": "no" });
    let reply = wire
        .ask(&post("meter-001", &format!("/notifications/{encoded}"), &body))
        .await
        .unwrap();
    assert_eq!(reply.status, 204, "{reply:?}");
    let told = Told {
        is_success: false,
        status_code: 500,
        status_description: "no".to_owned(),
    };
    assert_eq!(hub.uploads("meter-001")[0].told, Some(told.clone()));
    // Told again, the first counts.
    assert_eq!(end(&mut wire, id, true).await.status, 204);
    assert_eq!(hub.uploads("meter-001")[0].told, Some(told));
}

#[tokio::test]
async fn ten_uploads_at_a_time_and_an_hour_for_each() {
    let now = Arc::new(AtomicI64::new(NOW_S * 1000));
    let clock = now.clone();
    let clock = Clock::new(move || clock.load(Ordering::Relaxed));
    let hub = Hub::start(HubOptions { clock, ..options() }).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let mut places = Vec::new();
    for number in 0..10 {
        places.push(begin(&mut wire, "meter-001", &number.to_string()).await);
    }
    let eleventh = post("meter-001", "", &json!({ "blobName": "11" }));
    let reply = wire.ask(&eleventh).await.unwrap();
    refused(&reply, 403, "DeviceMaximumActiveFileUploadLimitExceeded");
    assert!(reply.body.contains("cannot exceed 10"), "{reply:?}");
    // Other devices are not concerned, and an end makes room.
    begin(&mut wire, "m:1", "a").await;
    assert_eq!(
        end(&mut wire, places[3]["correlationId"].as_str().unwrap(), false)
            .await
            .status,
        204
    );
    assert_eq!(wire.ask(&eleventh).await.unwrap().status, 200);
    assert_eq!(wire.ask(&eleventh).await.unwrap().status, 403);

    now.fetch_add(3_600_000, Ordering::Relaxed);
    let late = put(&mut wire, &place(&places[0], ""), &WHOLE, "x").await;
    storage_refused(&late, 403, "AuthenticationFailed");
    let reply = end(&mut wire, places[0]["correlationId"].as_str().unwrap(), false).await;
    refused(&reply, 400, "ExpiredFileUploadCorrelationId");
    assert_eq!(wire.ask(&eleventh).await.unwrap().status, 200);
}

#[tokio::test]
async fn what_the_hub_refuses() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    for (body, name) in [
        (json!({}), "IotHubFormatError"),
        (json!({ "blobName": 7 }), "IotHubFormatError"),
        (json!([]), "IotHubFormatError"),
        (json!({ "blobName": "" }), "ArgumentInvalid"),
        (json!({ "blobName": "x".repeat(1015) }), "ArgumentInvalid"),
    ] {
        refused(&wire.ask(&post("meter-001", "", &body)).await.unwrap(), 400, name);
    }
    begin(&mut wire, "meter-001", &"x".repeat(1014)).await;
    let began = begin(&mut wire, "meter-001", "a").await;
    let id = began["correlationId"].as_str().unwrap();
    // Success without a blob; another's upload; a correlation id that is none; no isSuccess; no id.
    refused(
        &end(&mut wire, id, true).await,
        400,
        "InvalidStorageEndpointOrBlob",
    );
    let others = json!({ "correlationId": id, "isSuccess": false });
    let reply = wire.ask(&post("m:1", "/notifications", &others)).await.unwrap();
    refused(&reply, 400, "InvalidFileUploadCorrelationId");
    refused(
        &end(&mut wire, "x", false).await,
        400,
        "InvalidFileUploadCorrelationId",
    );
    for (body, name) in [
        (json!({ "correlationId": id }), "IotHubFormatError"),
        (json!({ "isSuccess": true }), "ArgumentInvalid"),
    ] {
        let reply = wire
            .ask(&post("meter-001", "/notifications", &body))
            .await
            .unwrap();
        refused(&reply, 400, name);
    }
    // Another device's token, no token, a disabled device, an unknown one, another method, no version.
    let line = |verb: &str, device: &str, version: &str| format!("{verb} /devices/{device}/files?{version}");
    let body = json!({ "blobName": "a" }).to_string();
    for (line, token, status, name) in [
        (
            line("POST", "meter-001", VERSION),
            token("m:1"),
            401,
            "IotHubUnauthorizedAccess",
        ),
        (
            line("POST", "meter-001", VERSION),
            String::new(),
            401,
            "IotHubUnauthorizedAccess",
        ),
        (line("POST", "off", VERSION), token("off"), 403, "DeviceDisabled"),
        (
            line("POST", "nobody", VERSION),
            token("nobody"),
            404,
            "DeviceNotFound",
        ),
        (
            line("GET", "meter-001", VERSION),
            token("meter-001"),
            405,
            "InvalidOperation",
        ),
        (
            line("POST", "meter-001", "a=b"),
            token("meter-001"),
            400,
            "InvalidProtocolVersion",
        ),
    ] {
        let reply = wire
            .ask(&request(&line, &[("Authorization", &token)], &body))
            .await
            .unwrap();
        refused(&reply, status, name);
    }
    // The next good client is served.
    assert_eq!(put(&mut wire, &place(&began, ""), &WHOLE, "x").await.status, 201);
    assert_eq!(end(&mut wire, id, true).await.status, 204);
}

#[tokio::test]
async fn what_the_storage_refuses() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let began = begin(&mut wire, "meter-001", "a").await;
    let good = place(&began, "");
    let other = good.replace("/meter-001/a", "/meter-001/b");
    let bare = good.split('?').next().unwrap().to_owned();
    let forged = good.replace("&sp=rw", "&sp=racwdl");
    for (place, headers, status, code) in [
        (other, &WHOLE[..], 403, "AuthenticationFailed"),
        (forged, &WHOLE[..], 403, "AuthenticationFailed"),
        (bare, &WHOLE[..], 404, "ResourceNotFound"),
        (good.clone(), &[][..], 400, "InvalidHeaderValue"),
        (
            good.clone(),
            &[("x-ms-blob-type", "PageBlob")][..],
            400,
            "InvalidHeaderValue",
        ),
        (
            place(&began, "&comp=page"),
            &[][..],
            400,
            "InvalidQueryParameterValue",
        ),
        (
            place(&began, "&comp=block"),
            &[][..],
            400,
            "InvalidQueryParameterValue",
        ),
        (
            place(&began, "&comp=block&blockid=%21"),
            &[][..],
            400,
            "InvalidQueryParameterValue",
        ),
        (place(&began, "&comp=blocklist"), &[][..], 400, "InvalidBlockList"),
    ] {
        storage_refused(&put(&mut wire, &place, headers, "x").await, status, code);
    }
    let ask = |verb: &str| request(&format!("{verb} {good}"), &[], "");
    storage_refused(&wire.ask(&ask("GET")).await.unwrap(), 404, "BlobNotFound");
    storage_refused(
        &wire.ask(&ask("DELETE")).await.unwrap(),
        405,
        "UnsupportedHttpVerb",
    );
    assert!(hub.blob("meter-001/a").is_none());

    let careful = [WHOLE[0], ("If-None-Match", "*")];
    assert_eq!(put(&mut wire, &good, &careful, "first").await.status, 201);
    storage_refused(
        &put(&mut wire, &good, &careful, "second").await,
        409,
        "BlobAlreadyExists",
    );
    assert_eq!(put(&mut wire, &good, &WHOLE, "third").await.status, 201);
    assert_eq!(&hub.blob("meter-001/a").unwrap().content[..], b"third");
}

/// Names that lead elsewhere lead nowhere.
#[tokio::test]
async fn no_name_leads_out_of_the_directory() {
    let kept = tempfile::tempdir().unwrap();
    let files = kept.path().join("files");
    let devices = vec![Device::new("..", key(K32))];
    let hub = Hub::start(HubOptions {
        files: Some(files.clone()),
        devices,
        ..options()
    })
    .await
    .unwrap();
    let mut wire = Wire::to(&hub).await;
    let began = begin(&mut wire, "..", "../../out").await;
    let sent = place(&began, "").replace("../", "..%2F");
    assert_eq!(put(&mut wire, &sent, &WHOLE, "x").await.status, 201);
    let names: Vec<_> = std::fs::read_dir(&files)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["..%2F..%2F..%2Fout"]);
    assert_eq!(std::fs::read_dir(kept.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_control_api_lists_and_reads() {
    let control = Some("127.0.0.1:0".parse().unwrap());
    let hub = Hub::start(HubOptions { control, ..options() }).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let began = begin(&mut wire, "meter-001", "a b/c").await;
    let sent = place(&began, "").replace(' ', "%20");
    assert_eq!(put(&mut wire, &sent, &WHOLE, "content").await.status, 201);
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let url = |path: &str| format!("http://{}/devices/{path}", hub.control_addr().unwrap());
    let list: Value = client
        .get(url("meter-001/files"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        list,
        json!([{
            "correlationId": began["correlationId"], "blobName": "meter-001/a b/c", "told": null, "bytes": 7,
            "began": "2027-01-15T08:00:00.000Z", "expires": "2027-01-15T09:00:00.000Z",
            "written": "2027-01-15T08:00:00.000Z",
        }])
    );
    let text = client
        .get(url("meter-001/files/a%20b/c"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(text, "content");
    for missing in ["meter-001/files/d", "nobody/files"] {
        assert_eq!(
            client.get(url(missing)).send().await.unwrap().status(),
            404,
            "{missing}"
        );
    }
}
