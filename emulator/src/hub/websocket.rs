//! MQTT and AMQP on the HTTPS port: `GET /$iothub/websocket`, whose subprotocol tells them apart.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_rustls::server::TlsStream;

use super::refusal::Refusal;
use super::reply::{Reply, Stamp};
use super::{Inner, amqp, mqtt};
use crate::tls::{Afterwards, Chain, Presented, Socket};
use crate::websocket::{Bytes as WebSocketBytes, accepts};

/// Where SDKs knock; the second is that of uamqp, below Microsoft's Python service SDK, for AMQP.
const PATHS: [&str; 2] = ["/$iothub/websocket", "/$servicebus/websocket"];

/// The subprotocols of MQTT and AMQP.
const MQTT: &str = "mqtt";
const AMQP: &str = "AMQPWSB10";

/// Answers a request for a WebSocket and serves the connection afterwards; `None` if it asks for something else.
pub(super) fn upgrade(hub: &Arc<Inner>, request: &mut Request<Incoming>) -> Option<Result<Reply, Refusal>> {
    let path = request.uri().path().trim_end_matches('/');
    if !PATHS.iter().any(|known| path.eq_ignore_ascii_case(known)) || request.method() != Method::GET {
        return None;
    }
    let (headers, protocol) = match accepts(request.headers(), &[MQTT, AMQP]) {
        Ok(accepted) => accepted,
        Err(lacks) => return Some(Err(Refusal::argument(lacks))),
    };
    let mut reply =
        Stamp::new(hub.options.clock.now_ms()).reply(StatusCode::SWITCHING_PROTOCOLS, Bytes::new());
    reply.headers_mut().extend(headers);
    let upgraded = hyper::upgrade::on(&mut *request);
    let presented = request.extensions().get::<Presented>().cloned();
    let chain = presented.and_then(|Presented(chain)| chain);
    let hub = hub.clone();
    if let Some(afterwards) = request.extensions().get::<Afterwards>() {
        afterwards.run(async move {
            if let Ok(upgraded) = upgraded.await {
                serve(upgraded, hub, chain, protocol).await;
            }
        });
    }
    Some(Ok(reply))
}

async fn serve(upgraded: Upgraded, hub: Arc<Inner>, chain: Option<Chain>, protocol: &str) {
    // It is the socket that the accept loop made, but for tests of other listeners.
    let Ok(parts) = upgraded.downcast::<TokioIo<TlsStream<Socket>>>() else {
        return;
    };
    let read = parts.read_buf.to_vec();
    let mut stream = WebSocketBytes::new(parts.io.into_inner(), read, mqtt::largest(&hub)).await;
    if protocol == AMQP {
        amqp::serve(stream, hub).await;
    } else if mqtt::serve(&mut stream, hub, chain).await {
        let socket = stream.inside().get_ref().0;
        socket.reset.store(true, Ordering::Relaxed);
    }
}
