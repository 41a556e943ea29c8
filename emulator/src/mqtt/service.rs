//! What hub and DPS decide.

use async_trait::async_trait;

use super::closing::Closing;
use super::publication::Publication;
use super::{Connect, ConnectReturnCode, Publish, Qos};

/// Lets clients in.
#[async_trait]
pub(crate) trait Service: Send + Sync {
    /// The first packet of a connection.
    async fn connect(&self, connect: &Connect) -> Result<Box<dyn Session>, Refused>;

    /// A connection of `client` (its client id, where it got so far as to tell one) was closed.
    fn closed(&self, client: Option<&str>, why: &Closing);
}

/// A client that is not let in.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What CONNACK says.
    pub(crate) code: ConnectReturnCode,
    /// The reason.
    pub(crate) why: Closing,
}

/// A client that was let in.
#[async_trait]
pub(crate) trait Session: Send {
    /// Whether the client finds what it has subscribed to before.
    fn is_resumed(&self) -> bool {
        false
    }

    /// A message of the client, and what is answered. PUBACK goes first; with `None` not even that is sent.
    async fn publish(&mut self, publish: Publish) -> Result<Option<Vec<Publication>>, Closing>;

    /// A subscription; returns the QoS that is granted.
    fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<Qos, Closing>;

    /// The end of a subscription.
    fn unsubscribe(&mut self, filter: &str);

    /// The client has taken the publication with this packet id.
    fn acknowledged(&mut self, packet_id: u16);

    /// Waits for what the service has to say. Nothing is lost when the wait is broken off.
    async fn next(&mut self) -> Result<Publication, Closing>;

    /// The connection has ended, after a DISCONNECT (`orderly`) or without.
    fn ended(&mut self, orderly: bool);
}
