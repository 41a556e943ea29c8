//! What the hub refuses: dead letters, parking, and holding on while it is away.

use std::time::Duration;

use crate::clock::{Millis, iso};
use crate::forward::{Error, Message};
use crate::store::Write;
use crate::store::documents::{DeadLetter, Document, Parked, Part};

use super::breaker::grown;
use super::cargo::Cargo;
use super::claim::Held;
use super::report::Report;
use super::window::millis;
use super::{Poller, Stop, trouble};

/// Why a source is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The day's quota: until it begins anew.
    Quota,
    /// The device itself: its key, its registration, or its being disabled.
    Device,
    /// One message after another.
    Messages,
}

impl Cause {
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Quota { .. } => Self::Quota,
            _ => Self::Device,
        }
    }
}

/// How long a source that the hub refuses is left alone before the first probe; the pause doubles up to the second.
const PROBE: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3_600));

impl Poller {
    /// A message that was refused for good, alone: a dead letter, and the second one without a 204 between parks the source.
    ///
    /// The probe of a source that is parked for that stays pending at first, and the next probe is the same message. Refused once
    /// more it is a dead letter, too, and the message behind it is the probe: a hub that refuses everything costs one letter a
    /// probe at most, and one that refuses this message alone takes the rest.
    pub(super) async fn refused(
        &self,
        held: &mut Held,
        cargo: &Cargo,
        at: usize,
        error: &Error,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let probe = held.state.parked.is_some() && held.state.refused >= LETTERS;
        held.state.refused = held.state.refused.saturating_add(1);
        if probe && !held.state.refused.is_multiple_of(PROBES) {
            let why = format!("one message after another is refused for good, a probe as well: {error}");
            self.park(held, report, &why, Cause::Messages);
            return Ok(());
        }
        if !probe {
            // The device itself was accepted: whatever it was parked for is over.
            held.state.parked = None;
        }
        report.dead += 1;
        report.remark(error.to_string());
        let why = error.to_string();
        let letter = self.dead_letter(held, &cargo.messages[at], &cargo.shipment.parts[at], why);
        self.keep_letter(held, letter).await?;
        held.state.confirmed += 1;
        if !probe && held.state.refused >= LETTERS {
            let why = format!(
                "two messages in a row were refused for good: {error}; look at the dead letters and at the settings the hub names"
            );
            self.park(held, report, &why, Cause::Messages);
        }
        Ok(())
    }

    /// Lets a dead letter ride with the next write.
    pub(super) async fn keep_letter(&self, held: &mut Held, letter: DeadLetter) -> Result<(), Stop> {
        let bytes = letter.body.len() + letter.body.matches(['"', '\\']).count() + 1_000;
        held.make_room(self, 1, bytes).await?;
        held.enqueue([Write::Create(Document::DeadLetter(letter))], bytes);
        Ok(())
    }

    /// The hub is away: nothing more is sent in this tick, and the state says when it is tried again.
    pub(super) fn hold(&self, held: &mut Held, report: &mut Report, error: &Error) {
        let text = error.to_string();
        report.remark(&text);
        let (now, asked) = (self.clock.now(), error.retry_after());
        trouble::held(&mut held.state, now, &text, asked, fastrand::f64());
        held.block(text);
    }

    /// The source stops alone, keeps all it has, and is probed with one message when the pause is over.
    pub(super) fn park(&self, held: &mut Held, report: &mut Report, why: &str, cause: Cause) {
        let now = self.clock.now();
        let before = held.state.parked.take();
        let probes = before
            .as_ref()
            .map_or(0, |parked| parked.probes.saturating_add(1));
        let pause = match cause {
            Cause::Quota => to_midnight(now),
            Cause::Device | Cause::Messages => millis(grown(PROBE.0, PROBE.1, probes, &held.state.source)),
        };
        let until = now.saturating_add(pause);
        let text = format!("parked until {}: {why}", iso(until));
        report.remark(&text);
        held.state.parked = Some(Parked {
            since: before.map_or(now, |parked| parked.since),
            until: Some(until),
            why: text.clone(),
            probes,
            device: cause == Cause::Device,
        });
        trouble::settle(&mut held.state);
        held.block(text);
    }

    pub(super) fn dead_letter(&self, held: &Held, message: &Message, part: &Part, why: String) -> DeadLetter {
        let number = held.state.pending.first().copied().unwrap_or_default();
        DeadLetter {
            id: DeadLetter::id_of(&held.state.birth, number, &part.label),
            source: held.state.source.clone(),
            at: self.clock.now(),
            message_id: message.id.clone(),
            why,
            body: String::from_utf8_lossy(&message.body).into_owned(),
            properties: message.properties.clone(),
            created: message.created,
            replayed_at: None,
            ttl: None,
        }
    }
}

/// Dead letters without a 204 between that park a source.
const LETTERS: u32 = 2;
/// Probes after which a message of a source that is parked for its messages is a dead letter as well.
const PROBES: u32 = 2;

fn to_midnight(now: Millis) -> Millis {
    const DAY: Millis = 86_400_000;
    DAY - now.rem_euclid(DAY)
}
