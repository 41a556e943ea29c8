//! Microsoft's storage emulator, its queues alone, on a free port and in memory.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use emulator::host::{Queue, StorageQueue};
use tokio::process::{Child, Command};

use crate::handler::Lines;

pub struct Azurite {
    endpoint: String,
    _child: Child,
}

impl Azurite {
    /// Starts what AZURITE names: the installed package's folder.
    pub async fn start() -> Self {
        let package = std::env::var_os("AZURITE").map(PathBuf::from);
        let package =
            package.expect("AZURITE names the installed package: run `cargo xtask test --only azurite`");
        let mut child = Command::new("node")
            .arg(package.join("dist/src/queue/main.js"))
            .args(["--queueHost", "127.0.0.1", "--queuePort", "0"])
            .args([
                "--inMemoryPersistence",
                "--skipApiVersionCheck",
                "--disableTelemetry",
                "--silent",
            ])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let out = Lines::of(child.stdout.take().unwrap());
        let listens = "successfully listens on ";
        let line = out.wait(|line| line.contains(listens)).await;
        let (_, endpoint) = line.split_once(listens).unwrap();
        Self {
            endpoint: endpoint.trim().to_owned(),
            _child: child,
        }
    }

    pub fn queue(&self) -> Arc<dyn Queue> {
        Arc::new(StorageQueue::development(&self.endpoint).unwrap())
    }
}
