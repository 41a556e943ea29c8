//! Backends that answer badly, beside a healthy neighbour; then they answer well, and every row arrives.

use crate::raw::{Raw, Reply, http, message, ok};
use crate::rig::{MINUTE, NEIGHBOUR, Rig, report};

struct Case {
    name: &'static str,
    reply: Reply,
    told: Vec<String>,
}

fn case(name: &'static str, reply: Reply, told: &[&str]) -> Case {
    Case {
        name,
        reply,
        told: told.iter().map(|&text| text.to_owned()).collect(),
    }
}

fn cases() -> Vec<Case> {
    let login = "check `user` and `password`, or `basic`, of the source, or the setting `Base64encodedUsernamePassword`";
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[[\"2026".to_vec();
    let long = format!("[[\"20260101\",{}1]]", "1,".repeat(40_000));
    vec![
        case(
            "e401",
            http("401 Unauthorized", &[], ""),
            &["refused the login (401: an empty body)", login],
        ),
        case(
            "e403",
            http("403 Forbidden", &[], r#"{"err":"no right"}"#),
            &[
                "refused the login (403: no right)",
                "the login may have no right to site \"e403\" of customer \"c\"",
                login,
            ],
        ),
        case(
            "e404",
            http("404 Not Found", &[], r#"{"err":"E_SITE"}"#),
            &[
                "does not know site \"e404\" of customer \"c\" with ch0 (404: E_SITE)",
                "check the source's `customer`, `site` and `channels`",
            ],
        ),
        case(
            "e400",
            http("400 Bad Request", &[], r#"{"err":"E_PARAM"}"#),
            &["status 400 for site \"e400\" of customer \"c\" with ch0: E_PARAM"],
        ),
        case(
            "e408",
            http("408 Request Timeout", &[], "late"),
            &["answered 408: late"],
        ),
        case(
            "e429",
            http(
                "429 Too Many Requests",
                &["Retry-After: 5"],
                r#"{"err":"E_RATE"}"#,
            ),
            &["answered 429: E_RATE"],
        ),
        case(
            "e500",
            http("500 Internal Server Error", &[], "<html>oops"),
            &["answered 500: <html>oops"],
        ),
        case(
            "e503",
            http(
                "503 Service Unavailable",
                &["Retry-After: Sun, 06 Nov 1994 08:49:47 GMT"],
                "",
            ),
            &["answered 503: an empty body"],
        ),
        case(
            "moved",
            http("301 Moved Permanently", &["Location: https://new.example/"], ""),
            &["status 301, a redirect; write the address it leads to as the source's `url`"],
        ),
        case(
            "web-page",
            ok("<html>Please log in"),
            &["an HTML page instead of rows (a login page or a proxy's): <html>Please log in"],
        ),
        case(
            "error-in-200",
            ok(r#"{"err":"E_BUSY"}"#),
            &["an object instead of rows: E_BUSY"],
        ),
        case("text", ok("no data"), &["no rows: no data"]),
        case("null", ok("null"), &["no rows: null"]),
        case("numbers", ok("[1,2]"), &["no rows: [1,2]"]),
        case(
            "breaks-off",
            ok(r#"[["20260101",1],["20260102"#),
            &["the body breaks off; whole rows before that: 1"],
        ),
        case(
            "cut-short",
            Reply::Bytes(cut),
            &["no answer (", "it is asked again"],
        ),
        case(
            "complains-inside",
            ok(r#"[["20260101",1],<b>Fatal error</b>"#),
            &["row 2, byte 16: the next row is expected; it begins with [[\"20260101\",1],<b>Fatal"],
        ),
        case("long-row", ok(&long), &["row 1 is longer than 65536 bytes"]),
        case(
            "silent",
            Reply::Silence,
            &[
                "timed out after 3s",
                "the backend is slow, or the window too long: see the source's `timeout` and `slice`",
            ],
        ),
        case("hangs-up", Reply::HangUp, &["no answer (", "it is asked again"]),
        case("reset", Reply::Reset, &["no answer (", "it is asked again"]),
        case(
            "refused",
            Reply::Refused,
            &[
                "no answer (no connection",
                "check the source's `url`, and that the backend can be reached from here",
            ],
        ),
        case(
            "no-http",
            Reply::Bytes(b"220 mail ESMTP\r\n".to_vec()),
            &["no answer (", "it is asked again"],
        ),
        case(
            "bad-stamp",
            ok(r#"[["20261399",1]]"#),
            &[
                "bad-stamp: empty",
                "1 row with an impossible stamp left out, first `20261399`",
            ],
        ),
        case(
            "no-stamp",
            ok(r#"[[null,1]]"#),
            &["1 row without a stamp left out"],
        ),
        case(
            "words",
            ok(r#"[["WHEN","abc"]]"#),
            &[
                "1 value not a number and left out, first `abc` in ch0",
                "1 row without any value left out",
            ],
        ),
        case(
            "missing",
            ok(r#"[["WHEN","NAN"]]"#),
            &["1 value missing (null or NAN)"],
        ),
        case(
            "other-time",
            ok(r#"[["2016022909",1]]"#),
            &["1 row outside the window left out"],
        ),
        case("nothing", ok(""), &["nothing: empty"]),
    ]
}

/// Three rows, a quarter of an hour apart, the first 45 minutes before `now`.
fn good(path: &str, now: i64) -> Vec<u8> {
    let body = if path.contains("/blueprint") {
        "{}".to_owned()
    } else {
        let rows: Vec<String> = expected(now)
            .iter()
            .zip([51_000, 51_007, 51_015])
            .map(|(at, value)| format!("[\"{}\",{value}]", stamp(*at)))
            .collect();
        format!("[{}]", rows.join(","))
    };
    message("200 OK", &["Content-Type: application/json"], &body)
}

fn expected(now: i64) -> [i64; 3] {
    [3, 2, 1].map(|n| now - n * 15 * MINUTE)
}

/// As the backend writes instants.
fn stamp(at: i64) -> String {
    chrono::DateTime::from_timestamp_millis(at)
        .unwrap()
        .format("%Y%m%d%H%M%S%3f")
        .to_string()
}

#[tokio::test]
async fn a_bad_backend_is_told_and_loses_nothing_once_it_is_good() {
    let mut cases = cases();
    let mut servers: Vec<Raw> = cases.iter().map(|case| Raw::start(&case.reply)).collect();
    let ports: Vec<u16> = servers.iter().map(|server| server.port).collect();
    let rig = Rig::new(|now| {
        let start = meterbridge::clock::iso(now - 60 * MINUTE);
        let mut file = String::new();
        for (case, port) in cases.iter().zip(&ports) {
            let name = case.name;
            file.push_str(&format!(
                "[[source]]\nid = \"{name}\"\nkind = \"rapidm2m\"\nurl = \"http://127.0.0.1:{port}/api/1/\"\ncustomer = \"c\"\nsite = \"{name}\"\n\
                 user = \"reader\"\npassword = \"${{READER_PASSWORD}}\"\nchannels = [\"ch0\"]\nstart = {start}\ntimeout = \"3s\"\n\n"
            ));
        }
        format!("{file}{NEIGHBOUR}")
    })
    .await;
    // An instant inside the window, where a case needs one.
    let when = stamp(rig.now() - 15 * MINUTE);
    for (case, server) in cases.iter_mut().zip(&mut servers) {
        if let Reply::Bytes(bytes) = &case.reply
            && let Ok(text) = std::str::from_utf8(bytes)
            && let Some((_, body)) = text.split_once("\r\n\r\n")
            && body.contains("WHEN")
        {
            server.set(ok(&body.replace("WHEN", &when)));
        }
    }
    let round = rig.round().await;
    assert_eq!(round.reports.len(), cases.len() + 1);
    assert_eq!(rig.rows("neighbour").len(), 1, "the healthy neighbour");
    for case in &cases {
        let line = report(&round, case.name).line();
        for told in &case.told {
            assert!(line.contains(told), "{}: {told:?} is not in\n{line}", case.name);
        }
        assert!(!line.contains("wrong-password"), "{line}");
        assert!(rig.rows(case.name).is_empty(), "{}", case.name);
    }

    let last = rig.now();
    rig.advance(2 * MINUTE);
    for server in &mut servers {
        server.set(Reply::Good(good, last));
    }
    let round = rig.round().await;
    let stamps = expected(last).map(meterbridge::clock::iso);
    for case in &cases {
        let report = report(&round, case.name);
        assert!(
            report.is_good() && report.outcome.word() == "delivered",
            "{}: {}",
            case.name,
            report.line()
        );
        let rows = rig.rows(case.name);
        assert_eq!(rows.keys().cloned().collect::<Vec<_>>(), stamps, "{}", case.name);
        let values: Vec<i64> = rows
            .values()
            .map(|(_, channels)| channels["ch0"].as_i64().unwrap())
            .collect();
        assert_eq!(values, [51_000, 51_007, 51_015], "{}", case.name);
        assert!(
            rows.values().all(|(count, _)| *count == 1),
            "{}: a row came twice",
            case.name
        );
    }
    assert_eq!(rig.rows("neighbour").len(), 3);
    rig.assert_one_body_per_id();
}
