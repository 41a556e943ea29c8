//! What source and hub wrote down, read back.

use std::collections::BTreeMap;
use std::path::Path;

use meterbridge::clock::Millis;
use serde_json::Value;

use crate::Outcome;

/// The values of a row by channel, numbers as JSON reads them.
pub(crate) type Values = BTreeMap<String, String>;

/// One version of a row at the source.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) site: String,
    pub(crate) stamp: Millis,
    pub(crate) values: Values,
}

/// A message that the hub took, or a dead letter.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
}

/// The parts of a message id, which sort by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) source: String,
    pub(crate) birth: String,
    pub(crate) number: u64,
    pub(crate) label: Vec<u32>,
}

/// Every version of every row, in the order in which a site's came to be seen at their stamps.
pub(crate) fn versions(file: &Path) -> Outcome<Vec<Version>> {
    let mut all = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let entry: Value = serde_json::from_str(line)?;
        let cells = entry["cells"].as_array().cloned().unwrap_or_default();
        let values = cells.iter().enumerate().filter(|(_, cell)| cell.is_number());
        all.push(Version {
            site: entry["site"].as_str().unwrap_or_default().to_owned(),
            stamp: entry["stamp"].as_i64().unwrap_or_default(),
            values: values
                .map(|(channel, cell)| (format!("ch{channel}"), number(cell)))
                .collect(),
        });
    }
    Ok(all)
}

/// Every message, in the order of arrival.
pub(crate) fn messages(file: &Path) -> Outcome<Vec<Message>> {
    let mut all = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let entry: Value = serde_json::from_str(line)?;
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        all.push(Message {
            id: text("id"),
            body: text("body"),
        });
    }
    Ok(all)
}

/// `source.birth.number.label`.
pub(crate) fn name(id: &str) -> Option<Name> {
    let mut parts = id.splitn(4, '.');
    Some(Name {
        source: parts.next()?.to_owned(),
        birth: parts.next()?.to_owned(),
        number: parts.next()?.parse().ok()?,
        label: parts
            .next()?
            .split('.')
            .map(|part| part.parse().ok())
            .collect::<Option<_>>()?,
    })
}

/// The rows of a body in any format, in its order.
pub(crate) fn rows(body: &str) -> Option<Vec<(Millis, Values)>> {
    let body: Value = serde_json::from_str(body).ok()?;
    if let Some(readings) = body.as_array() {
        let mut rows: Vec<(Millis, Values)> = Vec::new();
        for reading in readings {
            let stamp = instant(&reading["t"])?;
            let channel = reading["channel"].as_str()?.to_owned();
            match rows.last_mut() {
                Some((last, values)) if *last == stamp => {
                    values.insert(channel, number(&reading["v"]));
                }
                _ => rows.push((stamp, [(channel, number(&reading["v"]))].into())),
            }
        }
        return Some(rows);
    }
    if let Some(rows) = body["Timeseries"].as_array() {
        return rows
            .iter()
            .map(|row| {
                let channels = row["Channels"].as_object()?;
                let values = channels.iter().map(|(name, value)| (name.clone(), number(value)));
                Some((instant(&row["Timestamp"])?, values.collect()))
            })
            .collect();
    }
    let mut stamp = instant(&body["first"])?;
    let mut stamps = vec![stamp];
    for step in body["steps"].as_array()? {
        stamp += step.as_i64()?;
        stamps.push(stamp);
    }
    let channels = body["Channels"].as_object()?;
    let row = |(at, stamp): (usize, Millis)| {
        let values = channels.iter().filter(|(_, column)| column[at].is_number());
        (
            stamp,
            values
                .map(|(name, column)| (name.clone(), number(&column[at])))
                .collect(),
        )
    };
    Some(stamps.into_iter().enumerate().map(row).collect())
}

fn instant(value: &Value) -> Option<Millis> {
    let text = value.as_str()?;
    // The old connector wrote no zone.
    let zoned = if text.ends_with('Z') {
        text.to_owned()
    } else {
        format!("{text}Z")
    };
    let at: chrono::DateTime<chrono::Utc> = zoned.parse().ok()?;
    Some(at.timestamp_millis())
}

/// `12.50` and `12.5` are one number.
fn number(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| value.to_string(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_are_read_in_every_format() {
        let bodies = [
            r#"{"source_id":"a","Timeseries":[{"Timestamp":"2026-01-26T13:30:00.000Z","Channels":{"ch0":1,"ch1":2.50}},{"Timestamp":"2026-01-26T13:30:01.000Z","Channels":{"ch0":3}}]}"#,
            r#"[{"source_id":"a","t":"2026-01-26T13:30:00.000Z","channel":"ch0","v":1},{"source_id":"a","t":"2026-01-26T13:30:00.000Z","channel":"ch1","v":2.5},{"source_id":"a","t":"2026-01-26T13:30:01.000Z","channel":"ch0","v":3}]"#,
            r#"{"source_id":"a","first":"2026-01-26T13:30:00.000Z","steps":[1000],"Channels":{"ch0":[1,3],"ch1":[2.5,null]}}"#,
        ];
        let [one, two, three] = bodies.map(|body| rows(body).unwrap());
        assert_eq!(one.len(), 2);
        assert_eq!(one[1].0 - one[0].0, 1_000);
        assert_eq!((&one, &one), (&two, &three));
    }

    #[test]
    fn names_sort_by_age() {
        let names =
            ["a.b.0000000009.0", "a.b.0000000010.3.1", "a.b.0000000010.10"].map(|id| name(id).unwrap());
        assert!(names.is_sorted());
        assert!(name("a.b.c.0").is_none());
    }
}
