//! When the handler ends: with its host or on a signal, and never for anything else.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::time::timeout;

use crate::handler::{self, BINARY, Handler, Lines, SOURCES, folder};

/// A handler that ends with 0 is never started again by a host that lives.
#[tokio::test]
async fn a_signal_ends_it_with_a_failure() {
    for name in ["TERM", "INT"] {
        let mut handler = Handler::start(&[], SOURCES).await;
        assert_eq!(handler.tick().await.status, 200);
        handler.signal(name).await;
        assert_eq!(handler.ended().await.code(), Some(1), "{name}");
        handler
            .out
            .wait(|line| line.contains("Ending") && line.contains("Signal"))
            .await;
    }
}

/// Also while it still waits for a disk: here for a pipe that nobody writes to.
#[tokio::test]
async fn a_signal_ends_it_while_nothing_is_wired() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.toml");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let path = pipe.display().to_string();
    let mut command = handler::command(dir.path(), &[("SOURCES_FILE", &path)]);
    command.args(["serve", "--port", "0"]);
    let mut handler = Handler::of(command, dir).await;
    handler.get("/").await;
    handler.signal("TERM").await;
    assert_eq!(handler.ended().await.code(), Some(1));
}

/// `sh` stands for the host: it starts the handler and is killed.
fn host(dir: &Path, stdout: Stdio) -> Command {
    let mut host = Command::new("sh");
    host.args(["-c", "\"$0\" serve --port 0 & echo $! >pid; wait", BINARY])
        .current_dir(dir)
        .env("STORE_PATH", dir.join("store.db"))
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::null())
        .kill_on_drop(true);
    host
}

#[tokio::test]
async fn it_ends_by_itself_when_its_host_is_gone() {
    let dir = folder(SOURCES);
    let mut host = host(dir.path(), Stdio::piped()).spawn().unwrap();
    let out = Lines::of(host.stdout.take().unwrap());
    out.wait(|line| line.contains("\"Ready\"")).await;
    host.kill().await.unwrap();
    let since = Instant::now();
    // The pipe closes with the last process that holds it.
    timeout(handler::PATIENCE, out.closed()).await.expect("it ends");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert!(
        out.all().iter().any(|line| line.contains("HostGone")),
        "{:?}",
        out.all()
    );
}

/// With the host its pipes are gone as well: what is logged then goes nowhere, and ends nothing early.
#[tokio::test]
async fn a_log_that_nobody_reads_ends_nothing() {
    let mut handler = Handler::start(&[], SOURCES).await;
    let dir = folder(SOURCES);
    let mut command = handler::command(dir.path(), &[]);
    // A port of its own, known beforehand, since its log cannot be read.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut child = command
        .args(["serve", "--port", &port.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    timeout(handler::PATIENCE, async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it listens");
    let call = handler::request(
        "POST /TimerPoll HTTP/1.1",
        [("Host", "h"), ("Transfer-Encoding", "chunked")],
        handler::tick_body().as_bytes(),
    );
    for _ in 0..2 {
        let answer = handler::send(port, &call).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("2 sources polled"), "{answer:?}");
        // The second tick finds both due again.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    assert!(child.try_wait().unwrap().is_none());
    assert!(handler.lives());
}

/// Three ends of a handler end its host, so nothing that is sent to the port may end it.
#[tokio::test]
async fn no_request_ends_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut handler = Handler::start(&[], SOURCES).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(200_000));
    let many: String = (0..2_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\n{many}\r\n");
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"nonsense\r\n\r\n",
        b"POST /TimerPoll HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{",
        b"POST /TimerPoll HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /TimerPoll HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /PollWorker HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n{",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", handler.port)).await.unwrap();
        // It may hang up in the middle.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(handler::PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end");
        assert!(handler.lives());
    }
    assert_eq!(handler.tick().await.status, 200);
    assert!(!handler.written().contains("panic"), "{}", handler.written());
}
