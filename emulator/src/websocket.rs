//! MQTT and AMQP inside WebSocket: packets need not begin or end with frames (MQTT 3.1.1, section 6).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes as Frame;
use futures_util::{Sink, Stream};
use hyper::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The answer's headers and the subprotocol, if the request's headers ask for a WebSocket with one of `protocols`; else
/// what they lack.
pub(crate) fn accepts<'a>(
    asked: &HeaderMap,
    protocols: &[&'a str],
) -> Result<(HeaderMap, &'a str), &'static str> {
    let has = |name, word: &str| {
        let values = asked
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(','));
        words.any(|found| found.trim().eq_ignore_ascii_case(word))
    };
    if !has(CONNECTION, "upgrade") || !has(UPGRADE, "websocket") {
        return Err("this path is for WebSocket; send Connection: Upgrade and Upgrade: websocket");
    }
    if !has(SEC_WEBSOCKET_VERSION, "13") {
        return Err("Sec-WebSocket-Version is not 13");
    }
    let protocol = protocols
        .iter()
        .find(|protocol| has(SEC_WEBSOCKET_PROTOCOL, protocol));
    let protocol = *protocol.ok_or("Sec-WebSocket-Protocol offers neither mqtt nor AMQPWSB10")?;
    let key = asked
        .get(SEC_WEBSOCKET_KEY)
        .ok_or("Sec-WebSocket-Key is missing")?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert(
        SEC_WEBSOCKET_ACCEPT,
        accept.map_err(|_| "Sec-WebSocket-Key is malformed")?,
    );
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(protocol) = HeaderValue::from_str(protocol) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok((headers, protocol))
}

/// The bytes inside the binary frames of a WebSocket, in either direction.
pub(crate) struct Bytes<S> {
    socket: WebSocketStream<S>,
    /// What is left of the frame that came last.
    rest: Frame,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Bytes<S> {
    /// The server's side, after its 101; `read` came with the request. Frames are at most `largest` bytes.
    pub(crate) async fn new(stream: S, read: Vec<u8>, largest: usize) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(largest))
            .max_frame_size(Some(largest));
        Self {
            socket: WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await,
            rest: Frame::new(),
        }
    }

    /// What lies below.
    pub(crate) fn inside(&self) -> &S {
        self.socket.get_ref()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Bytes<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(frame))) => this.rest = frame,
                Some(Ok(Message::Text(_))) => {
                    let text = "WebSocket: a text frame came; MQTT and AMQP go in binary ones";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                // Pings are answered by the library.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let count = this.rest.len().min(buf.remaining());
        buf.put_slice(&this.rest.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Bytes<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.get_mut().socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(broken)?;
        let frame = Message::Binary(Frame::copy_from_slice(bytes));
        Poll::Ready(socket.start_send(frame).map_err(broken).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket)
            .poll_flush(cx)
            .map_err(broken)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket)
            .poll_close(cx)
            .map_err(broken)
    }
}

/// A WebSocket's fault as one of the stream: what the client did wrong is `InvalidData`.
fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => io::ErrorKind::UnexpectedEof.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, format!("WebSocket: {other}")),
    }
}
