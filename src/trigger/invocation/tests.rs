#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn timer(value: &Value, sys_now: &str) -> Result<Tick, Misunderstood> {
    let body = json!({"Data": {"timer": value}, "Metadata": {"sys": {"UtcNow": sys_now}}});
    Invocation::parse(body.to_string().as_bytes(), "timer")?.tick(5_000)
}

fn at(text: &str) -> Millis {
    instant(&Value::from(text)).unwrap()
}

#[test]
fn a_tick_is_its_next_whatever_the_quoting() {
    let status = json!({"Last": "0001-01-01T00:00:00", "Next": "2026-11-22T15:21:00+00:00"});
    let object = json!({"ScheduleStatus": status, "IsPastDue": true});
    for value in [
        object.clone(),
        json!(object.to_string()),
        json!(json!(object.to_string()).to_string()),
    ] {
        let tick = timer(&value, "2026-11-22T15:24:21.5528592Z").unwrap();
        assert_eq!(
            tick,
            Tick {
                due: at("2026-11-22T15:21:00Z"),
                past_due: true,
                by_hand: false
            }
        );
    }
}

#[test]
fn without_a_status_the_host_s_clock_counts() {
    let tick = timer(
        &json!({"ScheduleStatus": null, "IsPastDue": "False"}),
        "2026-11-22T15:20:20.1274287Z",
    )
    .unwrap();
    assert_eq!(
        tick,
        Tick {
            due: at("2026-11-22T15:20:20Z"),
            past_due: false,
            by_hand: false
        }
    );
    assert_eq!(timer(&json!({}), "soon").unwrap().due, 5_000);
}

#[test]
fn what_is_no_timer_call_is_named() {
    for (body, needle) in [
        ("", "not JSON"),
        ("[]", "`Data`"),
        ("{\"Data\":{}}", "no `timer`"),
        ("{\"Data\":{\"timer\":7}}", "no object"),
    ] {
        let error = Invocation::parse(body.as_bytes(), "timer")
            .and_then(|i| i.tick(0))
            .unwrap_err();
        assert!(error.to_string().contains(needle), "{error}");
    }
}

#[test]
fn an_answer_is_never_empty() {
    let answer = serde_json::to_string(&Answer::success(vec!["polled".into()])).unwrap();
    assert_eq!(answer, r#"{"Outputs":{},"Logs":["polled"],"ReturnValue":null}"#);
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
        let _ = Invocation::parse(&body, "timer").map(|i| (i.tick(0), i.job()));
        let quoted = json!({"Data": {"timer": text, "job": text}, "Metadata": {"DequeueCount": text}});
        let _ = Invocation::parse(quoted.to_string().as_bytes(), "timer").map(|i| (i.tick(0), i.job()));
    }
}
