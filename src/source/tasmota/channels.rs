//! Which values of a reply are sent, and under which names: the configured map first, then recognised labels.
//!
//! Rules for names that clash: what is mapped keeps its code. When several meters behind one reader (several prefixes) use
//! the same code, all their recognised values are sent by key path, since no code alone says which meter it is. Within one
//! prefix the first label of a code keeps it, and later ones are sent by key path.

use std::collections::{HashMap, HashSet};

use super::json::{Leaf, Value};
use super::labels::{self, Role};
use super::number;
use crate::reading::Channel;
use crate::source::Mapped;

/// At most so many unknown labels are listed.
const MAX_UNKNOWN: usize = 64;

/// A reply's values, sorted out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// What is sent, mapped ones first in their configured order, then recognised ones as they stand.
    pub values: Vec<Pick>,
    /// Key paths of numbers that nothing is known of.
    pub unknown: Vec<String>,
    /// Key paths of meter numbers, and whether each is blank.
    pub ids: Vec<Id>,
    /// Remarks for people.
    pub remarks: Vec<String>,
}

/// One value that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The channel. Its name is the key path.
    pub channel: Channel,
    /// The meter's prefix.
    pub prefix: String,
    /// What its zero may mean.
    pub role: Role,
    /// Whether the configuration maps it; else it was recognised.
    pub mapped: bool,
    /// Number text as read; `None` where it is missing (`null`).
    pub read: Option<String>,
    /// Number text as sent: `read`, scaled where that is configured.
    pub sent: Option<String>,
}

/// A meter's number among the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// Key path.
    pub path: String,
    /// The meter's prefix.
    pub prefix: String,
    /// Whether it is empty: no telegram was decoded, or the meter is locked.
    pub blank: bool,
}

/// Sorts out a reply's values.
#[must_use]
pub fn pick(leaves: &[Leaf], map: &[Mapped], recognise: bool) -> Picked {
    let mut picked = Picked::default();
    let mut seen: HashSet<(String, String)> = HashSet::new();
    for leaf in leaves {
        seen.insert((leaf.prefix.clone(), leaf.label.trim().to_lowercase()));
    }
    let meaning = |leaf: &Leaf| {
        labels::meaning(&leaf.prefix, &leaf.label, |label| {
            seen.contains(&(leaf.prefix.clone(), label.to_owned()))
        })
    };
    for entry in map {
        match leaves.iter().find(|leaf| leaf.path == entry.channel.name) {
            Some(leaf) => {
                let role = meaning(leaf)
                    .map(|m| labels::role(&m.obis))
                    .or_else(|| entry.channel.obis.as_deref().map(labels::role));
                picked.map(leaf, entry, role.unwrap_or(Role::Unknown));
            }
            None => picked.remarks.push(absent(&entry.channel.name, leaves)),
        }
    }
    let mapped: HashSet<&str> = map.iter().map(|entry| entry.channel.name.as_str()).collect();
    for leaf in leaves {
        if labels::is_id(&leaf.label) && !leaf.prefix.is_empty() {
            picked.ids.push(Id {
                path: leaf.path.clone(),
                prefix: leaf.prefix.clone(),
                blank: match &leaf.value {
                    Value::Text(text) => text.trim().is_empty(),
                    Value::Null => true,
                    Value::Number(_) | Value::Bool => false,
                },
            });
            continue;
        }
        if mapped.contains(leaf.path.as_str()) {
            continue;
        }
        // A label that stands twice means two things: it is for a person to say which.
        let known = (recognise && !leaf.repeated).then(|| meaning(leaf)).flatten();
        match known {
            Some(meaning) => picked.recognise(leaf, meaning),
            None if looks_like_a_number(&leaf.value) => picked.unknown.push(leaf.path.clone()),
            None => {}
        }
    }
    picked.part_meters();
    picked.part_channels();
    if picked.unknown.len() > MAX_UNKNOWN {
        let more = picked.unknown.len() - MAX_UNKNOWN;
        picked.unknown.truncate(MAX_UNKNOWN);
        picked.remarks.push(format!("{more} more labels are unknown"));
    }
    picked
}

