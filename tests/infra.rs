//! What a deployment is made of, held against the program: the evaluated Bicep files of the three shapes, `host.json`, the functions, the
//! settings, the roles, the queries of the alerts. Everything is checked on data, on any machine; where Microsoft's Bicep compiler is on
//! the PATH, the files are also built, linted, formatted and evaluated again.
//!
//! Each rule is a function over a [`Deployment`], so that the mistakes in `mutations.rs` go through the very rules that the real
//! deployment goes through.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "infra/compiler.rs"]
mod compiler;
#[path = "infra/deployment.rs"]
mod deployment;
#[path = "infra/enrolment.rs"]
mod enrolment;
#[path = "infra/functions.rs"]
mod functions;
#[path = "infra/handler.rs"]
mod handler;
#[path = "infra/logged.rs"]
mod logged;
#[path = "infra/mutations.rs"]
mod mutations;
#[path = "infra/network.rs"]
mod network;
#[path = "infra/roles.rs"]
mod roles;
#[path = "infra/security.rs"]
mod security;
#[path = "infra/settings.rs"]
mod settings;
#[path = "infra/store.rs"]
mod store;
#[path = "infra/watch.rs"]
mod watch;

use deployment::Deployment;

/// A rule: its name, and what it finds.
pub type Rule = (&'static str, fn(&Deployment) -> Vec<String>);

/// Every rule.
pub const RULES: [Rule; 15] = [
    ("everything was evaluated", deployment::evaluated),
    ("settings are those of the program", settings::known),
    ("secrets are in the vault", settings::vaulted),
    ("the program accepts its settings", settings::accepted),
    ("functions are those of the program", functions::answered),
    ("host.json fits the program", functions::host),
    ("the image runs the program", functions::image),
    ("the app fits Flex Consumption", functions::app),
    ("queues are those of the functions", functions::queues),
    ("the store is the program's", store::fits),
    ("roles are those of roles.toml", roles::listed),
    ("nothing is open that can be shut", security::shut),
    ("no key is used", security::keyless),
    ("the private shape is private", network::private),
    ("alerts and workbook ask for what is logged", watch::logged),
];

#[test]
fn every_rule_holds() {
    let deployment = Deployment::load();
    let mut found = Vec::new();
    for (name, rule) in RULES {
        found.extend(
            rule(&deployment)
                .into_iter()
                .map(|text| format!("{name}: {text}")),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
