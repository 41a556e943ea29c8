//! The hub: takes messages, refuses some, and loses answers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use meterbridge::forward::{Assignment, Delivered, Error, Forward, Message};

use crate::check;
use crate::gate::Gate;
use crate::world::{Late, Shared, World};

/// What the hub has seen.
#[derive(Debug, Default)]
pub struct Taken {
    /// Every message that it took, as it came first.
    pub messages: HashMap<String, Message>,
    /// Messages that it refused for good, alone.
    pub refused: HashSet<String>,
    /// How many it took, repeats among them.
    pub arrivals: u64,
}

/// The hub as one process reaches it.
pub struct Door {
    /// The world behind it.
    pub shared: Shared,
    /// Where its calls wait.
    pub gate: Arc<Gate>,
    /// Whose calls these are.
    pub tick: usize,
    /// Whether DPS names the device.
    pub registers: bool,
}

#[async_trait]
impl Forward for Door {
    async fn device(&self, _: &str, cached: Option<&Assignment>, fresh: bool) -> Result<Assignment, Error> {
        if let Some(cached) = cached.filter(|_| self.registers && !fresh) {
            return Ok(cached.clone());
        }
        self.gate.pass().await;
        let world = &mut *self.shared.lock();
        world.operations += 1;
        let odds = world.plan.odds.device;
        if world.befalls(self.tick, odds) {
            world.tell(|| format!("  {}: no device", self.tick));
            return Err(match world.dice.below(2) {
                0 => Error::NotAssigned {
                    registration: "home".into(),
                    detail: "unknown".into(),
                },
                _ => unavailable(0, None),
            });
        }
        Ok(Assignment {
            hub: HUB.into(),
            device: "home".into(),
        })
    }

    fn registers(&self) -> bool {
        self.registers
    }

    async fn send(&self, _: &Assignment, messages: &[Message]) -> Result<Delivered, Error> {
        {
            let (now, world) = (self.shared.now(), &mut *self.shared.lock());
            world.operations += 1;
            world.tell(|| {
                let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
                format!("  {}: send {}", self.tick, ids.join(" "))
            });
            let judged = check::send::judge(world, self.tick, messages, now);
            world.judge(judged);
        }
        self.gate.pass().await;
        let answer = {
            let world = &mut *self.shared.lock();
            let answer = answer(world, self.tick, messages);
            world.tell(|| match &answer {
                Ok(_) => "     204".into(),
                Err(error) => format!("     {error}"),
            });
            answer
        };
        self.gate.pass().await;
        answer
    }
}

/// What becomes of a request.
fn answer(world: &mut World, tick: usize, messages: &[Message]) -> Result<Delivered, Error> {
    let odds = world.plan.odds.clone();
    if world.befalls(tick, odds.hub_before) {
        let (status, after) = match world.dice.below(5) {
            0 => (429, Some(5)),
            1 => (429, Some(300)),
            2 => (503, None),
            _ => (0, None),
        };
        return Err(unavailable(status, after));
    }
    if world.befalls(tick, odds.hub_device) {
        return Err(match world.dice.below(4) {
            0 => Error::Quota { hub: HUB.into() },
            1 => Error::Device {
                hub: HUB.into(),
                device: "home".into(),
                detail: "unknown".into(),
            },
            _ => Error::Unauthorized {
                hub: HUB.into(),
                device: "home".into(),
                detail: "401".into(),
            },
        });
    }
    if world
        .plan
        .hub_limit
        .is_some_and(|limit| messages.iter().map(|m| m.body.len()).sum::<usize>() > limit)
    {
        refuse(world, messages);
        return Err(Error::TooLarge { hub: HUB.into() });
    }
    // For good, unless dead letters are to arrive in the end.
    let cursed = world
        .plan
        .cursed
        .filter(|_| !world.dice.is_calm() || !world.plan.replays)
        .is_some_and(|by| messages.iter().any(|message| is_cursed(message, by)));
    if cursed && let Some(tick) = world.ticks.get_mut(tick) {
        tick.disturbed = true;
    }
    if cursed || world.befalls(tick, odds.hub_refused) {
        refuse(world, messages);
        return Err(Error::Refused {
            hub: HUB.into(),
            status: 400,
            detail: "no".into(),
        });
    }
    // What the hub would never take does not arrive late either.
    if world.befalls(tick, odds.hub_late) {
        world.late.push(Late::Send(messages.to_vec()));
        return Err(unavailable(0, None));
    }
    if world.befalls(tick, odds.hub_after) {
        // An envelope may have been taken in part.
        let taken = if messages.len() > 1 && world.dice.often(300) {
            messages.len() / 2
        } else {
            messages.len()
        };
        arrive(world, &messages[..taken]);
        return Err(unavailable(0, None));
    }
    arrive(world, messages);
    Ok(Delivered {
        units: u32::try_from(messages.len()).unwrap_or(0),
        skew: None,
    })
}

/// Messages reach the hub.
pub fn arrive(world: &mut World, messages: &[Message]) {
    for message in messages {
        world.hub.arrivals += 1;
        world
            .hub
            .messages
            .entry(message.id.clone())
            .or_insert_with(|| message.clone());
    }
}

fn refuse(world: &mut World, messages: &[Message]) {
    if let [one] = messages {
        world.hub.refused.insert(one.id.clone());
    }
}

/// A property of the body alone, so that the same message is always refused.
fn is_cursed(message: &Message, by: i64) -> bool {
    message.body.iter().map(|&byte| i64::from(byte)).sum::<i64>() % (by * 4) == 0
}

const HUB: &str = "hub.example";

fn unavailable(status: u16, after: Option<u64>) -> Error {
    Error::Unavailable {
        hub: HUB.into(),
        status,
        detail: "busy".into(),
        after: after.map(Duration::from_secs),
    }
}
