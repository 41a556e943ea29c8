//! An endpoint: a queue, what writes from it, and what became of what was in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::cosmos::Cosmos;
use super::document::Envelope;
use super::file::Lines;
use super::settings::Target;

/// How many messages wait for an endpoint at most. More are lost; a hub keeps them for a day.
const QUEUE: usize = 10_000;

/// What became of the messages of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// They are there.
    pub written: u64,
    /// They wait.
    pub waiting: u64,
    /// They could not be written and are lost.
    pub lost: u64,
    /// Why the last of these was lost.
    pub why: Option<String>,
}

pub(super) struct Endpoint {
    target: Target,
    queue: mpsc::Sender<Job>,
    counts: Arc<Counts>,
}

/// What is to be written.
pub(super) struct Job {
    pub(super) document: Value,
    /// The value of the partition key; a file has none.
    pub(super) partition: String,
}

struct Counts {
    name: String,
    waiting: watch::Sender<u64>,
    written: AtomicU64,
    lost: AtomicU64,
    why: Mutex<Option<String>>,
}

/// What writes.
enum Writer {
    Cosmos(Cosmos),
    File(Lines),
}

impl Endpoint {
    /// Begins to write. The task ends with the endpoint, once the queue is empty.
    pub(super) fn open(name: &str, target: &Target) -> Self {
        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE);
        let counts = Arc::new(Counts {
            name: name.to_owned(),
            waiting: watch::Sender::new(0),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            why: Mutex::default(),
        });
        let mut writer = match target {
            Target::Cosmos(container) => Writer::Cosmos(Cosmos::new(container.clone())),
            Target::File(path) => Writer::File(Lines::new(path.clone())),
        };
        let counting = counts.clone();
        tokio::spawn(async move {
            while let Some(job) = jobs.recv().await {
                let outcome = match &mut writer {
                    Writer::Cosmos(cosmos) => cosmos.write(&job).await,
                    Writer::File(lines) => lines.write(&job).await,
                };
                match outcome {
                    Ok(()) => _ = counting.written.fetch_add(1, Ordering::Relaxed),
                    Err(why) => counting.lose(why),
                }
                counting.waiting.send_modify(|waiting| *waiting -= 1);
            }
        });
        Self {
            target: target.clone(),
            queue,
            counts,
        }
    }

    /// Queues a message, or loses it if the queue is full.
    pub(super) fn send(&self, message: &Envelope<'_>) {
        let job = match &self.target {
            Target::Cosmos(container) => {
                let partition = message.partition(&container.template);
                Job {
                    document: message.cosmos((&container.key, &partition)),
                    partition,
                }
            }
            Target::File(_) => Job {
                document: message.storage(),
                partition: String::new(),
            },
        };
        // Counted before it can be written.
        self.counts.waiting.send_modify(|waiting| *waiting += 1);
        if self.queue.try_send(job).is_err() {
            self.counts.waiting.send_modify(|waiting| *waiting -= 1);
            self.counts.lose(format!("{QUEUE} messages wait already"));
        }
    }

    pub(super) fn written(&self) -> Written {
        let Counts {
            written, lost, why, ..
        } = &*self.counts;
        Written {
            written: written.load(Ordering::Relaxed),
            waiting: *self.counts.waiting.borrow(),
            lost: lost.load(Ordering::Relaxed),
            why: why.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Waits until nothing waits.
    pub(super) async fn idle(&self) {
        // The sender lives as long as `self`, so that the wait cannot fail.
        let _ = self
            .counts
            .waiting
            .subscribe()
            .wait_for(|waiting| *waiting == 0)
            .await;
    }
}

impl Counts {
    fn lose(&self, why: String) {
        tracing::warn!(endpoint = self.name, reason = why, "A routed message is lost");
        self.lost.fetch_add(1, Ordering::Relaxed);
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}
