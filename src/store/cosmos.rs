//! Azure Cosmos DB: one container, the source as partition key.
//!
//! The client is built at the first use and never before, since building it may wait seconds for an address that only answers on Azure's
//! virtual machines. The account's indexes cover `kind`, `nextDue`, `at`, `outcome`, `runner` and `shard` alone, and no question aggregates.
//!
//! The client repeats a write whose answer was lost, so a write of ours that did happen may come back as [`Error::Changed`] or
//! [`Error::Exists`]. Whoever writes reads again after a conflict and looks whose write it was; the tick's lease carries a nonce for that.

mod connect;
mod error;
mod transaction;

pub use connect::container_properties;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::options::{MaxItemCountHint, QueryOptions};
use azure_data_cosmos::{CosmosError, FeedScope, Query};
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Batch, Committed, Document, Error, Etag, Found, List, Standing, Store};
use crate::clock::Millis;
use crate::secret::Secret;

/// Documents in one page of an answer, at most.
const PAGE: usize = 1000;

/// Sorts after every id: the last character of Unicode.
const AFTER_ALL_IDS: &str = "\u{10FFFF}";

/// Which container, and how to log in.
#[derive(Clone, Debug)]
pub struct CosmosSettings {
    /// `https://account.documents.azure.com/`; plain `http` on loopback only.
    pub endpoint: String,
    /// Account key; `None` uses the managed identity.
    pub key: Option<Secret>,
    /// Client id of a user-assigned identity.
    pub client_id: Option<String>,
    /// Database.
    pub database: String,
    /// Container.
    pub container: String,
}

/// One container of Azure Cosmos DB.
pub struct Cosmos {
    settings: CosmosSettings,
    container: OnceCell<ContainerClient>,
    /// Thousandths of request units, over everything since the start.
    charged: AtomicU64,
}

impl Cosmos {
    /// Nothing is contacted yet; faults in the settings show at the first use.
    #[must_use]
    pub fn new(settings: CosmosSettings) -> Self {
        Self {
            settings,
            container: OnceCell::new(),
            charged: AtomicU64::new(0),
        }
    }

    /// Request units charged since the start: reads, writes, lists, and refused batches too.
    #[must_use]
    pub fn charge(&self) -> f64 {
        self.charged.load(Ordering::Relaxed) as f64 / 1000.0
    }

    /// The container, connected to at the first call; a failure is tried again at the next.
    async fn container(&self) -> Result<&ContainerClient, Error> {
        if let Some(container) = self.container.get() {
            return Ok(container);
        }
        // The limit includes the wait for another task that connects just now.
        let connect = self
            .container
            .get_or_try_init(|| connect::container(&self.settings));
        tokio::time::timeout(connect::PATIENCE, connect)
            .await
            .unwrap_or_else(|_| {
                Err(Error::Unavailable {
                    detail: format!(
                        "{} gave no answer within {} s",
                        self.settings.endpoint,
                        connect::PATIENCE.as_secs()
                    ),
                })
            })
    }

    fn count(&self, charge: f64) -> f64 {
        // Request units come with two decimals at most and are never negative.
        self.charged
            .fetch_add((charge * 1000.0).round() as u64, Ordering::Relaxed);
        charge
    }

    /// Sorts an error, and counts what the refusal cost.
    fn failed(&self, error: &CosmosError) -> Error {
        if let Some(response) = error.response() {
            self.count(
                response
                    .headers()
                    .request_charge
                    .as_ref()
                    .map_or(0.0, |c| c.value()),
            );
        }
        error::classify(&self.settings, error)
    }

