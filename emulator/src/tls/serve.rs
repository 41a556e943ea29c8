//! HTTP/1.1 over TLS.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpListener;

use super::accept::{Accepted, Serving, accept};

/// Returned by a service in place of an answer: the connection ends with a TCP reset, as if the server had
/// died at that moment.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection was dropped on purpose")]
pub struct Hangup;

impl From<Infallible> for Hangup {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Serves HTTP/1.1 (keep-alive, pipelining, chunked bodies) over TLS on `listener`, one clone of `service`
/// per connection. An error of the service ends its connection with a reset ([`Hangup`]). `opened` counts
/// the connections whose handshake succeeded.
///
/// An axum router fits after `hyper_util::service::TowerToHyperService::new(router)`.
pub fn serve<S, B>(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    service: S,
    opened: Arc<AtomicU64>,
) -> Serving
where
    S: HttpService<Incoming, ResBody = B> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    accept(listener, config, opened, move |accepted| {
        connection(accepted, service.clone())
    })
}

async fn connection<S, B>(accepted: Accepted, service: S)
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let Accepted { stream, reset } = accepted;
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    if let Err(error) = serving.as_mut().await {
        // `serving` still holds the socket, so the mark is set before it closes.
        reset.store(error.is_user(), Ordering::Relaxed);
    }
}
