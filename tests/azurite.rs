//! Jobs through the queues of real Azurite. Plain `cargo test` leaves this out (see Cargo.toml): `cargo xtask test` installs Azurite.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "queue/azurite.rs"]
mod azurite;
#[path = "host_contract/handler.rs"]
mod handler;
#[path = "queue/scenario.rs"]
mod scenario;
#[path = "rounds/slow.rs"]
mod slow;
#[path = "queue/world.rs"]
mod world;

use std::sync::Arc;

use azurite::Azurite;
use emulator::host::{Clock, MemoryQueue, Queue};

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let azurite = Azurite::start().await;
            scenario::$name(azurite.queue()).await;
        })*
    };
}

scenarios! {
    a_tick_goes_through_the_queue_to_the_hub
    what_is_no_job_ends_in_the_poison_queue
    a_handler_killed_at_its_timeout_gets_its_job_again
    one_worker_process_polls_each_source_once
    two_worker_processes_poll_each_source_once
    four_worker_processes_poll_each_source_once
    one_two_and_four_processes_on_cosmos_poll_each_source_once
    a_backends_budget_holds_over_worker_processes
}

/// The double's own queue is not the real one: what it does of it must be the same.
#[tokio::test]
async fn azurite_is_a_queue_as_the_one_in_memory() {
    use emulator::host::QueueError;
    use std::time::Duration;
    let azurite = Azurite::start().await;
    let lease = Duration::from_secs(30);
    let in_memory: Arc<dyn Queue> = Arc::new(MemoryQueue::new(Clock::system()));
    for queue in [azurite.queue(), in_memory] {
        assert_eq!(queue.take("jobs", 5, lease).await.unwrap(), []);
        queue.put("jobs", "a&<b>".to_owned()).await.unwrap();
        assert_eq!(queue.peek("jobs").await.unwrap()[0].text, "a&<b>");
        let mut first = queue.take("jobs", 5, lease).await.unwrap().remove(0);
        assert_eq!((first.dequeue_count, first.text.as_str()), (1, "a&<b>"));
        assert_eq!(queue.take("jobs", 5, lease).await.unwrap(), []);
        let old = first.clone();
        queue.hide("jobs", &mut first, Duration::ZERO).await.unwrap();
        let again = queue.take("jobs", 1, lease).await.unwrap().remove(0);
        assert_eq!((again.dequeue_count, &again.id), (2, &first.id));
        assert!(matches!(
            queue.delete("jobs", &old).await,
            Err(QueueError::Gone(_))
        ));
        queue.delete("jobs", &again).await.unwrap();
        assert!(matches!(
            queue.delete("jobs", &again).await,
            Err(QueueError::Gone(_))
        ));
        assert_eq!(queue.peek("jobs").await.unwrap(), []);
        let long = "x".repeat(emulator::host::MAX_MESSAGE + 1);
        assert!(matches!(
            queue.put("jobs", long).await,
            Err(QueueError::TooLarge(_))
        ));
    }
}
