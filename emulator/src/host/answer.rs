//! What the host makes of the handler's answer to a timer or queue call.

use super::json::Json;

/// The host's verdict on one answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Succeeded(Answer),
    /// The host waits on, until `functionTimeout` ends the handler: an empty body and JSON `null`.
    Hang,
    /// Body, `Logs` and `Outputs` are thrown away.
    Failed(String),
}

/// What a good answer carries.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    /// Lines for the function's own log.
    pub(super) logs: Vec<String>,
    /// Value by output binding, `ReturnValue`'s members included.
    pub(super) outputs: Vec<(String, Json)>,
}

pub(super) fn judge(status: u16, reason: &str, content_type: Option<&str>, body: &[u8]) -> Verdict {
    if !(200..300).contains(&status) {
        return Verdict::Failed(format!(
            "Response status code does not indicate success: {status} ({reason})."
        ));
    }
    if status == 204 || body.is_empty() {
        return Verdict::Hang;
    }
    let media = content_type
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if media != "application/json" && media != "text/json" {
        return Verdict::Failed(format!(
            "No MediaTypeFormatter is available to read an object of type 'HttpScriptInvocationResult' from content with media type '{media}'."
        ));
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    match Json::parse(&text) {
        Err(error) => Verdict::Failed(format!("Invalid HttpResponseMessage: not JSON ({error}).")),
        Ok(Json::Null) => Verdict::Hang,
        Ok(value @ Json::Object(_)) => Verdict::Succeeded(Answer::from(&value)),
        Ok(_) => Verdict::Failed("Invalid HttpResponseMessage: not a JSON object.".to_owned()),
    }
}

impl From<&Json> for Answer {
    fn from(value: &Json) -> Self {
        let logs = match value.member("Logs") {
            Some(Json::Array(lines)) => lines.iter().filter_map(Json::invariant).collect(),
            _ => Vec::new(),
        };
        let mut outputs = Vec::new();
        // Without a `$return` binding an object as return value is spread over the outputs.
        for part in ["Outputs", "ReturnValue"] {
            if let Some(Json::Object(members)) = value.member(part) {
                outputs.extend(members.iter().cloned());
            }
        }
        Self { logs, outputs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, content_type: &str, body: &str) -> &'static str {
        match judge(status, "x", Some(content_type), body.as_bytes()) {
            Verdict::Succeeded(_) => "succeeded",
            Verdict::Hang => "hang",
            Verdict::Failed(_) => "failed",
        }
    }

    #[test]
    fn verdicts_as_observed() {
        let check = |status, content_type, body, expected| {
            assert_eq!(
                verdict(status, content_type, body),
                expected,
                "{status} {content_type} {body:?}"
            );
        };
        check(200, "application/json", "{}", "succeeded");
        check(202, "application/json; charset=utf-8", "{}", "succeeded");
        check(200, "text/json", "\u{feff}{}", "succeeded");
        check(204, "", "", "hang");
        check(200, "application/json", "", "hang");
        check(200, "application/json", "null", "hang");
        check(200, "text/plain", "{}", "failed");
        check(200, "", "{}", "failed");
        check(200, "application/json", "{nope", "failed");
        check(200, "application/json", "[]", "failed");
        check(200, "application/json", "\"{}\"", "failed");
        check(302, "application/json", "{}", "failed");
        check(404, "application/json", "{}", "failed");
        check(500, "application/json", "{}", "failed");
    }

    #[test]
    fn names_in_any_case() {
        let text = r#"{"outputs":{"jobs":1},"LOGS":["a",2],"returnvalue":{"more":"x"},"extra":0}"#;
        let Verdict::Succeeded(answer) = judge(200, "OK", Some("application/json"), text.as_bytes()) else {
            panic!("a good answer was refused")
        };
        assert_eq!(answer.logs, ["a", "2"]);
        assert_eq!(
            answer.outputs,
            [
                ("jobs".to_owned(), Json::Number("1".to_owned())),
                ("more".to_owned(), Json::text("x"))
            ]
        );
    }
}
