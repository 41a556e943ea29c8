//! Registrations: the operations that make them and what comes out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::central::Decision;
use super::enrolment::Admitted;
use crate::hub::reply::{guid, rfc3339};
use crate::tls::Certificate;

/// A registration as it stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Registered {
    /// Whose it is.
    pub registration_id: String,
    /// The device's id at the hub.
    pub device_id: String,
    /// The enrolment group it came through.
    pub group: Option<String>,
    /// The certificate it came with.
    pub certificate: Option<Certificate>,
    /// The latest operation.
    pub operation_id: String,
    /// What the client sent along (`payload`).
    pub payload: Option<Value>,
    /// What it is handed in return.
    pub returned: Option<Value>,
    /// When it was first asked for, milliseconds since 1970.
    pub created_ms: i64,
    /// When it last changed.
    pub updated_ms: i64,
    /// How many polls are still answered "assigning".
    pub assigning: u32,
    /// How often the device asked to be registered.
    pub requests: u32,
    /// Whether the latest operation has ended.
    pub settled: bool,
    /// Whether it is assigned: the latest operation that ended did not fail.
    pub assigned: bool,
    /// The hub it was assigned to, now or before.
    pub assigned_hub: Option<String>,
    /// How it came to that.
    pub substatus: Substatus,
    /// Why the latest operation failed.
    pub failure: Option<Failure>,
}

/// How a device came to its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Substatus {
    /// For the first time.
    #[default]
    InitialAssignment,
    /// From another hub, with its data.
    DeviceDataMigrated,
    /// Again, with the twin it began with.
    DeviceDataReset,
    /// Again, since the hub had lost it.
    ReprovisionedToInitialAssignment,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// `errorCode`.
    pub code: u32,
    /// `errorMessage`.
    pub message: String,
}

/// How an operation ends.
#[derive(Debug)]
pub(super) enum Outcome {
    /// At this hub.
    Assigned(String, Substatus),
    Failed(Failure),
}

/// All registrations by id, and what people decided on them.
#[derive(Default)]
pub(super) struct Registrations(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: HashMap<String, Registered>,
    decisions: HashMap<String, Decision>,
}

/// Where an operation stands. The larger ones are boxed.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    Assigning,
    /// It has to be ended now.
    Due(Box<Registered>),
    Settled(Box<Registered>),
}

impl Registrations {
    /// Starts an operation; returns its id. A device that asks again keeps its registration.
    pub(super) fn begin(
        &self,
        id: &str,
        admitted: &Admitted,
        payload: Option<Value>,
        assigning: u32,
        now_ms: i64,
    ) -> String {
        let operation_id = format!("5.{:016x}.{}", fastrand::u64(..), guid());
        let all = &mut self.lock().all;
        let known = all.get(id);
        let registered = Registered {
            registration_id: id.to_owned(),
            device_id: admitted.device_id.clone(),
            group: admitted.group.clone(),
            certificate: admitted.certificate.clone(),
            operation_id: operation_id.clone(),
            payload,
            returned: admitted.terms.payload.clone(),
            created_ms: known.map_or(now_ms, |known| known.created_ms),
            updated_ms: now_ms,
            assigning,
            requests: known.map_or(0, |known| known.requests) + 1,
            settled: false,
            assigned: known.is_some_and(|known| known.assigned),
            assigned_hub: known.and_then(|known| known.assigned_hub.clone()),
            substatus: known.map(|known| known.substatus).unwrap_or_default(),
            failure: None,
        };
        all.insert(id.to_owned(), registered);
        operation_id
    }

    /// One poll of an operation; `None` if it is not the latest one of this registration.
    pub(super) fn poll(&self, id: &str, operation_id: &str) -> Option<Progress> {
        let all = &mut self.lock().all;
        let registered = all
            .get_mut(id)
            .filter(|known| known.operation_id == operation_id)?;
        if registered.settled {
            return Some(Progress::Settled(Box::new(registered.clone())));
        }
        if registered.assigning > 0 {
            registered.assigning -= 1;
            return Some(Progress::Assigning);
        }
        Some(Progress::Due(Box::new(registered.clone())))
    }

