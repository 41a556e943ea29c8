//! Connection strings, tokens, keys, percent-encoding and OBIS codes. What is taken apart and put together again is the same,
//! and neither an error nor `Debug` shows a credential.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::connection_string::{ConnectionString, Credential};
use wire::key::Key;
use wire::obis::Obis;
use wire::percent;
use wire::sas::Token;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let encoded = percent::encode(text);
    assert_eq!(percent::decode(&encoded).as_deref(), Ok(text));
    if let Ok(decoded) = percent::decode(text) {
        assert!(decoded.len() <= text.len());
    }
    if let Ok(key) = Key::parse(text) {
        let again = Key::parse(&key.to_base64()).map(|key| key.to_base64());
        assert_eq!(again, Ok(key.to_base64()));
        assert!(!format!("{key:?}").contains(&key.to_base64()));
    }
    if let Ok(token) = Token::parse(text) {
        let again = Token::parse(token.text()).expect("a token's own text is a token");
        assert_eq!(
            (again.expiry(), again.policy(), again.scope()),
            (token.expiry(), token.policy(), token.scope())
        );
    }
    if let Ok(code) = text.parse::<Obis>() {
        assert_eq!(code.to_string().parse::<Obis>().map(|again| again.0), Ok(code.0));
    }
    match ConnectionString::parse(text) {
        Ok(string) => {
            let again = ConnectionString::parse(&written(&string)).expect("its own text can be read");
            assert_eq!(written(&again), written(&string));
            if let Some(secret) = secret(&string) {
                assert!(!format!("{string:?}").contains(&secret));
            }
        }
        Err(error) => {
            let said = error.to_string();
            for part in text.split(';').filter_map(|part| part.split_once('=')) {
                // The words themselves are long and have numbers; a secret has no blanks.
                let telling = part.1.len() >= 12
                    && part.1.contains(|c: char| c.is_ascii_digit())
                    && !part.1.contains(' ');
                assert!(!telling || !said.contains(part.1), "{said}");
            }
        }
    }
});

fn secret(string: &ConnectionString) -> Option<String> {
    let credential = match string {
        ConnectionString::Device(device) => &device.credential,
        ConnectionString::Service(service) => &service.credential,
    };
    match credential {
        Credential::Key(key) => Some(key.to_base64()),
        Credential::Signature(_) => None,
    }
}

fn written(string: &ConnectionString) -> String {
    let mut parts = Vec::new();
    let mut add = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            parts.push(format!("{name}={value}"));
        }
    };
    let credential = match string {
        ConnectionString::Device(d) => {
            add("HostName", Some(&d.host));
            add("GatewayHostName", d.gateway.as_ref());
            add("DeviceId", Some(&d.device));
            add("ModuleId", d.module.as_ref());
            add("SharedAccessKeyName", d.policy.as_ref());
            &d.credential
        }
        ConnectionString::Service(s) => {
            add("HostName", Some(&s.host));
            add("SharedAccessKeyName", s.policy.as_ref());
            &s.credential
        }
    };
    parts.push(match credential {
        Credential::Key(key) => format!("SharedAccessKey={}", key.to_base64()),
        Credential::Signature(token) => format!("SharedAccessSignature={}", token.text()),
    });
    parts.join(";")
}
