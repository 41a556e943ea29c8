//! What is recorded: every row once, with its digest, above the floor, told apart from what is known.

use std::collections::{BTreeMap, HashMap};

use meterbridge::clock::Millis;
use meterbridge::source::Window;
use meterbridge::store::documents::{DigestDoc, Gap, State};

use super::{Written, past};
use crate::check::{Breach, broken, ensure};
use crate::ledger::{Recorded, RowFact, plain};
use crate::world::World;

pub(super) fn judge(
    world: &mut World,
    tick: usize,
    written: &Written<'_>,
    before: Option<&State>,
    after: &State,
) -> Result<(), Breach> {
    let fresh = fresh(world, written)?;
    let stamps: Vec<Millis> = fresh.values().flatten().map(|(fact, _)| fact.stamp).collect();
    if !stamps.is_empty() {
        begins(world, tick, before);
    }
    let floor = if world.plan.history {
        let digest = world.ledger.digest.as_ref().map(|(floor, _)| *floor);
        digest.or_else(|| before.and_then(|state| state.mark))
    } else {
        None
    };
    let aims: HashMap<u64, Option<&str>> = written
        .attempts
        .iter()
        .map(|attempt| (attempt.number, attempt.aim.as_deref()))
        .collect();
    for (number, rows) in fresh {
        ensure(number < after.next, "numbers", || {
            format!("attempt {number} is stored, and next is {}", after.next)
        })?;
        for (fact, row) in &rows {
            if world.plan.history {
                let back = aims.get(&number) == Some(&Some("backfill"));
                if floor.is_some_and(|floor| fact.stamp <= floor) && back {
                    past::taken(world, number, fact, row, before, after)?;
                    world.ledger.gone_back += 1;
                } else if floor.is_some_and(|floor| fact.stamp <= floor) {
                    filled(world, number, fact, row, before)?;
                    world.ledger.filled += 1;
                } else {
                    sifted(world, number, fact, row)?;
                }
                // What fills a gap of single channels leaves the others as they were.
                let last = world.ledger.last.entry(fact.stamp).or_default();
                let below = floor.is_some_and(|floor| fact.stamp <= floor);
                *last = [0, 1].map(|i| fact.values[i].or(last[i].filter(|_| below)));
            } else {
                let value = fact.values[0].unwrap_or_default();
                ensure(world.ledger.readings.insert(value), "each reading once", || {
                    format!("the reading {value} is recorded again in attempt {number}")
                })?;
            }
        }
        world
            .ledger
            .attempts
            .insert(number, rows.into_iter().map(|(_, row)| row).collect());
    }
    digested(world, tick, written, &stamps, (floor, after.mark))
}

/// Rows that are stored for the first time, by attempt. What was stored already must not differ.
fn fresh(world: &World, written: &Written<'_>) -> Result<BTreeMap<u64, Vec<(RowFact, Recorded)>>, Breach> {
    let mut fresh: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    let mut known: HashMap<u64, usize> = HashMap::new();
    let mut take = |number: u64, stored: &meterbridge::store::documents::StoredRows| {
        let rows = stored.rows().ok_or_else(|| {
            broken(
                "what is stored",
                format!("rows of attempt {number} cannot be read"),
            )
        })?;
        if let Some(before) = world.ledger.attempts.get(&number) {
            let from = known.entry(number).or_default();
            let same = plain(&rows).iter().all(|(_, row)| {
                *from += 1;
                before.get(*from - 1) == Some(row)
            });
            ensure(same, "what is stored", || {
                format!("the rows of attempt {number} are others than before")
            })
        } else {
            fresh.entry(number).or_default().extend(plain(&rows));
            Ok(())
        }
    };
    for attempt in &written.attempts {
        if let Some(stored) = &attempt.inline {
            take(attempt.number, stored)?;
        }
    }
    for rows in &written.rows {
        let number = rows.id.split('.').nth(2).and_then(|number| number.parse().ok());
        take(number.unwrap_or_default(), &rows.rows)?;
    }
    Ok(fresh)
}

/// Where history begins: at the chosen start, or with the row that a first run found.
fn begins(world: &mut World, tick: usize, before: Option<&State>) {
    if world.ledger.begin.is_some() || !world.plan.history {
        return;
    }
    world.ledger.begin = match before.and_then(|state| state.mark) {
        Some(mark) => Some(mark),
        None => world.ticks.get(tick).and_then(|tick| {
            let told = tick
                .answers
                .last()
                .filter(|told| told.window == Window::Youngest)?;
            let first = told.rows.first()?.stamp;
            Some((first - 1).min(told.at))
        }),
    };
}

