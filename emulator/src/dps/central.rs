//! What an IoT Central application adds to its DPS.
//!
//! A device of a group that is not known comes into being, if the application approves new devices by itself. Its
//! template is the one for the model that it names. One that is blocked, not approved or without a template is told that
//! the registration failed, with the code 400209 (Microsoft's iotc-device-bridge, `engine.js`).

use serde_json::Value;

/// An IoT Central application, as its DPS sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Central {
    /// Whether new devices are approved by themselves.
    pub approves: bool,
    /// The models for which there is a template; `None`: for any, as where templates are imported when they are named.
    pub templates: Option<Vec<String>>,
}

/// What a person decided on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// It may be assigned.
    Approved,
    /// It may not, whatever else is the case.
    Blocked,
}

/// Why a device is not assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Blocked,
    NotApproved,
    NoTemplate,
}

impl Default for Central {
    /// New devices are approved, and any model has a template.
    fn default() -> Self {
        Self {
            approves: true,
            templates: None,
        }
    }
}

impl Central {
    /// Whether a device is assigned that sent `payload`, and that came `in_group` rather than by an enrolment of its own.
    pub(super) fn check(
        &self,
        decision: Option<Decision>,
        in_group: bool,
        payload: Option<&Value>,
    ) -> Result<(), Held> {
        match decision {
            Some(Decision::Blocked) => return Err(Held::Blocked),
            Some(Decision::Approved) => {}
            None if self.approves || !in_group => {}
            None => return Err(Held::NotApproved),
        }
        let model = payload.and_then(model);
        let known = model.is_some_and(|model| match &self.templates {
            None => true,
            Some(templates) => templates.iter().any(|template| template == model),
        });
        if known { Ok(()) } else { Err(Held::NoTemplate) }
    }
}

impl Held {
    /// For the device, and for people.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Blocked => "The device is blocked",
            Self::NotApproved => "The device is not approved",
            Self::NoTemplate => {
                "The device is not associated with a template: it named no model, or an unknown one"
            }
        }
    }
}

/// The model that a payload names: `modelId` (Plug and Play), `iotcModelId` (Central).
pub(super) fn model(payload: &Value) -> Option<&str> {
    let model = |name: &str| payload.get(name)?.as_str();
    model("modelId").or_else(|| model("iotcModelId"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_assigned() {
        let open = Central::default();
        let closed = Central {
            approves: false,
            templates: Some(vec!["dtmi:a;1".to_owned()]),
        };
        let (known, central, other) = (
            json!({"modelId": "dtmi:a;1"}),
            json!({"iotcModelId": "dtmi:a;1"}),
            json!({"modelId": "dtmi:b;1"}),
        );
        let cases = [
            (&open, None, true, Some(&known), Ok(())),
            (&open, None, true, Some(&other), Ok(())),
            (&open, None, true, None, Err(Held::NoTemplate)),
            (&open, None, true, Some(&json!("x")), Err(Held::NoTemplate)),
            (
                &open,
                Some(Decision::Blocked),
                true,
                Some(&known),
                Err(Held::Blocked),
            ),
            (&closed, None, true, Some(&known), Err(Held::NotApproved)),
            (&closed, None, false, Some(&known), Ok(())),
            (&closed, Some(Decision::Approved), true, Some(&central), Ok(())),
            (
                &closed,
                Some(Decision::Approved),
                true,
                Some(&other),
                Err(Held::NoTemplate),
            ),
        ];
        for (central, decision, in_group, payload, expected) in cases {
            assert_eq!(
                central.check(decision, in_group, payload),
                expected,
                "{decision:?} {payload:?}"
            );
        }
    }
}
