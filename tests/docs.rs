//! README.md and ARCHITECTURE.md against the program: what they list exists, and what exists is listed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use meterbridge::config::{Config, Fault, Format, PackConfig, SETTINGS, SourceConfig, load};
use meterbridge::forward::pack::{self, Frame};
use meterbridge::reading::{Channel, Rows};
use meterbridge::store::documents::{Part, Shipment};

const README: &str = include_str!("../README.md");
const ARCHITECTURE: &str = include_str!("../ARCHITECTURE.md");

/// 2026-01-26T13:15:00Z.
const NOW: i64 = 1_769_433_300_000;

// --- Reading Markdown ----------------------------------------------------------------------------------------------------------

/// The text under a heading, up to the next one of any level.
#[track_caller]
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, rest) = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no heading {heading}"));
    let end = rest.match_indices('\n').map(|(at, _)| at).find(|&at| {
        let line = &rest[at + 1..];
        line.starts_with("# ") || line.starts_with("## ") || line.starts_with("### ")
    });
    end.map_or(rest, |end| &rest[..end])
}

/// The cells of all rows of tables whose first column has this title.
#[track_caller]
fn table<'t>(text: &'t str, title: &str) -> Vec<Vec<&'t str>> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|').and_then(|l| l.strip_suffix('|')) else {
            inside = false;
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if inside && !cells[0].starts_with("---") {
            rows.push(cells);
        } else if cells[0] == title {
            inside = true;
        }
    }
    assert!(!rows.is_empty(), "no table that begins with {title}");
    rows
}

/// What stands in backticks.
fn codes(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The fenced blocks of a language, their indentation taken away.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(name)) => open = Some((indent, name == language, String::new())),
            (Some(_), Some(_)) => {
                if let Some((_, true, block)) = open.take() {
                    found.push(block);
                }
            }
            (Some((by, _, block)), None) => {
                block.push_str(line.get(*by..).unwrap_or_default());
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

// --- Settings ------------------------------------------------------------------------------------------------------------------

#[test]
fn the_settings_table_is_the_programs() {
    let mut expected = String::from("| Setting | Default | Meaning |\n|---|---|---|\n");
    for setting in SETTINGS {
        let default = setting.default.map_or("–".to_owned(), |text| format!("`{text}`"));
        let secret = if setting.secret { " (secret)" } else { "" };
        let _ = writeln!(
            expected,
            "| `{}` | {default} | {}{secret} |",
            setting.name, setting.meaning
        );
    }
    assert!(
        README.contains(&expected),
        "README.md, Settings, is to hold this table:\n\n{expected}"
    );
}

/// Names in capitals are settings: ours, the host's, or those of the README's own example. SQL has capitals of its own.
#[test]
fn every_setting_that_is_named_exists() {
    const OTHERS: [&str; 12] = [
        // What settings that definitions in the store may name begin with, and one of them.
        "SOURCE_",
        "SOURCE_BARN_PASSWORD",
        "FUNCTIONS_WORKER_RUNTIME",
        "READER_PASSWORD",
        "M2M_PASSWORD",
        "ROW_NUMBER",
        "METERBRIDGE_ALERT_EMAIL",
        "METERBRIDGE_APP",
        "METERBRIDGE_VAULT",
        "METERBRIDGE_PROVISIONING",
        "AZURE_RESOURCE_GROUP",
        "AZURE_PRINCIPAL_ID",
    ];
    let mut named = 0;
    for word in README.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        let is_name = word.contains('_') && word.chars().all(|c| !c.is_ascii_lowercase());
        if is_name && word.len() > 4 && !OTHERS.contains(&word) {
            assert!(
                SETTINGS.iter().any(|setting| setting.name == word),
                "README.md names {word}, which is no setting"
            );
            named += 1;
        }
    }
    assert!(named > SETTINGS.len(), "only {named} names");
}

// --- The command line ----------------------------------------------------------------------------------------------------------

