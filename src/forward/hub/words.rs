//! What a hub's or DPS' error body says, leniently read. Pure.
//!
//! Three shapes are about: `{"Message":"ErrorCode:Name;text"}`, `{"errorCode":409301,"message":"text"}`, and the second as a JSON
//! text inside the first's `Message` (C# SDK, `ExceptionHandlingHelper`). Gateways in between answer HTML or plain text.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::http;

/// An error body's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// `403002`.
    pub(super) code: Option<u64>,
    /// `IotHubQuotaExceeded`.
    pub(super) name: Option<String>,
    /// The rest, one line, signatures hidden.
    pub(super) text: String,
}

impl Words {
    /// Reads a body; `name` is the header `iothub-errorcode`.
    pub(super) fn of(body: &[u8], name: Option<&str>) -> Self {
        let body = String::from_utf8_lossy(body);
        let mut words = Self::default();
        if let Some(name) = name {
            words.label(name);
        }
        words.read(&body, 3);
        words.text = masked(&http::excerpt(&words.text));
        words
    }

    /// Whether the error has this number, or a name with this text in it.
    pub(super) fn means(&self, code: u64, name: &str) -> bool {
        self.code == Some(code) || self.name.as_deref().is_some_and(|n| n.contains(name))
    }

    /// `Wait 10 seconds and try again`.
    pub(super) fn wait(&self) -> Option<Duration> {
        let text = self.text.to_ascii_lowercase();
        let (_, rest) = text.split_once("wait ")?;
        let (number, unit) = rest.trim_start().split_once(' ')?;
        unit.starts_with("second")
            .then(|| number.parse().ok().map(Duration::from_secs))?
    }

    fn read(&mut self, text: &str, depth: u8) {
        let text = text.trim();
        if depth > 0
            && text.starts_with('{')
            && let Ok(Value::Object(object)) = serde_json::from_str(text)
        {
            return self.read_object(&object, depth);
        }
        let coded = text
            .strip_prefix("ErrorCode:")
            .or_else(|| text.strip_prefix("errorCode:"));
        let Some(rest) = coded else {
            self.text = text.to_owned();
            return;
        };
        let (label, text) = rest.split_once(';').unwrap_or((rest, ""));
        self.label(label);
        self.text = text.trim().to_owned();
    }

    fn read_object(&mut self, object: &Map<String, Value>, depth: u8) {
        match member(object, "errorCode") {
            Some(Value::Number(number)) => self.code = number.as_u64().or(self.code),
            Some(Value::String(label)) => self.label(label),
            _ => {}
        }
        match member(object, "message").or_else(|| member(object, "errorMessage")) {
            Some(Value::String(text)) => self.read(text, depth - 1),
            Some(Value::Object(inner)) => self.read_object(inner, depth - 1),
            _ => {}
        }
    }

    /// A code comes as a number, a name, or a number as text. The innermost name is the most exact.
    fn label(&mut self, label: &str) {
        let label = label.trim();
        if let Ok(code) = label.parse() {
            self.code = Some(code);
        } else if !label.is_empty() {
            self.name = Some(masked(&http::excerpt(label)));
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.code) {
            (Some(name), Some(code)) => write!(f, "{name} ({code}), ")?,
            (Some(name), None) => write!(f, "{name}, ")?,
            (None, Some(code)) => write!(f, "{code}, ")?,
            (None, None) => {}
        }
        f.write_str(&self.text)
    }
}

/// A member by its name in any letter case.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Hides signatures: some proxies repeat the request's headers.
pub(in crate::forward) fn masked(text: &str) -> String {
    // Letter case folded without a change of lengths.
    let folded = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = folded[at..].find("sig=") {
        let start = at + found + "sig=".len();
        let len = text[start..]
            .find(|c: char| c.is_whitespace() || "&\"'<>;,".contains(c))
            .unwrap_or(text.len() - start);
        out.push_str(&text[at..start]);
        out.push_str("***");
        at = start + len;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_shape() {
        let check = |body: &str, header: Option<&str>, expected: (Option<u64>, Option<&str>, &str)| {
            let words = Words::of(body.as_bytes(), header);
            assert_eq!(
                (words.code, words.name.as_deref(), words.text.as_str()),
                expected,
                "{body}"
            );
        };
        check(
            r#"{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized","ExceptionMessage":"Tracking ID:x-G:0-TimeStamp:y"}"#,
            None,
            (None, Some("IotHubUnauthorizedAccess"), "Unauthorized"),
        );
        check(
            r#"{"errorCode":409301,"message":"m","trackingId":"t","timestampUtc":"u","info":{}}"#,
            None,
            (Some(409_301), None, "m"),
        );
        check(
            r#"{"Message":"{\"errorCode\":404103,\"trackingId\":\"t\",\"message\":\"not online\",\"info\":{},\"timestampUtc\":\"u\"}","ExceptionMessage":""}"#,
            Some("DeviceNotOnline"),
            (Some(404_103), Some("DeviceNotOnline"), "not online"),
        );
        check(
            r#"{"errorCode":"403012","Message":"off"}"#,
            None,
            (Some(403_012), None, "off"),
        );
        check(
            r#"{"Message":"ErrorCode:404001;gone"}"#,
            None,
            (Some(404_001), None, "gone"),
        );
        check(
            r#"{"Message":"ErrorCode:DeviceNotFound"}"#,
            None,
            (None, Some("DeviceNotFound"), "an empty body"),
        );
        check(
            "",
            Some("ServerError"),
            (None, Some("ServerError"), "an empty body"),
        );
        check("<html>\n502</html>", None, (None, None, "<html> 502</html>"));
        check("{\"broken\":", None, (None, None, "{\"broken\":"));
        check("{\"other\":1}", None, (None, None, "an empty body"));
    }

    #[test]
    fn waits_are_found_in_the_text() {
        let check = |text: &str, expected: Option<u64>| {
            let words = Words::of(text.as_bytes(), None);
            assert_eq!(words.wait(), expected.map(Duration::from_secs), "{text}");
        };
        check(
            "ErrorCode:ThrottlingBacklogTimeout;Wait 10 seconds and try again. Operation type: x",
            Some(10),
        );
        check("wait 1 second", Some(1));
        check("Wait a moment", None);
        check("Wait 10 minutes", None);
        check("10 seconds", None);
    }

    #[test]
    fn signatures_are_hidden() {
        let check = |text: &str, expected: &str| {
            let words = Words::of(text.as_bytes(), Some(text));
            assert_eq!(words.text, expected);
            assert_eq!(words.name.as_deref(), Some(expected));
        };
        check(
            "bad SharedAccessSignature sr=a&sig=S%3D&se=1",
            "bad SharedAccessSignature sr=a&sig=***&se=1",
        );
        check("SIG=Sü x sig=", "SIG=*** x sig=***");
        check("plain", "plain");
    }

    proptest! {
        #[test]
        fn any_body_is_read(body in prop::collection::vec(any::<u8>(), 0..200), header in ".{0,20}") {
            let words = Words::of(&body, Some(&header));
            prop_assert!(words.text.chars().count() <= 400);
            let _ = (words.wait(), words.to_string());
        }

        #[test]
        fn no_signature_comes_through(before in "[a-z{}\":;&]{0,20}", after in "[&\" ;]?") {
            let words = Words::of(format!("{before}sig=S3CRET{after}").as_bytes(), None);
            prop_assert!(!words.to_string().contains("S3CRET"));
        }
    }
}
