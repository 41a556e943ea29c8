//! Bad input from every side, as tables: each case names what goes wrong and the words in which a person is told what to change. Where data
//! is concerned it is also mended afterwards, and everything arrives.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "bad_input/backends.rs"]
mod backends;
#[path = "host_contract/handler.rs"]
mod handler;
#[path = "bad_input/hub.rs"]
mod hub;
#[path = "bad_input/invocations.rs"]
mod invocations;
#[path = "bad_input/raw.rs"]
mod raw;
#[path = "bad_input/readers.rs"]
mod readers;
#[path = "bad_input/rig.rs"]
mod rig;
#[path = "bad_input/settings.rs"]
mod settings;
#[path = "bad_input/sources.rs"]
mod sources;
