//! The contract with the Functions host: the real binary as a process, called byte for byte as the real host was recorded to call, and
//! driven by the host double with this repository's own `host.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "host_contract/double.rs"]
mod double;
#[path = "host_contract/faulty.rs"]
mod faulty;
#[path = "host_contract/handler.rs"]
mod handler;
#[path = "host_contract/lifetime.rs"]
mod lifetime;
#[path = "host_contract/paths.rs"]
mod paths;
#[path = "host_contract/recorded.rs"]
mod recorded;
#[path = "host_contract/secrets.rs"]
mod secrets;
