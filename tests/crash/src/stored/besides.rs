//! What goes on besides the live polls: gaps, backfills, dead letters that are sent again.

use std::collections::{BTreeMap, HashSet};

use meterbridge::clock::Millis;
use meterbridge::store::documents::{Backfill, Gap, Span, State};

use super::{Mark, Stored};
use crate::figures::Figures;
use crate::plan::Plan;

impl Stored {
    /// Letters that were not sent again, in words.
    pub(crate) fn not_replayed(&self) -> Vec<String> {
        let left = self.letters.iter().filter(|letter| !letter.replayed);
        left.map(|letter| format!("{} was not sent again", letter.id))
            .collect()
    }

    /// What went on besides the live polls.
    pub(crate) fn count(&self, figures: &mut Figures) {
        figures.replayed += self.letters.iter().filter(|letter| letter.replayed).count() as u64;
        for attempt in self.attempts.values().flat_map(BTreeMap::values) {
            match attempt.aim.as_deref() {
                Some("gap") => figures.filled += attempt.rows as u64,
                Some("backfill") => figures.gone_back += attempt.rows as u64,
                _ => {}
            }
        }
    }

    /// The gap ledger is in order, and no row that is recorded lies in a gap, nor a value in one of its channel.
    pub(super) fn missing(&self, id: &str, state: &State, faults: &mut Vec<String>) {
        let Some(gaps) = &state.gaps else { return };
        let sorted = gaps.open.is_sorted_by_key(|gap| (gap.from, gap.until));
        if !sorted || gaps.open.iter().any(|gap| gap.from >= gap.until) || Some(gaps.newest) > state.mark {
            faults.push(format!("the gap ledger is out of order: {gaps:?}"));
        }
        for attempt in self.attempts.get(id).into_iter().flat_map(BTreeMap::values) {
            let Some(rows) = self.rows_of(id, &[attempt.number], &state.birth) else {
                continue;
            };
            for (row, &stamp) in rows
                .stamps()
                .iter()
                .enumerate()
                .filter(|(_, stamp)| **stamp <= gaps.newest)
            {
                let has = |name: &str| {
                    let place = rows.channels().iter().position(|channel| channel.name == name);
                    place.is_some_and(|channel| rows.value(row, channel).is_some())
                };
                let taken = gaps
                    .open
                    .iter()
                    .filter(|gap| gap.from < stamp && stamp < gap.until);
                for gap in
                    taken.filter(|gap| gap.channels.is_empty() || gap.channels.iter().any(|name| has(name)))
                {
                    faults.push(format!(
                        "attempt {} has {stamp}, which is missing by {gap:?}",
                        attempt.number
                    ));
                }
            }
        }
    }

    /// A backfill has recorded what lies before its place and nothing behind it, and counts it.
    pub(super) fn gone_back(&self, id: &str, state: &State, faults: &mut Vec<String>) {
        let past = &state.past;
        if let Some(open) = past.backfill
            && !(open.from <= open.at && open.at <= open.until + 1 && Some(open.until) <= state.mark)
        {
            faults.push(format!(
                "the backfill is out of order: {open:?}, mark {:?}",
                state.mark
            ));
        }
        let mut counted = 0;
        for attempt in self.attempts.get(id).into_iter().flat_map(BTreeMap::values) {
            if attempt.aim.as_deref() != Some("backfill") {
                continue;
            }
            counted += past.backfill.map_or(0, |open| {
                if attempt.at > open.since {
                    attempt.rows as u64
                } else {
                    0
                }
            });
            let Some(rows) = self.rows_of(id, &[attempt.number], &state.birth) else {
                continue;
            };
            let is_passed = |stamp: Millis| {
                past.backfill
                    .is_some_and(|open| open.from <= stamp && stamp < open.at)
                    || past
                        .filled
                        .iter()
                        .any(|span| (span.from..=span.until).contains(&stamp))
            };
            for stamp in rows.stamps().iter().filter(|stamp| !is_passed(**stamp)) {
                faults.push(format!(
                    "attempt {} went back for {stamp}, and {past:?}",
                    attempt.number
                ));
            }
        }
        if past.backfill.is_some_and(|open| counted > open.rows) {
            faults.push(format!(
                "{counted} rows were gone back for, and {:?}",
                past.backfill
            ));
        }
    }

    /// A letter counts as sent again, and may vanish, only when the hub has it; the faults in words.
    pub(super) fn sent_again(&self, taken: &HashSet<String>) -> Vec<String> {
        let mut faults = Vec::new();
        for letter in &self.letters {
            if letter.replayed != letter.lives || (letter.replayed && !taken.contains(&letter.message.id)) {
                faults.push(format!(
                    "{} counts as sent again: {}, may vanish: {}, and the hub has it: {}",
                    letter.id,
                    letter.replayed,
                    letter.lives,
                    taken.contains(&letter.message.id)
                ));
            }
        }
        faults
    }

    /// Whether the backfill is not done, or a gap below the digest's floor is to be asked for.
    pub(super) fn is_to_go_back_or_ask(&self, id: &str, state: &State, plan: &Plan, now: Millis) -> bool {
        let filled = |(from, until): (Millis, Millis)| {
            let filled = &state.past.filled;
            filled.iter().any(|span| span.from <= from && until <= span.until)
        };
        let floor = self.digests.get(id).map_or(Millis::MAX, |digest| digest.floor);
        let due = |gap: &Gap| gap.due <= now && gap.from < floor;
        state.past.backfill.is_some()
            || plan.backfill.is_some_and(|range| !filled(range))
            || state.gaps.iter().flat_map(|gaps| &gaps.open).any(due)
    }
}

impl Mark {
    /// What was filled stays filled, and the same backfill goes on.
    pub(super) fn goes_on_with(&self, now: &Self) -> bool {
        let kept = |span: &Span| {
            now.filled
                .iter()
                .any(|other| other.from <= span.from && span.until <= other.until)
        };
        let same = |before: Backfill, now: Backfill| before.since != now.since || before.at <= now.at;
        self.filled.iter().all(kept)
            && self
                .backfill
                .is_none_or(|before| now.backfill.is_none_or(|now| same(before, now)))
    }
}
