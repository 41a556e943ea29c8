//! What the real program logs: its lines in JSON, as the Functions host passes them on.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use emulator::hub::{Device, Hub, HubOptions, Key};
use emulator::tls::Authority;
use serde_json::Value;

/// The fields and messages of all lines that were seen.
#[derive(Clone, Debug, Default)]
pub struct Logged {
    pub fields: BTreeSet<String>,
    pub messages: BTreeSet<String>,
}

/// One source that delivers and one that is not there.
const SOURCES: &str = "[[source]]\nid = \"demo\"\nkind = \"synthetic\"\n\n\
                       [[source]]\nid = \"gone\"\nkind = \"tasmota\"\nurl = \"http://127.0.0.1:9\"\n";

impl Logged {
    /// Runs the program once: a round with a delivered reading and a failure, and a start with a faulty configuration.
    pub fn real() -> Self {
        static SEEN: OnceLock<Logged> = OnceLock::new();
        SEEN.get_or_init(|| {
            let mut seen = Self::default();
            seen.round();
            seen.faulty();
            seen
        })
        .clone()
    }

    #[tokio::main]
    async fn round(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sources.toml"), SOURCES).unwrap();
        let device = Device::new("bridge", Key::random().unwrap());
        let hub = Hub::start(HubOptions {
            authority: Some(Authority::load_or_create(folder.path()).unwrap()),
            devices: vec![device.clone()],
            ..HubOptions::default()
        })
        .await
        .unwrap();
        let mut command = program(folder.path());
        command
            .args(["run", "--runner", "cloud", "--rounds", "1"])
            .env(
                "IOTHUB_DEVICE_CONNECTION_STRING",
                device.connection_string("localhost"),
            )
            .env("IOTHUB_CONNECT", format!("localhost:{}", hub.addr().port()))
            .env("IOTHUB_CA_FILE", folder.path().join("ca.pem"));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().for_each(|line| self.note(line));
        assert!(
            self.fields.contains("checkpoint"),
            "nothing was delivered:\n{text}"
        );
    }

    fn faulty(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        let mut handler = program(folder.path())
            .arg("serve")
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", "0")
            .env("CONCURRENCY", "none")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(handler.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            self.note(&line);
            if line.contains("faulty") {
                break;
            }
        }
        handler.kill().unwrap();
        handler.wait().unwrap();
    }

    fn note(&mut self, line: &str) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.fields.extend(line.as_object().unwrap().keys().cloned());
        self.messages.extend(line["message"].as_str().map(str::to_owned));
    }
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meterbridge"));
    command
        .current_dir(folder)
        .env_clear()
        .env("LOG_FORMAT", "json")
        .stderr(Stdio::null());
    command
}
