//! Definitions that are wrong: each is told with its document and field, is not polled, and stops nobody.

use meterbridge::catalog::{Change, When, change};
use meterbridge::store::documents::{CatalogDoc, SourceDoc};
use meterbridge::store::{Batch, Document, Write};
use serde_json::{Value, json};

use crate::rig::{NEIGHBOUR, Rig, polled};

const SECRET: &str = "S3CRET-that-nobody-sees";

/// A reader, and what is wrong with it.
fn reader(more: Value) -> Value {
    with(
        json!({"id": "x", "kind": "tasmota", "url": "http://127.0.0.1:9/", "zone": "UTC"}),
        more,
    )
}

fn site(more: Value) -> Value {
    with(
        json!({"kind": "rapidm2m", "url": "https://backend.example/api/1/", "customer": "c", "site": "s", "channels": ["ch0"]}),
        more,
    )
}

fn with(mut definition: Value, more: Value) -> Value {
    if let Value::Object(more) = more {
        definition.as_object_mut().unwrap().extend(more);
    }
    definition
}

/// Document id, definition, and how each of its faults begins.
fn cases() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("x", Value::Null, "[x]: is not an object"),
        ("x", json!("tasmota"), "[x]: is not an object"),
        ("x", json!([]), "[x]: is not an object"),
        ("x", json!({}), "[x].kind: is missing"),
        ("x", json!({"kind": 7}), "[x].kind: is a number"),
        ("x", json!({"kind": "mbus"}), "[x].kind: `mbus` is not known"),
        (
            "x y",
            json!({"kind": "synthetic"}),
            "[x y]: has an id that no source may have",
        ),
        (
            "x",
            json!({"id": "y", "kind": "synthetic"}),
            "[x].id: is `y`, but the document's own id is `x`",
        ),
        ("x", json!({"id": 5, "kind": "synthetic"}), "[x].id: is a number"),
        ("x", reader(json!({"url": 7})), "[x].url: is a number"),
        ("x", reader(json!({"url": "ftp://reader"})), "[x].url: "),
        (
            "x",
            reader(json!({"url": format!("http://admin:{SECRET}@reader/")})),
            "[x].url: holds a login",
        ),
        (
            "x",
            reader(json!({"every": "60"})),
            "[x].every: `60` is no duration",
        ),
        ("x", reader(json!({"every": 60})), "[x].every: has no unit"),
        ("x", reader(json!({"every": "0s"})), "[x].every: `0s` is not from"),
        ("x", reader(json!({"cron": "* * *"})), "[x].cron: "),
        (
            "x",
            reader(json!({"zone": "Europe/Atlantis"})),
            "[x].zone: `Europe/Atlantis` is not a time zone",
        ),
        (
            "x",
            reader(json!({"overlap": "1h"})),
            "[x].overlap: means nothing here",
        ),
        (
            "x",
            reader(json!({"passwort": "a"})),
            "[x].passwort: is not known; did you mean `password`?",
        ),
        (
            "x",
            reader(json!({"password": SECRET})),
            "[x].password: is written out, and the store keeps no secrets",
        ),
        (
            "x",
            reader(json!({"password": format!("{SECRET}${{SOURCE_A}}")})),
            "[x].password: is written out",
        ),
        (
            "x",
            reader(json!({"password": format!("$${{{SECRET}}}")})),
            "[x].password: is written out",
        ),
        (
            "x",
            reader(json!({"password": "${COSMOS_KEY}"})),
            "[x].password: names COSMOS_KEY; in the store only settings that begin with SOURCE_",
        ),
        (
            "x",
            reader(json!({"password": "${SOURCE_MISSING}"})),
            "[x].password: `${SOURCE_MISSING}` is not set",
        ),
        (
            "x",
            reader(json!({"url": "http://${SOURCE_PASSWORD}.evil.example/"})),
            "[x].url: names a setting, which in the store only user, password, basic may",
        ),
        (
            "x",
            reader(json!({"referer": "http://${SOURCE_PASSWORD}/"})),
            "[x].referer: names a setting",
        ),
        (
            "x",
            reader(json!({"channels": {"/A": {"title": "${SOURCE_PASSWORD}"}}})),
            "[x].channels./A.title: names a setting",
        ),
        (
            "x",
            reader(json!({"channels": ["${SOURCE_PASSWORD}"]})),
            "[x].channels: names a setting",
        ),
        ("x", site(json!({"basic": SECRET})), "[x].basic: is written out"),
        (
            "x",
            site(json!({"user": "u", "password": SECRET})),
            "[x].password: is written out",
        ),
        (
            "x",
            site(json!({"user": "${IOTHUB_DEVICE_KEY}", "password": "${SOURCE_PASSWORD}"})),
            "[x].user: names IOTHUB_DEVICE_KEY",
        ),
        (
            "x",
            site(json!({"site": "*"})),
            "[x].site: is `*`, which names no site; write `sites = \"*\"`",
        ),
        (
            "x",
            site(json!({"site": ".."})),
            "[x].site: `..` cannot be asked for",
        ),
        (
            "x",
            site(json!({"include": ["a*"]})),
            "[x].include: chooses among the sites of `sites = \"*\"` only",
        ),
        (
            "x",
            json!({"kind": "rapidm2m", "url": "https://b.example/", "customer": "c", "sites": ["a", "b"], "channels": ["ch0"]}),
            "[x].sites: names several sources",
        ),
        (
            "x",
            json!({"kind": "rapidm2m", "url": "https://b.example/", "customer": "c", "sites": "*", "channels": ["ch0"]}),
            "[x].sites: is of the discovery `c-",
        ),
        (
            "x",
            json!({"kind": "synthetic", "channels": ["c".repeat(40_000)]}),
            "[x]: is larger than",
        ),
        (
            "neighbour",
            json!({"kind": "synthetic"}),
            "[neighbour]: has the same id as the source of sources.toml:1",
        ),
    ]
}

