//! What a token proves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::amqp::Refused;
use crate::hub::Inner;
use crate::hub::policy::Rights;
use crate::hub::token::{SLACK_S, Token};

/// How long after its end a token still serves a connection that is open, seconds: about ten minutes
/// (Azure/azure-iot-sdk-csharp#564).
const AFTERWARDS_S: i64 = 600;

/// What a connection has proven by now. Clones are the same connection's.
#[derive(Clone, Default)]
pub(super) struct Proof(Arc<Mutex<Option<Granted>>>);

/// That a connection acts for a policy with the right "service connect".
pub(super) struct Granted {
    policy: String,
    /// Seconds since 1970.
    expires_s: i64,
}

impl Proof {
    /// The newest token counts.
    pub(super) fn set(&self, granted: Granted) {
        *self.get() = Some(granted);
    }

    /// Whether the connection may act, at `now_ms`.
    pub(super) fn check(&self, now_ms: i64) -> Result<(), Refused> {
        match &*self.get() {
            None => Err(unauthorized("no token came; send one to $cbs first")),
            Some(granted) if now_ms.div_euclid(1000) <= granted.expires_s.saturating_add(AFTERWARDS_S) => {
                Ok(())
            }
            Some(_) => Err(unauthorized("the token is over; send a new one to $cbs")),
        }
    }

    /// Who it is.
    pub(super) fn policy(&self) -> Option<String> {
        self.get().as_ref().map(|granted| granted.policy.clone())
    }

    fn get(&self) -> MutexGuard<'_, Option<Granted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token of a policy for the whole hub.
pub(super) fn by_token(hub: &Inner, token: &str) -> Result<Granted, Refused> {
    let now_ms = hub.options.clock.now_ms();
    let token = Token::parse(token)
        .ok_or_else(|| unauthorized("the token is no SharedAccessSignature; Entra ID is not emulated"))?;
    if token.is_expired(now_ms) {
        return Err(unauthorized(format!("the token ended more than {SLACK_S} s ago")));
    }
    if !token.covers(&[hub.options.host_name.as_str()]) {
        let text = format!(
            "the token is not for the hub; its sr has to be {}",
            hub.options.host_name
        );
        return Err(unauthorized(text));
    }
    let policy = hub.options.policies.iter().find(|policy| policy.signed(&token));
    let policy = policy
        .ok_or_else(|| unauthorized("the token is not signed in the name of a policy (skn) with its key"))?;
    let name = &policy.name;
    if !policy.rights.hold(Rights::SERVICE_CONNECT) {
        return Err(unauthorized(format!(
            "the policy '{name}' has no right \"service connect\""
        )));
    }
    Ok(Granted {
        policy: name.clone(),
        expires_s: token.expires_s,
    })
}

/// SASL PLAIN: user `{policy}@sas.root.{hub}`, the token as password (Azure docs, AMQP support).
pub(super) fn by_plain(hub: &Inner, user: &str, password: &str) -> Result<Granted, Refused> {
    let granted = by_token(hub, password)?;
    let name = hub.options.host_name.split('.').next().unwrap_or_default();
    let expected = format!("{}@sas.root.{name}", granted.policy);
    if user.eq_ignore_ascii_case(&expected) {
        Ok(granted)
    } else {
        Err(unauthorized(format!(
            "the user name is '{user}', and has to be {expected}"
        )))
    }
}

/// 401002, as AMQP says it.
pub(super) fn unauthorized(text: impl Into<String>) -> Refused {
    Refused::new("amqp:unauthorized-access", "IotHubUnauthorizedAccess", text)
}
