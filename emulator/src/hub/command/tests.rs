#![allow(clippy::unwrap_used)]
use clap::CommandFactory;

use super::*;

#[test]
fn the_arguments_are_consistent_and_ids_are_checked() {
    Args::command().debug_assert();
    let devices = |args: &[&str]| Args::try_parse_from([&["hub"], args].concat()).map(|a| a.devices);
    assert_eq!(devices(&[]).unwrap(), ["meter-001"]);
    assert_eq!(
        devices(&["--device", "a", "--device", "b:1"]).unwrap(),
        ["a", "b:1"]
    );
    assert!(
        devices(&["--device", "a b"])
            .unwrap_err()
            .to_string()
            .contains("a device id has")
    );
}

#[test]
fn throttles_are_read_and_faults_in_them_named() {
    let of = |text: &str| Args::try_parse_from(["hub", "--throttle", text]).map(|args| args.throttles);
    assert_eq!(
        of("twin-read=7/min").unwrap(),
        [(Operation::TwinRead, Rate::per_minute(7))]
    );
    for (text, word) in [
        ("send", "OPERATION=RATE"),
        ("send=5", "100/min"),
        ("sand=5/s", "sand"),
    ] {
        assert!(of(text).unwrap_err().to_string().contains(word), "{text}");
    }
}

/// Keys, certificates and so connection strings are the same at the next start.
#[tokio::test]
async fn a_second_start_prints_the_same_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new");
    let ports = [
        "--port=0",
        "--mqtt-port=0",
        "--amqp-port=0",
        "--dps-port=0",
        "--control-port=0",
    ];
    let dir = format!("--dir={}", dir.display());
    let args = Args::parse_from([&["hub", &dir, "--device=a", "--device=b"], &ports[..]].concat());
    let mut starts = Vec::new();
    for _ in 0..2 {
        let started = Started::new(&args).await.unwrap();
        let mut out = Vec::new();
        started.introduce(&mut out, &args.devices).unwrap();
        let text = String::from_utf8(out).unwrap();
        let keys: Vec<String> = text
            .lines()
            .filter(|l| l.to_lowercase().contains("key"))
            .map(str::to_owned)
            .collect();
        assert_eq!(keys.len(), 5, "{text}");
        assert!(
            keys[4].starts_with("device   HostName=localhost;DeviceId=b;SharedAccessKey="),
            "{text}"
        );
        assert!(text.contains("new/ca.pem"), "{text}");
        starts.push((keys, started.hub.ca_pem().to_owned()));
    }
    assert_eq!(starts[0], starts[1]);
}

#[test]
fn a_damaged_key_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("group.key");
    let key = load_or_create_key(&path).unwrap();
    assert_eq!(load_or_create_key(&path).unwrap(), key);
    std::fs::write(&path, "AAAA").unwrap();
    let error = load_or_create_key(&path).unwrap_err().to_string();
    assert!(
        error.contains("group.key") && error.contains("3 bytes"),
        "{error}"
    );
}
