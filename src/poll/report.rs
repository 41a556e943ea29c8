//! What a tick came to, for the log, the host's answer and the command line.

use super::Stop;
use crate::clock::Millis;
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
    /// Up to here everything is delivered.
    pub checkpoint: Option<Millis>,
    /// Labels that the channel map does not know.
    pub unknown: Vec<String>,
    /// Everything a person should read: errors first.
    pub remarks: Vec<String>,
    /// Request units charged by the store.
    pub charge: f64,
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
            checkpoint: None,
            unknown: Vec::new(),
            remarks: Vec::new(),
            charge: 0.0,
        }
    }

    pub(super) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
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
        if self.unfinished {
            line.push_str(", goes on at the next tick");
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
