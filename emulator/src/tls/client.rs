//! Certificates of clients: asked for, and none is turned away at the door.
//!
//! Whether a certificate proves anything depends on the device that the client says it is, which TLS does not know. So
//! any is taken here, with proof that the client has its key, and hub and DPS look at it.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

/// Takes any certificate, or none.
#[derive(Debug)]
pub(super) struct AnyClient(pub(super) Arc<CryptoProvider>);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match of_version_1(cert) {
            Some(read) => self.signed(message, &read, dss),
            None => verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        match of_version_1(cert) {
            Some(read) => {
                let key = SubjectPublicKeyInfoDer::from(read.public_key().raw);
                verify_tls13_signature_with_raw_key(message, &key, dss, known)
            }
            None => verify_tls13_signature(message, cert, dss, known),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl AnyClient {
    /// Whether the key of a certificate has signed this part of a TLS 1.2 handshake.
    fn signed(
        &self,
        message: &[u8],
        by: &X509Certificate<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = &by.public_key().subject_public_key.data;
        let schemes = self.0.signature_verification_algorithms.mapping.iter();
        let mut algorithms = schemes
            .filter(|(scheme, _)| *scheme == dss.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter());
        if algorithms.any(|algorithm| algorithm.verify_signature(key, message, dss.signature()).is_ok()) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }
}

/// A certificate of version 1, which `openssl x509 -req` makes and the hub takes by its thumbprint (Microsoft's end-to-end
/// tests make such). What verifies signatures for rustls reads version 3 alone.
fn of_version_1<'a>(cert: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (_, read) = X509Certificate::from_der(cert).ok()?;
    (read.version() == X509Version::V1).then_some(read)
}
