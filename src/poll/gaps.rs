//! The gap ledger: which rows are missing, when they are asked for again, and when they are given up. Pure.
//!
//! A gap lies strictly between two rows that are recorded. Where whole rows are missing it has no channels; where rows are
//! there but lack values that they normally have, it names the set of channels that they lack. What is not there yet at the
//! newest end is no gap: every poll asks for it anyway.
//!
//! Below the digest's floor, a row inside an open gap is the only one that is taken (see [`take`]), and the write that records
//! it narrows the gap so that the row lies inside no more. So it is taken once, whatever the backend shows there later.

mod interval;
mod note;

use crate::clock::{Millis, iso};
use crate::store::documents::{Closed, Gap, Gaps};

pub use interval::Interval;
pub use note::note;

/// More gaps than this are not kept: the one that was asked for most often goes, loudly. Two neighbours cannot be made into one
/// instead, for the rows between them are delivered, and below the digest's floor only the ledger knows that.
pub const MAX_OPEN: usize = 100;
/// Gaps are given up at this age.
pub const GIVEN_UP_AFTER: Millis = 14 * 24 * HOUR;
/// How long after it was found, and after each question, a gap is asked for again; the last one goes on.
const STEPS: [Millis; 5] = [5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR];
/// How many closed gaps are remembered.
const MAX_CLOSED: usize = 10;
/// Neighbours that are due together are asked for in one question where so many rows at most lie between them.
const BETWEEN: i64 = 100;
const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

/// Something that people should read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A hole was found.
    Opened(Gap),
    /// It is filled.
    Filled(Gap),
    /// It is too old.
    GivenUp(Gap),
    /// It had to go for newer ones.
    CrowdedOut(Gap),
}

impl Change {
    /// In words.
    #[must_use]
    pub fn text(&self, interval: Interval) -> String {
        let (Self::Opened(gap) | Self::Filled(gap) | Self::GivenUp(gap) | Self::CrowdedOut(gap)) = self;
        let what = describe(gap, interval);
        match self {
            Self::Opened(_) => format!("gap found: {what}; it is asked for again"),
            Self::Filled(_) => format!("gap filled: {what}"),
            Self::GivenUp(_) => format!("gap given up after {} questions: {what}", gap.asked),
            Self::CrowdedOut(_) => {
                format!("more than {MAX_OPEN} gaps: one is given up for newer ones: {what}")
            }
        }
    }
}

/// A gap in words: how many rows, where, and of which channels.
#[must_use]
pub fn describe(gap: &Gap, interval: Interval) -> String {
    let count = interval.missing(gap.from, gap.until);
    let of = if gap.channels.is_empty() {
        String::new()
    } else {
        format!(" of {}", gap.channels.join(", "))
    };
    format!(
        "{count} row{}{of} between {} and {}",
        if count == 1 { "" } else { "s" },
        iso(gap.from),
        iso(gap.until)
    )
}

/// What is taken of a row below the digest's floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take<'a> {
    /// Nothing: it lies in no open gap.
    Nothing,
    /// All of it.
    Row,
    /// The values of these channels: the others were recorded.
    Channels(Vec<&'a str>),
}

/// One question for gaps that are due: both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// First instant.
    pub from: Millis,
    /// Last instant.
    pub until: Millis,
}

/// What may be taken of a row at this instant, below the digest's floor.
#[must_use]
pub fn take(gaps: &Gaps, stamp: Millis) -> Take<'_> {
    let mut channels = Vec::new();
    for gap in gaps.open.iter().filter(|gap| is_inside(gap, stamp)) {
        if gap.channels.is_empty() {
            return Take::Row;
        }
        channels.extend(gap.channels.iter().map(String::as_str));
    }
    if channels.is_empty() {
        Take::Nothing
    } else {
        Take::Channels(channels)
    }
}

