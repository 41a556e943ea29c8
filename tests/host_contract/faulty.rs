//! A faulty configuration: the handler stays up and tells, every command ends with 64 and tells.

use crate::handler::{Handler, Pairs, SOURCES, queue_body, run};

const FAULTY: Pairs<'_> = &[("TICK_SECONDS", "soon"), ("IOTHUB_TIER", "S9")];
const BROKEN: &str = "[[source]]\nid = \"home\"\nkind = \"tasmota\"\nzone = \"UTC\"\n\n[[source]]\nid = \"demo\"\nkind = \"synthetic\"\nevery = 60\n";
/// Each fault, with its place and the mend.
const TOLD: [&str; 4] = [
    "IOTHUB_TIER: `S9` is not known; write one of: F1,",
    "TICK_SECONDS: `soon` is not a whole number from 1 to 86400",
    "sources.toml:1 [home].url: is missing; write the reader's address",
    "sources.toml:9 [demo].every: has no unit; write for example `\"60s\"`",
];

#[tokio::test]
async fn a_faulty_configuration_is_told_by_a_handler_that_stays() {
    let mut handler = Handler::start(FAULTY, BROKEN).await;
    assert_eq!(handler.get("/").await.status, 200);
    for _ in 0..2 {
        let job = queue_body(r#"{"job":{"v":1,"sources":["x"]}}"#);
        for answer in [
            handler.tick().await,
            handler.post("/PollWorker", job.as_bytes()).await,
        ] {
            assert_eq!(answer.status, 500);
            for told in TOLD {
                assert!(
                    answer.json()["error"].as_str().unwrap().contains(told),
                    "{answer:?}"
                );
            }
        }
    }
    let health = handler.get("/api/health").await;
    assert_eq!(health.status, 503);
    let health = health.json();
    assert_eq!(health["status"], "faulty");
    assert_eq!(health["faults"].as_array().unwrap().len(), TOLD.len(), "{health}");
    for told in TOLD {
        assert!(
            health["faults"].to_string().replace("\\\"", "\"").contains(told),
            "{health}"
        );
        // One line each, with the setting's name as a field.
        let (place, text) = told.split_once(": ").unwrap();
        handler
            .out
            .wait(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["setting"] == place
                    && line["level"] == "ERROR"
                    && line["message"]
                        .as_str()
                        .is_some_and(|message| message.contains(text))
            })
            .await;
    }
    assert!(handler.lives());
}

#[tokio::test]
async fn every_command_ends_with_64_and_lists_all_faults() {
    for arguments in [
        &["check"][..],
        &["check", "--offline"],
        &["check", "home", "--offline"],
        &["poll"],
        &["poll", "home", "--dry-run"],
        &["run"],
        &["plan"],
    ] {
        let ended = run(arguments, FAULTY, BROKEN).await;
        assert_eq!(ended.code, Some(64), "{arguments:?}: {ended:?}");
        assert!(
            ended.err.starts_with("The configuration has 4 faults:\n"),
            "{ended:?}"
        );
        for told in TOLD {
            assert!(
                ended.err.contains(told),
                "{arguments:?}: {told} is not in {}",
                ended.err
            );
        }
    }
}

#[tokio::test]
async fn a_missing_port_ends_with_64_and_says_whose_it_is() {
    for (arguments, port) in [
        (&["serve"][..], None),
        (&[], None),
        (&["serve"], Some("")),
        (&["serve"], Some("http")),
    ] {
        let settings: Vec<(&str, &str)> = port
            .map(|port| ("FUNCTIONS_CUSTOMHANDLER_PORT", port))
            .into_iter()
            .collect();
        let ended = run(arguments, &settings, SOURCES).await;
        assert_eq!(ended.code, Some(64), "{arguments:?} {port:?}: {ended:?}");
        for told in ["FUNCTIONS_CUSTOMHANDLER_PORT", "meterbridge run", "--port"] {
            assert!(ended.err.contains(told), "{ended:?}");
        }
        assert_eq!(port == Some("http"), ended.err.contains("`http`"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = run(&["serve"], &[("FUNCTIONS_CUSTOMHANDLER_PORT", &port)], SOURCES).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .err
            .contains(&format!("127.0.0.1:{port} cannot be listened on")),
        "{ended:?}"
    );
}

/// What only shows when the parts are made: a store that cannot be opened, certificates that are none.
#[tokio::test]
async fn parts_that_cannot_be_made_are_faults_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(
        &file,
        "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let inside = file.join("store.db").display().to_string();
    let file = file.display().to_string();
    for (name, value) in [("STORE_PATH", inside.as_str()), ("IOTHUB_CA_FILE", file.as_str())] {
        let handler = Handler::start(&[(name, value)], SOURCES).await;
        assert_eq!(handler.tick().await.status, 500, "{name}");
        let health = handler.get("/api/health").await;
        assert_eq!(health.status, 503, "{name}");
        let faults = health.json()["faults"].to_string();
        assert!(faults.contains(name), "{faults}");
        let ended = run(&["poll"], &[(name, value)], SOURCES).await;
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.err.contains(name), "{ended:?}");
    }
}
