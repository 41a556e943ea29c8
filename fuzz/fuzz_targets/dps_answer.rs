//! Answers of the Device Provisioning Service: an assignment, patience, or a refusal in one short line without signatures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meterbridge::forward::fuzzing::dps;

fuzz_target!(|body: &[u8]| {
    match dps(body) {
        Ok(Some(assignment)) => assert_eq!(dps(body), Ok(Some(assignment))),
        Ok(None) => {}
        Err(why) => {
            assert!(why.chars().count() < 600, "{why}");
            assert!(!why.contains(char::is_control), "{why:?}");
            for (at, _) in why.to_ascii_lowercase().match_indices("sig=") {
                let rest = &why[at + 4..];
                assert!(rest.is_empty() || rest.starts_with("***"), "{why}");
            }
        }
    }
});
