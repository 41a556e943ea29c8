//! Values that are no measurements: zeros before the first telegram, a locked meter, a dead optical head.
//!
//! A reader answers at any time, whether or not its meter has spoken: until then every value is 0.

use std::collections::{BTreeMap, HashSet};

use super::channels::{Pick, Picked};
use super::labels::Role;
use super::number;

/// What earlier replies of the same reader showed. A hint only: a new process starts without, and the rules that need none
/// still hold.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Key paths of counters that were seen above zero.
    counted: HashSet<String>,
    /// The last telegram: every value as read.
    last: Vec<(String, String)>,
    /// How often it came in a row.
    same: u32,
}

/// Takes away what was not measured, and says so. `stale_after` identical telegrams in a row are remarked on (0: never).
pub fn sift(picked: &mut Picked, memory: &mut Memory, stale_after: u32) {
    let telegram = repeated(picked, memory, stale_after);
    let mut meters: BTreeMap<String, Vec<&mut Pick>> = BTreeMap::new();
    for pick in &mut picked.values {
        if pick.role != Role::Unknown {
            meters.entry(pick.prefix.clone()).or_default().push(pick);
        }
    }
    let mut remarks = Vec::new();
    for (prefix, values) in &mut meters {
        let blank_id = picked.ids.iter().any(|id| id.prefix == *prefix && id.blank);
        remarks.extend(undecoded(prefix, values).or_else(|| locked(prefix, values, blank_id)));
        for pick in values.iter_mut().filter(|pick| pick.role == Role::Counter) {
            let path = &pick.channel.name;
            match &pick.sent {
                Some(_) if !is_zero(pick) => {
                    memory.counted.insert(path.clone());
                }
                Some(_) if memory.counted.contains(path) => {
                    remarks.push(format!(
                        "{path} fell to 0: the reader restarted and has no telegram yet; it is left out"
                    ));
                    pick.sent = None;
                }
                _ => {}
            }
        }
    }
    picked.remarks.append(&mut remarks);
    picked.remarks.extend(telegram);
}

/// A meter with a counter, all of whose values are 0 or missing: nothing was decoded yet. Without a counter a zero may be
/// true: no power flows.
fn undecoded(prefix: &str, values: &mut [&mut Pick]) -> Option<String> {
    let counter = values
        .iter()
        .any(|pick| pick.role == Role::Counter && pick.read.is_some());
    let nothing = values.iter().all(|pick| pick.read.is_none() || is_zero(pick));
    if !counter || !nothing {
        return None;
    }
    for pick in values.iter_mut() {
        pick.sent = None;
    }
    Some(format!(
        "{prefix}: no telegram decoded yet, all values are 0; they are left out. If this stays, look at the optical head"
    ))
}

/// A meter without its PIN tells whole kWh only: no number of its own, and 0 for everything else.
fn locked(prefix: &str, values: &mut [&mut Pick], blank_id: bool) -> Option<String> {
    let mut power = values.iter().filter(|pick| pick.role == Role::Power).peekable();
    power.peek()?;
    if !blank_id || !power.all(|pick| is_zero(pick)) {
        return None;
    }
    for pick in values.iter_mut() {
        if pick.role != Role::Counter && is_zero(pick) {
            pick.sent = None;
        }
    }
    Some(format!(
        "{prefix}: the meter gives no number and no power: it is locked. Power is left out; enter the meter's PIN and set InF to on"
    ))
}

/// Counts identical telegrams: a head that fell off leaves the last values standing, with fresh times.
fn repeated(picked: &Picked, memory: &mut Memory, stale_after: u32) -> Option<String> {
    let telegram: Vec<(String, String)> = picked
        .values
        .iter()
        .filter_map(|pick| Some((pick.channel.name.clone(), pick.read.clone()?)))
        .collect();
    if telegram.is_empty() {
        return None;
    }
    if telegram == memory.last {
        memory.same = memory.same.saturating_add(1);
    } else {
        memory.last = telegram;
        memory.same = 1;
    }
    (stale_after > 0 && memory.same >= stale_after.max(2)).then(|| {
        format!(
            "optical head may be off: same values {} times in a row",
            memory.same
        )
    })
}

fn is_zero(pick: &Pick) -> bool {
    pick.read.as_deref().is_some_and(number::is_zero)
}

#[cfg(test)]
mod tests;
