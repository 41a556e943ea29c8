//! Every form of the time, the repeated and the skipped hour, clocks that are off.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono_tz::Europe::{Berlin, Vienna};
use chrono_tz::{Asia, UTC};
use proptest::prelude::*;

use super::*;

fn ms(rfc3339: &str) -> Millis {
    chrono::DateTime::parse_from_rfc3339(rfc3339)
        .unwrap()
        .timestamp_millis()
}

fn text(text: &str) -> Clue {
    Clue {
        text: Some(text.into()),
        epoch: None,
    }
}

#[test]
fn every_form_of_text_is_read() {
    let check = |given: &str, expected: Option<(&str, Option<i64>)>| {
        let expected = expected.map(|(utc, offset)| (ms(utc), offset));
        let found = parse(given).map(|(at, offset)| (at.and_utc().timestamp_millis(), offset));
        assert_eq!(found, expected, "{given}");
    };
    check("2026-07-21T18:59:19", Some(("2026-07-21T18:59:19Z", None)));
    check(
        "2026-07-21T18:59:04.492",
        Some(("2026-07-21T18:59:04.492Z", None)),
    );
    check("2026-07-21T18:59:04.5", Some(("2026-07-21T18:59:04.5Z", None)));
    check(
        "2026-07-21T18:59:04.492123",
        Some(("2026-07-21T18:59:04.492Z", None)),
    );
    check("2018.02.04 23:17:01", Some(("2018-02-04T23:17:01Z", None)));
    check(
        "2026-07-21T18:59:19+02:00",
        Some(("2026-07-21T18:59:19Z", Some(7200))),
    );
    check(
        "2026-07-21T18:59:19.5-03:30",
        Some(("2026-07-21T18:59:19.5Z", Some(-12_600))),
    );
    check(
        "2026-07-21T18:59:19+0100",
        Some(("2026-07-21T18:59:19Z", Some(3600))),
    );
    check(
        "2026-07-21T18:59:19+01",
        Some(("2026-07-21T18:59:19Z", Some(3600))),
    );
    check("2026-07-21T18:59:19Z", Some(("2026-07-21T18:59:19Z", Some(0))));
    check("1970-01-01T00:00:19", Some(("1970-01-01T00:00:19Z", None)));
    for bad in [
        "",
        "2026-07-21",
        "2026-07-21T18:59",
        "2026-02-29T18:59:19",
        "2026-07-21T25:59:19",
        "2026-07-21T18:59:60",
        "2026-07.21T18:59:19",
        "2026-07-21T18:59:19.",
        "2026-07-21T18:59:19+1:00",
        "2026-07-21T18:59:19+01:60",
        "2026-07-21T18:59:19+15:00",
        "2026-07-21T18:59:19 CET",
        "+026-07-21T18:59:19",
        "Thu Feb 15 00:00:50 2018",
        "２０26-07-21T18:59:19",
    ] {
        check(bad, None);
    }
}

#[test]
fn epoch_goes_before_offset_before_local() {
    let clue = Clue {
        text: Some("2026-07-21T18:59:19+02:00".into()),
        epoch: Some(1_784_653_159),
    };
    assert_eq!(read(&clue), Stated::Instant(1_784_653_159_000, How::Epoch));
    assert_eq!(
        read(&text("2026-07-21T18:59:19+02:00")),
        Stated::Instant(ms("2026-07-21T16:59:19Z"), How::Offset)
    );
    assert!(matches!(read(&text("2026-07-21T18:59:19")), Stated::Local(_)));
    assert_eq!(read(&text("soon")), Stated::Nothing);
    let huge = Clue {
        text: None,
        epoch: Some(i64::MAX),
    };
    assert_eq!(read(&huge), Stated::Nothing);
}

