//! The end of an operation: a device comes into being at the hub, or stays what it is, or is not assigned.

use serde_json::Value;

use super::Inner;
use super::enrolment::Admitted;
use super::registration::{Failure, Outcome, Registered, Substatus};
use super::terms::Reprovision;
use crate::hub::Device;

/// Does what the enrolment's terms say, for a device whose registration stands at `known`.
pub(super) fn assign(dps: &Inner, known: &Registered, admitted: &Admitted) -> Outcome {
    if let Some(central) = &dps.options.central {
        let decision = dps.registrations.decision(&known.registration_id);
        let (in_group, payload) = (admitted.group.is_some(), known.payload.as_ref());
        if let Err(held) = central.check(decision, in_group, payload) {
            return Outcome::Failed(Failure {
                code: 400_209,
                message: held.text().to_owned(),
            });
        }
    }
    let hub = [&admitted.terms.hub, &dps.options.assigned_hub];
    let hub = hub.into_iter().flatten().next();
    let hub = hub.unwrap_or(&dps.hub.options.host_name).clone();
    let is_there = dps.hub.registry.get(&admitted.device_id).is_some();
    let substatus = match (&known.assigned_hub, admitted.terms.reprovision) {
        (None, _) => {
            make(dps, admitted);
            Substatus::InitialAssignment
        }
        (Some(before), Reprovision::Never) => {
            return Outcome::Assigned(before.clone(), known.substatus);
        }
        (Some(_), Reprovision::Reset) => {
            dps.hub.remove_device(&admitted.device_id);
            make(dps, admitted);
            Substatus::DeviceDataReset
        }
        (Some(before), Reprovision::Migrate) => {
            make(dps, admitted);
            match (*before == hub, is_there) {
                (false, _) => Substatus::DeviceDataMigrated,
                (true, false) => Substatus::ReprovisionedToInitialAssignment,
                (true, true) => known.substatus,
            }
        }
    };
    Outcome::Assigned(hub, substatus)
}

/// Makes the device with the twin that it begins with. One that is there keeps its twin and state, and gets the
/// credentials that the device has now.
fn make(dps: &Inner, admitted: &Admitted) {
    let id = admitted.device_id.as_str();
    if let Some(known) = dps.hub.registry.get(id) {
        if known.device.authentication != admitted.authentication {
            dps.hub.put_device(Device {
                authentication: admitted.authentication.clone(),
                ..known.device.clone()
            });
        }
        return;
    }
    let device = Device::with(id, admitted.authentication.clone());
    dps.hub.put_device(Device {
        edge: admitted.terms.edge,
        ..device
    });
    let part = |members: &serde_json::Map<String, Value>| {
        (!members.is_empty()).then(|| Value::Object(members.clone()))
    };
    let (desired, tags) = (part(&admitted.terms.desired), part(&admitted.terms.tags));
    if let Err(error) = dps.hub.change_twin(id, desired.as_ref(), tags.as_ref()) {
        tracing::warn!(%error, device = id, "The enrolment's initial twin is not taken");
    }
}
