use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}. Choose another address, or port 0 for any free one")]
pub struct StartError {
    /// What was asked for.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub cause: io::Error,
}

/// Ends the connection with what was sent so far, which may be nothing at all.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
pub(crate) struct Hangup;

/// What a server does with one request.
pub(crate) trait Answer: Send + Sync + 'static {
    /// The response, or [`Hangup`] to close the connection without any.
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Hangup>> + Send;
}

/// A listening HTTP/1.1 server. It ends, with all its connections, when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Binds and starts to answer. Keep-alive and `TCP_NODELAY` are on; no `Date` is sent, since the devices send none.
    pub(crate) async fn start(bind: SocketAddr, answer: Arc<impl Answer>) -> Result<Self, StartError> {
        let refused = |cause| StartError { address: bind, cause };
        let listener = TcpListener::bind(bind).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let accepting = tokio::spawn(accept(listener, answer));
        Ok(Self { address, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server and returns once its port is closed.
    pub(crate) async fn stop(mut self) {
        self.accepting.abort();
        // Only "cancelled" can come back, and that is what was asked for.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connections live in a set of this task, so that ending the task ends them.
async fn accept(listener: TcpListener, answer: Arc<impl Answer>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&answer)));
                }
                // Out of file handles, or a client that left the queue: the next accept may well succeed.
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, answer: Arc<impl Answer>) {
    // Without it small answers wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answer = Arc::clone(&answer);
        async move { answer.answer(request).await }
    });
    let ended = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection ended early");
    }
}

/// A response body.
pub(crate) enum Body {
    /// All of it at once, with its length in the head.
    Whole(Bytes),
    /// Less than the head promises; then the connection ends.
    Cut(Cut),
    /// Its second half comes later.
    Slow(Slow),
    /// Made while it is sent, in chunks, and only as fast as the client reads.
    Chunks(Box<dyn FnMut() -> Option<Bytes> + Send>),
}

/// A body that ends before its promised length.
pub(crate) struct Cut {
    sent: Bytes,
    promised: u64,
    flushed: bool,
}

/// A body in two halves with a pause between them.
pub(crate) struct Slow {
    halves: std::collections::VecDeque<Bytes>,
    left: u64,
    pause: Pin<Box<tokio::time::Sleep>>,
}

impl Body {
    /// Half of `text` at once, the other after `pause`.
    pub(crate) fn slow(text: impl Into<Bytes>, pause: std::time::Duration) -> Self {
        let text = text.into();
        let middle = text.len() / 2;
        Self::Slow(Slow {
            left: text.len() as u64,
            halves: [text.slice(..middle), text.slice(middle..)].into(),
            pause: Box::pin(tokio::time::sleep(pause)),
        })
    }

    /// The first half of `text` under a head that promises all of it.
    pub(crate) fn cut(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self::Cut(Cut {
            promised: text.len() as u64,
            sent: text.slice(..text.len() / 2),
            flushed: false,
        })
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(text: T) -> Self {
        Self::Whole(text.into())
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Hangup;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Hangup>>> {
        let frame = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => frame(std::mem::take(bytes)),
            Self::Cut(cut) if !cut.sent.is_empty() => frame(std::mem::take(&mut cut.sent)),
            // Hyper drops what it has not written when a body fails, so it is given one turn to write.
            Self::Cut(cut) if !cut.flushed => {
                cut.flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Cut(_) => Poll::Ready(Some(Err(Hangup))),
            Self::Slow(slow) => {
                if slow.halves.len() == 1 && slow.pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                match slow.halves.pop_front() {
                    Some(half) => {
                        slow.left -= half.len() as u64;
                        frame(half)
                    }
                    None => Poll::Ready(None),
                }
            }
            Self::Chunks(next) => match next() {
                Some(bytes) => frame(bytes),
                None => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Cut(cut) => SizeHint::with_exact(cut.promised),
            Self::Slow(slow) => SizeHint::with_exact(slow.left),
            Self::Chunks(_) => SizeHint::default(),
        }
    }
}
