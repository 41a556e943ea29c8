//! `sources.toml`, and definitions as documents (inputs that begin with `{`). Every source that comes out has an id of its own;
//! faults and warnings have a place and show no secret; the same text means the same.
#![no_main]

use std::collections::HashSet;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use meterbridge::config::{Config, Fault, SourceConfig, definition_of, load};
use meterbridge_fuzz::NOW;

const SECRET: &str = "S3CRET-that-nobody-sees";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if text.starts_with('{') {
        let Ok(document) = serde_json::from_str(text) else {
            return;
        };
        match definition_of(&document) {
            Ok(source) => sound(&source),
            Err(faults) => told(&faults),
        }
        return;
    }
    let read = || {
        load(
            &|name| setting(name).map(Into::into),
            &|path: &Path| {
                if path == Path::new("sources.toml") {
                    Ok(text.to_owned())
                } else {
                    Err(std::io::ErrorKind::NotFound.into())
                }
            },
            NOW,
        )
    };
    match read() {
        Ok(Config {
            sources, warnings, ..
        }) => {
            let ids: HashSet<&str> = sources.iter().map(|source| source.id.as_str()).collect();
            assert_eq!(ids.len(), sources.len(), "ids are unique");
            sources.iter().for_each(sound);
            assert!(warnings.iter().all(|warning| !warning.contains(SECRET)));
        }
        Err(faults) => {
            told(&faults);
            assert_eq!(read().map(|config| config.warnings), Err(faults));
        }
    }
});

fn setting(name: &str) -> Option<&'static str> {
    match name {
        "IOTHUB_DEVICE_CONNECTION_STRING" => Some(
            "HostName=h.azure-devices.net;DeviceId=d;SharedAccessKey=bWV0ZXJicmlkZ2UtdGVzdC1rZXktMzItYnl0ZXMtISE=",
        ),
        // A service of its own: the timer's schedule would cost most of the time.
        "RUNNER" => Some("lan"),
        "READER_PASSWORD" => Some(SECRET),
        _ => None,
    }
}

fn sound(source: &SourceConfig) {
    assert!(!source.id.is_empty() && source.id.len() <= 64);
    assert!(
        source
            .id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
        "{}",
        source.id
    );
    assert!(!source.slice.is_zero());
    let shown = format!("{source:?}");
    assert!(!shown.contains(SECRET), "{shown}");
}

fn told(faults: &[Fault]) {
    assert!(!faults.is_empty());
    for fault in faults {
        assert!(!fault.place.is_empty() && !fault.text.is_empty(), "{fault}");
        assert!(!fault.text.contains(SECRET), "{fault}");
    }
}
