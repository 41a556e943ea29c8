//! HTTP/1.1 over TLS, and what a connection may be turned into.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpListener;

use super::accept::{Accepted, Serving, accept};
use super::certificate::Chain;

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

/// In the extensions of every request: what goes on with its connection after the answer, when that is 101.
#[derive(Clone, Default)]
pub(crate) struct Afterwards(Arc<Mutex<Option<Task>>>);

/// In the extensions of every request: the certificates that the client presented, if it did.
#[derive(Clone)]
pub(crate) struct Presented(pub(crate) Option<Chain>);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Afterwards {
    /// The connection's task goes on with this one, and ends it with the listener.
    pub(crate) fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(task));
    }

    fn take(&self) -> Option<Task> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
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
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
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
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let Accepted { stream, reset } = accepted;
    let presented = Presented(Chain::of(stream.get_ref().1.peer_certificates()));
    let afterwards = Afterwards::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(afterwards.clone());
        request.extensions_mut().insert(presented.clone());
        service.call(request)
    });
    {
        let http = hyper::server::conn::http1::Builder::new();
        let mut serving = std::pin::pin!(
            http.serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
        );
        if let Err(error) = serving.as_mut().await {
            // `serving` still holds the socket, so the mark is set before it closes.
            reset.store(error.is_user(), Ordering::Relaxed);
        }
    }
    if let Some(task) = afterwards.take() {
        task.await;
    }
}
