//! Notes recorded rows in the gap ledger: holes open behind them, and close where they lie. Pure.

use std::collections::BTreeSet;

use super::{Change, Interval, close, crowd_out, is_inside, step};
use crate::clock::Millis;
use crate::reading::Rows;
use crate::store::documents::{Gap, Gaps, Track};

/// From here on a channel is one that a row normally has.
const STEADY: u8 = 4;
/// The most that steadiness comes to.
const MOST: u8 = 8;
/// What it loses where rows lacked the channel: one that comes with every second row is never expected.
const LOSS: u8 = 4;
/// [`Track::last`] of a channel that was never seen.
const NEVER: Millis = 0;

/// Notes rows that are recorded in the same write, up to `bound` (the mark: a row stamped in the future opens no hole before
/// it). `recorded` gives the stamps strictly between two instants that are recorded already without having been noted, such as
/// those that were stamped in the future when they came.
pub fn note(
    gaps: &mut Option<Gaps>,
    interval: Interval,
    rows: &Rows,
    bound: Millis,
    recorded: impl Fn(Millis, Millis) -> Vec<Millis>,
    now: Millis,
) -> Vec<Change> {
    let count = rows.stamps().partition_point(|&stamp| stamp <= bound);
    if count == 0 && gaps.is_none() {
        return Vec::new();
    }
    let newest = gaps.as_ref().map(|gaps| gaps.newest);
    let mut notes = Notes::of(gaps.take().unwrap_or_default(), interval, rows, now);
    notes.newest = newest;
    for row in 0..count {
        let stamp = rows.stamps()[row];
        match notes.newest {
            Some(newest) if stamp <= newest => notes.late(rows, row, stamp),
            Some(newest) => {
                notes.hole(newest, stamp, &recorded);
                for stamp in recorded(newest, stamp) {
                    notes.unnoted(stamp);
                }
                notes.newer(rows, row, stamp);
            }
            None => notes.newer(rows, row, stamp),
        }
    }
    // What was stamped in the future and is so no longer: the digest may forget it from now on.
    if let Some(newest) = notes.newest {
        for stamp in recorded(newest, bound.saturating_add(1)) {
            notes.hole(notes.newest.unwrap_or(newest), stamp, |_, _| Vec::new());
            notes.unnoted(stamp);
            notes.newest = Some(stamp);
        }
    }
    let (mut ledger, mut changes) = notes.done();
    changes.extend(crowd_out(&mut ledger, now));
    *gaps = Some(ledger);
    changes
}

/// A gap of one channel, or of whole rows, while rows are noted.
struct Piece {
    gap: Gap,
    /// Which gap of the ledger it is a part of; none for one that was found just now.
    origin: Option<usize>,
}

/// The ledger with each channel by itself.
struct Notes {
    ledger: Gaps,
    interval: Interval,
    now: Millis,
    newest: Option<Millis>,
    pieces: Vec<Piece>,
    /// One a column, then the steady channels that these rows have no column for.
    tracks: Vec<(String, Track)>,
}

impl Notes {
    fn of(mut ledger: Gaps, interval: Interval, rows: &Rows, now: Millis) -> Self {
        let mut pieces = Vec::new();
        for (origin, gap) in ledger.open.iter().enumerate() {
            let origin = Some(origin);
            if gap.channels.is_empty() {
                let gap = gap.clone();
                pieces.push(Piece { gap, origin });
            }
            for channel in &gap.channels {
                let channels = vec![channel.clone()];
                let gap = Gap {
                    channels,
                    ..gap.clone()
                };
                pieces.push(Piece { gap, origin });
            }
        }
        let mut known = std::mem::take(&mut ledger.channels);
        let mut tracks = Vec::with_capacity(known.len());
        for channel in rows.channels() {
            let track = known.remove(&channel.name).unwrap_or_default();
            tracks.push((channel.name.clone(), track));
        }
        tracks.extend(known);
        Self {
            ledger,
            interval,
            now,
            newest: None,
            pieces,
            tracks,
        }
    }