/// Runs the program in an empty folder without any setting of this process.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meterbridge"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn every_command_is_in_the_readme_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let help = String::from_utf8(run(folder.path(), &["--help"]).stdout).unwrap();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let commands: BTreeSet<&str> = list
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|&command| command != "help")
        .collect();
    let rows = table(README, "Command");
    let listed: BTreeSet<&str> = rows.iter().map(|row| codes(row[0])[0]).collect();
    assert_eq!(listed, commands);

    for row in &rows {
        let help = String::from_utf8(run(folder.path(), &[codes(row[0])[0], "--help"]).stdout).unwrap();
        for option in codes(row[1]).iter().filter(|code| code.starts_with("--")) {
            let name = option.split_whitespace().next().unwrap();
            assert!(help.contains(name), "{} has no {name}", row[0]);
        }
    }
    // What prose and examples call.
    for call in codes(&README.replace("```", "")) {
        if let Some(command) = call
            .strip_prefix("meterbridge ")
            .and_then(|rest| rest.split_whitespace().next())
        {
            assert!(commands.contains(command), "{call}");
        }
    }
}

#[test]
fn exit_codes_are_those_of_the_readme() {
    const GOOD: &str = "[[source]]\nid = \"demo\"\nkind = \"synthetic\"\n";
    const DEAD: &str =
        "[[source]]\nid = \"home\"\nkind = \"tasmota\"\nzone = \"UTC\"\nurl = \"http://127.0.0.1:9\"\n";
    let mut seen = BTreeSet::new();
    let mut check = |sources: &str, arguments: &[&str], expected: i32| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sources.toml"), sources).unwrap();
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {output:?}");
        seen.insert(expected.to_string());
    };
    check(GOOD, &["check", "--offline"], 0);
    check(GOOD, &["poll", "--dry-run"], 0);
    check(GOOD, &["plan"], 0);
    check(DEAD, &["check"], 1);
    check(DEAD, &["poll"], 1);
    check(GOOD, &["poll", "--no-such-option"], 2);
    check(GOOD, &["no-such-command"], 2);
    check("[[source]]\n", &["check", "--offline"], 64);
    check("[[source]]\n", &["run"], 64);
    check(GOOD, &["serve"], 64);
    check(GOOD, &["run", "--runner", "lan"], 64);
    let listed: BTreeSet<String> = table(README, "Exit code")
        .iter()
        .map(|row| row[0].to_owned())
        .collect();
    assert_eq!(listed, seen);
}

// --- sources.toml --------------------------------------------------------------------------------------------------------------

