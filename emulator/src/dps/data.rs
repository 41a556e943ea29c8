//! What survives a restart of the DPS: enrolments with their keys, registrations, and what people decided on devices.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::Inner;
use super::attestation::Attestation;
use super::book::Kept;
use super::central::Decision;
use super::options::{Group, Individual};
use super::registration::Registered;
use super::terms::Terms;
use crate::hub::Key;
use crate::saved::Save;
use crate::tls::Certificate;

/// The format's number.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    individuals: BTreeMap<String, Enrolment>,
    groups: BTreeMap<String, Enrolment>,
    registrations: Vec<Registered>,
    decisions: BTreeMap<String, Decision>,
}

#[derive(Serialize, Deserialize)]
struct Enrolment {
    attestation: Proof,
    /// The device id, where an individual one has another than its registration id.
    device_id: Option<String>,
    terms: Terms,
    version: u64,
    created_ms: i64,
    updated_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Proof {
    Keys {
        primary: String,
        secondary: String,
    },
    Certificates {
        primary: Certificate,
        secondary: Option<Certificate>,
    },
    Tpm {
        endorsement_key: String,
        storage_root_key: Option<String>,
    },
}

impl Save for Inner {
    const FILE: &str = "dps.json";

    fn text(&self) -> io::Result<Vec<u8>> {
        let individuals = self.book.individuals.all().into_iter();
        let groups = self.book.groups.all().into_iter();
        let stored = Stored {
            version: VERSION,
            individuals: individuals
                .map(|kept| {
                    let (id, device_id) = (kept.value.registration_id.clone(), kept.value.device_id.clone());
                    let (attestation, terms) = (&kept.value.attestation, &kept.value.terms);
                    (id, Enrolment::of(&kept, attestation, terms, device_id))
                })
                .collect(),
            groups: groups
                .map(|kept| {
                    let (attestation, terms) = (&kept.value.attestation, &kept.value.terms);
                    (
                        kept.value.id.clone(),
                        Enrolment::of(&kept, attestation, terms, None),
                    )
                })
                .collect(),
            registrations: self.registrations.all(),
            decisions: self.registrations.decisions(),
        };
        Ok(serde_json::to_vec_pretty(&stored)?)
    }

    fn restore(&self, text: &[u8]) -> Result<(), String> {
        let stored: Stored = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if stored.version != VERSION {
            return Err(format!(
                "it has format {}, and this program reads {VERSION}",
                stored.version
            ));
        }
        for (id, enrolment) in stored.individuals {
            let attestation = enrolment.attestation();
            let value = Individual {
                registration_id: id.clone(),
                attestation: attestation.map_err(|what| format!("individual enrolment {id}: {what}"))?,
                device_id: enrolment.device_id.clone(),
                terms: enrolment.terms.clone(),
            };
            self.book.individuals.restore(id, enrolment.kept(value));
        }
        for (id, enrolment) in stored.groups {
            let attestation = enrolment.attestation();
            let value = Group {
                id: id.clone(),
                attestation: attestation.map_err(|what| format!("enrolment group {id}: {what}"))?,
                terms: enrolment.terms.clone(),
            };
            self.book.groups.restore(id, enrolment.kept(value));
        }
        self.registrations.restore(stored.registrations, stored.decisions);
        Ok(())
    }
}

impl Enrolment {
    fn of<T>(kept: &Kept<T>, attestation: &Attestation, terms: &Terms, device_id: Option<String>) -> Self {
        Self {
            attestation: match attestation {
                Attestation::Keys { primary, secondary } => Proof::Keys {
                    primary: primary.text(),
                    secondary: secondary.text(),
                },
                Attestation::Certificates { primary, secondary } => Proof::Certificates {
                    primary: primary.clone(),
                    secondary: secondary.clone(),
                },
                Attestation::Tpm {
                    endorsement_key,
                    storage_root_key,
                } => Proof::Tpm {
                    endorsement_key: endorsement_key.clone(),
                    storage_root_key: storage_root_key.clone(),
                },
            },
            device_id,
            terms: terms.clone(),
            version: kept.version,
            created_ms: kept.created_ms,
            updated_ms: kept.updated_ms,
        }
    }

    fn attestation(&self) -> Result<Attestation, String> {
        let key = |text: &str| Key::parse(text).map_err(|error| error.to_string());
        Ok(match &self.attestation {
            Proof::Keys { primary, secondary } => Attestation::Keys {
                primary: key(primary)?,
                secondary: key(secondary)?,
            },
            Proof::Certificates { primary, secondary } => Attestation::Certificates {
                primary: primary.clone(),
                secondary: secondary.clone(),
            },
            Proof::Tpm {
                endorsement_key,
                storage_root_key,
            } => Attestation::Tpm {
                endorsement_key: endorsement_key.clone(),
                storage_root_key: storage_root_key.clone(),
            },
        })
    }

    fn kept<T>(&self, value: T) -> Kept<T> {
        Kept {
            value,
            version: self.version,
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
        }
    }
}