    /// A row beyond the newest one.
    fn newer(&mut self, rows: &Rows, row: usize, stamp: Millis) {
        let before = self.newest.replace(stamp);
        for channel in 0..self.tracks.len() {
            let has = channel < rows.channels().len() && rows.value(row, channel).is_some();
            let Track { steady, last } = self.tracks[channel].1;
            if has {
                let lacked = last != NEVER && before.is_some_and(|before| last < before);
                let missed = lacked && self.interval.missing(last, stamp) > 0;
                if lacked {
                    self.came_back(channel, stamp, missed);
                }
                let steady = if missed {
                    steady.saturating_sub(LOSS)
                } else {
                    steady.saturating_add(1).min(MOST)
                };
                self.tracks[channel].1 = Track { steady, last: stamp };
            } else if steady >= STEADY {
                self.lacks(channel, last, stamp);
            }
        }
    }

    /// A row that is recorded already without having been noted. Which channels it had is not known any more, so it counts as one
    /// that had them all: what lies in no gap is not taken twice.
    fn unnoted(&mut self, stamp: Millis) {
        for channel in 0..self.tracks.len() {
            let last = self.tracks[channel].1.last;
            if last != NEVER && last < stamp {
                let missed = self.interval.missing(last, stamp) > 0;
                self.came_back(channel, stamp, missed);
                self.tracks[channel].1.last = stamp;
            }
        }
    }

    /// The gap at the end of a channel has an end now, or was none.
    fn came_back(&mut self, channel: usize, stamp: Millis, missed: bool) {
        let name = &self.tracks[channel].0;
        let found = self
            .pieces
            .iter()
            .position(|piece| piece.gap.trailing && piece.gap.channels.first() == Some(name));
        if let Some(at) = found {
            if missed {
                self.pieces[at].gap.until = stamp;
                self.pieces[at].gap.trailing = false;
            } else {
                self.pieces.swap_remove(at);
            }
        }
    }

    /// The newest row lacks a channel that it should have.
    fn lacks(&mut self, channel: usize, last: Millis, stamp: Millis) {
        let end = stamp.saturating_add(self.interval.every);
        if self.interval.missing(last, end) == 0 {
            return;
        }
        let name = &self.tracks[channel].0;
        let found = self
            .pieces
            .iter_mut()
            .find(|piece| piece.gap.trailing && piece.gap.channels.first() == Some(name));
        if let Some(piece) = found {
            piece.gap.until = end;
        } else {
            let gap = self.found(last, end, vec![name.clone()], true);
            self.pieces.push(Piece { gap, origin: None });
        }
    }

    /// Whole rows between two noted ones, but for those that are recorded without having been noted.
    fn hole(&mut self, newest: Millis, stamp: Millis, recorded: impl Fn(Millis, Millis) -> Vec<Millis>) {
        if self.interval.missing(newest, stamp) == 0 {
            return;
        }
        let mut from = newest;
        for until in recorded(newest, stamp).into_iter().chain([stamp]) {
            if self.interval.missing(from, until) > 0 {
                let gap = self.found(from, until, Vec::new(), false);
                self.pieces.push(Piece { gap, origin: None });
            }
            from = until;
        }
    }

