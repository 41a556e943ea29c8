//! HTTP functions in proxying mode, against `http.json` and over bare sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use emulator::host::{Cause, FunctionsHost, Invocation, Keys};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::handler::Request;
use crate::stage::{QUEUE, Stage, soon, until};

/// One entry of `http.json`.
#[derive(Debug, Deserialize)]
struct Recorded {
    mode: String,
    case: String,
    caller: Caller,
    handler_saw: Vec<Saw>,
    caller_got: Got,
}

#[derive(Debug, Deserialize)]
struct Caller {
    line: String,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Saw {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Debug, Deserialize)]
struct Got {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Headers as a multiset, names in lower case, what differs from run to run taken out.
fn comparable<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| {
            let name = name.to_lowercase();
            let value = match name.as_str() {
                "host" | "x-forwarded-host" => value.split(':').next().unwrap(),
                "x-azure-functions-invocationid" | "x-ms-invocation-id" => "an id",
                "date" | "server" => "any",
                _ => value,
            };
            (name, value.to_owned())
        })
        .collect();
    headers.sort();
    headers
}

fn pairs(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The answer that the handler gave in the recording, told from what the caller got.
fn answer(got: &Got) -> String {
    let mut raw = format!("raw HTTP/1.1 {} Recorded\\r\\n", got.status);
    let chunked = got.headers.iter().any(|(name, _)| name == "Transfer-Encoding");
    for (name, value) in &got.headers {
        raw.push_str(&format!("{name}: {value}\\r\\n"));
    }
    raw.push_str("\\r\\n");
    if chunked {
        raw.push_str(&format!(
            "{:x}\\r\\n{}\\r\\n0\\r\\n\\r\\n",
            got.body.len(),
            got.body
        ));
    } else {
        raw.push_str(&got.body);
    }
    raw
}

/// Sends what the caller sent, over a bare socket, and reads to the end.
async fn call(host: &FunctionsHost, caller: &Caller) -> (u16, Vec<(String, String)>, String) {
    let mut request = format!("{} HTTP/1.1\r\nHost: {}\r\n", caller.line, host.http_addr());
    let mut headers = caller.headers.clone().unwrap_or_default();
    headers
        .entry("Accept-Encoding".to_owned())
        .or_insert("identity".to_owned());
    let chunked = headers
        .get("Transfer-Encoding")
        .is_some_and(|value| value == "chunked");
    // The end of the connection ends the answer for us.
    let connection = headers
        .remove("Connection")
        .map_or("close".to_owned(), |value| format!("{value}, close"));
    request.push_str(&format!(
        "Connection: {}\r\n",
        connection.replace("keep-alive, ", "")
    ));
    let body = caller.body.clone().unwrap_or_default();
    if !chunked && !body.is_empty() {
        headers.insert("Content-Length".to_owned(), body.len().to_string());
    }
    for (name, value) in &headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    if chunked {
        let (first, second) = body.split_at(3);
        request.push_str(&format!(
            "{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len()
        ));
    } else {
        request.push_str(&body);
    }
    let mut stream = TcpStream::connect(host.http_addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .map(|line| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .unwrap()
        })
        .filter(|(name, _)| !name.eq_ignore_ascii_case("connection"))
        .collect();
    let body = if headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"))
    {
        // "14\r\n…\r\n0\r\n\r\n"
        body.split("\r\n").skip(1).step_by(2).collect()
    } else {
        body.to_owned()
    };
    (status, headers, body)
}

#[tokio::test]
async fn as_recorded() {
    let all: Vec<Recorded> =
        serde_json::from_str(include_str!("../../../tests/data/host/http.json")).unwrap();
    let mut played = 0;
    for mut entry in all.into_iter().filter(|entry| entry.mode == "proxy") {
        match entry.case.as_str() {
            // Bodies that the recording names only by size, or that are no text; plays of their own are below.
            "1 MB body" | "gzip response" => continue,
            // Plays of their own, with keys and with another home page; the pause of five seconds tests nothing.
            "root" | "admin host status" | "handler closes without an answer" | "slow response 5 s" => {
                continue;
            }
            // Eleven bytes; which ones is all the same to the host.
            "form and content-encoding request" => {
                entry.caller.body = Some("01234567890".to_owned());
                entry.handler_saw[0].body = "01234567890".to_owned();
            }
            "chunked request body" => entry.caller.body = Some("abcdefg".to_owned()),
            _ => {}
        }
        let stage = Stage::new();
        // The recorded app had the default prefix and fewer methods.
        let function = stage.root.path().join("Operations/function.json");
        let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&function).unwrap()).unwrap();
        json["bindings"][0]["methods"] = serde_json::json!(["get", "post", "put", "patch", "delete"]);
        std::fs::write(&function, json.to_string()).unwrap();
        stage.behave(&[&format!("{} => {}", entry.caller.line, answer(&entry.caller_got))]);
        let options = stage
            .options()
            .setting("AzureFunctionsJobHost__extensions__http__routePrefix", "api");
        let host = FunctionsHost::start(options).await.unwrap();

        let (status, headers, body) = call(&host, &entry.caller).await;
        assert_eq!(
            (status, &body),
            (entry.caller_got.status, &entry.caller_got.body),
            "{}",
            entry.case
        );
        let from_host = entry.handler_saw.is_empty();
        if !from_host {
            assert_eq!(
                comparable(pairs(&headers)),
                comparable(pairs(&entry.caller_got.headers)),
                "{}",
                entry.case
            );
        }
        let saw = stage.requests();
        assert_eq!(saw.len(), entry.handler_saw.len(), "{}", entry.case);
        for (got, expected) in saw.iter().zip(&entry.handler_saw) {
            assert_eq!(
                (&got.line, &got.body),
                (&expected.line, &expected.body),
                "{}",
                entry.case
            );
            let expected = comparable(pairs(&expected.headers));
            assert_eq!(comparable(pairs(&got.headers)), expected, "{}", entry.case);
            let id = got.header("X-Azure-Functions-InvocationId");
            assert_eq!(
                (id, got.header("Host")),
                (
                    got.header("x-ms-invocation-id"),
                    Some(host.handler_addr().to_string().as_str())
                )
            );
            assert_eq!(id.unwrap(), host.invocations()[0].id.to_string());
        }
        played += 1;
    }
    assert_eq!(played, 19);
}

