//! Messages as a consumer reads them.

use std::collections::BTreeMap;

use meterbridge::clock::Millis;
use meterbridge::forward::Message;
use serde_json::Value;

use super::{Breach, broken, ensure};
use crate::ledger::rounded;
use crate::world::World;

/// A row of a body: its instant, and its values in tenths by name.
pub type Read = (Millis, Vec<(String, i64)>);

/// A message that is sent for the first time says what was recorded, no more and no less.
///
/// # Errors
/// What it says otherwise.
pub fn judge(world: &World, message: &Message) -> Result<(), Breach> {
    const CHECK: &str = "bodies say what was recorded";
    let id = &message.id;
    let (rows, revision) =
        read(&message.body).ok_or_else(|| broken(CHECK, format!("{id} cannot be read")))?;
    let Some(frozen) = world.ledger.parts.get(id) else {
        return Ok(());
    };
    let Some(shipment) = world.ledger.shipments.get(&frozen.number) else {
        return Ok(());
    };
    let recorded = world.ledger.rows_of(shipment);
    let recorded = recorded.get(frozen.rows.clone()).unwrap_or_default();
    let was = merged(recorded.iter().map(|row| (row.stamp, row.values.clone())));
    ensure(was == merged(rows.iter().cloned()), CHECK, || {
        format!("{id} has {rows:?}, recorded is {recorded:?}")
    })?;
    let property = message
        .properties
        .iter()
        .any(|(name, value)| name == "revision" && value == "true");
    let all = recorded.iter().all(|row| row.revised == revision);
    ensure(all && property == revision, "revisions are marked", || {
        format!("{id}: body {revision}, property {property}, recorded {recorded:?}")
    })
}

/// Rows of one instant that stand together as one: the flat format does not tell them apart.
fn merged(rows: impl Iterator<Item = Read>) -> Vec<Read> {
    let mut merged: Vec<Read> = Vec::new();
    for (stamp, values) in rows {
        match merged.last_mut() {
            Some(last) if last.0 == stamp => last.1.extend(values),
            _ => merged.push((stamp, values)),
        }
    }
    for (_, values) in &mut merged {
        values.sort_by(|a, b| a.0.cmp(&b.0));
    }
    merged
}

/// Reads a body of any format: its rows, and whether it revises.
#[must_use]
pub fn read(body: &[u8]) -> Option<(Vec<Read>, bool)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let mut rows: Vec<Read> = Vec::new();
    let mut revision = body["revision"] == true;
    if let Some(readings) = body.as_array() {
        for reading in readings {
            let stamp = instant(&reading["t"])?;
            revision |= reading["revision"] == true;
            // Readings of one row stand together; a channel that comes again begins another row.
            let name = reading["channel"].as_str()?.to_owned();
            let value = (name, rounded(reading["v"].as_f64()?));
            match rows.last_mut() {
                Some(row) if row.0 == stamp && row.1.iter().all(|(name, _)| *name != value.0) => {
                    row.1.push(value);
                }
                _ => rows.push((stamp, vec![value])),
            }
        }
    } else if let Some(listed) = body["Timeseries"].as_array() {
        for row in listed {
            let mut values = Vec::new();
            for (name, value) in row["Channels"].as_object()? {
                values.push((name.clone(), rounded(value.as_f64()?)));
            }
            rows.push((instant(&row["Timestamp"])?, values));
        }
    } else {
        let mut stamp = instant(&body["first"])?;
        rows.push((stamp, Vec::new()));
        for step in body["steps"].as_array()? {
            stamp += step.as_i64()?;
            rows.push((stamp, Vec::new()));
        }
        for (name, values) in body["Channels"].as_object()? {
            for (row, value) in rows.iter_mut().zip(values.as_array()?) {
                if let Some(value) = value.as_f64() {
                    row.1.push((name.clone(), rounded(value)));
                }
            }
        }
    }
    for (_, values) in &mut rows {
        values.sort();
    }
    Some((rows, revision))
}

fn instant(value: &Value) -> Option<Millis> {
    let text = value.as_str()?;
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.timestamp_millis())
}

/// What a consumer's query finds: the value of each instant and channel with the highest sequence, part and place.
pub fn newest<'a>(messages: impl Iterator<Item = &'a Message>) -> BTreeMap<(Millis, String), i64> {
    type Age = (String, Vec<u64>, usize);
    let mut newest: BTreeMap<(Millis, String), (Age, i64)> = BTreeMap::new();
    for message in messages {
        let sequence = message.properties.iter().find(|(name, _)| name == "Sequence");
        let sequence = sequence.map_or(String::new(), |(_, value)| value.clone());
        // What stands behind source, birth and number.
        let part: Vec<u64> = message
            .id
            .split('.')
            .skip(3)
            .filter_map(|digits| digits.parse().ok())
            .collect();
        for (place, (stamp, values)) in read(&message.body).unwrap_or_default().0.into_iter().enumerate() {
            for (name, value) in values {
                let age = (sequence.clone(), part.clone(), place);
                let entry = newest
                    .entry((stamp, name))
                    .or_insert_with(|| (age.clone(), value));
                if entry.0 < age {
                    *entry = (age, value);
                }
            }
        }
    }
    newest.into_iter().map(|(key, (_, value))| (key, value)).collect()
}
