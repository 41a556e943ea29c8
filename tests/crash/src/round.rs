//! One round: lives, a look into the store after each, then rest, then the judgement.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::Semaphore;

use crate::Outcome;
use crate::figures::Figures;
use crate::judge::judge;
use crate::lives;
use crate::plan::{Kind, Seed};
use crate::stage::{Programs, Stage};
use crate::stored::{Marks, Stored};

/// What a round came to.
pub(crate) struct Done {
    pub(crate) seed: Seed,
    pub(crate) figures: Figures,
    /// What was wrong, in words.
    pub(crate) faults: Vec<String>,
}

/// A lease of the real program, and then some.
const LEASE: Duration = Duration::from_secs(153);

pub(crate) struct Round {
    pub(crate) stage: Stage,
    rng: Rng,
    marks: Marks,
    pub(crate) figures: Figures,
    pub(crate) faults: Vec<String>,
}

/// Runs the round of this seed below `folder`. What it works with the machine's processors, it does while it holds a place.
pub(crate) async fn run(
    programs: &Programs,
    seed: Seed,
    kills: u64,
    folder: &Path,
    places: &Arc<Semaphore>,
) -> Outcome<Done> {
    let place = places.acquire().await?;
    let mut round = Round::start(programs, seed, folder).await?;
    round.stage.disturb().await?;
    match seed.kind {
        Kind::Await | Kind::Cosmos | Kind::Pair | Kind::Outage => {
            // Where gaps are watched, the other half comes when the bridge gets on between its deaths.
            let gaps = round.stage.plan.expected.is_some();
            while round.figures.kills() < if gaps { kills / 2 } else { kills } {
                lives::of_victims(&round.stage, &mut round.rng, &mut round.figures).await?;
                round.look().await?;
                let by = if round.rng.u8(..10) < 7 {
                    round.rng.i64(152_000..260_000)
                } else {
                    // The lease of the dead still holds.
                    round.rng.i64(1_000..20_000)
                };
                round.stage.time.advance(by)?;
            }
            round.rest().await?;
            if round.stage.plan.replays {
                round.replay().await?;
            }
            drop(place);
        }
        Kind::Time => {
            let mut place = Some(place);
            for half in 1..=2 {
                while round.figures.kills() < kills * half / 2 {
                    lives::of_programs(&round.stage, &mut round.rng, &mut round.figures).await?;
                    round.look().await?;
                }
                // The dead hold their sources for two minutes and a half, and nothing but time ends that.
                drop(place.take());
                tokio::time::sleep(LEASE).await;
                place = Some(places.acquire().await?);
            }
            drop(place);
            round.rest_of_program().await?;
        }
    }
    round.judged().await?;
    if seed.kind == Kind::Cosmos {
        round.figures.on_cosmos = round.figures.kills();
    }
    Ok(Done {
        seed,
        figures: round.figures,
        faults: round.faults,
    })
}

impl Round {
    /// Sets the stage below `folder`.
    pub(crate) async fn start(programs: &Programs, seed: Seed, folder: &Path) -> Outcome<Self> {
        Ok(Self {
            stage: Stage::start(programs, seed, folder).await?,
            rng: seed.rng(3),
            marks: Marks::default(),
            figures: Figures::default(),
            faults: Vec::new(),
        })
    }

    /// What must hold in the store now that nobody works on it.
    async fn look(&mut self) -> Outcome<Stored> {
        let store = self.stage.store()?;
        store.prepare().await?;
        let stored = Stored::read(store.as_ref()).await?;
        let taken = self.stage.taken().await?;
        let found = stored.faults(&self.stage.pack(), &taken, &mut self.marks);
        self.figures.looks += 1;
        self.figures.broken += found.len() as u64;
        let kills = self.figures.kills();
        self.faults.extend(
            found
                .into_iter()
                .map(|fault| format!("after kill {kills}: {fault}")),
        );
        Ok(stored)
    }

