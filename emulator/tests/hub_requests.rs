//! The hub's answers, byte by byte over TLS: a table of accepted and refused requests.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/wire.rs"]
mod wire;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use emulator::hub::{Hub, HubOptions};
use wire::{K32, K64, NOW_S, Wire, key, options, request};

const EVENTS: &str = "POST /devices/meter-001/messages/events?api-version=2021-04-12";
const BATCH: (&str, &str) = ("Content-Type", "application/vnd.microsoft.iothub.json");
const MAX: usize = 256 * 1024;

/// A request, and what must come of it.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    status: u16,
    /// `iothub-errorcode`; none when accepted.
    code: Option<&'static str>,
    /// Messages taken.
    taken: usize,
}

fn token(resource: &str, key_text: &str, expires_s: i64, policy: Option<&str>) -> String {
    key(key_text).token(resource, expires_s, policy)
}

fn own() -> String {
    token("localhost/devices/meter-001", K32, NOW_S + 3600, None)
}

fn case(name: &'static str, bytes: Vec<u8>, status: u16, code: &'static str, taken: usize) -> Case {
    Case {
        name,
        bytes,
        status,
        code: Some(code).filter(|c| !c.is_empty()),
        taken,
    }
}

/// One message with this token.
fn with_token(name: &'static str, token: &str, status: u16, code: &'static str) -> Case {
    let bytes = request(EVENTS, &[("Authorization", token)], "{}");
    case(name, bytes, status, code, usize::from(status == 204))
}

/// One message with these headers besides the token.
fn with_headers(name: &'static str, headers: &[(&str, &str)], status: u16, code: &'static str) -> Case {
    let own = own();
    let headers = [&[("Authorization", own.as_str())], headers].concat();
    case(
        name,
        request(EVENTS, &headers, "{}"),
        status,
        code,
        usize::from(status == 204),
    )
}

/// A request line with the device's own token and a small body.
fn with_line(name: &'static str, line: &str, status: u16, code: &'static str, taken: usize) -> Case {
    case(
        name,
        request(line, &[("Authorization", &own())], "{}"),
        status,
        code,
        taken,
    )
}

fn batch(name: &'static str, body: impl AsRef<[u8]>, status: u16, code: &'static str, taken: usize) -> Case {
    case(
        name,
        request(EVENTS, &[("Authorization", &own()), BATCH], body),
        status,
        code,
        taken,
    )
}

fn body_of(name: &'static str, bytes: usize, status: u16, code: &'static str) -> Case {
    let request = request(EVENTS, &[("Authorization", &own())], vec![b'x'; bytes]);
    case(name, request, status, code, usize::from(status == 204))
}

fn chunked(name: &'static str, headers: &str, chunks: &str, taken: usize) -> Case {
    let bytes = format!(
        "{EVENTS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{chunks}",
        own()
    );
    case(name, bytes.into_bytes(), 204, "", taken)
}

