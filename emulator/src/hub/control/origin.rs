//! Who may ask: programs and pages of this machine. The control API has no credentials, so that a page from elsewhere, open in
//! a browser on this machine, must not reach it.

use std::net::IpAddr;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Refuses requests that were sent to another name (DNS rebinding: a foreign name that points here) and those of
/// another site's page.
pub(super) async fn own(request: Request, next: Next) -> Response {
    if is_own(request.headers()) {
        return next.run(request).await;
    }
    let error = "the control API answers to localhost and addresses, and to pages of its own alone";
    (StatusCode::FORBIDDEN, Json(json!({ "error": error }))).into_response()
}

fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    is_here(host) && text(header::ORIGIN).is_none_or(|origin| origin == format!("http://{host}"))
}

/// Whether a `Host` is an address or `localhost`, with or without a port: what no foreign name can be.
fn is_here(host: &str) -> bool {
    let port = |text: &str| text.is_empty() || text.strip_prefix(':').is_some_and(is_port);
    if let Some((address, rest)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse::<IpAddr>().is_ok() && port(rest);
    }
    let (name, rest) = host.split_at(host.find(':').unwrap_or(host.len()));
    let known = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    known && port(rest)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_here() {
        for here in [
            "localhost",
            "LOCALHOST:8445",
            "127.0.0.1:8445",
            "[::1]:8445",
            "[::1]",
        ] {
            assert!(is_here(here), "{here}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example:8445",
            "localhost:80:80",
            "[evil]:1",
            "127.0.0.1.evil:1",
        ] {
            assert!(!is_here(foreign), "{foreign}");
        }
    }
}
