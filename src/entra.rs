//! Who this process is towards Entra ID: in Azure the app's managed identity, on a developer's machine whoever is logged in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};

/// How long the managed identity may take before the developer's login is tried. Outside Azure its address answers nothing at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// The managed identity (of this client id, else the system-assigned one); where there is none, the login of `az` or `azd`. Once one of
/// them has given a token, the other is never asked again.
///
/// # Errors
///
/// When a credential cannot be made at all; no token is asked for yet.
pub fn credential(client_id: Option<&str>) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let managed = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
        user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
        ..Default::default()
    }))?;
    Ok(Arc::new(Identity {
        managed,
        developer: DeveloperToolsCredential::new(None)?,
        proven: AtomicU8::new(NEITHER),
    }))
}

const NEITHER: u8 = 0;
const MANAGED: u8 = 1;
const DEVELOPER: u8 = 2;

#[derive(Debug)]
struct Identity {
    managed: Arc<dyn TokenCredential>,
    developer: Arc<dyn TokenCredential>,
    /// Which one has given a token.
    proven: AtomicU8,
}

impl Identity {
    async fn managed(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        match tokio::time::timeout(PATIENCE, self.managed.get_token(scopes, options)).await {
            Ok(token) => token,
            Err(_) => Err(azure_core::Error::with_message(
                ErrorKind::Credential,
                format!("no answer within {} s", PATIENCE.as_secs()),
            )),
        }
    }
}

#[async_trait]
impl TokenCredential for Identity {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        match self.proven.load(Ordering::Relaxed) {
            MANAGED => return self.managed(scopes, options).await,
            DEVELOPER => return self.developer.get_token(scopes, options).await,
            _ => {}
        }
        let managed = match self.managed(scopes, options.clone()).await {
            Ok(token) => {
                self.proven.store(MANAGED, Ordering::Relaxed);
                return Ok(token);
            }
            Err(error) => error,
        };
        match self.developer.get_token(scopes, options).await {
            Ok(token) => {
                self.proven.store(DEVELOPER, Ordering::Relaxed);
                Ok(token)
            }
            Err(developer) => Err(azure_core::Error::with_message(
                ErrorKind::Credential,
                format!("no managed identity ({managed}) and no login of az or azd ({developer})"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use std::sync::atomic::AtomicUsize;

    /// Gives its name as token, or refuses; counts how often it was asked.
    #[derive(Debug)]
    struct Fake(&'static str, bool, AtomicUsize);

    impl Fake {
        fn new(name: &'static str, works: bool) -> Arc<Self> {
            Arc::new(Self(name, works, AtomicUsize::new(0)))
        }
    }

    #[async_trait]
    impl TokenCredential for Fake {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            self.2.fetch_add(1, Ordering::Relaxed);
            if self.1 {
                Ok(AccessToken::new(
                    self.0,
                    azure_core::time::OffsetDateTime::UNIX_EPOCH,
                ))
            } else {
                Err(azure_core::Error::with_message(
                    ErrorKind::Credential,
                    format!("{} is out", self.0),
                ))
            }
        }
    }

    #[tokio::test]
    async fn the_first_that_works_is_kept() {
        for (managed, developer, expected, asked) in [
            (true, true, Some("managed"), (3, 0)),
            (false, true, Some("developer"), (1, 3)),
            (false, false, None, (3, 3)),
        ] {
            let (managed, developer) = (Fake::new("managed", managed), Fake::new("developer", developer));
            let identity = Identity {
                managed: managed.clone(),
                developer: developer.clone(),
                proven: AtomicU8::new(NEITHER),
            };
            for _ in 0..3 {
                match (identity.get_token(&["scope"], None).await, expected) {
                    (Ok(token), Some(name)) => assert_eq!(token.token.secret(), name),
                    (Err(error), None) => {
                        let text = error.to_string();
                        assert!(
                            text.contains("managed is out") && text.contains("developer is out"),
                            "{text}"
                        );
                    }
                    (other, _) => panic!("{other:?}"),
                }
            }
            let counts = (
                managed.2.load(Ordering::Relaxed),
                developer.2.load(Ordering::Relaxed),
            );
            assert_eq!(counts, asked);
        }
    }
}