/// Written past every check, as somebody with the store's key can.
async fn force(rig: &Rig, id: &str, definition: Value) {
    let store = &rig.wired.rounds.poller().store;
    let batch = Batch {
        source: CatalogDoc::PARTITION.into(),
        writes: vec![Write::Upsert(Document::Source(SourceDoc::new(id, 1, definition)))],
    };
    store.commit(batch).await.unwrap();
    // What tells of a change came with another one.
    let other = Change {
        id: "touch".into(),
        definition: Some(json!({"kind": "synthetic", "seed": rig.now() / 1_000})),
        when: When::Any,
    };
    change(store.as_ref(), rig.now(), &[other]).await.unwrap();
}

#[tokio::test]
async fn a_faulty_definition_is_told_and_stops_nobody() {
    let mut rig = Rig::new(|_| NEIGHBOUR.to_owned()).await;
    rig.set("SOURCE_PASSWORD", SECRET);
    let cases = cases();
    assert!(cases.len() >= 25, "{}", cases.len());
    for (id, definition, expected) in cases {
        force(&rig, id, definition.clone()).await;
        rig.advance(60_000);
        let round = rig.tick().await;
        let known = rig.wired.catalog.current();
        let told: Vec<String> = known.faults.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|fault| fault.starts_with(expected)),
            "{definition}: {expected:?} is not among {told:#?}"
        );
        assert!(
            told.iter().all(|fault| fault.starts_with(&format!("[{id}]"))),
            "{told:#?}"
        );
        assert!(!told.concat().contains(SECRET), "{told:#?}");
        assert!(!known.troubles().is_empty());
        // The file's own source, and the other one of the store, are polled as if nothing were.
        assert_eq!(polled(&round), ["neighbour", "touch"], "{definition}");
        let gone = Change {
            id: id.into(),
            definition: None,
            when: When::Any,
        };
        change(rig.wired.rounds.poller().store.as_ref(), rig.now(), &[gone])
            .await
            .unwrap();
    }
    rig.tick().await;
    assert!(rig.wired.catalog.current().faults.is_empty());
}
