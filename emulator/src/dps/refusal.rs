//! How the DPS says no.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;

use crate::hub::reply::{Reply, Stamp, retry_after};

/// A refusal: `{"errorCode":…,"trackingId":"…","message":"…","info":{},"timestampUtc":"…"}`. The numbers are
/// those seen in users' reports (401002, 404201); where none was found, the status with three zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: u32,
    pub(super) message: String,
}

impl Refusal {
    /// Something in the request is wrong; `text` says what.
    pub(super) fn argument(text: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: 400_004,
            message: text.to_owned(),
        }
    }

    /// As at the service, one answer for a bad signature, an expired token and a disabled enrolment.
    pub(super) fn unauthorized() -> Self {
        let message = "Unauthorized".to_owned();
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: 401_002,
            message,
        }
    }

    /// Nothing that this registration could belong to.
    pub(super) fn no_enrolment(registration_id: &str) -> Self {
        let message = format!("No enrollment found for {registration_id}");
        Self {
            status: StatusCode::NOT_FOUND,
            code: 404_201,
            message,
        }
    }

    /// An enrolment that is there already, written by who does not know it.
    pub(super) fn exists(id: &str) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            code: 409_000,
            message: format!("An enrollment {id} exists already"),
        }
    }

    /// Another version than the one that is to be replaced.
    pub(super) fn changed() -> Self {
        Self {
            status: StatusCode::PRECONDITION_FAILED,
            code: 412_000,
            message: "Precondition failed: the ETag is that of another version".to_owned(),
        }
    }

    /// Another service's scope, an unknown operation, a device that never registered, a path of no meaning.
    pub(super) fn not_found(what: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: 404_000,
            message: format!("{what} not found"),
        }
    }

    /// The usual refusal of a status, for faults on demand.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::unauthorized(),
            code => Self {
                status,
                code: u32::from(code) * 1000 + u32::from(code == 429),
                message: status.canonical_reason().unwrap_or("Error").to_owned(),
            },
        }
    }

    /// The answer.
    pub(super) fn reply(&self, stamp: &Stamp, after: Option<u32>, body: Option<String>) -> Reply {
        let body = body.map_or_else(|| self.body(stamp), Bytes::from);
        retry_after(stamp.reply(self.status, body), after)
    }

    /// The body.
    pub(super) fn body(&self, stamp: &Stamp) -> Bytes {
        json!({
            "errorCode": self.code,
            "trackingId": stamp.id,
            "message": self.message,
            "info": {},
            "timestampUtc": stamp.time(),
        })
        .to_string()
        .into()
    }
}
