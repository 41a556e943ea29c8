#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A twin as the service side shows it, shortened.
fn twin(id: &str, tags: &Value) -> Value {
    json!({
        "deviceId": id,
        "status": "enabled",
        "connectionState": "Disconnected",
        "lastActivityTime": "2026-01-02T03:04:05.000Z",
        "cloudToDeviceMessageCount": 2,
        "capabilities": {"iotEdge": false},
        "tags": tags,
        "properties": {
            "desired": {"interval": 60, "$version": 3},
            "reported": {"interval": 15, "fw": "1.2", "on": true, "gone": null, "list": [1, 2], "$version": 9},
        },
    })
}

#[track_caller]
fn holds(filter: &str, expected: bool) {
    let query = parse(&format!("SELECT * FROM devices WHERE {filter}")).unwrap();
    let meter = twin("meter-1", &json!({"site": "a1", "floor": 2, "odd key": 1}));
    assert_eq!(query.takes(&meter), expected, "{filter}: {query:?}");
}

#[test]
fn conditions() {
    for filter in [
        "deviceId = 'meter-1'",
        "DeviceId = \"meter-1\"",
        "devices.deviceId = 'meter-1'",
        "devices.jobs.deviceId = 'meter-1'",
        "STARTSWITH(id, 'meter')",
        "startsWith(deviceId,'m') AND ENDSWITH(deviceId, '-1') AND CONTAINS(deviceId, 'ter')",
        "status = 'enabled' and connectionState = 'Disconnected'",
        "LastActivityTime < '2026-01-03'",
        "tags.site IN ['b1', 'a1']",
        "tags.site NOT IN ['b1']",
        "NOT tags.site IN ['b1', 'c1']",
        "tags.[[odd key]] = 1",
        "tags.floor >= 2 AND tags.floor <= 2 AND tags.floor > 1.5 AND tags.floor < 0x10",
        "tags.floor <> 3 AND tags.floor != 1e1",
        "capabilities.iotEdge = false",
        "properties.reported.interval < properties.desired.interval",
        "properties.reported.interval * 2 + 5 = 35",
        "-properties.reported.interval + 15 = 0",
        "10 - 2 - 3 = 5 AND 7 % 4 = 3 AND 1 / 2 = 0.5",
        "properties.reported.$version = 9",
        "properties.reported.gone = null",
        "properties.reported.list = [1, 2]",
        "properties.reported.on",
        "properties.reported.on = true",
        "IS_DEFINED(tags.site) AND NOT is_defined(tags.none)",
        "NOT NOT IS_DEFINED(tags.site)",
        "tags.none = 1 OR tags.site = 'a1'",
        "NOT (tags.none = 1 AND tags.site = 'b1')",
        "(tags.site = 'a1' OR tags.site = 'b1') AND status = 'enabled'",
        "1 = 2 OR 1 = 1 AND 2 = 2",
        "tags.site\n= 'a1'",
    ] {
        holds(filter, true);
    }
    // What is undefined does not hold, nor does its opposite.
    for filter in [
        "tags.none = 1",
        "tags.none != 1",
        "NOT tags.none = 1",
        "NOT (tags.none = 1 OR tags.site = 'b1')",
        "tags.site = 1",
        "tags.site != 1",
        "tags.site < 1",
        "tags.site",
        "undefined = undefined",
        "tags.site IN [1, 'A1']",
        "tags.none IN [1]",
        "tags.none NOT IN [1]",
        "STARTSWITH(tags.floor, '2')",
        "tags.site + 1 = 2",
        "TAGS.SITE = 'a1'",
        "tags.site.deeper = 1",
        "(1 = 1 OR 1 = 1) AND 1 = 2",
    ] {
        holds(filter, false);
    }
}

