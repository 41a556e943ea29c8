//! Timers besides their calls' bytes: firing by hand, settings, outputs, logs.

use emulator::host::{Cause, Clock, FunctionsHost, Level, Timers};

use crate::stage::{QUEUE, Stage, at, soon};

#[tokio::test]
async fn fired_by_hand_for_chosen_ticks() {
    let stage = Stage::new();
    let mut options = stage.options().setting("TimerSchedule", "0 * * * * *");
    options.clock = Clock::manual(at("2026-01-01T00:00:30Z"));
    options.timers = Timers::ByHand;
    let host = FunctionsHost::start(options).await.unwrap();
    for tick in ["2026-01-01T00:01:00Z", "2026-01-01T00:05:00Z"] {
        let call = host.fire_timer(at(tick)).await.unwrap();
        assert!(call.succeeded(), "{call:?}");
        assert_eq!(
            call.cause,
            Cause::Timer {
                next: Some(at(tick)),
                past_due: false
            }
        );
    }
    let bodies: Vec<_> = stage.requests().into_iter().map(|request| request.body).collect();
    assert!(
        bodies[0].contains(r#""Last":"0001-01-01T00:00:00+00:00","Next":"2026-01-01T00:01:00+00:00""#),
        "{}",
        bodies[0]
    );
    assert!(
        bodies[1].contains(r#""Last":"2026-01-01T00:01:00+00:00","Next":"2026-01-01T00:05:00+00:00""#),
        "{}",
        bodies[1]
    );
}

#[tokio::test]
async fn outputs_become_messages_and_logs_lines() {
    let stage = Stage::new();
    stage.behave(&[
        r#"POST /TimerPoll => out {"level":"ERROR"} ; err a Warning ; err broken ; json {"Outputs":{"jobs":["{\"job\":{\"n\":1}}","{\"job\":{\"n\":2}}"]},"Logs":["two jobs"]}"#,
    ]);
    let host = stage.start().await;
    let call = host.fire_timer(at("2026-01-01T00:00:00Z")).await.unwrap();
    assert_eq!(call.messages, 2);
    for count in [1, 2] {
        soon(host.wait_invocation(|call| call.function == "PollWorker" && call.succeeded())).await;
        stage.wait_requests(count + 1).await;
    }
    let bodies: String = stage.requests().into_iter().map(|request| request.body).collect();
    assert!(
        bodies.contains(r#""job":"\"{\\\"job\\\":{\\\"n\\\":1}}\"""#),
        "{bodies}"
    );
    assert!(
        bodies.contains(r#""job":"\"{\\\"job\\\":{\\\"n\\\":2}}\"""#),
        "{bodies}"
    );
    let logs = host.logs();
    let check = |text: &str, level: Level, category: &str, belongs: bool| {
        let line = logs
            .iter()
            .find(|line| line.text == text)
            .unwrap_or_else(|| panic!("{text}: {logs:#?}"));
        assert_eq!((line.level, line.category.as_str()), (level, category), "{text}");
        assert_eq!(line.invocation.is_some(), belongs, "{text}");
    };
    check("two jobs", Level::Information, "Function.TimerPoll.User", true);
    check(
        r#"{"level":"ERROR"}"#,
        Level::Information,
        "Host.Function.Console",
        false,
    );
    check("a Warning", Level::Warning, "Host.Function.Console", false);
    check("broken", Level::Error, "Host.Function.Console", false);
}

#[tokio::test]
async fn an_output_too_large_fails_the_run_and_what_went_before_stays() {
    let stage = Stage::new();
    let large = "x".repeat(70_000);
    stage.behave(&[&format!(
        r#"POST /TimerPoll => json {{"Outputs":{{"jobs":["{{small}}","{large}","never sent"]}}}}"#
    )]);
    let options = stage.options().setting("AzureWebJobs.PollWorker.Disabled", "1");
    let host = FunctionsHost::start(options).await.unwrap();
    let call = host.fire_timer(at("2026-01-01T00:00:00Z")).await.unwrap();
    assert!(call.failure().unwrap().contains("65536"), "{call:?}");
    let left: Vec<_> = host
        .queue()
        .peek(QUEUE)
        .await
        .unwrap()
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(left, ["e3NtYWxsfQ=="]);
}

#[tokio::test]
async fn a_missing_schedule_disables_that_function_alone() {
    let stage = Stage::new();
    let mut options = stage.options();
    options.settings.remove("TimerSchedule");
    let host = FunctionsHost::start(options).await.unwrap();
    let error = host
        .logs()
        .into_iter()
        .find(|line| line.level == Level::Error)
        .unwrap();
    assert!(
        error.text.contains("TimerPoll") && error.text.contains("%TimerSchedule%"),
        "{error}"
    );
    assert_eq!(host.fire_timer(at("2026-01-01T00:00:00Z")).await, None);
    host.enqueue(QUEUE, "{}").await.unwrap();
    soon(host.wait_invocation(|call| call.function == "PollWorker" && call.succeeded())).await;
}

#[tokio::test]
async fn a_failed_run_does_not_stop_the_schedule() {
    let stage = Stage::new();
    stage.behave(&[
        "POST /TimerPoll => raw HTTP/1.1 500 Internal Server Error\\r\\nContent-Length: 0\\r\\n\\r\\n",
    ]);
    let mut options = stage.options().setting("TimerSchedule", "0 * * * * *");
    let clock = Clock::manual(at("2026-01-01T00:00:30Z"));
    options.clock = clock.clone();
    let host = FunctionsHost::start(options).await.unwrap();
    for tick in ["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"] {
        clock.set(at(tick));
        let call =
            soon(host.wait_invocation(|call| call.started == at(tick) && call.outcome.is_some())).await;
        assert_eq!(
            call.failure(),
            Some("Response status code does not indicate success: 500 (Internal Server Error).")
        );
    }
}
