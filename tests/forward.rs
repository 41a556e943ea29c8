//! The forwarder at the level of bytes: a small TCP server plays the hub and DPS and keeps what it was sent.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "forward/clocks.rs"]
mod clocks;
#[path = "forward/provision.rs"]
mod provision;
#[path = "forward/server.rs"]
mod server;

use bytes::Bytes;
use meterbridge::config::Identity;
use meterbridge::forward::hub::{Hub, SetupError};
use meterbridge::forward::{Assignment, Delivered, Error, Forward};
use meterbridge::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire::connection_string::{Credential, Device};
use wire::key::Key;
use wire::sas::{Resource, Token};

use server::*;

// === What is sent ===

/// One message goes as the device: its path, its token, its properties as headers, its body as it is.
#[tokio::test]
async fn s0_04_sent_as_the_device() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let hub = server.hub("meter:1*", K32);
    let sent = message(0, &[("revision", "true")]);
    let delivered = hub.send(&to("meter:1*"), &[sent]).await.unwrap();
    assert_eq!(delivered, Delivered { units: 1, skew: None });

    let seen = server.only();
    let token = seen.header("authorization").unwrap();
    let expected = include_str!("data/forward/single.txt")
        .trim_end()
        .replace('\n', "\r\n")
        .replace("{token}", token)
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{host}", &server.address);
    // Which encodings the client takes hangs on what else is built into it.
    let head = seen.head.replace("accept-encoding: gzip,deflate\r\n", "");
    assert_eq!(format!("{head}\r\n\r\n{}", seen.text()), expected);

    let token = Token::parse(token).unwrap();
    let now = u64::try_from(NOW / 1000).unwrap();
    token.verify(&Key::parse(K32).unwrap(), now, 0).unwrap();
    assert!(token.covers(&Resource::device(HUB, "meter:1*")));
    assert_eq!(token.expiry(), now + 3600);
    assert_eq!(token.policy(), None);
}

/// Several messages go in the batch envelope, everything of theirs inside.
#[tokio::test]
async fn several_messages_are_one_batch() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let messages = [
        message(0, &[("Customer_Id", "c1"), ("Site_Id", "Energy%20meter%201")]),
        message(1, &[("Customer_Id", "c1"), ("revision", "true")]),
    ];
    let delivered = server
        .hub("meter-001", K32)
        .send(&to("meter-001"), &messages)
        .await
        .unwrap();
    assert_eq!(delivered.units, 2);
    let seen = server.only();
    assert_eq!(
        seen.header("content-type"),
        Some("application/vnd.microsoft.iothub.json")
    );
    assert_eq!(seen.header("iothub-messageid"), None);
    assert_eq!(seen.text(), include_str!("data/forward/batch.json").trim_end());
}

/// Property names keep their capitals: a message alone is named as the same message in company.
#[tokio::test]
async fn property_names_keep_their_letter_case() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let hub = server.hub("meter-001", K32);
    let one = message(0, &[("Customer_Id", "c1"), ("Site_Id", "Energy%20meter%201")]);
    hub.send(&to("meter-001"), &[one]).await.unwrap();
    let body = server.only().text();
    assert!(
        body.contains(r#""iothub-app-Customer_Id":"c1","iothub-app-Site_Id":"Energy%20meter%201""#),
        "{body}"
    );
}

/// A large body is sent as it is, and counts its units.
#[tokio::test]
async fn a_body_of_250_kb_arrives_whole() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let mut large = message(0, &[("Site_Id", "s")]);
    large.body = Bytes::from("0123456789".repeat(25_000));
    let body = large.body.clone();
    let delivered = server
        .hub("meter-001", K32)
        .send(&to("meter-001"), &[large])
        .await
        .unwrap();
    assert_eq!(delivered.units, 62);
    assert_eq!(server.only().body, body);
}

/// A connection goes by TLS unless it is told otherwise, and a failure names the setting for an own authority.
#[tokio::test]
async fn s1_15_https_post_with_device_sas() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let token = token(K32, 2_000_000_000);
    let identity = |connect: &str| Identity::Token {
        hub: HUB.into(),
        connect: connect.into(),
        device: "meter-001".into(),
        token: Secret::new(token.clone()),
    };
    // Plainly on loopback, to see the request.
    let hub = build(identity(&server.url()), clock(NOW));
    hub.send(&to("meter-001"), &[message(0, &[])]).await.unwrap();
    let seen = server.only();
    assert!(seen.head.starts_with("POST /devices/meter-001/messages/events?"));
    assert_eq!(seen.header("authorization"), Some(token.as_str()));
    assert_eq!(hub.expiry(), Some(2_000_000_000_000));

    // By TLS wherever no scheme is given; never plainly to another machine.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hello = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut start = [0; 3];
        stream.read_exact(&mut start).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        start
    });
    let hub = build(identity(&format!("localhost:{port}")), clock(NOW));
    let error = hub.send(&to("meter-001"), &[message(0, &[])]).await.unwrap_err();
    assert_eq!(hello.await.unwrap()[..2], [0x16, 0x03], "a TLS handshake");
    assert!(matches!(error, Error::Unavailable { status: 0, .. }), "{error}");
    assert!(error.to_string().contains("IOTHUB_CA_FILE"), "{error}");

    let plain = Hub::new(
        identity("http://contoso.azure-devices.net"),
        4096,
        client(),
        clock(NOW),
    );
    assert!(matches!(plain, Err(SetupError::PlainHttp { .. })));
}

