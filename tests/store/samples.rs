//! Documents to store.

use meterbridge::reading::Channel;
use meterbridge::source::Request;
use meterbridge::store::documents::{
    Attempt, CatalogDoc, DeadLetter, DigestDoc, Part, Past, PollWish, RowsDoc, ShardDoc, Shipment, SitesDoc,
    SourceDoc, State, StoredRows, StoredSite,
};
use meterbridge::store::{Batch, Document, Write};

pub const BIRTH: &str = "20260126131500abcd";

pub fn state(source: &str, runner: &str, next: u64, next_due: i64) -> Document {
    Document::State(State {
        id: State::ID.into(),
        source: source.into(),
        runner: runner.into(),
        birth: BIRTH.into(),
        lease: None,
        next,
        unshipped: Vec::new(),
        pending: vec![next],
        confirmed: 0,
        refused: 0,
        mark: Some(1_769_433_300_000),
        checkpoint: None,
        pass: None,
        gaps: None,
        past: Past::default(),
        failures: 0,
        trouble: None,
        parked: None,
        next_due,
        shard: None,
        plan: None,
        asking: Default::default(),
        sending: Default::default(),
        naming: None,
        assignment: None,
    })
}

/// The same in a shard, with a plan.
pub fn sharded(source: &str, runner: &str, shard: &str, next_due: i64) -> Document {
    let Document::State(mut state) = state(source, runner, 1, next_due) else {
        unreachable!("a state")
    };
    state.shard = Some(shard.into());
    state.plan = Some("every 60".into());
    Document::State(state)
}

pub fn shard(source: &str, until: i64) -> Document {
    Document::Shard(ShardDoc {
        id: ShardDoc::id_of("cloud", "r01"),
        source: source.into(),
        runner: "cloud".into(),
        shard: "r01".into(),
        at: 1_769_433_300_000,
        until,
        ticket: "00c0ffee".into(),
        delivery: 1,
        ..ShardDoc::default()
    })
}

pub fn attempt(source: &str, number: u64, ttl: Option<u32>) -> Document {
    Document::Attempt(Attempt {
        id: Attempt::id_of(BIRTH, number),
        source: source.into(),
        number,
        due: 1_769_433_300_000,
        at: 1_769_433_300_123,
        took_ms: 41,
        request: Request::default(),
        from: Some(1_769_432_400_000),
        until: Some(1_769_433_300_000),
        status: 200,
        outcome: "rows".into(),
        error: None,
        bytes: 512,
        rows: 1,
        known: 0,
        unknown: vec!["/SML/Überschuß".into()],
        remarks: Vec::new(),
        device_time: None,
        aim: None,
        inline: Some(stored(1)),
        documents: 0,
        ttl,
    })
}

pub fn shipment(source: &str, number: u64) -> Document {
    Document::Shipment(Shipment {
        naming: meterbridge::config::Naming::Source,
        id: Shipment::id_of(BIRTH, number),
        source: source.into(),
        number,
        at: 1_769_433_300_200,
        attempts: vec![number],
        format: "timeseries/1".into(),
        begin: 1_769_432_400_000,
        end: 1_769_433_300_000,
        parts: vec![Part {
            label: "0".into(),
            from: 0,
            to: 1,
            revision: false,
            hash: "00c0ffee00c0ffee".into(),
        }],
        outcome: "pending".into(),
        delivered_at: None,
        units: 1,
        ttl: None,
    })
}

/// A rows document of about `bytes` bytes.
pub fn rows(source: &str, number: u64, place: u32, bytes: usize) -> Document {
    Document::Rows(RowsDoc {
        id: RowsDoc::id_of(BIRTH, number, place),
        source: source.into(),
        rows: stored(bytes / 14).into(),
        ttl: None,
    })
}

fn stored(rows: usize) -> StoredRows {
    let joined = |first: &str, next: &str| {
        let mut texts = vec![first];
        texts.resize(rows.max(1), next);
        texts.join(",")
    };
    StoredRows {
        channels: vec![Channel {
            unit: Some("kWh".into()),
            obis: Some("1-0:1.8.0*255".into()),
            ..Channel::named("/SML/Total_in")
        }],
        stamps: joined("1769433300000", "1000"),
        columns: vec![joined("9755.000", "9755.000")],
        revised: Vec::new(),
    }
}

pub fn digest(source: &str, floor: i64) -> Document {
    Document::Digest(DigestDoc {
        id: DigestDoc::ID.into(),
        source: source.into(),
        floor,
        stamps: "0,900000".into(),
        hashes: "00c0ffee00c0ffee00c0ffee00c0ffee".into(),
    })
}

pub fn definition(source: &str, url: &str) -> Document {
    let definition = serde_json::json!({ "kind": "tasmota", "url": url, "every": "60s", "scale": 0.1 });
    Document::Source(SourceDoc::new(source, 1_769_433_300_000, definition))
}

fn sites(source: &str) -> Document {
    let site = |name: &str, gone| StoredSite {
        site: name.into(),
        since: 5,
        gone,
    };
    Document::Sites(SitesDoc {
        id: SitesDoc::id_of("customer-0123abcd"),
        source: source.into(),
        runner: "cloud".into(),
        backend: "https://backend.example/api/1/".into(),
        customer: "th.drones@example.com".into(),
        at: Some(5),
        next: 7,
        failures: 2,
        trouble: Some("refused".into()),
        remarks: vec!["left out".into()],
        sites: vec![site("Energy meter 1", None), site("Zähler/2", Some(6))],
    })
}

pub fn wish(source: &str, at: i64) -> Document {
    Document::Poll(PollWish {
        id: PollWish::ID.into(),
        source: source.into(),
        at,
    })
}

pub fn dead_letter(source: &str, number: u64, body: &str) -> Document {
    Document::DeadLetter(DeadLetter {
        id: DeadLetter::id_of(BIRTH, number, "0"),
        source: source.into(),
        at: 1_769_433_300_000,
        message_id: format!("{source}.{BIRTH}.{number}.0"),
        why: "400000: \"malformed\"".into(),
        body: body.into(),
        properties: vec![("Sequence".into(), format!("{BIRTH}.{number}"))],
        created: 1_769_433_300_000,
        replayed_at: None,
        ttl: None,
    })
}

pub fn batch(source: &str, writes: impl IntoIterator<Item = Write>) -> Batch {
    Batch {
        source: source.into(),
        writes: writes.into_iter().collect(),
    }
}

/// One document of each kind.
pub fn every_kind(source: &str) -> Vec<Document> {
    vec![
        Document::Source(SourceDoc {
            source: source.into(),
            ..SourceDoc::new(
                "home",
                5,
                serde_json::json!({ "kind": "tasmota", "scale": "0.1" }),
            )
        }),
        Document::Catalog(CatalogDoc {
            id: CatalogDoc::ID.into(),
            source: source.into(),
            at: 5,
            changes: 7,
            nonce: "0123456789abcdef".into(),
        }),
        sites(source),
        state(source, "cloud", 7, 42),
        digest(source, 1_769_433_300_000),
        attempt(source, 7, Some(7_776_000)),
        rows(source, 7, 0, 2_000),
        shipment(source, 7),
        dead_letter(source, 7, "{\"a\":1}"),
        wish(source, 5),
        shard(source, 7),
    ]
}
