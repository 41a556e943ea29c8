//! DPS: which hub and device a source is given.

use std::sync::Arc;
use std::time::{Duration, Instant};

use meterbridge::config::Identity;
use meterbridge::forward::{Assignment, Forward};
use meterbridge::secret::Secret;
use tokio::sync::Notify;
use wire::key::Key;
use wire::sas::Resource;

use super::server::*;

const ASSIGNING: &str = r#"{"operationId":"4.op/1","status":"assigning"}"#;
const ASSIGNED: &str = r#"{"operationId":"4.op/1","status":"assigned","registrationState":
    {"registrationId":"home-1","assignedHub":"fabrikam.azure-devices.net","deviceId":"home-1","status":"assigned"}}"#;

fn assigned() -> Assignment {
    Assignment {
        hub: "fabrikam.azure-devices.net".into(),
        device: "home-1".into(),
    }
}

/// Register, poll as asked, then send to the assigned hub with the derived key.
#[tokio::test]
async fn a_source_is_registered_and_sends_with_its_derived_key() {
    let server = Server::start(|n, _| match n {
        0 => Reply::text(&answer("202 Accepted", "Retry-After: 1\r\n", ASSIGNING)),
        1 => Reply::text(&answer("202 Accepted", "Retry-After: 0\r\n", ASSIGNING)),
        2 => Reply::text(&answer("200 OK", "", ASSIGNED)),
        _ => Reply::text(TAKEN),
    })
    .await;
    let hub = build(server.group(), clock(NOW))
        .with_connect(Some(&server.url()))
        .unwrap();
    let start = Instant::now();
    let found = hub.device("Home-1", None, false).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After is obeyed");
    assert_eq!(found, assigned());
    hub.send(&found, &[message(0, &[])]).await.unwrap();

    let seen = server.seen();
    assert_eq!(
        seen.iter().map(Seen::line).collect::<Vec<_>>(),
        [
            "PUT /0ne00AABBCC/registrations/home-1/register?api-version=2021-10-01 HTTP/1.1",
            "GET /0ne00AABBCC/registrations/home-1/operations/4.op%2F1?api-version=2021-10-01 HTTP/1.1",
            "GET /0ne00AABBCC/registrations/home-1/operations/4.op%2F1?api-version=2021-10-01 HTTP/1.1",
            "POST /devices/home-1/messages/events?api-version=2021-04-12 HTTP/1.1",
        ]
    );
    assert_eq!(seen[0].text(), r#"{"registrationId":"home-1"}"#);
    assert_eq!(
        seen[0].header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let now = u64::try_from(NOW / 1000).unwrap();
    let derived = Key::derive(&Key::parse(K64).unwrap(), "home-1");
    for (number, scope) in [
        (0, Resource::registration("0ne00AABBCC", "home-1")),
        (2, Resource::registration("0ne00AABBCC", "home-1")),
        (3, Resource::device("fabrikam.azure-devices.net", "home-1")),
    ] {
        let token = seen[number].token();
        token.verify(&derived, now, 0).unwrap();
        assert!(token.covers(&scope));
        assert_eq!(token.policy(), (number < 3).then_some("registration"));
    }
}

/// The group's published derivation: what Python's and Node's SDKs derive signs here.
#[tokio::test]
async fn derived_keys_are_those_of_the_sdks() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../data/vectors-sas.json")).unwrap();
    for vector in vectors["group_key_derivation"].as_array().unwrap() {
        let server = Server::start(|_, _| Reply::text(TAKEN)).await;
        let text = |name: &str| vector[name].as_str().unwrap();
        let identity = Identity::Group {
            endpoint: server.url(),
            id_scope: "0ne00AABBCC".into(),
            key: Secret::new(vectors["keys"][text("master_key")].as_str().unwrap()),
        };
        let hub = build(identity, clock(NOW))
            .with_connect(Some(&server.url()))
            .unwrap();
        hub.send(&to(text("registration_id")), &[message(0, &[])])
            .await
            .unwrap();
        let key = Key::parse(text("derived_key")).unwrap();
        server.only().token().verify(&key, 0, 0).unwrap();
    }
}

/// A known assignment is used as it is; only `fresh` asks DPS again.
#[tokio::test]
async fn dps_is_asked_when_needed() {
    let server = Server::start(|_, _| Reply::text(&answer("200 OK", "", ASSIGNED))).await;
    let hub = build(server.group(), clock(NOW));
    let known = to("home-1");
    assert_eq!(hub.device("home-1", Some(&known), false).await.unwrap(), known);
    assert_eq!(server.seen().len(), 0);
    assert_eq!(
        hub.device("home-1", Some(&known), true).await.unwrap(),
        assigned()
    );
    assert_eq!(hub.device("home-1", None, false).await.unwrap(), assigned());
    assert_eq!(server.seen().len(), 2);
}

/// However many ask, one registration of a source is under way at a time; other sources are not held up.
#[tokio::test]
async fn one_registration_a_source() {
    let gate = Arc::new(Notify::new());
    let server = Server::start({
        let gate = Arc::clone(&gate);
        move |_, seen| {
            let held = seen.line().contains("home-1").then(|| Arc::clone(&gate));
            Reply::text(&answer("200 OK", "", ASSIGNED)).after(held)
        }
    })
    .await;
    let hub = Arc::new(build(server.group(), clock(NOW)));
    let asked: Vec<_> = (0..5)
        .map(|_| {
            let hub = Arc::clone(&hub);
            tokio::spawn(async move { hub.device("home-1", None, false).await })
        })
        .collect();
    hub.device("home-2", None, false).await.unwrap();
    server.until(2).await;
    gate.notify_one();
    for answer in asked {
        assert_eq!(answer.await.unwrap().unwrap(), assigned());
    }
    assert_eq!(server.seen().len(), 2);
}

/// Where DPS gives a device another name, its key is still that of its registration, after a restart too.
#[tokio::test]
async fn a_renamed_device_keeps_its_key() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let hub = build(server.group(), clock(NOW))
        .with_connect(Some(&server.url()))
        .unwrap();
    let known = to("Meter-In-The-Cellar");
    let found = hub.device("home-1", Some(&known), false).await.unwrap();
    hub.send(&found, &[message(0, &[])]).await.unwrap();
    let derived = Key::derive(&Key::parse(K64).unwrap(), "home-1");
    server.only().token().verify(&derived, 0, 0).unwrap();
}