    /// Ends an operation, if it is still the latest one.
    pub(super) fn settle(
        &self,
        id: &str,
        operation_id: &str,
        outcome: Outcome,
        now_ms: i64,
    ) -> Option<Registered> {
        let all = &mut self.lock().all;
        let registered = all
            .get_mut(id)
            .filter(|known| known.operation_id == operation_id)?;
        registered.settled = true;
        registered.updated_ms = now_ms;
        match outcome {
            Outcome::Assigned(hub, substatus) => {
                registered.assigned = true;
                registered.assigned_hub = Some(hub);
                registered.substatus = substatus;
            }
            Outcome::Failed(failure) => {
                registered.assigned = false;
                registered.failure = Some(failure);
            }
        }
        Some(registered.clone())
    }

    pub(super) fn get(&self, id: &str) -> Option<Registered> {
        self.lock().all.get(id).cloned()
    }

    /// All of them, by id.
    pub(super) fn all(&self) -> Vec<Registered> {
        let mut all: Vec<_> = self.lock().all.values().cloned().collect();
        all.sort_by(|a, b| a.registration_id.cmp(&b.registration_id));
        all
    }

    /// Forgets a registration: the device is registered as if for the first time. Says whether there was one.
    pub(super) fn remove(&self, id: &str) -> bool {
        self.lock().all.remove(id).is_some()
    }

    /// Notes what a person decided on a device; `None` takes it back.
    pub(super) fn decide(&self, id: &str, decision: Option<Decision>) {
        let decisions = &mut self.lock().decisions;
        match decision {
            Some(decision) => decisions.insert(id.to_owned(), decision),
            None => decisions.remove(id),
        };
    }

    pub(super) fn decision(&self, id: &str) -> Option<Decision> {
        self.lock().decisions.get(id).copied()
    }

    /// All that people decided.
    pub(super) fn decisions(&self) -> BTreeMap<String, Decision> {
        let decisions = &self.lock().decisions;
        decisions
            .iter()
            .map(|(id, decision)| (id.clone(), *decision))
            .collect()
    }

    /// From before a restart.
    pub(super) fn restore(&self, all: Vec<Registered>, decisions: BTreeMap<String, Decision>) {
        let mut inner = self.lock();
        let named = all.into_iter().map(|one| (one.registration_id.clone(), one));
        inner.all.extend(named);
        inner.decisions.extend(decisions);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    /// `status`: that of the latest operation.
    pub(super) fn status(&self) -> &'static str {
        match (self.settled, &self.failure) {
            (false, _) if self.assigned => "assigned",
            (false, _) => "assigning",
            (true, None) => "assigned",
            (true, Some(_)) => "failed",
        }
    }

    /// Its version as an entity tag, with its quotes.
    pub(super) fn etag(&self) -> String {
        format!("\"{:016x}\"", self.updated_ms)
    }

    /// The full `registrationState` (`DeviceRegistrationResult` in Azure/azure-rest-api-specs).
    pub(super) fn state(&self) -> Value {
        let mut state = json!({
            "registrationId": self.registration_id,
            "createdDateTimeUtc": rfc3339(self.created_ms),
            "lastUpdatedDateTimeUtc": rfc3339(self.updated_ms),
            "status": self.status(),
            "etag": self.etag(),
        });
        if self.assigned {
            state["substatus"] = json!(self.substatus);
            state["assignedHub"] = json!(self.assigned_hub);
            state["deviceId"] = self.device_id.clone().into();
            if let Some(returned) = &self.returned {
                state["payload"] = returned.clone();
            }
        }
        if let Some(failure) = &self.failure {
            state["errorCode"] = failure.code.into();
            state["errorMessage"] = failure.message.clone().into();
        }
        match (&self.certificate, &self.group) {
            (Some(certificate), group) => {
                state["x509"] = json!({ "certificateInfo": certificate.info() });
                if let Some(group) = group {
                    state["x509"]["enrollmentGroupId"] = group.clone().into();
                }
            }
            (None, Some(group)) => state["symmetricKey"] = json!({ "enrollmentGroupId": group }),
            (None, None) => {}
        }
        state
    }
}
