//! Drain: send what is frozen, oldest first, and confirm it.

use std::time::Duration;

use crate::clock::{Millis, iso};
use crate::forward::Error;
use crate::forward::pack;
use crate::retry::Backoff;
use crate::store::Write;
use crate::store::documents::{Document, State};

use super::cargo::Cargo;
use super::claim::Held;
use super::refusal::Cause;
use super::report::Report;
use super::{Poller, Stop, Turn, trouble};

impl Poller {
    /// Sends what is pending, then freezes and sends what waited long enough.
    pub(super) async fn drain(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        report: &mut Report,
    ) -> Result<(), Stop> {
        loop {
            self.send_pending(turn, held, report).await?;
            if !self.is_due_to_ship(turn, &held.state)
                || (held.is_blocked() && (!Self::is_full(&held.state) || self.clock.now() >= turn.deadline))
            {
                return Ok(());
            }
            self.gather(turn, held, report).await?;
        }
    }

    /// Sends pending shipments until none is left, the hub does not take them, or time is up.
    pub(super) async fn send_pending(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        report: &mut Report,
    ) -> Result<(), Stop> {
        if held.state.pending.is_empty() && held.state.unshipped.is_empty() {
            return Ok(());
        }
        if !held.is_blocked()
            && let Some(why) = self.is_on_hold(&held.state)
        {
            report.remark(&why);
            held.block(why);
        }
        while let Some(&number) = held.state.pending.first() {
            if held.is_blocked() {
                return Ok(());
            }
            if let Some(mut cargo) = self.load(turn, held, number, report).await? {
                self.deliver(turn, held, &mut cargo, report).await?;
            }
        }
        Ok(())
    }

    /// Why nothing is sent yet: the source is parked, or the hub asked to wait. Otherwise the next message is tried.
    fn is_on_hold(&self, state: &State) -> Option<String> {
        let now = self.clock.now();
        if let Some(parked) = &state.parked
            && parked.until.is_some_and(|until| until > now)
        {
            return Some(parked.why.clone());
        }
        let hold = state.sending.held.as_ref()?;
        (hold.asked && hold.until > now).then(|| {
            format!(
                "nothing is sent until {}, as was asked for: {}",
                iso(hold.until),
                hold.why
            )
        })
    }

    /// Sends the parts of one shipment that are not confirmed yet.
    async fn deliver(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        cargo: &mut Cargo,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let mut alone = false;
        let mut failures = 0;
        while held.state.confirmed < cargo.messages.len() {
            if self.clock.now() >= turn.deadline {
                report.unfinished = true;
                held.block("the tick's time is up");
                break;
            }
            let first = held.state.confirmed;
            let damage = |at: usize| cargo.damaged.get(&cargo.shipment.parts[at].label);
            if let Some(why) = damage(first).cloned() {
                self.set_aside(held, cargo, first, why, report).await?;
                continue;
            }
            // A parked source is probed with one message.
            let probe = held.state.parked.is_some();
            let count = if alone || probe {
                1
            } else {
                let whole = (first + 1..cargo.messages.len()).take_while(|&at| damage(at).is_none());
                pack::envelope(&cargo.messages[first..=first + whole.count()])
            };
            let batch = &cargo.messages[first..first + count];
            match self.send(turn, held, batch).await? {
                Ok(units) => {
                    held.state.confirmed += count;
                    held.state.refused = 0;
                    if let Some(remark) = trouble::taken(&mut held.state, self.clock.now()) {
                        report.remark(remark);
                    }
                    held.budget.earn();
                    cargo.shipment.units += units;
                    report.units += units;
                    report.messages += count;
                    alone = false;
                    failures = 0;
                }
                Err(Error::TooLarge { .. } | Error::Refused { .. }) if count > 1 => alone = true,
                Err(Error::TooLarge { .. })
                    if cargo.shipment.parts[first].to - cargo.shipment.parts[first].from > 1 =>
                {
                    self.cut_finer(held, cargo, first).await?;
                }
                Err(error @ (Error::TooLarge { .. } | Error::Refused { .. })) => {
                    self.refused(held, cargo, first, &error, report).await?;
                }
                Err(error) if error.is_transient() => {
                    failures += 1;
                    let wait = BACKOFF.wait(failures, fastrand::f64(), error.retry_after());
                    let after = self.clock.now().saturating_add(super::window::millis(wait));
                    // A hub that was down before this tick is tried once.
                    let again = failures <= REPEATS
                        && held.state.sending.held.is_none()
                        && !probe
                        && after < turn.deadline
                        && held.budget.take(wait);
                    if !again {
                        self.hold(held, report, &error);
                        break;
                    }
                    report.repeats += 1;
                    tokio::time::sleep(wait).await;
                }
                Err(error @ Error::NoIdentity) => {
                    held.mute = true;
                    held.state.trouble = Some(error.to_string());
                    report.remark(error.to_string());
                    held.block(error.to_string());
                }
                Err(error) => {
                    if !self.moved(turn, held, &error, report).await? {
                        let cause = Cause::of(&error);
                        self.park(held, report, &error.to_string(), cause);
                    }
                }
            }
            if held.is_blocked() {
                break;
            }
        }
        if held.state.confirmed >= cargo.messages.len() {
            self.confirm(held, cargo).await?;
        } else {
            // The rest stays pending; a repeat carries the same ids and bodies.
            held.frozen = None;
        }
        Ok(())
    }

