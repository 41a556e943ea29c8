//! The configuration as a whole: settings and files in, a checked configuration or every fault out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use meterbridge::clock::iso;
use meterbridge::config::{
    Config, Fault, Format, Identity, Kind, Naming, SETTINGS, Schedule, StoreConfig, cron, definition_of,
    load, timer_period,
};
use meterbridge::secret::Secret;
use proptest::prelude::*;
use serde_json::json;

/// 2026-01-26T13:15:00Z.
const NOW: i64 = 1_769_433_300_000;
/// 32 bytes in base64.
const KEY: &str = "bWV0ZXJicmlkZ2UtdGVzdC1rZXktMzItYnl0ZXMtISE=";
const OTHER_KEY: &str = "YW5vdGhlci10ZXN0LWtleS13aXRoLTMyLWJ5dGVzISE=";
/// Until 2030-01-01.
const TOKEN: &str = "SharedAccessSignature sr=hub.net%2Fdevices%2Fm1&sig=XmAg9nWIvF6XOjSO6XbtrkBxpFQPrHa%2FbIAwxIgdUMY%3D&se=1893456000";

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Loads with these settings and this sources file, if any. `/ca.pem` is a certificate.
fn loaded(settings: Pairs<'_>, file: Option<&str>) -> Result<Config, Vec<Fault>> {
    let get = |name: &str| {
        settings
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| (*value).to_owned())
    };
    load(&get, &|path| read(path, file), NOW)
}

