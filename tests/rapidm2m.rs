//! The rapidM2M source against a backend that is a bare socket: every byte of the question is looked at, and answers come
//! in any pieces.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use meterbridge::clock::{Clock, Millis, iso};
use meterbridge::config::RapidM2mConfig;
use meterbridge::http;
use meterbridge::reading::{Channel, Rows};
use meterbridge::secret::Secret;
use meterbridge::source::rapidm2m::RapidM2m;
use meterbridge::source::rapidm2m::decode::{Decoder, Limits};
use meterbridge::source::rapidm2m::stamp;
use meterbridge::source::{Error, Mapped, Source, Window};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// 2017-01-26T15:00:00.000Z, the present in these tests.
const NOW: Millis = 1_485_442_800_000;

/// 2017-01-26T13:30:00.000Z, the stamp of the old connector's sample.
const SAMPLE: Millis = 1_485_437_400_000;

/// user:secret
const BASIC: &str = "dXNlcjpzZWNyZXQ=";

// === The questions ===

/// One GET with Basic login, each part of the path encoded by itself; the stored address has no login.
#[tokio::test]
async fn s1_02_site_time_series_with_basic_auth() {
    let mut backend = Backend::start(|_| ok(r#"[["20170126133",51000,"NAN"]]"#)).await;
    let mut config = backend.config(&["ch0", "ch3"]);
    config.url.set_username("other").unwrap();
    config.url.set_password(Some("hunter2")).unwrap();
    let source = source(config);
    let answer = source.read(since(SAMPLE)).await.unwrap();

    let asked = backend.asked().await;
    assert_eq!(
        asked.path,
        "/api/1/customers/th.drones%40gmail.com/sites/Energy%20meter%201/histdata0"
    );
    assert_eq!(asked.line.split(' ').next(), Some("GET"));
    assert!(asked.line.ends_with(" HTTP/1.1"), "{}", asked.line);
    assert_eq!(asked.header("authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    assert_eq!(asked.header("user-agent"), Some(http::USER_AGENT));
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert_eq!(asked.header("host"), Some(backend.host.as_str()));
    assert_eq!(asked.header("content-length"), None);

    let target = asked.line.split(' ').nth(1).unwrap();
    assert_eq!(answer.request.method, "GET");
    assert_eq!(answer.request.url, format!("http://{}{target}", backend.host));
    assert_eq!((answer.status, answer.bytes), (200, 29));
    let shown = format!("{source:?} {answer:?}");
    for secret in ["hunter2", BASIC, "other"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A backend on its own machine wants no login.
#[tokio::test]
async fn without_a_login_no_header_is_sent() {
    let mut backend = Backend::start(|_| ok("[]")).await;
    let mut config = backend.config(&["ch0"]);
    config.basic = None;
    config.url.set_path("/api/1");
    config.histdata = 9;
    source(config).read(Window::Youngest).await.unwrap();
    let asked = backend.asked().await;
    assert_eq!(asked.header("authorization"), None);
    assert!(
        asked
            .path
            .ends_with("/api/1/customers/th.drones%40gmail.com/sites/Energy%20meter%201/histdata9/youngest")
    );
}

#[tokio::test]
async fn s1_03_youngest_first() {
    let mut backend = Backend::start(|_| ok(r#"[["20170126133",51000,7,8]]"#)).await;
    let source = source(backend.config(&["ch0", "ch3", "ch1"]));

    let answer = source.read(Window::Youngest).await.unwrap();
    let asked = backend.asked().await;
    assert!(asked.path.ends_with("/histdata0/youngest"), "{}", asked.path);
    assert_eq!(asked.json(), r#"{"select":["ch0","ch3","ch1"]}"#);
    let newest = *answer.rows.stamps().last().unwrap();
    assert_eq!(newest, SAMPLE);

    source.read(since(newest)).await.unwrap();
    let asked = backend.asked().await;
    assert!(asked.path.ends_with("/histdata0"), "{}", asked.path);
    assert_eq!(
        asked.json(),
        r#"{"select":["ch0","ch3","ch1"],"from":"20170126133000000","until":"*"}"#
    );
}

/// Up to the present is `*`, and rows from the future are kept; a window of the past has both its ends.
#[tokio::test]
async fn s1_04_until_star() {
    let rows = r#"[["2017012613",1],["20170126133",2],["2017012615",3],["2017012616",4]]"#;
    let mut backend = Backend::start(move |_| ok(rows)).await;
    let source = source(backend.config(&["ch0"]));

    let answer = source.read(since(SAMPLE)).await.unwrap();
    let asked = backend.asked().await;
    assert_eq!(
        asked.json(),
        r#"{"select":["ch0"],"from":"20170126133000000","until":"*"}"#
    );
    assert_eq!(values(&answer.rows), ["2", "3", "4"]);
    assert_eq!(
        answer.remarks,
        [
            "1 row outside the window left out",
            "1 row stamped in the future, the last 2017-01-26T16:00:00.000Z: the device's clock is ahead",
        ]
    );

    let past = Window::Range {
        from: SAMPLE + 1,
        until: NOW,
        open: false,
    };
    let answer = source.read(past).await.unwrap();
    let asked = backend.asked().await;
    assert_eq!(
        asked.json(),
        r#"{"select":["ch0"],"from":"20170126133000001","until":"20170126150000000"}"#
    );
    assert_eq!(values(&answer.rows), ["3"]);
    assert_eq!(answer.remarks, ["3 rows outside the window left out"]);
}

#[tokio::test]
async fn s1_07_channel_selection() {
    let mut backend = Backend::start(|_| ok("[]")).await;
    for names in [
        &["ch0", "ch3", "ch1"][..],
        &["temperature"],
        &["xch2", "Füllstand \"1\"", "ch0calc1"],
    ] {
        source(backend.config(names))
            .read(Window::Youngest)
            .await
            .unwrap();
        let asked: serde_json::Value = serde_json::from_str(&backend.asked().await.json()).unwrap();
        assert_eq!(asked, serde_json::json!({ "select": names }));
    }
}

// === The answers ===

/// Every recorded answer, in three framings and cut into single bytes: the expected rows, or the expected error.
#[tokio::test]
async fn recorded_answers() {
    for case in recorded() {
        for framing in [Framing::Length, Framing::Chunks, Framing::UntilClose] {
            let reply = case.reply(framing);
            let backend = Backend::start(move |_| reply.clone()).await;
            let result = source(backend.config(&["ch0", "ch3"]))
                .read(Window::Youngest)
                .await;
            case.check(result, framing);
        }
    }
}

#[tokio::test]
async fn s1_05_trailing_zero_stamps() {
    one("stamps cut at any place").await;
    one("stamps that are none").await;
}

#[tokio::test]
async fn s1_06_nan_and_null_left_out() {
    one("the old connector's own sample: a stamp without its zeros, the second channel missing").await;
    let body = r#"[["20170126133",null,"NAN",3],["20170126134","nan",2,null]]"#;
    let backend = Backend::start(move |_| ok(body)).await;
    let answer = source(backend.config(&["ch0", "ch3", "ch1"]))
        .read(Window::Youngest)
        .await
        .unwrap();
    let rows = &answer.rows;
    assert_eq!((rows.len(), rows.readings()), (2, 2));
    assert_eq!(
        [rows.value(0, 0), rows.value(0, 1), rows.value(0, 2)],
        [None, None, Some("3")]
    );
    assert_eq!(
        [rows.value(1, 0), rows.value(1, 1), rows.value(1, 2)],
        [None, Some("2"), None]
    );
    assert_eq!(answer.remarks, ["4 values missing (null or NAN)"]);
}

/// An empty poll is a good answer, and nobody is asked for titles for its sake.
#[tokio::test]
async fn s1_18_empty_poll_has_no_rows() {
    for body in ["[]", "", " [ ]\r\n"] {
        let mut backend = Backend::start(move |_| ok(body)).await;
        let mut config = backend.config(&["ch0"]);
        config.channels[0].channel.title = None;
        let answer = source(config).read(since(SAMPLE)).await.unwrap();
        assert!(answer.rows.is_empty());
        assert_eq!((answer.status, answer.remarks), (200, vec![]));
        backend.asked().await;
        assert!(backend.asked.is_empty());
    }
}

/// A body without any byte, where a server fell over, must not pass for a day without rows: nobody would ask for that day again.
#[tokio::test]
async fn an_empty_body_is_no_answer_for_a_window_that_is_over() {
    for (body, good) in [("[]", true), ("", false)] {
        let backend = Backend::start(move |_| ok(body)).await;
        let window = Window::Range {
            from: SAMPLE,
            until: SAMPLE + 1,
            open: false,
        };
        let answer = source(backend.config(&["ch0"])).read(window).await;
        assert_eq!(answer.is_ok(), good, "{body:?}");
        assert!(answer.err().is_none_or(|error| error.is_transient()));
    }
}

#[tokio::test]
async fn s1_19_unknown_site_404_named() {
    one("an unknown site").await;
    let backend =
        Backend::start(|_| vec![b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()]).await;
    let error = source(backend.config(&["ch0"]))
        .read(Window::Youngest)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.status(), error.is_transient()),
        ("unknown", Some(404), false)
    );
    let text = error.to_string();
    assert!(
        text.contains(r#"site "Energy meter 1" of customer "th.drones@gmail.com""#),
        "{text}"
    );
}

/// Values are scaled in decimal arithmetic, and then not called by the backend's unit.
#[tokio::test]
async fn scaled_channels() {
    let blueprint = r#"{"histdata0":{"ch0":{"title":"Energy","units":"Wh"}}}"#;
    let backend = Backend::start(move |asked| {
        ok(if asked.path.ends_with("/blueprint") {
            blueprint
        } else {
            r#"[["20170126133",51007]]"#
        })
    })
    .await;
    let mut config = backend.config(&["ch0"]);
    config.channels[0].scale = Some("0.001".parse().unwrap());
    config.channels[0].channel = Channel::named("ch0");
    let answer = source(config).read(Window::Youngest).await.unwrap();
    assert_eq!(values(&answer.rows), ["51.007"]);
    assert_eq!(answer.rows.channels()[0].title.as_deref(), Some("Energy"));
    assert_eq!(answer.rows.channels()[0].unit, None);
}

/// The blueprint is asked for once; when it cannot be had, that is one remark, and the rows are as good.
#[tokio::test]
async fn titles_are_asked_for_once() {
    for (status, body, title, remarks) in [
        (
            "200 OK",
            r#"{"histdata0":{"ch0":{"title":"Vin","units":"mV"}}}"#,
            Some("Vin"),
            0,
        ),
        ("200 OK", r#"{"histdata1":{}}"#, None, 0),
        ("500 Broken", r#"{"err":"E_INTERNAL"}"#, None, 1),
        ("200 OK", "<html>", None, 1),
    ] {
        let mut backend = Backend::start(move |asked| match asked.path.ends_with("/blueprint") {
            true => vec![
                format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .into(),
            ],
            false => ok(r#"[["20170126133",51000]]"#),
        })
        .await;
        let mut config = backend.config(&["ch0"]);
        config.channels[0].channel = Channel::named("ch0");
        let source = source(config);
        for expected in [remarks, 0] {
            let answer = source.read(Window::Youngest).await.unwrap();
            assert_eq!(answer.remarks.len(), expected, "{:?}", answer.remarks);
            assert_eq!(answer.rows.channels()[0].title.as_deref(), title);
            assert_eq!(values(&answer.rows), ["51000"]);
        }
        assert!(backend.asked().await.path.ends_with("/youngest"));
        let asked = backend.asked().await;
        assert!(
            asked.path.ends_with("/sites/Energy%20meter%201/blueprint"),
            "{}",
            asked.path
        );
        assert_eq!(asked.header("authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
        assert!(backend.asked().await.path.ends_with("/youngest"));
        assert!(backend.asked.is_empty());
    }
}

// === Bad networks ===

#[tokio::test]
async fn no_backend_there() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut config = config(&format!("127.0.0.1:{port}"), &["ch0"]);
    config.url.set_password(Some("hunter2")).unwrap();
    let error = source(config).read(Window::Youngest).await.unwrap_err();
    let text = error.to_string();
    assert_eq!((error.kind(), error.is_transient()), ("unreachable", true));
    assert!(
        text.contains(&format!(
            "http://127.0.0.1:{port}/api/1/: no answer (no connection"
        )),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

/// The body announces more than comes: no row of it counts.
#[tokio::test]
async fn a_body_cut_short_is_no_answer() {
    let backend = Backend::start(|_| {
        vec![b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n[[\"20170126133\",51000]]".to_vec()]
    })
    .await;
    let error = source(backend.config(&["ch0"]))
        .read(Window::Youngest)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.is_transient()),
        ("unreachable", true),
        "{error}"
    );
}

/// A backend that falls silent, before its answer or inside it, is left after the timeout.
#[tokio::test]
async fn a_silent_backend_is_left() {
    for pieces in [
        vec![],
        vec![&b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n[[\"2017"[..]],
    ] {
        let pieces: Vec<Vec<u8>> = pieces.into_iter().map(<[u8]>::to_vec).collect();
        let backend = Backend::start_with(move |_| (pieces.clone(), After::Hold)).await;
        let mut config = backend.config(&["ch0"]);
        config.timeout = Duration::from_millis(50);
        let error = source(config).read(Window::Youngest).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), ("unreachable", true));
        assert!(error.to_string().contains("timed out after 50ms"), "{error}");
    }
}

/// The timeout is for each piece: a long answer may take longer than that as a whole.
#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\n\r\n[[\"20170126133\",5".to_vec()];
    pieces.extend([&b"1"[..], b"000", b"],[", b"\"2017012614\"", b",7]]"].map(<[u8]>::to_vec));
    let backend = Backend::start_with(move |_| (pieces.clone(), After::CloseSlowly)).await;
    let mut config = backend.config(&["ch0"]);
    config.timeout = Duration::from_secs(1);
    let begin = Instant::now();
    let answer = source(config.clone()).read(Window::Youngest).await.unwrap();
    assert!(begin.elapsed() > config.timeout);
    assert_eq!(values(&answer.rows), ["51000", "7"]);
}

/// An endless answer is left at the first row too many.
#[tokio::test]
async fn too_many_rows_drop_the_connection() {
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\n\r\n[[\"20170126133\",0]".to_vec()];
    pieces.push(br#",["2017012614",1]"#.repeat(1000));
    let mut backend = Backend::start_with(move |_| (pieces.clone(), After::RepeatLast)).await;
    let mut config = backend.config(&["ch0"]);
    config.max_rows = 10_000;
    let error = source(config).read(since(0)).await.unwrap_err();
    assert_eq!(
        error,
        Error::TooManyRows {
            what: format!("http://{}/api/1/", backend.host),
            limit: 10_000
        }
    );
    // The server could not write for ever.
    backend.dropped.recv().await.unwrap();
}

/// An error's body is not read to its end, however long it is.
#[tokio::test]
async fn errors_without_end_are_cut() {
    let pieces = vec![b"HTTP/1.1 500 Broken\r\n\r\n".to_vec(), vec![b'x'; 4096]];
    let mut backend = Backend::start_with(move |_| (pieces.clone(), After::RepeatLast)).await;
    let error = source(backend.config(&["ch0"])).read(since(0)).await.unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert!(error.to_string().len() < 400, "{error}");
    backend.dropped.recv().await.unwrap();
}

// === What people see ===

#[tokio::test]
async fn inspection_tells_login_site_channels_and_age() {
    let backend = Backend::start(|asked| {
        ok(match asked.path.rsplit('/').next().unwrap() {
            "me" => r#"{"customer_id":"th.drones@gmail.com"}"#,
            "Energy%20meter%201" => {
                r#"{"_uid":"0011223344556677","site_id":"Energy meter 1","name":"House","device":{"device_id":"D1"}}"#
            }
            "blueprint" => {
                r#"{"histdata0":{"ch0":{"title":"Vin","units":"mV"},"ch1":{"title":"T","alias":"temp"},"ch2":{}}}"#
            }
            "youngest" => r#"[["20170126133",1,2,3]]"#,
            other => panic!("{other}"),
        })
    })
    .await;
    let mut config = backend.config(&["ch0", "temp", "ch9"]);
    for mapped in &mut config.channels {
        mapped.channel.title = None;
        mapped.channel.unit = None;
    }
    let findings = source(config).inspect().await;
    let shown: Vec<(bool, &str)> = findings.iter().map(|f| (f.good, f.text.as_str())).collect();
    assert_eq!(
        shown,
        [
            (
                true,
                format!("http://{}/api/1/ accepts the login", backend.host).as_str()
            ),
            (
                true,
                "site \"Energy meter 1\" of customer \"th.drones@gmail.com\" is known, name House, uid 0011223344556677, device D1"
            ),
            (true, "ch0: Vin, mV"),
            (true, "temp: T, no unit"),
            (false, "ch9 is not in histdata0; see `channels`"),
            (true, "histdata0 also has ch2"),
            (
                true,
                "the newest row is of 2017-01-26T13:30:00.000Z, 1 h 30 min old"
            ),
        ]
    );
}

#[tokio::test]
async fn inspection_stops_at_a_refused_login() {
    let mut backend =
        Backend::start(|_| vec![b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".to_vec()]).await;
    let mut config = backend.config(&["ch0"]);
    config.basic = Some(Secret::new("user:secret"));
    let findings = source(config).inspect().await;
    let [form, login] = &findings[..] else {
        panic!("{findings:?}")
    };
    assert!(
        !form.good && form.text.contains("not the base64 of user:password"),
        "{form:?}"
    );
    assert!(
        !login.good && login.text.contains("refused the login"),
        "{login:?}"
    );
    assert_eq!(backend.asked().await.path, "/api/1/me");
    assert!(backend.asked.is_empty());
}

#[tokio::test]
async fn all_sites_of_a_customer() {
    let mut backend =
        Backend::start(|_| ok(r#"[{"site_id":"Energy meter 1","name":"a"},{"_uid":"8899AABBCCDDEEFF"}]"#))
            .await;
    let sites = source(backend.config(&["ch0"])).sites().await.unwrap();
    let ids: Vec<&str> = sites.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["Energy meter 1", "8899AABBCCDDEEFF"]);
    assert_eq!(
        backend.asked().await.path,
        "/api/1/customers/th.drones%40gmail.com/sites"
    );
}

/// Measures, and asserts only that all rows came. In release: `cargo test --release --test rapidm2m decode_speed -- --nocapture`.
#[test]
fn decode_speed() {
    const ROWS: Millis = 200_000;
    let row = |i| {
        format!(
            "[\"{}\",{}]",
            stamp::encode(SAMPLE + i * 60_000).trim_end_matches('0'),
            51_000 + i
        )
    };
    let body = format!("[{}]", (0..ROWS).map(row).collect::<Vec<_>>().join(","));
    let limits = Limits {
        from: Millis::MIN,
        until: Millis::MAX,
        max_rows: usize::MAX,
    };
    let begin = Instant::now();
    let mut decoder = Decoder::new(&mapped(&["ch0"]), limits);
    for piece in body.as_bytes().chunks(16 * 1024) {
        decoder.feed(piece).unwrap();
    }
    let decoded = decoder.finish().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(decoded.rows.readings(), ROWS as usize);
    let (millions, megabytes) = (ROWS as f64 / 1e6, body.len() as f64 / 1e6);
    println!(
        "decoded {:.2} million rows/s, {:.0} MB/s",
        millions / seconds,
        megabytes / seconds
    );
}

// === The source under test ===

fn source(config: RapidM2mConfig) -> RapidM2m {
    RapidM2m::new(config, http::client(&[]).unwrap(), Clock::from_fn(|| NOW))
}

fn config(host: &str, names: &[&str]) -> RapidM2mConfig {
    RapidM2mConfig {
        url: format!("http://{host}/api/1/").parse().unwrap(),
        basic: Some(Secret::new(BASIC)),
        customer: "th.drones@gmail.com".into(),
        site: "Energy meter 1".into(),
        histdata: 0,
        channels: mapped(names),
        timeout: Duration::from_secs(30),
        max_rows: 100_000,
    }
}

/// Channels of which all is known, so that no blueprint is asked for.
fn mapped(names: &[&str]) -> Vec<Mapped> {
    let channel = |name: &&str| Mapped {
        channel: Channel {
            title: Some("title".into()),
            unit: Some("unit".into()),
            ..Channel::named(*name)
        },
        scale: None,
    };
    names.iter().map(channel).collect()
}

fn since(from: Millis) -> Window {
    Window::Range {
        from,
        until: NOW,
        open: true,
    }
}

/// The values of the first channel.
fn values(rows: &Rows) -> Vec<&str> {
    (0..rows.len())
        .map(|row| rows.value(row, 0).unwrap_or("-"))
        .collect()
}

// === Recorded answers ===

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    name: String,
    status: u16,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    body: String,
    rows: Option<Vec<Row>>,
    #[serde(default)]
    remarks: Vec<String>,
    #[serde(default)]
    unknown: Vec<String>,
    error: Option<Expected>,
}

/// Stamp and two values.
type Row = (String, Option<String>, Option<String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    kind: String,
    transient: bool,
    retry_after: Option<u64>,
    says: Vec<String>,
}

/// How a body tells where it ends.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunks,
    UntilClose,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("data/rapidm2m/answers.json")).unwrap()
}

/// One recorded answer, by name, as a whole.
async fn one(name: &str) {
    let case = recorded().into_iter().find(|case| case.name == name).unwrap();
    let reply = vec![case.reply(Framing::Length).concat()];
    let backend = Backend::start(move |_| reply.clone()).await;
    let result = source(backend.config(&["ch0", "ch3"]))
        .read(Window::Youngest)
        .await;
    case.check(result, Framing::Length);
}

impl Recorded {
    fn reply(&self, framing: Framing) -> Vec<Vec<u8>> {
        let mut head = format!("HTTP/1.1 {} Recorded\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = self.body.as_bytes();
        match framing {
            Framing::Length => head.push_str(&format!("content-length: {}\r\n", body.len())),
            Framing::Chunks => head.push_str("transfer-encoding: chunked\r\n"),
            Framing::UntilClose => head.push_str("connection: close\r\n"),
        }
        head.push_str("\r\n");
        let mut pieces = vec![head.into_bytes()];
        for &byte in body {
            pieces.push(match framing {
                Framing::Chunks => vec![b'1', b'\r', b'\n', byte, b'\r', b'\n'],
                _ => vec![byte],
            });
        }
        if let Framing::Chunks = framing {
            pieces.push(b"0\r\n\r\n".to_vec());
        }
        pieces
    }

    fn check(&self, result: Result<meterbridge::source::Answer, Error>, framing: Framing) {
        let name = format!("{} ({framing:?})", self.name);
        match (result, &self.rows, &self.error) {
            (Ok(answer), Some(expected), None) => {
                let text = |row, channel| answer.rows.value(row, channel).map(str::to_owned);
                let rows: Vec<_> = (0..answer.rows.len())
                    .map(|row| (iso(answer.rows.stamps()[row]), text(row, 0), text(row, 1)))
                    .collect();
                assert_eq!(&rows, expected, "{name}");
                assert_eq!(answer.remarks, self.remarks, "{name}");
                assert_eq!(answer.unknown, self.unknown, "{name}");
                assert_eq!(answer.bytes, self.body.len() as u64, "{name}");
                assert_eq!(answer.status, self.status, "{name}");
            }
            (Err(error), None, Some(expected)) => {
                let text = error.to_string();
                assert_eq!(error.kind(), expected.kind, "{name}: {text}");
                assert_eq!(error.is_transient(), expected.transient, "{name}: {text}");
                assert_eq!(
                    error.retry_after().map(|d| d.as_secs()),
                    expected.retry_after,
                    "{name}"
                );
                for part in &expected.says {
                    assert!(text.contains(part), "{name}: {part:?} is not in {text:?}");
                }
                assert!(
                    text.contains("http://127.0.0.1:") && !text.contains(BASIC),
                    "{name}: {text}"
                );
            }
            (result, ..) => panic!("{name}: {result:?}"),
        }
    }
}

// === The backend: a socket ===

/// Takes connections, one question each.
struct Backend {
    host: String,
    /// The questions, in order.
    asked: UnboundedReceiver<Asked>,
    /// One entry for each answer that the other side did not read to its end.
    dropped: UnboundedReceiver<()>,
}

/// A question as it came over the wire.
struct Asked {
    line: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
}

/// What the backend does after its last piece.
#[derive(Clone, Copy)]
enum After {
    Close,
    /// The same, with 300 ms between the pieces.
    CloseSlowly,
    /// Neither writes nor closes.
    Hold,
    /// Writes the last piece again, until the other side is gone.
    RepeatLast,
}

impl Backend {
    async fn start(answer: impl Fn(&Asked) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::start_with(move |asked| (answer(asked), After::Close)).await
    }

    async fn start_with(answer: impl Fn(&Asked) -> (Vec<Vec<u8>>, After) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (tell_asked, asked) = unbounded_channel();
        let (tell_dropped, dropped) = unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let Some(question) = Asked::read(&mut stream).await else {
                    continue;
                };
                let (pieces, after) = answer(&question);
                let _ = tell_asked.send(question);
                if write(&mut stream, &pieces, after).await.is_err() {
                    let _ = tell_dropped.send(());
                }
            }
        });
        Self { host, asked, dropped }
    }

    fn config(&self, names: &[&str]) -> RapidM2mConfig {
        config(&self.host, names)
    }

    async fn asked(&mut self) -> Asked {
        self.asked.recv().await.unwrap()
    }
}

impl Asked {
    async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next()?.to_owned();
        let target = line.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        };
        Some(Self {
            path: path.to_owned(),
            query: query.to_owned(),
            headers: lines.filter_map(header).collect(),
            line,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        Some(value)
    }

    /// The one query parameter, decoded.
    fn json(&self) -> String {
        let encoded = self.query.strip_prefix("json=").expect(&self.query);
        assert!(
            !encoded.contains(['&', '=', '"', ' ', '{', '+', ',']),
            "{encoded}"
        );
        wire::percent::decode(encoded).unwrap().into_owned()
    }
}

/// Answers on its own connection; the client opens another for its next question.
fn ok(body: &str) -> Vec<Vec<u8>> {
    let length = body.len();
    vec![
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
            .into_bytes(),
    ]
}

async fn write(stream: &mut TcpStream, pieces: &[Vec<u8>], after: After) -> std::io::Result<()> {
    for piece in pieces {
        stream.write_all(piece).await?;
        stream.flush().await?;
        if let After::CloseSlowly = after {
            tokio::time::sleep(Duration::from_millis(300)).await;
        } else {
            // The reader on this thread sees each piece by itself.
            tokio::task::yield_now().await;
        }
    }
    match after {
        After::Close | After::CloseSlowly => stream.shutdown().await,
        After::Hold => std::future::pending().await,
        After::RepeatLast => loop {
            stream.write_all(pieces.last().unwrap()).await?;
        },
    }
}
