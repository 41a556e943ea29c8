//! HTTP clients, and what sources and forward share about answers.

pub mod roots;

use std::time::{Duration, SystemTime};

use reqwest::{Certificate, Client, Response, redirect};

/// Name and version sent with every request.
pub const USER_AGENT: &str = concat!("meterbridge/", env!("CARGO_PKG_VERSION"));

/// Makes a client that keeps connections open, follows no redirects and answers to no proxy for loopback.
/// `roots` are trusted besides the system's, or besides [bundled ones](roots::bundled) where the system has none.
///
/// # Errors
/// When TLS cannot be set up: a broken certificate in `roots`.
pub fn client(roots: &[Certificate]) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .pool_idle_timeout(Duration::from_secs(90))
        .tcp_nodelay(true)
        .tls_certs_merge(roots.iter().chain(roots::bundled()).cloned())
        .build()
}

/// What an answer's `Retry-After` asks for: seconds, or a date. A date is counted from the answer's own `Date`, for the two clocks
/// may differ; without one from `now`.
#[must_use]
pub fn retry_after(response: &Response, now: SystemTime) -> Option<Duration> {
    let header = |name| response.headers().get(name)?.to_str().ok();
    let date = header(reqwest::header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    parse_retry_after(header(reqwest::header::RETRY_AFTER)?, date.unwrap_or(now))
}

/// The same from the header's text.
#[must_use]
pub fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

/// The start of a body, for messages: one line, at most 200 characters.
#[must_use]
pub fn excerpt(body: &str) -> String {
    excerpt_of(body, 200)
}

/// The same with another bound.
#[must_use]
pub fn excerpt_of(body: &str, most: usize) -> String {
    let mut line: String = body
        .trim()
        .chars()
        .take(most)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if body.trim().chars().nth(most).is_some() {
        line.push('…');
    }
    if line.is_empty() {
        "an empty body".into()
    } else {
        line
    }
}

/// What went wrong below HTTP, without the URL (which may hold a login).
#[must_use]
pub fn network_fault(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "timed out".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection broke".to_owned()
    };
    let mut cause = std::error::Error::source(error);
    let mut last = None;
    while let Some(inner) = cause {
        last = Some(inner.to_string());
        cause = inner.source();
    }
    if let Some(last) = last {
        text.push_str(": ");
        text.push_str(&last);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |text, expected: Option<u64>| {
            assert_eq!(
                parse_retry_after(text, now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:49:47 GMT", Some(10));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("soon", None);
        check("-1", None);
    }
}
