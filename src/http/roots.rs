//! Whom to trust on a machine that has no certificate store: an image from scratch, a bare root.

use std::sync::LazyLock;

use reqwest::Certificate;

/// Mozilla's authorities where this machine has none of its own (`SSL_CERT_FILE`, `SSL_CERT_DIR` and the usual places are all
/// empty), else nothing: whoever keeps a store decides what is in it.
///
/// They are those of the day this was built, so that a program of a year ago trusts no authority that came later. A store that is
/// kept up to date is better where there can be one.
#[must_use]
pub fn bundled() -> &'static [Certificate] {
    static BUNDLED: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
        if has_store() {
            return Vec::new();
        }
        let roots = mozilla();
        tracing::info!(
            authorities = roots.len(),
            "This machine has no certificate store; Mozilla's authorities are trusted, as they were when this program was built"
        );
        roots
    });
    &BUNDLED
}

/// Whether this machine has a certificate store with anything in it.
#[must_use]
pub fn has_store() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

fn mozilla() -> Vec<Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|root| Certificate::from_der(root).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bundled_authorities_can_be_read() {
        let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        assert!(all.len() > 100, "{}", all.len());
        assert_eq!(mozilla().len(), all.len());
        // The authority that IoT hubs moved to in 2023.
        let digicert = b"DigiCert Global Root G2";
        assert!(
            all.iter()
                .any(|root| root.windows(digicert.len()).any(|part| part == digicert))
        );
        let client = reqwest::Client::builder().tls_certs_only(mozilla()).build();
        assert!(client.is_ok(), "{client:?}");
    }
}
