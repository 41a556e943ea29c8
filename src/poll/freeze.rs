//! Freeze: rows become the messages that they stay for ever, alone or gathered from several attempts.

use crate::clock::Millis;
use crate::forward::Message;
use crate::forward::pack::{self, Frame};
use crate::reading::Rows;
use crate::source::Window;
use crate::store::Write;
use crate::store::documents::{Attempt, Document, Part, Shipment, State};

use super::cargo::rows_of;
use super::claim::{Frozen, Held};
use super::report::Report;
use super::window::millis;
use super::{Poller, Stop, Turn};

/// Attempts of one shipment: confirming it must fit into one batch.
const MAX_ATTEMPTS: usize = 40;

impl Poller {
    /// Whether the waiting attempts are as many as one shipment takes. Then they are frozen even while nothing is sent, so that the
    /// list in the state stays short however long the hub is away.
    pub(super) fn is_full(state: &State) -> bool {
        state.unshipped.len() >= MAX_ATTEMPTS
    }

    /// Whether the waiting attempts are to go out now.
    pub(super) fn is_due_to_ship(&self, turn: &Turn<'_>, state: &State) -> bool {
        let Some(oldest) = state.unshipped.first() else {
            return false;
        };
        let waited = self.clock.now().saturating_sub(oldest.at);
        let bytes: usize = state.unshipped.iter().map(|u| u.bytes).sum();
        waited >= millis(turn.config.send_every) || bytes >= pack::limit(&self.pack) || Self::is_full(state)
    }

    /// Freezes rows into messages and moves their attempts from waiting to pending.
    pub(super) fn freeze(
        &self,
        turn: &Turn<'_>,
        state: &mut State,
        rows: &Rows,
        attempts: &[u64],
        (begin, end): (Millis, Millis),
        at: Millis,
    ) -> (Shipment, Vec<Message>) {
        let number = attempts.last().copied().unwrap_or(state.next);
        state.unshipped.retain(|u| !attempts.contains(&u.number));
        state.pending.push(number);
        let mut shipment = Shipment {
            id: Shipment::id_of(&state.birth, number),
            source: state.source.clone(),
            number,
            at,
            attempts: attempts.to_vec(),
            naming: turn.config.naming.clone(),
            format: pack::format_name(self.pack.format).into(),
            begin,
            end,
            parts: Vec::new(),
            outcome: "pending".into(),
            delivered_at: None,
            units: 0,
            ttl: None,
        };
        let frame = Frame::of(&shipment, &state.birth, &self.pack);
        let (mut messages, mut parts) = (Vec::new(), Vec::new());
        for (label, cut) in pack::cut(rows, &frame).into_iter().enumerate() {
            let revision = rows.is_revised(cut.start);
            let body = pack::body(rows, cut.clone(), revision, &frame);
            let part = Part {
                label: label.to_string(),
                from: cut.start,
                to: cut.end,
                revision,
                hash: pack::fingerprint(&body),
            };
            messages.push(pack::message(&frame, &part, body));
            parts.push(part);
        }
        shipment.parts = parts;
        (shipment, messages)
    }

    /// Freezes attempts that waited, oldest first.
    pub(super) async fn gather(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let source = turn.config.id.as_str();
        let birth = held.state.birth.clone();
        let numbers: Vec<u64> = held
            .state
            .unshipped
            .iter()
            .take(MAX_ATTEMPTS)
            .map(|u| u.number)
            .collect();
        let carried = self.carried(source, &birth, &numbers).await?;
        let mut present = Vec::with_capacity(numbers.len());
        for number in numbers {
            let id = Attempt::id_of(&birth, number);
            if carried.iter().any(|(document, _)| document.id() == id) {
                present.push(number);
            } else {
                self.give_up_attempt(held, number, report).await?;
            }
        }
        let numbers = present;
        let rows = rows_of(&carried);
        if rows.is_empty() {
            // Nothing of them can be sent: each is told of.
            for number in numbers {
                self.give_up_attempt(held, number, report).await?;
            }
            return Ok(());
        }
        let mut range: Option<(Millis, Millis)> = None;
        for (document, _) in &carried {
            let Document::Attempt(attempt) = document else {
                continue;
            };
            let window = match (attempt.from, attempt.until) {
                (Some(from), Some(until)) => Window::Range {
                    from,
                    until,
                    open: false,
                },
                _ => Window::Youngest,
            };
            let (begin, end) = time_range(turn, window, attempt.at, &rows);
            range = Some(range.map_or((begin, end), |(b, e)| (b.min(begin), e.max(end))));
        }
        let now = self.clock.now();
        let (shipment, messages) = self.freeze(
            turn,
            &mut held.state,
            &rows,
            &numbers,
            range.unwrap_or((now, now)),
            now,
        );
        let number = shipment.number;
        let write = Write::Create(Document::Shipment(shipment.clone()));
        let versions = held.commit_for_versions(self, vec![write]).await?;
        if held.is_blocked() {
            // It is not sent in this tick.
            return Ok(());
        }
        let mut documents = carried;
        if let Some(version) = versions.into_iter().next().flatten() {
            documents.push((Document::Shipment(shipment), version));
        }
        held.frozen = Some(Frozen {
            number,
            messages,
            documents,
        });
        Ok(())
    }
}

/// What bodies name as their time range: the polling window; for sources without a history, the rows' own.
pub(super) fn time_range(turn: &Turn<'_>, window: Window, at: Millis, rows: &Rows) -> (Millis, Millis) {
    let first = rows.stamps().iter().min().copied().unwrap_or(at);
    let last = rows.stamps().iter().max().copied().unwrap_or(at);
    match window {
        Window::Range { from, until, .. } if turn.source.has_history() => (from.min(first), until.max(last)),
        Window::Youngest if turn.source.has_history() => (first, at.max(last)),
        _ => (first, last),
    }
}
