//! Sift an answer and record it: the attempt, its rows, the digest, the marks and, when due, a shipment: in one batch.

use crate::clock::Millis;
use crate::forward::pack;
use crate::reading::Rows;
use crate::source::Window;
use crate::store::documents::{Attempt, DigestDoc, Document, RowsDoc, State, StoredRows, Unshipped};
use crate::store::{Error, Etag, Write};

use super::aim::{self, Aim};
use super::batch::{self, cut_documents, text_bytes};
use super::claim::{Frozen, Held};
use super::digest::Digest;
use super::freeze::time_range;
use super::read::Answered;
use super::report::Report;
use super::window::millis;
use super::{Poller, Stop, Turn};

/// Shipments that may wait for the hub before a reader is not read any more: 40 polls each, 8 bytes each in the state.
pub(super) const MAX_PENDING: usize = 5_000;
/// Rows that stand in the attempt itself, bytes of text.
const MAX_INLINE: usize = 12_000;

/// The digest as it was read, with its version.
pub(super) struct Known {
    /// What is known.
    pub known: Digest,
    version: Option<Etag>,
}

impl Known {
    /// For sources without a history: nothing is ever asked twice.
    pub(super) fn none() -> Self {
        Self {
            known: Digest::new(Millis::MIN),
            version: None,
        }
    }
}

impl Poller {
    /// Reads the digest. Without overlap it holds what lies beyond the mark alone: rows stamped in the future, and rows newer
    /// than the end of a question that was repeated later.
    async fn digest(&self, turn: &Turn<'_>, held: &Held) -> Result<Known, Stop> {
        let found = self
            .store
            .read(&turn.config.id, DigestDoc::ID)
            .await
            .map_err(Stop::Store)?;
        let Some(found) = found else {
            return Ok(Known {
                known: Digest::new(held.state.mark.unwrap_or(Millis::MIN)),
                version: None,
            });
        };
        let known = match &found.document {
            Document::Digest(document) => Digest::from_document(document),
            _ => None,
        };
        let known = known.ok_or_else(|| {
            Stop::Store(Error::Damaged {
                source_id: turn.config.id.clone(),
                id: DigestDoc::ID.into(),
                detail: "its stamps and hashes do not fit".into(),
            })
        })?;
        Ok(Known {
            known,
            version: Some(found.etag),
        })
    }