#[test]
fn rows_of_columns() {
    #[track_caller]
    fn check(query: &str, expected: &Value) {
        let twins = [
            twin("a", &json!({"site": "x", "kwh": 1})),
            twin("b", &json!({"site": "y", "kwh": 2})),
            twin("c", &json!({"site": "x", "kwh": 4.5})),
            twin("d", &json!({"kwh": "?"})),
        ];
        let query = parse(query).unwrap();
        let taken = twins.iter().filter(|twin| query.takes(twin));
        let rows = if query.is_grouped() {
            query.groups(taken)
        } else {
            taken.map(|twin| query.row(twin.clone())).collect()
        };
        assert_eq!(&Value::Array(rows), expected);
    }
    check(
        "SELECT deviceId, tags.site AS place FROM devices WHERE tags.kwh > 1",
        &json!([{"deviceId": "b", "place": "y"}, {"deviceId": "c", "place": "x"}]),
    );
    check("SELECT tags.site FROM devices WHERE deviceId = 'd'", &json!([{}]));
    check("SELECT COUNT() AS total FROM devices", &json!([{"total": 4}]));
    check("SELECT COUNT() FROM devices WHERE 1 = 2", &json!([{"$1": 0}]));
    check(
        "SELECT tags.site AS site, COUNT() AS n, SUM(tags.kwh) AS sum, AVG(tags.kwh) AS mean, MIN(tags.kwh) AS least, \
         MAX(tags.kwh) AS most FROM devices GROUP BY tags.site",
        &json!([
            {"site": "x", "n": 2, "sum": 5.5, "mean": 2.75, "least": 1, "most": 4.5},
            {"site": "y", "n": 1, "sum": 2, "mean": 2, "least": 2, "most": 2},
            {"n": 1},
        ]),
    );
    check(
        "SELECT status, tags.site FROM devices WHERE IS_DEFINED(tags.site) GROUP BY status, tags.site",
        &json!([{"status": "enabled", "site": "x"}, {"status": "enabled", "site": "y"}]),
    );
}

#[test]
fn top_and_from() {
    let query = parse("select top 5 * from devices.modules where moduleId = 'm'").unwrap();
    assert_eq!(
        (query.top, query.from, query.select),
        (Some(5), Collection::Modules, Select::All)
    );
    assert_eq!(parse("SELECT * FROM Devices").unwrap().from, Collection::Devices);
}

#[test]
fn what_is_not_understood_is_told_with_its_place() {
    let deep = format!(
        "SELECT * FROM devices WHERE {}1{} = 1",
        "(".repeat(33),
        ")".repeat(33)
    );
    let cases = [
        ("", "1:1 expected SELECT, found the end"),
        ("DELETE FROM devices", "1:1 expected SELECT"),
        ("SELECT", "1:7 expected a column"),
        ("SELECT * ", "expected FROM"),
        ("SELECT * FROM", "expected devices"),
        (
            "SELECT * FROM devices.twins",
            "1:15 expected devices, devices.modules or devices.jobs",
        ),
        ("SELECT * FROM meters", "1:15 expected devices"),
        (
            "SELECT *\nFROM devices\nWHERE deviceId ==",
            "3:17 expected a value",
        ),
        ("SELECT * FROM devices WHERE", "expected a value"),
        ("SELECT * FROM devices WHERE deviceId", ""),
        ("SELECT * FROM devices WHERE deviceId = 'a", "a closing quote"),
        ("SELECT * FROM devices WHERE deviceId IN 'a'", "a list"),
        ("SELECT * FROM devices WHERE (status = 'a'", "expected )"),
        (
            "SELECT * FROM devices WHERE LOWER(deviceId) = 'a'",
            "one of the functions",
        ),
        (
            "SELECT * FROM devices WHERE STARTSWITH(deviceId)",
            "two arguments",
        ),
        ("SELECT * FROM devices ORDER BY deviceId", "1:23 expected the end"),
        ("SELECT * FROM devices WHERE a = 1 b", "1:35"),
        ("SELECT TOP x * FROM devices", "a number of rows"),
        ("SELECT COUNT(*) FROM devices", "expected )"),
        (
            "SELECT MEDIAN(tags.a) FROM devices",
            "COUNT, SUM, AVG, MIN or MAX",
        ),
        ("SELECT * FROM devices GROUP BY status", "SELECT * cannot have"),
        (
            "SELECT deviceId, COUNT() AS n FROM devices",
            "deviceId is neither",
        ),
        ("SELECT deviceId AS FROM devices", "expected FROM"),
        (deep.as_str(), "no more than 32 levels"),
    ];
    for (text, expected) in cases {
        match parse(text) {
            Err(why) => assert!(why.to_string().contains(expected), "{text}: {why}"),
            Ok(query) => assert!(expected.is_empty(), "{text}: {query:?}"),
        }
    }
}

