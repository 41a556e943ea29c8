//! What an answer means for the messages that were sent.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap};
use reqwest::{Response, StatusCode};

use super::words::Words;
use crate::clock::{Clock, Millis};
use crate::forward::{Assignment, Error};
use crate::http;

/// Who was asked; decides which settings an error names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::forward) enum Peer {
    /// The hub.
    Hub,
    /// The Device Provisioning Service.
    Dps,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(in crate::forward) struct Answer {
    /// HTTP status.
    pub(in crate::forward) status: StatusCode,
    /// Header `iothub-errorcode`.
    name: Option<String>,
    /// Header `Retry-After`.
    pub(in crate::forward) retry_after: Option<Duration>,
    /// The server's clock minus ours.
    pub(in crate::forward) skew: Option<Millis>,
    /// The first bytes of the body.
    pub(in crate::forward) body: Vec<u8>,
}

/// Bytes of a body that are kept: DPS' answers are the longest.
const BODY: usize = 64 * 1024;

impl Answer {
    /// Reads an answer to a request that was sent at `sent`.
    pub(in crate::forward) async fn read(mut response: Response, sent: Millis, clock: &Clock) -> Self {
        let headers = response.headers();
        let date = date(headers);
        // A request travels for a while, and a Date header has whole seconds: both are halved.
        let skew = date.map(|date| date + 500 - (sent + (clock.now() - sent) / 2));
        let now = UNIX_EPOCH + millis(date.unwrap_or_else(|| clock.now()));
        let retry_after = http::retry_after(&response, now);
        let name = headers
            .get("iothub-errorcode")
            .and_then(|value| value.to_str().ok())
            .map(String::from);
        let mut body = Vec::new();
        // A body that breaks off does not change what the status says.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = BODY - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == BODY {
                break;
            }
        }
        Self {
            status: response.status(),
            name,
            retry_after,
            skew,
            body,
        }
    }

    /// An answer with this status, `iothub-errorcode` and body.
    #[cfg(fuzzing)]
    pub(in crate::forward) fn of(status: u16, name: Option<&str>, body: &[u8]) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            name: name.map(String::from),
            retry_after: None,
            skew: None,
            body: body.into(),
        }
    }

    /// The hub took all of it.
    pub(in crate::forward) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// Why the hub did not take it. Only what is about the very messages counts as refused or too large: those become dead letters.
    /// `remark` is what we know about a 401.
    pub(in crate::forward) fn hub_error(&self, to: &Assignment, remark: Option<String>) -> Error {
        let (hub, device) = (to.hub.clone(), to.device.clone());
        let words = self.words();
        let status = self.status.as_u16();
        match status {
            401 => Error::Unauthorized {
                hub,
                device,
                detail: with(words.to_string(), remark),
            },
            403 | 429 if words.means(403_002, "QuotaExceeded") => Error::Quota { hub },
            403 | 404 | 410 => Error::Device {
                hub,
                device,
                detail: words.to_string(),
            },
            413 => Error::TooLarge { hub },
            400 if words.means(413_001, "MessageTooLarge") => Error::TooLarge { hub },
            400 | 406 | 409 | 411 | 412 | 414 | 415 | 417 | 422 | 431 => Error::Refused {
                hub,
                status,
                detail: words.to_string(),
            },
            _ => self.unavailable(hub, Peer::Hub, &words),
        }
    }

    /// Why DPS did not answer with an operation; `remark` as above.
    pub(in crate::forward) fn dps_error(
        &self,
        dps: &str,
        registration: &str,
        remark: Option<String>,
    ) -> Error {
        let words = self.words();
        match self.status.as_u16() {
            400 | 401 | 403 | 404 | 409 | 410 | 412 | 413 | 415 | 422 => Error::NotAssigned {
                registration: registration.to_owned(),
                detail: with(
                    format!(
                        "{} ({words})",
                        self.status.canonical_reason().unwrap_or("refused")
                    ),
                    remark,
                ),
            },
            _ => self.unavailable(dps.to_owned(), Peer::Dps, &words),
        }
    }

    fn unavailable(&self, hub: String, peer: Peer, words: &Words) -> Error {
        let status = self.status.as_u16();
        let detail = match status {
            300..=399 => format!(
                "it answers with a redirect ({status}), as neither hubs nor DPS do; check {}",
                peer.host_setting()
            ),
            405 | 407 | 421 | 426 | 505 => format!(
                "{}; does a proxy or another server answer in its place? Check {}",
                words_of(self.status, words),
                peer.host_setting()
            ),
            _ => words_of(self.status, words),
        };
        Error::Unavailable {
            hub,
            status,
            detail,
            after: self.retry_after.or_else(|| words.wait()),
        }
    }

    fn words(&self) -> Words {
        Words::of(&self.body, self.name.as_deref())
    }
}

impl Peer {
    fn host_setting(self) -> &'static str {
        match self {
            Self::Hub => "IOTHUB_HOST",
            Self::Dps => "the DPS endpoint's name",
        }
    }
}

/// What happened below HTTP, with the setting that may help.
pub(in crate::forward) fn fault(error: &reqwest::Error, peer: Peer) -> String {
    let mut chain = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        chain.push_str(&inner.to_string());
        chain.push('\n');
        cause = inner.source();
    }
    let text = http::network_fault(error);
    match advice(&chain, peer) {
        Some(advice) => format!("{text}; {advice}"),
        None => text,
    }
}

/// The advice for a chain of causes, one a line.
fn advice(chain: &str, peer: Peer) -> Option<String> {
    let chain = chain.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| chain.contains(word));
    if any(&["dns error", "failed to lookup address"]) {
        Some(format!("check {} and the name server", peer.host_setting()))
    } else if any(&["certificate"]) {
        Some(
            "a gateway or emulator has an authority of its own: name its PEM file in IOTHUB_CA_FILE; otherwise something \
             between reads the traffic, or this machine's clock is wrong"
                .into(),
        )
    } else if any(&["tls", "handshake", "corrupt message"]) {
        Some(
            "the TLS handshake failed: check the port, and IOTHUB_CA_FILE for an authority of its own".into(),
        )
    } else {
        None
    }
}

fn words_of(status: StatusCode, words: &Words) -> String {
    format!("it answered {} ({words})", status.as_u16())
}

fn with(text: String, remark: Option<String>) -> String {
    match remark {
        Some(remark) => format!("{text}; {remark}"),
        None => text,
    }
}

fn date(headers: &HeaderMap) -> Option<Millis> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

fn millis(at: Millis) -> Duration {
    Duration::from_millis(u64::try_from(at).unwrap_or_default())
}

#[cfg(test)]
#[path = "answer/tests.rs"]
mod tests;
