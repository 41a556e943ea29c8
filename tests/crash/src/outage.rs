//! `crash outage`: one script of faults for the bridge and for what people used before it, and what each lost and doubled.
//!
//! Each step of the script is a minute: one row comes, a fault is planned for one request or for all of the step, and the
//! program gets one tick. A healthy step follows each fault. Faults of the store are for the bridge alone: no other has one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use meterbridge::clock::Millis;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::Outcome;
use crate::child::Child;
use crate::ledger::{self, Message, Values};
use crate::plan::{Kind, Seed};
use crate::stage::{Programs, Stage};
use crate::stored::Stored;

/// The same faults for the bridge and its peers.
#[derive(Debug, Args)]
pub(crate) struct Outage {
    /// The Python that has the peers' packages; without it, the bridge alone.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Where the peers' scripts lie.
    #[arg(long, default_value = "bench")]
    scripts: PathBuf,
    /// Where the files are kept meanwhile.
    #[arg(long, default_value = "target/crash")]
    folder: PathBuf,
}

/// Who gets the ticks.
struct Runner {
    name: &'static str,
    /// A peer's script; the bridge has none.
    script: Option<&'static str>,
    /// Whether it reads the reader, which knows the present alone, and not the site.
    reader: bool,
}

const RUNNERS: [Runner; 5] = [
    Runner {
        name: "bridge",
        script: None,
        reader: false,
    },
    Runner {
        name: "bridge, reader",
        script: None,
        reader: true,
    },
    Runner {
        name: "old connector's algorithm",
        script: Some("outage_old_connector.py"),
        reader: false,
    },
    Runner {
        name: "connector.py shape, reader",
        script: Some("outage_connector_shape.py"),
        reader: true,
    },
    Runner {
        name: "dlt, incremental",
        script: Some("outage_dlt.py"),
        reader: false,
    },
];

/// Where a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Source,
    Hub,
    Store,
}

/// The script: each fault once for one request, and once for a whole step.
const SCRIPT: [(At, &str); 21] = [
    (At::Source, "500"),
    (At::Source, "404"),
    (At::Source, "timeout"),
    (At::Source, "truncated"),
    (At::Source, "wrong-type"),
    (At::Source, "nan"),
    (At::Source, "empty-body"),
    (At::Source, "slow-body"),
    (At::Hub, "429"),
    (At::Hub, "429-after"),
    (At::Hub, "503"),
    (At::Hub, "reset-mid-body"),
    (At::Hub, "lost-reply"),
    (At::Hub, "413"),
    (At::Hub, "400"),
    (At::Hub, "skew"),
    (At::Hub, "403002"),
    (At::Store, "429"),
    (At::Store, "412"),
    (At::Store, "500"),
    (At::Store, "timeout"),
];

/// Faults that take a reader's whole tick, even where they meet one request: it answered, and said nothing; a store that is silent
/// is so for longer than a tick may take; a conflict says that somebody else has the source.
const DARK: [(At, &str); 3] = [(At::Source, "nan"), (At::Store, "timeout"), (At::Store, "412")];

const MINUTE: Millis = 60_000;
const DAY: Millis = 86_400_000;

/// One step, as it was.
struct Step {
    from: Millis,
    until: Millis,
    /// What was wrong, for people.
    fault: String,
    /// Whether source or store were down for all of it, so that nobody could read a reader and keep what it said.
    dark: bool,
}

impl Outage {
    /// Whether the bridge lost and doubled nothing.
    pub(crate) async fn run(self) -> Outcome<bool> {
        std::fs::create_dir_all(&self.folder)?;
        let mut told = Vec::new();
        let mut clean = true;
        for runner in &RUNNERS {
            if runner.script.is_some() && self.python.is_none() {
                continue;
            }
            let folder = tempfile::Builder::new()
                .prefix("outage-")
                .tempdir_in(std::path::absolute(&self.folder)?)?;
            match self.measure(runner, folder.path()).await {
                Ok(figures) => {
                    eprintln!("{}: {figures}", runner.name);
                    let lost = figures["lost"] != 0 || figures["doubled"] != 0;
                    if runner.script.is_none() && lost {
                        clean = false;
                        eprintln!("Its files: {}", folder.keep().display());
                    }
                    told.push(figures);
                }
                Err(error) => {
                    clean &= runner.script.is_some();
                    eprintln!(
                        "{} was not measured: {error}; see {}",
                        runner.name,
                        folder.keep().display()
                    );
                }
            }
        }
        println!("{}", json!({ "runners": told, "steps": SCRIPT.len() * 4 }));
        Ok(clean)
    }

