//! Lost, doubled, invented: from the ledgers of source and hub, and the dead letters.

use std::collections::{BTreeMap, HashMap, HashSet};

use meterbridge::clock::Millis;

use crate::figures::Figures;
use crate::ledger::{Message, Name, Values, Version, name, rows};

/// Adds what the ledgers say to `figures`, and what is wrong, in words, to `faults`.
/// Readers only know the present, so what they were asked is not in `versions`: of their messages, ids, bodies and order count.
pub(crate) fn judge(
    versions: &[Version],
    arrived: &[Message],
    dead: &[Message],
    figures: &mut Figures,
    faults: &mut Vec<String>,
) {
    let taken = bodies(arrived, figures, faults);
    for letter in dead {
        if let Some(body) = taken.get(letter.id.as_str()).filter(|body| **body != letter.body) {
            figures.bodies += 1;
            faults.push(format!(
                "{}: {body} arrived, its dead letter has {}",
                letter.id, letter.body
            ));
        }
    }
    order(arrived, dead, figures, faults);

    // What the source showed: all versions, and the last one of each row.
    let mut shown: HashMap<(&str, Millis), Vec<&Values>> = HashMap::new();
    for version in versions {
        let row = shown.entry((&version.site, version.stamp)).or_default();
        row.push(&version.values);
    }
    figures.rows += versions.len() as u64;
    figures.messages += arrived.len() as u64;
    figures.dead += dead.len() as u64;

    // What arrived: by row, the newest values; by row and values, the ids.
    let mut newest: BTreeMap<(String, Millis), (Name, usize, Values)> = BTreeMap::new();
    let mut carriers: HashMap<(String, Millis, Values), HashSet<String>> = HashMap::new();
    let kept = dead
        .iter()
        .map(|message| (message.id.as_str(), message.body.as_str()));
    for (id, body) in taken.iter().map(|(id, body)| (*id, *body)).chain(kept) {
        let (Some(name), Some(rows)) = (name(id), rows(body)) else {
            figures.broken += 1;
            faults.push(format!("{id}: no name or no body that can be read"));
            continue;
        };
        if name.source.starts_with("reader-") {
            continue;
        }
        for (place, (stamp, values)) in rows.into_iter().enumerate() {
            if !shown
                .get(&(name.source.as_str(), stamp))
                .is_some_and(|all| all.contains(&&values))
            {
                figures.invented += 1;
                faults.push(format!("{id}: {stamp} {values:?} was never shown by the source"));
            }
            let row = (name.source.clone(), stamp);
            let newer = newest
                .get(&row)
                .is_none_or(|(other, at, _)| (other, *at) < (&name, place));
            let ids = carriers
                .entry((row.0.clone(), stamp, values.clone()))
                .or_default();
            ids.insert(id.to_owned());
            if newer {
                newest.insert(row, (name.clone(), place, values));
            }
        }
    }
    for ((source, stamp, values), ids) in &carriers {
        if ids.len() > 1 {
            figures.doubled += 1;
            faults.push(format!("{source} {stamp} {values:?} arrived as {ids:?}"));
        }
    }
    for ((site, stamp), all) in &shown {
        let last = all.last();
        let arrived = newest
            .get(&((*site).to_owned(), *stamp))
            .map(|(_, _, values)| values);
        if arrived != last.copied() {
            figures.lost += 1;
            faults.push(format!(
                "{site} {stamp}: {last:?} at the source, {arrived:?} at the hub"
            ));
        }
    }
}

/// The first body under each id.
fn bodies<'a>(
    arrived: &'a [Message],
    figures: &mut Figures,
    faults: &mut Vec<String>,
) -> BTreeMap<&'a str, &'a str> {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    let mut differing = HashSet::new();
    for message in arrived {
        match taken.get(message.id.as_str()) {
            None => {
                taken.insert(&message.id, &message.body);
            }
            Some(body) if *body == message.body => figures.repeats += 1,
            Some(body) => {
                if differing.insert(&message.id) {
                    figures.bodies += 1;
                    faults.push(format!("{}: {body} and {}", message.id, message.body));
                }
            }
        }
    }
    taken
}

