//! An HTTP function in proxying mode: the caller's request streamed to the handler, its answer streamed back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, future, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::connection::{Broken, Connection, Head};
use super::door::{Body, status};
use super::invocation::{Cause, Outcome};
use super::process::State;
use super::route::without_key;
use super::running::{Call, Running, VERSION};

/// Pauses before each round of attempts, as recorded; .NET makes four attempts in a round.
const ROUNDS_MS: [u64; 10] = [0, 50, 100, 200, 250, 250, 250, 250, 250, 250];
const ATTEMPTS: usize = 4;

/// Headers of one connection, not of the message.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// Headers that the host writes itself, whatever the caller sent.
const OVERWRITTEN: [&str; 6] = [
    "x-azure-functions-hostversion",
    "x-azure-functions-invocationid",
    "x-ms-invocation-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// A piece of an answer's body on its way to the caller.
type Piece = Result<Frame<Bytes>, Broken>;

/// Passes a request on. The caller gets the handler's answer, or an empty 500.
pub(super) async fn pass_on(
    host: &Arc<Running>,
    function: &str,
    target: &str,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let cause = Cause::Http {
        method: request.method().to_string(),
        target: without_key(target),
    };
    let call = host.begin(function, cause);
    let head = request_head(host, call.id, target, peer, &request);
    let (answer, wait) = oneshot::channel();
    // A task of its own: the answer's body outlives this function.
    let task = Arc::clone(host);
    host.spawn(async move { carry(&task, call, head, request, answer).await });
    wait.await
        .unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// The whole call, within `functionTimeout`; a caller who leaves ends it.
async fn carry(
    host: &Arc<Running>,
    call: Call,
    head: Vec<u8>,
    request: Request<Incoming>,
    mut answer: oneshot::Sender<Response<Body>>,
) {
    let method = request.method().to_string();
    let deadline = Instant::now() + host.timeout();
    let exchanged = tokio::select! {
        () = answer.closed() => return call.end(Outcome::Failed("the caller left".to_owned())),
        () = tokio::time::sleep_until(deadline) => Err(None),
        exchanged = exchange(host, &head, &method, request.into_body()) => exchanged.map_err(Some),
    };
    let (mut connection, mut head, reusable) = match exchanged {
        Ok(exchanged) => exchanged,
        Err(Some(error)) => return call.end(Outcome::Failed(error)),
        Err(None) => {
            host.replace_later();
            let reason = host.timed_out(&call.function);
            call.end(Outcome::Failed(reason));
            // The caller learns of it when the process is killed.
            tokio::time::sleep(host.times.kill_after_timeout).await;
            return;
        }
    };
    let (pieces, body) = mpsc::channel::<Piece>(1);
    let body = stream::unfold(body, async |mut body| {
        body.recv().await.map(|piece| (piece, body))
    });
    let _ = answer.send(response(&head, BodyExt::boxed(StreamBody::new(body))));
    loop {
        let piece = tokio::select! {
            () = pieces.closed() => return call.end(Outcome::Failed("the caller left".to_owned())),
            () = tokio::time::sleep_until(deadline) => {
                host.replace_later();
                let reason = host.timed_out(&call.function);
                return call.end(Outcome::Failed(reason));
            }
            piece = connection.piece(&mut head) => piece,
        };
        match piece {
            Ok(Some(piece)) => {
                let _ = pieces.send(Ok(Frame::data(piece))).await;
            }
            Ok(None) => {
                if reusable {
                    host.process.pool.give(connection, &head);
                }
                return call.end(Outcome::Succeeded);
            }
            Err(error) => {
                let reason = error.to_string();
                let _ = pieces.send(Err(error)).await;
                return call.end(Outcome::Failed(reason));
            }
        }
    }
}

/// Sends the request until an answer begins: a request without body up to forty times, one with a body once.
async fn exchange(
    host: &Running,
    head: &[u8],
    method: &str,
    body: Incoming,
) -> Result<(Connection, Head, bool), String> {
    match host.process.settled().await {
        State::Missing => std::future::pending().await,
        State::Over(reason) => return Err(reason),
        State::Starting(_) | State::Ready(_) | State::Quit => {}
    }
    let pool = &host.process.pool;
    if !body.is_end_stream() {
        let mut connection = pool.take().await.map_err(|error| error.to_string())?;
        let (head, sent) = connection
            .exchange_streaming(head, method, pieces(body))
            .await
            .map_err(|error| error.to_string())?;
        return Ok((connection, head, sent));
    }
    let mut last = String::new();
    for pause in ROUNDS_MS {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        for _ in 0..ATTEMPTS {
            let attempt = async {
                let mut connection = pool.take().await?;
                let head = connection.exchange(head, method).await?;
                Ok::<_, Broken>((connection, head, true))
            };
            match attempt.await {
                Ok(exchanged) => return Ok(exchanged),
                Err(error) => last = error.to_string(),
            }
        }
    }
    Err(last)
}

/// The request's body as it is written to the handler: in chunks if the caller told no length. Trailers are not passed on.
fn pieces(body: Incoming) -> impl Stream<Item = Result<Bytes, Broken>> + Send {
    let chunked = body.size_hint().exact().is_none();
    let data = body.into_data_stream().filter_map(move |data| {
        future::ready(match data {
            Ok(data) if data.is_empty() => None,
            Ok(data) if chunked => Some(Ok(chunk(&data))),
            other => Some(other.map_err(Broken::from)),
        })
    });
    data.chain(stream::iter(
        chunked.then(|| Ok(Bytes::from_static(b"0\r\n\r\n"))),
    ))
}

/// Host, the caller's headers, the host's own, then those of the content: the order of the real host.
fn request_head(
    host: &Running,
    id: Uuid,
    target: &str,
    peer: SocketAddr,
    request: &Request<Incoming>,
) -> Vec<u8> {
    let address = host.process.pool.address();
    let mut head =
        BytesMut::from(format!("{} {target} HTTP/1.1\r\nHost: {address}\r\n", request.method()).as_bytes());
    let mut line = |name: &str, value: &[u8]| {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    };
    let is_content = |name: &HeaderName| name.as_str().starts_with("content-");
    let headers = request.headers();
    for (name, value) in headers {
        let text = name.as_str();
        if name != HOST && !is_content(name) && !HOP_BY_HOP.contains(&text) && !OVERWRITTEN.contains(&text) {
            line(text, value.as_bytes());
        }
    }
    let id = id.to_string();
    line("X-Azure-Functions-HostVersion", VERSION.as_bytes());
    line("X-Azure-Functions-InvocationId", id.as_bytes());
    line("x-ms-invocation-id", id.as_bytes());
    line("X-Forwarded-For", peer.ip().to_string().as_bytes());
    line(
        "X-Forwarded-Host",
        headers.get(HOST).map_or(&b""[..], HeaderValue::as_bytes),
    );
    line("X-Forwarded-Proto", b"http");
    let body = request.body();
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        line("Transfer-Encoding", b"chunked");
    }
    for (name, value) in headers.iter().filter(|(name, _)| is_content(name)) {
        line(name.as_str(), value.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head.to_vec()
}

fn response(head: &Head, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut headers = HeaderMap::new();
    for (name, value) in &head.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value),
        ) && !HOP_BY_HOP.contains(&name.as_str())
        {
            headers.append(name, value);
        }
    }
    *response.headers_mut() = headers;
    response
}

fn chunk(data: &Bytes) -> Bytes {
    let mut chunk = BytesMut::from(format!("{:X}\r\n", data.len()).as_bytes());
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk.freeze()
}
