//! What must hold in the store whenever no process works on it: after each kill.

mod besides;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use meterbridge::clock::Millis;
use meterbridge::config::PackConfig;
use meterbridge::forward::pack::{self, Frame};
use meterbridge::poll::digest::Digest;
use meterbridge::reading::Rows;
use meterbridge::store::documents::{Attempt, Backfill, DigestDoc, RowsDoc, Shipment, Span, State};
use meterbridge::store::{Document, List, Store};

use crate::Outcome;
use crate::ledger::Message;
use crate::plan::Plan;

/// All documents at one moment.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    states: BTreeMap<String, State>,
    digests: HashMap<String, DigestDoc>,
    attempts: HashMap<String, BTreeMap<u64, Attempt>>,
    rows: HashMap<(String, String), RowsDoc>,
    shipments: HashMap<String, BTreeMap<u64, Shipment>>,
    letters: Vec<Letter>,
}

/// A message that the hub refused for good.
#[derive(Debug)]
struct Letter {
    message: Message,
    id: String,
    replayed: bool,
    lives: bool,
}

/// What only rises, as it was at the look before.
pub(crate) type Marks = HashMap<String, Mark>;

/// Of one source.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    birth: String,
    next: u64,
    mark: Option<Millis>,
    checkpoint: Option<Millis>,
    floor: Option<Millis>,
    filled: Vec<Span>,
    backfill: Option<Backfill>,
}

/// Whether a source of the plan is a reader, which knows the present alone.
fn is_reader(id: &str) -> bool {
    id.starts_with("reader-")
}

const ALL: usize = 1_000_000;

impl Stored {
    /// Reads all of them.
    pub(crate) async fn read(store: &dyn Store) -> Outcome<Self> {
        let mut all = Self::default();
        for kind in ["state", "digest", "attempt", "rows", "shipment", "deadletter"] {
            let list = List {
                source: None,
                kind,
                limit: ALL,
                before: None,
            };
            for found in store.list(list).await? {
                all.take(found.document);
            }
        }
        Ok(all)
    }

    fn take(&mut self, document: Document) {
        let source = document.source().to_owned();
        match document {
            Document::State(state) => {
                self.states.insert(source, state);
            }
            Document::Digest(digest) => {
                self.digests.insert(source, digest);
            }
            Document::Attempt(attempt) => {
                let all = self.attempts.entry(source).or_default();
                all.insert(attempt.number, attempt);
            }
            Document::Rows(rows) => {
                self.rows.insert((source, rows.id.clone()), rows);
            }
            Document::Shipment(shipment) => {
                let all = self.shipments.entry(source).or_default();
                all.insert(shipment.number, shipment);
            }
            Document::DeadLetter(letter) => self.letters.push(Letter {
                id: letter.id,
                replayed: letter.replayed_at.is_some(),
                lives: letter.ttl.is_some(),
                message: Message {
                    id: letter.message_id,
                    body: letter.body,
                },
            }),
            _ => {}
        }
    }