/// The next question for gaps that are due, at most `longest` milliseconds; `None` when there is none. Those that begin in the
/// live window, which starts at `live`, are left to it.
#[must_use]
pub fn question(
    gaps: &Gaps,
    interval: Interval,
    live: Millis,
    longest: Millis,
    now: Millis,
) -> Option<Question> {
    let mut due: Vec<(Millis, Millis)> = gaps
        .open
        .iter()
        .filter(|gap| gap.due <= now)
        .map(|gap| range(gap, gaps.newest))
        .filter(|&(from, _)| from < live)
        .collect();
    due.sort_unstable();
    let (from, mut until) = due.first().copied()?;
    let last = from.saturating_add(longest.max(1) - 1);
    until = until.min(last);
    let between = interval.every.saturating_mul(BETWEEN);
    for &(start, end) in &due[1..] {
        if start > until.saturating_add(between) || start > last {
            break;
        }
        until = until.max(end.min(last));
    }
    Some(Question { from, until })
}

/// Notes that a question was asked, answered or not: the gaps that it covered to their ends fall due again later each time.
/// To be called before the answer is noted, so that what is left of a gap has the new time.
pub fn asked(gaps: &mut Gaps, question: Question, now: Millis) {
    let newest = gaps.newest;
    for gap in gaps.open.iter_mut().filter(|gap| gap.due <= now) {
        let (from, until) = range(gap, newest);
        if from < question.from || from > question.until {
            continue;
        }
        if until > question.until {
            gap.at = Some(question.until + 1);
            continue;
        }
        gap.at = None;
        gap.asked = gap.asked.saturating_add(1);
        gap.due = now.saturating_add(step(gap.asked));
    }
}

/// Gives up what is too old.
pub fn give_up(gaps: &mut Gaps, now: Millis) -> Vec<Change> {
    let is_old = |gap: &Gap| now.saturating_sub(gap.since) >= GIVEN_UP_AFTER;
    if !gaps.open.iter().any(is_old) {
        return Vec::new();
    }
    let (old, open) = std::mem::take(&mut gaps.open).into_iter().partition(is_old);
    gaps.open = open;
    old.into_iter()
        .map(|gap| {
            forget(gaps, &gap, now, "given-up");
            Change::GivenUp(gap)
        })
        .collect()
}

/// Whether the next row is later than expected; only where that has changed since it was asked last.
pub fn overdue(gaps: &mut Gaps, interval: Interval, now: Millis) -> Option<bool> {
    let late = now > interval.overdue(gaps.newest);
    (std::mem::replace(&mut gaps.overdue, late) != late).then_some(late)
}

/// Makes room where there are too many.
fn crowd_out(gaps: &mut Gaps, now: Millis) -> Vec<Change> {
    let mut changes = Vec::new();
    while gaps.open.len() > MAX_OPEN {
        let most = gaps.open.iter().enumerate().max_by_key(|(_, gap)| {
            // Of those asked equally often, the oldest rows.
            (gap.asked, std::cmp::Reverse(gap.until))
        });
        let Some((at, _)) = most else { break };
        let gap = gaps.open.remove(at);
        forget(gaps, &gap, now, "crowded-out");
        changes.push(Change::CrowdedOut(gap));
    }
    changes
}

fn forget(gaps: &mut Gaps, gap: &Gap, now: Millis, how: &str) {
    gaps.given_up += 1;
    for channel in &gap.channels {
        // A channel that is gone for good must not open the next gap at once.
        if let Some(track) = gaps.channels.get_mut(channel) {
            track.steady = 0;
        }
    }
    close(gaps, gap, now, how);
}

fn close(gaps: &mut Gaps, gap: &Gap, now: Millis, how: &str) {
    gaps.closed.push(Closed {
        from: gap.from,
        until: gap.until,
        channels: gap.channels.clone(),
        at: now,
        how: how.into(),
    });
    let surplus = gaps.closed.len().saturating_sub(MAX_CLOSED);
    gaps.closed.drain(..surplus);
}

fn is_inside(gap: &Gap, stamp: Millis) -> bool {
    gap.from < stamp && stamp < gap.until
}

/// What a gap asks for: never beyond the newest row, for that is the poll's.
fn range(gap: &Gap, newest: Millis) -> (Millis, Millis) {
    let until = (gap.until - 1).min(newest);
    let from = gap.at.unwrap_or(gap.from.saturating_add(1)).min(until);
    (from, until)
}

/// How long until a gap that was asked for so often is asked for again.
fn step(asked: u32) -> Millis {
    let at = usize::try_from(asked).unwrap_or(usize::MAX);
    STEPS[at.min(STEPS.len() - 1)]
}

#[cfg(test)]
mod tests;
