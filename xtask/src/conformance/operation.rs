//! What a script reports of one operation, and the verdict on it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::hub::Arrived;
use super::table::{Row, Verdict};

/// One operation of an SDK. `tests/conformance/report.js` describes the line it is read from.
#[derive(Debug)]
pub(super) struct Operation(Map<String, Value>);

impl Operation {
    /// Reads a line that a script printed.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        match serde_json::from_str(line) {
            Ok(Value::Object(members)) if members.contains_key("operation") => Ok(Self(members)),
            _ => Err(format!("printed {line:?}, which is no operation")),
        }
    }

    /// The operation's row in the table.
    pub(super) fn judged(&self, arrived: &[Arrived]) -> Row {
        let text = |name: &str| self.0.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut operation = text("operation").to_owned();
        let verdict = self.verdict(arrived);
        if !matches!(verdict, Verdict::NotRun(_)) {
            operation += &format!(", {} ms", self.0.get("took_ms").unwrap_or(&Value::Null));
        }
        Row::new(text("sdk"), text("transport"), &operation, verdict)
    }

    fn verdict(&self, arrived: &[Arrived]) -> Verdict {
        let text = |name: &str| self.0.get(name).and_then(Value::as_str);
        if let Some(why) = text("not_run") {
            return Verdict::NotRun(why.to_owned());
        }
        match (text("error"), text("gap")) {
            (Some(error), Some(gap)) => Verdict::NotYet(format!("{gap} ({error})")),
            (None, Some(gap)) => {
                Verdict::Failed(format!("works by now: take the gap \"{gap}\" out of the script"))
            }
            (Some(error), None) => Verdict::Failed(error.to_owned()),
            (None, None) => match (self.compare(arrived), text("declined")) {
                (Err(why), _) => Verdict::Failed(why),
                (Ok(()), Some(reason)) => Verdict::NotOffered(reason.to_owned()),
                (Ok(()), None) => Verdict::Passed,
            },
        }
    }

    /// Whether what was sent arrived once and unchanged, and what must never arrive did not.
    fn compare(&self, arrived: &[Arrived]) -> Result<(), String> {
        let mut by_mark: BTreeMap<&str, Vec<&Arrived>> = BTreeMap::new();
        for message in arrived {
            if let Some(mark) = message["properties"]["mark"].as_str() {
                by_mark.entry(mark).or_default().push(message);
            }
        }
        let list = |name: &str| self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        for mark in list("never").filter_map(Value::as_str) {
            if by_mark.contains_key(mark) {
                return Err("a refused message arrived all the same".to_owned());
            }
        }
        for sent in list("sent") {
            let mark = sent["mark"].as_str().unwrap_or_default();
            match by_mark.get(mark).map(Vec::as_slice) {
                Some([message]) => same(sent, message)?,
                Some(several) => return Err(format!("a message arrived {} times", several.len())),
                None => return Err("a message did not arrive".to_owned()),
            }
        }
        Ok(())
    }
}

/// Compares a message with what arrived of it.
fn same(sent: &Value, arrived: &Arrived) -> Result<(), String> {
    // What the script names, and what the feed calls it.
    let members = [
        ("id", "messageId"),
        ("contentType", "contentType"),
        ("contentEncoding", "contentEncoding"),
        ("body", "body"),
        ("bodyBase64", "bodyBase64"),
    ];
    for (name, shown) in members {
        if sent[name] != arrived[shown] {
            return Err(format!(
                "{name} was {}, arrived as {}",
                short(&sent[name]),
                short(&arrived[shown])
            ));
        }
    }
    for (name, value) in sent["system"].as_object().into_iter().flatten() {
        let shown = &arrived["system"][name];
        if value != shown {
            return Err(format!(
                "{name} was {}, arrived as {}",
                short(value),
                short(shown)
            ));
        }
    }
    let (sent, arrived) = (folded(&sent["properties"]), folded(&arrived["properties"]));
    if sent == arrived {
        Ok(())
    } else {
        Err(format!("properties were {sent:?}, arrived as {arrived:?}"))
    }
}

/// Properties with their names in lower case: HTTP does not keep the case of headers.
fn folded(properties: &Value) -> BTreeMap<String, &Value> {
    let members = properties.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 {
        text.chars().take(60).chain("…".chars()).collect()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn message(more: &Value) -> Value {
        let mut message = json!({
            "messageId": "m-1", "contentType": "application/json", "contentEncoding": null,
            "properties": {"mark": "a", "site": "1"}, "body": "{}",
        });
        message
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        message
    }

    #[track_caller]
    fn check(more: &Value, arrived: &[Value], expected: &str) {
        let mut line = json!({
            "operation": "send", "sdk": "sdk 1", "transport": "HTTPS", "took_ms": 3, "error": null, "gap": null,
            "never": [],
            "sent": [{"mark": "a", "id": "m-1", "contentType": "application/json", "contentEncoding": null,
                      "properties": {"mark": "a", "Site": "1"}, "body": "{}"}],
        });
        line.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let row = Operation::parse(&line.to_string()).unwrap().judged(arrived);
        assert_eq!(row.verdict.to_string(), expected);
    }

    #[test]
    fn what_arrives_must_be_what_was_sent() {
        let good = message(&json!({}));
        check(&json!({}), std::slice::from_ref(&good), "pass");
        check(&json!({}), &[], "FAIL: a message did not arrive");
        check(
            &json!({}),
            &[good.clone(), good.clone()],
            "FAIL: a message arrived 2 times",
        );
        let changes = [
            (
                json!({"messageId": null}),
                "FAIL: id was \"m-1\", arrived as null",
            ),
            (
                json!({"contentType": "x"}),
                "FAIL: contentType was \"application/json\", arrived as \"x\"",
            ),
            (
                json!({"contentEncoding": "utf-8"}),
                "FAIL: contentEncoding was null, arrived as \"utf-8\"",
            ),
            (
                json!({"body": "{ }"}),
                "FAIL: body was \"{}\", arrived as \"{ }\"",
            ),
            (
                json!({"properties": {"mark": "a"}}),
                "FAIL: properties were {\"mark\": String(\"a\"), \"site\": String(\"1\")}, arrived as {\"mark\": String(\"a\")}",
            ),
        ];
        for (change, expected) in changes {
            check(&json!({}), &[message(&change)], expected);
        }
        check(
            &json!({"never": ["a"], "sent": []}),
            &[good],
            "FAIL: a refused message arrived all the same",
        );
    }

    #[test]
    fn errors_and_gaps_are_told_apart() {
        let good = [message(&json!({}))];
        check(&json!({"error": "Error: no"}), &good, "FAIL: Error: no");
        check(
            &json!({"error": "Error: no", "gap": "no MQTT"}),
            &[],
            "not yet: no MQTT (Error: no)",
        );
        check(
            &json!({"gap": "no MQTT"}),
            &good,
            "FAIL: works by now: take the gap \"no MQTT\" out of the script",
        );
        check(&json!({"not_run": "no TPM"}), &[], "not run: no TPM");
        let declined = json!({"declined": "no blobs"});
        check(&declined, &good, "not offered here: no blobs");
        check(
            &json!({"declined": "no blobs", "error": "Error: 200"}),
            &good,
            "FAIL: Error: 200",
        );
        assert!(Operation::parse("Traceback").is_err() && Operation::parse("{}").is_err());
    }
}
