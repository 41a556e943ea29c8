//! What `check` says of the way to the hub, without sending a reading.

use super::{Hub, Outgoing, Who, skew_words};
use crate::clock::iso;
use crate::forward::Error;
use crate::source::Finding;

pub(super) async fn all(hub: &Hub) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |good, text: String| findings.push(Finding { good, text });
    let to = match &hub.who {
        Who::Nobody => {
            say(false, Error::NoIdentity.to_string());
            return findings;
        }
        Who::Group(provisioning) => {
            // Registering a device is no harmless question, so DPS is only called.
            match provisioning.reach().await {
                Ok(remark) => say(
                    true,
                    format!("DPS answers; each source gets its own device{remark}"),
                ),
                Err(error) => say(false, error.to_string()),
            }
            return findings;
        }
        Who::Device(to, _) => {
            say(
                true,
                format!(
                    "device {} at {}, tokens are made and renewed here",
                    to.device, to.hub
                ),
            );
            to.clone()
        }
        Who::Token {
            assignment, expiry, ..
        } => {
            let left = (*expiry - hub.clock.now()) / 86_400_000;
            let text = format!(
                "device {} at {}, with a ready-made token until {} ({left} days left); a key would renew itself",
                assignment.device,
                assignment.hub,
                iso(*expiry)
            );
            say(left >= 0, text);
            assignment.clone()
        }
    };
    match hub.post(&to, &Outgoing::nothing()).await {
        // The empty batch is refused only after its sender was accepted.
        Ok(_) | Err(Error::Refused { .. }) => {
            let skew = hub
                .host(&to.hub)
                .ok()
                .and_then(|host| skew_words(host.skew.observed()));
            match skew {
                Some(words) => say(true, format!("the hub accepts the token, though {words}")),
                None => say(true, "the hub accepts the token".into()),
            }
        }
        Err(error) => say(false, error.to_string()),
    }
    findings
}
