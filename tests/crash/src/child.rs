//! A process that is asked by lines and answers by lines, and ends with its handle.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

use crate::Outcome;

/// Answers are not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(120);

/// The lines of this process' own input, as they come.
pub(crate) fn orders() -> mpsc::Receiver<String> {
    let (sender, orders) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    orders
}

pub(crate) struct Child {
    process: tokio::process::Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts it, its errors on this terminal.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{:?} does not start: {error}", command.as_std().get_program()))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("a process without pipes".into());
        };
        Ok(Self {
            process,
            input,
            output: BufReader::new(output).lines(),
        })
    }

    /// Its next line; `None` when it has ended.
    pub(crate) async fn line(&mut self) -> Outcome<Option<String>> {
        Ok(tokio::time::timeout(PATIENCE, self.output.next_line())
            .await
            .map_err(|_| "a process does not answer")??)
    }

    /// Its next line, as JSON.
    pub(crate) async fn told(&mut self) -> Outcome<Value> {
        let line = self.line().await?.ok_or("a process ended without an answer")?;
        Ok(serde_json::from_str(&line).map_err(|error| format!("{line:?} is no answer: {error}"))?)
    }

    /// Writes a line.
    pub(crate) async fn say(&mut self, order: &str) -> Outcome<()> {
        self.input.write_all(format!("{order}\n").as_bytes()).await?;
        Ok(self.input.flush().await?)
    }

    /// Writes a line and reads the answer.
    pub(crate) async fn ask(&mut self, order: &str) -> Outcome<Value> {
        self.say(order).await?;
        self.told().await
    }

    /// SIGKILL; returns once it is gone. Says whether it was still running.
    pub(crate) async fn kill(&mut self) -> Outcome<bool> {
        let running = self.process.try_wait()?.is_none();
        if running {
            self.process.kill().await?;
        }
        Ok(running)
    }

    /// Waits for its end, so long.
    pub(crate) async fn ended(&mut self, within: Duration) -> Outcome<Option<ExitStatus>> {
        match tokio::time::timeout(within, self.process.wait()).await {
            Ok(status) => Ok(Some(status?)),
            Err(_) => Ok(None),
        }
    }
}
