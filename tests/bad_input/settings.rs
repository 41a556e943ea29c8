//! Settings as people get them wrong, through the binary.

use crate::handler::{Pairs, SOURCES, run};

const KEY: &str = "bWV0ZXJicmlkZ2UtdGVzdC1rZXktMzItYnl0ZXMtISE=";

#[tokio::test]
async fn a_wrong_setting_ends_with_64_and_its_mend() {
    let policy = format!("HostName=h.net;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}");
    let no_key = "HostName=h.net;DeviceId=m1";
    let site = [
        ("M2MBackendURL", "https://b.example/api/1/"),
        ("Customer_ID", "c"),
        ("Site_ID", "s"),
    ];
    let with = |name: &'static str, value: &'static str| [site[0], site[1], site[2], (name, value)];
    let check = async |settings: Pairs<'_>, told: &str| {
        let ended = run(&["check", "--offline"], settings, SOURCES).await;
        assert_eq!(ended.code, Some(64), "{settings:?}: {ended:?}");
        assert!(
            ended.err.contains(told),
            "{settings:?}: {told:?} is not in\n{}",
            ended.err
        );
        assert!(
            ended.err.starts_with("The configuration has 1 fault:\n"),
            "{}",
            ended.err
        );
        for secret in [KEY, "hunter2"] {
            assert!(
                !ended.err.contains(secret) && !ended.out.contains(secret),
                "{}",
                ended.err
            );
        }
    };
    check(
        &[("TimerSchedule", "every minute")],
        "TimerSchedule: has 2 fields",
    )
    .await;
    check(
        &[("TimerSchedule", "24:00:00")],
        "TimerSchedule: would be 24 days to the host",
    )
    .await;
    check(
        &[("TICK_SECONDS", "50s")],
        "TICK_SECONDS: `50s` is not a whole number from 1 to 86400",
    )
    .await;
    check(
        &[("CONCURRENCY", "0")],
        "CONCURRENCY: `0` is not a whole number from 1 to 1024",
    )
    .await;
    check(
        &[("RETENTION_DAYS", "99999")],
        "RETENTION_DAYS: `99999` is not a whole number from 1 to 3650",
    )
    .await;
    check(
        &[("MESSAGE_FORMAT", "xml")],
        "MESSAGE_FORMAT: `xml` is not known; write one of: timeseries, flat, columns",
    )
    .await;
    check(
        &[("IOTHUB_TIER", "S4")],
        "IOTHUB_TIER: `S4` is not known; write one of: F1,",
    )
    .await;
    check(
        &[("LOG_LEVEL", "loud")],
        "LOG_LEVEL: `loud` is not a level: error, warn, info, debug or trace",
    )
    .await;
    check(&[("SOURCES_FILE", "none.toml")], "SOURCES_FILE: `none.toml`: ").await;
    check(
        &[("IOTHUB_CA_FILE", "sources.toml")],
        "IOTHUB_CA_FILE: holds no PEM certificate",
    )
    .await;
    check(
        &[("WEBSITE_INSTANCE_ID", "a1")],
        "COSMOS_ENDPOINT: is not set, and inside Azure the disk does not last",
    )
    .await;
    check(
        &[("COSMOS_ENDPOINT", "AccountEndpoint=https://a;AccountKey=hunter2;")],
        "COSMOS_ENDPOINT: is a connection string; write its AccountEndpoint",
    )
    .await;
    check(
        &[
            ("COSMOS_ENDPOINT", "https://a.example"),
            ("COSMOS_KEY", "hunter2"),
        ],
        "COSMOS_KEY: is not base64",
    )
    .await;
    check(
        &[("DPS_ID_SCOPE", "0ne1")],
        "DPS_GROUP_KEY: is not set, though DPS_ID_SCOPE is",
    )
    .await;
    check(
        &[("IOTHUB_DEVICE_CONNECTION_STRING", &policy)],
        "IOTHUB_DEVICE_CONNECTION_STRING: is a policy's connection string",
    )
    .await;
    check(
        &[("IOTHUB_DEVICE_CONNECTION_STRING", no_key)],
        "IOTHUB_DEVICE_CONNECTION_STRING: has no SharedAccessKey",
    )
    .await;
    check(&[("OPERATIONS_KEY", "@Microsoft.KeyVault(SecretUri=https://v/secrets/k)")], "OPERATIONS_KEY: Key Vault reference of OPERATIONS_KEY was not resolved; check the identity's role and the secret's URI").await;
    check(
        &[("IOTHUB_CONNECT", "localhost:99999")],
        "IOTHUB_CONNECT: is not `host` or `host:port`",
    )
    .await;
    check(
        &with("Base64encodedUsernamePassword", "reader:hunter2"),
        "Base64encodedUsernamePassword: is `user:password` as it is",
    )
    .await;
    check(
        &site,
        "Base64encodedUsernamePassword: is not set; give base64 of `user:password`",
    )
    .await;
    let whole = [
        site[0],
        site[1],
        site[2],
        ("Base64encodedUsernamePassword", "cmVhZGVyOmh1bnRlcjI="),
        ("EmulationMode", "yes"),
    ];
    check(
        &whole,
        "EmulationMode: `yes` is not known; write one of: true, false",
    )
    .await;
    check(
        &[("EmulationMode", "true"), site[1]],
        "Site_ID: is not set; name the site, or several with commas between them",
    )
    .await;
}

/// A settings file that is none, and a command line that is none.
#[tokio::test]
async fn a_wrong_command_line_is_told() {
    for (arguments, code, told) in [
        (
            &["check", "--settings", "none.json"][..],
            64,
            "none.json: cannot be read: ",
        ),
        (
            &["check", "--settings", "sources.toml"],
            64,
            "sources.toml: is not JSON: ",
        ),
        (
            &["check", "--sources", "none.toml"],
            64,
            "SOURCES_FILE: `none.toml`: ",
        ),
        (
            &["poll", "nobody"],
            64,
            "There is no source nobody; there are: x, a",
        ),
        (
            &["check", "nobody", "--offline"],
            64,
            "There is no source nobody; there are: x, a",
        ),
        (
            &["run", "--runner", "lan"],
            64,
            "No source has runner = \"lan\"; set `runner` in sources.toml, or --runner.",
        ),
        (
            &["run", "--listen", "0.0.0.0:0"],
            64,
            "is open to the network: set OPERATIONS_KEY first, or listen on 127.0.0.1.",
        ),
        (&["run", "--every", "1"], 2, "--every"),
        (&["pol"], 2, "some similar subcommands exist: 'plan', 'poll'"),
    ] {
        let ended = run(arguments, &[], SOURCES).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        assert!(
            ended.err.contains(told),
            "{arguments:?}: {told:?} is not in\n{}",
            ended.err
        );
    }
}