/// What DPS refuses, it refuses in its own words; what it cannot do now is asked again later.
#[tokio::test]
async fn dps_answers_are_understood() {
    let check = async |replies: &[String], kind: &str, after: Option<u64>, words: &str, asked: usize| {
        let script = replies.to_vec();
        let server = Server::start(move |n, _| Reply::text(&script[n.min(script.len() - 1)])).await;
        let result = build(server.group(), clock(NOW))
            .device("home-1", None, false)
            .await;
        let error = result.unwrap_err();
        let text = error.to_string();
        assert_eq!(
            (error.kind(), error.retry_after().map(|w| w.as_secs())),
            (kind, after),
            "{text}"
        );
        assert!(text.contains(words), "{text}");
        assert_eq!(server.seen().len(), asked, "{text}");
    };
    let operation = |status: &str| {
        answer(
            "200 OK",
            "",
            &format!(
                r#"{{"operationId":"o","status":"{status}","registrationState":{{"errorCode":400207,"errorMessage":"its own words"}}}}"#
            ),
        )
    };
    let assigning = answer("202 Accepted", "Retry-After: 0\r\n", ASSIGNING);
    for status in ["failed", "disabled", "unassigned"] {
        check(
            &[operation(status)],
            "not-assigned",
            None,
            "its own words (400207)",
            1,
        )
        .await;
    }
    check(
        &[assigning.clone(), operation("failed")],
        "not-assigned",
        None,
        "its own words",
        2,
    )
    .await;
    let unauthorized = r#"{"errorCode":401002,"trackingId":"t","message":"wrong key","timestampUtc":"u"}"#;
    check(
        &[answer("401 Unauthorized", "", unauthorized)],
        "not-assigned",
        None,
        "401002, wrong key",
        2,
    )
    .await;
    check(
        &[answer(
            "404 Not Found",
            "",
            r#"{"errorCode":404201,"message":"unknown scope"}"#,
        )],
        "not-assigned",
        None,
        "unknown scope",
        1,
    )
    .await;
    check(
        &[answer("429 Too Many Requests", "Retry-After: 5\r\n", "{}")],
        "unavailable",
        Some(5),
        "127.0.0.1",
        1,
    )
    .await;
    check(
        &[answer("500 Internal Server Error", "", "oops")],
        "unavailable",
        None,
        "oops",
        1,
    )
    .await;
    check(
        &[answer("200 OK", "", "<html>login</html>")],
        "unavailable",
        None,
        "not an operation",
        1,
    )
    .await;
    // Longer than a registration may take: not waited for.
    check(
        &[answer("202 Accepted", "Retry-After: 90\r\n", ASSIGNING)],
        "unavailable",
        Some(90),
        "still under way",
        1,
    )
    .await;
    check(
        &[
            assigning.clone(),
            answer("503 Service Unavailable", "Retry-After: 60\r\n", "busy"),
        ],
        "unavailable",
        Some(60),
        "busy",
        2,
    )
    .await;
}

