//! A reader at byte level: recorded answers in, readings or a telling error out.
//!
//! `tests/data/tasmota` holds the answers: `*.json` are bodies, `*.http` whole answers, `expected.json` says what each gives.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use meterbridge::clock::{Clock, iso};
use meterbridge::config::TasmotaConfig;
use meterbridge::http;
use meterbridge::reading::Channel;
use meterbridge::secret::Secret;
use meterbridge::source::tasmota::Tasmota;
use meterbridge::source::{Answer, Error, Mapped, Source, Window};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// One line of `expected.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    received: String,
    #[serde(default)]
    stamp: Option<String>,
    #[serde(default)]
    readings: BTreeMap<String, String>,
    #[serde(default)]
    unknown: Vec<String>,
    #[serde(default)]
    remarks: Vec<String>,
    #[serde(default)]
    error: Option<Refusal>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    status7: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default = "yes")]
    recognise: bool,
    #[serde(default)]
    channels: Vec<Entry>,
}

#[derive(Deserialize)]
struct Refusal {
    kind: String,
    transient: bool,
    contains: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    obis: Option<String>,
    unit: Option<String>,
    scale: Option<String>,
}

fn yes() -> bool {
    true
}

/// What the reader does with one connection.
enum Play {
    /// Writes these bytes and hangs up.
    Bytes(Vec<u8>),
    /// Says nothing until the caller goes away.
    Silence,
    /// Answers 200 with this body and hangs up.
    Body(&'static str),
}

/// A reader on loopback: answers one connection after the other, then hangs up on every further one.
struct Reader {
    url: String,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Reader {
    async fn start(plays: Vec<Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut plays = plays.into_iter();
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.ends_with(b"\r\n\r\n") {
                    match socket.read(&mut buffer).await {
                        Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                        _ => break,
                    }
                }
                let _ = seen.send(String::from_utf8_lossy(&request).into_owned());
                let answer = match plays.next() {
                    Some(Play::Bytes(bytes)) => bytes,
                    Some(Play::Body(body)) => ok(body.as_bytes()),
                    Some(Play::Silence) => {
                        while socket.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
                        continue;
                    }
                    None => continue,
                };
                let _ = socket.write_all(&answer).await;
                let _ = socket.shutdown().await;
            }
        });
        Self { url, requests }
    }

    /// The requests so far.
    fn requests(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

const MT631: &str =
    r#"{"StatusSNS":{"Time":"2026-07-21T18:59:19+02:00","MT631":{"E_in":9798.031,"Power":-789}}}"#;
const NOW: &str = "2026-07-21T16:59:20.250Z";

fn ok(body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// The bytes of a recorded answer.
fn recorded(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/tasmota")
        .join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if file.ends_with(".json") {
        ok(&bytes)
    } else {
        bytes
    }
}

fn ms(rfc3339: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(rfc3339)
        .unwrap()
        .timestamp_millis()
}

fn config(url: &str) -> TasmotaConfig {
    TasmotaConfig {
        url: url.parse().unwrap(),
        user: "admin".into(),
        password: None,
        referer: None,
        channels: Vec::new(),
        recognise: true,
        timeout: Duration::from_secs(10),
        stale_after: 0,
    }
}

fn source(config: TasmotaConfig, zone: &str, now: &str) -> Tasmota {
    let now = ms(now);
    Tasmota::new(
        config,
        zone.parse().unwrap(),
        http::client(&[]).unwrap(),
        Clock::from_fn(move || now),
    )
}

/// Sent name to value and unit.
fn readings(answer: &Answer) -> BTreeMap<String, String> {
    let channels = answer.rows.channels().iter().enumerate();
    channels
        .filter_map(|(i, channel)| {
            let value = answer.rows.value(0, i)?;
            let unit = channel.unit.as_deref().unwrap_or_default();
            Some((channel.sent_name().to_owned(), format!("{value} {unit}")))
        })
        .collect()
}

/// Every recorded answer gives what `expected.json` says, and every recorded answer is in it.
#[tokio::test]
async fn recorded_answers_give_the_expected_readings_or_errors() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/tasmota");
    let cases: Vec<Case> =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let used = cases
            .iter()
            .any(|case| case.file == name || case.status7.as_deref() == Some(&name));
        assert!(
            used || name == "expected.json" || name.starts_with('.'),
            "{name} is not used"
        );
    }
    for case in &cases {
        check(case).await;
    }
}

