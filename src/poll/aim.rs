//! What an answer was asked for: the live window, gaps, or a backfill.

use crate::clock::Millis;
use crate::config::SourceConfig;
use crate::reading::Rows;
use crate::store::documents::State;

use super::digest::{Digest, Sifted};
use super::gaps::{self, Interval, Take};
use super::past;
use super::report::Report;

/// What an answer was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// What is new. The pass, where there is one, goes on here afterwards.
    Live(Option<Millis>),
    /// What is missing between recorded rows.
    Gap,
    /// A range of the past that a person chose; it goes on here.
    Backfill {
        /// The next instant.
        next: Millis,
    },
}

impl Aim {
    /// The same where only the rows before this one are recorded yet.
    pub(super) fn until_row(self, stamp: Option<Millis>) -> Self {
        match self {
            Self::Live(next) => Self::Live(stamp.filter(|_| next.is_some())),
            Self::Gap => Self::Gap,
            Self::Backfill { next } => Self::Backfill {
                next: stamp.unwrap_or(next),
            },
        }
    }

    /// Moves the place where the question goes on, past so many recorded rows and so many that were known.
    pub(super) fn go_on(self, state: &mut State, rows: usize, known: usize) {
        match self {
            Self::Live(Some(next)) => {
                if let Some(pass) = &mut state.pass {
                    pass.at = next;
                }
            }
            Self::Backfill { next } => {
                if let Some(open) = &mut state.past.backfill {
                    open.at = next;
                    open.rows += rows as u64;
                    open.left_out += known as u64;
                    open.failures = 0;
                }
            }
            Self::Live(None) | Self::Gap => {}
        }
    }

    /// Whether marks move with the answer.
    pub(super) fn is_live(self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// The word for it in the stored attempt; none for the live window.
    pub(super) fn word(self) -> Option<String> {
        match self {
            Self::Live(_) => None,
            Self::Gap => Some("gap".into()),
            Self::Backfill { .. } => Some("backfill".into()),
        }
    }

    /// Splits rows of a source with a history into those to record and those known.
    pub(super) fn sift(self, state: &State, known: &Digest, rows: Rows) -> Sifted {
        match (self, &state.gaps) {
            (Self::Gap, Some(gaps)) => known.sift_with(rows, |stamp| gaps::take(gaps, stamp)),
            (Self::Gap, None) => known.sift_with(rows, |_| Take::Nothing),
            (Self::Live(_), _) => known.sift(rows),
            (Self::Backfill { .. }, _) => {
                let again = state.past.backfill.is_some_and(|open| open.again);
                past::sift(state, known, rows, again)
            }
        }
    }
}

/// The expected interval of a source that can be asked again.
pub(super) fn interval(config: &SourceConfig) -> Option<Interval> {
    config.expected.map(|every| Interval::new(every, config.zone))
}

/// Notes rows up to `bound` in the gap ledger, which is written with them: up to the mark, and as far as the digest is about to
/// forget. To be called when the mark is moved and before the digest forgets.
pub(super) fn note(
    aim: Aim,
    config: &SourceConfig,
    state: &mut State,
    known: &Digest,
    rows: &Rows,
    (bound, now): (Millis, Millis),
    report: &mut Report,
) {
    let Some(interval) = interval(config) else {
        // What is recorded without being noted would be taken for missing later.
        state.gaps = None;
        return;
    };
    if !aim.is_live() && state.gaps.is_none() {
        // The ledger begins with a row of the live polls: everything after it is noted.
        return;
    }
    let between = |from, until| known.between(from, until);
    let mut ledger = state.gaps.take().map(|ledger| *ledger);
    let changes = gaps::note(&mut ledger, interval, rows, bound, between, now);
    state.gaps = ledger.map(Box::new);
    report.gaps(&changes, interval);
}