/// A poll that fails in passing is repeated; so is a connection that DPS closed.
#[tokio::test]
async fn a_poll_that_fails_in_passing_is_repeated() {
    let server = Server::start(|n, _| match n {
        0 => Reply::text(&answer("202 Accepted", "Retry-After: 0\r\n", ASSIGNING)),
        1 => Reply::text(&answer("429 Too Many Requests", "Retry-After: 0\r\n", "")),
        2 => Reply::hang_up(),
        _ => Reply::text(&answer("200 OK", "", ASSIGNED)),
    })
    .await;
    let hub = build(server.group(), clock(NOW));
    assert_eq!(hub.device("home-1", None, false).await.unwrap(), assigned());
    assert_eq!(server.seen().len(), 4);
}

/// DPS under a clock that is off: the second token is made by its clock.
#[tokio::test]
async fn dps_tokens_follow_its_clock() {
    let dps_time = NOW + 86_400_000;
    let server = Server::start(move |_, seen| {
        if i64::try_from(seen.token().expiry()).unwrap() * 1000 < dps_time {
            Reply::dated(dps_time, "401 Unauthorized", "", "{}")
        } else {
            Reply::dated(dps_time, "200 OK", "", ASSIGNED)
        }
    })
    .await;
    let hub = build(server.group(), clock(NOW));
    assert_eq!(hub.device("home-1", None, false).await.unwrap(), assigned());
    assert_eq!(server.seen().len(), 2);
}

/// Many sources that come up together: no more than eight registrations at once, twenty at first, and then as many a minute as a hub
/// takes; the others are told to wait and nothing is asked for them.
#[tokio::test]
async fn registrations_are_bounded() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (active, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&active), Arc::clone(&most));
    let server = Server::start(move |_, seen| {
        if seen.line().starts_with("PUT") {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            return Reply::text(&answer("202 Accepted", "Retry-After: 0\r\n", ASSIGNING));
        }
        now.fetch_sub(1, Ordering::SeqCst);
        Reply::text(&answer("200 OK", "", ASSIGNED))
    })
    .await;
    let hub = Arc::new(build(server.group(), clock(NOW)));
    let mut all = tokio::task::JoinSet::new();
    for n in 0..40 {
        let hub = Arc::clone(&hub);
        all.spawn(async move { hub.device(&format!("m-{n}"), None, false).await });
    }
    let (mut assigned, mut told) = (0, 0);
    for outcome in all.join_all().await {
        match outcome {
            Ok(_) => assigned += 1,
            Err(error) => {
                assert!(
                    error
                        .retry_after()
                        .is_some_and(|wait| wait <= Duration::from_secs(60)),
                    "{error}"
                );
                told += 1;
            }
        }
    }
    assert!(
        (20..=23).contains(&assigned),
        "{assigned} assigned, {told} told to wait"
    );
    assert!((2..=8).contains(&most.load(Ordering::SeqCst)), "{most:?} at once");
    assert_eq!(server.seen().len(), 2 * assigned);
}