    /// No more faults, and the victim may end by itself, until there is nothing left to do.
    pub(crate) async fn rest(&mut self) -> Outcome<()> {
        self.stage.calm().await?;
        if self.stage.plan.expected.is_some() {
            self.walk().await?;
        }
        let to_last = self.stage.plan.last - self.stage.now();
        self.stage.time.advance(to_last.max(0) + 1_000)?;
        if self.stage.plan.expected.is_some() {
            // By then every gap falls due once more.
            self.stage.time.advance(25 * 3_600_000)?;
        }
        let mut left = Vec::new();
        for turn in 0..12 {
            // A park, a lease and the longest wait for a shipment are over by then.
            self.stage.time.advance(400_000)?;
            let status = self
                .stage
                .victim()
                .args(["--rounds", "4", "--seed", &format!("{turn}")])
                .status()
                .await?;
            if !status.success() {
                return Err(format!("the bridge ended with {status}; see bridge.log").into());
            }
            left = self.look().await?.unfinished(&self.stage.plan, self.stage.now());
            if left.is_empty() {
                return Ok(());
            }
        }
        self.faults.extend(left);
        self.figures.broken += 1;
        Ok(())
    }

    /// Time goes on step by step, and in each the bridge dies once and works once: rows that come long after the overlap find that
    /// it has gone past them.
    async fn walk(&mut self) -> Outcome<()> {
        while self.stage.now() < self.stage.plan.last {
            lives::of_victims(&self.stage, &mut self.rng, &mut self.figures).await?;
            self.look().await?;
            self.stage.time.advance(152_000)?;
            let status = self.stage.victim().args(["--rounds", "1"]).status().await?;
            if !status.success() {
                return Err(format!("the bridge ended with {status}; see bridge.log").into());
            }
            self.stage.time.advance(20_000)?;
        }
        Ok(())
    }

    /// The hub takes what it refused: dead letters are sent again, through kills, until none is left.
    async fn replay(&mut self) -> Outcome<()> {
        const DEATHS: usize = 4;
        self.stage.bless().await?;
        for _ in 0..DEATHS {
            lives::of_victims(&self.stage, &mut self.rng, &mut self.figures).await?;
            self.look().await?;
            self.stage.time.advance(152_000)?;
        }
        self.stage.time.advance(400_000)?;
        let status = self.stage.victim().args(["--rounds", "1"]).status().await?;
        if !status.success() {
            return Err(format!("the bridge ended with {status}; see bridge.log").into());
        }
        let left = self.look().await?.not_replayed();
        self.figures.broken += left.len() as u64;
        self.faults.extend(left);
        Ok(())
    }

    /// The same with the real program, which goes by the machine's clock.
    async fn rest_of_program(&mut self) -> Outcome<()> {
        self.stage.calm().await?;
        let to_last = self.stage.plan.last - Stage::machine_now();
        tokio::time::sleep(Duration::from_millis(u64::try_from(to_last).unwrap_or(0))).await;
        let mut left = Vec::new();
        for _ in 0..30 {
            let mut program = self.stage.bridge()?.spawn()?;
            tokio::time::sleep(Duration::from_secs(6)).await;
            // SIGTERM: what it began, it ends.
            if let Some(pid) = program
                .id()
                .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()))
            {
                rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
            }
            program.wait().await?;
            left = self.look().await?.unfinished(&self.stage.plan, self.stage.now());
            if left.is_empty() {
                return Ok(());
            }
        }
        self.faults.extend(left);
        self.figures.broken += 1;
        Ok(())
    }

    /// Judges from the ledgers.
    pub(crate) async fn judged(&mut self) -> Outcome<()> {
        let stored = self.look().await?;
        let (shown, arrived) = (self.stage.shown().await?, self.stage.arrived().await?);
        let stats = self.stage.hub.ask("stats").await?;
        stored.count(&mut self.figures);
        self.figures.faults += stats["faults"].as_u64().unwrap_or(0);
        let letters = stored.messages();
        judge(&shown, &arrived, &letters, &mut self.figures, &mut self.faults);
        Ok(())
    }
}
