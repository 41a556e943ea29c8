//! Sources: reads one window from one backend.
//!
//! Knows neither the store nor the hub. A source answers a [`Window`] with an [`Answer`], or with an [`Error`] whose kind tells
//! the tick what to do: ask again soon, report a fault of configuration, or go on to the next source.

pub mod rapidm2m;
pub mod synthetic;
pub mod tasmota;

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Millis;
use crate::reading::{Channel, Rows};

/// One backend's view of one meter or site.
#[async_trait]
pub trait Source: Send + Sync {
    /// Whether the past can be asked for. A reader only knows the present, so a hub outage must not stop reading it.
    fn has_history(&self) -> bool;

    /// The question that [`Source::read`] asks for this window, without credentials: kept also where there is no answer.
    fn request(&self, window: Window) -> Request;

    /// Reads one window. Never retries: the tick does.
    async fn read(&self, window: Window) -> Result<Answer, Error>;

    /// What a person wants to know before the first poll: reachable, login, keys found. One finding a line.
    async fn inspect(&self) -> Vec<Finding>;
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The newest row only: a first run without a chosen start.
    Youngest,
    /// Rows with `from ≤ stamp ≤ until`, milliseconds UTC. `now` is the present instant, for sources without history.
    Range {
        /// First instant asked for, inclusive.
        from: Millis,
        /// Last instant asked for, inclusive.
        until: Millis,
        /// Whether `until` is the present, so that the backend may be asked for everything up to its newest row.
        open: bool,
    },
}

/// A backend's answer to one window.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What was asked, without credentials.
    pub request: Request,
    /// HTTP status; 0 for a source without a backend.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The rows, normalised (ascending, one per instant) and inside the window.
    pub rows: Rows,
    /// Labels or columns that the channel map does not know: reported, not dropped in silence.
    pub unknown: Vec<String>,
    /// Remarks for people: rows skipped and why, a dead optical head, a clock that is off.
    pub remarks: Vec<String>,
    /// The device's own instant where it gave one (a reader), milliseconds UTC.
    pub device_time: Option<Millis>,
    /// Requests that this took besides the one for the rows, such as a blueprint's: they count in the backend's budget.
    pub extra: u32,
}

/// The question as it is kept in the store and shown: never with a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Request {
    /// `GET`, or empty for a source without a backend.
    pub method: String,
    /// Whole URL without user, password or other secret.
    pub url: String,
}

/// One line of `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether this is as it should be.
    pub good: bool,
    /// What was found, and what to do where it is not good.
    pub text: String,
}

/// Why a window could not be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The backend refuses the login (401, 403, a `WARNING` body): a fault of configuration.
    #[error("{what} refused the login ({detail}); {mend}")]
    Login {
        /// Who refused: the reader's or backend's address.
        what: String,
        /// Its own words, or the status.
        detail: String,
        /// What to change.
        mend: String,
    },
    /// The backend does not know the site, customer or channel (404).
    #[error("{what} does not know {detail}; check the source's `customer`, `site` and `channels`")]
    Unknown {
        /// Address.
        what: String,
        /// What it does not know.
        detail: String,
    },
    /// The backend asks to be left alone for a while, or is overloaded or down (408, 429, 5xx).
    #[error("{what} answered {status}: {detail}")]
    Unavailable {
        /// Address.
        what: String,
        /// HTTP status.
        status: u16,
        /// Start of its body.
        detail: String,
        /// How long it asked to wait.
        after: Option<Duration>,
    },
    /// No answer: refused, unreachable, timed out, cut off.
    #[error("{what}: no answer ({detail}); {mend}")]
    Unreachable {
        /// Address.
        what: String,
        /// What happened.
        detail: String,
        /// What to look at.
        mend: String,
    },
    /// An answer that is not what the protocol says.
    #[error("{what} gave an answer that cannot be used: {detail}")]
    Protocol {
        /// Address.
        what: String,
        /// What is wrong with it, and where.
        detail: String,
        /// Whether the same question may well be answered rightly the next time (a reader's garbled reply).
        passing: bool,
    },
    /// More rows than a slice may hold: ask for a shorter window.
    #[error("{what} answered with more than {limit} rows; the window is asked for in shorter slices")]
    TooManyRows {
        /// Address.
        what: String,
        /// The bound that was passed.
        limit: usize,
    },
}

impl Error {
    /// Whether asking again within this tick can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Unreachable { .. } => true,
            Self::Protocol { passing, .. } => *passing,
            Self::Login { .. } | Self::Unknown { .. } | Self::TooManyRows { .. } => false,
        }
    }

    /// How long the backend asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { after, .. } => *after,
            _ => None,
        }
    }

    /// HTTP status, where the backend answered with one that is an error.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unavailable { status, .. } => Some(*status),
            Self::Unknown { .. } => Some(404),
            _ => None,
        }
    }

    /// One word for the stored outcome and for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Login { .. } => "login",
            Self::Unknown { .. } => "unknown",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreachable { .. } => "unreachable",
            Self::Protocol { .. } => "protocol",
            Self::TooManyRows { .. } => "too-many-rows",
        }
    }
}

/// One entry of a source's channel map: from a name at the source to what is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    /// What is known of the channel.
    pub channel: Channel,
    /// Factor applied to each value in decimal arithmetic; `None` sends values as read.
    pub scale: Option<rust_decimal::Decimal>,
}