/// Below the floor a row is taken only where it is missing: strictly inside an open gap, and once.
fn filled(
    world: &World,
    number: u64,
    fact: &RowFact,
    row: &Recorded,
    before: Option<&State>,
) -> Result<(), Breach> {
    let gaps = before.and_then(|state| state.gaps.as_ref());
    let gap = gaps.and_then(|gaps| {
        let inside = |gap: &&Gap| gap.from < fact.stamp && fact.stamp < gap.until;
        gaps.open.iter().find(inside)
    });
    ensure(gap.is_some(), "nothing from below the floor", || {
        format!("attempt {number} takes {fact:?} from below the floor, and no gap is open there")
    })?;
    let last = world.ledger.last.get(&fact.stamp);
    let again = last.is_some_and(|last| (0..2).any(|i| last[i].is_some() && fact.values[i].is_some()));
    ensure(!again && !row.revised, "nothing twice", || {
        format!("attempt {number} fills a gap with {fact:?}, and {last:?} was recorded")
    })
}

/// A row above the floor is no repetition, and is marked exactly if it revises.
fn sifted(world: &World, number: u64, fact: &RowFact, row: &Recorded) -> Result<(), Breach> {
    let last = world.ledger.last.get(&fact.stamp);
    ensure(last != Some(&fact.values), "nothing twice", || {
        format!("attempt {number} records {fact:?} again")
    })?;
    ensure(last.is_some() == row.revised, "revisions are marked", || {
        format!(
            "attempt {number} records {fact:?} after {last:?}, revised: {}",
            row.revised
        )
    })
}

/// A row enters the digest only with its record.
fn digested(
    world: &mut World,
    tick: usize,
    written: &Written<'_>,
    recorded: &[Millis],
    (floor_before, mark): (Option<Millis>, Option<Millis>),
) -> Result<(), Breach> {
    let Some(document) = written.digest else {
        return Ok(());
    };
    let (floor, hashes) =
        read(document).ok_or_else(|| broken("what is stored", "the digest cannot be read"))?;
    let before = world.ledger.digest.take();
    if let Some((before, _)) = &before {
        ensure(*before <= floor, "marks only rise", || {
            format!("digest floor {floor} after {before}")
        })?;
    }
    for (stamp, hash) in &hashes {
        let known = before.as_ref().and_then(|(_, hashes)| hashes.get(stamp));
        ensure(
            known == Some(hash) || recorded.contains(stamp),
            "a row enters the digest only with its record",
            || format!("{stamp} is remembered, and not recorded in the same write"),
        )?;
    }
    let rises = floor_before.is_some_and(|before| before < floor);
    let overlap = world.plan.least_overlap;
    let wanted = mark
        .unwrap_or(Millis::MIN)
        .saturating_sub(overlap + Millis::from(overlap > 0));
    if rises && floor > wanted {
        ensure(
            world.plan.digest == Some(hashes.len()),
            "the overlap is shortened only where the digest is full",
            || {
                format!(
                    "floor {floor}, and {wanted} would do; it has {} rows",
                    hashes.len()
                )
            },
        )?;
        world.ledger.shortened = world.ledger.shortened.max(Some(floor));
        if let Some(tick) = world.ticks.get_mut(tick) {
            tick.shortened = true;
        }
    }
    let most = world.plan.digest.unwrap_or(usize::MAX);
    ensure(hashes.len() <= most, "the digest is bounded", || {
        format!("{} rows, and {most} are the most", hashes.len())
    })?;
    world.ledger.digest = Some((floor, hashes));
    Ok(())
}

fn read(document: &DigestDoc) -> Option<(Millis, BTreeMap<Millis, String>)> {
    let mut hashes = BTreeMap::new();
    let mut at = document.floor;
    for (place, step) in document
        .stamps
        .split(',')
        .filter(|step| !step.is_empty())
        .enumerate()
    {
        at += step.parse::<Millis>().ok()?;
        hashes.insert(at, document.hashes.get(place * 16..place * 16 + 16)?.to_owned());
    }
    Some((document.floor, hashes))
}
