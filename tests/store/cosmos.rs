//! What only the Cosmos store does: making its container, and what the service's refusals come to. Real client, real sockets.

use std::time::Instant;

use cosmos_gateway::{Gateway, KEY};
use meterbridge::secret::Secret;
use meterbridge::store::cosmos::{Cosmos, CosmosSettings};
use meterbridge::store::{Error, Store, Write};

use super::samples::{attempt, batch, digest, every_kind, shipment, state};

pub fn open(gateway: &Gateway) -> Cosmos {
    Cosmos::new(settings(&gateway.endpoint(), KEY))
}

fn settings(endpoint: &str, key: &str) -> CosmosSettings {
    CosmosSettings {
        endpoint: endpoint.into(),
        key: Some(Secret::new(key)),
        client_id: None,
        database: "meterbridge".into(),
        container: "polls".into(),
    }
}

fn tick() -> [Write; 3] {
    [
        Write::Create(state("s", "cloud", 1, 1)),
        Write::Create(attempt("s", 1, Some(60))),
        Write::Create(shipment("s", 1)),
    ]
}

/// Nothing is contacted before the first use: the listener must be up before the client is built.
#[tokio::test]
async fn nothing_is_asked_before_the_first_use() {
    let gateway = Gateway::start(0).await.unwrap();
    let store = open(&gateway);
    assert!(store.describe().contains("polls"));
    assert_eq!(gateway.requests(), 0);
    store.prepare().await.unwrap();
    let asked = gateway.requests();
    assert!(asked > 0);
    store.prepare().await.unwrap();
    assert_eq!(gateway.requests(), asked, "preparing again is cheap");
}

