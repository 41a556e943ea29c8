//! Calls of the host that make no sense: each is refused with a reason in the log, and the next one works.

use crate::handler::{Handler, SOURCES, queue_body};

#[tokio::test]
async fn a_call_that_makes_no_sense_is_refused_with_a_reason() {
    let handler = Handler::start(&[], SOURCES).await;
    let deep = format!("{{\"Data\":{}", "[".repeat(50_000));
    let job = |text: &str| queue_body(text).into_bytes();
    let host = "the host's call cannot be understood: ";
    let none = "the message is no job (";
    let cases: Vec<(&str, Vec<u8>, u16, String)> = vec![
        (
            "/TimerPoll",
            b"".to_vec(),
            400,
            format!("{host}the body is not JSON (EOF"),
        ),
        (
            "/TimerPoll",
            b"{".to_vec(),
            400,
            format!("{host}the body is not JSON (EOF"),
        ),
        (
            "/TimerPoll",
            b"\xff\xfe{}".to_vec(),
            400,
            format!("{host}the body is not JSON (expected value"),
        ),
        (
            "/TimerPoll",
            deep.into_bytes(),
            400,
            format!("{host}the body is not JSON (recursion limit exceeded"),
        ),
        (
            "/TimerPoll",
            b"null".to_vec(),
            400,
            format!("{host}`Data` is missing"),
        ),
        (
            "/TimerPoll",
            b"[]".to_vec(),
            400,
            format!("{host}`Data` is missing"),
        ),
        (
            "/TimerPoll",
            br#"{"Data":null}"#.to_vec(),
            400,
            format!("{host}`Data` has no `timer`; does function.json name it so?"),
        ),
        (
            "/TimerPoll",
            br#"{"Data":{"tick":{}}}"#.to_vec(),
            400,
            format!("{host}`Data` has no `timer`; does function.json name it so?"),
        ),
        (
            "/TimerPoll",
            br#"{"Data":{"timer":7}}"#.to_vec(),
            400,
            format!("{host}the timer's value is no object"),
        ),
        (
            "/TimerPoll",
            br#"{"Data":{"timer":"soon"}}"#.to_vec(),
            400,
            format!("{host}the timer's value is no object"),
        ),
        (
            "/PollWorker",
            b"{}".to_vec(),
            400,
            format!("{host}`Data` is missing"),
        ),
        (
            "/PollWorker",
            br#"{"Data":{"message":"x"}}"#.to_vec(),
            400,
            format!("{host}`Data` has no `job`; does function.json name it so?"),
        ),
        (
            "/PollWorker",
            br#"{"Data":{"job":null}}"#.to_vec(),
            422,
            none.into(),
        ),
        (
            "/PollWorker",
            br#"{"Data":{"job":"7"},"Metadata":{"DequeueCount":"5"}}"#.to_vec(),
            422,
            "delivery 5 of 5 was the last, the message goes to the poison queue".into(),
        ),
        (
            "/PollWorker",
            job("{}"),
            422,
            format!("{none}it has no member `job`"),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":1}}"#),
            422,
            format!("{none}missing field `sources`"),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":"1","sources":["x"]}}"#),
            422,
            none.into(),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":-1,"sources":["x"]}}"#),
            422,
            none.into(),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":1,"sources":"x"}}"#),
            422,
            none.into(),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":1,"sources":[1]}}"#),
            422,
            none.into(),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":1,"due":"now","sources":["x"]}}"#),
            422,
            none.into(),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":2,"sources":["x"]}}"#),
            422,
            format!("{none}missing field `shard`"),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":2,"shard":"r01","ticket":"t","runner":"lan","due":0}}"#),
            409,
            "the job is for the runner lan, this app polls for cloud".into(),
        ),
        (
            "/PollWorker",
            job(r#"{"job":{"v":3,"sources":["x"]}}"#),
            422,
            "the job has layout 3, this handler knows 1 and 2: was the app rolled back?".into(),
        ),
        (
            "/PollWorker",
            br#"{"Data":{"job":"\"\\ud800\""}}"#.to_vec(),
            422,
            none.into(),
        ),
    ];
    for (number, (path, body, status, told)) in cases.into_iter().enumerate() {
        let id = format!("00000000-0000-0000-0000-{number:012}");
        let answer = handler.post_as(&id, path, &body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        assert!(
            answer.json()["error"].as_str().unwrap().contains(&told),
            "{shown}: {answer:?}"
        );
        let line = handler
            .out
            .wait(|line| line.contains("The call failed") && line.contains(&id))
            .await;
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["level"], &line["span"]["invocation_id"]),
            (&"ERROR".into(), &id.into()),
            "{shown}: {line}"
        );
        assert!(line["error"].as_str().unwrap().contains(&told), "{shown}: {line}");
    }
    let good = handler.tick().await;
    assert!(
        good.status == 200 && good.body.contains("2 sources polled"),
        "{good:?}"
    );
}