/// Every part of a connection string is used: host in the token, gateway to connect to, device, key.
#[tokio::test]
async fn s0_05_connection_string_form() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let text = format!("HostName={HUB};DeviceId=meter-001;SharedAccessKey={K32};GatewayHostName=localhost");
    let parsed = Device::parse(&text).unwrap();
    let Credential::Key(key) = parsed.credential else {
        panic!("a key was given")
    };
    let hub = build(
        Identity::Device {
            hub: parsed.host.clone(),
            connect: format!("http://{}:{}", parsed.gateway.unwrap(), server.port()),
            device: parsed.device.clone(),
            key: Secret::new(key.to_base64()),
        },
        clock((1_893_456_000 - 3_600) * 1000),
    );
    let assigned = hub.device("home", None, false).await.unwrap();
    assert_eq!(assigned, to("meter-001"));
    hub.send(&assigned, &[message(0, &[])]).await.unwrap();
    let seen = server.only();
    assert_eq!(
        seen.header("host"),
        Some(format!("localhost:{}", server.port()).as_str())
    );
    assert_eq!(
        seen.header("authorization"),
        Some(
            "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fmeter-001\
             &sig=IXrDqr9KUs%2BlTaiT5gKMrc4iBThvegpbZ8Mui97MPhs%3D&se=1893456000"
        )
    );
}

/// The tokens of every device of the vectors are to the letter those of Microsoft's Python SDK.
#[tokio::test]
async fn s1_16_device_connection_string() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("data/vectors-sas.json")).unwrap();
    let mut checked = 0;
    for vector in vectors["tokens"].as_array().unwrap() {
        if vector["kind"] != "device" || !vector["module"].is_null() {
            continue;
        }
        let server = Server::start(|_, _| Reply::text(TAKEN)).await;
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let key = vectors["keys"][text("key")].as_str().unwrap();
        let connection = format!(
            "HostName={};DeviceId={};SharedAccessKey={key}",
            text("host"),
            text("device")
        );
        let parsed = Device::parse(&connection).unwrap();
        let identity = Identity::Device {
            hub: parsed.host,
            connect: server.url(),
            device: parsed.device,
            key: Secret::new(key),
        };
        let hub = build(identity, clock((vector["se"].as_i64().unwrap() - 3_600) * 1000));
        let assigned = hub.device("home", None, false).await.unwrap();
        hub.send(&assigned, &[message(0, &[])]).await.unwrap();
        let seen = server.only();
        assert_eq!(
            seen.header("authorization"),
            vector["python"]["token"].as_str(),
            "{}",
            text("id")
        );
        checked += 1;
    }
    assert_eq!(checked, 4);
}

// === Answers and connections ===

