//! A hub that does not take what it is sent; once it does, every row has arrived, or lies among the dead letters.

use std::path::PathBuf;

use emulator::hub::{Device, Fault, Key};
use emulator::tls::Authority;

use crate::rig::{DEVICE, MINUTE, Rig, report};

const QUARTER: i64 = 15 * MINUTE;

/// Rows every quarter of an hour, eight and a bit behind.
fn source(now: i64) -> String {
    let start = meterbridge::clock::iso(now - 8 * QUARTER);
    format!("[[source]]\nid = \"plant\"\nkind = \"synthetic\"\ninterval = \"15m\"\nstart = {start}\n")
}

async fn rig() -> Rig {
    Rig::new(source).await
}

/// The first round meets trouble and says so in these words; after `pause` it is over, and everything is there.
async fn check(name: &str, rig: Rig, told: &[&str], pause: i64) {
    let round = rig.round().await;
    let first = report(&round, "plant").line();
    for told in told {
        assert!(first.contains(told), "{name}: {told:?} is not in\n{first}");
    }
    assert!(
        !first.contains("sig=") && !first.contains("SharedAccessKey="),
        "{name}: {first}"
    );
    rig.hub.clear_faults();
    settle(name, rig, pause).await;
}

/// The rest of [`check`]: nothing is lost, nothing comes under another id.
async fn settle(name: &str, rig: Rig, pause: i64) {
    let begin = rig.now() - 8 * QUARTER;
    rig.advance(pause);
    let round = rig.round().await;
    let second = report(&round, "plant");
    assert!(
        second.is_good() && second.pending == 0,
        "{name}: {}",
        second.line()
    );
    let first = begin.div_euclid(QUARTER) + i64::from(begin.rem_euclid(QUARTER) > 0);
    let last = rig.now().div_euclid(QUARTER);
    let expected: Vec<String> = (first..=last)
        .map(|n| meterbridge::clock::iso(n * QUARTER))
        .collect();
    let mut rows = rig.rows("plant");
    rows.extend(rig.dead_rows().await);
    assert_eq!(rows.keys().cloned().collect::<Vec<_>>(), expected, "{name}");
    rig.assert_one_body_per_id();
}

fn status(code: u16, retry_after: Option<u32>, body: Option<&str>) -> Fault {
    Fault::Status {
        code,
        retry_after,
        body: body.map(str::to_owned),
    }
}

/// Trouble that passes: held, repeated later under the same ids.
#[tokio::test]
async fn trouble_that_passes_is_waited_out() {
    let busy = "is not taking messages now: ";
    for (name, fault, told) in [
        ("408", status(408, None, None), &[busy, "it answered 408"][..]),
        (
            "429",
            status(429, Some(7), None),
            &[
                busy,
                "it answered 429 (ThrottlingBacklogTimeout, The request has been throttled. Wait 10 seconds",
            ],
        ),
        (
            "500",
            status(500, None, None),
            &[busy, "it answered 500 (ServerError"],
        ),
        (
            "502",
            status(502, None, Some("<html>Bad gateway")),
            &[busy, "it answered 502", "<html>Bad gateway"],
        ),
        (
            "503",
            status(503, Some(30), None),
            &[
                busy,
                "it answered 503 (ServiceUnavailable, The service is temporarily unavailable)",
            ],
        ),
        (
            "301",
            status(301, None, None),
            &["it answers with a redirect (301), as neither hubs nor DPS do; check IOTHUB_HOST"],
        ),
        (
            "405",
            status(405, None, Some("Squid")),
            &["does a proxy or another server answer in its place? Check IOTHUB_HOST"],
        ),
        ("reset", Fault::Reset, &[busy, "the connection broke"]),
        (
            "a lost reply",
            Fault::ResetAfterAccept,
            &[busy, "the connection broke"],
        ),
    ] {
        let rig = rig().await;
        rig.hub.fail_next(u32::MAX, fault);
        check(name, rig, told, 2 * MINUTE).await;
    }
}

/// One broken connection or one lost reply is seen through within the call, and one refused token too.
#[tokio::test]
async fn trouble_of_a_moment_is_not_even_told() {
    for (name, fault) in [
        ("one reset", Fault::Reset),
        ("one lost reply", Fault::ResetAfterAccept),
        ("one 401", Fault::status(401)),
        ("a wrong clock at the hub", Fault::ClockSkew(86_400)),
    ] {
        let rig = rig().await;
        rig.hub.fail_next(1, fault);
        let round = rig.round().await;
        let line = report(&round, "plant").line();
        assert!(
            line.starts_with("plant: delivered, ") && !line.contains(';'),
            "{name}: {line}"
        );
        settle(name, rig, 2 * MINUTE).await;
    }
}

