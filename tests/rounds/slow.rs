//! A reader that takes a request and answers when it is told to: some paths at once, others later.
#![allow(dead_code)]

use std::collections::HashMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Slow {
    pub url: String,
    /// Requests so far, by the first part of their path.
    asked: watch::Receiver<HashMap<String, usize>>,
    /// Beginnings of paths that are answered.
    open: watch::Sender<Vec<String>>,
}

impl Slow {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (count, asked) = watch::channel(HashMap::new());
        let (open, gate) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, count.clone(), gate.clone()));
            }
        });
        Self { url, asked, open }
    }

    /// Ends once so many requests have come.
    pub async fn asked(&self, count: usize) {
        self.until(|asked| asked.values().sum::<usize>() >= count).await;
    }

    /// The same of a path.
    pub async fn asked_on(&self, path: &str, count: usize) {
        self.until(|asked| asked.get(path).is_some_and(|asked| *asked >= count))
            .await;
    }

    async fn until(&self, enough: impl Fn(&HashMap<String, usize>) -> bool) {
        let mut asked = self.asked.clone();
        tokio::time::timeout(crate::handler::PATIENCE, asked.wait_for(|asked| enough(asked)))
            .await
            .expect("it is asked")
            .unwrap();
    }

    pub fn count_on(&self, path: &str) -> usize {
        self.asked.borrow().get(path).copied().unwrap_or(0)
    }

    pub fn count(&self) -> usize {
        self.asked.borrow().values().sum()
    }

    /// Answers what waits, and everything that comes.
    pub fn answer(&self) {
        self.answer_on("/");
    }

    /// The same below a path.
    pub fn answer_on(&self, path: &str) {
        self.open.send_modify(|open| open.push(path.to_owned()));
    }
}

async fn serve(
    mut socket: TcpStream,
    count: watch::Sender<HashMap<String, usize>>,
    mut gate: watch::Receiver<Vec<String>>,
) {
    let mut request = [0; 4096];
    let length = socket.read(&mut request).await.unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
    let first = path[1..].find('/').map_or("/", |end| &path[..=end]).to_owned();
    count.send_modify(|count| *count.entry(first).or_default() += 1);
    let is_open = |open: &Vec<String>| open.iter().any(|start| path.starts_with(start));
    let _ = gate.wait_for(is_open).await;
    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S");
    let body = format!(r#"{{"StatusSNS":{{"Time":"{now}","SML":{{"Total_in":9798.031}}}}}}"#);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = socket.write_all(answer.as_bytes()).await;
}