/// Answers over the wire: status, headers and body together. The table of all answers stands beside the code.
#[tokio::test]
async fn answers_are_understood() {
    let check = async |reply: String, expected: Option<(&str, Option<u64>)>| {
        let text = reply.clone();
        let server = Server::start(move |_, _| Reply::text(&text)).await;
        let result = server
            .hub("meter-001", K32)
            .send(&to("meter-001"), &[message(0, &[])])
            .await;
        let found = result
            .as_ref()
            .err()
            .map(|error| (error.kind(), error.retry_after().map(|wait| wait.as_secs())));
        assert_eq!(found, expected, "{reply}: {result:?}");
    };
    check(TAKEN.into(), None).await;
    check(answer("204 No Content", "Content-Length: 0\r\n", ""), None).await;
    check(answer("200 OK", "", "fine"), None).await;
    check(
        answer("429 Too Many Requests", "Retry-After: 7\r\n", ""),
        Some(("unavailable", Some(7))),
    )
    .await;
    check(
        answer(
            "503 Service Unavailable",
            "Date: Mon, 26 Jan 2026 13:30:00 GMT\r\nRetry-After: Mon, 26 Jan 2026 13:30:40 GMT\r\n",
            "",
        ),
        Some(("unavailable", Some(40))),
    )
    .await;
    check(
        answer(
            "429 Too Many Requests",
            "iothub-errorcode: ThrottlingException\r\n",
            r#"{"Message":"ErrorCode:ThrottlingBacklogTimeout;Wait 10 seconds and try again."}"#,
        ),
        Some(("unavailable", Some(10))),
    )
    .await;
    check(
        answer("403 Forbidden", "iothub-errorcode: IotHubQuotaExceeded\r\n", "{}"),
        Some(("quota", None)),
    )
    .await;
    check(
        answer("404 Not Found", "iothub-errorcode: DeviceNotFound\r\n", ""),
        Some(("device", None)),
    )
    .await;
    check(
        answer("302 Found", "Location: https://elsewhere/\r\n", ""),
        Some(("unavailable", None)),
    )
    .await;
    check(answer("413 Payload Too Large", "", ""), Some(("too-large", None))).await;
    check(answer("400 Bad Request", "", "broken"), Some(("refused", None))).await;
    // The answer breaks off in its body: the status is known all the same.
    check(
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{".into(),
        Some(("refused", None)),
    )
    .await;
    check("not HTTP at all\r\n\r\n".into(), Some(("unavailable", None))).await;
}

/// One connection serves all devices, errors included.
#[tokio::test]
async fn the_connection_is_kept() {
    let server = Server::start(|n, _| match n {
        1 => Reply::text(&answer("400 Bad Request", "", "no")),
        _ => Reply::text(TAKEN),
    })
    .await;
    let hub = server.hub("meter-001", K32);
    for (number, device) in ["meter-001", "meter-002", "meter-001", "meter-003"]
        .iter()
        .enumerate()
    {
        let result = hub.send(&to(device), &[message(number, &[])]).await;
        assert_eq!(result.is_ok(), number != 1);
    }
    assert_eq!(server.connections(), 1);
}

/// A kept connection that the hub has closed meanwhile, before or after it read the request, is no error: the same again, at once.
#[tokio::test]
async fn a_connection_closed_while_idle_is_no_error() {
    let server = Server::start(|n, _| match n {
        0 => Reply::text(TAKEN),
        // Reads the request and hangs up.
        1 => Reply::hang_up(),
        2 => Reply::text(TAKEN).and_close(),
        _ => Reply::text(TAKEN),
    })
    .await;
    let hub = server.hub("meter-001", K32);
    for number in 0..3 {
        hub.send(&to("meter-001"), &[message(number, &[])]).await.unwrap();
    }
    let seen = server.seen();
    let ids: Vec<_> = seen
        .iter()
        .map(|s| s.header("iothub-messageid").unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "home.b.0000000007.0",
            "home.b.0000000007.1",
            "home.b.0000000007.1",
            "home.b.0000000007.2"
        ]
    );
    assert_eq!(
        (seen[1].head.as_str(), &seen[1].body),
        (seen[2].head.as_str(), &seen[2].body)
    );
    assert_eq!(server.connections(), 3);
}

/// A hub that hangs up twice, or that nobody is, is unavailable and no more.
#[tokio::test]
async fn no_answer_is_unavailable() {
    let server = Server::start(|_, _| Reply::hang_up()).await;
    let hub = server.hub("meter-001", K32);
    let error = hub.send(&to("meter-001"), &[message(0, &[])]).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unavailable {
                status: 0,
                after: None,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(server.seen().len(), 2);

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let hub = hub.with_connect(Some(&format!("http://{address}"))).unwrap();
    let error = hub.send(&to("meter-002"), &[message(0, &[])]).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains(HUB), "{error}");
}

/// A device id or a hub's name that cannot be one never becomes a request.
#[tokio::test]
async fn impossible_names_are_not_asked_for() {
    let server = Server::start(|_, _| Reply::text(TAKEN)).await;
    let hub = server.hub("meter-001", K32);
    let error = hub.send(&to(".."), &[message(0, &[])]).await.unwrap_err();
    assert_eq!(error.kind(), "device");
    let group = build(server.group(), clock(NOW));
    for name in ["http://127.0.0.1:1", "a/b", "user@host", ""] {
        let to = Assignment {
            hub: name.into(),
            device: "m".into(),
        };
        let error = group.send(&to, &[message(0, &[])]).await.unwrap_err();
        assert_eq!(error.kind(), "device", "{name}");
    }
    assert!(server.seen().is_empty());
}

/// Without an identity both calls say so.
#[tokio::test]
async fn no_identity_is_said() {
    let hub = build(Identity::None, clock(NOW));
    assert_eq!(hub.device("home", None, false).await, Err(Error::NoIdentity));
    assert_eq!(
        hub.send(&to("m"), &[message(0, &[])]).await,
        Err(Error::NoIdentity)
    );
}