    async fn measure(&self, runner: &Runner, folder: &Path) -> Outcome<Value> {
        let seed = Seed {
            kind: Kind::Outage,
            number: 1,
        };
        let mut stage = Stage::start(&Programs::here()?, seed, folder).await?;
        let mut command = match runner.script {
            None => {
                let mut victim = stage.victim();
                victim.args(["--on-order", "--only"]);
                victim.arg(if runner.reader { "reader-0" } else { "site-00" });
                victim
            }
            Some(script) => self.peer(&stage, &std::path::absolute(self.scripts.join(script))?, folder)?,
        };
        let mut program = Child::start(&mut command)?;
        let mut steps = Vec::new();
        step(&mut stage, &mut program, &mut steps, "nothing", false).await?;
        for (at, fault) in SCRIPT {
            if at == At::Store && runner.script.is_some() {
                continue;
            }
            for lasting in [false, true] {
                plan(&mut stage, at, fault, if lasting { 1_000 } else { 1 }).await?;
                let dark = at != At::Hub && lasting || DARK.contains(&(at, fault));
                let what = format!("{at:?} {fault}{}", if lasting { ", lasting" } else { "" });
                step(&mut stage, &mut program, &mut steps, &what, dark).await?;
                stage.calm().await?;
                stage.calm_store().await?;
                if fault == "403002" {
                    // The quota starts anew at midnight.
                    let rest = DAY - stage.now().rem_euclid(DAY);
                    stage.time.advance(rest + 1_000)?;
                }
                step(&mut stage, &mut program, &mut steps, "nothing", false).await?;
            }
        }
        // Whatever was put off is done by then: parks, breakers, waits for a shipment.
        for _ in 0..12 {
            stage.time.advance(5 * MINUTE)?;
            step(&mut stage, &mut program, &mut steps, "nothing", false).await?;
        }
        program.kill().await?;
        judged(&mut stage, runner, &steps).await
    }

    /// A peer, told where everything is.
    fn peer(&self, stage: &Stage, script: &Path, folder: &Path) -> Outcome<Command> {
        let python = self.python.as_ref().ok_or("no Python")?;
        let mut command = Command::new(python);
        command.arg(script).current_dir(folder);
        for (name, value) in stage.addresses() {
            command.env(name, value);
        }
        if let Ok(log) = std::fs::File::create(folder.join("peer.log")) {
            command.stderr(log);
        }
        Ok(command)
    }
}

/// A minute passes and one tick is made.
async fn step(
    stage: &mut Stage,
    program: &mut Child,
    steps: &mut Vec<Step>,
    fault: &str,
    dark: bool,
) -> Outcome<()> {
    stage.time.advance(MINUTE)?;
    let from = stage.now();
    program.say("tick").await?;
    while let Some(line) = program.line().await? {
        if line == "done" {
            let until = stage.now();
            let fault = fault.to_owned();
            steps.push(Step {
                from,
                until,
                fault,
                dark,
            });
            return Ok(());
        }
    }
    Err("it ended".into())
}

async fn plan(stage: &mut Stage, at: At, fault: &str, times: u32) -> Outcome<()> {
    let order = format!("plan {fault} {times}");
    match at {
        At::Source => stage.source.ask(&order).await.map(|_| ()),
        At::Hub => stage.hub.ask(&order).await.map(|_| ()),
        // The client itself repeats for seconds, so a whole step is as many requests as that takes.
        At::Store => stage.fail_store(fault, times.min(12)).await,
    }
}

