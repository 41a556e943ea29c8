//! No credential in any output, whatever fails and however much is logged.

use crate::handler::{Handler, run};

const DEVICE_KEY: &str = "bWV0ZXJicmlkZ2UtdGVzdC1rZXktMzItYnl0ZXMtISE=";
const PASSWORD: &str = "hunter2-of-the-reader";
const BASIC: &str = "cmVhZGVyOmh1bnRlcjI=";
const OPERATIONS: &str = "operations-key-0123456789";

#[tokio::test]
async fn no_secret_is_in_any_output() {
    // Nobody listens on port 9: every call fails, and every failure is told.
    let sources = r#"
[[source]]
id = "home"
kind = "tasmota"
url = "http://127.0.0.1:9"
password = "${READER_PASSWORD}"
zone = "UTC"

[[source]]
id = "plant"
kind = "rapidm2m"
url = "http://127.0.0.1:9/api/1/"
basic = "${BASIC}"
customer = "c"
site = "s"
channels = ["ch0"]

[[source]]
id = "demo"
kind = "synthetic"
"#;
    let hub = format!("HostName=hub.example;DeviceId=m1;SharedAccessKey={DEVICE_KEY}");
    let settings = [
        ("READER_PASSWORD", PASSWORD),
        ("BASIC", BASIC),
        ("IOTHUB_DEVICE_CONNECTION_STRING", hub.as_str()),
        ("IOTHUB_CONNECT", "127.0.0.1:9"),
        ("OPERATIONS_KEY", OPERATIONS),
        ("LOG_LEVEL", "trace"),
        ("TICK_SECONDS", "3"),
        ("WORKER_TICK_SECONDS", "3"),
    ];
    let handler = Handler::start(&settings, sources).await;
    let tick = handler.tick().await;
    let health = handler.get("/api/health").await;
    assert_eq!((tick.status, health.status), (200, 200));
    assert!(
        tick.body.contains("home: failed") && tick.body.contains("no connection"),
        "{}",
        tick.body
    );
    let mut outputs = vec![tick.body, health.body, handler.written()];
    for arguments in [
        &["check", "-vv"][..],
        &["poll", "-vv"],
        &["poll", "--dry-run", "-vv"],
        &["run", "--rounds", "1", "-vv"],
        &["plan"],
    ] {
        let ended = run(arguments, &settings, sources).await;
        outputs.push(format!("{arguments:?}\n{}\n{}", ended.out, ended.err));
    }
    // The same with a fault in each secret's own place.
    let wrong = [
        ("READER_PASSWORD", PASSWORD),
        ("BASIC", PASSWORD),
        ("IOTHUB_DEVICE_CONNECTION_STRING", &hub[..hub.len() - 4]),
        ("IOTHUB_DEVICE_KEY", PASSWORD),
        ("COSMOS_KEY", PASSWORD),
        ("OPERATIONS_KEY", OPERATIONS),
    ];
    let ended = run(&["check"], &wrong, sources).await;
    assert_eq!(ended.code, Some(64), "{ended:?}");
    outputs.push(ended.err);
    let basic_of_reader = "YWRtaW46aHVudGVyMi1vZi10aGUtcmVhZGVy";
    for output in outputs {
        for secret in [
            PASSWORD,
            BASIC,
            OPERATIONS,
            basic_of_reader,
            &DEVICE_KEY[..20],
            "sig=",
        ] {
            assert!(!output.contains(secret), "{secret} is in:\n{output}");
        }
    }
}
