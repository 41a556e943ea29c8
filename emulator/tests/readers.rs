//! Readers over real sockets, byte by byte: every refusal, format, label set and fault that a client has to live with.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use emulator::readers::{
    Access, Clock, FarmOptions, Fault, FaultStep, Firmware, Labels, Language, Meter, Reader, ReaderFarm,
    ReaderOptions, TimeFormat, Zone,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// 2026-03-14T20:08:38.492Z
const AT: i64 = 1_773_518_918_492;
const STATUS_10: &str = "/cm?cmnd=Status%2010";

fn options() -> ReaderOptions {
    ReaderOptions {
        clock: Clock::standing_at(AT),
        ..ReaderOptions::default()
    }
}

/// Sends a request line and headers, closes after the answer, and gives all that came back.
async fn exchange(address: SocketAddr, target: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: reader\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that was reset has no answer either.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// The status, the content type and the body of an answer.
fn split(answer: &str) -> (u16, String, String) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no HTTP: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or("")
        .to_owned();
    (status, kind, body.to_owned())
}

async fn body(reader: &Reader, target: &str) -> String {
    split(&exchange(reader.address(), target, "").await).2
}

async fn json_of(reader: &Reader, target: &str) -> Value {
    serde_json::from_str(&body(reader, target).await).unwrap()
}

