//! Replay: sends dead letters again, as they were.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::iso;
use crate::forward::{Error, Message};
use crate::store::documents::{DeadLetter, Document};
use crate::store::{Etag, Write};

use super::claim::Held;
use super::deliver::{BACKOFF, REPEATS};
use super::report::Report;
use super::window::millis;
use super::{Poller, Stop, Turn, trouble};

/// What one turn of a replay came to.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The turn, as of any tick.
    pub report: Report,
    /// What became of letters, by their document's id, in order. Those that are not here are left for another turn.
    pub letters: Vec<(String, Fate)>,
    /// Why the hub takes nothing at all now.
    pub held: Option<String>,
}

/// What became of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The hub took it.
    Taken,
    /// The hub refused it again: why.
    Refused(String),
    /// It was taken before, or is gone.
    Gone,
}

impl Poller {
    /// Sends these dead letters (ids of documents) again under the source's lease, in order, up to the turn's deadline: the same
    /// message id, body, properties and creation time. Only after the 204 a letter is marked as replayed and may age; one that is
    /// refused again keeps the newest reason. What is taken shows that the hub takes messages of this source: it is parked no more.
    pub async fn replay(&self, turn: Turn<'_>, letters: &[String], stop: &AtomicBool) -> Replayed {
        let turn = Turn { force: true, ..turn };
        let report = Report::new(&turn.config.id, turn.due, self.clock.now());
        let mut done = Replayed {
            report: report.clone(),
            letters: Vec::new(),
            held: None,
        };
        let mut held = match self.claim(&turn).await {
            Ok(Ok(held)) => held,
            Ok(Err(skipped)) => {
                done.report = report.end(skipped, self.clock.now());
                return done;
            }
            Err(stop) => {
                done.report = report.stopped(stop, self.clock.now());
                return done;
            }
        };
        let worked = self
            .send_letters(&turn, &mut held, letters, stop, &mut done)
            .await;
        let report = done.report.clone();
        done.report = self.end(&turn, held, report, worked).await;
        done
    }

    async fn send_letters(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        letters: &[String],
        stop: &AtomicBool,
        done: &mut Replayed,
    ) -> Result<(), Stop> {
        // A person may try a parked source; what the hub itself asked for is obeyed.
        let now = self.clock.now();
        if let Some(hold) = held
            .state
            .sending
            .held
            .as_ref()
            .filter(|hold| hold.asked && hold.until > now)
        {
            done.held = Some(format!(
                "the hub asked to wait until {}: {}",
                iso(hold.until),
                hold.why
            ));
            return Ok(());
        }
        for id in letters {
            if stop.load(Ordering::Relaxed) || self.clock.now() >= turn.deadline {
                break;
            }
            let found = self.store.read(&turn.config.id, id).await.map_err(Stop::Store)?;
            let letter = found.and_then(|found| match found.document {
                Document::DeadLetter(letter) if letter.replayed_at.is_none() => Some((letter, found.etag)),
                _ => None,
            });
            let Some((letter, version)) = letter else {
                done.letters.push((id.clone(), Fate::Gone));
                continue;
            };
            if letter.body.is_empty() {
                // Its rows were gone when it was written: it tells of them, and an empty message would only hide that.
                done.letters.push((id.clone(), Fate::Refused(letter.why)));
                continue;
            }
            match self.send_letter(turn, held, &letter, &mut done.report).await? {
                Ok(units) => {
                    done.report.messages += 1;
                    done.report.units += units;
                    if let Some(remark) = self.taken(held, letter, version).await? {
                        done.report.remark(remark);
                    }
                    done.letters.push((id.clone(), Fate::Taken));
                }
                Err(error @ (Error::Refused { .. } | Error::TooLarge { .. })) => {
                    done.report.dead += 1;
                    let why = error.to_string();
                    let letter = DeadLetter {
                        why: why.clone(),
                        ..letter
                    };
                    self.keep(held, letter, version).await?;
                    done.letters.push((id.clone(), Fate::Refused(why)));
                }
                Err(error) => {
                    done.held = Some(error.to_string());
                    break;
                }
            }
        }
        Ok(())
    }

    async fn send_letter(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        letter: &DeadLetter,
        report: &mut Report,
    ) -> Result<Result<u32, Error>, Stop> {
        let message = Message {
            id: letter.message_id.clone(),
            created: letter.created,
            body: letter.body.clone().into(),
            properties: letter.properties.clone(),
        };
        let mut failures = 0;
        loop {
            let error = match self.send(turn, held, std::slice::from_ref(&message)).await? {
                Ok(units) => return Ok(Ok(units)),
                Err(error) => error,
            };
            failures += 1;
            let wait = BACKOFF.wait(failures, fastrand::f64(), error.retry_after());
            let after = self.clock.now().saturating_add(millis(wait));
            if !error.is_transient() || failures > REPEATS || after >= turn.deadline {
                return Ok(Err(error));
            }
            report.repeats += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// After the 204: the letter may age.
    async fn taken(
        &self,
        held: &mut Held,
        letter: DeadLetter,
        version: Etag,
    ) -> Result<Option<String>, Stop> {
        let letter = DeadLetter {
            replayed_at: Some(self.clock.now()),
            ttl: Some(self.retention),
            ..letter
        };
        self.keep(held, letter, version).await?;
        held.state.refused = 0;
        Ok(trouble::taken(&mut held.state, self.clock.now()))
    }

    /// Writes a letter with others, a few at a time.
    async fn keep(&self, held: &mut Held, letter: DeadLetter, version: Etag) -> Result<(), Stop> {
        let bytes = letter.body.len() + letter.body.matches(['"', '\\']).count() + 1_000;
        held.make_room(self, 1, bytes).await?;
        held.enqueue([Write::Replace(Document::DeadLetter(letter), version)], bytes);
        if held.waiting() >= TOGETHER {
            held.commit(self, Vec::new()).await?;
        }
        Ok(())
    }
}

/// So many letters are marked in one write: a process that is killed before it sends them once more, under the same ids.
const TOGETHER: usize = 10;