fn read(path: &Path, file: Option<&str>) -> io::Result<String> {
    match path.to_str() {
        Some("/ca.pem") => Ok("-----BEGIN CERTIFICATE-----\n".to_owned()),
        Some("/empty.pem") => Ok(String::new()),
        Some("sources.toml") => file
            .map(str::to_owned)
            .ok_or_else(|| io::ErrorKind::NotFound.into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn lines(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

/// Each of these settings alone is exactly one fault, told in these words.
#[test]
fn a_wrong_setting_is_one_fault() {
    let check = |settings: Pairs<'_>, expected: &str| {
        let told = lines(&loaded(settings, None).expect_err(expected));
        assert_eq!(told.len(), 1, "{settings:?}: {told:?}");
        assert!(told[0].contains(expected), "{expected:?} is not in {told:?}");
        for secret in [KEY, OTHER_KEY, "hunter2", "XmAg9nWI"] {
            assert!(!told[0].contains(secret), "{told:?}");
        }
    };
    let whole = format!("HostName=hub.net;DeviceId=m1;SharedAccessKey={KEY}");
    let policy = format!("HostName=hub.net;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}");
    let cut = &TOKEN[..90];
    let old_site = [
        ("M2MBackendURL", "https://b.example/api/1/"),
        ("Customer_ID", "c"),
        ("Site_ID", "s"),
    ];
    let site = |more: Pairs<'static>| -> Vec<(&str, &str)> {
        let login = [("Base64encodedUsernamePassword", "cmVhZGVyOmh1bnRlcjI=")];
        let all = old_site
            .iter()
            .chain(&login)
            .filter(|(n, _)| !more.iter().any(|(m, _)| m == n));
        all.chain(more).copied().collect()
    };

    check(&[("RUNNER", "my lan")], "RUNNER: may only hold letters");
    check(
        &[("TICK_SECONDS", "soon")],
        "TICK_SECONDS: `soon` is not a whole number from 1 to 86400",
    );
    check(&[("TICK_SECONDS", "0")], "TICK_SECONDS: `0` is not");
    check(
        &[("WORKER_TICK_SECONDS", "-1")],
        "WORKER_TICK_SECONDS: `-1` is not",
    );
    check(
        &[("CONCURRENCY", "0")],
        "CONCURRENCY: `0` is not a whole number from 1 to 1024",
    );
    check(&[("INLINE_LIMIT", "1.5")], "INLINE_LIMIT: `1.5` is not");
    check(
        &[("RETENTION_DAYS", "99999")],
        "RETENTION_DAYS: `99999` is not a whole number from 1 to 3650",
    );
    check(
        &[("MESSAGE_UNITS", "64")],
        "MESSAGE_UNITS: `64` is not a whole number from 1 to 46",
    );
    check(
        &[("MESSAGE_FORMAT", "xml")],
        "MESSAGE_FORMAT: `xml` is not known; write one of: timeseries, flat, columns",
    );
    check(
        &[("IOTHUB_TIER", "S4")],
        "IOTHUB_TIER: `S4` is not known; write one of: F1,",
    );
    check(&[("LOG_LEVEL", "loud")], "LOG_LEVEL: `loud` is not a level");
    check(
        &[("LOG_FORMAT", "csv")],
        "LOG_FORMAT: `csv` is not known; write one of: text, json",
    );
    check(
        &[("TimerSchedule", "0 * * * *  * *")],
        "TimerSchedule: has 7 fields",
    );
    check(
        &[("TimerSchedule", "every minute")],
        "TimerSchedule: has 2 fields",
    );
    check(
        &[("TimerSchedule", "0 0 24 * * *")],
        "TimerSchedule: `0 0 24 * * *` is not a schedule",
    );
    check(
        &[("TimerSchedule", "24:00:00")],
        "TimerSchedule: would be 24 days to the host",
    );
    check(&[("SOURCES_FILE", "/none.toml")], "SOURCES_FILE: `/none.toml`: ");
    check(
        &[("IOTHUB_CA_FILE", "/none.pem")],
        "IOTHUB_CA_FILE: `/none.pem`: ",
    );
    check(
        &[("IOTHUB_CA_FILE", "/empty.pem")],
        "IOTHUB_CA_FILE: holds no PEM certificate",
    );

    check(
        &[("WEBSITE_INSTANCE_ID", "a1")],
        "COSMOS_ENDPOINT: is not set, and inside Azure the disk does not last",
    );
    check(
        &[("COSMOS_KEY", KEY)],
        "COSMOS_ENDPOINT: is not set, though COSMOS_KEY is",
    );
    check(
        &[("COSMOS_ENDPOINT", "http://a.documents.azure.com")],
        "COSMOS_ENDPOINT: is plain http",
    );
    check(
        &[("COSMOS_ENDPOINT", "AccountEndpoint=https://a;AccountKey=hunter2;")],
        "COSMOS_ENDPOINT: is a connection string",
    );
    check(
        &[
            ("COSMOS_ENDPOINT", "https://a.example"),
            ("COSMOS_KEY", "hunter2"),
        ],
        "COSMOS_KEY: is not base64",
    );
    check(
        &[
            ("COSMOS_ENDPOINT", "https://a.example"),
            ("COSMOS_CLIENT_ID", "me"),
        ],
        "COSMOS_CLIENT_ID: is not a client id",
    );
    check(&[("COSMOS_DATABASE", "a/b")], "COSMOS_DATABASE: is not a name");
    check(
        &[
            ("COSMOS_ENDPOINT", "https://a.example"),
            ("M2MDocumentsDBUri", "https://b.example"),
        ],
        "COSMOS_ENDPOINT: differs from M2MDocumentsDBUri",
    );
    check(
        &[
            ("COSMOS_ENDPOINT", "https://a.example"),
            ("COSMOS_KEY", KEY),
            ("M2MDocumentsDBPrimaryKey", OTHER_KEY),
        ],
        "COSMOS_KEY: differs from M2MDocumentsDBPrimaryKey",
    );
    let unresolved = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)";
    check(
        &[("OPERATIONS_KEY", unresolved)],
        "OPERATIONS_KEY: Key Vault reference of OPERATIONS_KEY was not resolved; check the identity's role and the secret's URI",
    );
    check(
        &[("IOTHUB_DEVICE_CONNECTION_STRING", unresolved)],
        "Key Vault reference of IOTHUB_DEVICE_CONNECTION_STRING",
    );

    check(
        &[("DPS_ID_SCOPE", "0ne1")],
        "DPS_GROUP_KEY: is not set, though DPS_ID_SCOPE is",
    );
    check(
        &[("DPS_GROUP_KEY", KEY)],
        "DPS_ID_SCOPE: is not set, though DPS_GROUP_KEY is",
    );
    check(
        &[("DPS_ID_SCOPE", "0ne 1"), ("DPS_GROUP_KEY", KEY)],
        "DPS_ID_SCOPE: is not an id scope",
    );
    check(
        &[("DPS_ID_SCOPE", "0ne1"), ("DPS_GROUP_KEY", "hunter2")],
        "DPS_GROUP_KEY: the key is not base64",
    );
    check(
        &[("DPS_ENDPOINT", "https://dps/x")],
        "DPS_ENDPOINT: is not `host` or `host:port`",
    );
    check(
        &[("IOTHUB_DEVICE_CONNECTION_STRING", &policy)],
        "IOTHUB_DEVICE_CONNECTION_STRING: is a policy's connection string",
    );
    check(
        &[("IoTHubConnection", "HostName=hub.net;DeviceId=m1")],
        "IoTHubConnection: has no SharedAccessKey",
    );
    check(
        &[
            ("IOTHUB_DEVICE_CONNECTION_STRING", &whole),
            ("IoTHubURL", "other.net"),
        ],
        "IoTHubURL: differs from HostName in IOTHUB_DEVICE_CONNECTION_STRING",
    );
    check(
        &[
            ("IOTHUB_DEVICE_CONNECTION_STRING", &whole),
            ("IOTHUB_DEVICE_ID", "m2"),
        ],
        "IOTHUB_DEVICE_ID: differs from DeviceId in IOTHUB_DEVICE_CONNECTION_STRING",
    );
    check(
        &[
            ("IOTHUB_DEVICE_CONNECTION_STRING", &whole),
            ("IOTHUB_DEVICE_KEY", OTHER_KEY),
        ],
        "IOTHUB_DEVICE_KEY: differs from SharedAccessKey in IOTHUB_DEVICE_CONNECTION_STRING",
    );
    check(
        &[("IOTHUB_HOST", "hub.net"), ("IOTHUB_DEVICE_ID", "m1")],
        "IOTHUB_DEVICE_KEY: is not set, though IOTHUB_DEVICE_ID is",
    );
    check(
        &[("IOTHUB_DEVICE_KEY", KEY), ("IOTHUB_DEVICE_ID", "m1")],
        "IOTHUB_HOST: is not set, though IOTHUB_DEVICE_KEY is",
    );
    check(
        &[("IOTHUB_DEVICE_KEY", KEY), ("IOTHUB_HOST", "hub.net")],
        "IOTHUB_DEVICE_ID: is not set, though IOTHUB_DEVICE_KEY is",
    );
    let device = [("IOTHUB_HOST", "hub.net"), ("IOTHUB_DEVICE_ID", "m1")];
    let with = |name: &'static str, value: &'static str| [device[0], device[1], (name, value)];
    check(
        &with("IOTHUB_DEVICE_KEY", "hunter2"),
        "IOTHUB_DEVICE_KEY: the key is not base64",
    );
    check(
        &with("IOTHUB_DEVICE_KEY", "aHVudGVyMg=="),
        "IOTHUB_DEVICE_KEY: the key has 7 bytes where 16 to 64 are allowed",
    );
    check(
        &with("IOTHUB_SAS_TOKEN", "hunter2"),
        "IOTHUB_SAS_TOKEN: a token begins with \"SharedAccessSignature \"",
    );
    check(
        &[device[0], device[1], ("IoTHubSharedAccessSignature", cut)],
        "IoTHubSharedAccessSignature: the token has no se",
    );
    check(
        &[
            ("IOTHUB_HOST", "hub.net"),
            ("IOTHUB_DEVICE_ID", "m2"),
            ("IOTHUB_SAS_TOKEN", TOKEN),
        ],
        "IOTHUB_SAS_TOKEN: is for `hub.net/devices/m1`, not for device `m2` of `hub.net`",
    );
    check(
        &[
            ("IOTHUB_HOST", "hub.net/devices"),
            device[1],
            ("IOTHUB_DEVICE_KEY", KEY),
        ],
        "IOTHUB_HOST: is not a host name",
    );
    check(
        &[device[0], ("IOTHUB_DEVICE_ID", "m 1"), ("IOTHUB_DEVICE_KEY", KEY)],
        "IOTHUB_DEVICE_ID: is not a device id",
    );
    check(
        &[("IOTHUB_CONNECT", "localhost:99999")],
        "IOTHUB_CONNECT: is not `host` or `host:port`",
    );
    check(
        &[("IOTHUB_HOST", "a.net"), ("IoTHubURL", "b.net")],
        "IOTHUB_HOST: differs from IoTHubURL",
    );

    check(
        &site(&[("M2MBackendURL", "")]),
        "M2MBackendURL: is not set; give the backend's address",
    );
    check(
        &site(&[("M2MBackendURL", "https://u:hunter2@b.example/")]),
        "M2MBackendURL: holds a login",
    );
    check(&site(&[("Customer_ID", "")]), "Customer_ID: is not set");
    check(&site(&[("Site_ID", " , ")]), "Site_ID: is not set");
    check(&site(&[("Site_ID", "a,..")]), "Site_ID: `..` cannot be asked for");
    check(
        &site(&[("Customer_ID", ".")]),
        "Customer_ID: `.` cannot be asked for",
    );
    check(&site(&[("Site_ID", "a,b,a")]), "Site_ID: names `a` twice");
    check(
        &site(&[("Site_ID", "*")]),
        "Site_ID: is `*`, which these settings do not know; name the sites, or write `sites = \"*\"` in sources.toml",
    );
    check(
        &site(&[("Base64encodedUsernamePassword", "reader:hunter2")]),
        "Base64encodedUsernamePassword: is `user:password` as it is",
    );
    check(
        &site(&[("Base64encodedUsernamePassword", "")]),
        "Base64encodedUsernamePassword: is not set",
    );
    check(
        &site(&[("EmulationMode", "yes")]),
        "EmulationMode: `yes` is not known; write one of: true, false",
    );
    check(
        &site(&[("Channelnames", " , ")]),
        "Channelnames: names no channel",
    );
    check(
        &site(&[("Channelnames", "ch0, ch0")]),
        "Channelnames: names `ch0` twice",
    );
    check(
        &site(&[("FirstStart", "0001-01-01T00:00:00")]),
        "FirstStart: is before the year 2000",
    );
}

/// Each of these files has exactly one fault, told in these words and with this line.
#[test]
fn a_wrong_source_is_one_fault() {
    let check = |file: &str, expected: &str| {
        let settings = [
            ("PASSWORD", "hunter2"),
            ("UNRESOLVED", "@Microsoft.KeyVault(SecretUri=x)"),
            ("EMPTY", " "),
        ];
        let told = lines(&loaded(&settings, Some(file)).expect_err(expected));
        assert_eq!(told.len(), 1, "{file}: {told:?}");
        assert!(told[0].contains(expected), "{expected:?} is not in {told:?}");
        assert!(!told[0].contains("hunter2"), "{told:?}");
    };
    let reader = |more: &str| {
        format!(
            "[[source]]\nid = \"home\"\nkind = \"tasmota\"\nurl = \"192.168.1.40\"\nzone = \"UTC\"\n{more}"
        )
    };
    let backend = |more: &str| {
        format!(
            "[[source]]\nid = \"b\"\nkind = \"rapidm2m\"\nurl = \"https://b.example/api/1\"\ncustomer = \"c\"\n{more}"
        )
    };
    let site = |more: &str| {
        backend(&format!(
            "site = \"s\"\nbasic = \"cmVhZGVyOmh1bnRlcjI=\"\nchannels = [\"ch0\"]\n{more}"
        ))
    };
    let demo = |more: &str| format!("[[source]]\nid = \"demo\"\nkind = \"synthetic\"\n{more}");

    // The file itself.
    check("[[source]\nid = 1", "sources.toml:1: is not TOML");
    check(
        "[[source]]\nid = \"home\nkind = \"hunter2\"",
        "sources.toml:2: is not TOML",
    );
    check(
        "# one\n[source]\nid = \"home\"",
        "sources.toml:2 source: is a table; begin each source with `[[source]]`",
    );
    check(
        "source = [1]",
        "sources.toml:1 source: holds a number; begin each source",
    );
    check(
        "\n[[sources]]\nid = \"home\"",
        "sources.toml:2 sources: is not known; begin each source with `[[source]]`",
    );

    // Any kind.
    check(
        "[[source]]\nid = \"home\"",
        "sources.toml:1 [home].kind: is missing; write `tasmota`, `rapidm2m` or `synthetic`",
    );
    check(
        "[[source]]\nid = \"home\"\nkind = \"modbus\"",
        "sources.toml:3 [home].kind: `modbus` is not known",
    );
    check(
        "[[source]]\nid = \"my home\"\nkind = \"synthetic\"",
        "sources.toml:2 [source 1].id: `my home` may only hold letters",
    );
    check(
        &format!("[[source]]\nid = \"{}\"\nkind = \"synthetic\"", "x".repeat(65)),
        "is longer than 64 characters",
    );
    check(
        "[[source]]\nid = 7\nkind = \"synthetic\"",
        "sources.toml:2 [source 1].id: is a number; write a text in quotes",
    );
    check(
        "[[source]]\nkind = \"synthetic\"",
        "sources.toml:1 [source 1].id: is missing",
    );
    check(
        &format!("{}\n{}", demo(""), demo("")),
        "sources.toml:6 [demo].id: is the id of the source in line 2, too",
    );
    check(
        &demo("runner = \"l a n\""),
        "sources.toml:4 [demo].runner: `l a n` may only",
    );
    check(
        &demo("every = \"60\""),
        "sources.toml:4 [demo].every: `60` is no duration: write a duration with its unit",
    );
    check(
        &demo("every = 60"),
        "sources.toml:4 [demo].every: has no unit; write for example `\"60s\"`",
    );
    check(
        &demo("every = \"500ms\""),
        "[demo].every: `500ms` is not from 1s to 31d",
    );
    check(
        &demo("send_every = \"2d\""),
        "[demo].send_every: `2d` is not from 0s to 1d",
    );
    check(
        &demo("expected = \"0s\""),
        "[demo].expected: `0s` is not from 1s to 31d",
    );
    check(
        &demo("every = \"1h\"\ncron = \"0 * * * *\""),
        "sources.toml:5 [demo].cron: is given beside `every`",
    );
    check(
        &demo("cron = \"hourly\""),
        "sources.toml:4 [demo].cron: has 1 fields",
    );
    check(
        &demo("cron = \"61 * * * *\""),
        "[demo].cron: `61 * * * *` is not a schedule",
    );
    check(&demo("cron = \"0 0 30 2 *\""), "[demo].cron: never comes due");
    check(
        &demo("zone = \"Berlin\""),
        "[demo].zone: `Berlin` is not a time zone; write a name such as `Europe/Berlin`",
    );
    check(
        &demo("start = \"soon\""),
        "[demo].start: `soon`: write an instant",
    );
    check(
        &demo("start = \"1999-12-31T23:59:59Z\""),
        "[demo].start: `1999-12-31T23:59:59Z`: is before the year 2000",
    );
    check(
        &demo("start = 2026-03-29T02:30:00\nzone = \"Europe/Berlin\""),
        "does not exist in Europe/Berlin",
    );
    check(
        &demo("overlap = \"32d\""),
        "[demo].overlap: `32d` is not from 0s to 31d",
    );
    check(
        &demo("slice = \"1s\""),
        "[demo].slice: `1s` is not from 1m to 366d",
    );
    check(
        &demo("intervall = \"15m\""),
        "sources.toml:4 [demo].intervall: is not known; did you mean `interval`?",
    );
    check(
        &demo("colour = \"red\""),
        "[demo].colour: is not known; known are id, kind,",
    );
    check(
        &demo("histdata = 1"),
        "[demo].histdata: means nothing here; it is for kind `rapidm2m`",
    );
    check(
        &demo("interval = \"0s\""),
        "[demo].interval: `0s` is not from 1s to 1d",
    );
    check(&demo("seed = -1"), "[demo].seed: `-1` is not a whole number");
    check(
        &demo("counter = \"yes\""),
        "[demo].counter: is a text; write true or false without quotes",
    );
    check(
        &demo("site = \"s\""),
        "[demo].customer: is missing; bodies name customer and site",
    );

    // Substitution.
    check(
        &reader("password = \"${READER_PASSWORD}\""),
        "sources.toml:6 [home].password: `${READER_PASSWORD}` is not set; give READER_PASSWORD",
    );
    check(
        &reader("password = \"${EMPTY}\""),
        "[home].password: `${EMPTY}` is not set",
    );
    check(
        &reader("password = \"${UNRESOLVED}\""),
        "[home].password: Key Vault reference of UNRESOLVED was not resolved",
    );
    check(
        &reader("password = \"${READER PASSWORD}\""),
        "[home].password: has `${` without a name and `}`",
    );
    check(
        &reader("timeout = \"${PASSWORD}\""),
        "[home].timeout: what its setting holds is no duration",
    );

    // Readers.
    check(
        "[[source]]\nid = \"home\"\nkind = \"tasmota\"\nzone = \"UTC\"",
        "sources.toml:1 [home].url: is missing; write the reader's address",
    );
    check(
        &reader("").replace("192.168.1.40", "mqtt://192.168.1.40"),
        "sources.toml:4 [home].url: begins with `mqtt://`",
    );
    check(
        &reader("").replace("192.168.1.40", "http://admin:hunter2@r"),
        "sources.toml:4 [home].url: holds a login",
    );
    check(
        &reader("pasword = \"x\""),
        "sources.toml:6 [home].pasword: is not known; did you mean `password`?",
    );
    check(
        &reader("overlap = \"1h\""),
        "[home].overlap: means nothing here; it is for backends with history; a reader only knows the present",
    );
    check(&reader("password = \"\""), "[home].password: is empty");
    check(
        &reader("user = \"admin\""),
        "[home].password: is missing, though `user` is given",
    );
    check(
        &reader("referer = \"a b\""),
        "[home].referer: holds what no header may",
    );
    check(
        &reader("stale_after = 1"),
        "[home].stale_after: `1` is not a whole number from 2",
    );
    check(
        &reader("timeout = \"2m\""),
        "[home].timeout: `2m` is not from 1s to 1m",
    );
    check(
        &reader("recognise = false"),
        "[home].recognise: is false and no channel is given",
    );
    check(
        &reader("channels = []"),
        "sources.toml:6 [home].channels: is empty",
    );
    check(
        &reader("channels = 7"),
        "[home].channels: is a number; write a list of names, or a table",
    );
    check(
        &reader("channels = [\n\"/SML/a\",\n7]"),
        "sources.toml:8 [home].channels: holds a number",
    );
    check(
        &reader("[source.channels]\n\"SML/a\" = \"1.8.0\""),
        "sources.toml:7 [home].channels.SML/a: is not a channel; write a path",
    );
    check(
        &reader("[source.channels]\n\"/SML/a\" = \"1.8\""),
        "sources.toml:7 [home].channels./SML/a: `1.8` is not an OBIS code such as `1-0:1.8.0*255`",
    );
    check(
        &reader("[source.channels]\n\"/SML/a\" = { obis = \"1-0:1.8.0*256\" }"),
        "[home].channels./SML/a.obis: `1-0:1.8.0*256` is not an OBIS code",
    );
    check(
        &reader("[source.channels]\n\"/SML/a\" = { unti = \"kWh\" }"),
        "[home].channels./SML/a.unti: is not known; did you mean `unit`?",
    );
    check(
        &reader("[source.channels]\n\"/SML/a\" = { scale = 0 }"),
        "[home].channels./SML/a.scale: `0` is not a factor such as 0.001",
    );
    check(
        &reader("[source.channels]\n\"/SML/a\" = true"),
        "[home].channels./SML/a: is true or false; write an OBIS code",
    );
    check(
        &reader("[source.channels]\n\"/SML/a\" = \"1.8.0\"\n\"/SML/b\" = \"1-0:1.8.0*255\""),
        "sources.toml:8 [home].channels./SML/b: would be sent as `1-0:1.8.0*255`, as `/SML/a` is",
    );

    // Backends.
    check(
        &backend("channels = [\"ch0\"]"),
        "sources.toml:1 [b].site: is missing; write the site's id",
    );
    check(
        &site("").replace("channels = [\"ch0\"]", ""),
        "[b].channels: is missing; name what is read",
    );
    check(
        &site("").replace("customer = \"c\"", ""),
        "[b].customer: is missing",
    );
    check(
        &site("").replace("\"s\"", "\"..\""),
        "sources.toml:6 [b].site: `..` cannot be asked for: in an address it means a folder",
    );
    check(
        &site("").replace("\"c\"", "\".\""),
        "sources.toml:5 [b].customer: `.` cannot be asked for",
    );
    check(
        &site("").replace("https://b", "https://reader:hunter2@b"),
        "sources.toml:4 [b].url: holds a login; take it out of the address and give it as `user` and `password`, or `basic`",
    );
    check(
        &site("").replace("https://b", "reader@example.com:hunter2@b"),
        "sources.toml:4 [b].url: holds a login",
    );
    check(
        &site("").replace("\"s\"", "\"*\""),
        "sources.toml:6 [b].site: is `*`, which names no site; write `sites = \"*\"`",
    );
    check(
        &site("sites = [\"a\"]").replace("id = \"b\"\n", ""),
        "[source 1].sites: is given beside `site`",
    );
    check(
        &backend("channels = [\"ch0\"]\nsites = [\"a\"]"),
        "sources.toml:2 [b].id: names one source, but `sites` may name several",
    );
    let sites =
        |list: &str| backend(&format!("channels = [\"ch0\"]\nsites = {list}")).replace("id = \"b\"\n", "");
    check(&sites("[]"), "sources.toml:6 [source 1].sites: is empty");
    check(
        &sites("[\"a\",\n\".\"]"),
        "sources.toml:7 [source 1].sites: `.` cannot be asked for",
    );
    check(&sites("[\"a\", 1]"), "[source 1].sites: holds a number");
    check(
        &sites("[\"a\",\n\"a\"]"),
        "sources.toml:7 [source 1].sites: names `a` twice",
    );
    check(
        &site("histdata = 10"),
        "[b].histdata: `10` is not a whole number from 0 to 9",
    );
    check(
        &site("max_rows = 1"),
        "[b].max_rows: `1` is not a whole number from 100",
    );
    check(
        &site("user = \"reader\"\npassword = \"${PASSWORD}\""),
        "[b].basic: is given beside `user` or `password`",
    );
    check(
        &site("").replace("cmVhZGVyOmh1bnRlcjI=", "reader:hunter2"),
        "[b].basic: is `user:password` as it is",
    );
    check(
        &site("").replace("cmVhZGVyOmh1bnRlcjI=", "${PASSWORD}"),
        "[b].basic: is not base64 of `user:password`",
    );
    check(
        &site("").replace("basic = \"cmVhZGVyOmh1bnRlcjI=\"", "user = \"reader\""),
        "[b].password: is missing; a login needs",
    );
    check(
        &site("").replace("/api/1", "/api/1/?json=x"),
        "[b].url: ends in `?…`",
    );
}

/// Where every source is a device of its own, ids must be ids of devices too; elsewhere they need not.
#[test]
fn ids_are_ids_of_devices_where_dps_is_used() {
    let check = |ids: [&str; 2], expected: Option<&str>| {
        let demo = |id| format!("[[source]]\nid = \"{id}\"\nkind = \"synthetic\"\n");
        let file = ids.map(demo).concat();
        let group = [("DPS_ID_SCOPE", "0ne00A"), ("DPS_GROUP_KEY", KEY)];
        let told = loaded(&group, Some(&file)).map_or_else(|faults| lines(&faults), |_| Vec::new());
        assert_eq!(told.first().map(String::as_str), expected, "{ids:?}");
        assert!(told.len() <= 1, "{told:?}");
        assert!(loaded(&[], Some(&file)).is_ok(), "{ids:?}");
    };
    check(["home", "home-2"], None);
    check(["_home", "home-"], None);
    check(
        ["home", "home_"],
        Some(
            "sources.toml:4 [home_]: ends in `_`, which no device of the Device Provisioning Service may; end it in a letter, \
             digit or `-`",
        ),
    );
    check(
        ["home", "Home"],
        Some(
            "sources.toml:4 [Home]: differs from `home` of sources.toml:1 in letter case only, and both would be one device of \
             the Device Provisioning Service; give one another `id`",
        ),
    );
}

/// A file with faults everywhere tells all of them at once.
#[test]
fn many_faults_are_told_together() {
    let file = include_str!("data/config/faulty.toml");
    let settings = [
        ("TICK_SECONDS", "0"),
        ("IOTHUB_HOST", "hub.net"),
        ("IOTHUB_DEVICE_ID", "m 1"),
    ];
    let told = lines(&loaded(&settings, Some(file)).expect_err("faults")).join("\n");
    assert_eq!(told.trim(), include_str!("data/config/faulty.txt").trim());
}

/// The old connector's ten settings, as its README has them, are one rapidM2M source, a store and an identity.
#[test]
fn the_old_settings_still_work() {
    let old: BTreeMap<String, String> = serde_json::from_str(include_str!("data/config/old.json")).unwrap();
    assert_eq!(old.len(), 10);
    let pairs: Vec<_> = old
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let config = loaded(&pairs, None).map_err(|f| lines(&f)).unwrap();

    let StoreConfig::Cosmos {
        endpoint,
        key: Some(key),
        database,
        container,
        ..
    } = &config.settings.store
    else {
        panic!("{:?}", config.settings.store)
    };
    assert_eq!(
        (endpoint.as_str(), key.reveal()),
        ("https://m2m.documents.azure.com/", KEY)
    );
    assert_eq!((database.as_str(), container.as_str()), ("meterbridge", "polls"));
    let Identity::Token {
        hub,
        connect,
        device,
        token,
    } = &config.settings.identity
    else {
        panic!("{:?}", config.settings.identity)
    };
    assert_eq!(
        (hub.as_str(), connect.as_str()),
        ("yourname.azure-devices.net", "yourname.azure-devices.net")
    );
    assert_eq!(device, "forwarder");
    assert!(token.reveal().starts_with("SharedAccessSignature sr="));

    let [source] = &config.sources[..] else {
        panic!("{:?}", config.sources)
    };
    let Kind::RapidM2m(backend) = &source.kind else {
        panic!("{source:?}")
    };
    assert_eq!(backend.url.as_str(), "https://poc.microtronics.at/api/1/");
    assert_eq!(
        backend.basic.as_ref().map(Secret::reveal),
        Some("cmVhZGVyOmh1bnRlcjI=")
    );
    assert_eq!(
        (backend.customer.as_str(), backend.site.as_str()),
        ("Your customer Id", "Energy meter 1")
    );
    let names: Vec<_> = backend.channels.iter().map(|c| c.channel.name.as_str()).collect();
    assert_eq!(names, ["ch0", "ch3", "ch1"]);
    assert_eq!(backend.histdata, 0);
    assert_eq!(source.schedule, Schedule::Every(Duration::from_secs(60)));
    assert_eq!((source.start, source.origin.as_str()), (None, "M2MBackendURL"));
    let naming = Naming::Site {
        customer: "Your customer Id".to_owned(),
        site: "Energy meter 1".to_owned(),
    };
    assert_eq!(source.naming, naming);
    assert!(source.id.starts_with("energy-meter-1-"), "{}", source.id);
    assert_eq!(
        config.warnings.len(),
        1,
        "TimerSchedule alone is missing: {:?}",
        config.warnings
    );
}

/// The settings that came later in the old connector, and their odd spellings.
#[test]
fn the_old_lists_and_switches_work() {
    let base = [
        ("M2MBackendURL", "http://127.0.0.1:8083/api/1"),
        ("Customer_ID", "c"),
        ("TimerSchedule", "0 */5 * * * *"),
    ];
    let with = |more: Pairs<'_>| {
        let all: Vec<_> = base.iter().chain(more).copied().collect();
        loaded(&all, None).map_err(|f| lines(&f)).unwrap()
    };
    let config = with(&[
        ("Site_ID", "Energy meter 1, b ,"),
        ("Channelnames", " ch7 ,temperature"),
        ("FirstStart", "2017-01-26T13:30:00.1000000"),
    ]);
    let ids: BTreeSet<_> = config.sources.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    for source in &config.sources {
        let Kind::RapidM2m(backend) = &source.kind else {
            panic!("{source:?}")
        };
        assert_eq!(backend.url.as_str(), "http://127.0.0.1:8083/api/1/");
        assert_eq!(backend.basic, None, "a backend's own machine needs no login");
        let names: Vec<_> = backend.channels.iter().map(|c| c.channel.name.as_str()).collect();
        assert_eq!(names, ["ch7", "temperature"]);
        assert_eq!(source.start.map(iso).as_deref(), Some("2017-01-26T13:30:00.100Z"));
        assert_eq!(
            source.schedule,
            Schedule::Every(Duration::from_secs(300)),
            "as often as the timer runs"
        );
    }
    assert_eq!(config.warnings, [] as [String; 0]);

    for (text, emulated) in [
        ("true", true),
        ("TRUE", true),
        ("True", true),
        ("False", false),
        ("false", false),
        ("", false),
    ] {
        let config = with(&[("Site_ID", "s"), ("EmulationMode", text)]);
        let Kind::Synthetic(made_up) = &config.sources[0].kind else {
            assert!(!emulated, "{text}");
            continue;
        };
        assert!(emulated && made_up.counter, "{text}");
        assert_eq!(made_up.channels.len(), 1);
        assert_eq!(made_up.channels[0].channel.name, "ch0");
    }
    let config = loaded(
        &[("EmulationMode", "True"), ("Customer_ID", "c"), ("Site_ID", "s")],
        None,
    )
    .unwrap();
    assert!(
        matches!(config.sources[0].kind, Kind::Synthetic(_)),
        "emulation needs no backend"
    );
}