async fn check(case: &Case) {
    let mut plays = vec![Play::Bytes(recorded(&case.file))];
    plays.extend(case.status7.as_deref().map(|file| Play::Bytes(recorded(file))));
    let reader = Reader::start(plays).await;
    let mut config = config(&reader.url);
    config.password = case.password.as_deref().map(Secret::new);
    config.recognise = case.recognise;
    for entry in &case.channels {
        config.channels.push(Mapped {
            channel: Channel {
                obis: entry.obis.clone(),
                unit: entry.unit.clone(),
                ..Channel::named(&entry.path)
            },
            scale: entry.scale.as_deref().map(|scale| scale.parse().unwrap()),
        });
    }
    let zone = case.zone.as_deref().unwrap_or("Europe/Berlin");
    let result = source(config, zone, &case.received).read(Window::Youngest).await;
    let name = &case.file;
    match (&case.error, result) {
        (Some(expected), Err(error)) => {
            let text = error.to_string();
            assert_eq!(error.kind(), expected.kind, "{name}: {text}");
            assert_eq!(error.is_transient(), expected.transient, "{name}: {text}");
            for part in &expected.contains {
                assert!(text.contains(part), "{name}: {part:?} is not in {text:?}");
            }
            assert!(!text.contains("geheim"), "{name}: {text}");
        }
        (None, Ok(answer)) => {
            assert_eq!(readings(&answer), case.readings, "{name}");
            let stamps: Vec<String> = answer.rows.stamps().iter().map(|&at| iso(at)).collect();
            assert_eq!(stamps, Vec::from_iter(case.stamp.clone()), "{name}");
            assert_eq!(answer.unknown, case.unknown, "{name}");
            assert_eq!(
                answer.remarks.len(),
                case.remarks.len(),
                "{name}: {:?}",
                answer.remarks
            );
            for (found, part) in answer.remarks.iter().zip(&case.remarks) {
                assert!(found.contains(part), "{name}: {part:?} is not in {found:?}");
            }
            assert_eq!((answer.status, answer.bytes > 0), (200, true), "{name}");
        }
        (_, result) => panic!("{name}: {result:?}"),
    }
}

/// S0-1: each source asks the reader that its configuration names.
#[tokio::test]
async fn s0_01_reader_url_is_configuration() {
    let mut one = Reader::start(vec![Play::Body(MT631)]).await;
    let mut other = Reader::start(vec![Play::Body(MT631)]).await;
    let read = async |url: &str| {
        let answer = source(config(url), "UTC", NOW)
            .read(Window::Youngest)
            .await
            .unwrap();
        (answer.request.method, answer.request.url)
    };
    let (method, url) = read(&one.url).await;
    assert_eq!(
        (method.as_str(), url),
        ("GET", format!("{}/cm?cmnd=Status%2010", one.url))
    );
    // A path in front (a tunnel), and a slash behind.
    let behind = format!("{}/reader1/", other.url);
    assert_eq!(
        read(&behind).await.1,
        format!("{}/reader1/cm?cmnd=Status%2010", other.url)
    );
    let line = |requests: Vec<String>| requests[0].lines().next().unwrap().to_owned();
    assert_eq!(line(one.requests()), "GET /cm?cmnd=Status%2010 HTTP/1.1");
    assert_eq!(
        line(other.requests()),
        "GET /reader1/cm?cmnd=Status%2010 HTTP/1.1"
    );
}

/// S0-2: one question a period, also when the reader has to be asked for its offset once.
#[tokio::test]
async fn s0_02_one_get_per_period() {
    let local = r#"{"StatusSNS":{"Time":"2026-07-21T18:59:19","SML":{"P":1}}}"#;
    let times = r#"{"StatusTIM":{"UTC":"2026-07-21T16:59:19","Local":"2026-07-21T18:59:19"}}"#;
    let mut reader = Reader::start(vec![
        Play::Body(local),
        Play::Body(times),
        Play::Body(local),
        Play::Body(local),
        Play::Body(times),
        Play::Body(MT631),
    ])
    .await;
    let now = Arc::new(AtomicI64::new(ms(NOW)));
    let clock = Arc::clone(&now);
    let source = Tasmota::new(
        config(&reader.url),
        chrono_tz::UTC,
        http::client(&[]).unwrap(),
        Clock::from_fn(move || clock.load(Ordering::Relaxed)),
    );
    let mut asked = Vec::new();
    let mut tick = async |later: i64| {
        now.fetch_add(later, Ordering::Relaxed);
        source.read(Window::Youngest).await.unwrap();
        asked.push(
            reader
                .requests()
                .iter()
                .map(|r| r.contains("cmnd=Status%207 "))
                .collect::<Vec<_>>(),
        );
    };
    tick(0).await;
    tick(60_000).await;
    // After an hour, and when the clock seems to have changed, the offset is asked for again.
    tick(3_600_000).await;
    // A reply with an offset of its own needs no second question.
    tick(60_000).await;
    assert_eq!(
        asked,
        [vec![false, true], vec![false], vec![false, true], vec![false]]
    );
}

