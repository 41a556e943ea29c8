//! One life of the bridge, or two lives at once, and how it ends.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::Outcome;
use crate::child::Child;
use crate::figures::Figures;
use crate::fuse::Spark;
use crate::stage::Stage;

/// A victim whose fuse did not burn down by then is killed from outside.
const LONGEST: Duration = Duration::from_millis(2_500);

/// Lets a victim live and die; sometimes two, of which one stood still until its lease was over.
pub(crate) async fn of_victims(stage: &Stage, rng: &mut Rng, figures: &mut Figures) -> Outcome<()> {
    match rng.u8(..10) {
        0 => orphan(stage, rng, figures).await,
        1 => {
            let mut victim = start(stage, rng, None)?;
            tokio::time::sleep(Duration::from_millis(rng.u64(5..400))).await;
            figures.by_clock_victim += u64::from(victim.kill().await?);
            Ok(())
        }
        _ => {
            let spark = spark(rng);
            let victim = start(stage, rng, Some(spark))?;
            end(victim, spark, figures).await
        }
    }
}

/// Lets the real program live for a moment; sometimes two of them.
pub(crate) async fn of_programs(stage: &Stage, rng: &mut Rng, figures: &mut Figures) -> Outcome<()> {
    let mut programs = vec![stage.bridge()?.spawn()?];
    if rng.u8(..5) == 0 {
        programs.push(stage.bridge()?.spawn()?);
        figures.together += 1;
    }
    for program in &mut programs {
        tokio::time::sleep(Duration::from_millis(rng.u64(5..350))).await;
        if let Some(status) = program.try_wait()? {
            return Err(format!("the bridge ended by itself: {status}; see bridge.log").into());
        }
        program.kill().await?;
        figures.by_clock += 1;
    }
    Ok(())
}

/// One stands still in mid-work; time passes until its lease is over; another works, and may die; then the first goes on.
async fn orphan(stage: &Stage, rng: &mut Rng, figures: &mut Figures) -> Outcome<()> {
    let spark = Spark::Stall(few(rng, 60));
    let mut first = start(stage, rng, Some(spark))?;
    let stalled = tokio::time::timeout(LONGEST, first.line()).await;
    if matches!(stalled, Ok(Ok(Some(_)))) {
        figures.together += 1;
        stage.time.advance(rng.i64(152_000..400_000))?;
        let spark = rng.bool().then(|| self::spark(rng));
        let second = start(stage, rng, spark)?;
        tokio::time::sleep(Duration::from_millis(rng.u64(20..250))).await;
        first.say("go on").await?;
        tokio::time::sleep(Duration::from_millis(rng.u64(1..120))).await;
        match spark {
            Some(spark) => end(second, spark, figures).await?,
            None => {
                let mut second = second;
                figures.by_clock_victim += u64::from(second.kill().await?);
            }
        }
    }
    figures.by_clock_victim += u64::from(first.kill().await?);
    Ok(())
}

fn start(stage: &Stage, rng: &mut Rng, spark: Option<Spark>) -> Outcome<Child> {
    let mut command = stage.victim();
    command.args(["--seed", &rng.u64(..).to_string()]);
    if stage.plan.faults > 0.0 {
        command.args(["--unreliable", "0.01"]);
    }
    if let Some(spark) = spark {
        command.args(["--spark", &spark.to_string()]);
    }
    Child::start(&mut command)
}

/// Waits until the fuse has burnt down.
async fn end(mut victim: Child, spark: Spark, figures: &mut Figures) -> Outcome<()> {
    let until = Instant::now() + LONGEST;
    match victim.ended(until - Instant::now()).await? {
        Some(status) => {
            use std::os::unix::process::ExitStatusExt;
            if status.signal() != Some(9) {
                return Err(format!("a victim ended by itself: {status}; see bridge.log").into());
            }
            match spark {
                Spark::BeforePoll(_) | Spark::AfterPoll(_) => figures.by_poll += 1,
                _ => figures.by_operation += 1,
            }
        }
        None => figures.by_clock_victim += u64::from(victim.kill().await?),
    }
    Ok(())
}

fn spark(rng: &mut Rng) -> Spark {
    match rng.u8(..10) {
        0..3 => Spark::BeforePoll(few(rng, 800)),
        3..6 => Spark::AfterPoll(few(rng, 800)),
        6..8 => Spark::Before(few(rng, 150)),
        _ => Spark::After(few(rng, 150)),
    }
}

/// From 1 to `most`, small ones as likely as large ones: what happens early happens in every tick.
fn few(rng: &mut Rng, most: u64) -> u64 {
    let share = rng.f64() * (most as f64).ln();
    (share.exp() as u64).clamp(1, most)
}
