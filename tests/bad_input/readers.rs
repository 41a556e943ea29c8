//! Readers that answer badly, beside a healthy neighbour; then they answer well.

use crate::raw::{Raw, Reply, http, message, ok};
use crate::rig::{MINUTE, NEIGHBOUR, Rig, report};

struct Case {
    name: &'static str,
    reply: Reply,
    /// More lines of the source's definition.
    more: &'static str,
    /// What a person is told.
    told: &'static [&'static str],
}

fn case(name: &'static str, reply: Reply, told: &'static [&'static str]) -> Case {
    Case {
        name,
        reply,
        more: "",
        told,
    }
}

fn cases() -> Vec<Case> {
    let warning = r#"{"WARNING":"Need user=<username>&password=<password>"}"#;
    let german = r#"{"WARNING":"Benötige user=<username>&password=<password>"}"#;
    let json = "Content-Type: application/json";
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"StatusSNS\":{\"Time\":".to_vec();
    let mut all = vec![
        case(
            "locked",
            http("401 Unauthorized", &[json], warning),
            &[
                "refused the login (Need user=",
                "set `password` in sources.toml to the reader's WebPassword",
            ],
        ),
        case(
            "locked-as-of-old",
            ok(german),
            &[
                "refused the login (Benötige user=",
                "set `password` in sources.toml to the reader's WebPassword",
            ],
        ),
        case(
            "forbidden",
            http("403 Forbidden", &[], ""),
            &["refused the login (status 403)", "set `password` in sources.toml"],
        ),
        case(
            "empty",
            ok(""),
            &[
                "no answer (an empty reply)",
                "its HTTP API is off for this caller: set `referer`",
                "SetOption128 1",
            ],
        ),
        case(
            "hangs-up",
            Reply::HangUp,
            &[
                "no answer (",
                "set `referer` to http:// and the reader's own address or host name",
                "SetOption128 1",
            ],
        ),
        case("reset", Reply::Reset, &["no answer (", "SetOption128 1"]),
        case(
            "web-page",
            ok("<!DOCTYPE html><html><head>"),
            &["a web page; is WebServer 1 (user mode) set? `WebServer 2` lets commands through"],
        ),
        case(
            "set-up-mode",
            http("302 Found", &["Location: http://192.168.4.1/"], ""),
            &[
                "a redirect to http://192.168.4.1/",
                "set-up mode (captive portal): is it on your Wi-Fi?",
            ],
        ),
        case(
            "no-cm",
            http("404 Not Found", &[], "File Not Found"),
            &["there is no /cm here (404, File Not Found); is `url` the reader's address"],
        ),
        case(
            "teapot",
            http("418 I'm a teapot", &[], "tea"),
            &["status 418, tea"],
        ),
        case(
            "busy",
            http("503 Service Unavailable", &[], "busy"),
            &["answered 503: busy"],
        ),
        case(
            "too-often",
            http("429 Too Many Requests", &["Retry-After: 60"], "slow down"),
            &["answered 429: slow down"],
        ),
        case(
            "unknown-command",
            ok(r#"{"Command":"Unknown"}"#),
            &["the command is not known there (Unknown); is it a Tasmota reader with energy sensors?"],
        ),
        case(
            "broken-json",
            ok(r#"{"Ufs":{"a":1},"CPM":null,"CPS":100}}}"#),
            &[
                "gave an answer that cannot be used: broken JSON: ",
                r#"in {"Ufs""#,
            ],
        ),
        case("no-status", ok("{}"), &["there is no StatusSNS in {}"]),
        case(
            "status-is-a-number",
            ok(r#"{"StatusSNS":7}"#),
            &["StatusSNS is not an object"],
        ),
        case(
            "no-sensor",
            ok(r#"{"StatusSNS":{"Time":"2022-11-20T12:28:45"}}"#),
            &[
                "no sensor in the reply, only the time; is the meter's script loaded and enabled on the reader?",
            ],
        ),
        case("cut-short", Reply::Bytes(cut), &["no answer ("]),
        case(
            "no-http",
            Reply::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            &["no answer (", "invalid HTTP"],
        ),
        case(
            "too-long",
            ok(&"x".repeat(300_000)),
            &["more than 256 KB; that is no reader"],
        ),
        case(
            "silent",
            Reply::Silence,
            &[
                "no answer (timed out",
                "the reader is slow or out of Wi-Fi reach; a missed poll now and then is normal",
            ],
        ),
        case(
            "off",
            Reply::Refused,
            &[
                "no answer (no connection",
                "is it switched on, and reachable from this network?",
            ],
        ),
        case(
            "strange-labels",
            ok(r#"{"StatusSNS":{"Epoch":1,"X":{"foo":1,"bar":2}}}"#),
            &[
                "no label of the reply is recognised; name the channels in `channels` of the source",
                "unknown labels: ",
                "/X/foo",
            ],
        ),
    ];
    all.push(Case {
        more: "password = \"${READER_PASSWORD}\"\n",
        ..case(
            "wrong-password",
            http("401 Unauthorized", &[json], warning),
            &["`password` in sources.toml is not the reader's WebPassword"],
        )
    });
    all
}

fn good(path: &str, now: i64) -> Vec<u8> {
    assert!(path.starts_with("/cm?cmnd=Status%2010"), "{path}");
    let epoch = now / 1000;
    let body =
        format!(r#"{{"StatusSNS":{{"Epoch":{epoch},"SML":{{"Total_in":12345.678,"Power_curr":1250}}}}}}"#);
    message("200 OK", &["Content-Type: application/json"], &body)
}

#[tokio::test]
async fn a_bad_reader_is_told_and_loses_nothing_once_it_is_good() {
    let cases = cases();
    let mut servers: Vec<Raw> = cases.iter().map(|case| Raw::start(&case.reply)).collect();
    let definitions: Vec<String> = cases
        .iter()
        .zip(&servers)
        .map(|(case, server)| {
            let (name, port, more) = (case.name, server.port, case.more);
            format!("[[source]]\nid = \"{name}\"\nkind = \"tasmota\"\nurl = \"127.0.0.1:{port}\"\nzone = \"UTC\"\ntimeout = \"3s\"\n{more}\n")
        })
        .collect();
    let rig = Rig::new(|_| format!("{}{NEIGHBOUR}", definitions.concat())).await;
    let round = rig.round().await;
    assert_eq!(round.reports.len(), cases.len() + 1);
    assert_eq!(rig.rows("neighbour").len(), 1, "the healthy neighbour");
    for case in &cases {
        let line = report(&round, case.name).line();
        for told in case.told {
            assert!(line.contains(told), "{}: {told:?} is not in\n{line}", case.name);
        }
        assert!(!line.contains("wrong-password\""), "{line}");
        assert!(rig.rows(case.name).is_empty(), "{}", case.name);
    }

    rig.advance(2 * MINUTE);
    for server in &mut servers {
        server.set(Reply::Good(good, rig.now()));
    }
    let round = rig.round().await;
    let stamp = meterbridge::clock::iso(rig.now() / 1000 * 1000);
    for case in &cases {
        let report = report(&round, case.name);
        assert!(report.is_good(), "{}: {}", case.name, report.line());
        let rows = rig.rows(case.name);
        assert_eq!(rows.keys().collect::<Vec<_>>(), [&stamp], "{}", case.name);
        let (count, channels) = &rows[&stamp];
        assert_eq!(
            (*count, &channels["1-0:1.8.0*255"]),
            (1, &serde_json::json!(12345.678)),
            "{}: {channels}",
            case.name
        );
    }
    // A minute of its own for each round, whatever the others did.
    assert_eq!(rig.rows("neighbour").len(), 3, "{:?}", rig.rows("neighbour"));
    rig.assert_one_body_per_id();
}