impl Picked {
    fn map(&mut self, leaf: &Leaf, entry: &Mapped, role: Role) {
        let read = number::text(&leaf.value);
        if read.is_none() && leaf.value != Value::Null {
            self.remarks
                .push(format!("{} is mapped but no number", leaf.path));
        }
        let sent = read.as_deref().and_then(|text| number::scaled(text, entry.scale));
        if let (Some(read), None) = (&read, &sent) {
            self.remarks.push(format!(
                "{} is {read}, which its scale cannot be applied to without rounding; it is left out",
                leaf.path
            ));
        }
        self.values.push(Pick {
            channel: entry.channel.clone(),
            prefix: leaf.prefix.clone(),
            role,
            mapped: true,
            read,
            sent,
        });
    }

    fn recognise(&mut self, leaf: &Leaf, meaning: labels::Meaning) {
        let read = number::text(&leaf.value);
        if read.is_none() && leaf.value != Value::Null {
            self.remarks
                .push(format!("{} is no number; it is left out", leaf.path));
        }
        self.values.push(Pick {
            role: labels::role(&meaning.obis),
            channel: Channel {
                name: leaf.path.clone(),
                obis: Some(meaning.obis),
                unit: meaning.unit.map(str::to_owned),
                title: None,
            },
            prefix: leaf.prefix.clone(),
            mapped: false,
            sent: read.clone(),
            read,
        });
    }

    /// Several meters with the same codes: key paths for all of them.
    fn part_meters(&mut self) {
        let mut owner: HashMap<&str, &str> = HashMap::new();
        let mut shared: Vec<String> = Vec::new();
        for pick in self.values.iter().filter(|pick| !pick.mapped) {
            if let Some(code) = pick.channel.obis.as_deref() {
                let first = *owner.entry(code).or_insert(&pick.prefix);
                if first != pick.prefix {
                    for prefix in [first, &pick.prefix] {
                        if !shared.iter().any(|p| p == prefix) {
                            shared.push(prefix.to_owned());
                        }
                    }
                }
            }
        }
        if shared.is_empty() {
            return;
        }
        for pick in &mut self.values {
            if !pick.mapped && shared.contains(&pick.prefix) {
                pick.channel.obis = None;
            }
        }
        self.remarks.push(format!(
            "several meters ({}) use the same OBIS codes; their values are sent by key path. Name them in `channels`",
            shared.join(", ")
        ));
    }

    /// One name is sent once: the first keeps it.
    fn part_channels(&mut self) {
        let mut taken: HashSet<String> = HashSet::new();
        let mut remarks = Vec::new();
        self.values.retain_mut(|pick| {
            if taken.insert(pick.channel.sent_name().to_owned()) {
                return true;
            }
            let code = pick.channel.obis.take().unwrap_or_default();
            let path = &pick.channel.name;
            let kept = taken.insert(path.clone());
            remarks.push(if kept {
                format!("{path} means {code} too; it is sent by key path")
            } else {
                format!("{path} is mapped twice; the first is sent")
            });
            kept
        });
        self.remarks.append(&mut remarks);
    }
}

/// Whether an unknown value is worth a report: numbers, what stands in for NaN, and decimals written as text. Other texts
/// are numbers of devices and states.
fn looks_like_a_number(value: &Value) -> bool {
    match value {
        Value::Number(_) | Value::Null => true,
        Value::Text(text) => text.contains('.') && number::text(value).is_some(),
        Value::Bool => false,
    }
}

/// What to say of a mapped path that the reply lacks.
fn absent(path: &str, leaves: &[Leaf]) -> String {
    let near = leaves.iter().find(|leaf| {
        leaf.path.eq_ignore_ascii_case(path) || path.strip_prefix("/StatusSNS") == Some(&leaf.path)
    });
    match near {
        Some(leaf) => format!("{path} is mapped but not in the reply; {} is", leaf.path),
        None => format!("{path} is mapped but not in the reply"),
    }
}

#[cfg(test)]
mod tests;