/// Conditions whose truth is known, and their text.
fn condition() -> impl Strategy<Value = (String, Option<bool>)> {
    let leaf = prop_oneof![
        Just(("1 = 1".to_owned(), Some(true))),
        Just(("tags.floor > 2".to_owned(), Some(false))),
        Just(("tags.none = 'x'".to_owned(), None)),
        Just(("IS_DEFINED(tags.site)".to_owned(), Some(true))),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let many = prop::collection::vec(inner.clone(), 1..5);
        let text = |terms: &[(String, Option<bool>)], between: &str| {
            let terms: Vec<String> = terms.iter().map(|(text, _)| format!("({text})")).collect();
            terms.join(between)
        };
        prop_oneof![
            many.clone().prop_map(move |terms| {
                let truth = if terms.iter().any(|(_, truth)| *truth == Some(false)) {
                    Some(false)
                } else if terms.iter().any(|(_, truth)| truth.is_none()) {
                    None
                } else {
                    Some(true)
                };
                (text(&terms, " AND "), truth)
            }),
            many.prop_map(move |terms| {
                let truth = if terms.iter().any(|(_, truth)| *truth == Some(true)) {
                    Some(true)
                } else if terms.iter().any(|(_, truth)| truth.is_none()) {
                    None
                } else {
                    Some(false)
                };
                (text(&terms, "\n or "), truth)
            }),
            inner.prop_map(|(text, truth)| (format!("NOT({text})"), truth.map(|truth| !truth))),
        ]
    })
}

proptest! {
    #[test]
    fn logic_is_that_of_three_values((text, truth) in condition()) {
        let query = parse(&format!("SELECT * FROM devices WHERE {text}")).unwrap();
        let twin = twin("meter-1", &json!({"site": "a1", "floor": 2}));
        prop_assert_eq!(query.takes(&twin), truth == Some(true), "{}", text);
    }

    #[test]
    fn any_text_is_a_value_in_quotes(text in ".{0,40}") {
        let quoted = text.replace('\\', "\\\\").replace('\'', "''");
        let query = parse(&format!("SELECT * FROM devices WHERE tags.a = '{quoted}'")).unwrap();
        let document = json!({"tags": {"a": text}});
        prop_assert!(query.takes(&document));
    }

    #[test]
    fn no_text_is_too_much(text in "(SELECT |FROM |WHERE |devices|NOT |-|[(\\[]|AND |[a-z.]{1,3}|'|[)\\]]|= |\\PC){0,200}") {
        let _ = parse(&text);
        let _ = parse(&format!("SELECT * FROM devices WHERE {text}"));
    }
}

#[test]
fn long_chains_and_deep_nests_are_survived() {
    for (start, repeated, end) in [
        ("1 = 1", " AND 1 = 1", ""),
        ("", "NOT ", "1 = 1"),
        ("1 = ", "-", "1"),
        ("1 = 1", "+1", ""),
        ("", "(", "1"),
        ("1 IN ", "[", "1"),
        ("", "IS_DEFINED(", "1"),
    ] {
        let text = format!(
            "SELECT * FROM devices WHERE {start}{}{end}",
            repeated.repeat(20_000)
        );
        if let Ok(query) = parse(&text) {
            query.takes(&json!({}));
        }
    }
}
