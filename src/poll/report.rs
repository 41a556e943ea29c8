//! What a tick came to, for the log, the host's answer and the command line.

use super::Stop;
use super::gaps::{Change, Interval};
use crate::clock::{Millis, iso, span};
use crate::store::documents::State;

/// One tick of one source.
#[derive(Clone, Debug)]
pub struct Report {
    /// The source.
    pub source: String,
    /// The instant it was due.
    pub due: Millis,
    /// When it began.
    pub began: Millis,
    /// When it ended.
    pub ended: Millis,
    /// What it came to.
    pub outcome: Outcome,
    /// Rows read and not known before.
    pub rows: usize,
    /// Readings in them.
    pub readings: usize,
    /// Rows that were known already.
    pub known: usize,
    /// Messages that the hub took.
    pub messages: usize,
    /// Their billing units, by our count.
    pub units: u32,
    /// Messages that the hub refused for good.
    pub dead: usize,
    /// Repeated questions and sends.
    pub repeats: u32,
    /// Shipments that still wait for the hub.
    pub pending: usize,
    /// Whether the window was not finished: the next tick goes on.
    pub unfinished: bool,
    /// What is left for the next tick, in words: the time range, collected rows and shipments.
    pub left: Option<String>,
    /// Failed polls of the source in a row, this one included.
    pub failures: u32,
    /// Whether this failure is one of many that need no line in the log each.
    pub quiet: bool,
    /// Up to here everything is delivered.
    pub checkpoint: Option<Millis>,
    /// Labels that the channel map does not know.
    pub unknown: Vec<String>,
    /// Everything a person should read: errors first.
    pub remarks: Vec<String>,
    /// Gaps that were found, filled and given up.
    pub gaps: GapCount,
    /// Request units charged by the store.
    pub charge: f64,
}

/// What became of gaps in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GapCount {
    /// Found.
    pub opened: usize,
    /// Filled.
    pub filled: usize,
    /// Given up.
    pub given_up: usize,
    /// Open at the end.
    pub open: usize,
}

/// What a tick came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The source is not due yet.
    NotDue,
    /// Another tick works on it.
    Busy,
    /// All that there was is delivered.
    Delivered,
    /// There was nothing new.
    Empty,
    /// Stored, and waiting for the hub or for `send_every`.
    Stored,
    /// The source could not be read.
    Failed,
    /// The lease was lost on the way; another tick goes on.
    Lost,
    /// The store did not take a write.
    Store,
}

impl Outcome {
    /// One word, as logged.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotDue => "not-due",
            Self::Busy => "busy",
            Self::Delivered => "delivered",
            Self::Empty => "empty",
            Self::Stored => "stored",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Store => "store-error",
        }
    }
}

/// So many changes of gaps are told in words.
const TOLD: usize = 5;

impl Report {
    pub(super) fn new(source: &str, due: Millis, began: Millis) -> Self {
        Self {
            source: source.into(),
            due,
            began,
            ended: began,
            outcome: Outcome::Empty,
            rows: 0,
            readings: 0,
            known: 0,
            messages: 0,
            units: 0,
            dead: 0,
            repeats: 0,
            pending: 0,
            unfinished: false,
            left: None,
            failures: 0,
            quiet: false,
            checkpoint: None,
            unknown: Vec::new(),
            remarks: Vec::new(),
            gaps: GapCount::default(),
            charge: 0.0,
        }
    }

    pub(super) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// Tells of gaps: the first few in words, all of them in numbers.
    pub(super) fn gaps(&mut self, changes: &[Change], interval: Interval) {
        let before = self.gaps.opened + self.gaps.filled + self.gaps.given_up;
        for (told, change) in (before..).zip(changes) {
            match change {
                Change::Opened(_) => self.gaps.opened += 1,
                Change::Filled(_) => self.gaps.filled += 1,
                Change::GivenUp(_) | Change::CrowdedOut(_) => self.gaps.given_up += 1,
            }
            if told < TOLD {
                self.remark(change.text(interval));
            }
        }
    }

    pub(super) fn end(mut self, outcome: Outcome, now: Millis) -> Self {
        self.outcome = outcome;
        self.ended = now;
        self
    }

    pub(super) fn stopped(mut self, stop: Stop, now: Millis) -> Self {
        match stop {
            Stop::Lost => self.end(Outcome::Lost, now),
            Stop::Store(error) => {
                self.remarks.insert(0, error.to_string());
                self.end(Outcome::Store, now)
            }
        }
    }

    pub(super) fn done(mut self, state: &State, now: Millis) -> Self {
        self.pending = state.pending.len();
        self.checkpoint = state.checkpoint;
        self.gaps.open = state.gaps.as_ref().map_or(0, |gaps| gaps.open.len());
        self.failures = state.failures;
        self.left = self
            .unfinished
            .then(|| left(state))
            .filter(|left| !left.is_empty());
        let outcome = if self.outcome == Outcome::Failed {
            Outcome::Failed
        } else if !state.pending.is_empty() || !state.unshipped.is_empty() {
            Outcome::Stored
        } else if self.messages > 0 || self.dead > 0 {
            Outcome::Delivered
        } else {
            Outcome::Empty
        };
        self.end(outcome, now)
    }

    /// Whether the source took part in this tick at all.
    #[must_use]
    pub fn worked(&self) -> bool {
        !matches!(self.outcome, Outcome::NotDue | Outcome::Busy)
    }

    /// Whether everything went as it should.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !matches!(self.outcome, Outcome::Failed | Outcome::Store) && self.dead == 0
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{}: {}", self.source, self.outcome.word());
        if self.rows > 0 {
            line.push_str(&format!(", {} rows ({} readings)", self.rows, self.readings));
        }
        if self.messages > 0 {
            line.push_str(&format!(", {} messages, {} units", self.messages, self.units));
        }
        if self.pending > 0 {
            line.push_str(&format!(", {} shipments wait", self.pending));
        }
        let GapCount {
            opened,
            filled,
            given_up,
            open,
        } = self.gaps;
        if opened + filled + given_up > TOLD {
            line.push_str(&format!(
                ", {opened} gaps found, {filled} filled, {given_up} given up"
            ));
        }
        if open > 0 {
            line.push_str(&format!(", {open} gaps open"));
        }
        if self.unfinished {
            line.push_str(", goes on at the next tick");
            if let Some(left) = &self.left {
                line.push_str(&format!(" with {left}"));
            }
        }
        for remark in &self.remarks {
            line.push_str("; ");
            line.push_str(remark);
        }
        if !self.unknown.is_empty() {
            line.push_str("; unknown labels: ");
            line.push_str(&self.unknown.join(", "));
        }
        line
    }
}

/// What a state still has to do: `the window 2026-… to 2026-… (3 d 4 h), 12 collected rows, 2 shipments`.
fn left(state: &State) -> String {
    let mut parts = Vec::new();
    if let Some(pass) = state.pass {
        let span = span(pass.end.saturating_sub(pass.at));
        parts.push(format!(
            "the window {} to {} ({span})",
            iso(pass.at),
            iso(pass.end)
        ));
    }
    let rows: usize = state.unshipped.iter().map(|waits| waits.rows).sum();
    if rows > 0 {
        parts.push(format!("{rows} collected rows"));
    }
    if !state.pending.is_empty() {
        parts.push(format!("{} shipments", state.pending.len()));
    }
    parts.join(", ")
}