    /// The first `limit` items of an answer.
    async fn ask(&self, query: Query, scope: FeedScope, limit: usize) -> Result<Vec<Value>, Error> {
        let mut items = Vec::new();
        let Some(page) = u32::try_from(limit.min(PAGE)).ok().and_then(NonZeroU32::new) else {
            return Ok(items);
        };
        let options = QueryOptions::default().with_max_item_count(MaxItemCountHint::Limit(page));
        let failed = |error: CosmosError| self.failed(&error);
        let mut pages = self
            .container()
            .await?
            .query_items::<Value>(query, scope, Some(options))
            .await
            .map_err(failed)?
            .into_pages();
        while let Some(page) = pages.try_next().await.map_err(failed)? {
            self.count(page.headers().request_charge().map_or(0.0, |c| c.value()));
            items.extend(page.into_items());
            if items.len() >= limit {
                break;
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    /// A query whose parameters are made of what JSON can hold, which is all it takes.
    fn query<const N: usize>(
        &self,
        text: &'static str,
        parameters: [(&str, Value); N],
    ) -> Result<Query, Error> {
        parameters
            .into_iter()
            .try_fold(Query::from(text), |query, (name, value)| {
                query
                    .with_parameter(name, value)
                    .map_err(|error| self.failed(&error))
            })
    }
}

#[async_trait]
impl Store for Cosmos {
    async fn prepare(&self) -> Result<(), Error> {
        self.container().await.map(|_| ())
    }

    async fn read(&self, source: &str, id: &str) -> Result<Option<Found>, Error> {
        let response = match self
            .container()
            .await?
            .read_item(source.to_owned(), id, None)
            .await
        {
            Ok(response) => response,
            Err(error) if error.status().is_not_found() => {
                self.failed(&error);
                return Ok(None);
            }
            Err(error) => return Err(self.failed(&error)),
        };
        self.count(response.headers().request_charge().map_or(0.0, |c| c.value()));
        let value = response.into_model::<Value>().map_err(|error| Error::Damaged {
            source_id: source.to_owned(),
            id: id.to_owned(),
            detail: error.to_string(),
        })?;
        found(&value).map(Some)
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        batch.check()?;
        if batch.writes.is_empty() {
            return Ok(Committed::default());
        }
        let failed = |error: CosmosError| self.failed(&error);
        let transaction = transaction::of(&batch).map_err(failed)?;
        let response = self
            .container()
            .await?
            .execute_transactional_batch(transaction, None)
            .await
            .map_err(failed)?;
        let charge = self.count(response.headers().request_charge().map_or(0.0, |c| c.value()));
        let results = response.into_model().map_err(failed)?;
        let etags = transaction::etags(&batch, results.results())?;
        Ok(Committed { etags, charge })
    }

    async fn due(&self, runner: &str, now: Millis, limit: usize) -> Result<Vec<String>, Error> {
        let query = self.query(
            "SELECT c.source FROM c WHERE c.kind = 'state' AND c.runner = @runner AND c.nextDue <= @now ORDER BY c.nextDue",
            [("@runner", runner.into()), ("@now", now.into())],
        )?;
        let items = self.ask(query, FeedScope::full_container(), limit).await?;
        Ok(items.iter().map(|item| text(item, "source")).collect())
    }

    async fn due_in(
        &self,
        runner: &str,
        shard: &str,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let query = self.query(
            "SELECT c.source FROM c WHERE c.kind = 'state' AND c.runner = @runner AND c.shard = @shard AND c.nextDue <= @now \
             ORDER BY c.nextDue",
            [
                ("@runner", runner.into()),
                ("@shard", shard.into()),
                ("@now", now.into()),
            ],
        )?;
        let items = self.ask(query, FeedScope::full_container(), limit).await?;
        Ok(items.iter().map(|item| text(item, "source")).collect())
    }

    async fn standings(&self, runner: &str, shard: Option<&str>) -> Result<Vec<Standing>, Error> {
        let query = match shard {
            None => self.query(
                "SELECT c.source, c.shard, c.plan FROM c WHERE c.kind = 'state' AND c.runner = @runner",
                [("@runner", runner.into())],
            )?,
            Some(shard) => self.query(
                "SELECT c.source, c.shard, c.plan FROM c \
                 WHERE c.kind = 'state' AND c.runner = @runner AND c.shard = @shard",
                [("@runner", runner.into()), ("@shard", shard.into())],
            )?,
        };
        let items = self.ask(query, FeedScope::full_container(), usize::MAX).await?;
        // What has another shape has no id to know it by, and is taken for a source without a state, which is looked at once more.
        Ok(items
            .iter()
            .filter_map(|item| Standing::deserialize(item).ok())
            .collect())
    }

    async fn list(&self, list: List) -> Result<Vec<Found>, Error> {
        let before = list.before.unwrap_or_else(|| AFTER_ALL_IDS.into());
        let query = self.query(
            "SELECT * FROM c WHERE c.kind = @kind AND c.id < @before ORDER BY c.id DESC",
            [("@kind", list.kind.into()), ("@before", before.into())],
        )?;
        let scope = list
            .source
            .map_or_else(FeedScope::full_container, FeedScope::partition);
        let items = self.ask(query, scope, list.limit).await?;
        items.iter().map(found).collect()
    }

    fn describe(&self) -> String {
        let s = &self.settings;
        let login = if s.key.is_some() {
            "account key"
        } else {
            "managed identity"
        };
        format!(
            "Cosmos DB container {} of database {} at {}, by {login}",
            s.container, s.database, s.endpoint
        )
    }
}

impl std::fmt::Debug for Cosmos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

/// The document of an item; the service's own members are left out.
fn found(item: &Value) -> Result<Found, Error> {
    let etag = Etag(text(item, "_etag"));
    Document::deserialize(item)
        .map(|document| Found { document, etag })
        .map_err(|error| Error::Damaged {
            source_id: text(item, "source"),
            id: text(item, "id"),
            detail: error.to_string(),
        })
}

fn text(item: &Value, member: &str) -> String {
    item.get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
