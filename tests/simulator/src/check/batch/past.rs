//! Backfills: a place of their own that only goes on, rows of time that nobody had asked for, and no mark that moves with them.

use meterbridge::store::documents::{Past, Span, State};

use super::Written;
use crate::check::{Breach, ensure};
use crate::ledger::{Recorded, RowFact};
use crate::world::World;

/// The place goes on, its end stands still, and what was filled stays filled.
pub(super) fn goes_on(before: &Past, after: &Past) -> Result<(), Breach> {
    const CHECK: &str = "a backfill goes on";
    if let (Some(before), Some(after)) = (before.backfill, after.backfill) {
        ensure(
            before.at <= after.at && (before.from, before.until) == (after.from, after.until),
            CHECK,
            || format!("{after:?} after {before:?}"),
        )?;
        ensure(
            before.rows <= after.rows && before.left_out <= after.left_out,
            CHECK,
            || format!("{after:?} counts less than {before:?}"),
        )?;
    }
    let lost = |span: &&Span| {
        let covers = |other: &Span| other.from <= span.from && span.until <= other.until;
        !after.filled.iter().any(covers)
    };
    let lost = before.filled.iter().find(lost);
    ensure(lost.is_none(), CHECK, || {
        format!("{lost:?} is filled no more: {:?}", after.filled)
    })
}

/// Rows that were asked for besides the live window move no mark.
pub(super) fn judge(written: &Written<'_>, before: Option<&State>, after: &State) -> Result<(), Breach> {
    let Some(before) = before else { return Ok(()) };
    let fresh = |number: u64| number >= before.next;
    let besides = written
        .attempts
        .iter()
        .find(|attempt| attempt.rows > 0 && fresh(attempt.number) && attempt.aim.is_some());
    let Some(besides) = besides else { return Ok(()) };
    ensure(
        before.mark == after.mark,
        "marks move with live rows alone",
        || {
            format!(
                "attempt {} of {:?} moves the mark to {:?}",
                besides.number, besides.aim, after.mark
            )
        },
    )
}

/// Below the floor a backfill takes a row that was never recorded, of its own range, where it has not been yet.
pub(super) fn taken(
    world: &World,
    number: u64,
    fact: &RowFact,
    row: &Recorded,
    before: Option<&State>,
    after: &State,
) -> Result<(), Breach> {
    let open = after.past.backfill;
    let from = before
        .and_then(|before| before.past.backfill)
        .map_or(i64::MIN, |open| open.at);
    let inside = open.is_some_and(|open| from.max(open.from) <= fact.stamp && fact.stamp <= open.until);
    ensure(inside, "a backfill goes on", || {
        format!("attempt {number} goes back for {fact:?} from {from} on, open is {open:?}")
    })?;
    let last = world.ledger.last.get(&fact.stamp);
    let again = last.is_some_and(|last| (0..2).any(|i| last[i].is_some() && fact.values[i].is_some()));
    ensure(!again && !row.revised, "nothing twice", || {
        format!("attempt {number} goes back for {fact:?}, and {last:?} was recorded")
    })
}