    /// The messages that the hub refused for good.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.letters.iter().map(|letter| letter.message.clone()).collect()
    }

    /// Sources with something left to do, in words.
    pub(crate) fn unfinished(&self, plan: &Plan, now: Millis) -> Vec<String> {
        let rest = |id: String| match self.states.get(&id) {
            None => Some(format!("{id} has no state")),
            Some(state) => {
                let held = state.lease.as_ref().is_some_and(|lease| lease.until > now);
                // A reader is read at every tick, so that something always waits for `send_every`.
                let waits = !state.unshipped.is_empty() && !is_reader(&id);
                let besides = !is_reader(&id) && self.is_to_go_back_or_ask(&id, state, plan, now);
                let rest = !state.pending.is_empty()
                    || waits
                    || besides
                    || state.pass.is_some()
                    || state.failures > 0
                    || held;
                rest.then(|| {
                    format!(
                        "{id}: besides {besides}, pending {:?}, unshipped {}, pass {:?}, failures {}, parked {:?}, held {held}",
                        state.pending,
                        state.unshipped.len(),
                        state.pass,
                        state.failures,
                        state.parked.as_ref().map(|parked| &parked.why)
                    )
                })
            }
        };
        plan.ids().filter_map(rest).collect()
    }

    /// What does not hold, in words. `taken` are the ids that the hub has.
    pub(crate) fn faults(
        &self,
        pack: &PackConfig,
        taken: &HashSet<String>,
        marks: &mut Marks,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        let dead: HashSet<&str> = self
            .letters
            .iter()
            .map(|letter| letter.message.id.as_str())
            .collect();
        faults.extend(self.sent_again(taken));
        for (id, state) in &self.states {
            let mut found = Vec::new();
            self.risen(id, state, marks, &mut found);
            self.carried(id, state, &mut found);
            self.frozen(id, state, pack, &mut found);
            self.delivered(
                id,
                state,
                &|message| taken.contains(message) || dead.contains(message),
                &mut found,
            );
            self.known(id, &mut found);
            self.missing(id, state, &mut found);
            self.gone_back(id, state, &mut found);
            faults.extend(found.into_iter().map(|fault| format!("{id}: {fault}")));
        }
        faults
    }

    /// Birth stays; numbers, marks and the digest's floor never fall; the checkpoint does not pass the mark.
    fn risen(&self, id: &str, state: &State, marks: &mut Marks, faults: &mut Vec<String>) {
        let now = Mark {
            birth: state.birth.clone(),
            next: state.next,
            mark: state.mark,
            checkpoint: state.checkpoint,
            floor: self.digests.get(id).map(|digest| digest.floor),
            filled: state.past.filled.clone(),
            backfill: state.past.backfill,
        };
        if now.checkpoint > now.mark {
            faults.push(format!("the checkpoint is past the mark: {now:?}"));
        }
        if let Some(before) = marks.get(id)
            && (before.birth != now.birth
                || before.next > now.next
                || before.mark > now.mark
                || before.checkpoint > now.checkpoint
                || before.floor > now.floor
                || !before.goes_on_with(&now))
        {
            faults.push(format!("fell from {before:?} to {now:?}"));
        }
        marks.insert(id.to_owned(), now);
    }

    /// Each attempt with rows waits, or is in one shipment; what is not delivered has no time to live.
    fn carried(&self, id: &str, state: &State, faults: &mut Vec<String>) {
        let none = BTreeMap::new();
        let none_shipped = BTreeMap::new();
        let attempts = self.attempts.get(id).unwrap_or(&none);
        let shipments = self.shipments.get(id).unwrap_or(&none_shipped);
        let pending: BTreeSet<u64> = state.pending.iter().copied().collect();
        let mut carriers: HashMap<u64, Vec<Option<u64>>> = HashMap::new();
        for waiting in &state.unshipped {
            carriers.entry(waiting.number).or_default().push(None);
        }
        for shipment in shipments.values() {
            for &attempt in &shipment.attempts {
                carriers.entry(attempt).or_default().push(Some(shipment.number));
            }
            let is_pending = pending.contains(&shipment.number);
            if is_pending != (shipment.outcome == "pending") || is_pending != shipment.ttl.is_none() {
                faults.push(format!(
                    "shipment {} is {} with ttl {:?}, and the state's pending are {pending:?}",
                    shipment.number, shipment.outcome, shipment.ttl
                ));
            }
        }
        for number in &pending {
            if !shipments.contains_key(number) {
                faults.push(format!("pending shipment {number} is missing"));
            }
        }
        for (number, carriers) in &carriers {
            if carriers.len() != 1 {
                faults.push(format!("attempt {number} is carried by {carriers:?}"));
            }
            let Some(attempt) = attempts.get(number) else {
                faults.push(format!("attempt {number} is carried and missing"));
                continue;
            };
            let waits = carriers
                .iter()
                .any(|carrier| carrier.is_none_or(|number| pending.contains(&number)));
            let documents = self.documents(attempt, &state.birth);
            if documents.iter().any(Option::is_none) {
                faults.push(format!("attempt {number} has lost rows"));
            }
            let ttls = documents
                .iter()
                .flatten()
                .map(|rows| rows.ttl)
                .chain([attempt.ttl]);
            if ttls.into_iter().any(|ttl| ttl.is_some() == waits) {
                faults.push(format!(
                    "attempt {number} waits: {waits}, and its time to live says otherwise"
                ));
            }
        }
        for attempt in attempts.values() {
            if attempt.number >= state.next {
                faults.push(format!(
                    "attempt {} is not below next {}",
                    attempt.number, state.next
                ));
            }
            if attempt.outcome == "rows" && !carriers.contains_key(&attempt.number) {
                faults.push(format!("attempt {} has rows that nobody carries", attempt.number));
            }
        }
    }

    /// What is frozen can be made again, byte for byte.
    fn frozen(&self, id: &str, state: &State, pack: &PackConfig, faults: &mut Vec<String>) {
        for shipment in self.shipments.get(id).into_iter().flat_map(BTreeMap::values) {
            let Some(rows) = self.rows_of(id, &shipment.attempts, &state.birth) else {
                faults.push(format!("shipment {}: its rows cannot be read", shipment.number));
                continue;
            };
            let frame = Frame::of(shipment, &state.birth, pack);
            let mut next = 0;
            for part in &shipment.parts {
                if part.from != next || part.to > rows.len() || part.from >= part.to {
                    faults.push(format!(
                        "shipment {}: part {} does not follow",
                        shipment.number, part.label
                    ));
                    break;
                }
                next = part.to;
                let body = pack::body(&rows, part.from..part.to, part.revision, &frame);
                if pack::fingerprint(&body) != part.hash {
                    faults.push(format!(
                        "shipment {}: part {} has another hash",
                        shipment.number, part.label
                    ));
                }
            }
            if next != rows.len() {
                faults.push(format!(
                    "shipment {}: {next} of {} rows have a part",
                    shipment.number,
                    rows.len()
                ));
            }
        }
    }

    /// What counts as confirmed is at the hub or a dead letter.
    fn delivered(&self, id: &str, state: &State, kept: &dyn Fn(&str) -> bool, faults: &mut Vec<String>) {
        for shipment in self.shipments.get(id).into_iter().flat_map(BTreeMap::values) {
            let confirmed = if shipment.outcome != "pending" {
                shipment.parts.len()
            } else if state.pending.first() == Some(&shipment.number) {
                state.confirmed
            } else {
                0
            };
            if confirmed > shipment.parts.len() {
                faults.push(format!(
                    "shipment {}: {confirmed} parts confirmed",
                    shipment.number
                ));
            }
            for part in shipment.parts.iter().take(confirmed) {
                let message = format!("{id}.{}.{:010}.{}", state.birth, shipment.number, part.label);
                if !kept(&message) {
                    faults.push(format!("{message} is confirmed and nowhere"));
                }
            }
        }
    }

    /// The digest holds what is recorded above its floor, and nothing else.
    fn known(&self, id: &str, faults: &mut Vec<String>) {
        let Some(document) = self.digests.get(id) else {
            return;
        };
        let Some(stored) = Digest::from_document(document) else {
            faults.push("the digest's stamps and hashes do not fit".into());
            return;
        };
        let state = &self.states[id];
        let mut expected = Digest::new(document.floor);
        for attempt in self.attempts.get(id).into_iter().flat_map(BTreeMap::values) {
            if attempt.outcome == "rows"
                && let Some(rows) = self.rows_of(id, &[attempt.number], &state.birth)
                && expected.remember(&rows, document.floor)
            {
                return;
            }
        }
        if stored != expected {
            faults.push(format!(
                "the digest knows {} rows, recorded are {}",
                stored.len(),
                expected.len()
            ));
        }
    }

    fn documents(&self, attempt: &Attempt, birth: &str) -> Vec<Option<&RowsDoc>> {
        (0..attempt.documents)
            .map(|place| {
                let id = RowsDoc::id_of(birth, attempt.number, place);
                self.rows.get(&(attempt.source.clone(), id))
            })
            .collect()
    }

    fn rows_of(&self, id: &str, attempts: &[u64], birth: &str) -> Option<Rows> {
        let mut all: Option<Rows> = None;
        let mut add = |rows: Rows| match &mut all {
            Some(all) => all.append(&rows),
            None => all = Some(rows),
        };
        for number in attempts {
            let attempt = self.attempts.get(id)?.get(number)?;
            if let Some(inline) = &attempt.inline {
                add(inline.rows()?);
            }
            for document in self.documents(attempt, birth) {
                add(document?.rows.rows()?);
            }
        }
        Some(all.unwrap_or_default())
    }
}
