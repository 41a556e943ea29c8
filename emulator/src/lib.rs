//! What meterbridge talks to, on loopback, so that everything can be run and tested with no account.
//!
//! # Layout
//!
//! - [`tls`]: the emulators' own certificate authority and server certificates.
//! - [`certificate`]: certificates for devices, at the command line.
//! - `amqp`: AMQP 1.0 as the hub serves it to back ends.
//! - `mqtt`: MQTT 3.1.1 as hub and DPS serve it.
//! - `websocket`: both of them inside WebSocket.
//! - [`hub`]: Azure IoT Hub, device side over HTTPS and MQTT, and the feed of what arrived.
//! - [`dps`]: the Device Provisioning Service over HTTPS and MQTT.
//! - [`readers`]: bitShake SmartReaders (Tasmota over HTTP) with moving values.
//! - [`rapidm2m`]: a Microtronics rapidM2M backend.
//! - [`host`]: the Functions host: starts the handler from `host.json` and speaks to it as the real one does.
//! - `files`: how many connections a process may have. `saved`: state that survives a restart.
//! - [`demo`]: all of them together, for people.
//! - [`measure`]: what the benchmarks run against.

mod amqp;
pub mod certificate;
pub mod demo;
pub mod dps;
mod files;
pub mod host;
pub mod hub;
pub mod measure;
mod mqtt;
pub mod rapidm2m;
pub mod readers;
mod saved;
pub mod tls;
mod websocket;
