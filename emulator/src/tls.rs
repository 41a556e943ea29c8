//! TLS as the emulators serve it: their own certificate authority, TLS 1.2 and 1.3, HTTP/1.1 inside or something else.
//!
//! # Layout
//!
//! - [`Authority`]: makes the certificates; clients trust its [`Authority::ca_pem`]. `expiry`: one that has ended, on demand.
//! - [`Certificate`], [`Chain`]: what devices present. `client`: how they are asked for it.
//! - `accept`: the accept loop; [`Serving`] ends it when dropped. [`serve`]: HTTP/1.1 on it.
//! - [`Hangup`]: what a service returns to drop the connection in place of an answer.

mod accept;
mod authority;
mod certificate;
mod client;
mod expiry;
mod serve;
mod socket;

pub use accept::Serving;
pub use authority::{Authority, Error, Identity};
pub use certificate::{Certificate, Chain, NotACertificate};
pub use serve::{Hangup, serve};

pub(crate) use accept::{Accepted, accept};
pub(crate) use serve::{Afterwards, Presented};
pub(crate) use socket::Socket;