    /// The digest, read where it was not yet.
    pub(super) async fn known<'d>(
        &self,
        turn: &Turn<'_>,
        held: &Held,
        digest: &'d mut Option<Known>,
    ) -> Result<&'d mut Known, Stop> {
        if digest.is_none() {
            *digest = Some(self.digest(turn, held).await?);
        }
        Ok(digest.get_or_insert_with(Known::none))
    }

    /// Records an answer, in as many batches as its size needs.
    pub(super) async fn record(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut Known,
        mut answered: Answered,
        aim: Aim,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let rows = std::mem::take(&mut answered.answer.rows);
        let history = turn.source.has_history();
        let sifted = if history {
            aim.sift(&held.state, &digest.known, rows)
        } else {
            super::digest::Sifted { rows, known: 0 }
        };
        if let Some(remark) = super::trouble::answered(&mut held.state, answered.at) {
            report.remark(remark);
        }
        report.known += sifted.known;
        report.rows += sifted.rows.len();
        report.readings += sifted.rows.readings();
        report.unknown.clone_from(&answered.answer.unknown);
        report.remarks.extend(answered.answer.remarks.iter().cloned());
        let rows = sifted.rows;
        if rows.is_empty() {
            return self.record_empty(turn, held, &answered, sifted.known, aim).await;
        }
        let mut from = 0;
        let mut known = sifted.known;
        let overlap = !turn.config.overlap.is_zero();
        let room = batch::room(&rows, &digest.known, overlap, &self.pack);
        while from < rows.len() {
            let cuts = cut_documents(&rows, from, room);
            let to = cuts.last().map_or(rows.len(), |cut| cut.end);
            let last = to == rows.len();
            let part = if from == 0 && last {
                None
            } else {
                Some(rows.part(from..to))
            };
            let part = part.as_ref().unwrap_or(&rows);
            let cuts: Vec<_> = cuts.iter().map(|cut| cut.start - from..cut.end - from).collect();
            let aim = if last {
                aim
            } else {
                aim.until_row(rows.stamps().get(to).copied())
            };
            self.record_rows(turn, held, digest, &answered, part, &cuts, known, aim, report)
                .await?;
            known = 0;
            from = to;
            if !last {
                self.drain(turn, held, report).await?;
                if held.is_blocked() && history {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One batch: attempt, rows, digest, state and, when due, a shipment.
    #[allow(clippy::too_many_arguments)]
    async fn record_rows(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        digest: &mut Known,
        answered: &Answered,
        rows: &Rows,
        cuts: &[std::ops::Range<usize>],
        known: usize,
        aim: Aim,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let text = text_bytes(rows, 0..rows.len());
        // A confirmation before may be too large to ride along.
        held.make_room(self, cuts.len() + 3, text).await?;
        let number = held.state.next;
        let source = &turn.config.id;
        let birth = held.state.birth.clone();
        let mut attempt = attempt(turn, &held.state, answered, number);
        attempt.aim = aim.word();
        attempt.rows = rows.len();
        attempt.known = known;
        attempt.outcome = "rows".into();
        let mut documents = Vec::new();
        if text <= MAX_INLINE {
            attempt.inline = Some(StoredRows::of(rows, 0..rows.len()));
        } else {
            for (place, cut) in (0u32..).zip(cuts) {
                documents.push(Document::Rows(RowsDoc {
                    id: RowsDoc::id_of(&birth, number, place),
                    source: source.clone(),
                    rows: StoredRows::of(rows, cut.clone()).into(),
                    ttl: None,
                }));
            }
            attempt.documents = u32::try_from(documents.len()).unwrap_or(u32::MAX);
        }
        documents.insert(0, Document::Attempt(attempt));

        let state = &mut held.state;
        state.next = number + 1;
        let waits = Unshipped {
            number,
            at: answered.at,
            rows: rows.len(),
            bytes: pack::estimate(rows, self.pack.format),
        };
        state.unshipped.push(waits);
        aim.go_on(state, rows.len(), known);
        if aim.is_live() {
            advance(state, &mut digest.known, answered, rows);
        }
        let floor = digest.known.floor();
        if turn.source.has_history() {
            let now = self.clock.now();
            let (capacity, keep_from) = (self.limits.digest, keep_from(turn, state, &digest.known, aim));
            // A full digest forgets rows of the future, too: after that only the ledger knows that they are recorded.
            let full_at = digest.known.full_at(capacity, rows, keep_from);
            let bound = state
                .mark
                .unwrap_or(Millis::MIN)
                .max(full_at.unwrap_or(Millis::MIN));
            aim::note(aim, turn.config, state, &digest.known, rows, (bound, now), report);
            remember(turn, &mut digest.known, rows, keep_from, capacity, report);
        }
        let mut more: Vec<Write> = documents.iter().cloned().map(Write::Create).collect();
        let kept = turn.source.has_history()
            && if aim.is_live() {
                digest.version.is_some() || !digest.known.is_empty()
            } else {
                // Rows below the floor change nothing in it.
                rows.stamps().last().is_some_and(|&last| last > floor)
            };
        if kept {
            let document = Document::Digest(digest.known.document(source));
            more.push(match &digest.version {
                Some(version) => Write::Replace(document, version.clone()),
                None => Write::Create(document),
            });
        }
        let digest_at = more.len();
        // Frozen with the record where it goes out alone; several attempts are gathered from the store.
        let alone = held.state.unshipped.len() == 1;
        let frozen = if alone && !held.is_blocked() && self.is_due_to_ship(turn, &held.state) {
            let range = time_range(turn, answered.window, answered.at, rows);
            let (shipment, messages) =
                self.freeze(turn, &mut held.state, rows, &[number], range, answered.at);
            more.push(Write::Create(Document::Shipment(shipment.clone())));
            documents.push(Document::Shipment(shipment));
            Some(messages)
        } else {
            None
        };
        let versions = held.commit_for_versions(self, more).await?;
        if kept {
            digest.version = versions.get(digest_at - 1).cloned().flatten();
        }
        if let Some(messages) = frozen {
            let mut pairs = Vec::with_capacity(documents.len());
            let shipment_at = versions.len().saturating_sub(1);
            for (i, document) in documents.into_iter().enumerate() {
                let at = if matches!(document, Document::Shipment(_)) {
                    shipment_at
                } else {
                    i
                };
                if let Some(version) = versions.get(at).cloned().flatten() {
                    pairs.push((document, version));
                }
            }
            held.frozen = Some(Frozen {
                number,
                messages,
                documents: pairs,
            });
        }
        Ok(())
    }

    /// An answer without anything new: kept for the audit, written with the next write of the state.
    async fn record_empty(
        &self,
        turn: &Turn<'_>,
        held: &mut Held,
        answered: &Answered,
        known: usize,
        aim: Aim,
    ) -> Result<(), Stop> {
        held.make_room(self, 1, 2_000).await?;
        let number = held.state.next;
        held.state.next += 1;
        let mut attempt = attempt(turn, &held.state, answered, number);
        attempt.aim = aim.word();
        attempt.known = known;
        attempt.outcome = if known > 0 { "known" } else { "empty" }.into();
        attempt.ttl = Some(self.retention);
        aim.go_on(&mut held.state, 0, known);
        held.enqueue([Write::Create(Document::Attempt(attempt))], 2_000);
        Ok(())
    }
}

/// Moves the mark, and lets the history begin where it does.
fn advance(state: &mut State, known: &mut Digest, answered: &Answered, rows: &Rows) {
    let last = rows.stamps().last().copied().unwrap_or(Millis::MIN);
    let bound = match answered.window {
        // A clock that is ahead must not hide what comes before its instant.
        Window::Youngest => answered.at,
        Window::Range { until, .. } => state.pass.map_or(until, |pass| pass.end),
    };
    let mark = state.mark.unwrap_or(Millis::MIN).max(last.min(bound));
    if answered.window == Window::Youngest || state.mark.is_none() {
        // History begins at this row: nothing before it is asked for later. Where it is ahead of our clock, live polls read what
        // lies between, too, and it is no backfill's.
        let first = rows.stamps().first().map_or(Millis::MIN, |first| first - 1);
        let floor = first.min(mark);
        *known = Digest::new(floor);
        state.past.began = state.past.began.or(Some(floor.saturating_add(1)));
    }
    state.mark = Some(mark);
}

/// What the digest forgets: its floor follows the mark, and no other rows than new ones.
fn keep_from(turn: &Turn<'_>, state: &State, known: &Digest, aim: Aim) -> Millis {
    let mark = state.mark.unwrap_or(Millis::MIN);
    if !aim.is_live() {
        known.floor()
    } else if turn.config.overlap.is_zero() {
        mark
    } else {
        mark.saturating_sub(millis(turn.config.overlap)).saturating_sub(1)
    }
}

/// Takes recorded rows into the digest.
fn remember(
    turn: &Turn<'_>,
    known: &mut Digest,
    rows: &Rows,
    keep_from: Millis,
    capacity: usize,
    report: &mut Report,
) {
    if known.remember_within(capacity, rows, keep_from) {
        report.remark(format!(
            "more rows than the digest holds: the overlap of {} is shortened; late rows before {} are not seen",
            turn.config.id,
            crate::clock::iso(known.floor())
        ));
    }
}

pub(super) fn attempt(turn: &Turn<'_>, state: &State, answered: &Answered, number: u64) -> Attempt {
    let (from, until) = match answered.window {
        Window::Youngest => (None, None),
        Window::Range { from, until, .. } => (Some(from), Some(until)),
    };
    let answer = &answered.answer;
    Attempt {
        id: Attempt::id_of(&state.birth, number),
        source: turn.config.id.clone(),
        number,
        due: turn.due,
        at: answered.at,
        took_ms: u64::try_from(answered.took.as_millis()).unwrap_or(u64::MAX),
        request: answer.request.clone(),
        from,
        until,
        status: answer.status,
        outcome: String::new(),
        error: None,
        bytes: answer.bytes,
        rows: 0,
        known: 0,
        unknown: answer.unknown.iter().take(100).cloned().collect(),
        remarks: answer.remarks.iter().take(20).cloned().collect(),
        device_time: answer.device_time,
        aim: None,
        inline: None,
        documents: 0,
        ttl: None,
    }
}
