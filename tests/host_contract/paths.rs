//! What comes in through the HTTP function, or straight to the port: it must neither poll nor end the process.

use serde_json::Value;

use crate::handler::{Handler, SOURCES, request, tick_body};

/// The headers of every call that the real host proxied.
fn proxied() -> Vec<(String, String)> {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("../data/host/http.json")).unwrap();
    let post = recorded
        .iter()
        .find(|entry| entry["mode"] == "proxy" && entry["case"] == "post json")
        .unwrap();
    let headers = serde_json::from_value(post["handler_saw"][0]["headers"].clone()).unwrap();
    let headers: Vec<(String, String)> = headers;
    headers
        .into_iter()
        .filter(|(name, _)| name != "Content-Length")
        .collect()
}

/// A caller with a function key reaches every path through the catch-all route.
#[tokio::test]
async fn a_proxied_call_fires_nothing() {
    let handler = Handler::start(&[], SOURCES).await;
    let body = tick_body();
    let job = crate::handler::queue_body(r#"{"job":{"v":1,"sources":["x"]}}"#);
    for (path, body) in [("/TimerPoll", &body), ("/PollWorker", &job)] {
        // All of the recorded headers, and each of the two that tell alone.
        let all = proxied();
        for kept in ["", "x-ms-invocation-id", "X-Forwarded-Host"] {
            let telling = ["x-ms-invocation-id", "X-Forwarded-Host"];
            let mut headers = all.clone();
            headers.retain(|(name, _)| kept.is_empty() || name == kept || !telling.contains(&name.as_str()));
            headers.push(("Content-Length".into(), body.len().to_string()));
            for method in ["POST", "GET", "PUT"] {
                let pairs = headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
                let bytes = request(&format!("{method} {path} HTTP/1.1"), pairs, body.as_bytes());
                let answer = handler.send(&bytes).await;
                assert_eq!(answer.status, 404, "{method} {path} with {kept:?}: {answer:?}");
            }
        }
    }
    let health = handler.get("/api/health").await.json();
    assert!(
        health["lastTick"].is_null() && health["sources"] == serde_json::json!([]),
        "{health}"
    );
    assert!(!handler.written().contains("Polled"));
    // The same calls without those headers are the host's own.
    assert_eq!(handler.post("/TimerPoll", body.as_bytes()).await.status, 200);
    assert!(!handler.get("/api/health").await.json()["lastTick"].is_null());
}

/// The router and the host's proxy disagree about encoded slashes, so no path with one is anything.
#[tokio::test]
async fn an_encoded_slash_is_no_path() {
    let handler = Handler::start(&[], SOURCES).await;
    for path in [
        "/api%2Fhealth",
        "/api%2fhealth",
        "/api%5Chealth",
        "/api%5chealth",
        "/api/health%2F",
        "/%2Fapi/health",
        "/%2F",
        "/TimerPoll%2F",
        "/api/sources/a%2Fb",
        "/api\\health",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let bytes = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
            let answer = handler.send(bytes.as_bytes()).await;
            let refused = answer.status == 404 || (path.contains('\\') && answer.status == 400);
            assert!(refused, "{method} {path}: {answer:?}");
        }
    }
    // A space or an umlaut in a path is ambiguous to nobody.
    assert_eq!(handler.get("/api/health?x=%2F").await.status, 200);
}

#[tokio::test]
async fn every_method_gets_an_answer() {
    let handler = Handler::start(&[], SOURCES).await;
    for (line, expected) in [
        ("HEAD / HTTP/1.1", 200),
        ("HEAD /api/health HTTP/1.1", 200),
        ("HEAD /api/info HTTP/1.1", 200),
        ("HEAD /none HTTP/1.1", 404),
        ("HEAD /TimerPoll HTTP/1.1", 405),
        ("OPTIONS / HTTP/1.1", 405),
        ("OPTIONS /api/health HTTP/1.1", 405),
        ("OPTIONS /none HTTP/1.1", 404),
        ("OPTIONS * HTTP/1.1", 404),
        ("TRACE / HTTP/1.1", 405),
        ("GET /TimerPoll HTTP/1.1", 405),
        ("DELETE /PollWorker HTTP/1.1", 405),
        ("BREW / HTTP/1.1", 405),
        ("GET //api/health HTTP/1.1", 404),
        ("GET /api/health/ HTTP/1.1", 404),
        ("GET /timerpoll HTTP/1.1", 404),
    ] {
        let answer = handler
            .send(format!("{line}\r\nHost: h\r\n\r\n").as_bytes())
            .await;
        assert_eq!(answer.status, expected, "{line}: {answer:?}");
        if expected == 405 {
            assert!(answer.header("allow").is_some(), "{line}: {answer:?}");
        }
    }
}

/// The host's readiness probe has only a Host header. It is answered while nothing is wired: here the file of sources is a pipe that
/// nobody writes to, on a machine with a single processor.
#[tokio::test]
async fn the_probe_is_answered_while_nothing_is_wired() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let path = pipe.display().to_string();
    let settings = [("SOURCES_FILE", path.as_str()), ("TOKIO_WORKER_THREADS", "1")];
    let mut command = crate::handler::command(dir.path(), &settings);
    command.args(["serve", "--port", "0"]);
    let handler = Handler::of(command, dir).await;
    for _ in 0..3 {
        let answer = handler.get("/").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    }
    assert!(!handler.written().contains("Configured"));
    // A call that comes meanwhile waits, as the host lets it, and then succeeds.
    let (answer, ()) = tokio::join!(handler.tick(), async {
        let pipe = pipe.clone();
        tokio::task::spawn_blocking(move || std::fs::write(pipe, SOURCES).unwrap())
            .await
            .unwrap();
    });
    assert_eq!(answer.status, 200, "{answer:?}");
    handler.out.wait(|line| line.contains("Configured")).await;
}
