//! What an answer that is no time series means: by its status, and by the text that came with it.

use std::time::Duration;

use super::decode::Fault;
use crate::http::excerpt;
use crate::source::Error;

/// What to change when the login is refused, under the names of all places where it can be set.
const MEND_LOGIN: &str = "check `user` and `password`, or `basic`, of the source, or the setting \
                          `Base64encodedUsernamePassword` (base64 of user:password)";

/// The error for an answer whose status is not a success. `subject` is what was asked for: `site "x" of customer "y"`.
#[must_use]
pub fn of_status(what: &str, subject: &str, status: u16, body: &str, after: Option<Duration>) -> Error {
    let what = what.to_owned();
    let said = said(body);
    match status {
        401 => Error::Login {
            what,
            detail: format!("401: {said}"),
            mend: MEND_LOGIN.into(),
        },
        403 => Error::Login {
            what,
            detail: format!("403: {said}"),
            mend: format!("the login may have no right to {subject}; {MEND_LOGIN}"),
        },
        404 => Error::Unknown {
            what,
            detail: format!("{subject} (404: {said})"),
        },
        408 | 429 | 500..=599 => Error::Unavailable {
            what,
            status,
            detail: said,
            after,
        },
        300..=399 => Error::Protocol {
            what,
            detail: format!(
                "status {status}, a redirect; write the address it leads to as the source's `url`"
            ),
            passing: false,
        },
        _ => Error::Protocol {
            what,
            detail: format!("status {status} for {subject}: {said}"),
            passing: false,
        },
    }
}

/// The error for a body that is no time series. `head` is the start of the body.
#[must_use]
pub fn of_fault(what: &str, fault: &Fault, head: &str, limit: usize) -> Error {
    let what = what.to_owned();
    let (detail, passing) = match fault {
        Fault::TooManyRows => return Error::TooManyRows { what, limit },
        Fault::NotRows => (format!("{}: {}", shape(head), said(head)), false),
        // A server that fails in the middle of its work writes its complaint into the body, or stops.
        Fault::Syntax { .. } => (format!("{fault}; it begins with {}", excerpt(head)), true),
        Fault::CutShort { .. } => (fault.to_string(), true),
        Fault::LongRow { .. } => (format!("{fault}; it begins with {}", excerpt(head)), false),
    };
    Error::Protocol {
        what,
        detail,
        passing,
    }
}

/// What a body is, if it is not an array of rows.
fn shape(head: &str) -> &'static str {
    match head.trim_start().as_bytes().first() {
        Some(b'<') => "an HTML page instead of rows (a login page or a proxy's)",
        Some(b'{') => "an object instead of rows",
        _ => "no rows",
    }
}

/// What the backend itself says: the text of `{"err":"…"}`, else the start of the body.
fn said(body: &str) -> String {
    let err = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|v| Some(excerpt(v.get("err")?.as_str()?)));
    err.unwrap_or_else(|| excerpt(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_error() {
        let check = |status, body: &str, kind: &str, transient: bool, shown: &str| {
            let error = of_status("https://x.example/", "site \"a b\"", status, body, None);
            assert_eq!(
                (error.kind(), error.is_transient()),
                (kind, transient),
                "{status}"
            );
            assert!(error.to_string().contains(shown), "{status}: {error}");
        };
        check(400, r#"{"err":"E_PARAM"}"#, "protocol", false, ": E_PARAM");
        check(401, "", "login", false, "Base64encodedUsernamePassword");
        check(
            403,
            r#"{"err":"no right"}"#,
            "login",
            false,
            "no right to site \"a b\"",
        );
        check(
            404,
            r#"{"err":"E_SITE"}"#,
            "unknown",
            false,
            "site \"a b\" (404: E_SITE)",
        );
        check(408, "late", "unavailable", true, "408: late");
        check(429, r#"{"err":5}"#, "unavailable", true, r#"{"err":5}"#);
        check(500, "<html>", "unavailable", true, "500: <html>");
        check(503, "", "unavailable", true, "an empty body");
        check(302, "", "protocol", false, "a redirect");
        check(418, "tea", "protocol", false, "418");
    }
}
