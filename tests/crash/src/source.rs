//! The source of a round: a backend with the plan's rows, readers, faults at random, and a ledger.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use emulator::rapidm2m::{
    Backend, BackendOptions, Channel, CustomerOptions, Fault, RefusalBody, Scope, SeriesOptions, SiteOptions,
};
use emulator::readers::{Clock, FarmOptions, Fault as ReaderFault, Labels, ReaderFarm, ReaderOptions};
use fastrand::Rng;
use meterbridge::clock::Millis;
use serde_json::{Value, json};

use crate::clock::Time;
use crate::plan::{Plan, Seed};
use crate::{Outcome, child};

#[derive(Debug, Args)]
pub(crate) struct Source {
    #[arg(long)]
    seed: Seed,
    /// When the round began.
    #[arg(long)]
    begin: Millis,
    /// The round's time.
    #[arg(long)]
    clock: PathBuf,
}

impl Source {
    /// Answers orders until its input ends: `faults`, `plan FAULT TIMES`, `calm`, `ledger FILE`, `overlaps`, `requests`.
    pub(crate) async fn run(self) -> Outcome<()> {
        let plan = Plan::of(self.seed, self.begin);
        let time = Time::of(&self.clock);
        let clock = || {
            let time = time.clone();
            Clock::from_fn(move || time.now())
        };
        let backend = Arc::new(Backend::start(backend(&plan, clock())).await?);
        let farm = ReaderFarm::start(FarmOptions {
            readers: plan.readers,
            reader: ReaderOptions {
                meters: vec![Labels::Total.into()],
                clock: clock(),
                ..ReaderOptions::default()
            },
        })
        .await?;
        let farm = Arc::new(farm);
        println!(
            "{}",
            json!({ "backend": backend.url(), "reader": format!("http://{}/r/", farm.address()) })
        );
        let mut chaos = None;
        let mut orders = child::orders();
        while let Some(order) = orders.recv().await {
            let answer = match order.split_once(' ').unwrap_or((&order, "")) {
                ("faults", _) => {
                    let (backend, farm, rng) = (backend.clone(), farm.clone(), self.seed.rng(1));
                    chaos = Some(tokio::spawn(disturb(
                        backend,
                        farm,
                        plan.readers,
                        rng,
                        plan.faults,
                    )));
                    json!(null)
                }
                ("calm", _) => {
                    if let Some(chaos) = chaos.take() {
                        chaos.abort();
                    }
                    backend.recover();
                    farm.recover();
                    json!(null)
                }
                ("plan", planned) => {
                    let (fault, times) = planned.split_once(' ').ok_or("plan FAULT TIMES")?;
                    let times = Some(times.parse()?);
                    let (of_backend, of_reader) =
                        named(fault).ok_or_else(|| format!("no fault {fault:?}"))?;
                    backend.fail(Scope::Everything, of_backend, times);
                    for reader in 0..plan.readers {
                        farm.fail(reader, of_reader, times);
                    }
                    json!(null)
                }
                ("ledger", file) => write(&backend, Path::new(file))?,
                ("overlaps", _) => json!(overlaps(&backend)),
                ("requests", _) => json!({ "backend": backend.requests(), "readers": farm.calls() }),
                _ => return Err(format!("no order {order:?}").into()),
            };
            println!("{answer}");
        }
        Ok(())
    }
}

fn backend(plan: &Plan, clock: Clock) -> BackendOptions {
    let site = |site: &crate::plan::Site| SiteOptions {
        id: site.id.clone(),
        name: site.id.clone(),
        series: [(
            0,
            SeriesOptions {
                channels: Channel::numbered(2),
                generator: None,
                rows: site.rows.clone(),
            },
        )]
        .into(),
        ..SiteOptions::default()
    };
    BackendOptions {
        user: "crash".into(),
        password: "crash".into(),
        customers: vec![CustomerOptions {
            id: "crash".into(),
            sites: plan.sites.iter().map(site).collect(),
        }],
        latency: Duration::from_millis(plan.latency),
        keep_requests: 1_000_000,
        clock,
        ..BackendOptions::default()
    }
}

