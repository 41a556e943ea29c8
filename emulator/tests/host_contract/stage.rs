//! An app root in a temporary folder, with the recording handler in it.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use emulator::host::{FunctionsHost, HostOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::handler::Request;

pub(crate) const QUEUE: &str = "meterbridge-polls";

pub(crate) struct Stage {
    pub(crate) root: TempDir,
}

impl Stage {
    /// The repository's own `host.json` and functions, the handler's arguments put in.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for function in ["TimerPoll", "PollWorker", "Operations"] {
            std::fs::create_dir(root.path().join(function)).unwrap();
            let file = format!("{function}/function.json");
            std::fs::copy(repository.join(&file), root.path().join(&file)).unwrap();
        }
        let text = std::fs::read_to_string(repository.join("host.json")).unwrap();
        let mut host: Value = serde_json::from_str(&text).unwrap();
        host["customHandler"]["description"]["arguments"] =
            json!(["--exact", "handler::run_as_handler", "--nocapture"]);
        std::fs::write(root.path().join("host.json"), host.to_string()).unwrap();
        Self { root }
    }

    /// Rules for the handler; see [`crate::handler`].
    pub(crate) fn behave(&self, rules: &[&str]) {
        // Renamed into place, since the handler reads it at any time.
        let fresh = self.root.path().join("behaviour.new");
        std::fs::write(&fresh, rules.join("\n")).unwrap();
        std::fs::rename(fresh, self.root.path().join("behaviour")).unwrap();
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.root.path().join(name), text).unwrap();
    }

    pub(crate) fn options(&self) -> HostOptions {
        let mut options = HostOptions::new(self.root.path())
            .setting("HANDLER", "1")
            .setting("TimerSchedule", "0 0 0 1 1 *")
            .setting("AzureWebJobsDisableHomepage", "true")
            .setting(
                "AzureFunctionsJobHost__extensions__queues__maxPollingInterval",
                "00:00:00.1",
            );
        options.executable = Some(std::env::current_exe().unwrap());
        options
    }

    pub(crate) async fn start(&self) -> FunctionsHost {
        FunctionsHost::start(self.options()).await.unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.recorded("requests")
    }

    pub(crate) fn probes(&self) -> Vec<Request> {
        self.recorded("probes")
    }

    /// Waits until the handler has got this many requests.
    pub(crate) async fn wait_requests(&self, count: usize) -> Vec<Request> {
        until(|| Some(self.requests()).filter(|requests| requests.len() >= count)).await
    }

    fn recorded(&self, file: &str) -> Vec<Request> {
        let text = std::fs::read_to_string(self.root.path().join(file)).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Looks again and again until `look` finds something; far longer than any test needs.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing within 30 s")
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// Ends a wait for an invocation that never comes.
pub(crate) async fn soon<T>(wait: impl Future<Output = Option<T>>) -> T {
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .expect("nothing within 30 s")
        .expect("the host ended")
}
