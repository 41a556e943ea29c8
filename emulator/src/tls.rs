//! TLS as the emulators serve it: their own certificate authority, TLS 1.2 and 1.3, HTTP/1.1.
//!
//! # Layout
//!
//! - [`Authority`]: makes the certificates; clients trust its [`Authority::ca_pem`].
//! - [`serve`]: the accept loop; [`Serving`] ends it when dropped.
//! - [`Hangup`]: what a service returns to drop the connection in place of an answer.

mod authority;
mod serve;
mod socket;

pub use authority::{Authority, Error};
pub use serve::{Hangup, Serving, serve};
