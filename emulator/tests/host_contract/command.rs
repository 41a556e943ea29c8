//! The host as a process of its own, as people run it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use clap::Parser as _;
use emulator::host::command::{Args, run};

use crate::life::end;
use crate::stage::{Stage, is_alive, until};

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// Not a test: the command's `main`, where the variable is set.
#[tokio::test]
async fn run_as_command() {
    if let Ok(line) = std::env::var("HOST_ARGUMENTS") {
        run(Cli::parse_from(line.split(' ')).args).await.unwrap();
    }
}

#[tokio::test]
async fn prints_ticks_and_when_killed_leaves_a_handler_with_another_parent() {
    let stage = Stage::new();
    let settings =
        r#"{"Values":{"HANDLER":"1","TimerSchedule":"* * * * * *","AzureWebJobsDisableHomepage":"true"}}"#;
    stage.file("local.settings.json", settings);
    let root = stage.root.path().display();
    let test = std::env::current_exe().unwrap();
    let arguments = format!(
        "host --app-root {root} --settings {root}/local.settings.json --executable {} --listen 127.0.0.1:0",
        test.display()
    );
    let mut host = Command::new(&test)
        .args(["--exact", "command::run_as_command", "--nocapture"])
        .env("HOST_ARGUMENTS", arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first = lines.find(|line| line.contains("Functions host on")).unwrap();
    let handler: u32 = first.rsplit_once("process ").unwrap().1.parse().unwrap();
    let tick = lines.find(|line| line.contains("TimerPoll")).unwrap();
    assert!(tick.contains(" ok in "), "{tick}");
    assert_eq!(parent(handler), host.id());
    host.kill().unwrap();
    host.wait().unwrap();
    until(|| (parent(handler) != host.id()).then_some(())).await;
    assert!(is_alive(handler));
    end(handler);
}

fn parent(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
