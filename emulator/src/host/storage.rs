//! Azure Queue Storage over its REST interface, as the real host speaks to it: what Azurite serves on this machine.
//!
//! Source: <https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api>. Requests are signed by an account SAS that
//! is made here from the account's key.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use sha2::Sha256;

use super::queue::{MAX_MESSAGE, Message, Queue, QueueError};

/// The account that Azurite and the older storage emulator have built in; published, and no secret.
const DEVELOPMENT: &str = "AccountName=devstoreaccount1;\
    AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;\
    QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1";

/// Messages that one request may take or look at.
const MOST: usize = 32;

/// The queues of one storage account.
#[derive(Debug)]
pub struct StorageQueue {
    client: Client,
    /// Without a slash at its end.
    endpoint: String,
    /// Query that carries the signature.
    sas: String,
}

impl StorageQueue {
    /// The account of a connection string: `UseDevelopmentStorage=true`, or one with `AccountName`, `AccountKey` and
    /// `QueueEndpoint`.
    ///
    /// # Errors
    /// What it lacks.
    pub fn connect(connection: &str) -> Result<Self, String> {
        let text = match connection.trim().trim_end_matches(';') {
            "UseDevelopmentStorage=true" => DEVELOPMENT,
            other => other,
        };
        let parts: BTreeMap<&str, &str> = text
            .split(';')
            .filter_map(|part| part.trim().split_once('='))
            .collect();
        let part = |name: &str| {
            parts
                .get(name)
                .copied()
                .ok_or_else(|| format!("the storage connection string has no {name}"))
        };
        let (account, endpoint) = (part("AccountName")?, part("QueueEndpoint")?);
        let key = STANDARD
            .decode(part("AccountKey")?)
            .map_err(|_| "AccountKey is not base64".to_owned())?;
        Ok(Self {
            client: Client::new(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            sas: account_sas(account, &key, Utc::now() + TimeDelta::days(7)),
        })
    }

    /// The same for the development account, listening on another port than usual.
    ///
    /// # Errors
    /// None: the account is well known.
    pub fn development(endpoint: &str) -> Result<Self, String> {
        let (before, _) = DEVELOPMENT.split_once("QueueEndpoint=").unwrap_or_default();
        Self::connect(&format!(
            "{before}QueueEndpoint={}/devstoreaccount1",
            endpoint.trim_end_matches('/')
        ))
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, QueueError> {
        let mut url = Url::parse(&format!("{}/{path}?{}", self.endpoint, self.sas)).map_err(broken)?;
        url.query_pairs_mut().extend_pairs(query);
        Ok(url)
    }

    async fn send(&self, method: Method, url: Url, body: Option<String>) -> Result<Response, QueueError> {
        let mut request = self
            .client
            .request(method, url)
            .header("x-ms-version", "2021-12-02");
        if let Some(body) = body {
            request = request.header("content-type", "application/xml").body(body);
        }
        request.send().await.map_err(|error| broken(error.without_url()))
    }

    /// `GET …/messages`; nothing where there is no such queue.
    async fn messages(&self, queue: &str, query: &[(&str, &str)]) -> Result<Vec<Message>, QueueError> {
        let url = self.url(&format!("{queue}/messages"), query)?;
        let response = self.send(Method::GET, url, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        let text = good(response).await?.text().await.map_err(broken)?;
        let list: MessagesList = quick_xml::de::from_str(&text).map_err(broken)?;
        list.messages.into_iter().map(StoredMessage::read).collect()
    }
}

#[async_trait]
impl Queue for StorageQueue {
    async fn put(&self, queue: &str, text: String) -> Result<(), QueueError> {
        if text.len() > MAX_MESSAGE {
            return Err(QueueError::TooLarge(text.len()));
        }
        let text = quick_xml::escape::escape(text);
        let body = format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>");
        let url = self.url(&format!("{queue}/messages"), &[])?;
        let response = self.send(Method::POST, url.clone(), Some(body.clone())).await?;
        if response.status() != StatusCode::NOT_FOUND {
            return good(response).await.map(drop);
        }
        let made = self.send(Method::PUT, self.url(queue, &[])?, None).await?;
        // Another host may have made it at the same time.
        if made.status() != StatusCode::CONFLICT {
            good(made).await?;
        }
        good(self.send(Method::POST, url, Some(body)).await?)
            .await
            .map(drop)
    }

    async fn take(&self, queue: &str, count: usize, lease: Duration) -> Result<Vec<Message>, QueueError> {
        let count = count.clamp(1, MOST).to_string();
        let lease = seconds(lease).max(1).to_string();
        self.messages(queue, &[("numofmessages", &count), ("visibilitytimeout", &lease)])
            .await
    }

    async fn hide(&self, queue: &str, message: &mut Message, delay: Duration) -> Result<(), QueueError> {
        let delay = seconds(delay).to_string();
        let url = self.url(
            &format!("{queue}/messages/{}", message.id),
            &[
                ("popreceipt", &message.pop_receipt),
                ("visibilitytimeout", &delay),
            ],
        )?;
        let response = held(message, self.send(Method::PUT, url, None).await?).await?;
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.ok_or_else(|| QueueError::Unavailable(format!("the answer has no {name}")))
        };
        message.next_visible = instant(header("x-ms-time-next-visible")?)?;
        message.pop_receipt = header("x-ms-popreceipt")?.to_owned();
        Ok(())
    }

    async fn delete(&self, queue: &str, message: &Message) -> Result<(), QueueError> {
        let url = self.url(
            &format!("{queue}/messages/{}", message.id),
            &[("popreceipt", &message.pop_receipt)],
        )?;
        held(message, self.send(Method::DELETE, url, None).await?)
            .await
            .map(drop)
    }

    async fn peek(&self, queue: &str) -> Result<Vec<Message>, QueueError> {
        let most = MOST.to_string();
        self.messages(queue, &[("peekonly", "true"), ("numofmessages", &most)])
            .await
    }
}

/// The body of `GET …/messages`.
#[derive(Debug, Deserialize)]
struct MessagesList {
    #[serde(rename = "QueueMessage", default)]
    messages: Vec<StoredMessage>,
}

/// One message in it. A look has neither receipt nor time of visibility.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StoredMessage {
    message_id: String,
    insertion_time: String,
    expiration_time: String,
    #[serde(default)]
    pop_receipt: String,
    time_next_visible: Option<String>,
    dequeue_count: u32,
    #[serde(default)]
    message_text: String,
}

impl StoredMessage {
    fn read(self) -> Result<Message, QueueError> {
        let inserted = instant(&self.insertion_time)?;
        Ok(Message {
            id: self.message_id,
            pop_receipt: self.pop_receipt,
            text: self.message_text,
            dequeue_count: self.dequeue_count,
            inserted,
            expires: instant(&self.expiration_time)?,
            next_visible: self
                .time_next_visible
                .map_or(Ok(inserted), |text| instant(&text))?,
        })
    }
}

/// An account SAS for queues: <https://learn.microsoft.com/rest/api/storageservices/create-account-sas>.
fn account_sas(account: &str, key: &[u8], until: DateTime<Utc>) -> String {
    let until = until.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let signed = format!("{account}\nrwdlacup\nq\nsco\n\n{until}\n\nhttps,http\n2021-12-02\n\n");
    let signature = Hmac::<Sha256>::new_from_slice(key).map(|mut mac| {
        mac.update(signed.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("sv", "2021-12-02")
        .append_pair("ss", "q")
        .append_pair("srt", "sco")
        .append_pair("sp", "rwdlacup")
        .append_pair("se", &until)
        .append_pair("spr", "https,http")
        .append_pair("sig", &signature.unwrap_or_default())
        .finish()
}

async fn good(response: Response) -> Result<Response, QueueError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let body: String = response
        .text()
        .await
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect();
    Err(QueueError::Unavailable(format!("{status}: {body}")))
}

/// The same where the message must be ours still.
async fn held(message: &Message, response: Response) -> Result<Response, QueueError> {
    match response.status() {
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Err(QueueError::Gone(message.id.clone())),
        _ => good(response).await,
    }
}

fn instant(text: &str) -> Result<DateTime<Utc>, QueueError> {
    DateTime::parse_from_rfc2822(text)
        .map(|at| at.to_utc())
        .map_err(|error| QueueError::Unavailable(format!("{text:?} is no instant: {error}")))
}

/// The service counts in whole seconds, seven days at most.
fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).min(7 * 86_400) as u64
}

fn broken(error: impl std::fmt::Display) -> QueueError {
    QueueError::Unavailable(error.to_string())
}
