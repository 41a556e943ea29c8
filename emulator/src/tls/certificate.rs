//! Certificates as clients present them and people register them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::hub::reply::rfc3339;

/// A certificate that could be read. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(Arc<Read>);

#[derive(PartialEq, Eq)]
struct Read {
    der: CertificateDer<'static>,
    /// The subject's common name, if it has one.
    common_name: Option<String>,
    /// First and last moment of its life, milliseconds since 1970.
    validity_ms: (i64, i64),
    names: Names,
}

#[derive(PartialEq, Eq)]
struct Names {
    subject: String,
    issuer: String,
    serial: String,
    version: u32,
}

/// The certificates that a client presented.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its own; TLS has shown that it has the key.
    pub leaf: Certificate,
    intermediates: Arc<[CertificateDer<'static>]>,
}

/// Not a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no X.509 certificate in PEM, or in base64")]
pub struct NotACertificate;

impl Certificate {
    /// Reads PEM, or what the service's REST API also takes: the base64 of PEM or of DER.
    ///
    /// # Errors
    /// [`NotACertificate`].
    pub fn parse(text: &str) -> Result<Self, NotACertificate> {
        if let Ok(der) = CertificateDer::from_pem_slice(text.as_bytes()) {
            return Self::from_der(&der);
        }
        let bare: String = text.split_whitespace().collect();
        let bytes = STANDARD.decode(bare).map_err(|_| NotACertificate)?;
        match CertificateDer::from_pem_slice(&bytes) {
            Ok(der) => Self::from_der(&der),
            Err(_) => Self::from_der(&bytes.into()),
        }
    }

    fn from_der(der: &CertificateDer<'_>) -> Result<Self, NotACertificate> {
        let (rest, read) = X509Certificate::from_der(der).map_err(|_| NotACertificate)?;
        if !rest.is_empty() {
            return Err(NotACertificate);
        }
        let mut common_names = read.subject().iter_common_name();
        let common_name = common_names.next().and_then(|name| name.as_str().ok());
        let seconds = [read.validity().not_before, read.validity().not_after].map(|time| time.timestamp());
        let names = Names {
            subject: read.subject().to_string(),
            issuer: read.issuer().to_string(),
            serial: read.raw_serial_as_string().replace(':', "").to_uppercase(),
            version: read.version().0 + 1,
        };
        Ok(Self(Arc::new(Read {
            common_name: common_name.map(str::to_owned),
            validity_ms: (seconds[0].saturating_mul(1000), seconds[1].saturating_mul(1000)),
            names,
            der: der.clone().into_owned(),
        })))
    }

    /// The subject's common name.
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }

    /// SHA-1 of it, in upper-case hexadecimal digits.
    pub fn sha1(&self) -> String {
        hex(Sha1::digest(&self.0.der))
    }

    /// SHA-256 of it, in upper-case hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(<Sha256 as sha2::Digest>::digest(&self.0.der))
    }

    /// Whether its life has begun and not ended.
    pub fn is_valid_at(&self, now_ms: i64) -> bool {
        (self.0.validity_ms.0..=self.0.validity_ms.1).contains(&now_ms)
    }

    /// `X509CertificateInfo` of Azure/azure-rest-api-specs.
    pub(crate) fn info(&self) -> Value {
        json!({
            "subjectName": self.0.names.subject,
            "issuerName": self.0.names.issuer,
            "serialNumber": self.0.names.serial,
            "version": self.0.names.version,
            "sha1Thumbprint": self.sha1(),
            "sha256Thumbprint": self.sha256(),
            "notBeforeUtc": rfc3339(self.0.validity_ms.0),
            "notAfterUtc": rfc3339(self.0.validity_ms.1),
        })
    }
}

impl Chain {
    /// What TLS tells of a client; `None` if it presented nothing that can be read.
    pub(crate) fn of(presented: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let (leaf, others) = presented?.split_first()?;
        let leaf = Certificate::from_der(leaf).ok()?;
        let intermediates = others.iter().map(|other| other.clone().into_owned()).collect();
        Some(Self { leaf, intermediates })
    }

    /// Whether the chain leads to `authority`, at this time and for a client.
    pub(crate) fn leads_to(&self, authority: &Certificate, now_ms: i64) -> bool {
        let mut roots = RootCertStore::empty();
        if roots.add(authority.0.der.clone()).is_err() {
            return false;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
        let since = std::time::Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
        authority.is_valid_at(now_ms)
            && verifier.is_ok_and(|verifier| {
                let now = UnixTime::since_unix_epoch(since);
                verifier
                    .verify_client_cert(&self.leaf.0.der, &self.intermediates, now)
                    .is_ok()
            })
    }
}

/// As base64 of DER.
impl serde::Serialize for Certificate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0.der))
    }
}

impl<'de> serde::Deserialize<'de> for Certificate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({}, {})", self.0.names.subject, self.sha256())
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tls::Authority;

    #[test]
    fn a_certificate_is_read_in_each_form() {
        let authority = Authority::in_memory().unwrap();
        let pem = authority.client_certificate("meter-001", 10).unwrap().certificate;
        let read = Certificate::parse(&pem).unwrap();
        assert_eq!(read.common_name(), Some("meter-001"));
        assert_eq!(Certificate::parse(&STANDARD.encode(&pem)).unwrap(), read);
        assert_eq!(Certificate::parse(&STANDARD.encode(&read.0.der)).unwrap(), read);
        assert_eq!((read.sha1().len(), read.sha256().len()), (40, 64));
        assert_eq!(read.info()["subjectName"], "CN=meter-001");
        assert_eq!(read.info()["issuerName"], "CN=meterbridge emulator CA");
        for wrong in [
            "",
            "AAAA",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            &pem[..200],
        ] {
            assert_eq!(Certificate::parse(wrong), Err(NotACertificate), "{wrong}");
        }
        let trailing = STANDARD.encode([read.0.der.as_ref(), b"x"].concat());
        assert_eq!(Certificate::parse(&trailing), Err(NotACertificate));
    }

    #[test]
    fn a_chain_leads_to_who_signed_it_while_it_lasts() {
        let [own, other] = [0, 1].map(|_| Authority::in_memory().unwrap());
        let pem = own.client_certificate("meter-001", 10).unwrap().certificate;
        let ders: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(Result::unwrap)
            .collect();
        let chain = Chain::of(Some(&ders)).unwrap();
        let now_ms = chrono::Utc::now().timestamp_millis();
        let [own, other] = [own, other].map(|authority| Certificate::parse(authority.ca_pem()).unwrap());
        assert!(chain.leads_to(&own, now_ms) && !chain.leads_to(&other, now_ms));
        for days in [-3, 12] {
            let then = now_ms + days * 86_400_000;
            assert!(
                !chain.leaf.is_valid_at(then) && !chain.leads_to(&own, then),
                "{days}"
            );
        }
        assert!(Chain::of(None).is_none() && Chain::of(Some(&[])).is_none());
        assert!(Chain::of(Some(&[CertificateDer::from(vec![1, 2, 3])])).is_none());
    }
}
