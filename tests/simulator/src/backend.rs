//! The source: shows what its script says at true time, in any order, with values written in any way, or an error.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use meterbridge::clock::Millis;
use meterbridge::reading::{Channel, Rows};
use meterbridge::source::{Answer, Error, Finding, Request, Source, Window};

use crate::gate::Gate;
use crate::ledger::RowFact;
use crate::world::{Shared, Told, World};

/// The source as one process reaches it.
pub struct Door {
    /// The world behind it.
    pub shared: Shared,
    /// Where its calls wait.
    pub gate: Arc<Gate>,
    /// Whose calls these are.
    pub tick: usize,
    /// Whether the past can be asked for.
    pub history: bool,
    /// The channels, as this process knows them.
    pub channels: Vec<Channel>,
}

/// The two channels, the first with this OBIS code.
#[must_use]
pub fn channels(obis: Option<&str>) -> Vec<Channel> {
    let mut channels = vec![Channel::named("ch0"), Channel::named("ch1")];
    channels[0].obis = obis.map(Into::into);
    channels
}

#[async_trait]
impl Source for Door {
    fn has_history(&self) -> bool {
        self.history
    }

    fn request(&self, _: Window) -> Request {
        Request {
            method: "GET".into(),
            url: "https://backend.example/rows".into(),
        }
    }

    async fn read(&self, window: Window) -> Result<Answer, Error> {
        let at = {
            let world = self.shared.lock();
            self.shared.now() + world.ticks.get(self.tick).map_or(0, |tick| tick.skew)
        };
        self.gate.pass().await;
        let answer = {
            let (now, world) = (self.shared.now(), &mut *self.shared.lock());
            world.operations += 1;
            let answer = answer(world, self.tick, window, now, self.history);
            world.tell(|| {
                let told = match &answer {
                    Ok(rows) => format!(
                        "{:?}",
                        rows.iter().map(|row| (row.stamp, row.values)).collect::<Vec<_>>()
                    ),
                    Err(error) => error.to_string(),
                };
                format!("  {}: ask {window:?}: {told}", self.tick)
            });
            answer.map(|rows| {
                let written = write(world, &self.channels, &rows);
                (rows, written)
            })
        };
        self.gate.pass().await;
        let (rows, written) = answer?;
        if let Some(tick) = self.shared.lock().ticks.get_mut(self.tick) {
            tick.answers.push(Told { window, at, rows });
        }
        Ok(Answer {
            request: self.request(window),
            status: 200,
            rows: written,
            ..Answer::default()
        })
    }

    async fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

fn answer(
    world: &mut World,
    tick: usize,
    window: Window,
    now: Millis,
    history: bool,
) -> Result<Vec<RowFact>, Error> {
    let odds = world.plan.odds.source;
    if world.befalls(tick, odds) {
        return Err(trouble(world));
    }
    if !history {
        world.shown += 10;
        return Ok(vec![RowFact {
            stamp: now,
            values: [Some(world.shown), None],
        }]);
    }
    let seen = world.plan.rows.iter().filter_map(|row| {
        let version = row.at(now)?;
        Some(RowFact {
            stamp: row.stamp,
            values: version.values,
        })
    });
    let rows: Vec<RowFact> = match window {
        Window::Youngest => seen.max_by_key(|row| row.stamp).into_iter().collect(),
        Window::Range { from, until, open } => {
            // Asked up to the present, a backend answers up to its newest row.
            let until = if open { Millis::MAX } else { until };
            seen.filter(|row| from <= row.stamp && row.stamp <= until)
                .collect()
        }
    };
    match (world.plan.row_limit, window) {
        (Some(limit), Window::Range { from, until, .. }) if rows.len() > limit && until > from => {
            Err(Error::TooManyRows {
                what: "backend".into(),
                limit,
            })
        }
        _ => Ok(rows),
    }
}

/// Rows as an answer holds them: a number is written in several ways, and rows come in any order.
fn write(world: &mut World, channels: &[Channel], facts: &[RowFact]) -> Rows {
    let mut rows = Rows::new(channels.to_vec());
    let style = world.dice.below(3);
    let padding = "0".repeat(world.plan.padding);
    let reversed = world.dice.often(200);
    let mut add = |fact: &RowFact| {
        let texts = fact
            .values
            .map(|value| value.map(|value| text(value, style, &padding)));
        rows.push(fact.stamp, |channel| texts.get(channel)?.as_deref());
    };
    if reversed {
        facts.iter().rev().for_each(&mut add);
    } else {
        facts.iter().for_each(&mut add);
    }
    rows.normalise();
    rows
}

fn text(tenths: i64, style: u32, padding: &str) -> String {
    match style {
        1 => format!("{tenths}e-1"),
        0 if tenths % 10 == 0 && padding.is_empty() => (tenths / 10).to_string(),
        _ => format!("{}.{}{padding}", tenths / 10, tenths % 10),
    }
}

fn trouble(world: &mut World) -> Error {
    let what = "backend".to_owned();
    match world.dice.below(6) {
        0 => Error::Login {
            what,
            detail: "401".into(),
            mend: "mend".into(),
        },
        1 => Error::Unavailable {
            what,
            status: 429,
            detail: "busy".into(),
            after: Some(Duration::from_secs(7)),
        },
        2 => Error::Unavailable {
            what,
            status: 503,
            detail: "down".into(),
            after: None,
        },
        3 => Error::Protocol {
            what,
            detail: "cut off".into(),
            passing: true,
        },
        4 => Error::Unknown {
            what,
            detail: "the site".into(),
        },
        _ => Error::Unreachable {
            what,
            detail: "no route".into(),
            mend: "mend".into(),
        },
    }
}
