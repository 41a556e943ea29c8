//! A choice of two certificates: the usual one, and one that has ended.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Shows the usual certificate, or the ended one to who is to see it.
pub(super) struct Expiry {
    usual: Arc<dyn ResolvesServerCert>,
    ended: Arc<CertifiedKey>,
    is_ended: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Expiry {
    pub(super) fn new(
        usual: Arc<dyn ResolvesServerCert>,
        ended: CertifiedKey,
        is_ended: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            usual,
            ended: Arc::new(ended),
            is_ended: Box::new(is_ended),
        }
    }
}

impl ResolvesServerCert for Expiry {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if (self.is_ended)() {
            Some(self.ended.clone())
        } else {
            self.usual.resolve(hello)
        }
    }
}

impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiry").finish_non_exhaustive()
    }
}
