//! Instants as text, of every peer. What is read and written again is the same instant, and a reader's clock is believed
//! only near ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meterbridge::http::parse_retry_after;
use meterbridge::source::rapidm2m::stamp;
use meterbridge::source::tasmota::reply::Clue;
use meterbridge::source::tasmota::time::{self, MAX_OFF, Stated};
use meterbridge_fuzz::{NOW, dice};
use std::time::{Duration, UNIX_EPOCH};

fuzz_target!(|text: &[u8]| {
    if let Some(at) = stamp::decode(text) {
        let full = stamp::encode(at);
        assert_eq!(full.len(), stamp::FULL);
        assert!(full.as_bytes().starts_with(text), "{full}");
        assert!(full.as_bytes()[text.len()..].iter().all(|&digit| digit == b'0'));
        assert_eq!(stamp::decode(full.trim_end_matches('0').as_bytes()), Some(at));
    }
    let dice = dice(text);
    let at = dice.cast_signed() >> (dice % 40);
    let clamped = at.clamp(wire::stamp::MIN, wire::stamp::MAX);
    assert_eq!(wire::stamp::parse(wire::stamp::text(at).as_str()), Ok(clamped));
    assert_eq!(stamp::decode(stamp::encode(at).as_bytes()), Some(clamped));

    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if let Ok(at) = wire::stamp::parse(text) {
        assert!(wire::stamp::is_valid(at));
        assert_eq!(wire::stamp::parse(wire::stamp::text(at).as_str()), Ok(at));
    }
    // However long another side wants us to wait, the wait can be reckoned with.
    if let Some(wait) = parse_retry_after(text, UNIX_EPOCH + Duration::from_millis(NOW.cast_unsigned())) {
        let _ = NOW.saturating_add(meterbridge::poll::window::millis(wait));
    }
    let clue = Clue {
        text: Some(text.to_owned()),
        epoch: text.parse().ok(),
    };
    for clue in [
        Clue {
            epoch: None,
            ..clue.clone()
        },
        clue,
    ] {
        let stated = time::read(&clue);
        let local = match stated {
            Stated::Local(local) => Some(local),
            _ => None,
        };
        let received = local.map_or(NOW, |local| local.and_utc().timestamp_millis());
        for zone in [
            chrono_tz::UTC,
            chrono_tz::Europe::Vienna,
            chrono_tz::America::St_Johns,
            chrono_tz::Asia::Kathmandu,
        ] {
            for offset in [None, Some(3600), Some(-50_400)] {
                for received in [NOW, received, received.saturating_sub(7_200_000)] {
                    let settled = time::settle(stated, offset, zone, received);
                    let off = settled.stamp.saturating_sub(received);
                    assert!(off.saturating_abs() <= MAX_OFF, "{settled:?}");
                }
            }
        }
        if let Some(local) = local {
            let _ = time::apparent_quarters(local, received);
        }
    }
});
