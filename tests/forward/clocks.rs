//! Tokens by whose clock, and for how long.

use std::sync::atomic::Ordering;

use meterbridge::config::Identity;
use meterbridge::forward::hub::Hub;
use meterbridge::forward::{Error, Forward};
use meterbridge::secret::Secret;

use super::server::*;

/// A token serves for 80 % of its hour, then the next one is made.
#[tokio::test]
async fn tokens_are_kept_and_renewed() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let (time, clock) = movable(NOW);
    let hub = Hub::new(server.identity("meter-001", K32), 4096, client(), clock).unwrap();
    let mut tokens = Vec::new();
    for after in [0, 2_879_000, 2_880_000, 5_000_000] {
        time.store(NOW + after, Ordering::SeqCst);
        hub.send(&to("meter-001"), &[message(0, &[])]).await.unwrap();
        tokens.push(server.expiry_of_last());
    }
    let hour = NOW / 1000 + 3_600;
    assert_eq!(tokens, [hour, hour, hour + 2_880, hour + 2_880]);
}

/// A clock that is off by minutes, hours or a day, either way: a hub that judges a token by its own clock, as real ones do within
/// five minutes, takes the second one at the latest, and those after it at once.
#[tokio::test]
async fn a_clock_that_is_off_is_made_up_for() {
    const MINUTE: i64 = 60_000;
    for off in [10, -10, 180, -180, 1_440, -1_440].map(|minutes| minutes * MINUTE) {
        let hub_time = NOW + off;
        let server = Server::start(move |_, seen| {
            let expiry = i64::try_from(seen.token().expiry()).unwrap() * 1000;
            // Ended, or from so far ahead that it was made by another clock.
            if expiry < hub_time - 5 * MINUTE || expiry > hub_time + 65 * MINUTE {
                Reply::dated(hub_time, "401 Unauthorized", "", "{}")
            } else {
                Reply::dated(hub_time, "204 No Content", "", "")
            }
        })
        .await;
        let hub = server.hub("meter-001", K32);
        let delivered = hub.send(&to("meter-001"), &[message(0, &[])]).await.unwrap();
        assert_eq!(delivered.skew, Some(off + 500));
        hub.send(&to("meter-001"), &[message(1, &[])]).await.unwrap();
        // A token of an hour that is ten minutes old by the hub's clock still holds.
        let requests = if off == 10 * MINUTE { 2 } else { 3 };
        assert_eq!(server.seen().len(), requests, "{off}");
        assert_eq!(
            server.expiry_of_last(),
            if off == 10 * MINUTE { NOW } else { hub_time } / 1000 + 3_600,
            "{off}"
        );
    }
}

/// A difference of less than a minute is none.
#[tokio::test]
async fn a_small_difference_is_left_alone() {
    let server = Server::start(|_, _| Reply::dated(NOW + 50_000, "204 No Content", "", "")).await;
    let hub = server.hub("meter-001", K32);
    let (hour, clock_hour) = (NOW / 1000 + 3_600, server.clone());
    for number in 0..3 {
        let delivered = hub.send(&to("meter-001"), &[message(number, &[])]).await.unwrap();
        assert_eq!(delivered.skew, Some(50_500));
        assert_eq!(clock_hour.expiry_of_last(), hour);
    }
}

/// A key that is wrong is tried with one fresh token and no more; the error says how far the clock is off.
#[tokio::test]
async fn a_second_401_is_final() {
    let server = Server::start(|_, _| {
        Reply::dated(
            NOW - 1_800_000,
            "401 Unauthorized",
            "iothub-errorcode: IotHubUnauthorizedAccess\r\n",
            r#"{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized"}"#,
        )
    })
    .await;
    let error = server
        .hub("meter-001", K32)
        .send(&to("meter-001"), &[message(0, &[])])
        .await;
    let Err(Error::Unauthorized { hub, device, detail }) = error else {
        panic!("{error:?}")
    };
    assert_eq!((hub.as_str(), device.as_str()), (HUB, "meter-001"));
    assert_eq!(
        detail,
        "IotHubUnauthorizedAccess, Unauthorized; this machine's clock is 29 min ahead of the server's, set it by NTP"
    );
    assert_eq!(server.seen().len(), 2);
}

/// A ready-made token is sent as it is, without a second try; once it has ended, the error says when.
#[tokio::test]
async fn a_token_that_has_ended_is_named() {
    let server = Server::start(|_, _| Reply::text(&answer("401 Unauthorized", "", "no"))).await;
    let check = async |expiry: i64, expected: &str| {
        let identity = Identity::Token {
            hub: HUB.into(),
            connect: server.url(),
            device: "meter-001".into(),
            token: Secret::new(token(K32, u64::try_from(expiry).unwrap())),
        };
        let before = server.seen().len();
        let error = build(identity, clock(NOW))
            .send(&to("meter-001"), &[message(0, &[])])
            .await;
        let Err(Error::Unauthorized { detail, .. }) = error else {
            panic!("{error:?}")
        };
        assert!(detail.starts_with(expected), "{detail}");
        assert_eq!(server.seen().len(), before + 1);
    };
    check(
        NOW / 1000 - 86_400,
        "no; its token ended at 2026-01-25T13:30:00.000Z",
    )
    .await;
    check(NOW / 1000 + 86_400, "no").await;
}

/// A token for another device, a broken key, a broken token: said before anything is sent.
#[test]
fn identities_are_judged_at_the_start() {
    let check = |identity: Identity, expected: &str| {
        let error = Hub::new(identity, 4096, client(), clock(NOW)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    let device = |key: &str, connect: &str| Identity::Device {
        hub: HUB.into(),
        connect: connect.into(),
        device: "m".into(),
        key: Secret::new(key),
    };
    let ready = |token: &str| Identity::Token {
        hub: HUB.into(),
        connect: HUB.into(),
        device: "meter-0011".into(),
        token: Secret::new(token),
    };
    check(device("c2hvcnQ=", HUB), "16 to 64");
    check(device(K32, "a/b"), "not a host name");
    check(
        ready(&token(K32, 1)),
        "for contoso.azure-devices.net/devices/meter-001, not",
    );
    check(ready("Bearer x"), "SharedAccessSignature");
}

/// Nothing that is shown has a key, a signature or a token in it, not even when the server repeats the request.
#[tokio::test]
async fn no_secret_is_shown() {
    let server = Server::start(|_, seen| {
        Reply::text(&answer(
            "401 Unauthorized",
            "",
            &format!("you sent {}", seen.head),
        ))
    })
    .await;
    let ready = token(K64, 2_000_000_000);
    let identities = [
        server.identity("meter-001", K32),
        Identity::Token {
            hub: HUB.into(),
            connect: server.url(),
            device: "meter-001".into(),
            token: Secret::new(ready),
        },
        server.group(),
    ];
    for identity in identities {
        let shown_identity = format!("{identity:?}");
        let hub = build(identity, clock(NOW))
            .with_connect(Some(&server.url()))
            .unwrap();
        let error = hub.send(&to("meter-001"), &[message(0, &[])]).await.unwrap_err();
        let seen = server.seen().pop().unwrap();
        let signature = seen
            .header("authorization")
            .unwrap()
            .split("sig=")
            .nth(1)
            .unwrap();
        let signature = signature.split('&').next().unwrap();
        let shown = format!("{shown_identity} {hub:?} {error} {error:?}");
        for secret in [signature, K32, K64] {
            assert!(!shown.contains(&secret[..12]), "{shown}");
        }
    }
}