fn tokens() -> Vec<Case> {
    let (dev, end) = ("localhost/devices/meter-001", NOW_S + 3600);
    let secondary = key(K32).derive("secondary").token(dev, end, None);
    let own = own();
    let field = |name: &str| own.split(['&', ' ']).find(|f| f.starts_with(name)).unwrap();
    let (sr, sig, se) = (field("sr="), field("sig="), field("se="));
    let unauthorized = "IotHubUnauthorizedAccess";
    let of = |fields: &str| format!("SharedAccessSignature {fields}");
    let mut all = vec![
        with_token("own key", &own, 204, ""),
        with_token("secondary key", &secondary, 204, ""),
        with_token(
            "fields in another order",
            &of(&format!("{se}&{sig}&{sr}")),
            204,
            "",
        ),
        with_token("an empty skn", &of(&format!("{sr}&{sig}&{se}&skn=")), 204, ""),
        with_token(
            "a field nobody knows",
            &of(&format!("{sr}&{sig}&{se}&x=1")),
            204,
            "",
        ),
        with_token(
            "scheme in lower case",
            &own.to_lowercase().replace(&own[22..].to_lowercase(), &own[22..]),
            204,
            "",
        ),
        with_token("299 s past its end", &token(dev, K32, NOW_S - 299, None), 204, ""),
        with_token("300 s past its end", &token(dev, K32, NOW_S - 300, None), 204, ""),
        with_token(
            "301 s past its end",
            &token(dev, K32, NOW_S - 301, None),
            401,
            unauthorized,
        ),
        with_token(
            "host in capitals",
            &token("LOCALHOST/devices/meter-001", K32, end, None),
            204,
            "",
        ),
        with_token(
            "owner on the hub",
            &token("localhost", K64, end, Some("iothubowner")),
            204,
            "",
        ),
        with_token(
            "device policy on the hub",
            &token("localhost", K64, end, Some("device")),
            204,
            "",
        ),
        with_token(
            "device policy on all devices",
            &token("localhost/devices", K64, end, Some("device")),
            204,
            "",
        ),
        with_token(
            "device policy on this device",
            &token(dev, K64, end, Some("device")),
            204,
            "",
        ),
        with_token(
            "policy without the right",
            &token("localhost", K64, end, Some("service")),
            401,
            unauthorized,
        ),
        with_token(
            "a policy nobody knows",
            &token("localhost", K64, end, Some("other")),
            401,
            unauthorized,
        ),
        with_token(
            "policy with a wrong key",
            &token("localhost", K32, end, Some("device")),
            401,
            unauthorized,
        ),
        with_token(
            "device key named as a policy",
            &token(dev, K32, end, Some("device")),
            401,
            unauthorized,
        ),
        with_token(
            "policy key without its name",
            &token(dev, K64, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "device key on all devices",
            &token("localhost/devices", K32, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "another device",
            &token("localhost/devices/m:1", K32, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "a prefix of the id",
            &token("localhost/devices/meter-0", K32, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "a longer id",
            &token("localhost/devices/meter-0011", K32, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "id in capitals",
            &token("localhost/devices/METER-001", K32, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "another hub",
            &token("contoso/devices/meter-001", K32, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "a module",
            &token("localhost/devices/meter-001/modules/m", K32, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "an empty segment",
            &token("localhost/devices/meter-001/", K32, end, None),
            401,
            unauthorized,
        ),
        with_token(
            "signed text changed",
            &of(&format!("{sr}&{sig}&se={}", end + 1)),
            401,
            unauthorized,
        ),
        with_token("no sr", &of(&format!("{sig}&{se}")), 401, unauthorized),
        with_token("no sig", &of(&format!("{sr}&{se}")), 401, unauthorized),
        with_token("no se", &of(&format!("{sr}&{sig}")), 401, unauthorized),
        with_token(
            "sr twice",
            &of(&format!("{sr}&{sr}&{sig}&{se}")),
            401,
            unauthorized,
        ),
        with_token(
            "se no number",
            &of(&format!("{sr}&{sig}&se=+1")),
            401,
            unauthorized,
        ),
        with_token(
            "sig no base64",
            &of(&format!("{sr}&sig=%25%25&{se}")),
            401,
            unauthorized,
        ),
        with_token(
            "sig too short",
            &of(&format!("{sr}&sig=AAAA&{se}")),
            401,
            unauthorized,
        ),
        with_token(
            "a broken percent sign",
            &of(&format!("sr=localhost%2&{sig}&{se}")),
            401,
            unauthorized,
        ),
        with_token("another scheme", "Basic dTpw", 401, unauthorized),
        with_token("empty", "", 401, unauthorized),
    ];
    all.push(case("no token", request(EVENTS, &[], "{}"), 401, unauthorized, 0));
    all
}

fn devices() -> Vec<Case> {
    let end = NOW_S + 3600;
    let to = |device: &str| format!("POST /devices/{device}/messages/events?api-version=2021-04-12");
    let send = |device: &str, token: String| request(&to(device), &[("Authorization", &token)], "{}");
    let own = |id: &str| token(&format!("localhost/devices/{id}"), K32, end, None);
    let owner = || token("localhost", K64, end, Some("iothubowner"));
    vec![
        case("id percent-encoded", send("m%3A1", own("m:1")), 204, "", 1),
        case(
            "id with letters encoded",
            send("%6deter-001", own("meter-001")),
            204,
            "",
            1,
        ),
        case("id bare", send("m:1", own("m:1")), 204, "", 1),
        case(
            "unknown device, own token",
            send("nobody", own("nobody")),
            404,
            "DeviceNotFound",
            0,
        ),
        case(
            "unknown device, policy",
            send("nobody", owner()),
            404,
            "DeviceNotFound",
            0,
        ),
        case(
            "disabled device",
            send("off", own("off")),
            403,
            "DeviceDisabled",
            0,
        ),
        case(
            "disabled device, policy",
            send("off", owner()),
            403,
            "DeviceDisabled",
            0,
        ),
        case(
            "id with a space",
            send("a%20b", owner()),
            400,
            "ArgumentInvalid",
            0,
        ),
        case(
            "id with a slash",
            send("a%2Fb", owner()),
            400,
            "ArgumentInvalid",
            0,
        ),
        case("empty id", send("", owner()), 400, "ArgumentInvalid", 0),
        case(
            "id of 129 characters",
            send(&"x".repeat(129), owner()),
            400,
            "ArgumentInvalid",
            0,
        ),
        case(
            "id with a broken percent sign",
            send("a%2", owner()),
            404,
            "ResourceNotFound",
            0,
        ),
        case("id no UTF-8", send("%ff", owner()), 404, "ResourceNotFound", 0),
    ]
}

fn lines() -> Vec<Case> {
    let at = "/devices/meter-001/messages";
    let version = "InvalidProtocolVersion";
    vec![
        with_line(
            "path in capitals",
            "POST /Devices/meter-001/Messages/EVENTS?api-version=2021-04-12",
            204,
            "",
            1,
        ),
        with_line(
            "an old version",
            &format!("POST {at}/events?api-version=2016-11-14"),
            204,
            "",
            1,
        ),
        with_line(
            "a preview",
            &format!("POST {at}/events?api-version=2020-05-31-preview"),
            204,
            "",
            1,
        ),
        with_line(
            "more in the query",
            &format!("POST {at}/events?x=1&api-version=2021-04-12&y"),
            204,
            "",
            1,
        ),
        with_line("no version", &format!("POST {at}/events"), 400, version, 0),
        with_line(
            "an empty version",
            &format!("POST {at}/events?api-version="),
            400,
            version,
            0,
        ),
        with_line(
            "no date",
            &format!("POST {at}/events?api-version=latest"),
            400,
            version,
            0,
        ),
        with_line(
            "no such date",
            &format!("POST {at}/events?api-version=2021-13-12"),
            400,
            version,
            0,
        ),
        with_line(
            "another method",
            &format!("PUT {at}/events?api-version=2021-04-12"),
            405,
            "InvalidOperation",
            0,
        ),
        with_line(
            "get events",
            &format!("GET {at}/events?api-version=2021-04-12"),
            405,
            "InvalidOperation",
            0,
        ),
        with_line(
            "one segment more",
            &format!("POST {at}/events/x?api-version=2021-04-12"),
            404,
            "ResourceNotFound",
            0,
        ),
        with_line("the root", "GET /", 404, "ResourceNotFound", 0),
        with_line(
            "the service side, as a device",
            "GET /twins/meter-001?api-version=2021-04-12",
            401,
            "IotHubUnauthorizedAccess",
            0,
        ),
        with_line(
            "receive, with a body",
            &format!("GET {at}/deviceBound?api-version=2021-04-12"),
            204,
            "",
            0,
        ),
        with_line(
            "complete",
            &format!("DELETE {at}/devicebound/x?api-version=2021-04-12"),
            412,
            "DeviceMessageLockLost",
            0,
        ),
        with_line(
            "abandon",
            &format!("POST {at}/devicebound/x/abandon?api-version=2021-04-12"),
            412,
            "DeviceMessageLockLost",
            0,
        ),
    ]
}

fn messages() -> Vec<Case> {
    let argument = "ArgumentInvalid";
    vec![
        with_headers(
            "all system properties",
            &[
                ("IoTHub-MessageId", "m-1"),
                ("iothub-correlationid", "c"),
                ("iothub-userid", "u"),
                ("iothub-to", "/devices/meter-001/messages/events"),
                ("iothub-contenttype", "application/json"),
                ("iothub-contentencoding", "utf-8"),
                ("iothub-creationtimeutc", "2026-01-01T00:00:00.1234567Z"),
                ("iothub-expiry", "x"),
                ("iothub-ack", "full"),
                ("dt-subject", "meter"),
            ],
            204,
            "",
        ),
        with_headers("application property", &[("iothub-app-obis", "1.8.0")], 204, ""),
        with_headers("empty value", &[("iothub-app-a", "")], 204, ""),
        with_headers("a header of no meaning", &[("iothub-whatever", "a b")], 204, ""),
        with_headers("value with a space", &[("iothub-app-a", "a b")], 400, argument),
        with_headers(
            "value with a colon",
            &[("iothub-app-a", "1-0:1.8.0")],
            400,
            argument,
        ),
        with_headers("value outside ASCII", &[("iothub-app-a", "ä")], 400, argument),
        with_headers("property without a name", &[("iothub-app-", "a")], 400, argument),
        with_headers(
            "message id of 128",
            &[("iothub-messageid", &"x".repeat(128))],
            204,
            "",
        ),
        with_headers(
            "message id of 129",
            &[("iothub-messageid", &"x".repeat(129))],
            400,
            argument,
        ),
        with_headers(
            "message id with a space",
            &[("iothub-messageid", "a b")],
            400,
            argument,
        ),
        with_headers(
            "creation time with an offset",
            &[("iothub-creationtimeutc", "2026-01-01T00:00:00+01:00")],
            400,
            argument,
        ),
        with_headers(
            "creation time of no day",
            &[("iothub-creationtimeutc", "2026-02-30T00:00:00Z")],
            400,
            argument,
        ),
        with_headers(
            "HTTP content type and encoding",
            &[
                ("Content-Type", "application/octet-stream"),
                ("Content-Encoding", "gzip"),
            ],
            204,
            "",
        ),
        body_of("empty body", 0, 204, ""),
        body_of("largest body", MAX, 204, ""),
        body_of("one byte too many", MAX + 1, 413, "MessageTooLarge"),
        body_of("a megabyte too many", MAX + (1 << 20), 413, "MessageTooLarge"),
        case(
            "body and property too large together",
            request(
                EVENTS,
                &[("Authorization", &own()), ("iothub-app-a", "b")],
                vec![b'x'; MAX - 1],
            ),
            413,
            "MessageTooLarge",
            0,
        ),
        case(
            "body and property just fit",
            request(
                EVENTS,
                &[("Authorization", &own()), ("iothub-app-a", "b")],
                vec![b'x'; MAX - 2],
            ),
            204,
            "",
            1,
        ),
        case(
            "a value and a body just fit",
            request(
                EVENTS,
                &[("Authorization", &own()), ("iothub-messageid", "id")],
                vec![b'x'; MAX - 2],
            ),
            204,
            "",
            1,
        ),
        chunked("chunks", "", "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", 1),
        chunked("chunks with a trailer", "", "1\r\na\r\n0\r\nX: y\r\n\r\n", 1),
        chunked("no chunk", "", "0\r\n\r\n", 1),
    ]
}

fn batches() -> Vec<Case> {
    let (format, argument) = ("IotHubFormatError", "ArgumentInvalid");
    let fill = |bytes: usize| {
        let frame = r#"[{"body":"","base64Encoded":false}]"#.len();
        format!(
            r#"[{{"body":"{}","base64Encoded":false}}]"#,
            "x".repeat(bytes - frame)
        )
    };
    let other_case = (
        "content-type",
        "Application/VND.microsoft.iothub.JSON; charset=utf-8",
    );
    vec![
        batch("one", r#"[{"body":"e30="}]"#, 204, "", 1),
        batch(
            "three, spaced",
            r#" [ {"body":"e30="} , {"body":"","base64Encoded":true},{"body":"x","base64Encoded":false} ] "#,
            204,
            "",
            3,
        ),
        batch(
            "with properties",
            r#"[{"body":"e30=","properties":{"iothub-messageid":"a","iothub-app-A":"b"}}]"#,
            204,
            "",
            1,
        ),
        batch(
            "escapes",
            r#"[{"body":"\u0065\/\n","base64Encoded":false,"properties":{"iothub-app-\u0041":"\u0062"}}]"#,
            204,
            "",
            1,
        ),
        batch(
            "a field nobody knows",
            r#"[{"body":"e30=","x":{"y":[1]}}]"#,
            204,
            "",
            1,
        ),
        case(
            "media type in capitals",
            request(
                EVENTS,
                &[("Authorization", &own()), other_case],
                r#"[{"body":"e30="}]"#,
            ),
            204,
            "",
            1,
        ),
        chunked(
            "chunked",
            "Content-Type: application/vnd.microsoft.iothub.json\r\n",
            "11\r\n[{\"body\":\"e30=\"},\r\n10\r\n{\"body\":\"e30=\"}]\r\n0\r\n\r\n",
            2,
        ),
        batch("no body", "", 400, format, 0),
        batch("no JSON", "{{", 400, format, 0),
        batch("an object", r#"{"body":"e30="}"#, 400, format, 0),
        batch("cut off", r#"[{"body":"e30="},{"#, 400, format, 0),
        batch("something behind", r#"[{"body":"e30="}]x"#, 400, format, 0),
        batch("no UTF-8", b"[{\"body\":\"\xff\"}]", 400, format, 0),
        batch("no messages", "[]", 400, argument, 0),
        batch(
            "a message without a body",
            r#"[{"body":"e30="},{"properties":{}}]"#,
            400,
            format,
            0,
        ),
        batch("a body that is a number", r#"[{"body":1}]"#, 400, format, 0),
        batch(
            "a value that is a number",
            r#"[{"body":"e30=","properties":{"iothub-app-a":1}}]"#,
            400,
            format,
            0,
        ),
        batch("null", "[null]", 400, format, 0),
        batch(
            "second body no base64",
            r#"[{"body":"e30="},{"body":"e30"}]"#,
            400,
            argument,
            0,
        ),
        batch(
            "second with a bad property",
            r#"[{"body":"e30="},{"body":"e30=","properties":{"iothub-app-a":"/"}}]"#,
            400,
            argument,
            0,
        ),
        batch(
            "second with a bad id",
            r#"[{"body":"e30="},{"body":"e30=","properties":{"IoTHub-MessageId":"ä"}}]"#,
            400,
            argument,
            0,
        ),
        batch("largest", fill(MAX), 204, "", 1),
        batch("one byte too many", fill(MAX + 1), 413, "MessageTooLarge", 0),
    ]
}

/// Every case on one connection, as a client with keep-alive would: status, error code, body shape, what was
/// taken, and that the connection then serves a good request.
#[tokio::test]
async fn every_request_gets_the_documented_answer_and_the_next_one_is_served() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let all = [tokens(), devices(), lines(), messages(), batches()];
    let mut expected_refusals = BTreeMap::<String, u64>::new();
    let mut count = 0;
    for case in all.iter().flatten() {
        let name = case.name;
        hub.forget();
        let reply = wire
            .ask(&case.bytes)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            (reply.status, reply.header("iothub-errorcode")),
            (case.status, case.code),
            "{name}: {reply:?}"
        );
        assert_eq!(hub.arrived().len(), case.taken, "{name}");
        assert_eq!(
            reply.header("date"),
            Some("Fri, 15 Jan 2027 08:00:00 GMT"),
            "{name}"
        );
        assert_eq!(reply.header("x-ms-request-id").map(str::len), Some(36), "{name}");
        assert_eq!(reply.header("retry-after"), None, "{name}");
        match case.code {
            None => assert_eq!(reply.body, "", "{name}"),
            Some(code) => {
                *expected_refusals.entry(code.to_owned()).or_default() += 1;
                let body = reply.json();
                let message = body["Message"].as_str().unwrap();
                assert!(
                    message.starts_with(&format!("ErrorCode:{code};")),
                    "{name}: {body}"
                );
                let exception = body["ExceptionMessage"].as_str().unwrap();
                assert!(exception.starts_with("Tracking ID:"), "{name}: {body}");
                assert!(!message.contains("sig="), "{name}: {body}");
            }
        }
        let good = request(EVENTS, &[("Authorization", &own())], "next");
        assert_eq!(wire.ask(&good).await.unwrap().status, 204, "after {name}");
        count += 1;
    }
    let stats = hub.stats();
    assert_eq!(
        (stats.connections, stats.requests),
        (1, 2 * count),
        "one connection served all"
    );
    assert_eq!(stats.refused, expected_refusals);
    assert!(count > 100, "{count} cases");
}

/// What cannot be parsed ends its connection and nothing else.
#[tokio::test]
async fn broken_http_ends_its_connection_only() {
    let hub = Hub::start(options()).await.unwrap();
    let head = format!(
        "{EVENTS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n",
        own()
    );
    let refused = [
        "nonsense\r\n\r\n".to_owned(),
        format!("{EVENTS} HTTP/9.9\r\n\r\n"),
        format!("{head}Content-Length: x\r\n\r\n"),
        format!("{head}bad header\r\n\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n0\r\n\r\n"),
    ];
    for bytes in &refused {
        let mut wire = Wire::to(&hub).await;
        let reply = wire
            .ask(bytes.as_bytes())
            .await
            .unwrap_or_else(|e| panic!("{bytes}: {e}"));
        assert_eq!(reply.status, 400, "{bytes}");
        assert!(wire.reply().await.is_err(), "{bytes}: the connection must end");
    }
    let cut = format!("{head}Content-Length: 10\r\n\r\nabc");
    let mut wire = Wire::to(&hub).await;
    tokio::io::AsyncWriteExt::write_all(&mut wire.stream, cut.as_bytes())
        .await
        .unwrap();
    drop(wire);
    let good = request(EVENTS, &[("Authorization", &own())], "good");
    assert_eq!(Wire::to(&hub).await.ask(&good).await.unwrap().status, 204);
    assert_eq!(hub.arrived().len(), 1);
}

/// A body far over the limit is refused before it is read.
#[tokio::test]
async fn an_enormous_body_is_refused_by_its_length() {
    let hub = Hub::start(options()).await.unwrap();
    let head = format!(
        "{EVENTS} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nContent-Length: 99999999999\r\n\r\n",
        own()
    );
    let reply = Wire::to(&hub).await.ask(head.as_bytes()).await.unwrap();
    assert_eq!(
        (reply.status, reply.header("iothub-errorcode")),
        (413, Some("MessageTooLarge"))
    );
}

/// `Expect: 100-continue`, as curl sends it with large bodies.
#[tokio::test]
async fn expect_continue_is_honoured() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let head = format!(
        "{EVENTS} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        own()
    );
    assert_eq!(wire.ask(head.as_bytes()).await.unwrap().status, 100);
    assert_eq!(wire.ask(b"{}").await.unwrap().status, 204);
}

/// Two requests in one write are answered in order.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let hub = Hub::start(options()).await.unwrap();
    let good = request(EVENTS, &[("Authorization", &own())], "1");
    let bad = request(EVENTS, &[], "2");
    let mut wire = Wire::to(&hub).await;
    assert_eq!(
        wire.ask(&[good.clone(), bad, good].concat())
            .await
            .unwrap()
            .status,
        204
    );
    assert_eq!(wire.reply().await.unwrap().status, 401);
    assert_eq!(wire.reply().await.unwrap().status, 204);
}

/// What a message carries reaches the feed: as headers, and inside a batch.
#[tokio::test]
async fn properties_and_bodies_arrive_as_sent() {
    let hub = Hub::start(options()).await.unwrap();
    let mut wire = Wire::to(&hub).await;
    let single = request(
        EVENTS,
        &[
            ("Authorization", &own()),
            ("IoTHub-MessageId", "id-0"),
            ("iothub-contenttype", "application/json"),
            ("iothub-contentencoding", "utf-8"),
            ("iothub-creationtimeutc", "2026-01-01T00:00:00Z"),
            ("iothub-app-Site", "a1"),
            ("Content-Type", "text/plain"),
        ],
        r#"{"i":0}"#,
    );
    assert_eq!(wire.ask(&single).await.unwrap().status, 204);
    let body = format!(
        r#"[{{"body":"{}","properties":{{"iothub-messageid":"id-1","iothub-app-Site":"a1","Other":"x"}}}},{{"body":"é","base64Encoded":false}}]"#,
        STANDARD.encode(vec![0xff; 5000])
    );
    let batch = request(EVENTS, &[("Authorization", &own()), BATCH], body);
    assert_eq!(wire.ask(&batch).await.unwrap().status, 204);

    let arrived = hub.arrived();
    let first = &arrived[0];
    assert_eq!(
        (first.number, first.device.as_str(), first.at),
        (1, "meter-001", NOW_S * 1000)
    );
    assert_eq!(first.message_id.as_deref(), Some("id-0"));
    assert_eq!(first.content_type.as_deref(), Some("application/json"));
    assert_eq!(first.content_encoding.as_deref(), Some("utf-8"));
    assert_eq!(first.creation_time.as_deref(), Some("2026-01-01T00:00:00Z"));
    // Header names are folded by the HTTP library; a batch keeps them.
    assert_eq!(
        first.properties,
        BTreeMap::from([("site".to_owned(), "a1".to_owned())])
    );
    assert_eq!((first.body.as_ref(), first.units), (br#"{"i":0}"#.as_ref(), 1));
    let second = &arrived[1];
    assert_eq!(
        second.properties,
        BTreeMap::from([("Site".to_owned(), "a1".to_owned())])
    );
    assert_eq!(
        second.system,
        BTreeMap::from([("iothub-messageid".to_owned(), "id-1".to_owned())])
    );
    assert_eq!((second.body.as_ref(), second.units), ([0xff; 5000].as_ref(), 2));
    assert_eq!(arrived[2].body, "é".as_bytes());
    let stats = hub.stats();
    assert_eq!((stats.messages, stats.bytes, stats.units), (3, 7 + 5000 + 2, 4));
    assert_eq!(stats.devices["meter-001"].messages, 3);
    assert_eq!(stats.devices["m:1"].messages, 0);
}

/// With a group key, unknown devices come into being by their own key or a policy's word; not otherwise.
#[tokio::test]
async fn unknown_devices_are_created_only_with_a_group_key_and_proof() {
    let hub = Hub::start(HubOptions {
        auto_create: Some(key(K64)),
        ..options()
    })
    .await
    .unwrap();
    let mut wire = Wire::to(&hub).await;
    let mut send = async |device: &str, token: String| {
        let line = format!("POST /devices/{device}/messages/events?api-version=2021-04-12");
        wire.ask(&request(&line, &[("Authorization", &token)], "{}"))
            .await
            .unwrap()
            .status
    };
    let end = NOW_S + 60;
    assert_eq!(
        send("new-1", token("localhost/devices/new-1", K32, end, None)).await,
        401
    );
    assert!(hub.device("new-1").is_none());
    let derived = key(K64)
        .derive("new-1")
        .token("localhost/devices/new-1", end, None);
    assert_eq!(send("new-1", derived).await, 204);
    assert_eq!(
        send("new-2", token("localhost/devices", K64, end, Some("device"))).await,
        204
    );
    assert_eq!(
        hub.device("new-2").unwrap().primary_key(),
        Some(&key(K64).derive("new-2"))
    );
}

/// Properties that only the documentation forbids pass when the hub is told not to be strict.
#[tokio::test]
async fn lenient_properties_can_be_chosen() {
    let hub = Hub::start(HubOptions {
        strict_properties: false,
        ..options()
    })
    .await
    .unwrap();
    let send = request(
        EVENTS,
        &[("Authorization", &own()), ("iothub-app-a", "Energy meter 1")],
        "{}",
    );
    assert_eq!(Wire::to(&hub).await.ask(&send).await.unwrap().status, 204);
    assert_eq!(hub.arrived()[0].properties["a"], "Energy meter 1");
}
