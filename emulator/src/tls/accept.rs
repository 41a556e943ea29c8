//! The accept loop: one task per TLS connection, whatever is spoken inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::socket::Socket;

/// A client that opens a connection and never finishes the handshake is dropped after this.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A running accept loop. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Serving(AbortHandle);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection whose handshake succeeded.
pub(crate) struct Accepted {
    pub(crate) stream: TlsStream<Socket>,
    /// Once set, the connection ends with a TCP reset in place of an orderly end.
    pub(crate) reset: Arc<AtomicBool>,
}

/// Accepts connections on `listener` and hands each to `serve`, in a task of its own. `opened` counts those
/// whose handshake succeeded.
pub(crate) fn accept<F, Served>(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    opened: Arc<AtomicU64>,
    serve: F,
) -> Serving
where
    F: Fn(Accepted) -> Served + Clone + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(config);
    let task = tokio::spawn(async move {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = open.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (acceptor, opened, serve) = (acceptor.clone(), opened.clone(), serve.clone());
                        open.spawn(async move {
                            if let Some(accepted) = handshake(stream, &acceptor).await {
                                opened.fetch_add(1, Ordering::Relaxed);
                                serve(accepted).await;
                            }
                        });
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

async fn handshake(stream: TcpStream, acceptor: &TlsAcceptor) -> Option<Accepted> {
    // Answers are one small write each; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket {
        stream,
        reset: reset.clone(),
    };
    let stream = timeout(HANDSHAKE, acceptor.accept(socket)).await.ok()?.ok()?;
    Some(Accepted { stream, reset })
}
