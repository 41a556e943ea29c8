#![allow(clippy::unwrap_used)]
use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn parse(text: &str) -> Result<Routes, BadRoutes> {
    let environment = |name: &str| (name == "KEY").then(|| KEY.to_owned());
    Routes::parse("routes.toml", text, text.starts_with('{'), environment)
}

const COSMOS: &str = "[[endpoint]]\nname='c'\nkind='cosmos'\nurl='http://127.0.0.1:1/'\nkey='${KEY}'\ndatabase='d'\ncontainer='c'\n";

#[test]
fn what_is_left_out_has_a_meaning() {
    let routes = parse(&format!(
        "{COSMOS}partition_key='/month'\n[[route]]\nname='all'\nendpoint='c'"
    ))
    .unwrap();
    assert!(routes.fallback);
    assert_eq!(routes.routes[0].condition.to_string(), "true");
    let (_, Target::Cosmos(container)) = &routes.endpoints[0] else {
        panic!("{routes:?}");
    };
    assert_eq!(
        (container.key.as_str(), container.template.as_str()),
        ("month", "{deviceid}-{YYYY}-{MM}")
    );
    assert!(!format!("{routes:?}").contains(KEY), "{routes:?}");
    let json = r#"{"fallback":false,"endpoint":[{"name":"f","kind":"file","path":"x"}],
        "route":[{"name":"off","endpoint":"f","enabled":false},{"name":"on","endpoint":"events"}]}"#;
    let routes = parse(json).unwrap();
    assert!(!routes.fallback && routes.routes.len() == 1);
}

#[test]
fn all_faults_are_told_at_once_and_no_key() {
    let text = "
        [[endpoint]]
        name = 'events'
        kind = 'file'
        path = 'x'
        [[endpoint]]
        name = 'c'
        kind = 'cosmos'
        url = 'ftp://x'
        key = 'c2VjcmV0'
        database = 'a/b'
        container = 'c'
        partition_key = '/a/b'
        partition_key_template = '{device}'
        [[endpoint]]
        name = 'd'
        kind = 'cosmos'
        url = 'http://x'
        key = '${MISSING}'
        database = 'd'
        container = 'c'
        partition_key = 'k'
        [[route]]
        name = 'r'
        condition = 'a == 1'
        endpoint = 'nowhere'
        [[route]]
        name = 's'
        endpoint = 'c'";
    let error = parse(text).unwrap_err();
    let expected = [
        "endpoint events: the name is taken",
        "endpoint c: url is no http",
        "endpoint c: key: the key has 6 bytes",
        "endpoint c: partition_key is one member",
        "endpoint c: database is no name",
        "endpoint c: partition_key_template has {iothub}",
        "endpoint d: key: MISSING is not set",
        "route r: there is no endpoint nowhere",
        "route r: the condition \"a == 1\": 1:4 expected a value, found '= 1'",
    ];
    assert_eq!(error.faults.len(), expected.len(), "{error}");
    for (fault, expected) in error.faults.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault}\n{expected}");
    }
    assert!(!error.to_string().contains("c2VjcmV0"));
}

#[test]
fn a_file_that_is_no_such_file_is_named_with_its_line() {
    for (text, word) in [
        ("[[route]]\nname = 1", "line 2"),
        ("[[rout]]", "unknown field `rout`"),
        ("[[endpoint]]\nname='x'\nkind='queue'", "queue"),
        ("{\"route\": 1}", "line 1"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with("routes.toml: ") && error.contains(word),
            "{error}"
        );
    }
    let missing = Routes::read(Path::new("/nowhere/routes.toml"), |_| None).unwrap_err();
    assert!(
        missing.to_string().starts_with("/nowhere/routes.toml: "),
        "{missing}"
    );
}
