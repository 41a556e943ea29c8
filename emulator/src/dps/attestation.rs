//! How a device proves to the DPS that it may register.

use crate::hub::Key;
use crate::tls::Certificate;

/// Of an individual enrolment, the device's own; of a group, what its devices' are derived from or signed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attestation {
    /// By tokens; either key signs.
    Keys {
        /// Either key signs.
        primary: Key,
        /// Either key signs.
        secondary: Key,
    },
    /// By a certificate whose common name is the registration id: this one, or one that this one signed.
    Certificates {
        /// Either is good.
        primary: Certificate,
        /// Either is good.
        secondary: Option<Certificate>,
    },
    /// By a TPM. Such an enrolment is kept and shown, and nobody registers by it here.
    Tpm {
        /// The TPM's own, in base64, as it was sent.
        endorsement_key: String,
        /// What the device told of its storage, if it was sent.
        storage_root_key: Option<String>,
    },
}

impl Attestation {
    /// Two keys; the secondary one is derived from the first.
    pub fn keys(primary: Key) -> Self {
        let secondary = primary.derive("secondary");
        Self::Keys { primary, secondary }
    }

    /// One certificate.
    pub fn certificate(primary: Certificate) -> Self {
        Self::Certificates {
            primary,
            secondary: None,
        }
    }

    /// `type` in the service's documents.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Keys { .. } => "symmetricKey",
            Self::Certificates { .. } => "x509",
            Self::Tpm { .. } => "tpm",
        }
    }
}