    /// Lets the confirmation ride with the next write: shipment delivered, its rows may age, the checkpoint moves.
    async fn confirm(&self, held: &mut Held, cargo: &mut Cargo) -> Result<(), Stop> {
        let bytes = cargo.shipment.parts.len() * PART
            + 1_000
            + cargo
                .carried
                .iter()
                .map(|(document, _)| size(document))
                .sum::<usize>();
        held.make_room(self, cargo.carried.len() + 1, bytes).await?;
        let now = self.clock.now();
        let state = &mut held.state;
        state.pending.retain(|&number| number != cargo.shipment.number);
        state.confirmed = 0;
        let last = last_live(&cargo.carried);
        if let Some(last) = last {
            // A row stamped in the future moves the checkpoint no further than the mark.
            let last = state.mark.map_or(last, |mark| mark.min(last));
            state.checkpoint = Some(state.checkpoint.map_or(last, |before| before.max(last)));
        }
        // What was damaged is kept for good, with all that is left of it.
        let whole = cargo.damaged.is_empty();
        let ttl = whole.then_some(self.retention);
        cargo.shipment.outcome = if whole { "delivered" } else { "damaged" }.into();
        cargo.shipment.delivered_at = Some(now);
        cargo.shipment.ttl = ttl;
        let mut writes = vec![Write::Replace(
            Document::Shipment(cargo.shipment.clone()),
            cargo.version.clone(),
        )];
        for (document, version) in std::mem::take(&mut cargo.carried) {
            let document = match document {
                Document::Attempt(mut attempt) => {
                    attempt.ttl = ttl;
                    Document::Attempt(attempt)
                }
                Document::Rows(mut rows) => {
                    rows.ttl = ttl;
                    Document::Rows(rows)
                }
                other => other,
            };
            writes.push(Write::Replace(document, version));
        }
        held.enqueue(writes, bytes);
        Ok(())
    }
}

pub(super) const BACKOFF: Backoff = Backoff::fixed(Duration::from_millis(500), Duration::from_secs(20));
pub(super) const REPEATS: u32 = 2;
/// Bytes of one part in the stored shipment, at most.
pub(super) const PART: usize = 96;
/// The newest row that live polls read: the checkpoint does not move with what was asked for besides.
fn last_live(carried: &[(Document, crate::store::Etag)]) -> Option<Millis> {
    let mut is_live = true;
    let mut last = None;
    for (document, _) in carried {
        // An attempt's rows follow it.
        if let Document::Attempt(attempt) = document {
            is_live = attempt.aim.is_none();
        }
        if is_live {
            last = last.max(last_stamp(document));
        }
    }
    last
}

fn last_stamp(document: &Document) -> Option<Millis> {
    let stored = match document {
        Document::Attempt(attempt) => attempt.inline.as_ref(),
        Document::Rows(rows) => Some(rows.rows.as_ref()),
        _ => None,
    }?;
    stored.last_stamp()
}

/// Bytes of a carried document, roughly.
fn size(document: &Document) -> usize {
    match document {
        Document::Attempt(attempt) => 2_000 + attempt.inline.as_ref().map_or(0, stored_bytes),
        Document::Rows(rows) => 500 + stored_bytes(&rows.rows),
        _ => 0,
    }
}

fn stored_bytes(rows: &crate::store::documents::StoredRows) -> usize {
    rows.stamps.len() + rows.columns.iter().map(String::len).sum::<usize>()
}