fn loaded(sources: &str) -> Result<Config, Vec<Fault>> {
    let get = |name: &str| name.ends_with("_PASSWORD").then(|| "secret".to_owned());
    let read = |path: &Path| match path.to_str() {
        Some("sources.toml") => Ok(sources.to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    load(&get, &read, NOW)
}

#[test]
fn examples_of_sources_are_right() {
    let examples = blocks(README, "toml");
    assert_eq!(examples.len(), 3);
    for example in examples {
        let config = loaded(&example).unwrap_or_else(|faults| panic!("{example}\n{faults:?}"));
        assert!(!config.sources.is_empty() || !config.discoveries.is_empty());
    }
}

/// The keys of the tables of each kind, and those that the program knows, are the same.
#[test]
fn every_key_of_a_source_is_in_its_table() {
    let check = |heading: &str, file: &str, constant: &str, beside: &[&str]| {
        let text = std::fs::read_to_string(root().join("src/config").join(file)).unwrap();
        let (_, list) = text
            .split_once(&format!("const {constant}: &[&str] = &["))
            .unwrap();
        let known: BTreeSet<&str> = list
            .split("];")
            .next()
            .unwrap()
            .split('"')
            .skip(1)
            .step_by(2)
            .collect();
        let rows = table(section(README, heading), "Key");
        let mut listed: BTreeSet<&str> = rows.iter().flat_map(|row| codes(row[0])).collect();
        listed.extend(beside);
        assert_eq!(listed, known, "{heading}");
    };
    check("### Every kind", "source.rs", "COMMON", &[]);
    check(
        "### With a history: rapidm2m and synthetic",
        "source.rs",
        "HISTORY",
        &[],
    );
    check("### tasmota", "source/tasmota.rs", "KEYS", &[]);
    check("### rapidm2m", "source/rapidm2m.rs", "KEYS", &[]);
    check("### synthetic", "source/synthetic.rs", "KEYS", &[]);
    check("### Channels", "channels.rs", "KEYS", &[]);
}

/// A default written out changes nothing.
#[test]
fn defaults_of_sources_are_those_of_the_tables() {
    const TASMOTA: &str =
        "[[source]]\nid = \"a\"\nkind = \"tasmota\"\nurl = \"10.0.0.1\"\npassword = \"x\"\n";
    const RAPIDM2M: &str = "[[source]]\nkind = \"rapidm2m\"\nurl = \"https://b.example/api/1/\"\nuser = \"u\"\npassword = \"x\"\n\
                            customer = \"c\"\nsite = \"s\"\nchannels = [\"ch0\"]\n";
    const SYNTHETIC: &str = "[[source]]\nid = \"a\"\nkind = \"synthetic\"\n";
    let sources = |text: &str| {
        format!(
            "{:?}",
            loaded(text).unwrap_or_else(|f| panic!("{text}\n{f:?}")).sources
        )
    };
    let mut tried = 0;
    let mut check = |heading: &str, minimal: &str, place: usize| {
        for row in table(section(README, heading), "Key") {
            let (keys, defaults) = (codes(row[0]), codes(row[1]));
            let Some(default) = defaults.get(place).or(defaults.first()) else {
                continue;
            };
            let is_value = default.starts_with('"')
                || default.parse::<f64>().is_ok()
                || ["true", "false"].contains(default);
            if keys.len() == 1 && is_value && !minimal.contains(&format!("{} =", keys[0])) {
                assert_eq!(
                    sources(&format!("{minimal}{} = {default}\n", keys[0])),
                    sources(minimal),
                    "{heading}: {}",
                    keys[0]
                );
                tried += 1;
            }
        }
    };
    for minimal in [TASMOTA, RAPIDM2M, SYNTHETIC] {
        check("### Every kind", minimal, 0);
    }
    check("### With a history: rapidm2m and synthetic", RAPIDM2M, 0);
    check("### With a history: rapidm2m and synthetic", SYNTHETIC, 1);
    check("### tasmota", TASMOTA, 0);
    check("### rapidm2m", RAPIDM2M, 0);
    check("### synthetic", SYNTHETIC, 0);
    assert!(tried > 25, "only {tried} defaults were tried");
}

// --- What is sent --------------------------------------------------------------------------------------------------------------

/// The README's messages, to the byte.
#[test]
fn examples_of_messages_are_what_is_sent() {
    let config = loaded(&blocks(README, "toml")[0]).unwrap();
    let names = ["1-0:1.8.0*255", "1-0:16.7.0*255"];
    let mut rows = Rows::new(names.map(Channel::named).into());
    rows.push(NOW, |i| Some(["18181.434", "638"][i]));
    rows.push(NOW + 900_000, |i| (i == 0).then_some("18181.594"));
    let sent = blocks(section(README, "## What is sent"), "json");
    let formats = [Format::Timeseries, Format::Flat, Format::Columns];
    assert_eq!(sent.len(), formats.len());
    for (format, example) in formats.into_iter().zip(sent) {
        let bodies = config.sources[..2]
            .iter()
            .map(|source| body(source, &rows, format));
        assert_eq!(example, bodies.map(|body| body + "\n").collect::<String>());
    }
}

fn body(source: &SourceConfig, rows: &Rows, format: Format) -> String {
    let pack = PackConfig {
        format,
        unit: 4096,
        units: 1,
    };
    let shipment = Shipment {
        naming: source.naming.clone(),
        id: Shipment::id_of("b", 1),
        source: source.id.clone(),
        number: 2,
        at: NOW,
        attempts: vec![1],
        format: pack::format_name(format).into(),
        begin: NOW,
        end: NOW + 900_000,
        parts: Vec::new(),
        outcome: "pending".into(),
        delivered_at: None,
        units: 0,
        ttl: None,
    };
    let frame = Frame::of(&shipment, "1a204911b3845cb5", &pack);
    let body = pack::body(rows, 0..rows.len(), false, &frame);
    let part = Part {
        label: "0".into(),
        from: 0,
        to: rows.len(),
        revision: false,
        hash: String::new(),
    };
    let message = pack::message(&frame, &part, body.clone());
    if source.id == "home" {
        assert!(README.contains(&message.id), "{}", message.id);
    }
    for (name, _) in &message.properties {
        assert!(
            table(README, "Property")
                .iter()
                .any(|row| codes(row[0]).contains(&name.as_str())),
            "{name}"
        );
    }
    String::from_utf8(body.into()).unwrap()
}

// --- ARCHITECTURE.md -----------------------------------------------------------------------------------------------------------

#[test]
fn every_module_is_on_the_map() {
    let source = root().join("src");
    let mut missing = Vec::new();
    for file in files_below(&source, ".rs") {
        let path = file.strip_prefix(&source).unwrap().with_extension("");
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        // Every module of the first two levels; deeper ones belong to their noun.
        if parts.len() > 2 || parts.last().is_some_and(|name| name == "tests") {
            continue;
        }
        let name = parts.join("/");
        if !ARCHITECTURE.contains(&format!("`{name}`")) {
            missing.push(name);
        }
    }
    missing.sort();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?}");
}

/// `file.rs::test` exists in that very file; other paths in backticks exist, too.
#[test]
fn every_test_and_file_that_is_named_exists() {
    let mut tests = 0;
    for text in [README, ARCHITECTURE] {
        for code in codes(&text.replace("```", "")) {
            let (path, test) = match code.split_once("::") {
                Some((path, test)) if path.ends_with(".rs") => (path, Some(test)),
                None if code.contains('/')
                    && [".rs", ".toml", ".py"].iter().any(|e| code.ends_with(e))
                    && !code.starts_with('/') =>
                {
                    (code, None)
                }
                _ => continue,
            };
            let file = root().join(path);
            assert!(file.is_file(), "{path} is named, and is not there");
            if let Some(test) = test {
                let found = std::fs::read_to_string(&file).unwrap();
                assert!(
                    found.contains(&format!("fn {test}(")),
                    "{path} has no test {test}"
                );
                tests += 1;
            }
        }
    }
    assert!(tests > 40, "only {tests} tests are named");
}

/// Each row of the older programs' features has its line.
#[test]
fn every_row_of_the_older_programs_has_its_line() {
    let expected = (1..=7)
        .map(|n| format!("S0-{n}"))
        .chain((1..=20).map(|n| format!("S1-{n}")));
    let expected: Vec<String> = expected
        .chain(["S4-1", "S4-2", "S4-4", "S4-13"].map(String::from))
        .collect();
    let rows = table(ARCHITECTURE, "Row");
    let listed: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(listed, expected);
    for row in rows {
        assert!(
            codes(row[3]).iter().any(|code| code.contains("::")),
            "{}: names no test",
            row[0]
        );
    }
}

// --- Rows that have their test here --------------------------------------------------------------------------------------------

const DEMO: &str = "[[source]]\nid = \"demo\"\nkind = \"synthetic\"\n";

/// Row S0-7: a poll is one line, with the fields that the README lists.
#[test]
fn the_log_line_is_the_readmes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sources.toml"), DEMO).unwrap();
    let log = String::from_utf8(run(folder.path(), &["run", "--rounds", "1"]).stderr).unwrap();
    let line = log.lines().find(|line| line.contains(" Polled ")).expect(&log);
    assert!(
        line.contains("source=demo") && line.contains("rows=1 readings=1"),
        "{line}"
    );
    let (_, list) = section(README, "## Logs").split_once("with the fields ").unwrap();
    let fields = codes(list.split(';').next().unwrap());
    assert!(fields.len() > 8);
    for field in fields {
        // Nothing is delivered without an identity.
        assert!(
            field == "checkpoint" || line.contains(&format!(" {field}=")),
            "{field} is not in {line}"
        );
    }
}

/// Rows S4-1 and S4-4: as a plain service, and its version.
#[test]
fn the_version_is_told() {
    use std::io::{BufRead, BufReader, Read};
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sources.toml"), DEMO).unwrap();
    let mut service = Command::new(env!("CARGO_BIN_EXE_meterbridge"))
        .args(["run", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .env_clear()
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(service.stderr.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("Serving health address=")?.1.trim().to_owned()))
        .expect("an address");
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket
        .write_all(b"GET /api/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    service.kill().unwrap();
    service.wait().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(answer.contains(&format!("\"version\":\"{version}\"")), "{answer}");
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(&format!("## {version} ")));
}