/// What arrived, compared with what could be read.
async fn judged(stage: &mut Stage, runner: &Runner, steps: &[Step]) -> Outcome<Value> {
    // Time for what was sent last.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stats = stage.hub.ask("stats").await?;
    let requests = stage.source.ask("requests").await?;
    let arrived = stage.arrived().await?;
    let shown = stage.shown().await?;
    let mut dead = Vec::new();
    if runner.script.is_none() {
        let store = stage.store()?;
        store.prepare().await?;
        dead = Stored::read(store.as_ref()).await?.messages();
    }
    let (rows, repeats, bodies) = arrivals(&arrived, &dead);
    let (mut expected, mut lost, mut in_letters) = (0, 0, 0);
    if runner.reader {
        // A reading in each step in which the reader could be read at all; its times have whole seconds.
        for step in steps.iter().filter(|step| !step.dark) {
            expected += 1;
            let within = rows
                .iter()
                .find(|((stamp, _), _)| (step.from - 1_000..=step.until + 1_000).contains(stamp));
            if within.is_none() {
                lost += 1;
                eprintln!("{}: no reading of the step with {}", runner.name, step.fault);
            }
            in_letters += within.map_or(0, |(_, carriers)| u64::from(carriers.all_dead));
        }
    } else {
        let mut last: BTreeMap<Millis, Values> = BTreeMap::new();
        for version in shown {
            last.insert(version.stamp, version.values);
        }
        // What came after the last tick nobody could read.
        let end = steps.last().map_or(0, |step| step.from);
        for (stamp, values) in last.into_iter().filter(|(stamp, _)| *stamp <= end) {
            expected += 1;
            let carriers = rows.get(&(stamp, values));
            lost += u64::from(carriers.is_none());
            in_letters += carriers.map_or(0, |carriers| u64::from(carriers.all_dead));
        }
    }
    let doubled: u64 = rows.values().map(|carriers| carriers.extra).sum();
    Ok(json!({
        "name": runner.name, "rows": expected, "lost": lost, "doubled": doubled + bodies, "repeats": repeats,
        "dead_letters": dead.len(), "rows_in_dead_letters": in_letters, "messages": arrived.len(),
        "units": stats["units"], "hub_requests": stats["requests"],
        "source_requests": if runner.reader { &requests["readers"] } else { &requests["backend"] },
    }))
}

/// How one row with its values came.
struct Carriers {
    /// Arrivals that nobody can tell from new rows: under another id, or without any.
    extra: u64,
    /// Whether it is in dead letters alone.
    all_dead: bool,
}

type Arrivals = HashMap<(Millis, Values), Carriers>;

/// All rows that arrived or are dead letters; repeats under the same id with the same body; ids with several bodies.
fn arrivals(arrived: &[Message], dead: &[Message]) -> (Arrivals, u64, u64) {
    let mut rows = Arrivals::new();
    let mut bodies: HashMap<&str, &str> = HashMap::new();
    let (mut repeats, mut several) = (0, HashSet::new());
    let all = arrived.iter().map(|message| (message, false));
    for (message, is_dead) in all.chain(dead.iter().map(|message| (message, true))) {
        let named = !message.id.is_empty() && !is_dead;
        let before = named.then(|| bodies.insert(&message.id, &message.body)).flatten();
        if let Some(before) = before {
            repeats += 1;
            if before != message.body {
                several.insert(&message.id);
            }
            continue;
        }
        for row in ledger::rows(&message.body).unwrap_or_default() {
            match rows.get_mut(&row) {
                Some(carriers) => {
                    carriers.extra += u64::from(!is_dead);
                    carriers.all_dead &= is_dead;
                }
                None => {
                    rows.insert(
                        row,
                        Carriers {
                            extra: 0,
                            all_dead: is_dead,
                        },
                    );
                }
            }
        }
    }
    (rows, repeats, several.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_tell_from_new_is_doubled() {
        let body = r#"{"Timeseries":[{"Timestamp":"2026-01-26T13:30:00.000Z","Channels":{"ch0":1}}]}"#;
        let message = |id: &str| Message {
            id: id.into(),
            body: body.into(),
        };
        let check = |ids: &[&str], dead: &[&str], expected: (u64, u64, bool)| {
            let all: Vec<Message> = ids.iter().map(|id| message(id)).collect();
            let dead: Vec<Message> = dead.iter().map(|id| message(id)).collect();
            let (rows, repeats, several) = arrivals(&all, &dead);
            let carriers: Vec<&Carriers> = rows.values().collect();
            assert_eq!((rows.len(), several), (1, 0));
            assert_eq!((carriers[0].extra, repeats, carriers[0].all_dead), expected);
        };
        check(&["a.b.1.0", "a.b.1.0"], &[], (0, 1, false));
        check(&["a.b.1.0", "a.b.2.0"], &[], (1, 0, false));
        check(&["", ""], &[], (1, 0, false));
        check(&[], &["a.b.1.0"], (0, 0, true));
    }
}