#[tokio::test]
async fn status_10_is_answered_however_it_is_written() {
    let reader = Reader::start(options()).await.unwrap();
    let expected = reader.answer_at("Status 10", AT);
    assert!(
        expected.starts_with(r#"{"StatusSNS":{"Time":"2026-03-14T21:08:38","MT631":{"ImportActive":"#),
        "{expected}"
    );
    for target in [
        "/cm?cmnd=Status%2010",
        "/cm?cmnd=status+10",
        "/cm?cmnd=STATUS%2010",
        "/cm?cmnd=Status%208",
        "/cm?x=1&cmnd=sTaTuS%20%2010",
    ] {
        let answer = exchange(reader.address(), target, "").await;
        assert_eq!(
            split(&answer),
            (200, "application/json".into(), expected.clone()),
            "{target}"
        );
        let head = answer.to_ascii_lowercase();
        assert!(
            head.contains(&format!("content-length: {}\r\n", expected.len())),
            "{answer}"
        );
        assert!(!head.contains("\r\ndate:"), "such devices send no date: {answer}");
    }
    assert_eq!(reader.calls(), 5);
}

#[tokio::test]
async fn other_commands() {
    let reader = Reader::start(ReaderOptions {
        zone: Zone::European(60),
        ..options()
    })
    .await
    .unwrap();
    let check = async |command: &str, pointer: &str, expected: Value| {
        let answer = json_of(&reader, &format!("/cm?cmnd={command}")).await;
        assert_eq!(answer.pointer(pointer), Some(&expected), "{command}: {answer}");
    };
    check("Status%207", "/StatusTIM/UTC", json!("2026-03-14T20:08:38")).await;
    check("Status%207", "/StatusTIM/Local", json!("2026-03-14T21:08:38")).await;
    check("status+7", "/StatusTIM/Timezone", json!(99)).await;
    check("Status%202", "/StatusFWR/Version", json!("15.2.0(bitshake)")).await;
    check("Status%205", "/StatusNET/IPAddress", json!("127.0.0.1")).await;
    check("Status%2011", "/StatusSTS/Uptime", json!("0T00:00:00")).await;
    check("Status%2011", "/StatusSTS/Wifi/Mode", json!("11n")).await;
    for key in [
        "/Status/Module",
        "/StatusFWR/Hardware",
        "/StatusNET/Mac",
        "/StatusTIM/UTC",
        "/StatusSNS/MT631/Power",
        "/StatusSTS/Time",
    ] {
        assert!(
            json_of(&reader, "/cm?cmnd=Status%200")
                .await
                .pointer(key)
                .is_some(),
            "{key}"
        );
    }
    for unknown in ["Nonsense", "Status%2099", "Status%2010%2011", "Statusses"] {
        assert_eq!(
            body(&reader, &format!("/cm?cmnd={unknown}")).await,
            r#"{"Command":"Unknown"}"#,
            "{unknown}"
        );
    }
    for empty in ["/cm", "/cm?", "/cm?cmnd=", "/cm?command=Status"] {
        assert_eq!(
            body(&reader, empty).await,
            r#"{"WARNING":"Enter command cmnd="}"#,
            "{empty}"
        );
    }
}

#[tokio::test]
async fn logins_of_each_generation() {
    const RIGHT: &str = "Authorization: Basic YWRtaW46Z2VoZWlt\r\n"; // admin:geheim
    const QUERY: &str = "/cm?user=admin&password=geheim&cmnd=Status%2010";
    let english = r#"{"WARNING":"Need user=<username>&password=<password>"}"#;
    let german = r#"{"WARNING":"Benötige user=<username>&password=<password>"}"#;
    let cases = [
        (Firmware::V8, Language::En, STATUS_10, "", 200, Some(english)),
        (Firmware::V8, Language::De, STATUS_10, RIGHT, 200, Some(german)),
        (Firmware::V8, Language::En, QUERY, "", 200, None),
        (Firmware::V9, Language::En, STATUS_10, "", 401, Some(english)),
        (Firmware::V9, Language::De, STATUS_10, RIGHT, 401, Some(german)),
        (Firmware::V9, Language::En, QUERY, "", 200, None),
        (Firmware::V15, Language::En, STATUS_10, "", 401, Some(english)),
        (Firmware::V15, Language::De, STATUS_10, "", 401, Some(german)),
        (Firmware::V15, Language::En, STATUS_10, RIGHT, 200, None),
        (Firmware::V15, Language::En, QUERY, "", 200, None),
        (
            Firmware::V15,
            Language::En,
            "/cm?user=admin&password=falsch&cmnd=Status%2010",
            "",
            401,
            Some(english),
        ),
        (
            Firmware::V15,
            Language::En,
            "/cm?user=admin&password=&cmnd=Status%2010",
            "",
            401,
            Some(english),
        ),
        (
            Firmware::V15,
            Language::En,
            "/cm?user=root&password=geheim&cmnd=Status%2010",
            "",
            401,
            Some(english),
        ),
    ];
    for (firmware, language, target, headers, status, refusal) in cases {
        let reader = Reader::start(ReaderOptions {
            firmware,
            language,
            password: "geheim".into(),
            ..options()
        })
        .await
        .unwrap();
        let expected = refusal.map_or_else(|| reader.answer_at("Status 10", AT), str::to_owned);
        let answer = split(&exchange(reader.address(), target, headers).await);
        assert_eq!(
            answer,
            (status, "application/json".into(), expected),
            "{firmware:?} {target} {headers}"
        );
        let call = &reader.latest()[0];
        assert_eq!((call.logged_in, call.status), (refusal.is_none(), Some(status)));
        assert!(!format!("{call:?}").contains("geheim"), "{call:?}");
    }
    let open = Reader::start(options()).await.unwrap();
    assert!(
        body(&open, "/cm?user=admin&password=&cmnd=Status%2010")
            .await
            .contains("StatusSNS"),
        "an open device takes any login"
    );
}

#[tokio::test]
async fn with_the_api_off_only_a_referer_that_names_the_device_gets_an_answer() {
    let options = ReaderOptions {
        access: Access::ApiOff,
        hostname: "tasmota-AB".into(),
        address: "10.1.2.3".into(),
        ..options()
    };
    let reader = Reader::start(options).await.unwrap();
    for (referer, answered) in [
        ("", false),
        ("Referer: http://10.1.2.4/\r\n", false),
        ("Referer: https://10.1.2.3/\r\n", false),
        ("Referer: http://10.1.2.3/\r\n", true),
        ("Referer: http://10.1.2.3\r\n", true),
        ("Referer: http://TASMOTA-ab/cm\r\n", true),
    ] {
        let answer = exchange(reader.address(), STATUS_10, referer).await;
        match answered {
            true => assert_eq!(split(&answer).2, reader.answer_at("Status 10", AT), "{referer}"),
            false => assert_eq!(answer, "", "not one byte may come back for {referer:?}"),
        }
    }
    let statuses: Vec<_> = reader.latest().into_iter().map(|call| call.status).collect();
    assert_eq!(statuses, [None, None, None, Some(200), Some(200), Some(200)]);
}

#[tokio::test]
async fn pages_in_place_of_answers() {
    let page = async |access, target| {
        let reader = Reader::start(ReaderOptions { access, ..options() })
            .await
            .unwrap();
        exchange(reader.address(), target, "").await
    };
    let user_mode = split(&page(Access::UserMode, STATUS_10).await);
    assert_eq!((user_mode.0, user_mode.1.as_str()), (200, "text/html"));
    assert!(user_mode.2.starts_with("<!DOCTYPE html>"));

    let portal = page(Access::CaptivePortal, STATUS_10).await;
    assert!(portal.starts_with("HTTP/1.1 302 Found\r\n"), "{portal}");
    assert!(
        portal.contains("\r\nlocation: http://192.168.4.1\r\n"),
        "{portal}"
    );

    let (status, kind, text) = split(&page(Access::Api, "/api/v1/status?cmnd=Status%2010").await);
    assert_eq!((status, kind.as_str()), (404, "text/plain"));
    assert!(text.contains("URI: /api/v1/status\n"), "{text}");
    assert_eq!(split(&page(Access::Api, "/").await).0, 200);
}

#[tokio::test]
async fn every_label_set() {
    let cases: [(Labels, &str, &[&str]); 14] = [
        (
            Labels::Mt631Locked,
            "MT631",
            &[
                "E_in",
                "E_out",
                "Power",
                "power_L1",
                "Curr_p1",
                "Freq",
                "server_id",
            ],
        ),
        (Labels::Mt631, "MT631", &["ImportActive", "ExportActive", "Power"]),
        (Labels::Itron, "Itron", &["E_in", "E_out"]),
        (
            Labels::Verbrauch,
            "SML",
            &[
                "Verbrauch_Summe",
                "Einspeisung_Summe",
                "Watt_L1",
                "Watt_Summe",
                "Volt_L3",
            ],
        ),
        (Labels::TotalKwh, "SML", &["total_kwh", "curr_w"]),
        (
            Labels::Total,
            "SML",
            &["Total_in", "Total_out", "Power_curr", "Power_L3", "Meter_id"],
        ),
        (Labels::Obis, "SML", &["1_8_0", "2_8_0", "16_7_0"]),
        (Labels::Twice, "ED300L", &["Tariflos", "Power"]),
        (Labels::Texts, "SML", &["Total_in", "Total_out", "Power_curr"]),
        (Labels::WattHours, "LEPUS", &["total_in", "total_out", "power"]),
        (
            Labels::Kilowatts,
            "E350",
            &["Total_in", "Total_out", "Power_in", "Power_out"],
        ),
        (
            Labels::Odd,
            "ZMB120",
            &[
                "1-8-0",
                "zaehler_a+",
                "ELZ_PV_1.8.0",
                "kW_L1+L2+L3",
                " amperage_l1",
            ],
        ),
        (
            Labels::Plug,
            "ENERGY",
            &[
                "Total",
                "Yesterday",
                "Today",
                "Power",
                "Factor",
                "Voltage",
                "Current",
            ],
        ),
        (Labels::None, "", &[]),
    ];
    for (labels, prefix, keys) in cases {
        let reader = Reader::start(ReaderOptions {
            meters: vec![labels.into()],
            ..options()
        })
        .await
        .unwrap();
        let answer = json_of(&reader, STATUS_10).await;
        let sensors = answer["StatusSNS"].as_object().unwrap();
        assert_eq!(sensors["Time"], "2026-03-14T21:08:38");
        assert_eq!(sensors.len(), 1 + usize::from(!prefix.is_empty()), "{answer}");
        for key in keys {
            assert!(
                !answer["StatusSNS"][prefix][key].is_null(),
                "{labels:?} {key}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn traps_in_the_labels() {
    let of = async |meters: Vec<Meter>| {
        let reader = Reader::start(ReaderOptions { meters, ..options() })
            .await
            .unwrap();
        body(&reader, STATUS_10).await
    };
    let locked: Value = serde_json::from_str(&of(vec![Labels::Mt631Locked.into()]).await).unwrap();
    let locked = &locked["StatusSNS"]["MT631"];
    assert!(
        locked["E_in"].is_u64() && locked["Power"] == 0 && locked["server_id"] == "",
        "{locked}"
    );

    let twice = of(vec![Labels::Twice.into()]).await;
    assert_eq!(twice.matches(r#""Tariflos":"#).count(), 2, "{twice}");

    let texts: Value = serde_json::from_str(&of(vec![Labels::Texts.into()]).await).unwrap();
    let text = texts["StatusSNS"]["SML"]["Total_in"].as_str().unwrap();
    assert_eq!(text.split_once('.').unwrap().1.len(), 3, "{text}");

    assert_eq!(
        of(vec![Labels::None.into()]).await,
        r#"{"StatusSNS":{"Time":"2026-03-14T21:08:38"}}"#
    );

    let heat_pump = Meter {
        labels: Labels::Total,
        prefix: Some("WP".into()),
    };
    let several: Value =
        serde_json::from_str(&of(vec![Labels::Total.into(), heat_pump, Labels::Plug.into()]).await).unwrap();
    let several = &several["StatusSNS"];
    assert_ne!(
        several["SML"]["Total_in"], several["WP"]["Total_in"],
        "two meters count apart"
    );
    assert!(
        several["ENERGY"].is_object() && several["TempUnit"] == "C",
        "{several}"
    );
}

#[tokio::test]
async fn values_move_with_the_clock_and_agree_with_each_other() {
    let clock = Clock::standing_at(AT);
    let options = ReaderOptions {
        meters: vec![Labels::Verbrauch.into()],
        clock: clock.clone(),
        ..options()
    };
    let reader = Reader::start(options).await.unwrap();
    let mut before = (0.0, 0.0);
    for _ in 0..50 {
        let answer = json_of(&reader, STATUS_10).await;
        let value = |key: &str| answer["StatusSNS"]["SML"][key].as_f64().unwrap();
        let now = (value("Verbrauch_Summe"), value("Einspeisung_Summe"));
        assert!(now.0 >= before.0 && now.1 >= before.1, "{before:?} {now:?}");
        assert!(
            now.0 + now.1 > before.0 + before.1,
            "half an hour without any energy"
        );
        let phases = value("Watt_L1") + value("Watt_L2") + value("Watt_L3");
        assert!((phases - value("Watt_Summe")).abs() < 0.05, "{answer}");
        before = now;
        clock.advance(1_800_000);
    }
}

#[tokio::test]
async fn every_time_format() {
    for (time_format, expected) in [
        (
            TimeFormat::Local,
            r#"{"StatusSNS":{"Time":"2026-03-14T21:08:38"}}"#,
        ),
        (
            TimeFormat::Offset,
            r#"{"StatusSNS":{"Time":"2026-03-14T21:08:38+01:00"}}"#,
        ),
        (
            TimeFormat::Epoch,
            r#"{"StatusSNS":{"Time":"2026-03-14T21:08:38","Epoch":1773518918}}"#,
        ),
        (TimeFormat::Number, r#"{"StatusSNS":{"Time":1773518918}}"#),
        (
            TimeFormat::Millis,
            r#"{"StatusSNS":{"Time":"2026-03-14T21:08:38.492"}}"#,
        ),
        (
            TimeFormat::Dots,
            r#"{"StatusSNS":{"Time":"2026.03.14 21:08:38"}}"#,
        ),
    ] {
        let reader = Reader::start(ReaderOptions {
            time_format,
            meters: vec![Labels::None.into()],
            ..options()
        })
        .await
        .unwrap();
        assert_eq!(body(&reader, STATUS_10).await, expected);
    }
}

#[tokio::test]
async fn every_fault_and_then_health() {
    let healthy = Reader::start(options()).await.unwrap().answer_at("Status 10", AT);
    let check = async |fault, expected: &str| {
        let faults = vec![FaultStep {
            fault,
            times: Some(1),
        }];
        let reader = Reader::start(ReaderOptions { faults, ..options() })
            .await
            .unwrap();
        let (status, _, text) = split(&exchange(reader.address(), STATUS_10, "").await);
        assert_eq!(
            (status, text.as_str()),
            (if fault == Fault::ServerError { 500 } else { 200 }, expected),
            "{fault:?}"
        );
        assert_eq!(body(&reader, STATUS_10).await, healthy, "after {fault:?}");
    };
    let inner = &healthy[1..];
    check(Fault::Healthy, &healthy).await;
    check(
        Fault::BrokenJson,
        &format!(r#"{{"Ufs":{{"Type":1,"Size":320}},"CPM":null, "CPS":100,{inner}}}}}"#),
    )
    .await;
    check(
        Fault::ExtraKeys,
        &format!(r#"{{"Ufs":{{"Type":1,"Size":320}},"CPS":100,{inner}"#),
    )
    .await;
    check(Fault::EmptyObject, "{}").await;
    check(Fault::EmptyBody, "").await;
    check(Fault::Truncated, &healthy[..healthy.len() / 2]).await;
    check(Fault::ServerError, "Internal Server Error").await;
    let zeros = r#"{"StatusSNS":{"Time":"2026-03-14T21:08:38","MT631":{"ImportActive":0.000,"ExportActive":0.000,"Power":0}}}"#;
    check(Fault::Zeros, zeros).await;
    let nulls = r#"{"StatusSNS":{"Time":"2026-03-14T21:08:38","MT631":{"ImportActive":null,"ExportActive":null,"Power":null}}}"#;
    check(Fault::Nulls, nulls).await;
    check(
        Fault::BeforeNtp,
        &healthy.replace("2026-03-14T21:08:38", "1970-01-01T00:00:00"),
    )
    .await;
}

#[tokio::test]
async fn a_truncated_answer_promises_more_than_it_brings() {
    let reader = Reader::start(options()).await.unwrap();
    reader.fail(Fault::Truncated, Some(1));
    let answer = exchange(reader.address(), STATUS_10, "").await;
    let promised = format!("content-length: {}\r\n", reader.answer_at("Status 10", AT).len());
    assert!(answer.contains(&promised), "{answer}");
}

#[tokio::test]
async fn faults_without_an_answer_and_faults_for_ever() {
    let reader = Reader::start(options()).await.unwrap();
    reader.fail(Fault::NoReply, Some(2));
    reader.fail(Fault::EmptyObject, None);
    assert_eq!(exchange(reader.address(), STATUS_10, "").await, "");
    assert_eq!(exchange(reader.address(), STATUS_10, "").await, "");
    for _ in 0..3 {
        assert_eq!(body(&reader, STATUS_10).await, "{}");
    }
    reader.recover();
    assert!(body(&reader, STATUS_10).await.contains("StatusSNS"));
    let address = reader.address();
    reader.stop().await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "a stopped reader refuses"
    );
}

#[tokio::test]
async fn a_dead_head_repeats_its_values_under_fresh_times() {
    let clock = Clock::standing_at(AT);
    let reader = Reader::start(ReaderOptions {
        clock: clock.clone(),
        ..options()
    })
    .await
    .unwrap();
    reader.fail(Fault::DeadHead, Some(2));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = json_of(&reader, STATUS_10).await;
        seen.push((
            answer["StatusSNS"]["Time"].clone(),
            answer["StatusSNS"]["MT631"].clone(),
        ));
        clock.advance(3_600_000);
    }
    assert_ne!(seen[0].0, seen[1].0);
    assert_eq!(seen[0].1, seen[1].1);
    assert_ne!(seen[1].1, seen[2].1, "the head lives again");
}

/// Only the lower bounds are looked at: a busy machine may add any time.
#[tokio::test]
async fn a_slow_answer_takes_its_time() {
    let latency = Duration::from_millis(30)..=Duration::from_millis(40);
    let reader = Reader::start(ReaderOptions { latency, ..options() })
        .await
        .unwrap();
    let begin = std::time::Instant::now();
    assert!(body(&reader, STATUS_10).await.contains("StatusSNS"));
    assert!(begin.elapsed() >= Duration::from_millis(30));
    reader.fail(Fault::Slow(Duration::from_millis(200)), Some(1));
    let begin = std::time::Instant::now();
    assert!(body(&reader, STATUS_10).await.contains("StatusSNS"));
    assert!(begin.elapsed() >= Duration::from_millis(230));
}

#[tokio::test]
async fn one_client_at_a_time() {
    let slow = Duration::from_secs(3_600);
    let reader = Reader::start(ReaderOptions {
        one_at_a_time: true,
        ..options()
    })
    .await
    .unwrap();
    reader.fail(Fault::Slow(slow), Some(1));
    let address = reader.address();
    let first = tokio::spawn(async move { exchange(address, STATUS_10, "").await });
    while reader.at_once() < 1 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn(async move { exchange(address, STATUS_10, "").await });
    while reader.at_once() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    // The first client gives up, which lets the second in.
    first.abort();
    assert!(second.await.unwrap().contains("StatusSNS"));
    assert_eq!((reader.calls(), reader.most_at_once()), (2, 2));
}

#[tokio::test]
async fn connections_are_kept_unless_told_otherwise() {
    for (connection_close, answers) in [(false, 2), (true, 1)] {
        let reader = Reader::start(ReaderOptions {
            connection_close,
            ..options()
        })
        .await
        .unwrap();
        let mut stream = TcpStream::connect(reader.address()).await.unwrap();
        let (ask, end) = (
            "GET /cm?cmnd=Status%2010 HTTP/1.1\r\nHost: r\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n",
        );
        stream.write_all(format!("{ask}{end}").as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        let all = String::from_utf8(all).unwrap();
        assert_eq!(all.matches("HTTP/1.1 200 OK").count(), answers, "{all}");
        assert!(all.contains("connection: close"), "{all}");
    }
}

#[tokio::test]
async fn a_farm_answers_for_each_reader() {
    let farm = ReaderFarm::start(FarmOptions {
        readers: 1_000,
        reader: options(),
    })
    .await
    .unwrap();
    let ask =
        async |path: &str| split(&exchange(farm.address(), &format!("{path}?cmnd=Status%2010"), "").await);
    for number in [0, 7, 999] {
        assert_eq!(
            ask(&format!("/r/{number}/cm")).await.2,
            farm.answer_at(number, "Status 10", AT).unwrap()
        );
    }
    assert_eq!(ask("/cm").await.2, farm.answer_at(0, "Status 10", AT).unwrap());
    assert_ne!(
        farm.answer_at(7, "Status 10", AT),
        farm.answer_at(8, "Status 10", AT)
    );
    for (wrong, status) in [
        ("/r/1000/cm", 404),
        ("/r/x/cm", 404),
        ("/r/-1/cm", 404),
        ("/r/7/other", 404),
        ("/r/7", 200),
    ] {
        assert_eq!(ask(wrong).await.0, status, "{wrong}");
    }
    farm.fail(7, Fault::EmptyObject, Some(1));
    assert_eq!(ask("/r/7/cm").await.2, "{}");
    assert_eq!(farm.calls(), 7);
    assert_eq!(farm.calls_each()[7], 4);
    assert_eq!(farm.most_at_once(), 1);
    assert!(farm.url(7).ends_with("/r/7"));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let reader = Reader::start(options()).await.unwrap();
    let again = Reader::start(ReaderOptions {
        bind: reader.address(),
        ..options()
    })
    .await;
    let text = again.err().unwrap().to_string();
    assert!(text.contains(&reader.address().to_string()), "{text}");
}
