#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Kind, Naming, Schedule, SourceConfig, SyntheticConfig};
use crate::reading::Channel;

pub(crate) fn source() -> SourceConfig {
    SourceConfig {
        id: "home".into(),
        kind: Kind::Synthetic(SyntheticConfig {
            channels: Vec::new(),
            counter: false,
            interval: Duration::from_secs(60),
            seed: 1,
        }),
        runner: "cloud".into(),
        schedule: Schedule::Every(Duration::from_secs(60)),
        zone: chrono_tz::Tz::UTC,
        overlap: Duration::ZERO,
        expected: None,
        start: None,
        slice: Duration::from_secs(86_400),
        send_every: Duration::ZERO,
        naming: Naming::Site {
            customer: "Your customer Id".into(),
            site: "Energy meter 1".into(),
        },
        origin: "test".into(),
    }
}

fn shipment(format: Format) -> Shipment {
    Shipment {
        id: Shipment::id_of("b", 7),
        source: "home".into(),
        number: 7,
        at: 1_769_434_200_000,
        attempts: vec![7],
        naming: source().naming,
        format: format_name(format).into(),
        begin: 1_769_433_300_000,
        end: 1_769_434_200_000,
        parts: Vec::new(),
        outcome: "pending".into(),
        delivered_at: None,
        units: 0,
        ttl: None,
    }
}

fn rows(count: usize, revised: &[usize]) -> Rows {
    let mut rows = Rows::new(vec![Channel::named("ch0"), Channel::named("ch3")]);
    for row in 0..count {
        let (a, b) = ((51_000 + row).to_string(), format!("-{row}.50"));
        let stamp = 1_769_433_300_000 + i64::try_from(row).unwrap() * 900_000;
        rows.push(stamp, |i| Some(if i == 0 { a.as_str() } else { b.as_str() }));
        if revised.contains(&row) {
            rows.mark_last_revised();
        }
    }
    rows
}

const FORMATS: [Format; 3] = [Format::Timeseries, Format::Flat, Format::Columns];

/// Row S1-13 of the seed's features: the message's shape, to the byte.
#[test]
fn s1_13_message_shape() {
    let mut one = Rows::new(vec![Channel::named("ch0"), Channel::named("ch3")]);
    one.push(1_769_434_200_000, |i| (i == 0).then_some("51000"));
    let shipment = shipment(Format::Timeseries);
    let pack = PackConfig {
        format: Format::Timeseries,
        unit: 4096,
        units: 1,
    };
    let frame = Frame::of(&shipment, "b", &pack);
    assert_eq!(
        std::str::from_utf8(&body(&one, 0..1, false, &frame)).unwrap(),
        r#"{"customer_id":"Your customer Id","site_id":"Energy meter 1","Timerange":{"begin":"2026-01-26T13:15:00.000Z","end":"2026-01-26T13:30:00.000Z"},"Timeseries":[{"Timestamp":"2026-01-26T13:30:00.000Z","Channels":{"ch0":51000}}]}"#
    );
}

/// Row S1-14 of the seed's features: customer and site as application properties, in what HTTP headers can carry.
#[test]
fn s1_14_properties_name_customer_and_site() {
    let shipment = shipment(Format::Timeseries);
    let pack = PackConfig {
        format: Format::Timeseries,
        unit: 4096,
        units: 1,
    };
    let frame = Frame::of(&shipment, "b", &pack);
    let part = Part {
        label: "0".into(),
        from: 0,
        to: 1,
        revision: true,
        hash: String::new(),
    };
    let message = message(&frame, &part, Bytes::new());
    assert_eq!(message.id, "home.b.0000000007.0");
    let expected = [
        ("Customer_Id", "Your%20customer%20Id"),
        ("Site_Id", "Energy%20meter%201"),
        ("Sequence", "b.0000000007"),
        ("revision", "true"),
    ];
    assert_eq!(
        message.properties,
        expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
}

/// A body is never beyond its units, and hardly below them: adding one more row would have been too much.
#[test]
fn bodies_fill_their_units() {
    for format in FORMATS {
        for units in [1, 4, 46] {
            let shipment = shipment(format);
            let pack = PackConfig {
                format,
                unit: 4096,
                units,
            };
            let frame = Frame::of(&shipment, "b", &pack);
            let rows = rows(20_000, &[]);
            let cuts = cut(&rows, &frame);
            let full = cuts.len() - 1;
            for range in &cuts[..full] {
                let part = Part {
                    label: "10".into(),
                    from: 0,
                    to: 0,
                    revision: false,
                    hash: String::new(),
                };
                let count = |to| {
                    counted(&message(
                        &frame,
                        &part,
                        body(&rows, range.start..to, false, &frame),
                    ))
                };
                assert!(count(range.end) <= limit(&pack), "{format:?} {units}");
                // The frame allows for a revision's mark and the longest part label.
                assert!(count(range.end + 1) + 60 > limit(&pack), "{format:?} {units}");
            }
        }
    }
}

proptest! {
    #[test]
    fn cuts_cover_every_row_once_and_never_mix_revisions(
        count in 0usize..300,
        revised in proptest::collection::btree_set(0usize..300, 0..20),
        unit in prop_oneof![Just(512usize), Just(4096)],
        units in 1usize..4,
        format in proptest::sample::select(&FORMATS[..]),
    ) {
        let revised: Vec<usize> = revised.into_iter().collect();
        let rows = rows(count, &revised);
        let shipment = shipment(format);
        let frame = Frame::of(&shipment, "b", &PackConfig { format, unit, units });
        let mut next = 0;
        for range in cut(&rows, &frame) {
            prop_assert_eq!(range.start, next);
            prop_assert!(range.end > range.start);
            prop_assert!(range.clone().all(|row| rows.is_revised(row) == rows.is_revised(range.start)));
            let bytes = body(&rows, range.clone(), rows.is_revised(range.start), &frame);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
            next = range.end;
        }
        prop_assert_eq!(next, count);
    }
}
