//! The handler's life: environment, probe, crashes, timeouts, stop.

use std::time::Duration;

use emulator::host::{FunctionsHost, HostError, HostOptions, Level, Outcome};

use crate::stage::{QUEUE, Stage, at, is_alive, soon, until};

/// `functionTimeout` cut to one second.
fn impatient(stage: &Stage) -> HostOptions {
    let mut options = stage
        .options()
        .setting("AzureFunctionsJobHost__functionTimeout", "00:00:01");
    options.times.kill_after_timeout = Duration::from_millis(300);
    options
}

#[tokio::test]
async fn started_as_host_json_says() {
    let stage = Stage::new();
    stage.file(
        "settings.json",
        r#"{"IsEncrypted":false,"Values":{"FROM_FILE":"f","FROM_TEST":"lost"}}"#,
    );
    stage.behave(&["GET /who => environment"]);
    let mut options = stage.options().setting("FROM_TEST", "t");
    options.settings_file = Some(stage.root.path().join("settings.json"));
    let host = FunctionsHost::start(options).await.unwrap();
    let answer = reqwest::get(format!("http://{}/who", host.http_addr()))
        .await
        .unwrap();
    let seen: Vec<String> = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let [port, worker, old_port, old_worker, root, file, test, cwd] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!(port.as_str(), host.handler_addr().port().to_string());
    assert_eq!((port, worker), (old_port, old_worker));
    assert_eq!(worker.len(), 36);
    assert_eq!((file.as_str(), test.as_str()), ("f", "t"));
    assert_eq!(
        (root.as_str(), cwd.as_str()),
        (stage.root.path().to_str().unwrap(), root.as_str())
    );
    let probes = stage.probes();
    assert_eq!(probes.len(), 1, "one answered probe");
    assert_eq!(
        (probes[0].line.as_str(), probes[0].headers.len()),
        ("GET / HTTP/1.1", 1)
    );
}

#[tokio::test]
async fn the_executable_is_found_in_the_app_root() {
    let stage = Stage::new();
    std::os::unix::fs::symlink(
        std::env::current_exe().unwrap(),
        stage.root.path().join("meterbridge"),
    )
    .unwrap();
    let mut options = stage.options();
    options.executable = None;
    let host = FunctionsHost::start(options).await.unwrap();
    assert!(
        host.fire_timer(at("2026-01-01T00:00:00Z"))
            .await
            .unwrap()
            .succeeded()
    );
}

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    let stage = Stage::new();
    let host = stage.start().await;
    for _ in 0..3 {
        assert!(
            host.fire_timer(at("2026-01-01T00:00:00Z"))
                .await
                .unwrap()
                .succeeded()
        );
    }
    let connections: Vec<_> = stage
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [stage.probes()[0].connection; 3]);
}

#[tokio::test]
async fn what_an_answer_makes_of_a_call() {
    let stage = Stage::new();
    let host = stage.start().await;
    for (answer, failure) in [
        ("json {}", None),
        (
            "raw HTTP/1.1 202 Accepted\\r\\nContent-Type: text/json\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n2\\r\\n{}\\r\\n0\\r\\n\\r\\n",
            None,
        ),
        (
            "raw HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}",
            Some("media type"),
        ),
        (
            "raw HTTP/1.1 404 Not Found\\r\\nContent-Type: application/json\\r\\nContent-Length: 2\\r\\n\\r\\n{}",
            Some("404 (Not Found)"),
        ),
        ("json {nope", Some("not JSON")),
        ("json []", Some("not a JSON object")),
        ("close", Some("closed the connection")),
    ] {
        stage.behave(&[&format!("POST /TimerPoll => {answer}")]);
        let before = stage.requests().len();
        let call = host.fire_timer(at("2026-01-01T00:00:00Z")).await.unwrap();
        match failure {
            None => assert!(call.succeeded(), "{answer}: {call:?}"),
            Some(reason) => assert!(
                call.failure().unwrap_or_default().contains(reason),
                "{answer}: {call:?}"
            ),
        }
        assert_eq!(
            stage.requests().len(),
            before + 1,
            "{answer}: a POST is never repeated"
        );
    }
}

