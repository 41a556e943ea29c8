//! `sources.toml` as people get it wrong, through the binary: each fault with its line.

use crate::handler::run;

#[tokio::test]
async fn a_wrong_source_ends_with_64_and_its_line() {
    let reader = |more: &str| {
        format!(
            "[[source]]\nid = \"home\"\nkind = \"tasmota\"\nurl = \"192.168.1.40\"\nzone = \"UTC\"\n{more}"
        )
    };
    let site = |more: &str| {
        format!(
            "[[source]]\nid = \"b\"\nkind = \"rapidm2m\"\nurl = \"https://b.example/api/1\"\ncustomer = \"c\"\nsite = \"s\"\nuser = \"reader\"\npassword = \"${{M2M_PASSWORD}}\"\nchannels = [\"ch0\"]\n{more}"
        )
    };
    let demo = |more: &str| format!("[[source]]\nid = \"demo\"\nkind = \"synthetic\"\n{more}");
    let check = async |file: &str, told: &str| {
        let settings = [("M2M_PASSWORD", "hunter2"), ("TimerSchedule", "0 * * * * *")];
        let ended = run(&["check", "--offline"], &settings, file).await;
        assert_eq!(ended.code, Some(64), "{file}: {ended:?}");
        assert!(
            ended.err.contains(told),
            "{file}: {told:?} is not in\n{}",
            ended.err
        );
        assert!(
            ended.err.starts_with("The configuration has 1 fault:\n"),
            "{}",
            ended.err
        );
        assert!(!ended.err.contains("hunter2"), "{}", ended.err);
    };
    check("[[source]\nid = 1", "sources.toml:1: is not TOML").await;
    check(
        "# one\n[source]\nid = \"home\"",
        "sources.toml:2 source: is a table; begin each source with `[[source]]`",
    )
    .await;
    check(
        "\n[[sources]]\nid = \"home\"",
        "sources.toml:2 sources: is not known; begin each source with `[[source]]`",
    )
    .await;
    check(
        "[[source]]\nid = \"home\"",
        "sources.toml:1 [home].kind: is missing; write `tasmota`, `rapidm2m` or `synthetic`",
    )
    .await;
    check(
        &demo("").replace("demo", "my demo"),
        "sources.toml:2 [source 1].id: `my demo` may only hold letters",
    )
    .await;
    check(
        &format!("{}\n{}", demo(""), demo("")),
        "sources.toml:6 [demo].id: is the id of the source in line 2, too",
    )
    .await;
    check(
        &demo("every = 60"),
        "sources.toml:4 [demo].every: has no unit; write for example `\"60s\"`",
    )
    .await;
    check(
        &demo("intervall = \"15m\""),
        "sources.toml:4 [demo].intervall: is not known; did you mean `interval`?",
    )
    .await;
    check(
        &demo("start = \"soon\""),
        "[demo].start: `soon`: write an instant",
    )
    .await;
    check(
        &demo("zone = \"Berlin\""),
        "[demo].zone: `Berlin` is not a time zone; write a name such as `Europe/Berlin`",
    )
    .await;
    check(
        &demo("cron = \"61 * * * *\""),
        "[demo].cron: `61 * * * *` is not a schedule",
    )
    .await;
    check(
        &reader("password = \"${READER_PASSWORD}\""),
        "sources.toml:6 [home].password: `${READER_PASSWORD}` is not set; give READER_PASSWORD",
    )
    .await;
    check(
        &reader("").replace("192.168.1.40", "http://admin:hunter2@r"),
        "sources.toml:4 [home].url: holds a login",
    )
    .await;
    check(
        &reader("").replace("192.168.1.40", "mqtt://192.168.1.40"),
        "sources.toml:4 [home].url: begins with `mqtt://`; only http and https are spoken",
    )
    .await;
    check(
        &reader("overlap = \"1h\""),
        "[home].overlap: means nothing here; it is for backends with history",
    )
    .await;
    check(
        &reader("pasword = \"x\""),
        "sources.toml:6 [home].pasword: is not known; did you mean `password`?",
    )
    .await;
    check(
        &reader("[source.channels]\n\"SML/a\" = \"1.8.0\""),
        "sources.toml:7 [home].channels.SML/a: is not a channel; write a path",
    )
    .await;
    check(
        &reader("[source.channels]\n\"/SML/a\" = \"1.8\""),
        "sources.toml:7 [home].channels./SML/a: `1.8` is not an OBIS code such as `1-0:1.8.0*255`",
    )
    .await;
    check(
        &site("").replace("site = \"s\"\n", ""),
        "[b].site: is missing; write the site's id",
    )
    .await;
    check(
        &site("").replace("channels = [\"ch0\"]", ""),
        "[b].channels: is missing; name what is read",
    )
    .await;
    check(
        &site("histdata = 10"),
        "sources.toml:10 [b].histdata: `10` is not a whole number from 0 to 9",
    )
    .await;
    check(
        &site("basic = \"cmVhZGVyOmh1bnRlcjI=\""),
        "[b].basic: is given beside `user` or `password`",
    )
    .await;
    check(
        &site("").replace("/api/1", "/api/1/?json=x"),
        "[b].url: ends in `?…`",
    )
    .await;
    check(
        &site("").replace("\"s\"", "\"*\""),
        "[b].site: is `*`, which names no site; write `sites = \"*\"`",
    )
    .await;
}