/// With nothing set there is an embedded store, no identity and no source.
#[test]
fn nothing_set_is_fine() {
    let config = loaded(&[], None).unwrap();
    let settings = &config.settings;
    assert!(matches!(&settings.store, StoreConfig::Embedded { path } if path.ends_with("meterbridge.db")));
    assert!(matches!(settings.identity, Identity::None));
    assert_eq!(
        (settings.pack.format, settings.pack.unit, settings.pack.units),
        (Format::Timeseries, 4096, 46)
    );
    assert_eq!(
        (settings.tick.as_secs(), settings.worker_tick.as_secs()),
        (50, 540)
    );
    assert_eq!((settings.concurrency, settings.inline_limit), (32, 200));
    assert_eq!(settings.retention.as_secs(), 90 * 86_400);
    assert_eq!((settings.log.level.as_str(), settings.log.format), ("info", None));
    assert_eq!(settings.timer_period(), None);
    assert_eq!(config.sources.len(), 0);
}

/// All ways to say who speaks to the hub, and which goes first.
#[test]
fn identities_are_taken_in_order() {
    let whole = format!("HostName=Hub.net;DeviceId=m1;SharedAccessKey={KEY}");
    let gateway = format!("{whole};GatewayHostName=edge");
    let check = |settings: Pairs<'_>, expected: &str| {
        let config = loaded(settings, None).map_err(|f| lines(&f)).unwrap();
        let shown = match &config.settings.identity {
            Identity::Group {
                endpoint,
                id_scope,
                key,
            } => format!("group {endpoint} {id_scope} {}", key.reveal() == KEY),
            Identity::Device {
                hub,
                connect,
                device,
                key,
            } => format!("device {hub} {connect} {device} {}", key.reveal() == KEY),
            Identity::Token {
                hub,
                connect,
                device,
                token,
            } => format!("token {hub} {connect} {device} {}", token.reveal() == TOKEN),
            Identity::None => "none".to_owned(),
        };
        assert_eq!(shown, expected, "{settings:?}");
    };
    let parts = [
        ("IOTHUB_HOST", "https://hub.net/"),
        ("IOTHUB_DEVICE_ID", "m1"),
        ("IOTHUB_SAS_TOKEN", TOKEN),
    ];
    check(&parts, "token hub.net hub.net m1 true");
    check(
        &[parts[0], parts[1], parts[2], ("IOTHUB_DEVICE_KEY", KEY)],
        "device hub.net hub.net m1 true",
    );
    check(
        &[parts[0], parts[1], parts[2], ("IOTHUB_CONNECT", "127.0.0.1:8443")],
        "token hub.net 127.0.0.1:8443 m1 true",
    );
    check(
        &[
            ("IOTHUB_DEVICE_CONNECTION_STRING", &whole),
            parts[0],
            parts[1],
            parts[2],
        ],
        "device hub.net hub.net m1 true",
    );
    check(
        &[("IoTHubConnection", &gateway), ("IoTHubURL", "hub.net")],
        "device hub.net edge m1 true",
    );
    let in_string = format!("HostName=hub.net;DeviceId=m1;SharedAccessSignature={TOKEN}");
    check(
        &[("IoTHubConnection", &in_string)],
        "token hub.net hub.net m1 true",
    );
    check(
        &[
            ("DPS_ID_SCOPE", "0ne00A"),
            ("DPS_GROUP_KEY", KEY),
            ("IoTHubConnection", &whole),
        ],
        "group global.azure-devices-provisioning.net 0ne00A true",
    );
    check(&[("IOTHUB_HOST", "hub.net")], "none");
}

