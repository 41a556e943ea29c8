//! The map before the table, clashes of names, what is reported.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::source::tasmota::reply;

fn leaves(sensors: &str) -> Vec<Leaf> {
    reply::parse(format!(r#"{{"StatusSNS":{sensors}}}"#).as_bytes())
        .unwrap()
        .leaves
}

fn mapped(path: &str, obis: Option<&str>, scale: Option<&str>) -> Mapped {
    Mapped {
        channel: Channel {
            obis: obis.map(str::to_owned),
            ..Channel::named(path)
        },
        scale: scale.map(|s| s.parse().unwrap()),
    }
}

fn sent(picked: &Picked) -> Vec<(&str, Option<&str>)> {
    picked
        .values
        .iter()
        .map(|pick| (pick.channel.sent_name(), pick.sent.as_deref()))
        .collect()
}

#[test]
fn the_map_goes_before_the_table() {
    let leaves = leaves(r#"{"SML":{"Total_in":1.5,"Power_curr":-71,"a/b":"0042","x":3}}"#);
    let map = [
        mapped("/SML/a~1b", None, None),
        mapped("/SML/Total_in", Some("1-0:1.8.1*255"), Some("1000")),
    ];
    let picked = pick(&leaves, &map, true);
    assert_eq!(
        sent(&picked),
        [
            ("/SML/a~1b", Some("42")),
            ("1-0:1.8.1*255", Some("1500")),
            ("1-0:16.7.0*255", Some("-71")),
        ]
    );
    assert_eq!(picked.unknown, ["/SML/x"]);
    assert_eq!(picked.values[1].role, Role::Counter);
    let picked = pick(&leaves, &map, false);
    assert_eq!(picked.values.len(), 2);
    assert_eq!(picked.unknown, ["/SML/Power_curr", "/SML/x"]);
}

#[test]
fn several_meters_are_told_apart_by_key_path() {
    let leaves =
        leaves(r#"{"Haus":{"E_in":1,"Power":2},"PV":{"E_in":3},"Gas":{"Total":9},"SML":{"Freq":50}}"#);
    let picked = pick(&leaves, &[], true);
    assert_eq!(
        sent(&picked),
        [
            ("/Haus/E_in", Some("1")),
            ("/Haus/Power", Some("2")),
            ("/PV/E_in", Some("3")),
            ("1-0:14.7.0*255", Some("50")),
        ]
    );
    assert_eq!(picked.unknown, ["/Gas/Total"]);
    assert!(picked.remarks[0].contains("(Haus, PV)"), "{:?}", picked.remarks);
}

#[test]
fn one_code_is_sent_once() {
    let leaves = leaves(r#"{"SML":{"E_in":1,"Total_in":2,"Power":null}}"#);
    let picked = pick(&leaves, &[], true);
    assert_eq!(
        sent(&picked),
        [
            ("1-0:1.8.0*255", Some("1")),
            ("/SML/Total_in", Some("2")),
            ("1-0:16.7.0*255", None),
        ]
    );
    assert_eq!(picked.remarks.len(), 1);
    let map = [
        mapped("/SML/Total_in", None, None),
        mapped("/SML/Total_in", None, None),
    ];
    let picked = pick(&leaves, &map, false);
    assert_eq!(sent(&picked), [("/SML/Total_in", Some("2"))]);
}

#[test]
fn what_stands_twice_is_not_recognised() {
    let twice = leaves(r#"{"SML":{"volt_l1":230.1,"volt_l1":4.2}}"#);
    let picked = pick(&twice, &[], true);
    assert!(picked.values.is_empty());
    assert_eq!(picked.unknown, ["/SML/volt_l1"]);
    let picked = pick(
        &twice,
        &[mapped("/SML/volt_l1", Some("1-0:31.7.0*255"), None)],
        true,
    );
    assert_eq!(sent(&picked), [("1-0:31.7.0*255", Some("4.2"))]);
}

#[test]
fn ids_and_states_are_neither_sent_nor_unknown() {
    let leaves = leaves(
        r#"{"Switch1":"ON","SML":{"Meter_id":"0901454d48","serial":123,"state":"ok","on":true,"odd":"1.50","n":null,"nr":"77"}}"#,
    );
    let picked = pick(&leaves, &[], true);
    assert!(picked.values.is_empty());
    assert_eq!(picked.unknown, ["/SML/odd", "/SML/n"]);
    assert_eq!(picked.ids.len(), 2);
    assert!(picked.ids.iter().all(|id| !id.blank));
}

#[test]
fn mapped_paths_that_do_not_work_are_remarked_on() {
    let leaves = leaves(r#"{"SML":{"Total_in":"n/a","P":0.12345678901234567890123456789}}"#);
    let check = |path: &str, scale: Option<&str>, remark: &str| {
        let picked = pick(&leaves, &[mapped(path, None, scale)], false);
        assert!(picked.values.iter().all(|pick| pick.sent.is_none()));
        assert!(picked.remarks[0].contains(remark), "{:?}", picked.remarks);
    };
    check("/SML/Total_in", None, "no number");
    check("/SML/total_in", None, "/SML/Total_in is");
    check("/StatusSNS/SML/Total_in", None, "/SML/Total_in is");
    check("/SML/none", None, "not in the reply");
    check("/SML/P", Some("0.1"), "without rounding");
}

#[test]
fn the_list_of_unknown_labels_is_bounded() {
    let many: Vec<String> = (0..200).map(|i| format!(r#""k{i}":{i}"#)).collect();
    let picked = pick(
        &leaves(&format!(r#"{{"SML":{{{}}}}}"#, many.join(","))),
        &[],
        true,
    );
    assert_eq!(picked.unknown.len(), MAX_UNKNOWN);
    assert!(picked.remarks[0].starts_with("136 more"));
}

proptest! {
    #[test]
    fn no_name_is_sent_twice(keys in proptest::collection::vec(
        (proptest::sample::select(vec!["SML", "PV", "MT631"]), proptest::sample::select(vec!["E_in", "Total_in", "Power", "P", "Power2", "x"])),
        0..20,
    )) {
        let mut leaves = Vec::new();
        for (prefix, label) in keys {
            let path = format!("/{prefix}/{label}");
            if leaves.iter().all(|l: &Leaf| l.path != path) {
                leaves.push(Leaf { path, prefix: prefix.into(), label: label.into(), repeated: false, value: Value::Number("1".into()) });
            }
        }
        let picked = pick(&leaves, &[], true);
        let names: HashSet<&str> = picked.values.iter().map(|p| p.channel.sent_name()).collect();
        prop_assert_eq!(names.len(), picked.values.len());
        prop_assert_eq!(picked.values.len() + picked.unknown.len(), leaves.len());
    }
}
