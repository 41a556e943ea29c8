use std::fmt;
use std::sync::{Mutex, PoisonError};

use reqwest::header::HeaderValue;
use wire::key::Key;
use wire::sas::{self, Resource};

use crate::clock::Millis;

/// Makes tokens for one resource, and keeps the youngest.
pub(in crate::forward) struct Signer {
    resource: Resource,
    key: Key,
    policy: Option<&'static str>,
    /// Held only while a header is copied or made, never while waiting.
    kept: Mutex<Option<Kept>>,
}

/// A token as a header, and when it was made by the server's clock.
struct Kept {
    header: HeaderValue,
    made: Millis,
}

/// How long a token lives. An hour is what the SDKs take.
const LIFE: Millis = 3_600_000;
/// When a token is renewed: at 80 % of its life.
const RENEWAL: Millis = LIFE / 5 * 4;

impl Signer {
    pub(in crate::forward) fn new(resource: Resource, key: Key, policy: Option<&'static str>) -> Self {
        Self {
            resource,
            key,
            policy,
            kept: Mutex::new(None),
        }
    }

    /// The `Authorization` header at the server's time `now`; `fresh` makes a new one in any case.
    pub(in crate::forward) fn header(&self, now: Millis, fresh: bool) -> HeaderValue {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref()
            && !fresh
            // A clock that was set back must not leave a token that ends hours from now.
            && (kept.made..kept.made.saturating_add(RENEWAL)).contains(&now)
        {
            return kept.header.clone();
        }
        let header = self.sign(now);
        *kept = Some(Kept {
            header: header.clone(),
            made: now,
        });
        header
    }

    fn sign(&self, now: Millis) -> HeaderValue {
        let expiry = u64::try_from(now.saturating_add(LIFE) / 1000).unwrap_or_default();
        let token = sas::sign(&self.resource, &self.key, expiry, self.policy);
        // A token is percent-encoded ASCII, which every header takes.
        let mut header =
            HeaderValue::try_from(token).unwrap_or(HeaderValue::from_static("SharedAccessSignature"));
        header.set_sensitive(true);
        header
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.resource)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use wire::sas::Token;

    use super::*;

    const START: Millis = 1_800_000_000_000;

    fn signer() -> Signer {
        let key = Key::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        Signer::new(
            Resource::device("contoso.azure-devices.net", "meter-001"),
            key,
            None,
        )
    }

    fn expiry(header: &HeaderValue) -> i64 {
        let token = Token::parse(header.to_str().unwrap()).unwrap();
        i64::try_from(token.expiry()).unwrap() * 1000
    }

    #[test]
    fn a_token_is_kept_for_80_percent_of_its_hour() {
        let signer = signer();
        let check = |after: Millis, fresh: bool, made: Millis| {
            assert_eq!(
                expiry(&signer.header(START + after, fresh)),
                START + made + 3_600_000,
                "{after}"
            );
        };
        check(0, false, 0);
        check(2_879_999, false, 0);
        check(2_880_000, false, 2_880_000);
        check(2_880_000 + 1_000, false, 2_880_000);
        check(2_880_000 + 2_000, true, 2_882_000);
        check(2_880_000 + 3_000, false, 2_882_000);
        // The clock is set back, or the hub's turns out to be behind.
        check(-100_000, false, -100_000);
    }

    #[test]
    fn a_token_is_what_pythons_sdk_makes() {
        let header = signer().header(1_893_456_000_000 - LIFE, false);
        assert_eq!(
            header.to_str().unwrap(),
            "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fmeter-001\
             &sig=IXrDqr9KUs%2BlTaiT5gKMrc4iBThvegpbZ8Mui97MPhs%3D&se=1893456000"
        );
    }

    #[test]
    fn nothing_shows_the_signature() {
        let signer = signer();
        let header = signer.header(START, false);
        let shown = format!("{header:?} {signer:?}");
        assert!(!shown.contains("sig=") && !shown.contains("AAEC"), "{shown}");
    }
}