/// What is allowed but doubtful is a warning.
#[test]
fn doubts_are_warnings() {
    let check = |settings: Pairs<'_>, file: &str, expected: &str| {
        let timer = ("TimerSchedule", "0 * * * * *");
        let mut all: Vec<_> = settings
            .iter()
            .filter(|(_, value)| *value != "-")
            .copied()
            .collect();
        if !settings.iter().any(|(name, _)| *name == timer.0) {
            all.push(timer);
        }
        let warnings = loaded(&all, Some(file)).map_err(|f| lines(&f)).unwrap().warnings;
        match expected {
            "" => assert_eq!(warnings, [] as [String; 0]),
            _ => assert!(
                warnings.len() == 1 && warnings[0].contains(expected),
                "{expected:?}: {warnings:?}"
            ),
        }
    };
    let reader = "[[source]]\nid = \"r\"\nkind = \"tasmota\"\nurl = \"192.168.1.40\"\n";
    let backend = "[[source]]\nkind = \"rapidm2m\"\nurl = \"http://b.example/api/1/\"\ncustomer = \"c\"\nsite = \"s\"\nchannels = [\"ch0\"]\n";
    let demo = "[[source]]\nid = \"d\"\nkind = \"synthetic\"\n";
    let token = |until: i64| TOKEN.replace("1893456000", &until.to_string());
    let hub = [("IOTHUB_HOST", "hub.net"), ("IOTHUB_DEVICE_ID", "m1")];

    check(&[], "", "");
    check(
        &[("TimerSchedule", "-")],
        "",
        "TimerSchedule: is not set; a Functions host disables TimerPoll",
    );
    check(&[("TimerSchedule", "-"), ("RUNNER", "lan")], "", "");
    check(
        &[("TimerSchedule", "*/30 * * * * *")],
        "",
        "TICK_SECONDS: 50s is not shorter than the timer's 30s",
    );
    check(
        &[("OPERATIONS_KEY", "short")],
        "",
        "OPERATIONS_KEY: is shorter than 16 characters",
    );
    check(&[("FirstStart", "2026-01-01")], "", "FirstStart: has no effect");
    check(&[hub[0]], "", "IOTHUB_HOST: names a hub, but no device");
    check(
        &[hub[0], hub[1], ("IOTHUB_SAS_TOKEN", &token(1_700_000_000))],
        "",
        "IOTHUB_SAS_TOKEN: expired at 2023-11-14T22:13:20.000Z",
    );
    check(
        &[hub[0], hub[1], ("IOTHUB_SAS_TOKEN", &token(NOW / 1000 + 86_400))],
        "",
        "IOTHUB_SAS_TOKEN: expires at 2026-01-27T13:15:00.000Z",
    );
    check(&[hub[0], hub[1], ("IOTHUB_SAS_TOKEN", TOKEN)], "", "");
    check(
        &[
            ("COSMOS_ENDPOINT", "https://a.example"),
            ("COSMOS_KEY", KEY),
            ("COSMOS_CLIENT_ID", "01234567-89ab-cdef-0123-456789ABCDEF"),
        ],
        "",
        "COSMOS_CLIENT_ID: has no effect beside a key",
    );
    check(
        &[],
        reader,
        "sources.toml:1 [r].zone: is missing; a reader whose clock tells no offset is taken to be on UTC",
    );
    let placed = format!("{reader}zone = \"Europe/Berlin\"\n");
    check(&[], &placed, "");
    check(
        &[
            ("WEBSITE_INSTANCE_ID", "1"),
            ("COSMOS_ENDPOINT", "https://a.example"),
        ],
        &placed,
        "sources.toml:1 [r]: has an address that Azure reaches through a VPN",
    );
    check(
        &[],
        &format!("{placed}every = \"5s\"\nrunner = \"lan\""),
        "[r]: is asked every 5s; readers answer badly below 10s",
    );
    check(
        &[],
        &format!("{demo}every = \"30s\""),
        "sources.toml:1 [d]: is due every 30s, but the timer runs every 1m only",
    );
    check(
        &[("TimerSchedule", "00:05:00")],
        &format!("{demo}cron = \"* * * * *\""),
        "[d]: is due every 1m, but the timer runs every 5m only",
    );
    check(&[], &format!("{demo}every = \"30s\"\nrunner = \"lan\""), "");
    check(
        &[],
        &format!("{demo}start = 2027-01-01T00:00:00Z"),
        "sources.toml:4 [d].start: is in the future",
    );
    check(
        &[],
        &format!("{backend}user = \"u\"\npassword = \"p\""),
        "[source 1].url: is plain http, so the login can be read",
    );
    check(&[], backend, "[source 1].url: is given without a login");
}

