//! HTTP/1.1 to the handler over a bare socket: what is written is exactly what the host writes, byte for byte.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Enough for any head; a handler that sends more is broken.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;

/// A connection to the handler, kept alive between requests.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    incoming: BytesMut,
}

/// The head of an answer.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    keep_alive: bool,
    framing: Framing,
}

/// How much of an answer's body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Done,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Trailers,
    ToEnd,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("Connection refused ({0})")]
    Refused(SocketAddr),
    #[error("the handler closed the connection before its answer was complete")]
    Closed,
    #[error("the handler's answer is not HTTP/1.1: {0}")]
    Malformed(String),
    #[error("the caller's request broke off: {0}")]
    Caller(#[from] hyper::Error),
    #[error("the connection to the handler broke: {0}")]
    Io(#[from] io::Error),
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, Broken> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => Broken::Refused(address),
                _ => Broken::Io(error),
            })?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            incoming: BytesMut::new(),
        })
    }

    /// Writes a whole request and reads the head of its answer.
    pub(super) async fn exchange(&mut self, request: &[u8], method: &str) -> Result<Head, Broken> {
        self.stream.write_all(request).await?;
        read_head(&mut self.stream, &mut self.incoming, method).await
    }

    /// Writes a head, then the body piece by piece, while it waits for the head of the answer, which may come first: then
    /// the rest of the body is dropped and the connection cannot be used again (`false`).
    pub(super) async fn exchange_streaming(
        &mut self,
        request: &[u8],
        method: &str,
        body: impl Stream<Item = Result<Bytes, Broken>> + Send,
    ) -> Result<(Head, bool), Broken> {
        self.stream.write_all(request).await?;
        let (mut reader, mut writer) = self.stream.split();
        let incoming = &mut self.incoming;
        let mut sent = false;
        let send = async {
            let mut body = std::pin::pin!(body);
            while let Some(piece) = body.next().await {
                writer.write_all(&piece?).await?;
            }
            Ok::<(), Broken>(())
        };
        let receive = read_head(&mut reader, incoming, method);
        tokio::pin!(send, receive);
        loop {
            tokio::select! {
                done = &mut send, if !sent => {
                    done?;
                    sent = true;
                }
                head = &mut receive => return Ok((head?, sent)),
            }
        }
    }

    /// The next piece of the body; `None` at its end.
    pub(super) async fn piece(&mut self, head: &mut Head) -> Result<Option<Bytes>, Broken> {
        loop {
            match head.framing {
                Framing::Done => return Ok(None),
                Framing::Length(0) => head.framing = Framing::Done,
                Framing::Chunk(0) => head.framing = Framing::ChunkEnd,
                Framing::Length(left) => {
                    let piece = self.up_to(left).await?;
                    head.framing = Framing::Length(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Framing::Chunk(left) => {
                    let piece = self.up_to(left).await?;
                    head.framing = Framing::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Framing::ChunkSize => {
                    let line = self.line().await?;
                    let size = line.split(';').next().unwrap_or_default().trim();
                    head.framing = match u64::from_str_radix(size, 16) {
                        Ok(0) => Framing::Trailers,
                        Ok(size) => Framing::Chunk(size),
                        Err(_) => return Err(Broken::Malformed(format!("chunk size {size:?}"))),
                    };
                }
                Framing::ChunkEnd => {
                    if !self.line().await?.is_empty() {
                        return Err(Broken::Malformed("a chunk is longer than it says".to_owned()));
                    }
                    head.framing = Framing::ChunkSize;
                }
                Framing::Trailers => {
                    if self.line().await?.is_empty() {
                        head.framing = Framing::Done;
                    }
                }
                Framing::ToEnd => {
                    if self.incoming.is_empty() && self.stream.read_buf(&mut self.incoming).await? == 0 {
                        head.framing = Framing::Done;
                    } else {
                        return Ok(Some(self.incoming.split().freeze()));
                    }
                }
            }
        }
    }

    /// The whole body.
    pub(super) async fn body(&mut self, head: &mut Head) -> Result<Vec<u8>, Broken> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(head).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    async fn up_to(&mut self, left: u64) -> Result<Bytes, Broken> {
        if self.incoming.is_empty() && self.stream.read_buf(&mut self.incoming).await? == 0 {
            return Err(Broken::Closed);
        }
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(self.incoming.len());
        Ok(self.incoming.split_to(length).freeze())
    }

    async fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(end) = self.incoming.iter().position(|byte| *byte == b'\n') {
                let line = self.incoming.split_to(end + 1);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.incoming.len() > MAX_HEAD {
                return Err(Broken::Malformed("a line without end".to_owned()));
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(Broken::Closed);
            }
        }
    }

    /// Whether nothing came in since the last answer: no end, no stray bytes.
    pub(super) fn is_quiet(&self) -> bool {
        let silent = matches!(
            self.stream.try_read(&mut [0]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock
        );
        silent && self.incoming.is_empty()
    }
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    pub(super) fn is_reusable(&self) -> bool {
        self.keep_alive && self.framing == Framing::Done
    }
}

async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    incoming: &mut BytesMut,
    method: &str,
) -> Result<Head, Broken> {
    loop {
        if let Some((length, head)) = parse_head(incoming, method)? {
            incoming.advance(length);
            // Interim answers (100, 103) precede the one that counts.
            if head.status >= 200 {
                return Ok(head);
            }
            continue;
        }
        if incoming.len() > MAX_HEAD {
            return Err(Broken::Malformed("a head without end".to_owned()));
        }
        if stream.read_buf(incoming).await? == 0 {
            return Err(Broken::Closed);
        }
    }
}

fn parse_head(incoming: &[u8], method: &str) -> Result<Option<(usize, Head)>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(incoming) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Broken::Malformed(error.to_string())),
    };
    let status = response.code.unwrap_or_default();
    let mut head = Head {
        status,
        reason: response.reason.unwrap_or_default().to_owned(),
        headers: response
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), header.value.to_owned()))
            .collect(),
        keep_alive: response.version == Some(1),
        framing: Framing::ToEnd,
    };
    let says = |name: &str, word: &str| {
        head.header(name).is_some_and(|value| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(word))
        })
    };
    let chunked = says("transfer-encoding", "chunked");
    let close = says("connection", "close");
    let framing = if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
        Framing::Done
    } else if chunked {
        Framing::ChunkSize
    } else if let Some(text) = head.header("content-length") {
        let length = text.trim().parse();
        Framing::Length(length.map_err(|_| Broken::Malformed(format!("content-length {text:?}")))?)
    } else {
        Framing::ToEnd
    };
    head.keep_alive &= !close && framing != Framing::ToEnd;
    head.framing = framing;
    Ok(Some((length, head)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::net::TcpListener;

    use super::*;

    /// Serves `answer` once, in two writes cut at every place, and reads it back.
    async fn check(answer: &str, method: &str, status: u16, body: &str, reusable: bool) {
        for cut in 0..answer.len() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (first, second) = (answer[..cut].to_owned(), answer[cut..].to_owned());
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1];
                stream.read_exact(&mut request).await.unwrap();
                stream.write_all(first.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(second.as_bytes()).await.unwrap();
            });
            let mut connection = Connection::open(address).await.unwrap();
            let mut head = connection.exchange(b"x", method).await.unwrap();
            let got = connection.body(&mut head).await.unwrap();
            assert_eq!(
                (head.status, String::from_utf8(got).unwrap().as_str()),
                (status, body)
            );
            assert_eq!(head.is_reusable(), reusable, "{answer:?}");
            server.await.unwrap();
        }
    }

    #[tokio::test]
    async fn bodies_in_every_framing() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "GET",
            200,
            "abc",
            true,
        )
        .await;
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
            "GET",
            200,
            "abc",
            false,
        )
        .await;
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA;x=1\r\n0123456789\r\n0\r\nT: 1\r\n\r\n", "GET", 200, "ab0123456789", true).await;
        check(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            "GET",
            204,
            "",
            true,
        )
        .await;
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
            "HEAD",
            200,
            "",
            true,
        )
        .await;
        check(
            "HTTP/1.0 200 OK\r\n\r\nto the end",
            "GET",
            200,
            "to the end",
            false,
        )
        .await;
    }

    #[tokio::test]
    async fn a_body_cut_short_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1]).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
                .await
                .unwrap();
        });
        let mut connection = Connection::open(address).await.unwrap();
        let mut head = connection.exchange(b"x", "GET").await.unwrap();
        assert!(matches!(connection.body(&mut head).await, Err(Broken::Closed)));
    }
}
