//! The store: documents with versions and lifetimes in memory, and what can go wrong on the way to them and back.

mod shelf;

pub use shelf::Shelf;

use std::sync::Arc;

use async_trait::async_trait;
use meterbridge::clock::Millis;
use meterbridge::store::{Batch, Committed, Error, Found, List, Store};

use crate::check;
use crate::gate::Gate;
use crate::world::{Late, Shared, World};

/// The store as one process reaches it.
pub struct Door {
    /// The world behind it.
    pub shared: Shared,
    /// Where its calls wait.
    pub gate: Arc<Gate>,
    /// Whose calls these are.
    pub tick: usize,
}

#[async_trait]
impl Store for Door {
    async fn prepare(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn read(&self, _: &str, id: &str) -> Result<Option<Found>, Error> {
        self.gate.pass().await;
        let answer = {
            let (now, world) = (self.shared.now(), &mut *self.shared.lock());
            world.operations += 1;
            let odds = world.plan.odds.read;
            let answer = if world.befalls(self.tick, odds) {
                Err(silent())
            } else {
                world.shelf.read(id, now)
            };
            world.tell(|| {
                let told = match &answer {
                    Ok(Some(found)) => format!("version {}", found.etag.0),
                    Ok(None) => "nothing".into(),
                    Err(error) => error.to_string(),
                };
                format!("  {}: read {id}: {told}", self.tick)
            });
            answer
        };
        self.gate.pass().await;
        answer
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        batch.check()?;
        self.gate.pass().await;
        let answer = {
            let (now, world) = (self.shared.now(), &mut *self.shared.lock());
            world.operations += 1;
            commit(world, self.tick, batch, now)
        };
        self.gate.pass().await;
        answer
    }

    async fn due(&self, _: &str, _: Millis, _: usize) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    async fn list(&self, list: List) -> Result<Vec<Found>, Error> {
        self.gate.pass().await;
        let now = self.shared.now();
        self.shared.lock().shelf.list(&list, now)
    }

    fn describe(&self) -> String {
        "the simulated store".into()
    }
}

/// A batch arrives, or does not.
fn commit(world: &mut World, tick: usize, batch: Batch, now: Millis) -> Result<Committed, Error> {
    let odds = world.plan.odds.clone();
    world.tell(|| format!("  {tick}: commit {}", shelf::told(&batch)));
    if world.befalls(tick, odds.write_refused) {
        world.tell(|| "     refused for good".into());
        return Err(Error::Refused {
            what: "the disk is full".into(),
            mend: "make room".into(),
        });
    }
    if world.befalls(tick, odds.write_before) {
        world.tell(|| "     never arrives".into());
        return Err(silent());
    }
    if world.befalls(tick, odds.write_late) {
        world.tell(|| "     arrives later than it is waited for".into());
        world.late.push(Late::Write(tick, batch));
        return Err(silent());
    }
    let committed = apply(world, tick, &batch, now)?;
    if world.befalls(tick, odds.write_after) {
        world.tell(|| "     written, and the answer is lost".into());
        return Err(silent());
    }
    if world.befalls(tick, odds.write_repeated) {
        world.tell(|| "     written, repeated by the client, and so in its own way".into());
        return apply(world, tick, &batch, now);
    }
    Ok(committed)
}

/// A batch is written, if every document is as its writes want it, and judged.
pub fn apply(world: &mut World, tick: usize, batch: &Batch, now: Millis) -> Result<Committed, Error> {
    if let Err(error) = world.shelf.fits(batch, now) {
        world.tell(|| format!("     {error}"));
        return Err(error);
    }
    let judged = check::batch::judge(world, tick, batch);
    world.judge(judged);
    world.shelf.write(batch, now)
}

fn silent() -> Error {
    Error::Unavailable {
        detail: "no answer".into(),
    }
}