#[tokio::test]
async fn keys() {
    let stage = Stage::new();
    let mut options = stage.options();
    options.keys = Some(Keys {
        master: "m".to_owned(),
        function: "f".to_owned(),
    });
    let host = FunctionsHost::start(options).await.unwrap();
    let client = Client::new();
    let check = async |method: Method, target: &str, key: Option<&str>, status: u16, reaches: usize| {
        let before = stage.requests().len();
        let mut request = client.request(method, format!("http://{}{target}", host.http_addr()));
        if let Some(key) = key {
            request = request.header("x-functions-key", key);
        }
        assert_eq!(
            request.body("{}").send().await.unwrap().status(),
            status,
            "{target} {key:?}"
        );
        assert_eq!(stage.requests().len() - before, reaches, "{target} {key:?}");
    };
    check(Method::GET, "/api/x", None, 401, 0).await;
    check(Method::GET, "/api/x", Some("wrong"), 401, 0).await;
    check(Method::GET, "/api/x", Some("f"), 200, 1).await;
    check(Method::GET, "/api/x", Some("m"), 200, 1).await;
    check(Method::GET, "/api/x?a=1&code=f", None, 200, 1).await;
    check(Method::GET, "/api/x?code=f", Some("wrong"), 401, 0).await;
    check(Method::GET, "/admin/host/ping", None, 200, 0).await;
    check(Method::GET, "/admin/host/status", None, 401, 0).await;
    check(Method::GET, "/admin/host/status", Some("f"), 401, 0).await;
    check(Method::GET, "/admin/host/status", Some("m"), 200, 0).await;
    check(Method::POST, "/admin/functions/TimerPoll", Some("f"), 401, 0).await;
    check(Method::POST, "/admin/functions/Nothing", Some("m"), 404, 0).await;
    check(Method::GET, "/%61dmin/functions", Some("m"), 404, 0).await;
    let shown = format!("{:?}", host.invocations());
    assert!(shown.contains("code=…") && !shown.contains("code=f"), "{shown}");
}

#[tokio::test]
async fn the_catch_all_takes_the_root_and_every_listed_method() {
    let stage = Stage::new();
    let host = stage.start().await;
    let client = Client::new();
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE] {
        let got = client
            .request(method.clone(), format!("http://{}/", host.http_addr()))
            .send()
            .await
            .unwrap();
        assert_eq!(got.status(), 200, "{method}");
    }
    let lines: Vec<_> = stage.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(
        lines,
        [
            "GET / HTTP/1.1",
            "HEAD / HTTP/1.1",
            "OPTIONS / HTTP/1.1",
            "DELETE / HTTP/1.1"
        ]
    );
    // Not listed: the host answers.
    let trace = client
        .request(Method::TRACE, format!("http://{}/", host.http_addr()))
        .send()
        .await
        .unwrap();
    assert_eq!((trace.status().as_u16(), stage.requests().len()), (404, 4));
}

