//! A Cosmos DB endpoint over its REST interface, with the account's key
//! (<https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources>).
//!
//! Not Microsoft's SDK, which is large: one call is all that is needed, and the emulator builds without it.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, StatusCode};
use tokio::time::sleep;

use super::endpoint::Job;
use super::settings::Container;
use crate::hub::token::encode;

/// The version of the interface that is asked for.
const VERSION: &str = "2018-12-31";

/// How often a document is tried. A hub tries for a day.
const TRIES: u32 = 3;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Cosmos {
    container: Box<Container>,
    /// Made at the first document.
    client: Option<Client>,
}

/// Why a document was not written.
struct Failure {
    why: String,
    /// Whether it may be tried again.
    passes: bool,
}

impl Cosmos {
    pub(super) fn new(container: Box<Container>) -> Self {
        let client = None;
        Self { container, client }
    }

    /// Creates a document; tries again what passes by itself.
    pub(super) async fn write(&mut self, job: &Job) -> Result<(), String> {
        let client = self.client()?;
        let mut tries = 1;
        loop {
            match self.create(&client, job).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.passes && tries < TRIES => {
                    sleep(Duration::from_millis(200) * tries).await;
                    tries += 1;
                }
                Err(failure) => return Err(failure.why),
            }
        }
    }

    fn client(&mut self) -> Result<Client, String> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let mut builder = Client::builder().timeout(PATIENCE);
        if self.container.url.scheme() == "http" {
            // Nothing to verify; a machine without a certificate store can go on.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(self.client.insert(client).clone())
    }

    async fn create(&self, client: &Client, job: &Job) -> Result<(), Failure> {
        let Container {
            url,
            database,
            container,
            ..
        } = &*self.container;
        let link = format!("dbs/{database}/colls/{container}");
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut to = url.clone();
        to.set_path(&format!("{}/{link}/docs", url.path().trim_end_matches('/')));
        let partition = serde_json::json!([job.partition]).to_string();
        let request = client
            .post(to)
            .header("authorization", self.authorization(&link, &date))
            .header("x-ms-date", date)
            .header("x-ms-version", VERSION)
            .header("x-ms-documentdb-partitionkey", ascii(&partition))
            .header("content-type", "application/json")
            .body(job.document.to_string());
        let answer = request.send().await.map_err(|error| Failure {
            // The address is the settings', and holds no key.
            why: format!("Cosmos DB does not answer: {error}"),
            passes: true,
        })?;
        let status = answer.status();
        if status == StatusCode::CREATED {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        let said: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        Err(Failure {
            why: format!("Cosmos DB answers {status} for {database}/{container}: {said}"),
            passes: status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
        })
    }

    /// What signs the request: verb, type and link of the resource, and the date, a line each.
    fn authorization(&self, link: &str, date: &str) -> String {
        let text = format!("post\ndocs\n{link}\n{}\n\n", date.to_lowercase());
        let signature = STANDARD.encode(self.container.account_key.sign(&text));
        encode(&format!("type=master&ver=1.0&sig={signature}"))
    }
}

/// JSON with what is not ASCII as `\u`, for a header.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text += &format!("\\u{unit:04x}");
            }
        }
    }
    text
}