/// The example file is right, and says what its comments say.
#[test]
fn the_example_of_sources_is_right() {
    let settings = [
        ("READER_PASSWORD", "hunter2"),
        ("M2M_PASSWORD", "hunter3"),
        ("TimerSchedule", "0 * * * * *"),
    ];
    let config = loaded(&settings, Some(include_str!("../sources.example.toml")))
        .map_err(|f| lines(&f))
        .unwrap();
    assert_eq!(config.warnings, [] as [String; 0]);
    let [home, first, second, demo] = &config.sources[..] else {
        panic!("{:?}", config.sources)
    };
    let Kind::Tasmota(reader) = &home.kind else {
        panic!("{home:?}")
    };
    assert_eq!((home.id.as_str(), home.runner.as_str()), ("home", "lan"));
    assert_eq!(reader.url.as_str(), "http://192.168.1.40/");
    assert_eq!(reader.password.as_ref().map(Secret::reveal), Some("hunter2"));
    assert_eq!(
        (reader.user.as_str(), reader.recognise, reader.stale_after),
        ("admin", false, 60)
    );
    assert_eq!(
        (home.overlap, home.send_every),
        (Duration::ZERO, Duration::from_secs(900))
    );
    assert_eq!(home.zone, chrono_tz::Europe::Berlin);
    let names: Vec<_> = reader
        .channels
        .iter()
        .map(|c| (c.channel.name.as_str(), c.channel.sent_name()))
        .collect();
    let expected = [
        ("/SML/Total_in", "1-0:1.8.0*255"),
        ("/SML/Total_out", "1-0:2.8.0*255"),
        ("/SML/Power_curr", "1-0:16.7.0*255"),
    ];
    assert_eq!(names, expected, "in the order written");
    for source in [first, second] {
        let Kind::RapidM2m(backend) = &source.kind else {
            panic!("{source:?}")
        };
        assert!(source.id.starts_with("energy-meter-"), "{}", source.id);
        assert_eq!(
            backend.basic.as_ref().map(Secret::reveal),
            Some("cmVhZGVyQGV4YW1wbGUuY29tOmh1bnRlcjM=")
        );
        assert_eq!(
            (source.overlap.as_secs(), source.slice.as_secs(), source.start),
            (3600, 86_400, None)
        );
        assert_eq!(source.expected, Some(Duration::from_secs(900)));
        assert_eq!(source.zone, chrono_tz::UTC);
    }
    let Kind::Synthetic(made_up) = &demo.kind else {
        panic!("{demo:?}")
    };
    assert_eq!(
        (made_up.seed, made_up.interval.as_secs(), made_up.counter),
        (7, 900, false)
    );
    assert_eq!(made_up.channels[0].channel.obis.as_deref(), Some("1-0:1.8.0*255"));
    assert_eq!(
        made_up.channels[0].scale.map(|s| s.to_string()).as_deref(),
        Some("0.001")
    );
    assert_eq!(demo.start.map(iso).as_deref(), Some("2026-01-01T00:00:00.000Z"));
    assert_eq!(demo.naming, Naming::Source);
}

