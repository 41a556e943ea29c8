//! Faults on demand, limits, outages: what a client of the hub must live through.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/wire.rs"]
mod wire;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use emulator::hub::{Clock, Fault, Hub, HubOptions, Limits, Operation, Rate, Rule, Throttles, Tier};
use wire::{K32, NOW_S, Reply, Wire, key, options, request};

fn send_of(device: &str, body: &str) -> Vec<u8> {
    let token = key(K32).token(&format!("localhost/devices/{device}"), NOW_S + 3600, None);
    let line = format!("POST /devices/{device}/messages/events?api-version=2021-04-12");
    request(&line, &[("Authorization", &token)], body)
}

fn send() -> Vec<u8> {
    send_of("meter-001", "{}")
}

fn message(reply: &Reply) -> String {
    reply.json()["Message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn statuses_answer_as_the_hub_does_and_take_nothing() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    for (code, name) in [
        (400, "ArgumentInvalid"),
        (401, "IotHubUnauthorizedAccess"),
        (403, "IotHubQuotaExceeded"),
        (404, "DeviceNotFound"),
        (412, "DeviceMessageLockLost"),
        (413, "MessageTooLarge"),
        (429, "ThrottlingBacklogTimeout"),
        (500, "ServerError"),
        (502, "ServerError"),
        (503, "ServiceUnavailable"),
        (504, "GatewayTimeout"),
    ] {
        hub.fail_next(1, Fault::status(code));
        let reply = wire.ask(&send()).await.unwrap();
        assert_eq!(
            (reply.status, reply.header("iothub-errorcode")),
            (code, Some(name))
        );
        assert!(
            message(&reply).starts_with(&format!("ErrorCode:{name};")),
            "{reply:?}"
        );
        assert_eq!(wire.ask(&send()).await.unwrap().status, 204, "after {code}");
    }
    let stats = hub.stats();
    assert_eq!((stats.messages, stats.faults, stats.connections), (11, 11, 1));
    assert!(stats.refused.is_empty(), "{stats:?}");
}

#[tokio::test]
async fn a_status_may_carry_retry_after_and_a_body_of_its_own() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    hub.fail_next(
        1,
        Fault::Status {
            code: 429,
            retry_after: Some(7),
            body: None,
        },
    );
    hub.fail_next(
        1,
        Fault::Status {
            code: 502,
            retry_after: None,
            body: Some("<html>".to_owned()),
        },
    );
    let throttled = wire.ask(&send()).await.unwrap();
    assert_eq!(throttled.header("retry-after"), Some("7"));
    assert!(message(&throttled).contains("Wait 10 seconds"), "{throttled:?}");
    let gateway = wire.ask(&send()).await.unwrap();
    assert_eq!((gateway.status, gateway.body.as_str()), (502, "<html>"));
}

#[tokio::test]
async fn faults_are_counted_by_device_in_the_order_they_were_armed() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    hub.fail_next_of("m:1", 2, Fault::status(503));
    hub.fail_next(1, Fault::status(500));
    let mut statuses = Vec::new();
    for device in ["m:1", "meter-001", "meter-001", "m:1", "m:1"] {
        statuses.push(wire.ask(&send_of(device, "{}")).await.unwrap().status);
    }
    assert_eq!(statuses, [503, 500, 204, 503, 204]);
    hub.fail_next(5, Fault::status(500));
    assert_eq!(hub.clear_faults(), 5);
    assert_eq!(wire.ask(&send()).await.unwrap().status, 204);
    hub.fail_next(u32::MAX, Fault::status(500));
    for _ in 0..3 {
        assert_eq!(wire.ask(&send()).await.unwrap().status, 500);
    }
}

