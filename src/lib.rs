//! Meterbridge pulls time series from smart meters and delivers them to Azure IoT Hub, losing nothing and
//! sending nothing twice without saying so.
//!
//! ```text
//!  clock ──► trigger ──► poll ──► source ──► store ──► forward ──► IoT Hub
//!  people ──► (Operations) ──► api ──► store
//! ```
//!
//! # Layout, in the order a reading travels
//!
//! - [`trigger`]: the Functions host's protocol; turns what the host sends into a tick and a tick's outcome into its answer.
//! - [`poll`]: the only place that orders the steps of a tick: claim, drain, read, record, send, confirm, release.
//! - [`source`]: reads one window from one backend: Tasmota readers, rapidM2M, a synthetic load curve.
//! - [`store`]: remembers: Cosmos DB, or an embedded SQLite file.
//! - [`forward`]: delivers: packs, signs, sends and classifies the hub's answers.
//! - [`api`]: the second door, for people. It never polls by itself.
//! - [`catalog`]: which sources there are now: of the file, of the store, and found at backends.
//! - [`config`]: every setting; the only module that reads the environment.
//! - [`app`]: the parts, wired once per process.
//!
//! The plain data that travels between them lives in [`reading`].

pub mod api;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod entra;
pub mod forward;
pub mod http;
pub mod logs;
pub mod poll;
pub mod reading;
pub mod retry;
pub mod secret;
pub mod source;
pub mod store;
pub mod trigger;