/// S0-3: the numbers of each sample reply are in the table of recorded answers; here the power alone, as the seed had it.
#[tokio::test]
async fn s0_03_power_extracted() {
    for (file, power) in [
        ("mt631.json", Some("-789")),
        ("phases.json", Some("-406.21")),
        ("total-kwh.json", Some("-71")),
        ("sensor.json", Some("1250")),
        ("mt631-locked.json", None),
        ("itron-no-power.json", None),
        ("plug.json", None),
    ] {
        let reader = Reader::start(vec![Play::Bytes(recorded(file))]).await;
        let answer = source(config(&reader.url), "UTC", NOW)
            .read(Window::Youngest)
            .await
            .unwrap();
        let column = answer
            .rows
            .channels()
            .iter()
            .position(|c| c.obis.as_deref() == Some("1-0:16.7.0*255"));
        assert_eq!(column.and_then(|i| answer.rows.value(0, i)), power, "{file}");
    }
}

/// Both logins at once, percent-encoded, and neither in what is stored, shown or said.
#[tokio::test]
async fn the_login_is_sent_both_ways_and_never_shown() {
    let mut reader = Reader::start(vec![Play::Body(MT631)]).await;
    let mut config = config(&reader.url.replace("http://", "http://eve:url-secret@"));
    config.password = Some(Secret::new("a b&c+ü%"));
    let source = source(config, "UTC", NOW);
    let answer = source.read(Window::Youngest).await.unwrap();
    let request = reader.requests().remove(0);
    assert!(
        request
            .starts_with("GET /cm?cmnd=Status%2010&user=admin&password=a%20b%26c%2B%C3%BC%25 HTTP/1.1\r\n"),
        "{request}"
    );
    // base64 of `admin:a b&c+ü%`.
    assert!(
        request.contains("authorization: Basic YWRtaW46YSBiJmMrw7wl\r\n"),
        "{request}"
    );
    assert!(!answer.request.url.contains("password") && !answer.request.url.contains("secret"));
    // The reader hangs up from now on.
    let error = source.read(Window::Youngest).await.unwrap_err().to_string();
    for secret in ["a b&c", "a%20b", "url-secret", "eve", "YWRt"] {
        assert!(!error.contains(secret), "{error}");
    }
}

/// Without a password, or with an empty one, no login is sent at all.
#[tokio::test]
async fn no_password_sends_no_login() {
    for password in [None, Some(Secret::new(""))] {
        let mut reader = Reader::start(vec![Play::Body(MT631)]).await;
        let mut config = config(&reader.url);
        config.password = password;
        source(config, "UTC", NOW).read(Window::Youngest).await.unwrap();
        let request = reader.requests().remove(0).to_lowercase();
        assert!(
            !request.contains("authorization") && !request.contains("user="),
            "{request}"
        );
        assert!(request.contains("connection: close\r\n"), "{request}");
    }
}

/// `Referer` is the reader's own address without the port, or what the configuration says.
#[tokio::test]
async fn the_referer_names_the_reader() {
    for (referer, expected) in [
        (None, "referer: http://127.0.0.1/\r\n"),
        (Some("http://tasmota-4711/"), "referer: http://tasmota-4711/\r\n"),
    ] {
        let mut reader = Reader::start(vec![Play::Body(MT631)]).await;
        let mut config = config(&reader.url);
        config.referer = referer.map(str::to_owned);
        source(config, "UTC", NOW).read(Window::Youngest).await.unwrap();
        let request = reader.requests().remove(0);
        assert!(request.contains(expected), "{request}");
    }
    let mut config = config("http://127.0.0.1:1");
    config.referer = Some("http://x/\r\nX: y".into());
    let error = source(config, "UTC", NOW)
        .read(Window::Youngest)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("check `url` and `referer`"), "{error}");
}

/// A silent reader fails within the timeout, a closed port at once; both may be asked again.
#[tokio::test]
async fn silence_and_closed_ports_are_unreachable() {
    let reader = Reader::start(vec![Play::Silence]).await;
    let mut silent = config(&reader.url);
    silent.timeout = Duration::from_millis(50);
    let error = source(silent, "UTC", NOW)
        .read(Window::Youngest)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable { detail, .. } if detail.starts_with("timed out")),
        "{error}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = source(config(&url), "UTC", NOW)
        .read(Window::Youngest)
        .await
        .unwrap_err();
    assert!(
        error.is_transient() && error.to_string().contains("switched on"),
        "{error}"
    );
}

