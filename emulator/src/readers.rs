//! bitShake SmartReaders as a client sees them: Tasmota's `/cm` over plain HTTP, with meters that move with the clock,
//! every generation of login, every refusal, and the faults that owners report.
//!
//! A [`Reader`] is one device on its own port. A [`ReaderFarm`] is thousands of devices behind one port, each under
//! `/r/{n}/cm`; their answers are arithmetic on the clock and a seed, so that nothing is stored and nothing ticks.
//!
//! # Layout
//!
//! - [`options`](ReaderOptions): what a device is set to. [`reader`](Reader), [`farm`](ReaderFarm): one device, many devices.
//! - `device`: one call in, one answer or none out. `access`: who may call. `status`: what is answered.
//! - `labels`: what meter scripts call their values. `curve`: what the meter counts. `time`: how the device writes the time.
//! - `fault`: what goes wrong, call by call. `clock`, `serve`: time and sockets, shared with the rapidM2M backend.
//!
//! What the device does was read from Tasmota's published source and from issues of its users; the source of each rule
//! stands beside it.

pub mod command;

mod access;
mod clock;
mod curve;
mod device;
mod farm;
mod fault;
mod labels;
mod options;
mod reader;
mod serve;
mod status;
mod time;

pub use access::{Access, Firmware, Language, Password};
pub use clock::Clock;
pub use curve::{Curve, Load};
pub use device::Call;
pub use farm::{FarmOptions, ReaderFarm};
pub use fault::{Fault, FaultStep};
pub use labels::{Labels, Meter};
pub use options::ReaderOptions;
pub use reader::Reader;
pub use serve::StartError;
pub use time::{TimeFormat, Zone};

pub(crate) use access::is_basic;
pub(crate) use fault::Script;
pub(crate) use serve::{Answer, Body, Hangup, Server};