/// Nothing of a later shipment arrives before all of an earlier one has: by first arrivals, dead letters left out.
fn order(arrived: &[Message], dead: &[Message], figures: &mut Figures, faults: &mut Vec<String>) {
    let dead: HashSet<&str> = dead.iter().map(|message| message.id.as_str()).collect();
    let mut seen = HashSet::new();
    let mut last: HashMap<String, Name> = HashMap::new();
    for message in arrived {
        let id = message.id.as_str();
        if !seen.insert(id) || dead.contains(id) {
            continue;
        }
        let Some(name) = name(id) else { continue };
        match last.get(&name.source) {
            Some(before) if (&before.birth, before.number) > (&name.birth, name.number) => {
                figures.disorder += 1;
                faults.push(format!("{id} arrived after {before:?}"));
            }
            _ => {
                last.insert(name.source.clone(), name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(rows: &[(i64, i64)]) -> String {
        let rows: Vec<String> = rows
            .iter()
            .map(|(second, value)| {
                format!(
                    "{{\"Timestamp\":\"2026-01-26T13:30:{second:02}.000Z\",\"Channels\":{{\"ch0\":{value}}}}}"
                )
            })
            .collect();
        format!("{{\"Timeseries\":[{}]}}", rows.join(","))
    }

    const BASE: Millis = 1_769_434_200_000;

    fn version(second: i64, value: i64) -> Version {
        Version {
            site: "a".into(),
            stamp: BASE + second * 1_000,
            values: [("ch0".to_owned(), value.to_string())].into(),
        }
    }

    fn message(id: &str, rows: &[(i64, i64)]) -> Message {
        Message {
            id: id.into(),
            body: body(rows),
        }
    }

    /// A judge that finds nothing would prove nothing.
    #[test]
    fn each_fault_is_found_and_nothing_else() {
        let shown = [version(0, 1), version(1, 2), version(1, 3)];
        let one = message("a.b.0000000001.0", &[(0, 1), (1, 2)]);
        let two = message("a.b.0000000002.0", &[(1, 3)]);
        let check = |arrived: &[Message], dead: &[Message], expected: [u64; 6]| {
            let (mut figures, mut faults) = (Figures::default(), Vec::new());
            judge(&shown, arrived, dead, &mut figures, &mut faults);
            let found = [
                figures.lost,
                figures.doubled,
                figures.bodies,
                figures.invented,
                figures.disorder,
                figures.repeats,
            ];
            assert_eq!(found, expected, "{faults:?}");
        };
        let (one, two) = (|| one.clone(), || two.clone());
        check(&[one(), two()], &[], [0, 0, 0, 0, 0, 0]);
        check(&[one(), one(), two(), one()], &[], [0, 0, 0, 0, 0, 2]);
        check(&[two()], &[one()], [0, 0, 0, 0, 0, 0]);
        check(&[one(), two()], &[one()], [0, 0, 0, 0, 0, 0]);
        let another = message("a.b.0000000001.0", &[(0, 1)]);
        check(&[one(), two()], &[another], [0, 0, 1, 0, 0, 0]);
        check(&[one()], &[], [1, 0, 0, 0, 0, 0]);
        check(&[two(), one()], &[], [0, 0, 0, 0, 1, 0]);
        let again = message("a.b.0000000003.0", &[(0, 1)]);
        check(&[one(), two(), again], &[], [0, 1, 0, 0, 0, 0]);
        let other = message("a.b.0000000002.0", &[(1, 2)]);
        check(&[one(), two(), other], &[], [0, 0, 1, 0, 0, 0]);
        let made_up = message("a.b.0000000003.0", &[(5, 7)]);
        check(&[one(), two(), made_up], &[], [0, 0, 0, 1, 0, 0]);
        // The older value came last under the higher number: what counts in the end is wrong.
        let turned = message("a.b.0000000003.0", &[(1, 2)]);
        check(
            &[message("a.b.0000000001.0", &[(0, 1)]), two(), turned],
            &[],
            [1, 0, 0, 0, 0, 0],
        );
    }
}
