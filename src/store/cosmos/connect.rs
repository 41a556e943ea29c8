//! From settings to a container that can be used.

use std::time::Duration;

use azure_core::credentials::Secret;
use azure_data_cosmos::clients::{ContainerClient, CosmosClient, DatabaseClient};
use azure_data_cosmos::models::{
    ContainerProperties, IndexingMode, IndexingPolicy, ThroughputProperties, TimeToLive,
};
use azure_data_cosmos::options::{
    CreateContainerOptions, OperationOptions, ThrottlingRetryOptionsBuilder, UserAgentSuffix,
};
use azure_data_cosmos::{AccountEndpoint, AccountReference, CosmosError, CosmosRuntime, RoutingStrategy};

use super::CosmosSettings;
use super::error::classify;
use crate::entra;
use crate::store::Error;

/// How long a caller waits for the container. The client's own limits do not cover what happens before its first operation.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);

/// How long one operation may take, with all its retries.
const OPERATION: Duration = Duration::from_secs(20);

/// The member that is the partition key.
const PARTITION_KEY: &str = "/source";

/// Members that questions ask for. Everything else would only make writes dearer.
const INDEXED: [&str; 6] = [
    "/kind/?",
    "/nextDue/?",
    "/at/?",
    "/outcome/?",
    "/runner/?",
    "/shard/?",
];

/// Request units a second of a container that is made here: the least there is, and enough for hundreds of sources.
const THROUGHPUT: u64 = 400;

/// Connects, and with an account key makes what is missing.
pub(super) async fn container(settings: &CosmosSettings) -> Result<ContainerClient, Error> {
    let failed = |error: CosmosError| classify(settings, &error);
    let client = client(settings).await?;
    let database = client.database_client(settings.database.clone());
    let container = match database.container_client(settings.container.clone(), None).await {
        Err(error) if u16::from(error.status().status_code()) == 404 && settings.key.is_some() => {
            make(&client, &database, settings).await.map_err(failed)?;
            database.container_client(settings.container.clone(), None).await
        }
        found => found,
    }
    .map_err(failed)?;
    let response = container.read(None).await.map_err(failed)?;
    check(settings, &response.into_model().map_err(failed)?)?;
    Ok(container)
}

async fn client(settings: &CosmosSettings) -> Result<CosmosClient, Error> {
    let failed = |error: CosmosError| classify(settings, &error);
    let endpoint: AccountEndpoint = settings.endpoint.parse().map_err(|error| Error::Refused {
        what: format!("COSMOS_ENDPOINT {:?} is no address: {error}", settings.endpoint),
        mend: "write it as https://ACCOUNT.documents.azure.com/".into(),
    })?;
    let account = match &settings.key {
        Some(key) => {
            AccountReference::with_authentication_key(endpoint, Secret::new(key.reveal().to_owned()))
        }
        None => {
            let credential =
                entra::credential(settings.client_id.as_deref()).map_err(|error| Error::Unavailable {
                    detail: format!("no identity for {}: {error}", settings.endpoint),
                })?;
            AccountReference::with_credential(endpoint, credential)
        }
    };
    let mut operation = OperationOptions::default();
    operation.end_to_end_latency_policy = Some(OPERATION.into());
    operation.throttling_retry_options = Some(
        ThrottlingRetryOptionsBuilder::new()
            .with_max_retry_count(5)
            .with_max_retry_wait_time(Duration::from_secs(10))
            .build(),
    );
    let mut builder = CosmosClient::builder()
        // A runtime of its own: the shared one would outlive the async runtime that it was made in.
        .with_runtime(CosmosRuntime::builder().build().await.map_err(failed)?)
        .with_default_operation_options(operation);
    if let Ok(suffix) = UserAgentSuffix::try_from(env!("CARGO_PKG_NAME")) {
        builder = builder.with_user_agent_suffix(suffix);
    }
    // No preferred regions: the account's own order.
    builder
        .build(account, RoutingStrategy::PreferredRegions(Vec::new()))
        .await
        .map_err(failed)
}

/// Makes database and container. Another process may make them at the same time, which is as good.
async fn make(
    client: &CosmosClient,
    database: &DatabaseClient,
    settings: &CosmosSettings,
) -> Result<(), CosmosError> {
    allow_conflict(client.create_database(&settings.database, None).await)?;
    let throughput =
        CreateContainerOptions::default().with_throughput(ThroughputProperties::manual(THROUGHPUT));
    let with = database
        .create_container(container_properties(&settings.container), Some(throughput))
        .await;
    match with {
        // A serverless account has none, and says so.
        Err(error) if error.status().is_bad_request() && mentions(&error, "serverless") => allow_conflict(
            database
                .create_container(container_properties(&settings.container), None)
                .await,
        ),
        with => allow_conflict(with),
    }
}

fn allow_conflict<T>(made: Result<T, CosmosError>) -> Result<(), CosmosError> {
    match made {
        Err(error) if !error.status().is_conflict() => Err(error),
        _ => Ok(()),
    }
}

/// Whether the service's own words hold this one.
fn mentions(error: &CosmosError, word: &str) -> bool {
    let body = error
        .response()
        .and_then(|response| response.body().clone().single().ok());
    body.is_some_and(|body| String::from_utf8_lossy(&body).to_lowercase().contains(word))
}

/// The container as it must be: key path, indexes, and time to live on without a default. A test holds `infra/cosmos.bicep` against it.
#[must_use]
pub fn container_properties(name: &str) -> ContainerProperties {
    let mut indexing = IndexingPolicy::default()
        .with_indexing_mode(IndexingMode::Consistent)
        .with_excluded_path("/*");
    indexing.automatic = true;
    for path in INDEXED {
        indexing = indexing.with_included_path(path);
    }
    ContainerProperties::new(name.to_owned(), PARTITION_KEY.into())
        .with_indexing_policy(indexing)
        // Each document's own `ttl` counts; without one it stays.
        .with_default_ttl(TimeToLive::NoDefault)
}

/// Whether this container can be used at all; the old connector's cannot.
fn check(settings: &CosmosSettings, found: &ContainerProperties) -> Result<(), Error> {
    let paths = found.partition_key.paths();
    if paths.len() != 1 || paths[0] != PARTITION_KEY {
        return Err(Error::Refused {
            what: format!(
                "container {} of database {} is partitioned by {}, not by {PARTITION_KEY}",
                settings.container,
                settings.database,
                paths.join(", ")
            ),
            mend: "name a new container in COSMOS_CONTAINER; nothing in this one was touched".into(),
        });
    }
    if matches!(found.default_ttl, TimeToLive::Forever) {
        tracing::warn!(
            container = settings.container,
            "Nothing in the container expires: set its default time to live to -1 (on, no default), else it grows for ever"
        );
    }
    Ok(())
}