#[tokio::test]
async fn a_reset_takes_nothing_and_a_lost_reply_takes_all() {
    let hub = Hub::start(options()).await.unwrap();
    for (fault, taken) in [
        (Fault::Reset, 0),
        (Fault::ResetMidBody, 0),
        (Fault::ResetAfterAccept, 1),
    ] {
        hub.forget();
        hub.fail_next(1, fault.clone());
        let mut wire = Wire::to(&hub).await;
        let error = wire.ask(&send()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{fault:?}");
        assert_eq!(hub.arrived().len(), taken, "{fault:?}");
        assert_eq!(Wire::to(&hub).await.ask(&send()).await.unwrap().status, 204);
    }
}

/// What no repeat can deliver is refused each time, alone or among others.
#[tokio::test]
async fn a_cursed_message_is_never_taken() {
    let cursed = Some("cursed".to_owned());
    let hub = Hub::start(HubOptions { cursed, ..options() }).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    for (body, status) in [
        ("fine", 204),
        ("it is cursed", 400),
        ("it is cursed", 400),
        ("fine", 204),
    ] {
        let reply = wire.ask(&send_of("meter-001", body)).await.unwrap();
        assert_eq!(reply.status, status, "{body}");
    }
    assert_eq!(hub.arrived().len(), 2);
}

#[tokio::test]
async fn a_delay_comes_before_the_message_is_taken() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    hub.fail_next(1, Fault::Delay(60));
    let start = Instant::now();
    assert_eq!(wire.ask(&send()).await.unwrap().status, 204);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_skewed_clock_shows_in_date_and_refuses_tokens() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    for (skew, status, date) in [
        (-7200, 204, "Fri, 15 Jan 2027 06:00:00 GMT"),
        (3600 + 300, 204, "Fri, 15 Jan 2027 09:05:00 GMT"),
        (3600 + 301, 401, "Fri, 15 Jan 2027 09:05:01 GMT"),
    ] {
        hub.fail_next(1, Fault::ClockSkew(skew));
        let reply = wire.ask(&send()).await.unwrap();
        assert_eq!((reply.status, reply.header("date")), (status, Some(date)));
    }
}

/// A hub whose clock the test moves.
async fn hub_with(limits: Limits, tier: Tier) -> (Hub, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(NOW_S * 1000));
    let clock = now.clone();
    let clock = Clock::new(move || clock.load(Ordering::Relaxed));
    (
        Hub::start(HubOptions {
            limits,
            tier,
            clock,
            ..options()
        })
        .await
        .unwrap(),
        now,
    )
}

#[tokio::test]
async fn too_many_sends_a_second_are_throttled() {
    let limits = Limits {
        throttles: Throttles::default().with(Operation::Send, Rate::per_second(2)),
        ..Limits::default()
    };
    let (hub, now) = hub_with(limits, Tier::S1).await;
    let mut wire = Wire::to(&hub).await;
    let mut statuses = Vec::new();
    for step in [0, 0, 0, 500, 0] {
        now.fetch_add(step, Ordering::Relaxed);
        statuses.push(wire.ask(&send()).await.unwrap().status);
    }
    assert_eq!(statuses, [204, 204, 429, 204, 429]);
    assert_eq!(hub.stats().refused["ThrottlingBacklogTimeout"], 2);
}

#[tokio::test]
async fn the_daily_quota_counts_units_and_ends_at_midnight() {
    let limits = Limits {
        units_per_day: Some(3),
        ..Limits::default()
    };
    let (hub, now) = hub_with(limits, Tier::F1).await;
    let mut wire = Wire::to(&hub).await;
    let [small, two, three] = [512, 513, 1025].map(|n| send_of("meter-001", &"x".repeat(n)));
    assert_eq!(wire.ask(&two).await.unwrap().status, 204);
    let refused = wire.ask(&two).await.unwrap();
    assert_eq!(
        (refused.status, refused.header("iothub-errorcode")),
        (403, Some("IotHubQuotaExceeded"))
    );
    assert!(
        message(&refused).contains("Max allowed message count : '3'"),
        "{refused:?}"
    );
    assert_eq!(
        wire.ask(&small).await.unwrap().status,
        204,
        "what fits still goes"
    );
    assert_eq!(wire.ask(&small).await.unwrap().status, 403);
    // NOW_S is 08:00 UTC; the tokens' hour is over by then, so the next day's is signed anew.
    now.fetch_add(16 * 3_600_000, Ordering::Relaxed);
    let token = key(K32).token("localhost/devices/meter-001", NOW_S + 86_400, None);
    let body = three.split(|b| *b == b'\n').next_back().unwrap();
    let line = "POST /devices/meter-001/messages/events?api-version=2021-04-12";
    let next_day = request(line, &[("Authorization", &token)], body);
    assert_eq!(wire.ask(&next_day).await.unwrap().status, 204);
    assert_eq!(hub.stats().units, 6);
}

