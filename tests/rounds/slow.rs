//! A reader that takes a request and answers when it is told to.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub struct Slow {
    pub url: String,
    asked: watch::Receiver<usize>,
    open: watch::Sender<bool>,
}

impl Slow {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (count, asked) = watch::channel(0);
        let (open, gate) = watch::channel(false);
        let count = Arc::new(count);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (count, mut gate) = (Arc::clone(&count), gate.clone());
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = socket.read(&mut request).await;
                    count.send_modify(|count| *count += 1);
                    let _ = gate.wait_for(|open| *open).await;
                    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S");
                    let body = format!(r#"{{"StatusSNS":{{"Time":"{now}","SML":{{"Total_in":9798.031}}}}}}"#);
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { url, asked, open }
    }

    /// Ends once so many requests have come.
    pub async fn asked(&self, count: usize) {
        let mut asked = self.asked.clone();
        let enough = asked.wait_for(|asked| *asked >= count);
        tokio::time::timeout(crate::handler::PATIENCE, enough)
            .await
            .expect("it is asked")
            .unwrap();
    }

    pub fn count(&self) -> usize {
        *self.asked.borrow()
    }

    /// Answers what waits, and everything that comes.
    pub fn answer(&self) {
        self.open.send_replace(true);
    }
}
