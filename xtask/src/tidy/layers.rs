//! Who may know whom.

use super::Fault;
use super::paths::{self, Named};
use super::tree::{File, Tree};

/// The three that do not know each other; `poll` knows them all.
const APART: [&str; 3] = ["source", "store", "forward"];

/// Plain data that travels between the three.
const PLAIN: [&str; 4] = [
    "source::Request",
    "source::Finding",
    "forward::Assignment",
    "store::documents",
];

/// What of `std::env` is not the environment.
const NOT_VARIABLES: [&str; 5] = [
    "env::args",
    "env::args_os",
    "env::current_dir",
    "env::current_exe",
    "env::consts",
];

/// `source`, `store` and `forward` share plain data and nothing else.
pub(super) fn apart(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for own in APART {
        for file in tree.bridge().filter(|file| file.is_in(&format!("src/{own}"))) {
            for named in named(file) {
                let other = APART
                    .into_iter()
                    .find(|other| *other != own && named.is_in(other));
                if let Some(other) = other
                    && !PLAIN.iter().any(|plain| named.is_in(plain))
                {
                    let text = format!("{own} does not know {other}; `poll` puts them together");
                    faults.push(fault(file, named.line, text));
                }
            }
        }
    }
    faults
}

/// `api` is a door: only the program's doors open it.
pub(super) fn api(tree: &Tree) -> Vec<Fault> {
    let inside = |file: &&File| {
        !["src/api", "src/cli", "src/trigger"]
            .iter()
            .any(|door| file.is_in(door))
    };
    let mut faults = Vec::new();
    for file in tree.bridge().filter(inside) {
        for named in named(file).iter().filter(|named| named.is_in("api")) {
            faults.push(fault(
                file,
                named.line,
                "nothing but cli and trigger knows api".to_owned(),
            ));
        }
    }
    faults
}

/// Environment variables are read in `config` and nowhere else.
pub(super) fn environment(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.bridge().filter(|file| !file.is_in("src/config")) {
        let names_it =
            |named: &&Named| named.is_in("env") && !NOT_VARIABLES.iter().any(|allowed| named.is_in(allowed));
        for named in paths::paths(&file.code, "std").iter().filter(names_it) {
            let text = "only config reads the environment; take it from `Settings`".to_owned();
            faults.push(fault(file, named.line, text));
        }
    }
    faults
}

/// The members of an answer to the Functions host are `trigger`'s business.
pub(super) fn host_answers(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.bridge().filter(|file| !file.is_in("src/trigger")) {
        for word in ["Outputs", "ReturnValue"] {
            for line in paths::words(&file.code_and_texts, word) {
                faults.push(fault(
                    file,
                    line,
                    format!("only trigger knows the host's `{word}`"),
                ));
            }
        }
    }
    faults
}

/// All paths of a file from the crate's root.
fn named(file: &File) -> Vec<Named> {
    let module = file
        .path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .replace('/', "::");
    let mut all = paths::paths(&file.code, "crate");
    all.extend(paths::from_parent(&file.code, &module));
    all
}

fn fault(file: &File, line: usize, text: String) -> Fault {
    Fault {
        path: file.path.clone(),
        line,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn the_three_share_plain_data_alone() {
        let files = [
            ("src/source.rs", "use crate::store::Store;"),
            (
                "src/source/tasmota.rs",
                "use crate::{\n    clock,\n    forward,\n};",
            ),
            (
                "src/store/documents.rs",
                "use crate::forward::Assignment;\nuse crate::source::{Request, Finding};",
            ),
            (
                "src/store/cosmos.rs",
                "fn a() { super::super::source::b() }\nuse super::source::C;",
            ),
            (
                "src/forward/pack.rs",
                "use crate::store::documents::{Part, Shipment};\nuse crate::forward::Answer;",
            ),
            (
                "src/forward/hub.rs",
                "\nuse crate::source::{Finding, Window};\n// crate::store::Store",
            ),
            ("src/forward/tests.rs", "use crate::store::Store;"),
            ("src/poll.rs", "use crate::{forward, source, store};"),
            ("src/stored.rs", "use crate::source::Source;"),
        ];
        // The first line of a group stands for the whole.
        let found = [
            "src/forward/hub.rs:2",
            "src/source.rs:1",
            "src/source/tasmota.rs:1",
            "src/store/cosmos.rs:1",
        ];
        check(apart, &files, &found);
    }

    #[test]
    fn api_is_a_door() {
        let files = [
            ("src/app.rs", "use crate::api::router;"),
            ("src/api/health.rs", "use crate::api::Error;"),
            ("src/cli/run.rs", "crate::api::locked()"),
            ("src/trigger.rs", "crate::api::router()"),
            ("src/lib.rs", "pub mod api;"),
            ("src/poll.rs", "use crate::{api, clock};\nuse crate::apiary;"),
        ];
        check(api, &files, &["src/app.rs:1", "src/poll.rs:1"]);
    }

    #[test]
    fn the_environment_is_configs() {
        let files = [
            ("src/config.rs", "std::env::var(\"A\")"),
            ("src/config/load.rs", "use std::env;"),
            ("src/cli.rs", "std::env::args();\nstd::env::vars()"),
            ("src/logs.rs", "use std::{env, fs};"),
            ("src/app.rs", "let a = env!(\"B\");"),
            ("emulator/src/main.rs", "std::env::var(\"A\")"),
        ];
        check(environment, &files, &["src/cli.rs:2", "src/logs.rs:1"]);
    }

    #[test]
    fn the_hosts_answers_are_triggers() {
        let files = [
            ("src/trigger.rs", "struct Outputs;"),
            ("src/trigger/timer.rs", "\"ReturnValue\""),
            ("src/poll.rs", "// Outputs\n\"Outputs\""),
            ("src/api.rs", "#[serde(rename = \"ReturnValue\")]"),
            ("src/app.rs", "MyOutputs"),
            ("emulator/src/host.rs", "\"Outputs\""),
        ];
        check(host_answers, &files, &["src/api.rs:1", "src/poll.rs:2"]);
    }
}
