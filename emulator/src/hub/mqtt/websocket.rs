//! MQTT on the HTTPS port: `GET /$iothub/websocket`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_rustls::server::TlsStream;

use super::Door;
use crate::hub::Inner;
use crate::hub::refusal::Refusal;
use crate::hub::reply::{Reply, Stamp};
use crate::mqtt::{WebSocketBytes, accepts};
use crate::tls::{Afterwards, Presented, Socket};

/// Where SDKs knock.
const PATH: &str = "/$iothub/websocket";

/// Answers a request for MQTT over WebSocket and serves the connection afterwards; `None` if it asks for
/// something else.
pub(in crate::hub) fn upgrade(
    hub: &Arc<Inner>,
    request: &mut Request<Incoming>,
) -> Option<Result<Reply, Refusal>> {
    let path = request.uri().path();
    if !path.trim_end_matches('/').eq_ignore_ascii_case(PATH) || request.method() != Method::GET {
        return None;
    }
    let headers = match accepts(request.headers()) {
        Ok(headers) => headers,
        Err(lacks) => return Some(Err(Refusal::argument(lacks))),
    };
    let mut reply =
        Stamp::new(hub.options.clock.now_ms()).reply(StatusCode::SWITCHING_PROTOCOLS, Bytes::new());
    reply.headers_mut().extend(headers);
    let upgraded = hyper::upgrade::on(&mut *request);
    let presented = request.extensions().get::<Presented>().cloned();
    let door = Door {
        hub: hub.clone(),
        chain: presented.and_then(|Presented(chain)| chain),
    };
    if let Some(afterwards) = request.extensions().get::<Afterwards>() {
        afterwards.run(async move {
            if let Ok(upgraded) = upgraded.await {
                serve(upgraded, &door).await;
            }
        });
    }
    Some(Ok(reply))
}

async fn serve(upgraded: hyper::upgrade::Upgraded, door: &Door) {
    // It is the socket that the accept loop made, but for tests of other listeners.
    let Ok(parts) = upgraded.downcast::<TokioIo<TlsStream<Socket>>>() else {
        return;
    };
    let largest = door.largest();
    let mut stream = WebSocketBytes::new(parts.io.into_inner(), parts.read_buf.to_vec(), largest).await;
    if crate::mqtt::serve(&mut stream, door, largest).await {
        let socket = stream.inside().get_ref().0;
        socket.reset.store(true, Ordering::Relaxed);
    }
}