/// Trouble that a person has to mend: the source is parked and says what to change.
#[tokio::test]
async fn trouble_that_somebody_must_mend_is_told() {
    let key = "check its key (IOTHUB_DEVICE_CONNECTION_STRING, IOTHUB_DEVICE_KEY or DPS_GROUP_KEY) and this machine's clock";
    let six = 6 * MINUTE;
    let now = chrono::Utc::now().timestamp_millis();
    let to_midnight = 86_400_000 - now.rem_euclid(86_400_000) + MINUTE;
    for (name, times, code, told, pause) in [
        (
            "401",
            2,
            401,
            &[
                "parked until ",
                "localhost refused device bridge: IotHubUnauthorizedAccess, Unauthorized",
                key,
            ][..],
            six,
        ),
        (
            "404",
            1,
            404,
            &[
                "parked until ",
                "localhost does not accept device bridge: DeviceNotFound, Device bridge not registered",
                "register or enable the device",
            ],
            six,
        ),
        (
            "403",
            1,
            403,
            &[
                "parked until ",
                "T00:00:00.000Z",
                "the daily message quota of localhost is used up; it starts anew at 00:00 UTC, more units or a longer send_every help",
            ],
            to_midnight,
        ),
    ] {
        let rig = rig().await;
        rig.hub.fail_next(times, Fault::status(code));
        check(name, rig, told, pause).await;
    }
}

/// Messages that the hub refuses for good are kept, and what follows goes on.
#[tokio::test]
async fn refused_messages_are_kept() {
    for (code, told) in [
        (
            400,
            "localhost refuses the message (400): ArgumentInvalid, The request is invalid",
        ),
        (415, "localhost refuses the message (415)"),
    ] {
        let rig = rig().await;
        rig.hub.fail_next(1, Fault::status(code));
        let round = rig.round().await;
        let first = report(&round, "plant");
        assert_eq!((first.dead, first.is_good()), (1, false));
        assert!(first.line().contains(told), "{}", first.line());
        let letters = rig.dead_letters().await;
        assert_eq!(letters.len(), 1);
        assert!(
            letters[0].why.contains(told)
                && letters[0].properties.iter().any(|(name, _)| name == "Source_Id")
        );
        assert!(rig.rows("plant").is_empty());
        settle(told, rig, 16 * MINUTE).await;
    }
}

/// 413: cut finer, until it is taken.
#[tokio::test]
async fn a_message_that_is_too_large_is_cut() {
    let rig = rig().await;
    // The whole; its halves in one envelope; the first half alone.
    rig.hub.fail_next(3, Fault::status(413));
    let round = rig.round().await;
    let line = report(&round, "plant").line();
    assert!(
        line.starts_with("plant: delivered, ") && rig.hub.arrived().len() == 3,
        "{line}"
    );
    settle("413", rig, 2 * MINUTE).await;
}

/// What is wrong with the device itself, mended at the hub.
#[tokio::test]
async fn a_device_is_mended_at_the_hub() {
    type Break = fn(&Rig);
    let breaks: [(&str, Break, &[&str]); 3] = [
        (
            "another key",
            |rig| rig.hub.put_device(Device::new(DEVICE, Key::random().unwrap())),
            &["refused device bridge", "check its key"],
        ),
        (
            "disabled",
            |rig| {
                let mut device = rig.device.clone();
                device.enabled = false;
                rig.hub.put_device(device);
            },
            &[
                "does not accept device bridge: DeviceDisabled, Device bridge is disabled",
                "register or enable the device",
            ],
        ),
        (
            "unknown",
            |rig| assert!(rig.hub.remove_device(DEVICE)),
            &["bridge", "device"],
        ),
    ];
    for (name, damage, told) in breaks {
        let rig = rig().await;
        damage(&rig);
        let round = rig.round().await;
        let line = report(&round, "plant").line();
        for told in told {
            assert!(line.contains(told), "{name}: {told:?} is not in\n{line}");
        }
        rig.hub.put_device(rig.device.clone());
        settle(name, rig, 6 * MINUTE).await;
    }
}

/// An outage, and a certificate that nobody vouches for.
#[tokio::test]
async fn a_hub_out_of_reach_is_told() {
    let rig = rig().await;
    rig.hub.go_down();
    let round = rig.round().await;
    let line = report(&round, "plant").line();
    assert!(
        line.contains("localhost is not taking messages now: no connection"),
        "{line}"
    );
    rig.hub.come_up().await.unwrap();
    settle("an outage", rig, 2 * MINUTE).await;
}

#[tokio::test]
async fn an_unknown_authority_is_told() {
    let mut rig = rig().await;
    let right: PathBuf = rig.dir.path().join("ca.pem");
    let other = tempfile::tempdir().unwrap();
    Authority::load_or_create(other.path()).unwrap();
    rig.rewire(&other.path().join("ca.pem"));
    let round = rig.round().await;
    let line = report(&round, "plant").line();
    for told in [
        "localhost is not taking messages now: no connection",
        "name its PEM file in IOTHUB_CA_FILE",
    ] {
        assert!(line.contains(told), "{told:?} is not in\n{line}");
    }
    rig.rewire(&right);
    settle("another authority", rig, 2 * MINUTE).await;
}
