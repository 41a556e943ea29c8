//! The rapidM2M backend over real sockets, byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use emulator::rapidm2m::{
    Backend, BackendOptions, Cell, Channel, Clock, Correction, CustomerOptions, Entry, Fault, Generator,
    Late, Order, Place, Position, RefusalBody, Row, Scope, SeriesOptions, SiteOptions, stamp,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CUSTOMER: &str = "th.drones@gmail.com";
const SITE: &str = "Energy meter 1";
const UID: &str = "00a1b2c3d4e5f607";
const HIST: &str = "/api/1/customers/th.drones%40gmail.com/sites/Energy%20meter%201/histdata0";
/// demo@example.com:demo
const LOGIN: &str = "Authorization: Basic ZGVtb0BleGFtcGxlLmNvbTpkZW1v\r\n";
/// 2017-01-26T13:30:00Z, the sample of seed projects.
const SAMPLE: i64 = 1_485_437_400_000;
const PLACE: Place<'_> = Place {
    customer: CUSTOMER,
    site: SITE,
    series: 0,
};

fn row(stamp_ms: i64, cells: &[&'static str]) -> Row {
    Row {
        stamp_ms,
        cells: cells.iter().map(|cell| Cell::json(*cell)).collect(),
        visible_ms: 0,
    }
}

/// A site with written rows: the usual, missing in both forms, decimals, short, long.
fn written() -> BackendOptions {
    let mut channels = Channel::numbered(4);
    channels[3].alias = Some("Temperature".to_owned());
    channels.push(Channel {
        name: "calc0".to_owned(),
        ..channels[1].clone()
    });
    let series = SeriesOptions {
        channels,
        generator: None,
        rows: vec![
            row(SAMPLE, &["51000", "2", "\"NAN\"", "4", "5"]),
            row(SAMPLE + 1, &["51001", "12.50", "null", "-0.5", "5"]),
            row(SAMPLE + 900_000, &["51002"]),
            row(SAMPLE + 1_800_000, &["51003", "2", "3", "4", "5", "99"]),
        ],
    };
    let site = SiteOptions {
        id: SITE.to_owned(),
        name: "Meter".to_owned(),
        uid: Some(UID.to_owned()),
        series: BTreeMap::from([(0, series), (7, SeriesOptions::default())]),
        position: Some(Position {
            latitude: Cell::json("47.0707"),
            longitude: Cell::json("15.4395"),
            fourth: Some(3.into()),
        }),
    };
    let customers = vec![
        CustomerOptions {
            id: CUSTOMER.to_owned(),
            sites: vec![site],
        },
        CustomerOptions {
            id: "other".to_owned(),
            sites: vec![SiteOptions {
                id: "x".to_owned(),
                ..SiteOptions::default()
            }],
        },
    ];
    BackendOptions {
        customers,
        clock: Clock::standing_at(SAMPLE + 86_400_000),
        ..BackendOptions::default()
    }
}

fn generated(generator: Generator, channels: usize, clock: &Clock) -> BackendOptions {
    let site = SiteOptions::generated(SITE, Channel::numbered(channels), generator);
    let customers = vec![CustomerOptions {
        id: CUSTOMER.to_owned(),
        sites: vec![site],
    }];
    BackendOptions {
        customers,
        clock: clock.clone(),
        ..BackendOptions::default()
    }
}

async fn exchange(address: SocketAddr, target: &str, headers: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that was reset has no answer either.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// The head and the body of an answer, with its chunks put together.
fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no HTTP: {answer:?}"));
    let head = String::from_utf8(answer[..end + 2].to_vec()).unwrap();
    let mut rest = &answer[end + 4..];
    if !head.contains("transfer-encoding: chunked\r\n") {
        return (head, rest.to_vec());
    }
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        body.extend_from_slice(&rest[..length]);
        assert_eq!(&rest[length..length + 2], b"\r\n");
        rest = &rest[length + 2..];
        if length == 0 {
            assert!(rest.is_empty());
            return (head, body);
        }
    }
}

/// The status and the body, logged in.
async fn ask(backend: &Backend, target: &str) -> (u16, String) {
    let (head, body) = split(&exchange(backend.address(), target, LOGIN).await);
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        String::from_utf8(body).unwrap(),
    )
}

