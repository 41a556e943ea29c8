//! The page at `/` for people with a browser: the local twin of IoT Explorer. Static files, compiled in; it works through the
//! control API alone, without a network, and shows every text of a device as text.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::super::Inner;
use super::INDEX;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Nothing but this hub's own files and answers, and no script made out of text: `require-trusted-types-for` turns off every
/// way in which a script could read a device's words as HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// The files by name.
const FILES: [(&str, &str, &str); 17] = [
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("style.css", STYLE, include_str!("page/style.css")),
    ("main.js", SCRIPT, include_str!("page/main.js")),
    ("state.js", SCRIPT, include_str!("page/state.js")),
    ("hub.js", SCRIPT, include_str!("page/hub.js")),
    ("side.js", SCRIPT, include_str!("page/side.js")),
    ("messages.js", SCRIPT, include_str!("page/messages.js")),
    ("device.js", SCRIPT, include_str!("page/device.js")),
    ("twin.js", SCRIPT, include_str!("page/twin.js")),
    ("methods.js", SCRIPT, include_str!("page/methods.js")),
    ("devicebound.js", SCRIPT, include_str!("page/devicebound.js")),
    ("provisioning.js", SCRIPT, include_str!("page/provisioning.js")),
    ("closed.js", SCRIPT, include_str!("page/closed.js")),
    ("faults.js", SCRIPT, include_str!("page/faults.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("form.js", SCRIPT, include_str!("page/form.js")),
    ("format.js", SCRIPT, include_str!("page/format.js")),
];

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/", get(home))
        .route("/help", get(async || INDEX))
        .route("/page/{file}", get(file))
}

/// The page for who asks for HTML, as browsers do; the list of calls for everybody else.
async fn home(headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("text/html") {
        reply(HTML, include_str!("page/index.html"))
    } else {
        ([(VARY, "accept")], INDEX).into_response()
    }
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => reply(kind, text),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn reply(kind: &'static str, text: &'static str) -> Response {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER, "same-origin"),
        // The next build may have another page behind the same address.
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept"),
    ];
    (headers, text).into_response()
}