/// `local.settings.json.example` has every setting with its default, the host's own three, and nothing else.
#[test]
fn the_example_of_settings_is_the_table() {
    let example: serde_json::Value =
        serde_json::from_str(include_str!("../local.settings.json.example")).unwrap();
    let values = example["Values"].as_object().unwrap();
    let mut expected: BTreeMap<&str, &str> = SETTINGS
        .iter()
        .map(|s| (s.name, s.default.unwrap_or_default()))
        .collect();
    assert_eq!(expected.len(), SETTINGS.len(), "a name is there twice");
    expected.insert("TimerSchedule", "0 * * * * *");
    for (name, value) in [
        ("FUNCTIONS_WORKER_RUNTIME", "custom"),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
        ("AzureWebJobsDisableHomepage", "true"),
    ] {
        expected.insert(name, value);
    }
    let given: BTreeMap<&str, &str> = values
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str().unwrap()))
        .collect();
    assert_eq!(given, expected);
    let pairs: Vec<_> = given.into_iter().collect();
    let config = loaded(&pairs, None).map_err(|f| lines(&f)).unwrap();
    assert_eq!(config.warnings, [] as [String; 0]);
}

/// What is read is the table of settings, all of it and nothing else.
#[test]
fn only_the_table_is_read() {
    let asked = RefCell::new(BTreeSet::new());
    let get = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    load(&get, &|path| read(path, None), NOW).unwrap();
    let table: BTreeSet<_> = SETTINGS.iter().map(|s| s.name.to_owned()).collect();
    assert_eq!(asked.into_inner(), table);
}

