//! The proof: a root that holds the package and nothing else, neither a C library nor a certificate store nor a name server.
//! The handler starts there, answers the host's probe, polls for the timer and sends over TLS; a server whose authority it does
//! not know it refuses.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::archive;
use crate::failure::Failure;
use crate::project::Project;

/// The timer's call, as the host makes it.
const TIMER: &str = r#"{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"TimerPoll"}}}"#;

/// One source that makes its rows up, and one whose server is signed by an authority that nobody knows.
const SOURCES: &str = r#"[[source]]
id = "home"
kind = "synthetic"
every = "60s"

[[source]]
id = "stranger"
kind = "rapidm2m"
url = "https://127.0.0.1:PORT/api/1/"
customer = "c"
site = "s"
channels = ["ch0"]
every = "60s"
"#;

/// Unpacks the zip of `dist` on a bare root and lets it work there. Says so where this process may not.
pub(super) fn prove(project: &Project, dist: &Path) -> Result<(), Failure> {
    if !crate::debian::is_root(project) {
        println!("NOT PROVEN: only root may start a program on another root.");
        return Ok(());
    }
    project
        .cargo()
        .args(["build", "--quiet", "--package", "emulator"])
        .run()?;
    let root = tempfile::tempdir().map_err(Failure::file(dist))?;
    archive::unpack(&super::zip_of(dist), root.path())?;
    let stage = Stage::start(project, root.path())?;
    let port = stage.number("port");
    put(
        root.path(),
        "sources.toml",
        &SOURCES.replace("PORT", &port.to_string()),
    )?;
    let authority = stage.text("ca");
    fs::copy(authority, root.path().join("hub.pem")).map_err(Failure::file(Path::new(authority)))?;

    let address = free_address()?;
    let began = Instant::now();
    let mut handler =
        Ended(
            stage
                .handler(root.path(), address)
                .spawn()
                .map_err(|source| Failure::Start {
                    command: "chroot".to_owned(),
                    source,
                })?,
        );
    let probe = until_answered(address, began)?;
    expect("GET / on the bare root", &probe, "HTTP/1.1 200")?;
    println!("first answer after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let tick = exchange(address, "POST", "/TimerPoll", TIMER)?;
    expect("the timer's call", &tick, "HTTP/1.1 200")?;
    expect("the timer's call", &tick, "\"Outputs\"")?;
    // The refusal of the one, and why: its words are in the answer's log lines.
    expect("a server of an unknown authority", &tick, "UnknownIssuer")?;
    let arrived = stage.arrived()?;
    if arrived == 0 {
        return Err(Failure::Check(format!(
            "nothing arrived at the hub; the tick said: {tick}"
        )));
    }
    println!(
        "{arrived} message(s) arrived at the hub over TLS; a server of an unknown authority was refused"
    );
    if let Ok(Some(status)) = handler.0.try_wait() {
        return Err(Failure::Check(format!("the handler ended: {status}")));
    }
    Ok(())
}

/// The emulated hub, in a process of its own, outside of the bare root.
struct Stage {
    _process: Ended,
    told: Value,
}

impl Stage {
    fn start(project: &Project, near: &Path) -> Result<Self, Failure> {
        let program = project.target.join("debug/emulator");
        let certificates = near.with_extension("stage");
        fs::create_dir_all(&certificates).map_err(Failure::file(&certificates))?;
        let mut process = Command::new(&program)
            .args(["measure", "stage", "--port", "0", "--dir"])
            .arg(&certificates)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failure::file(&program))?;
        let mut line = String::new();
        if let Some(out) = process.stdout.take() {
            BufReader::new(out)
                .read_line(&mut line)
                .map_err(Failure::file(&program))?;
        }
        let told = serde_json::from_str(&line)
            .map_err(|_| Failure::Check(format!("the emulated hub did not start: {line}")))?;
        Ok(Self {
            _process: Ended(process),
            told,
        })
    }

    fn text(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.told[name].as_u64().unwrap_or_default()
    }

    /// The packaged handler, with `root` as its root and nothing of this process' environment.
    fn handler(&self, root: &Path, address: SocketAddr) -> Command {
        let mut command = Command::new("chroot");
        let connection = format!(
            "HostName={};DeviceId={};SharedAccessKey={}",
            self.text("host"),
            self.text("device"),
            self.text("key")
        );
        command
            .arg(root)
            .args(["/meterbridge", "serve"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", address.port().to_string())
            .env("TimerSchedule", "0 * * * * *")
            .env("IOTHUB_DEVICE_CONNECTION_STRING", connection)
            .env("IOTHUB_CONNECT", format!("127.0.0.1:{}", self.number("port")))
            .env("IOTHUB_CA_FILE", "/hub.pem")
            .env("LOG_LEVEL", "warn");
        command
    }

    fn arrived(&self) -> Result<u64, Failure> {
        let control: SocketAddr = self
            .text("control")
            .parse()
            .map_err(|_| Failure::Check("the emulated hub told no address".to_owned()))?;
        let answer = exchange(control, "GET", "/stats", "")?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let stats: Value = serde_json::from_str(body)
            .map_err(|_| Failure::Check(format!("the emulated hub gave no figures: {answer}")))?;
        Ok(stats["messages"].as_u64().unwrap_or_default())
    }
}

/// A process that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn put(root: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = root.join(name);
    fs::write(&path, text).map_err(Failure::file(&path))
}

fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(Failure::file(Path::new("a free port")))
}

/// Asks as the host's probe does until there is an answer.
fn until_answered(address: SocketAddr, began: Instant) -> Result<String, Failure> {
    while began.elapsed() < Duration::from_secs(30) {
        if TcpStream::connect(address).is_ok() {
            return exchange(address, "GET", "/", "");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Err(Failure::Check(
        "the handler gave no answer within the 30 seconds that the host waits".to_owned(),
    ))
}

fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<String, Failure> {
    let talk = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    talk().map_err(|error| Failure::Check(format!("{method} {path}: {error}")))
}

fn expect(what: &str, answer: &str, part: &str) -> Result<(), Failure> {
    if answer.contains(part) {
        return Ok(());
    }
    Err(Failure::Check(format!(
        "{what} should say {part}, but says: {answer}"
    )))
}