/// Odd, but enough to work with.
#[tokio::test]
async fn odd_calls_are_understood_where_that_is_safe() {
    let handler = Handler::start(&[], SOURCES).await;
    let timer = |inner: &str| format!(r#"{{"Data":{{"timer":{inner}}}}}"#).into_bytes();
    let job = |text: &str| queue_body(text).into_bytes();
    for (path, body) in [
        ("/TimerPoll", timer("{}")),
        ("/TimerPoll", timer(r#"{"ScheduleStatus":{"Next":"soon"}}"#)),
        (
            "/TimerPoll",
            timer(r#"{"ScheduleStatus":{"Next":"9999-12-31T23:59:59Z"}}"#),
        ),
        (
            "/TimerPoll",
            timer(r#"{"ScheduleStatus":{"Next":"0001-01-01T00:00:00Z"},"IsPastDue":"yes"}"#),
        ),
        ("/TimerPoll", timer(r#""{\"IsPastDue\":true}""#)),
        ("/PollWorker", job(r#"{"job":{"v":1,"sources":[]}}"#)),
        ("/PollWorker", job(r#"{"job":{"v":1,"sources":["x","x","x"]}}"#)),
        (
            "/PollWorker",
            job(r#"{"job":{"v":1,"sources":["x"],"new":true}}"#),
        ),
    ] {
        let answer = handler.post(path, &body).await;
        let shown = String::from_utf8_lossy(&body);
        assert_eq!(answer.status, 200, "{shown}: {answer:?}");
        assert!(
            answer.json()["Logs"].to_string().contains("sources polled"),
            "{shown}: {answer:?}"
        );
    }
    let answer = handler
        .post(
            "/PollWorker",
            &job(r#"{"job":{"v":1,"sources":["x","stranger"]}}"#),
        )
        .await;
    let told = "no sources of this app, or of another runner: stranger; they are not polled";
    assert!(answer.status == 200 && answer.body.contains(told), "{answer:?}");
    handler
        .out
        .wait(|line| line.contains("\"WARN\"") && line.contains(told))
        .await;
}

/// A due time from far away puts no source off.
#[tokio::test]
async fn a_due_time_from_far_away_puts_nothing_off() {
    let handler = Handler::start(&[], SOURCES).await;
    let sys = r#""Metadata":{"sys":{"UtcNow":"9999-12-31T23:59:58Z"}}"#;
    let far =
        format!(r#"{{"Data":{{"timer":{{"ScheduleStatus":{{"Next":"9999-12-31T23:59:59Z"}}}}}},{sys}}}"#);
    let mut calls = vec![("/TimerPoll", far)];
    for due in [i64::MAX, i64::MIN, -1, 253_402_300_799_000] {
        let job = format!(r#"{{"job":{{"v":1,"due":{due},"sources":["x","a"]}}}}"#);
        calls.push(("/PollWorker", queue_body(&job)));
    }
    for (path, body) in calls {
        let answer = handler.post(path, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        // Due every second: in the next but one it is polled again.
        let health = handler.get("/api/health").await.json();
        for source in health["sources"].as_array().unwrap() {
            let next = source["nextDue"].as_str().unwrap();
            let next: chrono::DateTime<chrono::Utc> =
                next.parse().unwrap_or_else(|_| panic!("{body}: {next}"));
            let ahead = next - chrono::Utc::now();
            assert!(ahead.num_minutes() < 2, "{body}: {source}");
        }
        assert_eq!(health["sources"].as_array().unwrap().len(), 2, "{health}");
    }
    assert!(!handler.written().contains("panic"), "{}", handler.written());
}
