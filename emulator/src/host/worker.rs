//! A queue function's listener: takes messages in batches, calls the function, and sees to failures.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::invocation::{Cause, Invocation};
use super::logs::Level;
use super::payload::{self, Sys};
use super::queue::{Message, QueueError};
use super::running::Running;

/// The shortest pause between two looks into the queue.
const MIN_POLL: Duration = Duration::from_millis(100);

/// Takes messages until the host ends. A put message wakes nobody: it is found at the next look, `maxPollingInterval` at the latest.
pub(super) async fn listen(host: Arc<Running>, function: String, binding: String, queue: String) {
    let settings = host.app.queues.clone();
    let in_flight = watch::Sender::new(0_usize);
    let mut pause = MIN_POLL;
    loop {
        // A new batch is taken once no more than the threshold are still running, so at most both together run.
        let room = async {
            let _ = in_flight
                .subscribe()
                .wait_for(|running| *running <= settings.new_batch_threshold)
                .await;
        };
        tokio::select! {
            () = host.ending() => return,
            () = room => {}
        }
        let batch = host
            .queue
            .take(&queue, settings.batch_size, host.times.lease)
            .await
            .unwrap_or_else(|error| {
                host.logs.host(
                    Level::Error,
                    format!("The queue '{queue}' cannot be read: {error}"),
                );
                Vec::new()
            });
        if batch.is_empty() {
            tokio::select! {
                () = host.ending() => return,
                () = tokio::time::sleep(pause) => {}
            }
            // Doubled with some jitter while idle, as the host backs off.
            pause = pause
                .mul_f64(2.0 * (0.8 + 0.4 * fastrand::f64()))
                .min(settings.max_polling_interval.max(MIN_POLL));
            continue;
        }
        pause = MIN_POLL;
        for message in batch {
            in_flight.send_modify(|running| *running += 1);
            let (host, in_flight) = (Arc::clone(&host), in_flight.clone());
            let (function, binding, queue) = (function.clone(), binding.clone(), queue.clone());
            Arc::clone(&host).spawn(async move {
                if let Err(error) = handle(&host, &function, &binding, &queue, message).await {
                    host.logs.host(
                        Level::Error,
                        format!("A message of '{queue}' cannot be settled: {error}"),
                    );
                }
                in_flight.send_modify(|running| *running -= 1);
            });
        }
    }
}

/// A queue function run at the admin endpoint: the input is the message's text.
pub(super) async fn run_by_hand(
    host: &Arc<Running>,
    function: &str,
    binding: &str,
    text: &str,
) -> Option<Invocation> {
    let body = payload::queue_by_hand(binding, text, &sys(host, function));
    host.invoke(function, Cause::Admin, body).await
}

async fn handle(
    host: &Arc<Running>,
    function: &str,
    binding: &str,
    queue: &str,
    mut message: Message,
) -> Result<(), QueueError> {
    let succeeded = match host.app.queues.encoding.decode(&message.text) {
        None => {
            host.logs.host(
                Level::Error,
                format!(
                    "Message {} of '{queue}' is not base64; the function is not called",
                    message.id
                ),
            );
            false
        }
        Some(text) => {
            let body = payload::queue(binding, &message, &text, &sys(host, function));
            let cause = Cause::Queue {
                message: message.id.clone(),
                dequeue_count: message.dequeue_count,
            };
            let invocation = {
                let run = host.invoke(function, cause, body);
                tokio::pin!(run);
                loop {
                    // The lease is renewed at its half for as long as the call runs.
                    tokio::select! {
                        invocation = &mut run => break invocation,
                        () = tokio::time::sleep(host.times.lease / 2) => {
                            host.queue.hide(queue, &mut message, host.times.lease).await?;
                        }
                    }
                }
            };
            invocation.is_some_and(|invocation| invocation.succeeded())
        }
    };
    let settings = &host.app.queues;
    if succeeded {
        host.queue.delete(queue, &message).await
    } else if message.dequeue_count >= settings.max_dequeue_count {
        let poison = format!("{queue}-poison");
        host.logs.host(
            Level::Warning,
            format!(
                "Message has reached MaxDequeueCount of {}. Moving message '{}' to queue '{poison}'.",
                settings.max_dequeue_count, message.id
            ),
        );
        host.queue.put(&poison, message.text.clone()).await?;
        host.queue.delete(queue, &message).await
    } else {
        host.queue
            .hide(queue, &mut message, settings.visibility_timeout)
            .await
    }
}

fn sys<'a>(host: &Running, function: &'a str) -> Sys<'a> {
    Sys {
        method: function,
        now: host.clock.now(),
        guid: Uuid::new_v4(),
    }
}
