//! One backend over HTTP: asks, waits no longer than told, and turns refusals into errors.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response};
use url::Url;

use super::refusal;
use crate::clock::Clock;
use crate::http;
use crate::secret::Secret;
use crate::source::Error;

/// As much of an error's body is read.
pub(super) const HEAD: usize = 2 * 1024;

/// A backend, with what it takes to ask it.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    /// Its address, for messages.
    pub(super) what: String,
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) basic: Option<Secret>,
    /// How long to wait for an answer to begin, and between its pieces.
    pub(super) timeout: Duration,
}

impl Backend {
    /// Asks once. `subject` is what the address stands for, in words, for the error when the backend does not know it.
    pub(super) async fn get(&self, url: Url, subject: &str) -> Result<Response, Error> {
        let mut request = self.client.get(url).header(ACCEPT, "application/json");
        if let Some(basic) = &self.basic {
            request = request.header(AUTHORIZATION, self.authorization(basic)?);
        }
        let answer = tokio::time::timeout(self.timeout, request.send()).await;
        let mut response = answer.map_err(|_| self.late())?.map_err(|e| self.broken(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(self.clock.now()).unwrap_or(0));
        let after = http::retry_after(&response, now);
        let status = response.status().as_u16();
        // The status says enough where its body cannot be read.
        let mut head = Vec::new();
        let _ = self.fill(&mut response, &mut head, HEAD).await;
        let body = String::from_utf8_lossy(&head);
        Err(refusal::of_status(&self.what, subject, status, &body, after))
    }

    /// Asks for a small JSON document; more than `limit` bytes are refused.
    pub(super) async fn json(
        &self,
        url: Url,
        subject: &str,
        limit: usize,
    ) -> Result<serde_json::Value, Error> {
        let mut response = self.get(url, subject).await?;
        let mut body = Vec::new();
        self.fill(&mut response, &mut body, limit + 1).await?;
        let refused = |detail| Error::Protocol {
            what: self.what.clone(),
            detail,
            passing: false,
        };
        if body.len() > limit {
            return Err(refused(format!("{subject} is longer than {limit} bytes")));
        }
        serde_json::from_slice(&body).map_err(|_| {
            let start = http::excerpt(&String::from_utf8_lossy(&body));
            refused(format!("{subject} is not JSON: {start}"))
        })
    }

    /// The next piece of a body; `None` at its end.
    pub(super) async fn piece(&self, response: &mut Response) -> Result<Option<Bytes>, Error> {
        let piece = tokio::time::timeout(self.timeout, response.chunk()).await;
        piece.map_err(|_| self.late())?.map_err(|e| self.broken(&e))
    }

    /// Reads on until `body` has `limit` bytes, or the answer ends.
    pub(super) async fn fill(
        &self,
        response: &mut Response,
        body: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Error> {
        while body.len() < limit
            && let Some(piece) = self.piece(response).await?
        {
            body.extend_from_slice(&piece[..piece.len().min(limit - body.len())]);
        }
        Ok(())
    }

    fn authorization(&self, basic: &Secret) -> Result<HeaderValue, Error> {
        let mut value =
            HeaderValue::from_str(&format!("Basic {}", basic.reveal().trim())).map_err(|_| Error::Login {
                what: self.what.clone(),
                detail: "not asked: the login holds characters that no header may have".into(),
                mend: "`basic` and `Base64encodedUsernamePassword` are the base64 of user:password".into(),
            })?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn late(&self) -> Error {
        self.unreachable(
            format!("timed out after {:?}", self.timeout),
            "the backend is slow, or the window too long: see the source's `timeout` and `slice`",
        )
    }

    fn broken(&self, error: &reqwest::Error) -> Error {
        let mend = if error.is_connect() {
            "check the source's `url`, and that the backend can be reached from here"
        } else {
            "it is asked again"
        };
        self.unreachable(http::network_fault(error), mend)
    }

    fn unreachable(&self, detail: String, mend: &str) -> Error {
        Error::Unreachable {
            what: self.what.clone(),
            detail,
            mend: mend.to_owned(),
        }
    }
}
