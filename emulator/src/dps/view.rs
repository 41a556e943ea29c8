//! What people see of a DPS over the hub's control API. No keys.

use serde_json::{Value, json};

use super::Inner;
use super::registration::Registered;
use crate::hub::reply::rfc3339;

impl Inner {
    /// Enrolments and registrations, as JSON.
    pub(crate) fn view(&self) -> Value {
        let options = &self.options;
        let groups = self.book.groups.all().into_iter().map(|kept| {
            let group = kept.value;
            json!({ "id": group.id, "enabled": group.terms.enabled, "attestation": group.attestation.kind() })
        });
        let individuals = self.book.individuals.all().into_iter().map(|kept| {
            let own = kept.value;
            json!({
                "registrationId": own.registration_id,
                "enabled": own.terms.enabled,
                "attestation": own.attestation.kind(),
                "deviceId": own.device_id,
            })
        });
        json!({
            "idScope": options.id_scope,
            "groups": groups.collect::<Vec<_>>(),
            "individuals": individuals.collect::<Vec<_>>(),
            "registrations": self.registrations.all().iter().map(registration).collect::<Vec<_>>(),
        })
    }
}

fn registration(known: &Registered) -> Value {
    json!({
        "registrationId": known.registration_id,
        "deviceId": known.assigned.then_some(&known.device_id),
        "status": known.status(),
        "group": known.group,
        "requests": known.requests,
        "created": rfc3339(known.created_ms),
        "updated": rfc3339(known.updated_ms),
        "payload": known.payload,
    })
}