fn target(path: &str, json: &str) -> String {
    let json: String = url::form_urlencoded::byte_serialize(json.as_bytes()).collect();
    format!("{path}?json={json}")
}

async fn rows(backend: &Backend, json: &str) -> Vec<Value> {
    let (status, body) = ask(backend, &target(HIST, json)).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn rows_of_a_window_to_the_letter() {
    let backend = Backend::start(written()).await.unwrap();
    let check = async |json: &str, expected: &str| {
        assert_eq!(
            ask(&backend, &target(HIST, json)).await,
            (200, expected.to_owned()),
            "{json}"
        );
    };
    let first = r#"["20170126133",51000,"NAN"]"#;
    let second = r#"["20170126133000001",51001,null]"#;
    let short = r#"["201701261345",51002]"#;
    let long = r#"["2017012614",51003,3,99]"#;
    // In order of `select`; all of a series without bounds.
    check(
        r#"{"select":["ch0","ch2"]}"#,
        &format!("[{first},{second},{short},{long}]"),
    )
    .await;
    check(
        r#"{"select":["Temperature","ch1","ch0"],"until":"20170126133000001"}"#,
        r#"[["20170126133",4,2,51000],["20170126133000001",-0.5,12.50,51001]]"#,
    )
    .await;
    check(
        r#"{"select":["calc0"],"until":"20170126133"}"#,
        r#"[["20170126133",5]]"#,
    )
    .await;
    // A short row ends where its first missing channel would be.
    check(
        r#"{"select":["ch1","ch0"],"from":"201701261345","until":"201701261345"}"#,
        r#"[["201701261345"]]"#,
    )
    .await;
    // `from` and `until` are inclusive, of any length, and ISO text is taken by its digits.
    check(
        r#"{"select":["ch0","ch2"],"from":"20170126133000001","until":"*"}"#,
        &format!("[{second},{short},{long}]"),
    )
    .await;
    check(
        r#"{"select":["ch0","ch2"],"from":"20170126","until":"20170126133"}"#,
        &format!("[{first}]"),
    )
    .await;
    check(
        r#"{"select":["ch0","ch2"],"from":"2017-01-26T13:30:00.1000000","until":"*"}"#,
        &format!("[{short},{long}]"),
    )
    .await;
    check(
        r#"{"select":["ch0","ch2"],"from":20170126134,"until":"2017-01-26T13:45:00Z"}"#,
        &format!("[{short}]"),
    )
    .await;
    check(r#"{"select":["ch0","ch2"],"from":"*"}"#, &format!("[{long}]")).await;
    // Nothing there.
    check(r#"{"select":["ch0"],"from":"20170127"}"#, "[]").await;
    check(r#"{"select":["ch0"],"from":"20180101","until":"20170101"}"#, "[]").await;
    // Without `select`, stamps alone.
    check(
        r#"{"from":"20170126134","until":"20170126135"}"#,
        r#"[["201701261345"]]"#,
    )
    .await;
    assert_eq!(
        ask(&backend, &HIST.replace("data0", "data7")).await,
        (200, "[]".to_owned())
    );
}

#[tokio::test]
async fn the_youngest_row() {
    let backend = Backend::start(written()).await.unwrap();
    let youngest = format!("{HIST}/youngest");
    assert_eq!(
        ask(&backend, &target(&youngest, r#"{"select":["ch0","ch3"]}"#))
            .await
            .1,
        r#"[["2017012614",51003,4,99]]"#
    );
    assert_eq!(ask(&backend, &youngest).await.1, r#"[["2017012614",99]]"#);
    assert_eq!(
        ask(
            &backend,
            &target(&youngest.replace("data0", "data7"), r#"{"select":[]}"#)
        )
        .await
        .1,
        "[]"
    );
    let clock = Clock::standing_at(SAMPLE + 1_000);
    let generator = Generator {
        start_ms: SAMPLE,
        interval_ms: 300,
        ..Generator::default()
    };
    let backend = Backend::start(generated(generator, 1, &clock)).await.unwrap();
    assert_eq!(ask(&backend, &youngest).await.1, r#"[["201701261330009"]]"#);
}

#[tokio::test]
async fn from_can_be_exclusive() {
    let backend = Backend::start(BackendOptions {
        from_inclusive: false,
        ..written()
    })
    .await
    .unwrap();
    let stamps = rows(&backend, r#"{"from":"20170126133","until":"201701261345"}"#).await;
    assert_eq!(stamps, [json!(["20170126133000001"]), json!(["201701261345"])]);
}

#[tokio::test]
async fn full_stamps_and_a_cap_on_rows() {
    let backend = Backend::start(BackendOptions {
        strip_stamps: false,
        max_rows: Some(2),
        ..written()
    })
    .await
    .unwrap();
    assert_eq!(
        ask(&backend, &target(HIST, r#"{"select":[],"until":"20170126134"}"#))
            .await
            .1,
        r#"[["20170126133000000"],["20170126133000001"]]"#
    );
    assert_eq!(rows(&backend, "{}").await.len(), 2);
}

#[tokio::test]
async fn every_resource() {
    let backend = Backend::start(written()).await.unwrap();
    let check = async |path: &str, pointer: &str, expected: Value| {
        let (status, body) = ask(&backend, &format!("/api/1/{path}")).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, body.pointer(pointer)),
            (200, Some(&expected)),
            "{path}: {body}"
        );
    };
    let site = "customers/th.drones%40gmail.com/sites/Energy%20meter%201";
    check("me", "/user_id", json!("demo@example.com")).await;
    check("customers", "/0/customer_id", json!(CUSTOMER)).await;
    check("customers/other", "/customer_id", json!("other")).await;
    check("sites", "/1/site_id", json!("x")).await;
    check("customers/th.drones@gmail.com/sites", "/0/site_id", json!(SITE)).await;
    check(
        "customers/other/sites",
        "",
        json!([
            serde_json::from_str::<Value>(&ask(&backend, "/api/1/customers/other/sites/x").await.1).unwrap()
        ]),
    )
    .await;
    check(site, "/_uid", json!(UID)).await;
    check(site, "/customer_id", json!(CUSTOMER)).await;
    check(site, "/device/stamp", json!("2017012614")).await;
    check(site, "/device/pos/lat", json!(47.0707)).await;
    check(&site.replace("Energy%20meter%201", UID), "/site_id", json!(SITE)).await;
    check(
        &format!("{site}/blueprint"),
        "/histdata0/ch0",
        json!({ "title": "Energy", "units": "Wh" }),
    )
    .await;
    check(
        &format!("{site}/blueprint"),
        "/histdata0/ch3/alias",
        json!("Temperature"),
    )
    .await;
    check(&format!("{site}/blueprint"), "/histdata0/calc0/units", json!("V")).await;
    check(
        &format!("{site}/pos/youngest"),
        "",
        json!([["20170127133", 47.0707, 15.4395, 3]]),
    )
    .await;
    check("customers/other/sites/x/pos/youngest", "", json!([])).await;
    // A doubled slash is forgiven.
    assert_eq!(ask(&backend, "/api//1/customers//other/").await.0, 200);
}

#[tokio::test]
async fn every_refusal() {
    let backend = Backend::start(written()).await.unwrap();
    let check = async |target: &str, login: &str, status: u16, start: &str| {
        let (head, body) = split(&exchange(backend.address(), target, login).await);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{target}: {head}"
        );
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        assert_eq!(head.contains("www-authenticate: Basic "), status == 401, "{head}");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(
            body["err"].as_str().unwrap().starts_with(start),
            "{target}: {body}"
        );
    };
    check("/api/1/me", "", 401, "E_AUTH").await;
    check("/api/1/me", "Authorization: Basic !!!\r\n", 401, "E_AUTH").await;
    check(
        "/api/1/me",
        "Authorization: Basic ZGVtb0BleGFtcGxlLmNvbTpkZW1vMg==\r\n",
        401,
        "E_AUTH",
    )
    .await;
    check(
        "/api/1/me",
        "Authorization: Bearer ZGVtb0BleGFtcGxlLmNvbTpkZW1v\r\n",
        401,
        "E_AUTH",
    )
    .await;
    check("/other", "", 401, "E_AUTH").await;
    check("/other", LOGIN, 404, "E_NOT_FOUND").await;
    check("/api/1/nothing", LOGIN, 404, "E_NOT_FOUND resource").await;
    check(
        "/api/1/customers/nobody/sites",
        LOGIN,
        404,
        "E_NOT_FOUND customer nobody",
    )
    .await;
    check(
        "/api/1/customers/other/sites/Energy%20meter%201",
        LOGIN,
        404,
        "E_NOT_FOUND site Energy meter 1",
    )
    .await;
    check(
        &HIST.replace("data0", "data5"),
        LOGIN,
        404,
        "E_NOT_FOUND resource histdata5",
    )
    .await;
    check(
        &HIST.replace("data0", "data07"),
        LOGIN,
        404,
        "E_NOT_FOUND resource",
    )
    .await;
    check(
        &HIST.replace("data0", "data%2B7"),
        LOGIN,
        404,
        "E_NOT_FOUND resource",
    )
    .await;
    check(&format!("{HIST}/oldest"), LOGIN, 404, "E_NOT_FOUND resource").await;
    check(
        &target(HIST, r#"{"select":["ch9"]}"#),
        LOGIN,
        404,
        "E_NOT_FOUND channel ch9",
    )
    .await;
    check(&target(HIST, "{"), LOGIN, 400, "E_JSON").await;
    check(&target(HIST, "[]"), LOGIN, 400, "E_JSON").await;
    check(&target(HIST, r#"{"select":"ch0"}"#), LOGIN, 400, "E_SELECT").await;
    check(
        &target(HIST, r#"{"from":"20170230"}"#),
        LOGIN,
        400,
        "E_STAMP from",
    )
    .await;

    let mut stream = TcpStream::connect(backend.address()).await.unwrap();
    stream.write_all(format!("PUT /api/1/me HTTP/1.1\r\nHost: b\r\nConnection: close\r\n{LOGIN}Content-Length: 2\r\n\r\n{{}}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");

    let open = Backend::start(BackendOptions {
        user: String::new(),
        password: "".into(),
        ..written()
    })
    .await
    .unwrap();
    assert!(
        exchange(open.address(), "/api/1/me", "")
            .await
            .starts_with(b"HTTP/1.1 200 OK\r\n")
    );
}

#[tokio::test]
async fn every_fault_and_then_health() {
    let backend = Backend::start(written()).await.unwrap();
    let path = target(HIST, r#"{"select":["ch0"]}"#);
    let healthy = ask(&backend, &path).await.1;
    for status in [400, 401, 403, 404, 429, 500, 503] {
        backend.fail(Scope::Everything, Fault::status(status), Some(1));
        assert_eq!(
            ask(&backend, &path).await,
            (status, format!(r#"{{"err":"E_{status} planned fault"}}"#))
        );
    }
    for (body, text) in [
        (RefusalBody::Plain, "The backend is not available\n"),
        (RefusalBody::Empty, ""),
    ] {
        backend.fail(
            Scope::Everything,
            Fault::Refuse {
                status: 503,
                body,
                retry_after: Some(7),
            },
            Some(1),
        );
        let (head, body) = split(&exchange(backend.address(), &path, LOGIN).await);
        assert!(head.contains("retry-after: 7\r\n"), "{head}");
        assert_eq!(body, text.as_bytes());
    }
    for (fault, expected) in [
        (Fault::Healthy, healthy.as_str()),
        (Fault::EmptyBody, ""),
        (Fault::EmptyArray, "[]"),
        (Fault::NotJson, "<html><body>Maintenance</body></html>"),
        (Fault::Truncated, &healthy[..healthy.len() / 2]),
    ] {
        backend.fail(Scope::Everything, fault.clone(), Some(1));
        assert_eq!(
            ask(&backend, &path).await,
            (200, expected.to_owned()),
            "{fault:?}"
        );
    }
    backend.fail(Scope::Everything, Fault::Values("\"NAN\""), Some(1));
    let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(&ask(&backend, &path).await.1).unwrap();
    let right: Vec<Vec<serde_json::Value>> = serde_json::from_str(&healthy).unwrap();
    assert_eq!(rows.len(), right.len());
    for (row, right) in rows.iter().zip(&right) {
        assert_eq!(row[0], right[0]);
        assert!(row[1..].iter().all(|value| value == "NAN"));
    }

    backend.fail(Scope::Everything, Fault::NoReply, Some(1));
    assert!(exchange(backend.address(), &path, LOGIN).await.is_empty());

    let begin = std::time::Instant::now();
    let pause = Duration::from_millis(150);
    for (fault, least) in [(Fault::Slow(pause), pause), (Fault::SlowBody(pause), 2 * pause)] {
        backend.fail(Scope::Everything, fault, Some(1));
        assert_eq!(ask(&backend, &path).await.1, healthy);
        assert!(begin.elapsed() >= least);
    }

    backend.fail(Scope::Everything, Fault::EmptyBody, None);
    backend.recover();
    assert_eq!(ask(&backend, &path).await.1, healthy);
}

#[tokio::test]
async fn a_fault_of_one_site_leaves_the_others_alone() {
    let backend = Backend::start(written()).await.unwrap();
    backend.fail(Scope::Site(CUSTOMER, SITE), Fault::status(500), Some(1));
    backend.fail(Scope::Site(CUSTOMER, "nowhere"), Fault::status(500), None);
    assert_eq!(ask(&backend, "/api/1/customers/other/sites/x").await.0, 200);
    assert_eq!(ask(&backend, "/api/1/sites").await.0, 200);
    assert_eq!(ask(&backend, HIST).await.0, 500);
    assert_eq!(ask(&backend, HIST).await.0, 200);
}

#[tokio::test]
async fn rows_come_late_and_are_corrected() {
    let options = written();
    let clock = options.clock.clone();
    let backend = Backend::start(options).await.unwrap();
    let now = clock.now_ms();
    let at = |offset| Row {
        visible_ms: now + offset,
        ..row(SAMPLE + 60_000, &["1"])
    };
    let visible = async || {
        rows(
            &backend,
            r#"{"select":["ch0"],"from":"201701261331","until":"201701261331"}"#,
        )
        .await
    };

    backend.push_row(PLACE, at(1_000)).unwrap();
    backend
        .push_row(
            PLACE,
            Row {
                cells: vec![2.into()],
                ..at(5_000)
            },
        )
        .unwrap();
    assert!(visible().await.is_empty());
    assert_eq!(backend.ledger(PLACE).unwrap().len(), 4);
    clock.advance(1_000);
    assert_eq!(visible().await, [json!(["201701261331", 1])]);
    clock.advance(4_000);
    assert_eq!(visible().await, [json!(["201701261331", 2])]);
    backend.push(PLACE, SAMPLE + 60_000, vec![3.into()]).unwrap();
    assert_eq!(visible().await, [json!(["201701261331", 3])]);

    let versions: Vec<_> = backend
        .ledger(PLACE)
        .unwrap()
        .into_iter()
        .filter(|row| row.stamp_ms == SAMPLE + 60_000)
        .map(|row| row.cells)
        .collect();
    assert_eq!(versions, [vec![1.into()], vec![2.into()], vec![Cell::from(3)]]);

    let nowhere = backend
        .push(Place { series: 3, ..PLACE }, 0, Vec::new())
        .unwrap_err();
    assert!(nowhere.to_string().contains("histdata3"), "{nowhere}");
    let of_uid = Place { site: UID, ..PLACE };
    assert_eq!(backend.ledger(of_uid).unwrap().len(), 7);
}

#[tokio::test]
async fn a_logger_uploads_once_a_day_with_late_and_corrected_rows() {
    const DAY: i64 = 86_400_000;
    let midnight = 1_767_225_600_000; // 2026-01-01
    let clock = Clock::standing_at(midnight + DAY - 1);
    let generator = Generator {
        start_ms: midnight + 900_000,
        upload_ms: DAY,
        late: Some(Late {
            every: 32,
            by_ms: 3_600_000,
        }),
        correction: Some(Correction {
            every: 96,
            after_ms: 7_200_000,
        }),
        ..Generator::default()
    };
    let backend = Backend::start(generated(generator, 2, &clock)).await.unwrap();
    let day = async || {
        rows(
            &backend,
            r#"{"select":["ch0","ch1"],"from":"20260101","until":"20260102"}"#,
        )
        .await
    };
    assert_eq!(day().await.len(), 0, "one millisecond before the upload");
    clock.advance(1);
    let at_once = day().await;
    assert_eq!(at_once.len(), 96 - 3);
    assert_eq!(
        ask(&backend, &format!("{HIST}/youngest")).await.1,
        r#"[["202601012345"]]"#
    );
    clock.advance(3_600_000);
    let with_late = day().await;
    assert_eq!(with_late.len(), 96);
    clock.advance(3_600_000);
    let corrected = day().await;
    let changed: Vec<_> = (0..96).filter(|&row| corrected[row] != with_late[row]).collect();
    assert_eq!(changed, [0]);
    assert_eq!(
        corrected[0][1].as_i64().unwrap(),
        with_late[0][1].as_i64().unwrap() + 1
    );

    // The ledger knows both versions, and agrees with what was answered.
    let ledger = backend.ledger(PLACE).unwrap();
    assert_eq!(ledger.len(), 97);
    let latest: BTreeMap<i64, Vec<Cell>> = ledger
        .iter()
        .map(|row| (row.stamp_ms, row.cells.clone()))
        .collect();
    for (answered, (stamp_ms, cells)) in corrected.iter().zip(latest) {
        assert_eq!(answered[0], stamp::encode(stamp_ms));
        assert_eq!(answered[1].to_string(), cells[0].as_json());
    }
    let all: Vec<Entry> = backend.whole_ledger();
    assert_eq!(
        (
            all.len(),
            all[0].customer.as_str(),
            all[0].site.as_str(),
            all[0].series
        ),
        (97, CUSTOMER, SITE, 0)
    );

    // A pushed row lies over a generated one, and the ledger keeps what was visible before.
    backend
        .push(PLACE, midnight + 900_000, vec![7.into(), 8.into()])
        .unwrap();
    assert_eq!(day().await[0], json!(["202601010015", 7, 8]));
    assert_eq!(day().await.len(), 96);
    assert_eq!(backend.ledger(PLACE).unwrap().len(), 98);
}

#[tokio::test]
async fn orders_of_rows() {
    let of = async |order| {
        let backend = Backend::start(BackendOptions {
            order,
            ..generated(Generator::default(), 1, &Clock::standing_at(1_767_312_000_000))
        });
        rows(&backend.await.unwrap(), r#"{"select":["ch0"]}"#).await
    };
    let ascending = of(Order::Ascending).await;
    assert_eq!(ascending.len(), 97);
    let sorted = |mut rows: Vec<Value>| {
        rows.sort_by_key(|row| format!("{:0<17}", row[0].as_str().unwrap()));
        rows
    };
    assert_eq!(sorted(ascending.clone()), ascending);
    let descending = of(Order::Descending).await;
    assert!(descending.iter().rev().eq(&ascending));
    let shuffled = of(Order::Shuffled).await;
    assert!(shuffled != ascending && shuffled != descending);
    assert_eq!(sorted(shuffled), ascending);
}

#[tokio::test]
async fn two_thousand_rows_and_a_million() {
    let clock = Clock::standing_at(SAMPLE + 2_000_000_000);
    let minutes = |rows: i64| Generator {
        start_ms: SAMPLE,
        interval_ms: 1_000,
        end_ms: Some(SAMPLE + rows * 1_000),
        ..Generator::default()
    };
    for (count, channels, chunked) in [(2_000, 1, false), (20_000, 3, true), (1_000_000, 1, true)] {
        let backend = Backend::start(generated(minutes(count), channels, &clock))
            .await
            .unwrap();
        backend.push(PLACE, SAMPLE + 500, vec![1.into()]).unwrap();
        let path = target(HIST, r#"{"select":["ch0"],"from":"20170126133","until":"*"}"#);
        let (head, body) = split(&exchange(backend.address(), &path, LOGIN).await);
        assert_eq!(head.contains("transfer-encoding: chunked"), chunked, "{head}");
        let rows: Vec<(String, i64)> = serde_json::from_slice(&body).unwrap();
        assert_eq!(rows.len() as i64, count + 1);
        assert_eq!(rows[1], ("201701261330005".to_owned(), 1));
        let stamps: Vec<i64> = rows
            .iter()
            .map(|(text, _)| stamp::decode(text).unwrap())
            .collect();
        assert!(stamps.is_sorted());
        assert_eq!(stamps[rows.len() - 1], SAMPLE + (count - 1) * 1_000);
        assert!(rows[2..].is_sorted_by_key(|(_, counter)| *counter));
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_long_answer_harms_nobody() {
    let clock = Clock::standing_at(SAMPLE + 2_000_000_000);
    let generator = Generator {
        start_ms: SAMPLE,
        interval_ms: 1,
        ..Generator::default()
    };
    let backend = Backend::start(generated(generator, 1, &clock)).await.unwrap();
    let mut stream = TcpStream::connect(backend.address()).await.unwrap();
    let path = target(HIST, r#"{"select":["ch0"]}"#);
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: b\r\n{LOGIN}\r\n").as_bytes())
        .await
        .unwrap();
    let mut some = vec![0; 200_000];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    assert_eq!(ask(&backend, "/api/1/me").await.0, 200);
}

#[tokio::test]
async fn requests_are_written_down_without_credentials() {
    let backend = Backend::start(written()).await.unwrap();
    let path = target(HIST, r#"{"select":["ch0"],"from":"20170126133","until":"*"}"#);
    let headers = format!("{LOGIN}User-Agent: meterbridge\r\nCookie: a=b\r\n");
    exchange(backend.address(), &path, &headers).await;
    exchange(backend.address(), "/api/1/me", "").await;
    let [first, second] = &backend.latest()[..] else {
        panic!("two requests")
    };
    assert_eq!(first.parts, ["customers", CUSTOMER, "sites", SITE, "histdata0"]);
    assert_eq!(
        first.query,
        Some(json!({ "select": ["ch0"], "from": "20170126133", "until": "*" }))
    );
    assert_eq!(
        (
            first.method.as_str(),
            &first.target,
            first.authorized,
            first.status
        ),
        ("GET", &path, true, Some(200))
    );
    assert!(
        first
            .headers
            .contains(&("user-agent".to_owned(), "meterbridge".to_owned()))
    );
    assert!(
        !first
            .headers
            .iter()
            .any(|(name, _)| name == "authorization" || name == "cookie"),
        "{first:?}"
    );
    assert_eq!((second.authorized, second.status), (false, Some(401)));
    assert_eq!((backend.requests(), backend.most_at_once()), (2, 1));
}

#[tokio::test]
async fn sites_can_be_added_while_it_runs() {
    let backend = Backend::start(written()).await.unwrap();
    backend.add_site(
        "new",
        SiteOptions::generated("s 1", Channel::numbered(1), Generator::default()),
    );
    assert_eq!(
        ask(&backend, "/api/1/customers/new/sites/s%201/histdata0/youngest")
            .await
            .0,
        200
    );
    assert!(backend.url().ends_with("/api/1/"));
    let address = backend.address();
    backend.stop().await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "a stopped backend refuses"
    );
}

/// The list of a customer's sites follows what is added and taken away, in the shape that the vendor's driver reads.
#[tokio::test]
async fn the_list_follows_the_sites() {
    let backend = Backend::start(written()).await.unwrap();
    let list = async || {
        let (status, body) = ask(&backend, "/api/1/customers/th.drones%40gmail.com/sites").await;
        let list: Value = serde_json::from_str(&body).unwrap();
        let ids = list.as_array().map(|sites| {
            let of = |site: &Value| {
                assert_eq!(site["_uid"].as_str().map(str::len), Some(16), "{site}");
                assert_eq!(site["customer_id"], CUSTOMER);
                site["site_id"].as_str().unwrap().to_owned()
            };
            sites.iter().map(of).collect::<Vec<_>>()
        });
        (status, ids.unwrap_or_default())
    };
    assert_eq!(list().await, (200, vec![SITE.to_owned()]));
    let new = SiteOptions::generated("Zähler/2", Channel::numbered(1), Generator::default());
    backend.add_site(CUSTOMER, new);
    assert_eq!(list().await.1, [SITE, "Zähler/2"]);
    assert!(backend.remove_site(CUSTOMER, SITE));
    assert!(!backend.remove_site(CUSTOMER, SITE) && !backend.remove_site("nobody", "Zähler/2"));
    assert_eq!(list().await.1, ["Zähler/2"]);
    assert_eq!(ask(&backend, &format!("{HIST}/youngest")).await.0, 404);
}

/// A fault of lists hits these alone.
#[tokio::test]
async fn a_fault_of_lists_leaves_the_series_alone() {
    let backend = Backend::start(written()).await.unwrap();
    backend.fail(Scope::Lists, Fault::status(500), None);
    for list in ["/api/1/customers/th.drones%40gmail.com/sites", "/api/1/sites"] {
        assert_eq!(ask(&backend, list).await.0, 500, "{list}");
    }
    assert_eq!(ask(&backend, &format!("{HIST}/youngest")).await.0, 200);
    assert_eq!(ask(&backend, "/api/1/customers").await.0, 200);
    backend.recover();
    assert_eq!(ask(&backend, "/api/1/sites").await.0, 200);
}
