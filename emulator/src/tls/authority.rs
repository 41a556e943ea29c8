//! The certificate authority: made once, kept in memory or in a directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::expiry::Expiry;

use super::client::AnyClient;

/// Names that every server certificate carries: loopback, and those Azure gives a hub and DPS, so that a
/// client with a mapped address can check the real name.
const NAMES: [&str; 5] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "*.azure-devices.net",
    "global.azure-devices-provisioning.net",
];

/// A certificate authority of the emulators' own. Clones share the same key.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

/// What goes wrong while certificates are made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The authority's files cannot be read or written.
    #[error(
        "cannot use {path} for the emulator's certificates: {source}; choose a directory you can write to"
    )]
    File {
        /// The file or directory at fault.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kept authority is damaged.
    #[error("{path} holds no usable certificate authority ({reason}); delete it and a new one is made")]
    Damaged {
        /// The file at fault.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A certificate cannot be made, for instance because of a name that no certificate can carry.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses the settings.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Authority {
    /// A new authority that ends with the process.
    pub fn in_memory() -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let ca_pem = ca_params().self_signed(&key)?.pem();
        Ok(Self(Arc::new(Inner {
            issuer: Issuer::new(ca_params(), key),
            ca_pem,
            ca_path: None,
        })))
    }

    /// The authority kept in `dir`, made at the first call. `dir/ca.pem` is the certificate to trust,
    /// `dir/authority.pem` holds the private key (readable by the owner alone). Several processes may
    /// start at once: they end up with the same authority.
    pub fn load_or_create(dir: &Path) -> Result<Self, Error> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        fs::create_dir_all(dir).map_err(at(dir))?;
        let private = dir.join("authority.pem");
        if !private.exists() {
            let key = KeyPair::generate()?;
            let text = format!("{}{}", key.serialize_pem(), ca_params().self_signed(&key)?.pem());
            let file = tempfile::NamedTempFile::new_in(dir).map_err(at(dir))?;
            fs::write(file.path(), text).map_err(at(file.path()))?;
            // Only the first of several processes gets its file into place; the others read that one.
            match file.persist_noclobber(&private) {
                Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(at(&private)(e.error));
                }
                _ => {}
            }
        }
        let text = fs::read_to_string(&private).map_err(at(&private))?;
        let damaged = |reason: String| Error::Damaged {
            path: private.clone(),
            reason,
        };
        let certificate = text.find("-----BEGIN CERTIFICATE-----").map(|at| &text[at..]);
        let ca_pem = certificate
            .ok_or_else(|| damaged("no certificate".to_owned()))?
            .to_owned();
        CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|e| damaged(e.to_string()))?;
        let key = KeyPair::from_pem(&text).map_err(|e| damaged(e.to_string()))?;
        let ca_path = dir.join("ca.pem");
        if fs::read_to_string(&ca_path).ok().as_deref() != Some(ca_pem.as_str()) {
            fs::write(&ca_path, &ca_pem).map_err(at(&ca_path))?;
        }
        let issuer = Issuer::new(ca_params(), key);
        Ok(Self(Arc::new(Inner {
            issuer,
            ca_pem,
            ca_path: Some(ca_path),
        })))
    }

    /// The authority's certificate in PEM: what a client has to trust.
    pub fn ca_pem(&self) -> &str {
        &self.0.ca_pem
    }

    /// Where [`Self::ca_pem`] lies as a file, for clients that want a path (`NODE_EXTRA_CA_CERTS`,
    /// `SSL_CERT_FILE`). `None` for an authority in memory.
    pub fn ca_path(&self) -> Option<&Path> {
        self.0.ca_path.as_deref()
    }

    /// TLS settings with a fresh server certificate: TLS 1.2 and 1.3, ALPN `http/1.1`; clients
    /// are asked for a certificate and need none. `names` come on top
    /// of the ones every certificate carries (loopback, `*.azure-devices.net`, the global DPS name).
    pub fn server_config(&self, names: &[&str]) -> Result<Arc<ServerConfig>, Error> {
        // Some platforms refuse leaves that live longer than 398 days.
        let (leaf, private) = self.leaf(names, |params| valid_for(params, 390))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(Arc::new(AnyClient(provider)))
            .with_single_cert(vec![leaf], private)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The same settings, but for handshakes that `is_ended` says yes to: they get a certificate that ended yesterday.
    pub(crate) fn or_expired(
        &self,
        config: &ServerConfig,
        names: &[&str],
        is_ended: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Arc<ServerConfig>, Error> {
        let (leaf, private) = self.leaf(names, |params| {
            let today = Utc::now().date_naive();
            between(params, today - Days::new(30), today - Days::new(1));
        })?;
        let ended = CertifiedKey::from_der(vec![leaf], private, config.crypto_provider())?;
        let mut config = config.clone();
        let usual = config.cert_resolver.clone();
        config.cert_resolver = Arc::new(Expiry::new(usual, ended, is_ended));
        Ok(Arc::new(config))
    }

    fn leaf(
        &self,
        names: &[&str],
        valid: impl FnOnce(&mut CertificateParams),
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Error> {
        let key = KeyPair::generate()?;
        let mut all: Vec<String> = NAMES.iter().map(ToString::to_string).collect();
        for name in names {
            if !all.iter().any(|known| known == name) {
                all.push((*name).to_owned());
            }
        }
        let mut params = CertificateParams::new(all)?;
        params.distinguished_name = common_name("localhost");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python 3.13 refuses a leaf without it.
        params.use_authority_key_identifier_extension = true;
        valid(&mut params);
        let leaf = params.signed_by(&key, &self.0.issuer)?;
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok((leaf.der().clone(), private))
    }
}

/// A key and its certificate, in PEM.
pub struct Identity {
    /// The certificate, and those above it.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl Identity {
    /// A certificate for a device that nobody has signed but itself, for `days`.
    ///
    /// # Errors
    /// A name that no certificate can carry.
    pub fn self_signed(common_name: &str, days: u64) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let certificate = client_params(common_name, days).self_signed(&key)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Authority {
    /// A certificate for a device, signed by this authority, for `days`.
    ///
    /// # Errors
    /// A name that no certificate can carry.
    pub fn client_certificate(&self, common_name: &str, days: u64) -> Result<Identity, Error> {
        let key = KeyPair::generate()?;
        let certificate = client_params(common_name, days).signed_by(&key, &self.0.issuer)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A device's certificate: its id is the common name, which is where hub and DPS look for it.
fn client_params(name: &str, days: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    valid_for(&mut params, days);
    params
}

struct Inner {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
    ca_path: Option<PathBuf>,
}

/// The authority's own fields. Fixed but for the dates, because an issuer read back from a file is put
/// together from them again.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("meterbridge emulator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, 3650);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut dn = DistinguishedName::new();
    dn.push(DnType::CommonName, name);
    dn
}

/// Valid from yesterday (a client's clock may lag) for `days` more days.
fn valid_for(params: &mut CertificateParams, days: u64) {
    let today = Utc::now().date_naive();
    between(params, today - Days::new(1), today + Days::new(days));
}

fn between(params: &mut CertificateParams, from: NaiveDate, to: NaiveDate) {
    let [from, to] = [from, to].map(|d| date_time_ymd(d.year(), d.month() as u8, d.day() as u8));
    (params.not_before, params.not_after) = (from, to);
}
