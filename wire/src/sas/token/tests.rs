#![allow(clippy::unwrap_used)]

use std::format;

use proptest::prelude::*;

use super::*;
use crate::sas::sign;

const SIG: &str = "IXrDqr9KUs%2BlTaiT5gKMrc4iBThvegpbZ8Mui97MPhs%3D";

fn key() -> Key {
    Key::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

#[test]
fn says_what_is_wrong_with_a_text() {
    let check = |text: &str, expected: ParseError| {
        let text = text.replace("SIG", SIG);
        assert_eq!(Token::parse(&text).map(|_| ()), Err(expected), "{text}");
    };
    check("", ParseError::Scheme);
    check("SharedAccessSignature", ParseError::Scheme);
    check("Bearer sr=a&sig=SIG&se=1", ParseError::Scheme);
    check(
        "SharedAccessSignature sr=a&sig=SIG&se=1&x=1",
        ParseError::Unknown { position: 4 },
    );
    check(
        "SharedAccessSignature sr=a&sig=SIG&se",
        ParseError::Unknown { position: 3 },
    );
    check(
        "SharedAccessSignature sr=a&sig=SIG&se=1&",
        ParseError::Unknown { position: 4 },
    );
    check(
        "SharedAccessSignature SR=a&sig=SIG&se=1",
        ParseError::Unknown { position: 1 },
    );
    check(
        "SharedAccessSignature  sr=a&sig=SIG&se=1",
        ParseError::Unknown { position: 1 },
    );
    check(
        "SharedAccessSignature sr=a&sig=SIG&se=1&sr=b",
        ParseError::Duplicate("sr"),
    );
    check(
        "SharedAccessSignature sr=a&sig=SIG&se=1&se=2",
        ParseError::Duplicate("se"),
    );
    check(
        "SharedAccessSignature sr=a&sig=SIG&sig=SIG&se=2",
        ParseError::Duplicate("sig"),
    );
    check(
        "SharedAccessSignature sr=a&sig=SIG&se=1&skn=&skn=",
        ParseError::Duplicate("skn"),
    );
    check("SharedAccessSignature sig=SIG&se=1", ParseError::Missing("sr"));
    check(
        "SharedAccessSignature sr=&sig=SIG&se=1",
        ParseError::Missing("sr"),
    );
    check("SharedAccessSignature sr=a&se=1", ParseError::Missing("sig"));
    check("SharedAccessSignature sr=a&sig=SIG", ParseError::Missing("se"));
    check("SharedAccessSignature sr=a&sig=SIG&se=+1", ParseError::Expiry);
    check("SharedAccessSignature sr=a&sig=SIG&se=1.5", ParseError::Expiry);
    check(
        "SharedAccessSignature sr=a&sig=SIG&se=18446744073709551616",
        ParseError::Expiry,
    );
    check("SharedAccessSignature sr=a&sig=AAAA&se=1", ParseError::Signature);
    check(
        "SharedAccessSignature sr=a&sig=SIGAAAA&se=1",
        ParseError::Signature,
    );
    check("SharedAccessSignature sr=a&sig=*&se=1", ParseError::Signature);
    let encoding = |field, at| ParseError::Encoding {
        field,
        source: DecodeError::Digits { at },
    };
    check("SharedAccessSignature sr=a%2&sig=SIG&se=1", encoding("sr", 1));
    check("SharedAccessSignature sr=a&sig=%&se=1", encoding("sig", 0));
    check(
        "SharedAccessSignature sr=a&sig=SIG&se=1&skn=%zz",
        encoding("skn", 0),
    );
}

#[test]
fn takes_what_the_sdks_and_tools_write() {
    let check = |text: &str, scope: &str, policy: Option<&str>| {
        let text = text.replace("SIG", SIG);
        let token = Token::parse(&text).unwrap();
        assert_eq!(
            (token.scope(), token.policy(), token.expiry()),
            (scope, policy, 9),
            "{text}"
        );
        assert_eq!(token.text(), text.trim());
    };
    check("SharedAccessSignature sr=a%2Fb&sig=SIG&se=9", "a/b", None);
    check(
        "sharedaccesssignature se=9&skn=p&sr=a%2fb&sig=SIG",
        "a/b",
        Some("p"),
    );
    check(" SharedAccessSignature sr=a/b&sig=SIG&se=9&skn=\n", "a/b", None);
    // Some writers leave the padding and the plus of base64 bare.
    check(
        "SharedAccessSignature sr=a&sig=IXrDqr9KUs+lTaiT5gKMrc4iBThvegpbZ8Mui97MPhs=&se=9",
        "a",
        None,
    );
}

#[test]
fn covers_by_whole_segments() {
    let check = |sr: &str, resource: &Resource, expected: bool| {
        let token = Token::parse(&format!("SharedAccessSignature sr={sr}&sig={SIG}&se=9")).unwrap();
        assert_eq!(token.covers(resource), expected, "{sr} for {resource}");
    };
    let device = Resource::device("Hub.example", "m-1");
    check("hub.example%2Fdevices%2Fm-1", &device, true);
    check("hub.example/devices/m-1", &device, true);
    check("HUB.EXAMPLE%2fdevices", &device, true);
    check("hub.example", &device, true);
    check("hub.exampl", &device, false);
    check("hub.example%2Fdevices%2Fm-", &device, false);
    check("hub.example%2Fdevices%2Fm-11", &device, false);
    check("hub.example%2Fdevices%2FM-1", &device, false);
    check("hub.example%2FDevices", &device, false);
    check("hub.example%2F", &device, false);
    check("hub.example%2Fdevices%2Fm-1%2F", &device, false);
    check("hub.example%2Fdevices%2Fm-1%2Fmodules%2Fr", &device, false);
    check(
        "hub.example%2Fdevices%2Fm-1",
        &Resource::module("hub.example", "m-1", "r"),
        true,
    );
    check(
        "hub.example%2Fdevices%2Fm-1",
        &Resource::all_devices("hub.example"),
        false,
    );
    check("hub.example", &Resource::service("hub.example"), true);
    check("other.example", &Resource::service("hub.example"), false);
    check("0ne1/registrations/m", &Resource::registration("0ne1", "m"), true);
    check(
        "0ne1/registrations/m",
        &Resource::registration("0ne1", "mm"),
        false,
    );
    // An id that smuggles a slash is one segment, not a module of another device.
    check(
        "hub.example%2Fdevices%2Fm-1",
        &Resource::device("hub.example", "m-1/modules/r"),
        false,
    );
}

/// Node encodes some characters with lower-case hex digits, and signs that.
#[test]
fn the_signature_covers_sr_as_sent() {
    let sig = STANDARD.encode(key().digest(&[b"h%2Fdevices%2Fd%2a\n9"]));
    let token = |sr: &str| {
        let text = format!("SharedAccessSignature sr={sr}&sig={}&se=9", percent::encode(&sig));
        Token::parse(&text).unwrap()
    };
    assert_eq!(token("h%2Fdevices%2Fd%2a").verify(&key(), 9, 0), Ok(()));
    assert!(token("h%2Fdevices%2Fd%2a").covers(&Resource::device("h", "d*")));
    assert_eq!(
        token("h%2Fdevices%2Fd%2A").verify(&key(), 9, 0),
        Err(Refusal::Signature)
    );
    assert_eq!(
        token("h/devices/d*").verify(&key(), 9, 0),
        Err(Refusal::Signature)
    );
}

#[test]
fn expires_after_the_slack() {
    let token = Token::parse(&sign(&Resource::device("h", "d"), &key(), 1000, None)).unwrap();
    let expired = |now| Err(Refusal::Expired { expiry: 1000, now });
    assert_eq!(token.verify(&key(), 1000, 0), Ok(()));
    assert_eq!(token.verify(&key(), 1001, 0), expired(1001));
    assert_eq!(token.verify(&key(), 1300, 300), Ok(()));
    assert_eq!(token.verify(&key(), 1301, 300), expired(1301));
    assert_eq!(token.verify(&key(), u64::MAX, u64::MAX), Ok(()));
    let other = Key::derive(&key(), "other");
    assert_eq!(token.verify(&other, 5000, 0), Err(Refusal::Signature));
}

#[test]
fn debug_and_errors_show_no_signature() {
    let token = Token::parse(&sign(&Resource::service("h"), &key(), 1000, Some("service"))).unwrap();
    let shown = format!("{token:?}");
    assert_eq!(
        shown,
        r#"Token { scope: "h", expiry: 1000, policy: Some("service"), .. }"#
    );
}

proptest! {
    #[test]
    fn never_panics(text in ".*", fields in "(SharedAccessSignature )?((sr|sig|se|skn|x)=?[%0-9a-fA-F+/=ü]{0,50}&?){0,5}") {
        let _ = Token::parse(&text);
        let _ = Token::parse(&fields);
    }

    #[test]
    fn what_is_signed_verifies(hub in "[a-z.]{1,20}", id in "[ -~]{1,40}", expiry: u64, policy in proptest::option::of("[a-zA-Z& =%]{1,9}")) {
        let resource = Resource::device(&hub, &id);
        let token = Token::parse(&sign(&resource, &key(), expiry, policy.as_deref())).unwrap();
        prop_assert_eq!(token.verify(&key(), expiry, 0), Ok(()));
        prop_assert_eq!(token.policy(), policy.as_deref());
        prop_assert_eq!(token.expiry(), expiry);
        prop_assert_eq!(token.covers(&resource), !id.contains('/'));
    }

    #[test]
    fn a_changed_character_is_refused(at: proptest::sample::Index, to in "[A-Za-z0-9]") {
        let text = sign(&Resource::device("hub.example", "meter"), &key(), 1_893_456_000, None);
        let at = 22 + at.index(text.len() - 22);
        prop_assume!(text.as_bytes()[at] != to.as_bytes()[0]);
        // The hex digits of `sig` may be of either case, and have a test of their own in `sr`.
        prop_assume!(!text[at - 2..at].contains('%'));
        let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        let verdict = Token::parse(&changed).map(|token| token.verify(&key(), 0, 0));
        prop_assert!(matches!(verdict, Err(_) | Ok(Err(Refusal::Signature))), "{changed}");
    }
}
