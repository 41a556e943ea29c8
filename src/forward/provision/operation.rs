use serde::Deserialize;

use crate::forward::Assignment;
use crate::forward::hub::masked;
use crate::http;

/// The state of a registration, as DPS tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    #[serde(default)]
    operation_id: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    registration_state: Option<State>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    #[serde(default)]
    assigned_hub: Option<String>,
    #[serde(default)]
    device_id: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error_code: Option<u64>,
    #[serde(default)]
    error_message: Option<String>,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Assigned(Assignment),
    /// Ask again for the operation with this id.
    Assigning(String),
    /// DPS' reason.
    Refused(String),
}

impl Operation {
    /// Reads an answer of DPS, or says what it is instead.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|_| {
            let text = masked(&http::excerpt(&String::from_utf8_lossy(body)));
            format!("its answer is not an operation of DPS: {text}")
        })
    }

    pub(super) fn progress(self) -> Progress {
        let state = self.registration_state;
        let status = self
            .status
            .or_else(|| state.as_ref().and_then(|state| state.status.clone()))
            .unwrap_or_default();
        match (status.as_str(), state, self.operation_id) {
            (
                "assigned",
                Some(State {
                    assigned_hub: Some(hub),
                    device_id: Some(device),
                    ..
                }),
                _,
            ) => Progress::Assigned(Assignment { hub, device }),
            ("assigning", _, Some(operation)) => Progress::Assigning(operation),
            (status, state, _) => Progress::Refused(reason(status, state)),
        }
    }
}

fn reason(status: &str, state: Option<State>) -> String {
    let said = state.and_then(|state| match (state.error_message, state.error_code) {
        (Some(text), Some(code)) => Some(format!("{text} ({code})")),
        (Some(text), None) => Some(text),
        (None, Some(code)) => Some(code.to_string()),
        (None, None) => None,
    });
    let plain = match status {
        "failed" => "the registration failed",
        "disabled" => "the enrolment is disabled",
        "unassigned" => "the device is not assigned to any hub",
        "assigned" => "it is assigned, but the answer names no hub and device",
        _ => "the answer has no status that can be used",
    };
    match said {
        Some(said) => format!("{plain}: {}", masked(&http::excerpt(&said))),
        None => plain.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_state_leads_somewhere() {
        let check = |body: &str, expected: Progress| {
            assert_eq!(
                Operation::parse(body.as_bytes()).unwrap().progress(),
                expected,
                "{body}"
            );
        };
        let refused = |text: &str| Progress::Refused(text.into());
        check(
            r#"{"operationId":"4.op","status":"assigning"}"#,
            Progress::Assigning("4.op".into()),
        );
        check(
            r#"{"operationId":"4.op","status":"assigned","registrationState":{"registrationId":"m","createdDateTimeUtc":"x",
            "assignedHub":"h.azure-devices.net","deviceId":"m","status":"assigned","substatus":"initialAssignment","etag":"e","payload":{"a":1}}}"#,
            Progress::Assigned(Assignment {
                hub: "h.azure-devices.net".into(),
                device: "m".into(),
            }),
        );
        check(
            r#"{"operationId":"o","status":"failed","registrationState":{"status":"failed","errorCode":400207,"errorMessage":"Custom allocation failed"}}"#,
            refused("the registration failed: Custom allocation failed (400207)"),
        );
        check(
            r#"{"operationId":"o","status":"disabled","registrationState":{"status":"disabled"}}"#,
            refused("the enrolment is disabled"),
        );
        check(
            r#"{"operationId":"o","status":"unassigned"}"#,
            refused("the device is not assigned to any hub"),
        );
        check(
            r#"{"operationId":"o","status":"assigned","registrationState":{"deviceId":"m"}}"#,
            refused("it is assigned, but the answer names no hub and device"),
        );
        check(
            r#"{"status":"assigning"}"#,
            refused("the answer has no status that can be used"),
        );
        check(
            r#"{"operationId":"o","registrationState":{"status":"assigned","assignedHub":"h","deviceId":"d"}}"#,
            Progress::Assigned(Assignment {
                hub: "h".into(),
                device: "d".into(),
            }),
        );
        assert!(Operation::parse(b"<html>").unwrap_err().contains("<html>"));
    }
}
