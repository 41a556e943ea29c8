//! Drain: send what is frozen, oldest first, and confirm it.

use crate::clock::{Millis, iso};
use crate::forward::pack;
use crate::forward::{Error, Message};
use crate::store::Write;
use crate::store::documents::{DeadLetter, Document, Parked, Part};

use super::cargo::Cargo;
use super::claim::Held;
use super::report::Report;
use super::{Poller, Stop, Turn};

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
            if held.is_blocked() || !self.is_due_to_ship(turn, &held.state) {
                return Ok(());
            }
            self.gather(turn, held).await?;
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
        if let Some(parked) = &held.state.parked {
            if parked.until.is_some_and(|until| until > self.clock.now()) {
                let why = parked.why.clone();
                if !held.is_blocked() {
                    report.remark(&why);
                }
                held.block(why);
            } else {
                held.state.parked = None;
            }
        }
        while let Some(&number) = held.state.pending.first() {
            if held.is_blocked() {
                return Ok(());
            }
            let mut cargo = self.load(turn, held, number).await?;
            self.deliver(turn, held, &mut cargo, report).await?;
        }
        Ok(())
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
            let count = if alone {
                1
            } else {
                pack::envelope(&cargo.messages[first..])
            };
            let batch = &cargo.messages[first..first + count];
            match self.send(turn, held, batch).await {
                Ok(units) => {
                    held.state.confirmed += count;
                    held.state.refused = 0;
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
                    report.dead += 1;
                    report.remark(error.to_string());
                    let letter =
                        self.dead_letter(held, &cargo.messages[first], &cargo.shipment.parts[first], &error);
                    let bytes = letter.body.len() + letter.body.matches(['"', '\\']).count() + 1_000;
                    held.make_room(self, 1, bytes).await?;
                    held.enqueue([Write::Create(Document::DeadLetter(letter))], bytes);
                    held.state.confirmed += 1;
                    held.state.refused += 1;
                    if held.state.refused >= 2 {
                        let why = format!("two messages in a row were refused for good: {error}");
                        self.park(held, report, &why, PROBE);
                    }
                }
                Err(error) if error.is_transient() => {
                    failures += 1;
                    let wait = BACKOFF.wait(failures, fastrand::f64(), error.retry_after());
                    let after = self.clock.now().saturating_add(super::window::millis(wait));
                    if failures > REPEATS || after >= turn.deadline {
                        report.remark(error.to_string());
                        held.state.trouble = Some(error.to_string());
                        held.block(error.to_string());
                        break;
                    }
                    report.repeats += 1;
                    tokio::time::sleep(wait).await;
                }
                Err(error) => {
                    let pause = match &error {
                        Error::Quota { .. } => to_midnight(self.clock.now()),
                        _ => PROBE,
                    };
                    if matches!(error, Error::Unauthorized { .. } | Error::Device { .. }) {
                        // The device may live at another hub by now: DPS is asked again.
                        held.state.assignment = None;
                    }
                    self.park(held, report, &error.to_string(), pause);
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

    async fn send(&self, turn: &Turn<'_>, held: &mut Held, batch: &[Message]) -> Result<u32, Error> {
        let cached = held.state.assignment.as_ref();
        let to = self.forward.device(&turn.config.id, cached, false).await?;
        let delivered = self.forward.send(&to, batch).await?;
        held.state.assignment = Some(to);
        if let Some(skew) = delivered.skew.filter(|skew| skew.abs() > 60_000) {
            tracing::warn!(
                skew_ms = skew,
                "This machine's clock differs from the hub's; tokens are made by the hub's clock"
            );
        }
        Ok(delivered.units)
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
        let last = cargo
            .carried
            .iter()
            .filter_map(|(document, _)| last_stamp(document))
            .max();
        if let Some(last) = last {
            // A row stamped in the future moves the checkpoint no further than the mark.
            let last = state.mark.map_or(last, |mark| mark.min(last));
            state.checkpoint = Some(state.checkpoint.map_or(last, |before| before.max(last)));
        }
        cargo.shipment.outcome = "delivered".into();
        cargo.shipment.delivered_at = Some(now);
        cargo.shipment.ttl = Some(self.retention);
        let mut writes = vec![Write::Replace(
            Document::Shipment(cargo.shipment.clone()),
            cargo.version.clone(),
        )];
        for (document, version) in std::mem::take(&mut cargo.carried) {
            let document = match document {
                Document::Attempt(mut attempt) => {
                    attempt.ttl = Some(self.retention);
                    Document::Attempt(attempt)
                }
                Document::Rows(mut rows) => {
                    rows.ttl = Some(self.retention);
                    Document::Rows(rows)
                }
                other => other,
            };
            writes.push(Write::Replace(document, version));
        }
        held.enqueue(writes, bytes);
        Ok(())
    }

    fn park(&self, held: &mut Held, report: &mut Report, why: &str, pause: Millis) {
        let now = self.clock.now();
        let until = now.saturating_add(pause);
        let text = format!("parked until {}: {why}", iso(until));
        report.remark(&text);
        held.state.trouble = Some(text.clone());
        held.state.parked = Some(Parked {
            since: now,
            until: Some(until),
            why: text.clone(),
        });
        held.block(text);
    }

    fn dead_letter(&self, held: &Held, message: &Message, part: &Part, error: &Error) -> DeadLetter {
        let number = held.state.pending.first().copied().unwrap_or_default();
        DeadLetter {
            id: DeadLetter::id_of(&held.state.birth, number, &part.label),
            source: held.state.source.clone(),
            at: self.clock.now(),
            message_id: message.id.clone(),
            why: error.to_string(),
            body: String::from_utf8_lossy(&message.body).into_owned(),
            properties: message.properties.clone(),
            created: message.created,
            replayed_at: None,
            ttl: None,
        }
    }
}

const BACKOFF: crate::retry::Backoff = crate::retry::Backoff::new(
    std::time::Duration::from_millis(500),
    std::time::Duration::from_secs(20),
);
const REPEATS: u32 = 2;
/// Bytes of one part in the stored shipment, at most.
pub(super) const PART: usize = 96;
/// How long a source that the hub refuses is left alone before the next try.
const PROBE: Millis = 300_000;

fn to_midnight(now: Millis) -> Millis {
    const DAY: Millis = 86_400_000;
    DAY - now.rem_euclid(DAY)
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
