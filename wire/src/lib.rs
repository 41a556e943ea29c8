//! What travels between a meter, the bridge and Azure IoT Hub, as text and bytes.
//!
//! The bridge, the reader's firmware and the emulator all speak with this crate, so that both ends of
//! every test and every deployment agree. It is `no_std` with `alloc`, never waits and never reads a
//! clock: the time is an argument.
//!
//! # Layout
//!
//! Who may speak:
//! - [`percent`]: percent-encoding, as strict as the hub's signatures need it.
//! - [`key`]: a symmetric key, and the derivation of a device's key from its group's.
//! - [`sas`]: shared access signatures: what they open, how they are made, read and verified.
//! - [`connection_string`]: the text the portal hands out, taken apart.
//!
//! What is said:
//! - [`obis`]: the names of what a meter measures.
//! - [`stamp`]: instants as ISO 8601 text, fast.
//! - [`json`]: the little JSON that bodies need.
//! - [`payload`]: the body formats, with their sizes known before they are written.
//! - [`properties`]: application properties of a message, over HTTP.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod connection_string;
pub mod json;
pub mod key;
pub mod obis;
pub mod payload;
pub mod percent;
pub mod properties;
pub mod sas;
pub mod stamp;
