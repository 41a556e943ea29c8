//! Alerts and workbook against what the program logs.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::deployment::{Deployment, SHAPES, name, place};

/// What a hub takes in a day, per unit. Source: Microsoft Learn, "IoT Hub quotas and throttling".
const QUOTAS: [(&str, u64); 7] = [
    ("F1", 8_000),
    ("B1", 400_000),
    ("S1", 400_000),
    ("B2", 6_000_000),
    ("S2", 6_000_000),
    ("B3", 300_000_000),
    ("S3", 300_000_000),
];

/// Queries ask for fields and messages that are logged, each alert is explained, and the quota's alert knows the quota.
pub fn logged(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    for (shape, resource) in deployment.resources() {
        let properties = &resource["properties"];
        let queries: Vec<String> = match resource["type"].as_str() {
            Some("Microsoft.Insights/scheduledQueryRules") => {
                vec![
                    properties["criteria"]["allOf"][0]["query"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                ]
            }
            Some("Microsoft.Insights/workbooks") => {
                let data = properties["serializedData"].as_str().unwrap_or_default();
                let data: Value = serde_json::from_str(data).unwrap_or_default();
                let items = data["items"].as_array().into_iter().flatten();
                items
                    .filter_map(|item| Some(item["content"]["query"].as_str()?.to_owned()))
                    .collect()
            }
            _ => continue,
        };
        if queries.is_empty() {
            found.push(format!("{}: no query", place(shape, resource)));
        }
        for query in queries {
            let place = place(shape, resource);
            // Lines in JSON begin with a brace; any other is a place that was not filled in.
            let unfilled = query.replace("\"{\"", "").contains(['{', '}']);
            if !query.contains("\nAppTraces\n") || unfilled {
                found.push(format!(
                    "{place}: does not ask the traces, or is not filled in: {query}"
                ));
            }
            for field in fields(&query) {
                if !deployment.logged.fields.contains(field) {
                    found.push(format!("{place}: no line has {field}"));
                }
            }
            for text in messages(&query) {
                if !deployment
                    .logged
                    .messages
                    .iter()
                    .any(|message| message.starts_with(text))
                {
                    found.push(format!("{place}: no line says {text:?}"));
                }
            }
        }
    }
    for shape in SHAPES {
        let rules = deployment
            .of_type("Microsoft.Insights/scheduledQueryRules")
            .chain(deployment.of_type("Microsoft.Insights/metricAlerts"))
            .filter(|(of, _)| *of == shape);
        let names: BTreeSet<&str> = rules
            .filter_map(|(_, rule)| Some(name(rule).rsplit_once('-')?.0))
            .collect();
        let (_, table) = deployment.readme.split_once("| Alert |").unwrap_or_default();
        let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
        let rows: BTreeSet<&str> = rows.filter_map(|line| line.split('`').next()).collect();
        if names != rows {
            found.push(format!(
                "{shape}: the alerts are {names:?}, the README explains {rows:?}"
            ));
        }
        let hub = deployment
            .of_type("Microsoft.Devices/IotHubs")
            .find(|(of, _)| *of == shape);
        let sku = hub.map(|(_, hub)| hub["sku"].clone()).unwrap_or_default();
        let quota = QUOTAS
            .iter()
            .find(|(tier, _)| sku["name"] == *tier)
            .map_or(0, |(_, quota)| *quota);
        let expected = quota * sku["capacity"].as_u64().unwrap_or_default() / 5 * 4;
        for (_, alert) in deployment
            .of_type("Microsoft.Insights/metricAlerts")
            .filter(|(of, _)| *of == shape)
        {
            let criterion = &alert["properties"]["criteria"]["allOf"][0];
            if criterion["metricName"] != "dailyMessageQuotaUsed" || criterion["threshold"] != expected {
                found.push(format!(
                    "{shape}: {criterion}, though four fifths of the quota are {expected}"
                ));
            }
        }
    }
    found
}

/// What is taken from a line: `source` of `line.source`.
fn fields(query: &str) -> impl Iterator<Item = &str> {
    query.split("line.").skip(1).filter_map(|rest| {
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        rest.get(..end)
    })
}

/// What messages are compared with: texts behind `line.message` up to the line's end.
fn messages(query: &str) -> impl Iterator<Item = &str> {
    query
        .lines()
        .filter_map(|line| line.split_once("line.message ")?.1.into())
        .flat_map(|rest: &str| rest.split('"').skip(1).step_by(2))
}

#[test]
fn queries_are_taken_apart() {
    let query = "| where line.message in (\"A b\", \"C\") and toint(line.dead) > 0\n| extend x = line.y_z";
    assert_eq!(fields(query).collect::<Vec<_>>(), ["message", "dead", "y_z"]);
    assert_eq!(messages(query).collect::<Vec<_>>(), ["A b", "C"]);
}