/// A definition from the store has the same words, the same checks and no way to settings.
#[test]
fn a_document_defines_one_source() {
    let good = definition_of(&json!({
        "id": "home", "kind": "tasmota", "url": "reader.local", "every": "30s", "zone": "Europe/Berlin", "referer": "a$${b}",
        "runner": "lan", "user": null,
        "channels": {"/SML/Total_in": {"obis": "1.8.0", "scale": 0.001}},
    }))
    .unwrap();
    assert_eq!(
        (good.id.as_str(), good.origin.as_str(), good.runner.as_str()),
        ("home", "store", "lan")
    );
    let Kind::Tasmota(reader) = &good.kind else {
        panic!("{good:?}")
    };
    assert_eq!(reader.referer.as_deref(), Some("a${b}"));
    assert_eq!(
        reader.channels[0].scale.map(|s| s.to_string()).as_deref(),
        Some("0.001")
    );

    let check = |value: serde_json::Value, expected: &[&str]| {
        let told = lines(&definition_of(&value).expect_err("faults"));
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{expected:?}: {told:?}");
        }
    };
    check(json!([]), &["[source]: is not an object"]);
    check(json!({}), &["[source].kind: is missing"]);
    check(
        json!({"id": "home", "kind": "tasmota", "url": 7, "every": "1s1", "password": "${COSMOS_KEY}"}),
        &[
            "[home].every: `1s1` is no duration",
            "[home].url: is a number",
            "[home].password: `${COSMOS_KEY}` is replaced",
        ],
    );
    let several = json!({"kind": "rapidm2m", "url": "https://b.example/", "customer": "c", "sites": ["a", "b"], "channels": ["ch0"]});
    check(several, &["[source].sites: names several sources"]);
}