    /// A row at or before the newest one: gaps that it lies in are narrowed.
    fn late(&mut self, rows: &Rows, row: usize, stamp: Millis) {
        let width = rows.channels().len();
        let has = |channel: usize| channel < width && rows.value(row, channel).is_some();
        for channel in (0..width).filter(|&channel| has(channel)) {
            let track = &mut self.tracks[channel].1;
            track.last = track.last.max(stamp);
        }
        let mut at = 0;
        let mut lacking = Vec::new();
        while at < self.pieces.len() {
            let gap = &self.pieces[at].gap;
            let whole = gap.channels.is_empty();
            let fills = is_inside(gap, stamp)
                && (whole
                    || self
                        .tracks
                        .iter()
                        .take(width)
                        .enumerate()
                        .any(|(channel, (name, _))| has(channel) && gap.channels.first() == Some(name)));
            if !fills {
                at += 1;
                continue;
            }
            let Piece { gap, origin } = self.pieces.swap_remove(at);
            if whole {
                // Values that rows normally have are missing still.
                for (channel, (name, track)) in self.tracks.iter().enumerate() {
                    if !has(channel) && track.steady >= STEADY {
                        lacking.push((gap.from, gap.until, name.clone()));
                    }
                }
            }
            for (from, until) in [(gap.from, stamp), (stamp, gap.until)] {
                if self.interval.missing(from, until) > 0 {
                    let trailing = gap.trailing && until == gap.until;
                    let at = gap.at.filter(|&at| from < at && at < until);
                    let gap = Gap {
                        from,
                        until,
                        trailing,
                        at,
                        ..gap.clone()
                    };
                    self.pieces.push(Piece { gap, origin });
                }
            }
        }
        for (from, until, name) in lacking {
            let gap = self.found(from, until, vec![name], false);
            let covered = self.pieces.iter().any(|piece| {
                piece.gap.channels == gap.channels
                    && piece.gap.from <= gap.from
                    && gap.until <= piece.gap.until
            });
            if !covered {
                self.pieces.push(Piece { gap, origin: None });
            }
        }
    }

    fn found(&self, from: Millis, until: Millis, channels: Vec<String>, trailing: bool) -> Gap {
        Gap {
            from,
            until,
            channels,
            trailing,
            since: self.now,
            asked: 0,
            due: self.now.saturating_add(step(0)),
            at: None,
        }
    }

    /// Puts channels that lack the same together again, and says what changed.
    fn done(self) -> (Gaps, Vec<Change>) {
        let Self {
            mut ledger,
            now,
            newest,
            pieces,
            tracks,
            ..
        } = self;
        let left: BTreeSet<usize> = pieces.iter().filter_map(|piece| piece.origin).collect();
        let mut changes = Vec::new();
        for (at, gap) in std::mem::take(&mut ledger.open).into_iter().enumerate() {
            if !left.contains(&at) {
                ledger.filled += 1;
                close(&mut ledger, &gap, now, "filled");
                changes.push(Change::Filled(gap));
            }
        }
        let (found, kept) = pieces.into_iter().partition::<Vec<_>, _>(|p| p.origin.is_none());
        let opened = in_sets(found);
        changes.extend(opened.iter().cloned().map(Change::Opened));
        ledger.open = in_sets(kept);
        ledger.open.extend(opened);
        ledger.open.sort_by_key(|gap| (gap.from, gap.until));
        ledger.newest = newest.unwrap_or(ledger.newest);
        ledger.channels = tracks
            .into_iter()
            .filter(|(_, track)| track.last != NEVER)
            .collect();
        (ledger, changes)
    }
}

/// Gaps of single channels that are equal but for the channel become one of a set.
fn in_sets(pieces: Vec<Piece>) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = pieces.into_iter().map(|piece| piece.gap).collect();
    let key = |gap: &Gap| {
        (
            gap.from,
            gap.until,
            gap.since,
            gap.asked,
            gap.due,
            gap.at,
            gap.trailing,
            gap.channels.is_empty(),
        )
    };
    gaps.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.channels.cmp(&b.channels)));
    let mut sets: Vec<Gap> = Vec::with_capacity(gaps.len());
    for gap in gaps {
        match sets.last_mut() {
            Some(last) if key(last) == key(&gap) && !gap.channels.is_empty() => {
                last.channels.extend(gap.channels);
                last.channels.dedup();
            }
            _ => sets.push(gap),
        }
    }
    sets
}
