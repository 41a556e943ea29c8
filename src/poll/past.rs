//! Which time is recorded already, and what a backfill takes of it. Pure.
//!
//! A backfill takes every row of its range that was not recorded before: above the digest's floor the digest knows, below it the
//! time that live polls or earlier backfills asked for counts as recorded, but for open gaps. With `again` it takes all rows, and
//! those of recorded time are revisions.

use crate::clock::{Millis, iso};
use crate::reading::Rows;
use crate::store::documents::{Backfill, Past, Span, State};

use super::digest::{Digest, Sifted};
use super::gaps::{self, Take};

/// More ranges apart from each other than this are not kept in mind.
const MAX_SPANS: usize = 32;

/// A range that is to be filled from a source's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// First instant.
    pub from: Millis,
    /// Last instant.
    pub until: Millis,
    /// Whether rows that were recorded before are sent again, as revisions.
    pub again: bool,
}

/// Opens a backfill, or finds the one that this wish opened before.
///
/// # Errors
/// Why it cannot be, and what to do.
pub fn open(state: &State, wish: &Wish, now: Millis) -> Result<Backfill, String> {
    if let Some(open) = state.past.backfill {
        return if (open.from, open.wished, open.again) == (wish.from, wish.until, wish.again) {
            Ok(open)
        } else {
            Err(format!(
                "another backfill is under way, from {} until {}, now at {}: let it finish, or end it with --cancel",
                iso(open.from),
                iso(open.wished),
                iso(open.at)
            ))
        };
    }
    let Some(mark) = state.mark else {
        return Err("no row of this source was ever read, so there is no history to go back in".into());
    };
    let until = wish.until.min(mark);
    if wish.from > until {
        return Err(format!(
            "live polls are at {}, and what is newer is theirs: choose an earlier --from",
            iso(mark)
        ));
    }
    let span = Span {
        from: wish.from,
        until,
    };
    if added(&state.past.filled, span).len() > MAX_SPANS {
        return Err(format!(
            "{MAX_SPANS} ranges apart from each other were filled already: choose one that touches one of them"
        ));
    }
    Ok(Backfill {
        from: wish.from,
        until,
        wished: wish.until,
        again: wish.again,
        since: now,
        at: wish.from,
        rows: 0,
        left_out: 0,
        failures: 0,
        due: now,
    })
}

/// Ends the backfill: as far as it came, its range is recorded.
pub fn close(past: &mut Past) -> Option<Backfill> {
    let done = past.backfill.take()?;
    let span = Span {
        from: done.from,
        until: done.until.min(done.at - 1),
    };
    if span.from <= span.until {
        past.filled = added(&past.filled, span);
    }
    Some(done)
}

/// Whether rows of this instant were recorded when they were there: at or before the mark, below the digest's floor.
#[must_use]
pub fn is_recorded(past: &Past, stamp: Millis) -> bool {
    past.began.is_none_or(|began| began <= stamp)
        || past
            .filled
            .iter()
            .any(|span| (span.from..=span.until).contains(&stamp))
}

/// Splits the rows of a backfill into those to record and those that were recorded before.
#[must_use]
pub fn sift(state: &State, known: &Digest, rows: Rows, again: bool) -> Sifted {
    let past = &state.past;
    let floor = known.floor();
    let untouched = |stamp: Millis| stamp <= floor && !is_recorded(past, stamp);
    if let (Some(&first), Some(&last)) = (rows.stamps().first(), rows.stamps().last())
        && untouched(first)
        && untouched(last)
        && past
            .filled
            .iter()
            .all(|span| span.until < first || span.from > last)
    {
        return Sifted { rows, known: 0 };
    }
    if !again {
        return known.sift_with(rows, |stamp| match &state.gaps {
            _ if !is_recorded(past, stamp) => Take::Row,
            Some(gaps) => gaps::take(gaps, stamp),
            None => Take::Nothing,
        });
    }
    let mut all = Rows::new(rows.channels().to_vec());
    for (row, &stamp) in rows.stamps().iter().enumerate() {
        all.push_row_of(&rows, row);
        let before = if stamp <= floor {
            is_recorded(past, stamp)
        } else {
            known.knows(stamp)
        };
        if before && !rows.is_revised(row) {
            all.mark_last_revised();
        }
    }
    Sifted { rows: all, known: 0 }
}

/// Ranges with one more, joined where they touch.
fn added(spans: &[Span], more: Span) -> Vec<Span> {
    let mut all = spans.to_vec();
    all.push(more);
    all.sort_by_key(|span| span.from);
    let mut joined: Vec<Span> = Vec::with_capacity(all.len());
    for span in all {
        match joined.last_mut() {
            Some(last) if span.from <= last.until.saturating_add(1) => {
                last.until = last.until.max(span.until);
            }
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
