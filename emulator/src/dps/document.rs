//! Enrolments as the service's REST API writes them (2021-10-01, Azure/azure-rest-api-specs).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::attestation::Attestation;
use super::book::Kept;
use super::enrolment::is_registration_id;
use super::options::{Group, Individual};
use super::refusal::Refusal;
use super::terms::{Reprovision, Terms};
use crate::hub::Key;
use crate::hub::reply::rfc3339;
use crate::tls::Certificate;

/// An enrolment as it is sent. What the service computes itself is not read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) registration_id: Option<String>,
    pub(super) enrollment_group_id: Option<String>,
    pub(super) etag: Option<String>,
    device_id: Option<String>,
    attestation: Sent,
    #[serde(default)]
    initial_twin: Option<InitialTwin>,
    provisioning_status: Option<String>,
    capabilities: Option<Capabilities>,
    reprovision_policy: Option<Policy>,
    iot_hub_host_name: Option<String>,
    iot_hubs: Option<Vec<String>>,
    /// Not of the service: what a custom allocation would hand the device.
    payload: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    #[serde(rename = "type")]
    kind: String,
    symmetric_key: Option<Keys>,
    x509: Option<X509>,
    tpm: Option<Tpm>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tpm {
    endorsement_key: Option<String>,
    storage_root_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct X509 {
    /// Of a device.
    client_certificates: Option<Pair>,
    /// Of a group.
    signing_certificates: Option<Pair>,
}

#[derive(Debug, Deserialize)]
struct Pair {
    primary: One,
    secondary: Option<One>,
}

#[derive(Debug, Deserialize)]
struct One {
    certificate: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

#[derive(Debug, Deserialize)]
struct InitialTwin {
    tags: Option<Map<String, Value>>,
    properties: Option<Properties>,
}

#[derive(Debug, Deserialize)]
struct Properties {
    desired: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    #[serde(default)]
    iot_edge: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    update_hub_assignment: bool,
    migrate_device_data: bool,
}

impl Document {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body)
            .map_err(|error| Refusal::argument(&format!("The body is no enrolment: {error}")))
    }

    /// The individual enrolment `id`, in place of `known`.
    pub(super) fn individual(self, id: &str, known: Option<&Individual>) -> Result<Individual, Refusal> {
        if !is_registration_id(id) {
            return Err(Refusal::argument("The registration id is invalid"));
        }
        if self.registration_id.as_deref() != Some(id) {
            return Err(Refusal::argument(
                "registrationId differs between the path and the body",
            ));
        }
        Ok(Individual {
            registration_id: id.to_owned(),
            attestation: self
                .attestation
                .read(known.map(|known| &known.attestation), false)?,
            device_id: self.device_id.clone().filter(|id| !id.is_empty()),
            terms: self.terms()?,
        })
    }

    /// The group `id`, in place of `known`.
    pub(super) fn group(self, id: &str, known: Option<&Group>) -> Result<Group, Refusal> {
        if self.enrollment_group_id.as_deref() != Some(id) {
            return Err(Refusal::argument(
                "enrollmentGroupId differs between the path and the body",
            ));
        }
        Ok(Group {
            id: id.to_owned(),
            attestation: self
                .attestation
                .read(known.map(|known| &known.attestation), true)?,
            terms: self.terms()?,
        })
    }

    fn terms(self) -> Result<Terms, Refusal> {
        let enabled = match self.provisioning_status.as_deref() {
            None | Some("enabled") => true,
            Some("disabled") => false,
            Some(_) => return Err(Refusal::argument("provisioningStatus is enabled or disabled")),
        };
        let twin = self.initial_twin.unwrap_or(InitialTwin {
            tags: None,
            properties: None,
        });
        let own = |part: Option<Map<String, Value>>| {
            let mut part = part.unwrap_or_default();
            part.retain(|name, _| !name.starts_with('$'));
            part
        };
        let policy = self.reprovision_policy;
        let hubs = self.iot_hubs.unwrap_or_default();
        Ok(Terms {
            enabled,
            reprovision: policy.map_or_else(Reprovision::default, |policy| {
                Reprovision::from_flags(policy.update_hub_assignment, policy.migrate_device_data)
            }),
            tags: own(twin.tags),
            desired: own(twin.properties.and_then(|properties| properties.desired)),
            hub: self.iot_hub_host_name.or_else(|| hubs.into_iter().next()),
            edge: self.capabilities.is_some_and(|has| has.iot_edge),
            payload: self.payload,
        })
    }
}

impl Sent {
    /// What is not sent stays what it is; keys are made where there are none.
    fn read(&self, known: Option<&Attestation>, of_group: bool) -> Result<Attestation, Refusal> {
        match self.kind.as_str() {
            "symmetricKey" => self.keys(known),
            "x509" => self.certificates(known, of_group),
            "tpm" if !of_group => self.tpm(),
            _ => Err(Refusal::argument(
                "attestation.type is symmetricKey, x509 or, of an individual enrolment, tpm",
            )),
        }
    }

    fn tpm(&self) -> Result<Attestation, Refusal> {
        let tpm = self.tpm.as_ref();
        let key = tpm.and_then(|tpm| tpm.endorsement_key.clone());
        let endorsement_key = key.filter(|key| !key.is_empty());
        Ok(Attestation::Tpm {
            endorsement_key: endorsement_key
                .ok_or_else(|| Refusal::argument("A TPM's enrolment has its endorsementKey"))?,
            storage_root_key: tpm.and_then(|tpm| tpm.storage_root_key.clone()),
        })
    }

