//! What the hub decides.

use async_trait::async_trait;

use super::{Message, Refused};

/// What a client may do over one connection.
pub(crate) trait Service: Send + Sync + 'static {
    /// SASL PLAIN.
    fn login(&self, user: &str, password: &str) -> Result<(), Refused>;

    /// The client wants to send to `address`.
    fn inlet(&self, address: &str) -> Result<Box<dyn Inlet>, Refused>;

    /// The client wants to receive from `address`.
    fn outlet(&self, address: &str) -> Result<Box<dyn Outlet>, Refused>;

    /// A login or a link was refused, or the connection closed from this side.
    fn refused(&self, why: &Refused);
}

/// What a client sends to.
pub(crate) trait Inlet: Send {
    /// Takes a message; refused, it is rejected and the link goes on.
    fn take(&mut self, message: &Message) -> Result<(), Refused>;
}

/// What a client receives from. What is not settled when it is dropped is given back.
#[async_trait]
pub(crate) trait Outlet: Send {
    /// Waits for the next message, and gives the number to settle it by. Nothing is lost when the wait is broken off.
    async fn next(&mut self) -> Result<(u64, Message), Refused>;

    /// What became of a message.
    fn settle(&mut self, number: u64, settlement: Settlement);
}

/// What a client does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// It is done.
    Accepted,
    /// It is not to come again.
    Rejected,
    /// It is to come again.
    Released,
    /// The client had no room for it, and has not seen it.
    Unsent,
}
