//! The hub over AMQP: what its addresses mean, and who may use them. Back ends send cloud-to-device messages here, and
//! receive feedback and notices of uploaded files; devices do not connect over AMQP.
//!
//! # Layout
//!
//! - `address`: which address means what. `access`: what a token proves. `cbs`: tokens sent to `$cbs`.
//! - `devicebound`: messages for devices. `servicebound`: messages for back ends.

mod access;
mod address;
mod cbs;
mod devicebound;
mod servicebound;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::Inner;
use super::closed::Closed;
use crate::amqp::{self, Inlet, Outlet, Refused, Service};
use crate::tls::{self, Serving};
use access::Proof;
use address::Address;
use cbs::Replies;

/// Serves the hub over AMQP and TLS on `listener`.
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
        serve(accepted.stream, hub.clone())
    })
}

/// Serves one connection.
pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, hub: Arc<Inner>) {
    let connection = Connection {
        hub,
        proof: Proof::default(),
        replies: Replies::default(),
    };
    amqp::serve(stream, Arc::new(connection)).await;
}

/// One connection of a back end.
struct Connection {
    hub: Arc<Inner>,
    proof: Proof,
    /// What `$cbs` has answered.
    replies: Replies,
}

impl Connection {
    /// Reads an address that the connection may use now.
    fn address(&self, text: &str) -> Result<Address, Refused> {
        let address = Address::parse(text)?;
        if address != Address::Cbs {
            self.proof.check(self.hub.options.clock.now_ms())?;
        }
        Ok(address)
    }
}

impl Service for Connection {
    fn login(&self, user: &str, password: &str) -> Result<(), Refused> {
        self.proof.set(access::by_plain(&self.hub, user, password)?);
        Ok(())
    }

    fn inlet(&self, address: &str) -> Result<Box<dyn Inlet>, Refused> {
        let (hub, proof) = (self.hub.clone(), self.proof.clone());
        match self.address(address)? {
            Address::Cbs => Ok(Box::new(cbs::Requests::new(hub, proof, self.replies.clone()))),
            Address::Devicebound => Ok(Box::new(devicebound::Sends::new(hub, proof))),
            Address::Feedback | Address::FileNotices => Err(address::one_way("received from")),
        }
    }

    fn outlet(&self, address: &str) -> Result<Box<dyn Outlet>, Refused> {
        let (hub, proof) = (self.hub.clone(), self.proof.clone());
        match self.address(address)? {
            Address::Cbs => Ok(Box::new(self.replies.clone())),
            Address::Devicebound => Err(address::one_way("sent to")),
            address => Ok(Box::new(servicebound::Receives::new(hub, proof, address))),
        }
    }

    fn refused(&self, why: &Refused) {
        refused(&self.hub, self.proof.policy(), why);
    }
}

/// Says why a client was refused.
fn refused(hub: &Inner, client: Option<String>, why: &Refused) {
    tracing::warn!(client, reason = why.text, "AMQP client refused");
    hub.counters.refuse(why.name);
    hub.closings.add(Closed {
        client,
        at: hub.options.clock.now_ms(),
        name: why.name,
        reason: format!("AMQP: {}", why.text),
    });
}
