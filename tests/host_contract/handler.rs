//! The real binary as a process: its log lines, its end, and HTTP to it byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub)]

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

pub const BINARY: &str = env!("CARGO_BIN_EXE_meterbridge");
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Two sources that need nothing.
pub const SOURCES: &str = r#"
[[source]]
id = "x"
kind = "synthetic"
every = "1s"

[[source]]
id = "a"
kind = "synthetic"
every = "1s"
"#;

pub type Pairs<'a> = &'a [(&'a str, &'a str)];

/// `meterbridge serve` on a free port, with a store and sources of its own.
pub struct Handler {
    pub child: Child,
    pub port: u16,
    pub out: Lines,
    pub err: Lines,
    pub dir: TempDir,
}

/// What a process has written so far, line by line.
#[derive(Clone)]
pub struct Lines(watch::Receiver<Vec<String>>);

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Handler {
    pub async fn start(settings: Pairs<'_>, sources: &str) -> Self {
        let dir = folder(sources);
        let mut command = command(dir.path(), settings);
        command.args(["serve", "--port", "0"]);
        Self::of(command, dir).await
    }

    /// A handler whose command is made already, in this folder.
    pub async fn of(mut command: Command, dir: TempDir) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let err = Lines::of(child.stderr.take().unwrap());
        let ready = out.wait(|line| line.contains("\"Ready\"")).await;
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
        Self {
            child,
            port,
            out,
            err,
            dir,
        }
    }

    /// Sends these bytes on a connection of their own and reads the answer.
    pub async fn send(&self, bytes: &[u8]) -> Answer {
        send(self.port, bytes).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes())
            .await
    }

    /// A call as the host makes it, with this body.
    pub async fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.post_as("11111111-2222-3333-4444-555555555555", path, body)
            .await
    }

    /// The same under an invocation id of its own.
    pub async fn post_as(&self, id: &str, path: &str, body: &[u8]) -> Answer {
        let headers = [
            ("Host", "127.0.0.1:7071"),
            ("X-Azure-Functions-InvocationId", id),
            ("Transfer-Encoding", "chunked"),
            ("Content-Type", "application/json; charset=utf-8"),
        ];
        self.send(&request(&format!("POST {path} HTTP/1.1"), headers, body))
            .await
    }

    /// A regular tick, due now.
    pub async fn tick(&self) -> Answer {
        self.post("/TimerPoll", tick_body().as_bytes()).await
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Whether it still runs.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub async fn signal(&self, name: &str) {
        signal(self.pid(), name).await;
    }

    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("it ends")
            .unwrap()
    }

    /// Everything it has written.
    pub fn written(&self) -> String {
        format!("{}\n{}", self.out.all().join("\n"), self.err.all().join("\n"))
    }
}

impl Lines {
    pub fn of(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|all| all.push(line));
            }
        });
        Self(receiver)
    }

    pub fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// Every line as JSON.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.all().iter().map(parse).collect()
    }

    /// The first line, past or to come, that is wanted.
    pub async fn wait(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut lines = self.0.clone();
        let found = timeout(
            PATIENCE,
            lines.wait_for(|all| all.iter().any(|line| wanted(line))),
        )
        .await;
        match found {
            Ok(Ok(all)) => all.iter().find(|line| wanted(line)).cloned().unwrap(),
            other => panic!(
                "no such line ({:?}); there were:\n{}",
                other.is_err(),
                self.all().join("\n")
            ),
        }
    }

    /// Ends when there are more lines than `count`.
    pub async fn more(&self, count: usize) {
        let mut lines = self.0.clone();
        let more = timeout(PATIENCE, lines.wait_for(|all| all.len() > count)).await;
        assert!(
            matches!(more, Ok(Ok(_))),
            "no more lines:\n{}",
            self.all().join("\n")
        );
    }

    /// Ends when the stream does.
    pub async fn closed(&self) {
        let mut lines = self.0.clone();
        while lines.changed().await.is_ok() {}
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// A folder with this `sources.toml`.
pub fn folder(sources: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sources.toml"), sources).unwrap();
    dir
}

/// The binary in this folder, with these settings and nothing else of this process' environment.
pub fn command(folder: &Path, settings: Pairs<'_>) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).stdin(Stdio::null()).env_clear();
    for (name, value) in std::env::vars().filter(|(name, _)| name.starts_with("SSL_CERT_")) {
        command.env(name, value);
    }
    command.env("STORE_PATH", folder.join("store.db"));
    command.envs(settings.iter().copied());
    command
}

/// Runs a command of the binary to its end.
pub async fn run(arguments: &[&str], settings: Pairs<'_>, sources: &str) -> Ended {
    let dir = folder(sources);
    run_in(dir.path(), arguments, settings).await
}

pub async fn run_in(folder: &Path, arguments: &[&str], settings: Pairs<'_>) -> Ended {
    let mut command = command(folder, settings);
    command.args(arguments).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output())
        .await
        .expect("it ends")
        .unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub async fn signal(pid: u32, name: &str) {
    // The shell's own `kill`: the program of that name is missing on small systems.
    let script = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &script]).status().await.unwrap();
    assert!(status.success(), "{script}");
}

/// A request with these headers in this order; the body in one chunk where they say so.
pub fn request<'a>(
    line: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = format!("{line}\r\n").into_bytes();
    let mut chunked = false;
    for (name, value) in headers {
        chunked |= name == "Transfer-Encoding" && value == "chunked";
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if chunked && !body.is_empty() {
        bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"\r\n");
    } else {
        bytes.extend_from_slice(body);
    }
    if chunked {
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    bytes
}

/// The body of a regular tick, due now.
pub fn tick_body() -> String {
    let now = chrono::Utc::now().to_rfc3339();
    serde_json::json!({
        "Data": {"timer": {
            "Schedule": {"AdjustForDST": true},
            "ScheduleStatus": {"Last": "0001-01-01T00:00:00+00:00", "Next": now, "LastUpdated": now},
            "IsPastDue": false,
        }},
        "Metadata": {"sys": {"MethodName": "TimerPoll", "UtcNow": now}},
    })
    .to_string()
}

/// The body of a queue call whose message is this text.
pub fn queue_body(message: &str) -> String {
    let quoted = serde_json::to_string(message).unwrap();
    serde_json::json!({"Data": {"job": quoted}, "Metadata": {"DequeueCount": "1"}}).to_string()
}

/// Sends these bytes to a port of loopback and reads the answer.
pub async fn send(port: u16, bytes: &[u8]) -> Answer {
    let answer = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read(&mut stream, bytes.starts_with(b"HEAD ")).await
    };
    timeout(PATIENCE, answer).await.expect("an answer")
}

async fn read(stream: &mut TcpStream, without_body: bool) -> Answer {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let count = stream.read_buf(&mut bytes).await.unwrap();
        assert!(
            count > 0,
            "no whole answer: {:?}",
            String::from_utf8_lossy(&bytes)
        );
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: String::new(),
    };
    if !without_body {
        let length: usize = answer
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        while bytes.len() < end + length {
            let count = stream.read_buf(&mut bytes).await.unwrap();
            assert!(count > 0, "the answer breaks off");
        }
        answer.body = String::from_utf8(bytes[end..end + length].to_vec()).unwrap();
    }
    answer
}
