use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use serde_json::Value;

/// A request that the backend saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// When it came in, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// When its answer's head was made, in milliseconds since 1970 UTC.
    pub answered_ms: i64,
    /// Its method.
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// The parts of the path after the base, percent-decoded, empty ones left out.
    pub parts: Vec<String>,
    /// The `json=` parameter, decoded, where it is JSON.
    pub query: Option<Value>,
    /// Its headers, names in small letters, without those that carry credentials.
    pub headers: Vec<(String, String)>,
    /// Whether the login was right.
    pub authorized: bool,
    /// The status of the answer. `None`: the connection was closed without one.
    pub status: Option<u16>,
}

/// The latest requests.
pub(super) struct Journal {
    keep: usize,
    latest: Mutex<VecDeque<Asked>>,
}

impl Journal {
    pub(super) fn new(keep: usize) -> Self {
        Self {
            keep,
            latest: Mutex::default(),
        }
    }

    /// Whether anything is written down at all.
    pub(super) fn is_kept(&self) -> bool {
        self.keep > 0
    }

    pub(super) fn note(&self, asked: Asked) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= self.keep {
            latest.pop_front();
        }
        latest.push_back(asked);
    }

    pub(super) fn latest(&self) -> Vec<Asked> {
        self.latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

/// All headers but credentials.
pub(super) fn harmless(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| ![AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name))
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}
