//! The few HTTP calls of a benchmark, on loopback and without TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::Outcome;

/// Answers are not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(120);

/// One request over a connection of its own; the answer's body, if its status is 200.
pub(super) fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> Outcome<String> {
    let answer = exchange(address, method, path, body)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("an answer without an end of its head")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(format!("{method} {path}: {status} {body}").into());
    }
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Err(format!("{method} {path}: a chunked answer").into());
    }
    Ok(body.to_owned())
}

/// One request; everything that came back.
pub(super) fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
