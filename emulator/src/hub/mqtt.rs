//! The hub over MQTT: what its topics mean, and who may use them.
//!
//! The DPS answers on the same port, to clients whose user name asks for it.
//!
//! # Layout
//!
//! - `login`: CONNECT's client id and user name. `topic`: which topic means what. `bag`: the properties in it. `telemetry`: both as a message.
//! - `session`: the connection of a device or a module; `met`: faults on demand over it. `deliveries`, `twin`, `calls`:
//!   what goes over it to the client. `kept`: what outlasts it.

mod bag;
mod calls;
mod deliveries;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod kept;
mod login;
mod met;
mod session;
mod telemetry;
mod topic;
mod twin;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::Inner;
use super::closed::Closed;
use super::refusal::Refusal;
use crate::dps;
use crate::mqtt::{Closing, Connect, LARGEST_TOPIC, Refused, Service, Session};
use crate::tls::{self, Accepted, Chain, Serving};

pub(super) use kept::Sessions;

#[cfg(fuzzing)]
pub use fuzzing::mqtt_packets;

/// Serves hub and DPS over MQTT and TLS on `listener`.
pub(super) fn listen(
    listener: TcpListener,
    config: &ServerConfig,
    hub: Arc<Inner>,
    opened: Arc<AtomicU64>,
) -> Serving {
    // Clients that name a protocol in the handshake name others than HTTP.
    let mut config = config.clone();
    config.alpn_protocols.clear();
    tls::accept(listener, Arc::new(config), opened, move |accepted| {
        let hub = hub.clone();
        async move {
            let Accepted { mut stream, reset } = accepted;
            let chain = Chain::of(stream.get_ref().1.peer_certificates());
            let hangs_up = serve(&mut stream, hub, chain).await;
            reset.store(hangs_up, Ordering::Relaxed);
        }
    })
}

/// Serves one connection, whose client has presented `chain` to TLS; whether its end is to be a TCP reset.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    hub: Arc<Inner>,
    chain: Option<Chain>,
) -> bool {
    let largest = largest(&hub);
    crate::mqtt::serve(stream, &Door { hub, chain }, largest).await
}

/// Bytes of the largest packet.
pub(super) fn largest(hub: &Inner) -> usize {
    hub.options.limits.message_bytes + LARGEST_TOPIC + 16
}

/// Where clients come in.
struct Door {
    hub: Arc<Inner>,
    /// What the client presented to TLS.
    chain: Option<Chain>,
}

#[async_trait]
impl Service for Door {
    async fn connect(&self, connect: &Connect) -> Result<Box<dyn Session>, Refused> {
        let Self { hub, chain } = self;
        if dps::mqtt::is_asked_for(connect) {
            let guest = hub.guest.read().unwrap_or_else(PoisonError::into_inner).upgrade();
            if let Some(dps) = guest {
                return dps::mqtt::connect(dps, connect, chain.as_ref()).await;
            }
        }
        session::connect(hub.clone(), connect, chain.as_ref()).await
    }

    fn closed(&self, client: Option<&str>, why: &Closing) {
        let hub = &self.hub;
        tracing::warn!(client, reason = why.text, "MQTT connection closed");
        if why.name != "Fault" {
            hub.counters.refuse(why.name);
        }
        hub.closings.add(Closed {
            client: client.map(str::to_owned),
            at: hub.options.clock.now_ms(),
            name: why.name,
            reason: why.text.clone(),
        });
    }
}

/// Over MQTT a refusal is the end of the connection.
impl From<Refusal> for Closing {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.name, format!("{} ({})", refusal.text, refusal.status))
    }
}