#[tokio::test]
async fn an_empty_answer_hangs_until_the_handler_is_killed() {
    for answer in [
        "raw HTTP/1.1 204 No Content\\r\\n\\r\\n",
        "raw HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 0\\r\\n\\r\\n",
        "json null",
    ] {
        let stage = Stage::new();
        stage.behave(&[&format!("POST /TimerPoll => {answer}")]);
        let host = FunctionsHost::start(impatient(&stage)).await.unwrap();
        let pid = host.handler_pid();
        let call = host.fire_timer(at("2026-01-01T00:00:00Z")).await.unwrap();
        assert!(
            call.failure().unwrap().contains("Timeout value"),
            "{answer}: {call:?}"
        );
        assert!(call.duration.unwrap() >= Duration::from_secs(1));
        assert!(
            is_alive(pid.unwrap()),
            "the handler is killed only some time after the timeout"
        );
        let next = tokio::time::timeout(Duration::from_secs(20), host.next_handler(pid))
            .await
            .unwrap();
        assert!(next.is_some());
        assert!(!is_alive(pid.unwrap()));
        stage.behave(&[]);
        assert!(
            host.fire_timer(at("2026-01-01T00:01:00Z"))
                .await
                .unwrap()
                .succeeded()
        );
    }
}

#[tokio::test]
async fn a_timeout_takes_other_calls_with_it_and_is_no_crash() {
    let stage = Stage::new();
    stage.behave(&["POST => await never ; json {}"]);
    let mut options = impatient(&stage);
    options.times.kill_after_timeout = Duration::from_millis(900);
    let host = FunctionsHost::start(options).await.unwrap();
    // As many as the crashes that would end the host.
    for round in 1..=3 {
        let pid = host.handler_pid();
        let call = host.fire_timer(at("2026-01-01T00:00:00Z")).await;
        // Between the timeout and the kill, work still goes to the doomed process.
        host.enqueue(QUEUE, "{}").await.unwrap();
        assert!(call.unwrap().failure().unwrap().contains("Timeout value"));
        tokio::time::timeout(Duration::from_secs(20), host.next_handler(pid))
            .await
            .unwrap()
            .unwrap();
        let other = until(|| {
            let calls = host.invocations();
            let failed = calls
                .iter()
                .filter(|call| call.function == "PollWorker" && call.failure().is_some());
            failed.clone().nth(round - 1).cloned()
        })
        .await;
        assert!(
            !other.failure().unwrap().contains("Timeout value"),
            "it had time left: {other:?}"
        );
    }
    assert!(
        !host
            .logs()
            .iter()
            .any(|line| line.text.contains("process exited"))
    );
}