#[test]
fn local_times_settle_in_their_zone() {
    // Local time, zone, receive time, expected stamp, and whether a remark is expected.
    let check = |local: &str, zone: Tz, received: &str, expected: &str, remarked: bool| {
        let settled = settle(read(&text(local)), None, zone, ms(received));
        assert_eq!(
            iso(settled.stamp),
            iso(ms(expected)),
            "{local} received {received}"
        );
        assert_eq!(settled.remark.is_some(), remarked, "{settled:?}");
        assert_eq!(settled.how, How::Zone);
    };
    for zone in [Berlin, Vienna] {
        check(
            "2026-07-21T18:59:19",
            zone,
            "2026-07-21T16:59:20Z",
            "2026-07-21T16:59:19Z",
            false,
        );
        check(
            "2026-01-21T18:59:19",
            zone,
            "2026-01-21T17:59:20Z",
            "2026-01-21T17:59:19Z",
            false,
        );
        // The hour that comes twice (25 October 2026, 03:00 goes back to 02:00): nearest to receiving.
        check(
            "2026-10-25T02:30:00",
            zone,
            "2026-10-25T00:30:01Z",
            "2026-10-25T00:30:00Z",
            false,
        );
        check(
            "2026-10-25T02:30:00",
            zone,
            "2026-10-25T01:30:01Z",
            "2026-10-25T01:30:00Z",
            false,
        );
        check(
            "2026-10-25T02:00:00",
            zone,
            "2026-10-25T00:00:00.9Z",
            "2026-10-25T00:00:00Z",
            false,
        );
        check(
            "2026-10-25T02:59:59",
            zone,
            "2026-10-25T01:59:59.9Z",
            "2026-10-25T01:59:59Z",
            false,
        );
        check(
            "2026-10-25T03:00:00",
            zone,
            "2026-10-25T02:00:00.5Z",
            "2026-10-25T02:00:00Z",
            false,
        );
        // The hour that is skipped (29 March 2026, 02:00 goes on to 03:00), on a reader that stays at +01:00.
        check(
            "2026-03-29T02:30:00",
            zone,
            "2026-03-29T01:30:01Z",
            "2026-03-29T01:30:00Z",
            true,
        );
        check(
            "2026-03-29T01:59:59",
            zone,
            "2026-03-29T01:00:00Z",
            "2026-03-29T00:59:59Z",
            false,
        );
        check(
            "2026-03-29T03:00:00",
            zone,
            "2026-03-29T01:00:00.5Z",
            "2026-03-29T01:00:00Z",
            false,
        );
        // The skipped hour on a reader that is at +02:00 too early.
        check(
            "2026-03-29T02:30:00",
            zone,
            "2026-03-29T00:30:01Z",
            "2026-03-29T00:30:00Z",
            true,
        );
    }
    check(
        "2026-07-21T22:29:19",
        Asia::Kolkata,
        "2026-07-21T16:59:20Z",
        "2026-07-21T16:59:19Z",
        false,
    );
    // Off by more than five minutes: the time of receiving, and both are told.
    check(
        "2026-07-21T17:59:19",
        Berlin,
        "2026-07-21T16:59:20Z",
        "2026-07-21T16:59:20Z",
        true,
    );
    check(
        "1970-01-01T00:00:19",
        Berlin,
        "2026-07-21T16:59:20Z",
        "2026-07-21T16:59:20Z",
        true,
    );
    check(
        "2026-07-21T16:54:20",
        UTC,
        "2026-07-21T16:59:20Z",
        "2026-07-21T16:54:20Z",
        false,
    );
    check(
        "2026-07-21T16:54:19",
        UTC,
        "2026-07-21T16:59:20Z",
        "2026-07-21T16:59:20Z",
        true,
    );
}

#[test]
fn a_clock_that_is_off_is_kept_and_not_used() {
    let received = ms("2026-07-21T16:59:20Z");
    let settled = settle(read(&text("1970-01-01T00:00:19Z")), None, Berlin, received);
    assert_eq!((settled.stamp, settled.device), (received, Some(19_000)));
    assert!(settled.remark.unwrap().contains("clock is not set"));
    let settled = settle(Stated::Nothing, None, Berlin, received);
    assert_eq!(
        (settled.stamp, settled.device, settled.how),
        (received, None, How::Received)
    );
    let settled = settle(Stated::Instant(i64::MIN, How::Epoch), None, Berlin, received);
    assert_eq!(settled.stamp, received);
}

#[test]
fn status_7_goes_before_the_zone() {
    // A reader at its default, +01:00 without summer time, in a German summer.
    let received = ms("2026-07-21T16:59:20Z");
    let settled = settle(read(&text("2026-07-21T17:59:19")), Some(3600), Berlin, received);
    assert_eq!(settled.stamp, ms("2026-07-21T16:59:19Z"));
    assert_eq!((settled.how, settled.remark), (How::Status7, None));
}

#[test]
fn status_7_is_read_in_both_forms() {
    let check = |utc: &str, local: &str, expected: Option<i64>| {
        let body = format!(
            r#"{{"StatusTIM":{{"UTC":"{utc}","Local":"{local}","StartDST":"x","EndDST":"y","Timezone":"+01:00"}}}}"#
        );
        assert_eq!(status7(body.as_bytes()), expected, "{utc} {local}");
    };
    check("2026-07-21T16:59:19", "2026-07-21T18:59:19", Some(7200));
    check("2026-07-21T16:59:19Z", "2026-07-21T18:59:20", Some(7200));
    check("2026-07-21T16:59:20", "2026-07-21T18:59:19", Some(7200));
    check("2026-07-21T16:59:19", "2026-07-21T13:29:19", Some(-12_600));
    check("Thu Feb 15 00:00:50 2018", "Thu Feb 15 01:00:50 2018", Some(3600));
    check("2026-07-21T16:59:19", "2026-07-23T16:59:19", None);
    check("", "", None);
    assert_eq!(status7(b"{}"), None);
    assert_eq!(status7(br#"{"WARNING":"x"}"#), None);
}

proptest! {
    #[test]
    fn any_text_is_settled_near_receiving(given in "\\PC{0,40}", received in 0i64..4_000_000_000_000) {
        let settled = settle(read(&text(&given)), None, Berlin, received);
        prop_assert!((settled.stamp - received).abs() <= MAX_OFF);
    }

    #[test]
    fn a_true_clock_is_read_back_in_every_zone(
        at in 946_684_800i64..4_000_000_000,
        zone in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        lag in 0i64..5_000,
    ) {
        // What a reader shows whose clock runs right, received up to five seconds later: the very instant comes back, in
        // repeated hours too.
        let shown = chrono::DateTime::from_timestamp(at, 0).unwrap().with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S").to_string();
        let settled = settle(read(&text(&shown)), None, zone, at * 1000 + lag);
        prop_assert_eq!(settled.stamp, at * 1000);
        prop_assert_eq!(settled.remark, None);
    }

    #[test]
    fn status_7_never_panics(body in "\\PC{0,120}") {
        let _ = status7(body.as_bytes());
    }
}