    fn certificates(&self, known: Option<&Attestation>, of_group: bool) -> Result<Attestation, Refusal> {
        let pair = self.x509.as_ref().and_then(|x509| {
            let (own, signing) = (&x509.client_certificates, &x509.signing_certificates);
            if of_group { signing.as_ref() } else { own.as_ref() }
        });
        let text = |one: &One| one.certificate.clone();
        let Some(primary) = pair.and_then(|pair| text(&pair.primary)) else {
            // As it was read, an enrolment has no certificates but what is known of them.
            return match known {
                Some(known @ Attestation::Certificates { .. }) => Ok(known.clone()),
                _ => Err(Refusal::argument(
                    "An individual enrolment has clientCertificates, a group has signingCertificates",
                )),
            };
        };
        let read =
            |text: String| Certificate::parse(&text).map_err(|error| Refusal::argument(&error.to_string()));
        let secondary = pair.and_then(|pair| pair.secondary.as_ref()).and_then(text);
        Ok(Attestation::Certificates {
            primary: read(primary)?,
            secondary: secondary.map(read).transpose()?,
        })
    }

    fn keys(&self, known: Option<&Attestation>) -> Result<Attestation, Refusal> {
        let known = match known {
            Some(Attestation::Keys { primary, secondary }) => Some((primary, secondary)),
            _ => None,
        };
        let key = |text: Option<&str>, known: Option<&Key>| match (text, known) {
            (Some(text), _) => Key::parse(text).map_err(|error| Refusal::argument(&error.to_string())),
            (None, Some(known)) => Ok(known.clone()),
            (None, None) => {
                Key::random().map_err(|_| Refusal::of_status(hyper::StatusCode::INTERNAL_SERVER_ERROR))
            }
        };
        let sent = |of: fn(&Keys) -> &Option<String>| {
            let text = self.symmetric_key.as_ref().and_then(|keys| of(keys).as_deref());
            text.filter(|text| !text.is_empty())
        };
        Ok(Attestation::Keys {
            primary: key(sent(|keys| &keys.primary_key), known.map(|(primary, _)| primary))?,
            secondary: key(
                sent(|keys| &keys.secondary_key),
                known.map(|(_, secondary)| secondary),
            )?,
        })
    }
}

/// An individual enrolment as it is shown; keys only to who asks for them.
pub(super) fn individual(kept: &Kept<Individual>) -> Value {
    let own = &kept.value;
    let mut view = view(kept, &own.terms);
    view["attestation"] = shown(&own.attestation, false);
    view["registrationId"] = own.registration_id.clone().into();
    if let Some(id) = &own.device_id {
        view["deviceId"] = id.clone().into();
    }
    view
}

/// A group as it is shown.
pub(super) fn group(kept: &Kept<Group>) -> Value {
    let mut view = view(kept, &kept.value.terms);
    view["attestation"] = shown(&kept.value.attestation, true);
    view["enrollmentGroupId"] = kept.value.id.clone().into();
    view
}

/// An attestation with its keys.
pub(super) fn attestation(of: &Attestation, of_group: bool) -> Value {
    match of {
        Attestation::Keys { primary, secondary } => json!({
            "type": "symmetricKey",
            "symmetricKey": { "primaryKey": primary.text(), "secondaryKey": secondary.text() },
        }),
        Attestation::Certificates { .. } | Attestation::Tpm { .. } => shown(of, of_group),
    }
}

/// An attestation without its keys.
fn shown(of: &Attestation, of_group: bool) -> Value {
    let mut shown = json!({ "type": of.kind() });
    if let Attestation::Certificates { primary, secondary } = of {
        let name = if of_group {
            "signingCertificates"
        } else {
            "clientCertificates"
        };
        let mut pair = json!({ "primary": { "info": primary.info() } });
        if let Some(secondary) = secondary {
            pair["secondary"] = json!({ "info": secondary.info() });
        }
        shown["x509"] = json!({ name: pair });
    }
    if let Attestation::Tpm {
        endorsement_key,
        storage_root_key,
    } = of
    {
        shown["tpm"] = json!({ "endorsementKey": endorsement_key, "storageRootKey": storage_root_key });
    }
    shown
}

fn view<T>(kept: &Kept<T>, terms: &Terms) -> Value {
    let (updates, migrates) = terms.reprovision.flags();
    let mut view = json!({
        "etag": kept.etag(),
        "provisioningStatus": if terms.enabled { "enabled" } else { "disabled" },
        "createdDateTimeUtc": rfc3339(kept.created_ms),
        "lastUpdatedDateTimeUtc": rfc3339(kept.updated_ms),
        "capabilities": { "iotEdge": terms.edge },
        "reprovisionPolicy": { "updateHubAssignment": updates, "migrateDeviceData": migrates },
        "allocationPolicy": if terms.hub.is_some() { "static" } else { "hashed" },
        "initialTwin": { "tags": terms.tags, "properties": { "desired": terms.desired } },
    });
    if let Some(hub) = &terms.hub {
        view["iotHubHostName"] = hub.clone().into();
        view["iotHubs"] = json!([hub]);
    }
    if let Some(payload) = &terms.payload {
        view["payload"] = payload.clone();
    }
    view
}
