//! Every recorded timer and queue call of the real host, replayed.

use chrono::{DateTime, SubsecRound, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::handler::{Answer, Handler, SOURCES, request};

/// One entry of `invocations.json`.
#[derive(Debug, Deserialize)]
struct Recorded {
    case: String,
    note: String,
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Recorded {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../data/host/invocations.json")).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        let headers = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        request(&self.line, headers, self.body.as_bytes())
    }

    fn id(&self) -> &str {
        let mut headers = self.headers.iter();
        let id = headers.find(|(name, _)| name == "X-Azure-Functions-InvocationId");
        &id.unwrap().1
    }

    /// The tick that a timer call is for: `Next`, or where the host gives none or is fired by hand, the second of its clock.
    fn due(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let next = &body["Data"]["timer"]["ScheduleStatus"]["Next"];
        let at = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        let due = if next.is_null() || self.case == "admin" {
            at(&body["Metadata"]["sys"]["UtcNow"]).trunc_subsecs(0)
        } else {
            at(next)
        };
        meterbridge::clock::iso(due.timestamp_millis())
    }
}

/// Section 5 of what was observed: anything else than this fails, or hangs until `functionTimeout`.
fn assert_success(answer: &Answer, about: &str) {
    assert_eq!(answer.status, 200, "{about}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{about}");
    let body = answer.json();
    assert!(
        body["Outputs"].is_object() && body["Logs"].is_array(),
        "{about}: {body}"
    );
    assert!(
        body["Logs"].as_array().unwrap().iter().all(Value::is_string),
        "{about}: {body}"
    );
}

#[tokio::test]
async fn every_recorded_call_is_understood() {
    let handler = Handler::start(&[], SOURCES).await;
    let recorded = Recorded::all();
    assert_eq!(recorded.len(), 29);
    let mut failed = 0;
    for call in &recorded {
        let about = format!("{} ({})", call.case, call.note);
        let answer = handler.send(&call.bytes()).await;
        let is_job = call.line.contains("/PollWorker");
        if !is_job || call.note.contains("\"sources\":[\"a\"]") {
            assert_success(&answer, &about);
        } else {
            // No job: the host repeats it up to its limit and then moves it to the poison queue.
            assert_eq!(answer.status, 422, "{about}: {answer:?}");
            assert!(!answer.body.is_empty() && answer.body != "null", "{about}");
            failed += 1;
            let wanted = |line: &str| line.contains(call.id()) && line.contains("The call failed");
            let line: Value = serde_json::from_str(&handler.out.wait(wanted).await).unwrap();
            assert_eq!(line["level"], "ERROR", "{about}");
            let why = line["error"].as_str().unwrap();
            assert!(why.starts_with("the message is no job ("), "{about}: {why}");
            assert!(why.contains("poison queue"), "{about}: {why}");
        }
        if !is_job {
            let due = format!("\"due\":\"{}\"", call.due());
            let wanted =
                |line: &str| line.contains("Tick done") && line.contains(&due) && line.contains(call.id());
            let last = handler.out.wait(wanted).await;
            assert_eq!(
                last.contains("\"past_due\":true"),
                call.body.contains("\"IsPastDue\":true"),
                "{about}"
            );
        }
    }
    assert_eq!(failed, 6);
}

/// The host ties no line of a handler to an invocation, so the line itself has to.
#[tokio::test]
async fn every_line_is_an_object_with_its_level_and_invocation() {
    let handler = Handler::start(&[], SOURCES).await;
    for call in Recorded::all().iter().take(3) {
        handler.send(&call.bytes()).await;
        let id = call.id().to_owned();
        handler
            .out
            .wait(|line| line.contains("Tick done") && line.contains(&id))
            .await;
    }
    let lines = handler.out.json();
    assert!(
        lines
            .iter()
            .any(|line| line["message"] == "Polled" && line["source"] == "x"),
        "{lines:?}"
    );
    for line in lines {
        assert!(line.is_object(), "{line}");
        let level = line["level"].as_str().unwrap();
        assert!(
            ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level),
            "{line}"
        );
        let message = line["message"].as_str().unwrap();
        let of_the_process =
            message == "Ready" || message == "Configured" || message.starts_with("TimerSchedule:");
        let id = line["span"]["invocation_id"].as_str();
        assert_eq!(id.is_some_and(|id| id.len() == 36), !of_the_process, "{line}");
    }
    assert_eq!(handler.err.all(), [] as [String; 0]);
}