#[test]
fn documented_limits_follow_tier_and_units() {
    let of = |tier, units| {
        let limits = Limits::documented(tier, units);
        (
            limits.throttles.rate(Operation::Send).unwrap(),
            limits.units_per_day.unwrap(),
        )
    };
    assert_eq!(of(Tier::F1, 1), (Rate::per_second(100), 8_000));
    assert_eq!(of(Tier::S1, 1), (Rate::per_second(100), 400_000));
    assert_eq!(of(Tier::B1, 10), (Rate::per_second(120), 4_000_000));
    assert_eq!(of(Tier::S2, 2), (Rate::per_second(240), 12_000_000));
    assert_eq!(of(Tier::S3, 1), (Rate::per_second(6_000), 300_000_000));
}

#[tokio::test]
async fn an_outage_closes_everything_and_ends_on_the_same_address() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    assert_eq!(wire.ask(&send()).await.unwrap().status, 204);
    hub.go_down();
    assert!(wire.ask(&send()).await.is_err());
    // The listener closes when its task has ended, a moment later.
    let refused = async {
        while tokio::net::TcpStream::connect(hub.addr()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused)
        .await
        .unwrap();
    hub.come_up().await.unwrap();
    assert_eq!(Wire::to(&hub).await.ask(&send()).await.unwrap().status, 204);
    assert_eq!(hub.stats().messages, 2);
}

#[tokio::test]
async fn a_dropped_hub_frees_its_port() {
    let hub = Hub::start(options()).await.unwrap();
    let addr = hub.addr();
    drop(hub);
    let rebound = async {
        while Hub::start(HubOptions {
            bind: addr,
            ..options()
        })
        .await
        .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), rebound)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_message_may_come_twice_be_throttled_or_never_be_answered() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    hub.fail_next(1, Fault::Duplicate);
    assert_eq!(wire.ask(&send()).await.unwrap().status, 204);
    assert_eq!(hub.arrived().len(), 2);
    hub.fail_next(1, Fault::Throttle);
    let refused = wire.ask(&send()).await.unwrap();
    assert_eq!(refused.status, 429);
    assert!(message(&refused).contains("Wait 10 seconds"), "{refused:?}");
    hub.fail_next(1, Fault::NoAnswer);
    let silent = tokio::time::timeout(Duration::from_millis(200), wire.ask(&send())).await;
    assert!(silent.is_err(), "{silent:?}");
    assert_eq!(hub.arrived().len(), 3, "taken all the same");
}

#[tokio::test]
async fn rules_draw_the_same_requests_in_each_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let faults = vec![Rule {
            probability: 0.5,
            seed: 3,
            ..Rule::of(Fault::status(503))
        }];
        let hub = Hub::start(HubOptions { faults, ..options() }).await.unwrap();
        let mut wire = Wire::to(&hub).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(wire.ask(&send()).await.unwrap().status);
        }
        assert!(statuses.contains(&503) && statuses.contains(&204), "{statuses:?}");
        assert_eq!(
            hub.stats().faults as usize,
            statuses.iter().filter(|s| **s == 503).count()
        );
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    let hub = Hub::start(options()).await.unwrap();
    let bad = Rule {
        probability: 2.0,
        ..Rule::of(Fault::Reset)
    };
    assert!(hub.arm(bad).is_err());
}

#[tokio::test]
async fn an_expired_certificate_turns_clients_away_while_it_is_shown() {
    let hub = Hub::start(options()).await.unwrap();
    hub.fail_next(2, Fault::ExpiredCertificate);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let refused = Wire::open(hub.addr(), hub.ca_pem(), "localhost", &[version]).await;
        let error = refused.err().unwrap().to_string();
        assert!(error.contains("xpired"), "{error}");
    }
    assert_eq!(Wire::to(&hub).await.ask(&send()).await.unwrap().status, 204);
}