/// A fault of the script: the backend's, and what comes nearest to it at a reader.
fn named(fault: &str) -> Option<(Fault, ReaderFault)> {
    // Longer than any client of the script waits.
    const LONG: Duration = Duration::from_secs(3);
    Some(match fault {
        "500" => (Fault::status(500), ReaderFault::ServerError),
        "404" => (Fault::status(404), ReaderFault::NoReply),
        "timeout" => (Fault::Slow(LONG), ReaderFault::Slow(LONG)),
        "truncated" => (Fault::Truncated, ReaderFault::Truncated),
        "wrong-type" => (Fault::Values("{\"value\":1}"), ReaderFault::BrokenJson),
        "nan" => (Fault::Values("\"NAN\""), ReaderFault::Nulls),
        "empty-body" => (Fault::EmptyBody, ReaderFault::EmptyBody),
        "slow-body" => (Fault::SlowBody(LONG), ReaderFault::Slow(LONG)),
        _ => return None,
    })
}

/// Every version of every row that was visible, one a line: what may have been read, and when.
fn write(backend: &Backend, file: &Path) -> Outcome<Value> {
    let mut text = String::new();
    for entry in backend.whole_ledger() {
        let cells: Vec<&str> = entry
            .row
            .cells
            .iter()
            .map(emulator::rapidm2m::Cell::as_json)
            .collect();
        text += &format!(
            "{{\"site\":\"{}\",\"stamp\":{},\"visible\":{},\"cells\":[{}]}}\n",
            entry.site,
            entry.row.stamp_ms,
            entry.row.visible_ms,
            cells.join(",")
        );
    }
    std::fs::write(file, text)?;
    Ok(json!(null))
}

/// How many requests for one site came in before the one before was answered.
fn overlaps(backend: &Backend) -> usize {
    let mut until: HashMap<String, Millis> = HashMap::new();
    let mut count = 0;
    let mut asked = backend.latest();
    asked.sort_by_key(|asked| asked.at_ms);
    for asked in asked {
        let Some(site) = asked.parts.get(3) else { continue };
        let until = until.entry(site.clone()).or_insert(asked.at_ms);
        count += usize::from(asked.at_ms < *until);
        *until = asked.answered_ms.max(*until);
    }
    count
}

/// Plans a fault for the next request or two, again and again.
async fn disturb(backend: Arc<Backend>, farm: Arc<ReaderFarm>, readers: u32, mut rng: Rng, a_second: f64) {
    const STEP: Duration = Duration::from_millis(20);
    let mut clock = tokio::time::interval(STEP);
    loop {
        clock.tick().await;
        if rng.f64() < a_second * STEP.as_secs_f64() {
            let refuse = |status, retry_after| Fault::Refuse {
                status,
                body: RefusalBody::Err,
                retry_after,
            };
            let fault = match rng.u8(..9) {
                0 => refuse(500, None),
                1 => refuse(503, None),
                2 => refuse(429, Some(1)),
                3 => refuse(404, None),
                4 => Fault::Truncated,
                5 => Fault::EmptyBody,
                6 => Fault::NotJson,
                7 => Fault::NoReply,
                _ => Fault::Slow(Duration::from_millis(rng.u64(20..300))),
            };
            backend.fail(Scope::Everything, fault, Some(rng.u32(1..=2)));
        }
        if readers > 0 && rng.f64() < a_second / 4.0 * STEP.as_secs_f64() {
            let fault = match rng.u8(..3) {
                0 => ReaderFault::NoReply,
                1 => ReaderFault::ServerError,
                _ => ReaderFault::BrokenJson,
            };
            farm.fail(rng.u32(..readers), fault, Some(1));
        }
    }
}
