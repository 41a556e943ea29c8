//! Registrations: the operations that make them and what comes out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::enrolment::Admitted;
use crate::hub::reply::{guid, rfc3339};

/// A registration as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// Whose it is.
    pub registration_id: String,
    /// The device's id at the hub.
    pub device_id: String,
    /// The enrolment group it came through.
    pub group: Option<String>,
    /// The latest operation.
    pub operation_id: String,
    /// What the client sent along (`payload`).
    pub payload: Option<Value>,
    /// When it was first asked for, milliseconds since 1970.
    pub created_ms: i64,
    /// When it last changed.
    pub updated_ms: i64,
    /// How many polls are still answered "assigning".
    pub assigning: u32,
    /// How often the device asked to be registered.
    pub requests: u32,
    /// Whether it has been assigned.
    pub assigned: bool,
}

/// All registrations by id.
#[derive(Default)]
pub(super) struct Registrations(Mutex<HashMap<String, Registered>>);

/// Where an operation stands.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    Assigning,
    /// Boxed, because it is much larger than the other.
    Assigned(Box<Registered>),
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
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(id);
        let registered = Registered {
            registration_id: id.to_owned(),
            device_id: admitted.device.id.clone(),
            group: admitted.group.clone(),
            operation_id: operation_id.clone(),
            payload,
            created_ms: known.map_or(now_ms, |known| known.created_ms),
            updated_ms: now_ms,
            assigning,
            requests: known.map_or(0, |known| known.requests) + 1,
            assigned: known.is_some_and(|known| known.assigned),
        };
        all.insert(id.to_owned(), registered);
        operation_id
    }

    /// One poll of an operation; `None` if it is not the latest one of this registration.
    pub(super) fn poll(&self, id: &str, operation_id: &str, now_ms: i64) -> Option<Progress> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let registered = all
            .get_mut(id)
            .filter(|known| known.operation_id == operation_id)?;
        if registered.assigning > 0 {
            registered.assigning -= 1;
            return Some(Progress::Assigning);
        }
        if !registered.assigned {
            (registered.assigned, registered.updated_ms) = (true, now_ms);
        }
        Some(Progress::Assigned(Box::new(registered.clone())))
    }

    pub(super) fn get(&self, id: &str) -> Option<Registered> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }
}

impl Registered {
    /// The full `registrationState` (`DeviceRegistrationResult` in Azure/azure-rest-api-specs).
    pub(super) fn state(&self, hub: &str) -> Value {
        let mut state = json!({
            "registrationId": self.registration_id,
            "createdDateTimeUtc": rfc3339(self.created_ms),
            "lastUpdatedDateTimeUtc": rfc3339(self.updated_ms),
            "status": "assigning",
            "etag": format!("\"{:016x}\"", self.updated_ms),
        });
        if self.assigned {
            state["status"] = "assigned".into();
            state["substatus"] = "initialAssignment".into();
            state["assignedHub"] = hub.into();
            state["deviceId"] = self.device_id.clone().into();
        }
        if let Some(group) = &self.group {
            state["symmetricKey"] = json!({ "enrollmentGroupId": group });
        }
        state
    }
}
