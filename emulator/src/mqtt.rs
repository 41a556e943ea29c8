//! MQTT 3.1.1 as IoT Hub and DPS serve it; the packets themselves are `mqtt-protocol-core`'s.
//!
//! What a client may not do ends its connection, as at Azure, and unlike there the reason is told: see
//! [`Closing`].
//!
//! # Layout
//!
//! - `connection`: the life of one connection, from CONNECT on.
//! - `packets`: bytes to packets. `publication`: what a service sends.
//! - `service`: what hub and DPS decide: who may connect, and what a packet means.
//! - `closing`: why a connection was closed.

mod closing;
mod connection;
mod packets;
mod publication;
mod service;

pub(crate) use closing::Closing;
pub(crate) use connection::serve;
pub(crate) use mqtt_protocol_core::mqtt::packet::Qos;
pub(crate) use mqtt_protocol_core::mqtt::packet::v3_1_1::{Connect, Publish};
pub(crate) use mqtt_protocol_core::mqtt::result_code::ConnectReturnCode;
pub(crate) use packets::LARGEST_TOPIC;
#[cfg(any(test, fuzzing))]
pub(crate) use packets::{Packet, decoded};
pub(crate) use publication::Publication;
pub(crate) use service::{Refused, Service, Session};
