//! What a device asks of the DPS, and what it is told, whatever it came over.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Inner;
use super::assign::assign;
use super::enrolment::Admitted;
use super::refusal::Refusal;
use super::registration::Progress;

/// Largest message [docs: DPS quotas and limits].
pub(super) const LIMIT: usize = 96 * 1024;

/// What a device sends to register.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    registration_id: String,
    payload: Option<Value>,
}

/// An answer: 200, or 202 for an operation that has not ended.
pub(super) struct Answer {
    pub(super) body: Value,
    /// Seconds until the next poll, of an operation that has not ended.
    pub(super) retry_after: Option<u32>,
}

/// Starts the registration of `id`.
pub(super) fn register(
    dps: &Inner,
    id: &str,
    admitted: &Admitted,
    body: &[u8],
    now_ms: i64,
) -> Result<Answer, Refusal> {
    let asked: Asked =
        serde_json::from_slice(body).map_err(|_| Refusal::argument("The body is no registration request"))?;
    if asked.registration_id != id {
        return Err(Refusal::argument(
            "The registration id differs between the request and its body",
        ));
    }
    let operation = dps
        .registrations
        .begin(id, admitted, asked.payload, dps.options.assigning, now_ms);
    Ok(assigning(dps, &operation))
}

/// Asks how the registration of `id` goes.
pub(super) fn poll(
    dps: &Inner,
    id: &str,
    admitted: &Admitted,
    operation: &str,
    now_ms: i64,
) -> Result<Answer, Refusal> {
    let progress = dps.registrations.poll(id, operation);
    let known = match progress.ok_or_else(|| Refusal::not_found("Operation"))? {
        Progress::Assigning => return Ok(assigning(dps, operation)),
        Progress::Due(known) => {
            let outcome = assign(dps, &known, admitted);
            dps.registrations.settle(id, operation, outcome, now_ms)
        }
        Progress::Settled(known) => Some(*known),
    };
    let known = known.ok_or_else(|| Refusal::not_found("Operation"))?;
    let body = json!({
        "operationId": operation, "status": known.status(), "registrationState": known.state(),
    });
    Ok(Answer {
        body,
        retry_after: None,
    })
}

/// The registration of `id` as it stands.
pub(super) fn look_up(dps: &Inner, id: &str) -> Result<Answer, Refusal> {
    let registered = dps.registrations.get(id);
    let registered = registered.ok_or_else(|| Refusal::not_found("Registration"))?;
    Ok(Answer {
        body: registered.state(),
        retry_after: None,
    })
}

fn assigning(dps: &Inner, operation: &str) -> Answer {
    Answer {
        body: json!({ "operationId": operation, "status": "assigning" }),
        retry_after: Some(dps.options.retry_after),
    }
}