#[tokio::test]
async fn a_megabyte_both_ways() {
    let stage = Stage::new();
    stage.behave(&["POST => echo"]);
    let host = stage.start().await;
    let body = "0123456789abcdef".repeat(65_536);
    let url = format!("http://{}/big", host.http_addr());
    for chunked in [false, true] {
        let sent = match chunked {
            false => reqwest::Body::from(body.clone()),
            true => {
                let pieces: Vec<_> = body
                    .as_bytes()
                    .chunks(50_000)
                    .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                    .collect();
                reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
            }
        };
        let got = Client::new().post(&url).body(sent).send().await.unwrap();
        assert!(got.text().await.unwrap() == body, "chunked: {chunked}");
        let saw = stage.requests().pop().unwrap();
        assert_eq!(saw.header("Transfer-Encoding").is_some(), chunked);
        assert_eq!(saw.header("Content-Length").is_none(), chunked);
    }
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes() {
    let stage = Stage::new();
    stage.behave(&[
        "GET /slow => raw HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n5\\r\\nfirst\\r\\n",
    ]);
    let host = stage.start().await;
    let mut got = Client::new()
        .get(format!("http://{}/slow", host.http_addr()))
        .send()
        .await
        .unwrap();
    // The handler has not ended its answer, and never will.
    assert_eq!(got.chunk().await.unwrap().unwrap(), "first");
    drop(got);
    let call = soon(host.wait_invocation(|call| call.outcome.is_some())).await;
    assert_eq!(call.failure(), Some("the caller left"));
}

#[tokio::test]
async fn a_get_that_breaks_is_sent_forty_times() {
    let stage = Stage::new();
    stage.behave(&["GET => close", "POST => close"]);
    let host = stage.start().await;
    let got = reqwest::get(format!("http://{}/close", host.http_addr()))
        .await
        .unwrap();
    assert_eq!(
        (got.status().as_u16(), got.text().await.unwrap().as_str()),
        (500, "")
    );
    let saw = stage.requests();
    assert_eq!(saw.len(), 40);
    assert!(
        saw.iter().all(|request| request.headers == saw[0].headers),
        "one invocation"
    );
    let got = Client::new()
        .post(format!("http://{}/close", host.http_addr()))
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!((got.status().as_u16(), stage.requests().len()), (500, 41));
}

#[tokio::test]
async fn a_get_that_crashes_the_handler_ends_the_host() {
    let stage = Stage::new();
    stage.behave(&["GET /crash => exit 1"]);
    let host = stage.start().await;
    let crash = tokio::spawn(reqwest::get(format!("http://{}/crash", host.http_addr())));
    let reason = tokio::time::timeout(Duration::from_secs(20), host.ended())
        .await
        .unwrap();
    assert!(reason.contains("3 crashes"), "{reason}");
    let pids: std::collections::HashSet<_> = stage
        .requests()
        .iter()
        .map(|request: &Request| request.pid)
        .collect();
    assert_eq!(pids.len(), 3);
    drop(host);
    let _ = crash.await.unwrap();
}

#[tokio::test]
async fn the_function_timeout_holds() {
    let stage = Stage::new();
    stage.behave(&["GET /never => await never"]);
    let mut options = stage
        .options()
        .setting("AzureFunctionsJobHost__functionTimeout", "00:00:01");
    options.times.kill_after_timeout = Duration::from_millis(200);
    let host = FunctionsHost::start(options).await.unwrap();
    let pid = host.handler_pid();
    let got = reqwest::get(format!("http://{}/never", host.http_addr()))
        .await
        .unwrap();
    assert_eq!(
        (got.status().as_u16(), got.text().await.unwrap().as_str()),
        (500, "")
    );
    assert_ne!(host.next_handler(pid).await, pid);
    assert_eq!(stage.requests().len(), 1, "not sent again after the kill");
}

#[tokio::test]
async fn the_admin_door_runs_a_queue_function_without_its_queue() {
    let stage = Stage::new();
    let host = stage.start().await;
    let url = format!("http://{}/admin/functions/pollworker", host.http_addr());
    assert_eq!(
        Client::new()
            .post(url)
            .body(r#"{"input":"{}"}"#)
            .send()
            .await
            .unwrap()
            .status(),
        202
    );
    let call = soon(host.wait_invocation(Invocation::succeeded)).await;
    assert_eq!((call.function.as_str(), call.cause), ("PollWorker", Cause::Admin));
    assert_eq!(host.queue().peek(QUEUE).await.unwrap(), []);
    let ping = format!("http://{}/admin/host/ping?checkHealth=1", host.http_addr());
    assert_eq!(reqwest::get(ping).await.unwrap().status(), 200);
    until(|| (stage.probes().len() == 2).then_some(())).await;
}

#[tokio::test]
async fn the_home_page_is_the_hosts_unless_switched_off() {
    let stage = Stage::new();
    let mut options = stage.options();
    options.settings.remove("AzureWebJobsDisableHomepage");
    let host = FunctionsHost::start(options).await.unwrap();
    let got = reqwest::get(format!("http://{}/", host.http_addr()))
        .await
        .unwrap();
    assert_eq!(got.headers()["content-type"], "text/html");
    assert_eq!(stage.requests().len(), 0);
}
