//! A bare socket that answers every request in one way, good or bad.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of each connection.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// The request is read and never answered.
    Silence,
    /// The request is read, then the connection is closed.
    HangUp,
    /// The request is not even read: a reset.
    Reset,
    /// Nobody listens.
    Refused,
    /// Whatever belongs to the request's path.
    Good(fn(&str, i64) -> Vec<u8>, i64),
}

pub struct Raw {
    pub port: u16,
    reply: Arc<Mutex<Reply>>,
    /// Bound and not listening: the port stays ours, and calls are refused.
    socket: Option<TcpSocket>,
    task: Option<JoinHandle<()>>,
}

impl Raw {
    pub fn start(reply: &Reply) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut raw = Self {
            port: socket.local_addr().unwrap().port(),
            reply: Arc::new(Mutex::new(reply.clone())),
            socket: Some(socket),
            task: None,
        };
        if !matches!(reply, Reply::Refused) {
            raw.listen();
        }
        raw
    }

    /// Answers otherwise from now on.
    pub fn set(&mut self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
        self.listen();
    }

    fn listen(&mut self) {
        if let Some(socket) = self.socket.take() {
            let listener = socket.listen(64).unwrap();
            self.task = Some(tokio::spawn(serve(listener, Arc::clone(&self.reply))));
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn serve(listener: TcpListener, reply: Arc<Mutex<Reply>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let reply = reply.lock().unwrap().clone();
        tokio::spawn(answer(stream, reply));
    }
}

async fn answer(mut stream: TcpStream, reply: Reply) {
    if matches!(reply, Reply::Reset) {
        // Closing with unread bytes resets the connection.
        let _ = stream.readable().await;
        return;
    }
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let bytes = match reply {
        Reply::Bytes(bytes) => bytes,
        Reply::Silence => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            return;
        }
        Reply::Good(of, now) => {
            let text = String::from_utf8_lossy(&head);
            of(text.split(' ').nth(1).unwrap_or_default(), now)
        }
        Reply::HangUp | Reply::Reset | Reply::Refused => return,
    };
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// An answer with this status line's end, these headers and this body.
pub fn http(status: &str, headers: &[&str], body: &str) -> Reply {
    Reply::Bytes(message(status, headers, body))
}

pub fn ok(body: &str) -> Reply {
    http("200 OK", &["Content-Type: application/json"], body)
}

pub fn message(status: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}
