//! The certificate authorities that a hub knows: whom they sign for is who the certificate says.

use std::sync::{PoisonError, RwLock};

use crate::tls::{Certificate, Chain};

/// The authorities, in the order in which they were registered.
pub(super) struct Authorities(RwLock<Vec<Certificate>>);

impl Authorities {
    pub(super) fn new(all: Vec<Certificate>) -> Self {
        Self(RwLock::new(all))
    }

    /// Registers one. It counts as verified at once: proof of possession is not asked for here.
    pub(super) fn add(&self, authority: Certificate) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&authority) {
            all.push(authority);
        }
    }

    pub(super) fn all(&self) -> Vec<Certificate> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether `chain` leads to one of them.
    pub(super) fn vouch_for(&self, chain: &Chain, now_ms: i64) -> bool {
        self.all()
            .iter()
            .any(|authority| chain.leads_to(authority, now_ms))
    }
}
