//! Error answers of the hub: whatever the body, the status decides whether to try again; the words are one short line
//! without signatures, and the wait that is asked for can be reckoned with.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use meterbridge::forward::Error;
use meterbridge::forward::fuzzing::hub;
use meterbridge_fuzz::dice;

const STATUS: [u16; 17] = [
    301, 400, 401, 403, 404, 405, 408, 409, 410, 411, 412, 413, 415, 429, 500, 503, 599,
];

fuzz_target!(|body: &[u8]| {
    let status = STATUS[(dice(body) % STATUS.len() as u64) as usize];
    // The first line stands for the header that names the error.
    let name = body
        .split(|&byte| byte == b'\n')
        .next()
        .and_then(|line| std::str::from_utf8(line).ok());
    let error = hub(status, name, body);
    let text = error.to_string();
    assert!(text.chars().count() < 1200, "{} characters", text.chars().count());
    assert!(!text.contains(char::is_control), "{text:?}");
    for (at, _) in text.to_ascii_lowercase().match_indices("sig=") {
        let rest = &text[at + 4..];
        assert!(
            rest.is_empty() || rest.starts_with("***") || rest.starts_with([' ', ',', ')', ';']),
            "{text}"
        );
    }
    if matches!(status, 500 | 503 | 599 | 408) {
        assert!(error.is_transient(), "{status}: {error:?}");
    }
    if matches!(status, 401 | 404 | 410 | 413) {
        assert!(!error.is_transient(), "{status}: {error:?}");
    }
    assert_eq!(matches!(error, Error::Quota { .. }), error.kind() == "quota");
    if let Some(wait) = error.retry_after() {
        assert!(
            Instant::now()
                .checked_add(wait.min(Duration::from_secs(86_400 * 365)))
                .is_some()
        );
    }
});