/// What a busy reader asks for is handed on.
#[tokio::test]
async fn retry_after_is_handed_on() {
    let reader = Reader::start(vec![Play::Bytes(recorded("busy.http"))]).await;
    let error = source(config(&reader.url), "UTC", NOW)
        .read(Window::Youngest)
        .await
        .unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

/// A body without end is cut off at 256 KB, with and without a length given.
#[tokio::test]
async fn bodies_are_bounded() {
    let padding = " ".repeat(256 * 1024 - MT631.len());
    let fits = format!("{MT631}{padding}");
    for (body, good) in [(fits.clone(), true), (format!("{fits} "), false)] {
        for head in [
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()),
            "HTTP/1.0 200 OK\r\n\r\n".to_owned(),
        ] {
            let reader = Reader::start(vec![Play::Bytes(format!("{head}{body}").into_bytes())]).await;
            let result = source(config(&reader.url), "UTC", NOW)
                .read(Window::Youngest)
                .await;
            match result {
                Ok(answer) => assert!(good && answer.bytes == 256 * 1024),
                Err(error) => assert!(!good && error.to_string().contains("256 KB"), "{error}"),
            }
        }
    }
}

/// Two reads at once take turns: the second connection is made only after the first is answered.
#[tokio::test]
async fn one_call_at_a_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let source = Arc::new(source(config(&url), "UTC", NOW));
    let reads = [(); 2].map(|()| {
        let source = Arc::clone(&source);
        tokio::spawn(async move {
            source
                .read(Window::Youngest)
                .await
                .map(|answer| answer.rows.len())
        })
    });
    for _ in 0..2 {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert!(socket.read(&mut buffer).await.unwrap() > 0);
        // The other read has had every chance to connect while this one waits.
        let second = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(second.is_err(), "a second call while one is open");
        socket.write_all(&ok(MT631.as_bytes())).await.unwrap();
        socket.shutdown().await.unwrap();
    }
    for read in reads {
        assert_eq!(read.await.unwrap(), Ok(1));
    }
}

/// The past is not asked for; the present is, whatever the window's start.
#[tokio::test]
async fn a_reader_knows_only_the_present() {
    let mut reader = Reader::start(vec![Play::Body(MT631)]).await;
    let source = source(config(&reader.url), "UTC", NOW);
    assert!(!source.has_history());
    let past = Window::Range {
        from: 0,
        until: 1,
        open: false,
    };
    let answer = source.read(past).await.unwrap();
    assert!(answer.rows.is_empty() && reader.requests().is_empty());
    let present = Window::Range {
        from: 0,
        until: ms(NOW),
        open: true,
    };
    let answer = source.read(present).await.unwrap();
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(answer.device_time, Some(ms("2026-07-21T16:59:19Z")));
}

/// `check` tells login, firmware, each key and how the time was found; a failure is one line.
#[tokio::test]
async fn inspection_tells_each_key() {
    let body = r#"{"StatusSNS":{"Time":"2026-07-21T18:59:19+02:00","SML":{"Total_in":7.5,"1_7_0":3,"odd":1,"Meter_id":"0901"}}}"#;
    let reader = Reader::start(vec![
        Play::Body(body),
        Play::Body(r#"{"StatusFWR":{"Version":"14.3.0(bitShake)","BuildDateTime":"x"}}"#),
    ])
    .await;
    let source = source(config(&reader.url), "UTC", NOW);
    let found: Vec<String> = source
        .inspect()
        .await
        .into_iter()
        .map(|f| format!("{} {}", if f.good { "+" } else { "-" }, f.text))
        .collect();
    assert_eq!(
        found,
        [
            format!(
                "+ reachable: GET {}/cm?cmnd=Status%2010 gave {} bytes",
                reader.url,
                body.len()
            ),
            "+ no login asked for".into(),
            "+ firmware 14.3.0(bitShake)".into(),
            "+ time: 2026-07-21T16:59:19.000Z by an offset in its text".into(),
            "+ /SML/Total_in: 7.5 kWh, recognised as 1-0:1.8.0*255".into(),
            "+ /SML/1_7_0: 3 (unit not known), recognised as 1-0:1.7.0*255".into(),
            "+ /SML/Meter_id: the meter's number, not sent".into(),
            "- /SML/odd: not known and not sent; name it in `channels` to send it".into(),
        ]
    );
    let failed = source.inspect().await;
    assert_eq!(failed.len(), 1);
    assert!(
        !failed[0].good && failed[0].text.contains("SetOption128"),
        "{failed:?}"
    );
}
