//! The queue trigger: concurrency, redelivery, poison.

use emulator::host::{Cause, FunctionsHost, Invocation};

use crate::stage::{QUEUE, Stage, soon, until};

const POISON: &str = "meterbridge-polls-poison";

#[tokio::test]
async fn no_more_at_once_than_batch_and_threshold() {
    let stage = Stage::new();
    stage.behave(&["POST /PollWorker => await go ; json {}"]);
    let options = stage
        .options()
        .setting("AzureFunctionsJobHost__extensions__queues__batchSize", "4")
        .setting(
            "AzureFunctionsJobHost__extensions__queues__newBatchThreshold",
            "2",
        );
    let host = FunctionsHost::start(options).await.unwrap();
    for number in 0..20 {
        host.enqueue(QUEUE, &format!("{{\"job\":{number}}}"))
            .await
            .unwrap();
    }
    stage.wait_requests(4).await;
    assert_eq!(
        host.invocations().len(),
        4,
        "four run, more than the threshold: no new batch"
    );
    stage.file("go", "");
    // Each look at the ledger is one moment; at none may more than six run.
    let most = until(|| {
        let calls = host.invocations();
        assert!(calls.iter().filter(|call| call.outcome.is_none()).count() <= 6);
        (calls.iter().filter(|call| call.succeeded()).count() == 20).then_some(calls.len())
    })
    .await;
    assert_eq!(most, 20);
    until(|| texts(&host, QUEUE).is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_failing_message_comes_again_and_then_is_poison() {
    let stage = Stage::new();
    stage.behave(&[
        "POST /PollWorker => raw HTTP/1.1 500 Internal Server Error\\r\\nContent-Length: 0\\r\\n\\r\\n",
    ]);
    let options = stage
        .options()
        .setting("AzureFunctionsJobHost__extensions__queues__maxDequeueCount", "3")
        .setting(
            "AzureFunctionsJobHost__extensions__queues__visibilityTimeout",
            "00:00:00.2",
        );
    let host = FunctionsHost::start(options).await.unwrap();
    host.enqueue(QUEUE, "{\"job\":{}}").await.unwrap();
    until(|| (!texts(&host, POISON).is_empty()).then_some(())).await;
    let calls = host.invocations();
    let causes: Vec<_> = calls.iter().map(|call| call.cause.clone()).collect();
    let Cause::Queue { message, .. } = &causes[0] else {
        panic!("{causes:?}")
    };
    let expected: Vec<_> = (1..=3)
        .map(|count| Cause::Queue {
            message: message.clone(),
            dequeue_count: count,
        })
        .collect();
    assert_eq!(causes, expected);
    for pair in calls.windows(2) {
        assert!(
            pair[1].started - pair[0].started >= chrono::TimeDelta::milliseconds(200),
            "{pair:?}"
        );
    }
    let receipts: std::collections::HashSet<_> = stage
        .requests()
        .into_iter()
        .map(|request| {
            request
                .body
                .split_once("PopReceipt")
                .unwrap()
                .1
                .split_once(",\"sys\"")
                .unwrap()
                .0
                .to_owned()
        })
        .collect();
    assert_eq!(receipts.len(), 3, "each delivery has a receipt of its own");
    assert_eq!(
        texts(&host, POISON),
        ["eyJqb2IiOnt9fQ=="],
        "the same text, without a reason"
    );
    until(|| texts(&host, QUEUE).is_empty().then_some(())).await;
}

#[tokio::test]
async fn what_is_not_base64_never_reaches_the_function() {
    let stage = Stage::new();
    let options = stage
        .options()
        .setting("AzureFunctionsJobHost__extensions__queues__maxDequeueCount", "2")
        .setting(
            "AzureFunctionsJobHost__extensions__queues__visibilityTimeout",
            "00:00:00",
        );
    let host = FunctionsHost::start(options).await.unwrap();
    host.queue().put(QUEUE, "not base64!".to_owned()).await.unwrap();
    until(|| (!texts(&host, POISON).is_empty()).then_some(())).await;
    assert_eq!(texts(&host, POISON), ["not base64!"]);
    assert_eq!(stage.requests().len(), 0);
}

#[tokio::test]
async fn a_crash_in_a_call_brings_the_message_back() {
    let stage = Stage::new();
    stage.behave(&["POST /PollWorker => exit 1"]);
    let options = stage.options().setting(
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout",
        "00:00:01",
    );
    let host = FunctionsHost::start(options).await.unwrap();
    let pid = host.handler_pid();
    host.enqueue(QUEUE, "{}").await.unwrap();
    soon(host.wait_invocation(|call| call.failure().is_some())).await;
    stage.behave(&[]);
    assert_ne!(host.next_handler(pid).await, pid);
    let again = soon(host.wait_invocation(Invocation::succeeded)).await;
    assert!(
        matches!(again.cause, Cause::Queue { dequeue_count: 2, .. }),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_lease_is_renewed_while_the_call_runs() {
    let stage = Stage::new();
    stage.behave(&["POST /PollWorker => await go ; json {}"]);
    let mut options = stage.options();
    options.times.lease = std::time::Duration::from_millis(400);
    let host = FunctionsHost::start(options).await.unwrap();
    host.enqueue(QUEUE, "{}").await.unwrap();
    stage.wait_requests(1).await;
    let first = host.queue().peek(QUEUE).await.unwrap()[0].next_visible;
    let later = first + chrono::TimeDelta::seconds(1);
    let renewed = std::time::Instant::now();
    while host.queue().peek(QUEUE).await.unwrap()[0].next_visible < later {
        assert!(renewed.elapsed().as_secs() < 30, "the lease is not renewed");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(stage.requests().len(), 1, "taken twice");
    stage.file("go", "");
    soon(host.wait_invocation(Invocation::succeeded)).await;
}

/// The texts in a queue, at once: the memory queue never waits.
fn texts(host: &FunctionsHost, queue: &str) -> Vec<String> {
    let messages = futures_util::FutureExt::now_or_never(host.queue().peek(queue))
        .unwrap()
        .unwrap();
    messages.into_iter().map(|message| message.text).collect()
}