/// Neither the configuration nor its parts show a secret.
#[test]
fn debug_shows_no_secret() {
    let old: BTreeMap<String, String> = serde_json::from_str(include_str!("data/config/old.json")).unwrap();
    let mut pairs: Vec<_> = old
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    pairs.extend([
        ("DPS_ID_SCOPE", "0ne1"),
        ("DPS_GROUP_KEY", OTHER_KEY),
        ("OPERATIONS_KEY", "hunter4-hunter4-hunter4"),
    ]);
    pairs.extend([("READER_PASSWORD", "hunter5"), ("M2M_PASSWORD", "hunter6")]);
    let shown = format!(
        "{:#?}",
        loaded(&pairs, Some(include_str!("../sources.example.toml"))).unwrap()
    );
    let login = "cmVhZGVyQGV4YW1wbGUuY29tOmh1bnRlcjY=";
    for secret in [
        KEY,
        OTHER_KEY,
        "hunter",
        "cmVhZGVyOmh1bnRlcjI=",
        login,
        "XmAg9nWI",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(shown.contains("0ne1"));
}

/// The two readers of schedules that others use.
#[test]
fn schedules_are_open_to_others() {
    assert_eq!(timer_period("0 * * * * *"), Ok(Duration::from_secs(60)));
    assert!(cron("*/5 * * * *").is_ok());
}

/// A site that both the old settings and the file name would be polled twice.
#[test]
fn an_id_is_unique_over_all_origins() {
    let site = "[[source]]\nkind = \"rapidm2m\"\nurl = \"https://b.example/\"\ncustomer = \"c\"\nsite = \"s\"\nchannels = [\"ch0\"]\n";
    let old = [("EmulationMode", "true"), ("Customer_ID", "c"), ("Site_ID", "s")];
    for (settings, file, origin) in [
        (&old[..], site.to_owned(), "EmulationMode"),
        (&[], site.repeat(2), "sources.toml:1"),
    ] {
        let told = lines(&loaded(settings, Some(&file)).expect_err("one id twice"));
        assert!(
            told.len() == 1 && told[0].contains(&format!("has the same id as the source of {origin};")),
            "{told:?}"
        );
    }
}

/// Ten thousand sources with schedules of their own are one configuration.
#[test]
fn many_sources_are_read() {
    let file: String = (0..10_000)
        .map(|n| {
            format!("[[source]]\nid = \"d{n}\"\nkind = \"synthetic\"\ncron = \"*/5 8-17 * * MON-FRI\"\n")
        })
        .collect();
    let config = loaded(&[("TimerSchedule", "0 * * * * *")], Some(&file)).unwrap();
    assert_eq!(config.sources.len(), 10_000);
}

/// A file nested without end is refused, not followed.
#[test]
fn deep_nesting_is_refused() {
    for deep in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}1", "{a=".repeat(100_000)),
        format!("{}x = 1", "a.".repeat(100_000)),
    ] {
        assert!(loaded(&[], Some(&deep)).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the file holds, the answer is a configuration or faults.
    #[test]
    fn no_file_panics(text in "\\PC{0,200}", words in file_like()) {
        let _ = loaded(&[], Some(&text));
        let _ = loaded(&[], Some(&words));
    }

    /// Whatever a setting holds, likewise; and a secret's text is in no fault.
    #[test]
    fn no_setting_panics(which in 0..SETTINGS.len(), value in "\\PC{0,60}", mark in "[a-z]{24}") {
        let setting = &SETTINGS[which];
        let _ = loaded(&[(setting.name, &value)], None);
        if setting.secret {
            let value = format!("{value}{mark}");
            let told = loaded(&[(setting.name, &value)], None).err().unwrap_or_default();
            prop_assert!(!lines(&told).concat().contains(&mark), "{told:?}");
        }
    }

    /// Whatever a document holds, likewise.
    #[test]
    fn no_document_panics(text in "\\PC{0,40}", number in any::<f64>(), key in key()) {
        for value in [json!(text), json!(number), json!([text]), json!({key: text}), json!({"/a": {"scale": number}})] {
            let mut document = json!({"id": "x", "kind": "rapidm2m"});
            document[key] = value;
            let _ = definition_of(&document);
        }
    }
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "id",
        "kind",
        "url",
        "user",
        "password",
        "every",
        "cron",
        "zone",
        "overlap",
        "expected",
        "start",
        "slice",
        "timeout",
        "customer",
        "site",
        "sites",
        "basic",
        "histdata",
        "channels",
        "max_rows",
        "runner",
        "send_every",
    ])
}

/// Text that is nearly a sources file.
fn file_like() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "\"[a-z0-9:/${}.*]{0,12}\"",
        "[0-9.e-]{1,8}",
        Just("true".to_owned()),
        Just("[\"a\", {b = 1}]".to_owned()),
        Just("{ \"/a\" = \"1.8.0\", b = { scale = 1e-3 } }".to_owned()),
        Just("2026-01-01T00:00:00".to_owned()),
    ];
    let entry = (key(), value).prop_map(|(key, value)| format!("{key} = {value}\n"));
    let kind = prop::sample::select(vec!["tasmota", "rapidm2m", "synthetic", "other"]);
    let table = (kind, prop::collection::vec(entry, 0..8))
        .prop_map(|(kind, entries)| format!("[[source]]\nkind = \"{kind}\"\n{}", entries.concat()));
    prop::collection::vec(table, 0..3).prop_map(|tables| tables.concat())
}