/// The container of the first process is found by the second, and a serverless account takes no throughput.
#[tokio::test]
async fn the_container_is_made_once() {
    for serverless in [false, true] {
        let gateway = Gateway::start(0).await.unwrap();
        if serverless {
            gateway.serverless();
        }
        let (one, two) = (open(&gateway), open(&gateway));
        let (a, b) = tokio::join!(one.prepare(), two.prepare());
        a.unwrap();
        b.unwrap();
        one.commit(batch("s", tick())).await.unwrap();
        assert!(two.read("s", "state").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn request_units_are_counted() {
    let gateway = Gateway::start(0).await.unwrap();
    let store = open(&gateway);
    let done = store.commit(batch("s", tick())).await.unwrap();
    println!("a batch of state, attempt and shipment: {:.2} RU", done.charge);
    assert!(done.charge > 3.0);
    assert_eq!(store.charge(), done.charge);
    let found = store.read("s", "state").await.unwrap().unwrap();
    let after = store.charge();
    println!("a read: {:.2} RU", after - done.charge);
    assert!(after > done.charge);
    let claim = [Write::Replace(state("s", "cloud", 2, 2), found.etag)];
    println!(
        "a claim: {:.2} RU",
        store.commit(batch("s", claim)).await.unwrap().charge
    );
    let before = store.charge();
    store.due("cloud", 9, 9).await.unwrap();
    println!("due: {:.2} RU", store.charge() - before);
    assert!(store.charge() > before);
}

#[tokio::test]
async fn a_wrong_key_is_refused_by_name() {
    let gateway = Gateway::start(0).await.unwrap();
    let store = Cosmos::new(settings(&gateway.endpoint(), "d3Jvbmcga2V5"));
    let error = store.read("s", "state").await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("COSMOS_KEY") && !text.contains("d3Jvbmcga2V5"),
        "{text}"
    );
    assert!(!format!("{store:?}").contains("d3Jvbmcga2V5"));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    for endpoint in ["nonsense", "http://account.documents.azure.com/", ""] {
        let error = Cosmos::new(settings(endpoint, KEY)).prepare().await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{endpoint}: {error}");
        assert!(error.to_string().contains("COSMOS_ENDPOINT"), "{error}");
    }
}

/// The old connector's container has another partition key: nothing is written there.
#[tokio::test]
async fn a_container_with_another_partition_key_is_refused() {
    use azure_data_cosmos::models::ContainerProperties;
    use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntime, RoutingStrategy};
    let gateway = Gateway::start(0).await.unwrap();
    let key = azure_core::credentials::Secret::from(KEY);
    let account = AccountReference::with_authentication_key(gateway.endpoint().parse().unwrap(), key);
    let client = CosmosClient::builder()
        .with_runtime(CosmosRuntime::builder().build().await.unwrap())
        .build(account, RoutingStrategy::PreferredRegions(Vec::new()))
        .await
        .unwrap();
    client.create_database("meterbridge", None).await.unwrap();
    let old = ContainerProperties::new("polls", "/pk".into());
    client
        .database_client("meterbridge")
        .create_container(old, None)
        .await
        .unwrap();
    let error = open(&gateway).commit(batch("s", tick())).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(error.to_string().contains("partitioned by /pk"), "{error}");
}

/// Nobody listens: unavailable, soon.
#[tokio::test]
async fn an_account_that_nobody_serves_is_unavailable() {
    let start = Instant::now();
    let error = Cosmos::new(settings("http://127.0.0.1:1/", KEY))
        .read("s", "state")
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(start.elapsed().as_secs() < 26, "{:?}", start.elapsed());
}

/// A first use that failed is tried again by the next.
#[tokio::test]
async fn an_account_that_comes_later_is_found() {
    let gateway = Gateway::start(0).await.unwrap();
    let store = open(&gateway);
    gateway.answer_instead(1000, 503);
    let error = store.read("s", "state").await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    gateway.answer_instead(0, 503);
    assert!(store.read("s", "state").await.unwrap().is_none());
}

/// A few 429 are waited out by the client; more than it bears are unavailable, and nothing was written.
#[tokio::test]
async fn throttling_is_waited_out_within_bounds() {
    let gateway = Gateway::start(0).await.unwrap();
    let store = open(&gateway);
    store.prepare().await.unwrap();
    gateway.answer_instead(3, 429);
    store.commit(batch("s", tick())).await.unwrap();
    gateway.answer_instead(1000, 429);
    let before = gateway.requests();
    let error = store
        .commit(batch("t", [Write::Create(digest("t", 1))]))
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(
        gateway.requests() - before < 20,
        "{} requests",
        gateway.requests() - before
    );
    gateway.answer_instead(0, 429);
    assert!(store.read("t", "digest").await.unwrap().is_none());
}

#[tokio::test]
async fn what_the_service_answers_is_sorted() {
    let gateway = Gateway::start(0).await.unwrap();
    let store = open(&gateway);
    store.prepare().await.unwrap();
    for (status, transient, words) in [
        (401, false, "COSMOS_KEY"),
        (403, false, "COSMOS_KEY"),
        (404, false, "partition key /source"),
        (413, false, "too large"),
        (400, false, "refuses"),
        (500, true, ""),
        (503, true, ""),
    ] {
        gateway.answer_instead(1000, status);
        let error = store.commit(batch("s", tick())).await.unwrap_err();
        gateway.answer_instead(0, status);
        assert_eq!(error.is_transient(), transient, "{status}: {error}");
        assert!(error.to_string().contains(words), "{status}: {error}");
    }
}

/// Set by `cargo xtask conformance`: a Python that has azure-cosmos.
const PYTHON: &str = "METERBRIDGE_PYTHON";

/// One document of each kind, as another client finds them: with the service's own members, and none of ours missing. Where a Python
/// is named, Microsoft's client for it reads them too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_reads_what_was_written() {
    let gateway = Gateway::start(0).await.unwrap();
    let store = open(&gateway);
    let documents = every_kind("home");
    let writes = documents.iter().cloned().map(Write::Create);
    store.commit(batch("home", writes)).await.unwrap();
    for document in &documents {
        let found = store.read("home", document.id()).await.unwrap().unwrap();
        assert_eq!(found.document, *document);
    }
    let Some(python) = std::env::var_os(PYTHON) else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/cosmos_reads.py");
    for (source, good) in [("home", true), ("nobody", false)] {
        let status = tokio::process::Command::new(&python)
            .args([script, &gateway.endpoint(), KEY, "meterbridge", "polls", source])
            .status()
            .await
            .unwrap();
        assert_eq!(status.code(), Some(i32::from(!good)), "{source}");
    }
}
