#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::{json, stamp};

/// Channels of a row by index into `NAMES`, with the text of the value.
type Row = (i64, Vec<(usize, String)>);

const NAMES: [&str; 4] = ["ch0", "1-0:1.8.0*255", "Zähler \"1\"\n", ""];
const FORMATS: [Format; 3] = [Format::Timeseries, Format::Flat, Format::Columns];

/// 2026-01-26T13:15:00.000Z
const T: i64 = 1_769_433_300_000;
const RANGE: Timerange = Timerange {
    begin: T,
    end: T + 1_800_000,
};
const SITE: Identity<'_> = Identity::Site {
    customer: "c-1",
    site: "Zähler \"1\"",
};
const SOURCE: Identity<'_> = Identity::Source { id: "home" };

fn write(writer: &mut Writer, envelope: &Envelope, rows: &[(i64, &[(&str, &str)])]) -> String {
    let mut out = b"before ".to_vec();
    writer.begin(&mut out, envelope, RANGE);
    for (stamp, values) in rows {
        writer.row(&mut out, *stamp, values.iter().copied());
    }
    writer.end(&mut out);
    String::from_utf8(out).unwrap().split_off(7)
}

#[test]
fn bodies_are_exactly_these_bytes() {
    let check = |format: Format,
                 identity: &Identity<'_>,
                 revision,
                 rows: &[(i64, &[(&str, &str)])],
                 expected: &str| {
        let envelope = Envelope::new(identity, revision);
        assert_eq!(write(&mut Writer::new(format), &envelope, rows), expected);
    };
    let range = r#""Timerange":{"begin":"2026-01-26T13:15:00.000Z","end":"2026-01-26T13:45:00.000Z"}"#;
    let one: (i64, &[_]) = (T + 900_000, &[("ch0", "51000")]);
    let two: (i64, &[_]) = (T + 1_800_000, &[("ch0", "51000.50"), ("ch1", "-0")]);
    let three: (i64, &[_]) = (T + 1_799_000, &[("ch1", "1e3")]);
    let none: (i64, &[_]) = (T, &[]);

    check(
        Format::Timeseries,
        &SITE,
        false,
        &[one],
        &format!(
            r#"{{"customer_id":"c-1","site_id":"Zähler \"1\"",{range},"Timeseries":[{{"Timestamp":"2026-01-26T13:30:00.000Z","Channels":{{"ch0":51000}}}}]}}"#
        ),
    );
    check(
        Format::Timeseries,
        &SOURCE,
        true,
        &[none, two],
        &format!(
            r#"{{"source_id":"home","revision":true,{range},"Timeseries":[{{"Timestamp":"2026-01-26T13:15:00.000Z","Channels":{{}}}},{{"Timestamp":"2026-01-26T13:45:00.000Z","Channels":{{"ch0":51000.50,"ch1":-0}}}}]}}"#
        ),
    );
    check(
        Format::Timeseries,
        &SOURCE,
        false,
        &[],
        &format!(r#"{{"source_id":"home",{range},"Timeseries":[]}}"#),
    );

    check(
        Format::Flat,
        &SOURCE,
        false,
        &[one, none, two],
        concat!(
            r#"[{"source_id":"home","t":"2026-01-26T13:30:00.000Z","channel":"ch0","v":51000},"#,
            r#"{"source_id":"home","t":"2026-01-26T13:45:00.000Z","channel":"ch0","v":51000.50},"#,
            r#"{"source_id":"home","t":"2026-01-26T13:45:00.000Z","channel":"ch1","v":-0}]"#
        ),
    );
    check(
        Format::Flat,
        &SITE,
        true,
        &[one],
        r#"[{"customer_id":"c-1","site_id":"Zähler \"1\"","revision":true,"t":"2026-01-26T13:30:00.000Z","channel":"ch0","v":51000}]"#,
    );
    check(Format::Flat, &SOURCE, false, &[], "[]");

    check(
        Format::Columns,
        &SOURCE,
        true,
        &[one, two, three, none],
        &format!(
            r#"{{"source_id":"home","revision":true,{range},"first":"2026-01-26T13:30:00.000Z","steps":[900000,-1000,-1799000],"Channels":{{"ch0":[51000,51000.50,null,null],"ch1":[null,-0,1e3,null]}}}}"#
        ),
    );
    check(
        Format::Columns,
        &SITE,
        false,
        &[one],
        &format!(
            r#"{{"customer_id":"c-1","site_id":"Zähler \"1\"",{range},"first":"2026-01-26T13:30:00.000Z","steps":[],"Channels":{{"ch0":[51000]}}}}"#
        ),
    );
    check(
        Format::Columns,
        &SOURCE,
        false,
        &[none],
        &format!(
            r#"{{"source_id":"home",{range},"first":"2026-01-26T13:15:00.000Z","steps":[],"Channels":{{}}}}"#
        ),
    );
    check(
        Format::Columns,
        &SOURCE,
        false,
        &[],
        &format!(r#"{{"source_id":"home",{range},"first":null,"steps":[],"Channels":{{}}}}"#),
    );
}

#[test]
fn a_writer_forgets_the_body_before() {
    let envelope = Envelope::new(&SOURCE, false);
    let first: &[(i64, &[_])] = &[(T, &[("a", "1"), ("b", "2")]), (T + 1, &[("a", "3")])];
    let second: &[(i64, &[_])] = &[(T + 9, &[("b", "4")])];
    for format in FORMATS {
        let mut writer = Writer::new(format);
        write(&mut writer, &envelope, first);
        let unfinished = &mut Vec::new();
        writer.begin(unfinished, &envelope, RANGE);
        writer.row(unfinished, T, [("c", "5")]);
        assert_eq!(
            write(&mut writer, &envelope, second),
            write(&mut Writer::new(format), &envelope, second)
        );
    }
}

/// Callers must not do this; if one does, the other rows keep their places and the size is still right.
#[test]
fn a_channel_that_occurs_twice_does_not_shift_columns() {
    let envelope = Envelope::new(&SOURCE, false);
    let rows: &[(i64, &[_])] = &[
        (T, &[("a", "1"), ("a", "22")]),
        (T + 1, &[("a", "3"), ("a", "44")]),
    ];
    let body = write(&mut Writer::new(Format::Columns), &envelope, rows);
    assert!(body.ends_with(r#""Channels":{"a":[1,3]}}"#), "{body}");
    let mut size = Size::new(Format::Columns, &envelope);
    for (stamp, values) in rows {
        let before = size.len();
        let bound = before + size.row_len(*stamp, values.iter().copied());
        assert!((before + 1..=bound).contains(&size.add(*stamp, values.iter().copied())));
    }
    assert_eq!(size.len(), body.len());
}

#[test]
fn formats_have_names() {
    for format in FORMATS {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert_eq!("Flat".parse::<Format>(), Err(UnknownFormat));
    assert_eq!(Format::default(), Format::Timeseries);
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?(e-?[0-9]{1,2})?",
    ];
    let values = proptest::collection::btree_map(0..NAMES.len(), value, 0..=NAMES.len());
    // In any order, since nothing says that a backend sorts its channels.
    let values = values
        .prop_map(|map| map.into_iter().collect::<Vec<_>>())
        .prop_shuffle();
    let stamp = prop_oneof![T - 100_000..T + 100_000, any::<i64>(), stamp::MIN..=stamp::MAX];
    proptest::collection::vec((stamp, values), 0..12)
}

fn envelope() -> impl Strategy<Value = Envelope> {
    (".{0,12}", ".{0,12}", any::<bool>(), any::<bool>()).prop_map(|(one, two, site, revision)| {
        let identity = if site {
            Identity::Site {
                customer: &one,
                site: &two,
            }
        } else {
            Identity::Source { id: &one }
        };
        Envelope::new(&identity, revision)
    })
}

fn values<'a>(row: &'a Row, names: &'a [String]) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
    row.1
        .iter()
        .map(|(name, value)| (names[*name].as_str(), value.as_str()))
}

fn escaped_names() -> Vec<String> {
    NAMES.iter().map(|name| json::escape(name).into_owned()).collect()
}

/// What the body says, read by another JSON library: value text by stamp and channel, in order of writing.
fn readings(format: Format, body: &[u8]) -> Vec<(String, String, String)> {
    type Channels = BTreeMap<String, std::boxed::Box<RawValue>>;
    let mut found = Vec::new();
    match format {
        Format::Timeseries => {
            let body: BTreeMap<String, std::boxed::Box<RawValue>> = serde_json::from_slice(body).unwrap();
            let rows: Vec<Channels> = serde_json::from_str(body["Timeseries"].get()).unwrap();
            for row in rows {
                let stamp: String = serde_json::from_str(row["Timestamp"].get()).unwrap();
                let channels: Channels = serde_json::from_str(row["Channels"].get()).unwrap();
                found.extend(
                    channels
                        .into_iter()
                        .map(|(name, value)| (stamp.clone(), name, value.get().to_string())),
                );
            }
        }
        Format::Flat => {
            let readings: Vec<Channels> = serde_json::from_slice(body).unwrap();
            for reading in readings {
                let text = |name: &str| serde_json::from_str(reading[name].get()).unwrap();
                found.push((text("t"), text("channel"), reading["v"].get().to_string()));
            }
        }
        Format::Columns => {
            let body: BTreeMap<String, std::boxed::Box<RawValue>> = serde_json::from_slice(body).unwrap();
            let steps: Vec<i64> = serde_json::from_str(body["steps"].get()).unwrap();
            let first: Option<String> = serde_json::from_str(body["first"].get()).unwrap();
            let mut stamps: Vec<i64> = first.iter().map(|text| stamp::parse(text).unwrap()).collect();
            for step in steps {
                stamps.push(stamps.last().unwrap() + step);
            }
            let channels: BTreeMap<String, Vec<std::boxed::Box<RawValue>>> =
                serde_json::from_str(body["Channels"].get()).unwrap();
            for (name, column) in channels {
                assert_eq!(column.len(), stamps.len());
                for (ms, value) in stamps.iter().zip(column) {
                    if value.get() != "null" {
                        found.push((
                            stamp::text(*ms).to_string(),
                            name.clone(),
                            value.get().to_string(),
                        ));
                    }
                }
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn announced_length_is_written_length(envelope in envelope(), bodies in proptest::collection::vec(rows(), 1..3)) {
        let names = escaped_names();
        for format in FORMATS {
            let mut writer = Writer::new(format);
            let mut size = Size::new(format, &envelope);
            for rows in &bodies {
                size.clear();
                prop_assert_eq!(size.len(), size.envelope_len());
                // Every row may be the last, so every length on the way must be right.
                for count in 0..=rows.len() {
                    let mut out = vec![];
                    writer.begin(&mut out, &envelope, RANGE);
                    for row in &rows[..count] {
                        writer.row(&mut out, row.0, values(row, &names));
                    }
                    writer.end(&mut out);
                    prop_assert_eq!(size.len(), out.len(), "{}: {}", format, String::from_utf8_lossy(&out));
                    prop_assert_eq!(size.is_empty(), size.len() == size.envelope_len());
                    if let Some(row) = rows.get(count) {
                        let announced = size.len() + size.row_len(row.0, values(row, &names));
                        prop_assert_eq!(size.add(row.0, values(row, &names)), announced);
                    }
                }
            }
        }
    }

    #[test]
    fn bodies_say_what_the_rows_say(envelope in envelope(), rows in rows()) {
        let names = escaped_names();
        let mut expected: Vec<_> = rows
            .iter()
            .flat_map(|row| row.1.iter().map(|(name, value)| {
                (stamp::text(row.0).to_string(), NAMES[*name].to_string(), value.clone())
            }))
            .collect();
        expected.sort();
        for format in FORMATS {
            let mut out = vec![];
            let mut writer = Writer::new(format);
            writer.begin(&mut out, &envelope, RANGE);
            for row in &rows {
                writer.row(&mut out, row.0, values(row, &names));
            }
            writer.end(&mut out);
            let mut found = readings(format, &out);
            found.sort();
            prop_assert_eq!(found, expected.clone(), "{}", format);
        }
    }

    #[test]
    fn identities_survive(customer in "(.|[\"\\\\\u{1}]){0,9}", site in ".{0,9}") {
        let envelope = Envelope::new(&Identity::Site { customer: &customer, site: &site }, true);
        let body: Value = serde_json::from_str(&write(&mut Writer::new(Format::Timeseries), &envelope, &[])).unwrap();
        prop_assert_eq!(body["customer_id"].as_str(), Some(customer.as_str()));
        prop_assert_eq!(body["site_id"].as_str(), Some(site.as_str()));
        prop_assert_eq!(body["revision"].as_bool(), Some(true));
    }
}
