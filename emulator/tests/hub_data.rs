//! State in a directory: what survives a restart, and a kill.

#![allow(clippy::unwrap_used)]

#[path = "hub_wire/service.rs"]
mod service;
#[path = "hub_wire/wire.rs"]
mod wire;

use std::path::Path;

use emulator::hub::{Device, Devicebound, Hub, HubOptions, Limits, StartError};
use serde_json::json;
use service::Service;
use wire::{K32, K64, NOW_S, Wire, key, options, request};

async fn start(directory: &Path) -> Result<Hub, StartError> {
    let limits = Limits {
        units_per_day: Some(10),
        ..Limits::default()
    };
    let data = Some(directory.to_owned());
    Hub::start(HubOptions {
        data,
        limits,
        ..options()
    })
    .await
}

async fn ask(hub: &Hub, device: &str, secret: &str, line: &str) -> wire::Reply {
    let token = key(secret).token(&format!("localhost/devices/{device}"), NOW_S + 60, None);
    let ask = request(line, &[("Authorization", &token)], "x");
    Wire::to(hub).await.ask(&ask).await.unwrap()
}

#[tokio::test]
async fn devices_twins_and_messages_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("new");
    let hub = start(&at).await.unwrap();
    hub.put_device(Device::new("added", key(K64)));
    hub.put_device(Device {
        enabled: false,
        ..Device::new("m:1", key(K32))
    });
    let twin = hub
        .change_twin("added", Some(&json!({"every": 60})), Some(&json!({"site": "a1"})))
        .unwrap();
    for id in ["first", "second"] {
        let message = Devicebound {
            message_id: Some(id.to_owned()),
            properties: [("a".to_owned(), "b".to_owned())].into(),
            body: "\0ä".into(),
            ..Devicebound::default()
        };
        hub.send_to_device("added", message).unwrap();
    }
    let receive = "GET /devices/added/messages/devicebound?api-version=2021-04-12";
    let received = ask(&hub, "added", K64, receive).await;
    assert_eq!(received.header("iothub-messageid"), Some("first"));
    let body = received.body;
    let events = "POST /devices/added/messages/events?api-version=2021-04-12";
    assert_eq!(ask(&hub, "added", K64, events).await.status, 204);
    let before = hub.stats();
    drop(hub);

    let hub = start(&at).await.unwrap();
    assert_eq!(hub.change_twin("added", None, None).unwrap(), twin);
    assert!(!hub.device("m:1").unwrap().enabled);
    assert_eq!(
        hub.stats().units_today,
        before.units_today,
        "the day's quota goes on"
    );
    // Its lock ended with the hub, and it was delivered once.
    for (id, sequence, deliveries) in [("first", "1", "1"), ("second", "2", "0")] {
        let received = ask(&hub, "added", K64, receive).await;
        assert_eq!(
            [
                "iothub-messageid",
                "iothub-sequencenumber",
                "iothub-deliverycount",
                "iothub-app-a"
            ]
            .map(|name| received.header(name).unwrap()),
            [id, sequence, deliveries, "b"]
        );
        assert_eq!(received.body, body);
    }
    assert_eq!(hub.send_to_device("added", Devicebound::default()), Ok(3));
}

/// A kill leaves what was written last: a copy of the file at any moment is whole.
#[tokio::test]
async fn the_file_is_whole_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let hub = start(directory.path()).await.unwrap();
    let file = directory.path().join("hub.json");
    let writing = {
        let hub = hub.clone();
        tokio::task::spawn_blocking(move || {
            for number in 0..200 {
                hub.put_device(Device::new(&format!("m-{number}"), key(K32)));
                hub.save().unwrap();
            }
        })
    };
    let mut seen = 0;
    while !writing.is_finished() {
        let copy: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        seen = copy["devices"].as_object().unwrap().len();
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    assert!(seen > 0);
    // Not even half of what a kill had left in writing is in the way.
    std::fs::write(directory.path().join(".tmpkilled"), "{\"devi").unwrap();
    let again = start(directory.path()).await.unwrap();
    assert!(again.device("m-199").is_some());
}

#[tokio::test]
async fn a_damaged_file_is_named_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hub.json");
    for (text, word) in [
        ("{\"devi", "EOF"),
        ("{\"version\":2,\"day\":0,\"units\":0,\"devices\":{}}", "format 2"),
        (
            "{\"version\":1,\"day\":0,\"units\":0,\"devices\":{\"m\":{\"authentication\":{\"sas\":{\"primary\":\"AA==\",\
             \"secondary\":\"AA==\"}},\"enabled\":true,\"status_reason\":null,\"edge\":false,\"scope\":null,\"parents\":[],\"record\":{\"generation_id\":\"1\",\"etag\":\"e\",\"status_changed_ms\":null},\"twin\":{},\
             \"last_sequence\":0,\"waiting\":[]}}}",
            "device m",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = start(directory.path()).await.err().unwrap().to_string();
        assert!(error.contains("hub.json") && error.contains(word), "{error}");
        assert!(!error.contains("AA=="), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
}

/// Keys are in it.
#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let _hub = start(directory.path()).await.unwrap();
    let mode = std::fs::metadata(directory.path().join("hub.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn modules_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let hub = start(directory.path()).await.unwrap();
    let mut service = Service::owner(&hub).await;
    let identity = r#"{"managedBy":"me"}"#;
    let made = service
        .ok("PUT /devices/meter-001/modules/m", identity)
        .await
        .json();
    let twin = r#"{"properties":{"desired":{"every":60}},"tags":{"of":"m"}}"#;
    let twin = service.ok("PATCH /twins/meter-001/modules/m", twin).await.json();
    drop((service, hub));

    let hub = start(directory.path()).await.unwrap();
    let mut service = Service::owner(&hub).await;
    let again = service.ok("GET /devices/meter-001/modules/m", "").await.json();
    assert_eq!(again, made, "with its keys, tag and generation");
    let again = service.ok("GET /twins/meter-001/modules/m", "").await.json();
    assert_eq!(again, twin);
}