#[tokio::test]
async fn the_third_crash_ends_the_host() {
    let stage = Stage::new();
    stage.behave(&["POST /TimerPoll => err last words ; exit 1"]);
    let host = stage.start().await;
    let port = host.handler_addr();
    for _ in 0..2 {
        let pid = host.handler_pid();
        assert!(
            host.fire_timer(at("2026-01-01T00:00:00Z"))
                .await
                .unwrap()
                .failure()
                .is_some()
        );
        tokio::time::timeout(Duration::from_secs(20), host.next_handler(pid))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(host.handler_addr(), port);
    }
    host.kill_handler();
    let reason = tokio::time::timeout(Duration::from_secs(20), host.ended())
        .await
        .unwrap();
    assert!(
        reason.contains("3 crashes") && reason.contains("signal: 9"),
        "{reason}"
    );
    assert_eq!(host.handler_pid(), None);
    let exits: Vec<_> = host
        .logs()
        .into_iter()
        .filter(|line| line.text.contains("last words") && line.level == Level::Error)
        .collect();
    // Twice as a line of its own, twice in the reason of the crash.
    assert_eq!(exits.len(), 4, "{exits:#?}");
    until(|| {
        std::net::TcpStream::connect(host.http_addr())
            .is_err()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn exit_200_restarts_without_end() {
    let stage = Stage::new();
    stage.behave(&["POST /TimerPoll => exit 200"]);
    let host = stage.start().await;
    for _ in 0..4 {
        let pid = host.handler_pid();
        host.fire_timer(at("2026-01-01T00:00:00Z")).await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), host.next_handler(pid))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn exit_0_is_never_restarted_nor_logged() {
    let stage = Stage::new();
    stage.behave(&["POST /TimerPoll => exit 0"]);
    let host = stage.start().await;
    let pid = host.handler_pid();
    host.fire_timer(at("2026-01-01T00:00:00Z")).await.unwrap();
    assert_eq!(host.next_handler(pid).await, None);
    let call = host.fire_timer(at("2026-01-01T00:00:00Z")).await.unwrap();
    assert!(
        call.failure().unwrap().starts_with("Connection refused"),
        "{call:?}"
    );
    assert!(
        !host.logs().iter().any(|line| line.category == "Host"),
        "{:#?}",
        host.logs()
    );
}

#[tokio::test]
async fn a_handler_that_never_starts_ends_the_host_at_the_third_try() {
    for (act, setting, reason) in [
        ("err no config ; exit 78", "00:00:30", "no config"),
        ("await never", "00:00:00.2", "did not answer"),
    ] {
        let stage = Stage::new();
        // Acts at the start are one a line here, not a rule.
        let script = act.split(" ; ").collect::<Vec<_>>().join("\n");
        stage.file("at_start", &script);
        let options = stage.options().setting(
            "AzureFunctionsJobHost__customHandler__initializationTimeout",
            setting,
        );
        let ended = tokio::time::timeout(Duration::from_secs(20), FunctionsHost::start(options))
            .await
            .unwrap();
        let Err(HostError::Ended { reason: told, .. }) = ended else {
            panic!("{ended:?}")
        };
        assert!(told.contains(reason) && told.contains("3 crashes"), "{told}");
    }
}

#[tokio::test]
async fn without_an_executable_every_call_hangs_to_its_timeout() {
    let stage = Stage::new();
    let mut options = impatient(&stage);
    options.executable = Some(stage.root.path().join("host.json"));
    let host = FunctionsHost::start(options).await.unwrap();
    let call = host.fire_timer(at("2026-01-01T00:00:00Z")).await.unwrap();
    assert!(call.failure().unwrap().contains("Timeout value"), "{call:?}");
    assert_eq!(
        host.logs()
            .iter()
            .filter(|line| line.text.contains("Failed to start"))
            .count(),
        1
    );
}

#[tokio::test]
async fn calls_wait_for_a_handler_that_is_starting() {
    let stage = Stage::new();
    let host = stage.start().await;
    stage.file("at_start", "await go");
    host.kill_handler();
    let pid = host.handler_pid();
    until(|| host.handler_pid().filter(|now| Some(*now) != pid)).await;
    let (call, ()) = tokio::join!(host.fire_timer(at("2026-01-01T00:00:00Z")), async {
        soon(host.wait_invocation(|call| call.outcome.is_none())).await;
        assert_eq!(stage.requests().len(), 0);
        stage.file("go", "");
    });
    assert_eq!(call.unwrap().outcome, Some(Outcome::Succeeded));
}

#[tokio::test]
async fn an_idle_stop_kills() {
    let stage = Stage::new();
    let host = stage.start().await;
    let pid = host.handler_pid().unwrap();
    assert!(host.stop().await);
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_busy_stop_waits_and_then_leaves_an_orphan() {
    for finishes in [true, false] {
        let stage = Stage::new();
        stage.behave(&["POST /PollWorker => await go ; json {}"]);
        let mut options = stage.options();
        options.times.stop_wait = Duration::from_millis(if finishes { 20_000 } else { 200 });
        let host = FunctionsHost::start(options).await.unwrap();
        host.enqueue(QUEUE, "{}").await.unwrap();
        stage.wait_requests(1).await;
        let pid = host.handler_pid().unwrap();
        let queue = host.queue().clone();
        let (idle, ()) = tokio::join!(host.stop(), async {
            if finishes {
                stage.file("go", "");
            }
        });
        assert_eq!((idle, is_alive(pid)), (finishes, !finishes));
        if finishes {
            assert_eq!(
                queue.peek(QUEUE).await.unwrap(),
                [],
                "a message whose call succeeded is deleted before the end"
            );
        } else {
            end(pid);
        }
    }
}

#[tokio::test]
async fn a_killed_host_leaves_an_orphan_and_a_hidden_message() {
    let stage = Stage::new();
    stage.behave(&["POST /PollWorker => await never ; json {}"]);
    let host = stage.start().await;
    host.enqueue(QUEUE, "{}").await.unwrap();
    stage.wait_requests(1).await;
    let (pid, queue) = (host.handler_pid().unwrap(), host.queue().clone());
    host.kill_host().await;
    assert!(is_alive(pid));
    let left = queue.peek(QUEUE).await.unwrap();
    assert!(
        left[0].next_visible - left[0].inserted >= chrono::TimeDelta::minutes(10),
        "{left:?}"
    );
    end(pid);
}

#[tokio::test]
async fn a_dropped_host_takes_its_handler_along() {
    let stage = Stage::new();
    let host = stage.start().await;
    let pid = host.handler_pid().unwrap();
    drop(host);
    until(|| (!is_alive(pid)).then_some(())).await;
}

/// Ends an orphan.
pub(crate) fn end(pid: u32) {
    std::process::Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status()
        .unwrap();
}
