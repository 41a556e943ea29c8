//! The accept loop: one task per connection, HTTP/1.1 over TLS.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::socket::Socket;

/// A client that opens a connection and never finishes the handshake is dropped after this.
const HANDSHAKE: Duration = Duration::from_secs(10);

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

/// A running accept loop. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Serving(AbortHandle);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
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
    let acceptor = TlsAcceptor::from(config);
    let task = tokio::spawn(async move {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = open.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        open.spawn(connection(stream, acceptor.clone(), service.clone(), opened.clone()));
                    }
                    // Out of file descriptors, most likely: wait for connections to end.
                    Err(error) => {
                        tracing::warn!(%error, "Cannot accept a connection");
                        sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
    });
    Serving(task.abort_handle())
}

async fn connection<S, B>(stream: TcpStream, acceptor: TlsAcceptor, service: S, opened: Arc<AtomicU64>)
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    // Answers are one small write each; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket {
        stream,
        reset: reset.clone(),
    };
    let Ok(Ok(tls)) = timeout(HANDSHAKE, acceptor.accept(socket)).await else {
        return;
    };
    opened.fetch_add(1, Ordering::Relaxed);
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tls), service);
    let mut serving = std::pin::pin!(serving);
    if let Err(error) = serving.as_mut().await {
        // `serving` still holds the socket, so the mark is set before it closes.
        reset.store(error.is_user(), Ordering::Relaxed);
    }
}
