//! The hub of a round: limits, a curse, faults at random, and a ledger of what it took.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use emulator::hub::{Clock, Device, Fault, Hub as Emulated, HubOptions, Keep, Key, Limits, Tier};
use emulator::tls::Authority;
use fastrand::Rng;
use meterbridge::clock::Millis;
use serde_json::{Value, json};

use crate::clock::Time;
use crate::plan::{CURSE, Kind, Plan, Seed};
use crate::{Outcome, child};

const DEVICE: &str = "crash";

#[derive(Debug, Args)]
pub(crate) struct Hub {
    #[arg(long)]
    seed: Seed,
    /// When the round began.
    #[arg(long)]
    begin: Millis,
    /// The round's time.
    #[arg(long)]
    clock: PathBuf,
    /// Where its certificates are written.
    #[arg(long)]
    dir: PathBuf,
}

impl Hub {
    /// Answers orders until its input ends: `faults`, `plan FAULT TIMES`, `calm`, `bless`, `ledger FILE`, `ids`, `stats`.
    pub(crate) async fn run(self) -> Outcome<()> {
        let plan = Plan::of(self.seed, self.begin);
        let time = Time::of(&self.clock);
        let key = Key::random()?;
        let hub = Emulated::start(HubOptions {
            authority: Some(Authority::load_or_create(&self.dir)?),
            devices: vec![Device::new(DEVICE, key.clone())],
            tier: if plan.tier == "F1" { Tier::F1 } else { Tier::S1 },
            limits: Limits {
                message_bytes: plan.message_bytes,
                batch_bytes: plan.batch_bytes,
                ..Limits::default()
            },
            keep: Keep::Last {
                messages: usize::MAX,
                bytes: usize::MAX,
            },
            cursed: Some(CURSE.into()),
            clock: Clock::new(move || time.now()),
            ..HubOptions::default()
        })
        .await?;
        let host = hub.host_name();
        println!(
            "{}",
            json!({
                "port": hub.addr().port(),
                "ca": self.dir.join("ca.pem"),
                "connection": format!("HostName={host};DeviceId={DEVICE};SharedAccessKey={}", key.text()),
            })
        );
        let mut chaos = None;
        let mut orders = child::orders();
        while let Some(order) = orders.recv().await {
            let answer = match order.split_once(' ').unwrap_or((&order, "")) {
                ("faults", _) => {
                    // A wrong clock twice in a row parks a source for minutes, which the real program would have to wait for.
                    let skews = self.seed.kind != Kind::Time;
                    let (hub, rng) = (hub.clone(), self.seed.rng(2));
                    chaos = Some(tokio::spawn(disturb(hub, rng, plan.faults, skews)));
                    json!(null)
                }
                ("calm", _) => {
                    if let Some(chaos) = chaos.take() {
                        chaos.abort();
                    }
                    hub.clear_faults();
                    json!(null)
                }
                ("bless", _) => {
                    hub.bless();
                    json!(null)
                }
                ("plan", planned) => {
                    let (fault, times) = planned.split_once(' ').ok_or("plan FAULT TIMES")?;
                    let fault = named(fault).ok_or_else(|| format!("no fault {fault:?}"))?;
                    hub.fail_next(times.parse()?, fault);
                    json!(null)
                }
                ("ledger", file) => write(&hub, Path::new(file))?,
                ("ids", _) => hub
                    .arrived()
                    .iter()
                    .map(|message| json!(message.message_id))
                    .collect(),
                ("stats", _) => {
                    let stats = hub.stats();
                    json!({ "requests": stats.requests, "messages": stats.messages, "units": stats.units, "faults": stats.faults })
                }
                _ => return Err(format!("no order {order:?}").into()),
            };
            println!("{answer}");
        }
        Ok(())
    }
}

/// A fault of the script.
fn named(fault: &str) -> Option<Fault> {
    Some(match fault {
        "429-after" => Fault::Status {
            code: 429,
            retry_after: Some(1),
            body: None,
        },
        "reset-mid-body" => Fault::ResetMidBody,
        "lost-reply" => Fault::ResetAfterAccept,
        // Two hours ahead: every token has ended.
        "skew" => Fault::ClockSkew(7_200),
        "403002" => Fault::status(403),
        code => Fault::status(code.parse().ok()?),
    })
}

/// Every message that was taken, in order, one a line.
fn write(hub: &Emulated, file: &Path) -> Outcome<Value> {
    let mut text = String::new();
    for message in hub.arrived() {
        let line = json!({
            "number": message.number,
            "at": message.at,
            "id": message.message_id,
            "properties": message.properties,
            "body": String::from_utf8_lossy(&message.body),
            "units": message.units,
        });
        text += &format!("{line}\n");
    }
    std::fs::write(file, text)?;
    Ok(json!(null))
}

/// Arms a fault for the next request or two, again and again.
async fn disturb(hub: Emulated, mut rng: Rng, a_second: f64, skews: bool) {
    const STEP: Duration = Duration::from_millis(20);
    let mut clock = tokio::time::interval(STEP);
    loop {
        clock.tick().await;
        if rng.f64() >= a_second * STEP.as_secs_f64() {
            continue;
        }
        let status = |code, retry_after| Fault::Status {
            code,
            retry_after,
            body: None,
        };
        let fault = match rng.u8(..if skews { 9 } else { 8 }) {
            0 => status(429, None),
            1 => status(429, Some(1)),
            2 => status(503, None),
            3 => status(500, None),
            4 => Fault::Reset,
            5 => Fault::ResetMidBody,
            6 => Fault::ResetAfterAccept,
            7 => Fault::Delay(rng.u64(5..200)),
            _ => Fault::ClockSkew(if rng.bool() { 7_200 } else { -7_200 }),
        };
        hub.fail_next(rng.u32(1..=2), fault);
    }
}
