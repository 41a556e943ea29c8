//! Jobs from TimerPoll to PollWorker: the real handler, driven by the Functions host double by this repository's `host.json`, with a
//! queue in memory. `tests/azurite.rs` has the same with a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "host_contract/handler.rs"]
mod handler;
#[path = "queue/scenario.rs"]
mod scenario;
#[path = "rounds/slow.rs"]
mod slow;
#[path = "queue/world.rs"]
mod world;

use std::sync::Arc;

use emulator::host::{Clock, MemoryQueue};

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            scenario::$name(Arc::new(MemoryQueue::new(Clock::system()))).await;
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
