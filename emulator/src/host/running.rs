//! A host's parts, and the one way in which it calls a function.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::answer::{Answer, Verdict, judge};
use super::app::App;
use super::clock::Clock;
use super::invocation::{Cause, Invocation, Ledger, Outcome};
use super::logs::{Level, Logs};
use super::options::{Keys, Times};
use super::outputs;
use super::process::{Process, State};
use super::queue::Queue;
use super::timer::{Statuses, Timer};

/// What the host calls itself, in two headers of every call.
pub(super) const VERSION: &str = "4.1037.0.0";

/// As much of a body as the host puts in one chunk, going by the buffer of .NET's `StreamWriter`.
const CHUNK: usize = 1024;

/// Everything that listeners and calls share.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) app: App,
    pub(super) clock: Clock,
    pub(super) times: Times,
    pub(super) keys: Option<Keys>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) statuses: Statuses,
    pub(super) timers: Vec<Timer>,
    pub(super) logs: Arc<Logs>,
    pub(super) ledger: Ledger,
    pub(super) process: Process,
    /// Set when the host is asked to stop: nothing new is begun.
    pub(super) stopping: watch::Sender<bool>,
    pub(super) tasks: Mutex<JoinSet<()>>,
}

impl Running {
    /// Starts a task that ends with the host.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Drops every task of the host, and with them the connections to the handler.
    pub(super) fn drop_tasks(&self) {
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
    }

    /// Ends once the host is asked to stop, or has ended by itself.
    pub(super) async fn ending(&self) {
        let mut stopping = self.stopping.subscribe();
        let mut state = self.process.state.clone();
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {}
            _ = state.wait_for(|state| matches!(state, State::Over(_))) => {}
        }
    }

    /// Calls a function by the invocation protocol and binds its outputs. `None` if the host forgot the call meanwhile.
    ///
    /// The call ends at `functionTimeout` at the latest, which costs the handler its process.
    pub(super) async fn invoke(
        self: &Arc<Self>,
        function: &str,
        cause: Cause,
        body: String,
    ) -> Option<Invocation> {
        let mut call = self.begin(function, cause);
        let outcome = match tokio::time::timeout(self.timeout(), self.exchange(&call, &body)).await {
            Err(_) => {
                self.replace_later();
                Outcome::Failed(self.timed_out(function))
            }
            Ok(Err(reason)) => Outcome::Failed(reason),
            Ok(Ok(answer)) => match self.bind(&mut call, answer).await {
                Ok(()) => Outcome::Succeeded,
                Err(reason) => Outcome::Failed(reason),
            },
        };
        let id = call.id;
        call.end(outcome);
        self.ledger.find(id)
    }

    /// Enters a call in the ledger; it fails unless it is ended.
    pub(super) fn begin(self: &Arc<Self>, function: &str, cause: Cause) -> Call {
        let id = Uuid::new_v4();
        self.ledger.begin(id, function, cause, self.clock.now());
        let text = format!("Executing 'Functions.{function}' (Id={id})");
        self.logs.write(
            Level::Information,
            &format!("Function.{function}"),
            text,
            Some(id),
        );
        Call {
            host: Arc::clone(self),
            id,
            function: function.to_owned(),
            since: Instant::now(),
            messages: 0,
            outcome: Outcome::Failed("the call was given up".to_owned()),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        // "None" in .NET's HttpClient is about 24.8 days.
        self.app
            .function_timeout
            .unwrap_or(Duration::from_millis(i32::MAX.unsigned_abs().into()))
    }

    pub(super) fn timed_out(&self, function: &str) -> String {
        format!(
            "Timeout value of {:?} was exceeded by function: Functions.{function}",
            self.timeout()
        )
    }

    /// After a timeout the handler lives on for two seconds, then it is killed, and started again uncounted.
    pub(super) fn replace_later(self: &Arc<Self>) {
        let host = Arc::clone(self);
        let pid = self.process.pid();
        self.spawn(async move {
            tokio::time::sleep(host.times.kill_after_timeout).await;
            host.process.replace(pid);
        });
    }

    /// One request and its answer. Never ends for an answer that makes the host hang.
    async fn exchange(&self, call: &Call, body: &str) -> Result<Answer, String> {
        match self.process.settled().await {
            // The host takes such a handler for one that is still starting.
            State::Missing => std::future::pending().await,
            State::Over(reason) => return Err(reason),
            State::Starting(_) | State::Ready(_) | State::Quit => {}
        }
        let pool = &self.process.pool;
        let request = request(&call.function, &pool.address().to_string(), call.id, body);
        let broken = |error: super::connection::Broken| error.to_string();
        let mut connection = pool.take().await.map_err(broken)?;
        let mut head = connection.exchange(&request, "POST").await.map_err(broken)?;
        let body = connection.body(&mut head).await.map_err(broken)?;
        pool.give(connection, &head);
        match judge(head.status, &head.reason, head.header("content-type"), &body) {
            Verdict::Succeeded(answer) => Ok(answer),
            Verdict::Failed(reason) => Err(reason),
            Verdict::Hang => std::future::pending().await,
        }
    }

    /// Writes an answer's logs and puts its messages, one after the other: what went before a failure stays.
    async fn bind(&self, call: &mut Call, answer: Answer) -> Result<(), String> {
        let category = format!("Function.{}.User", call.function);
        for line in answer.logs {
            self.logs
                .write(Level::Information, &category, line, Some(call.id));
        }
        let function = self
            .app
            .functions
            .iter()
            .find(|function| function.name == call.function);
        for output in function.into_iter().flat_map(|function| &function.outputs) {
            // Unknown names under `Outputs` are passed over.
            let value = answer.outputs.iter().find(|(name, _)| *name == output.binding);
            for content in value.into_iter().flat_map(|(_, value)| outputs::messages(value)) {
                let text = self.app.queues.encoding.encode(&content);
                self.queue
                    .put(&output.queue, text)
                    .await
                    .map_err(|error| format!("Error while handling parameter {}: {error}", output.binding))?;
                call.messages += 1;
            }
        }
        Ok(())
    }
}

/// A call that is under way. Dropped without an end it counts as failed.
#[derive(Debug)]
pub(super) struct Call {
    host: Arc<Running>,
    pub(super) id: Uuid,
    pub(super) function: String,
    since: Instant,
    messages: usize,
    outcome: Outcome,
}

impl Call {
    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Succeeded);
        let duration = self.since.elapsed();
        let (level, how) = match &outcome {
            Outcome::Succeeded => (Level::Information, "Succeeded".to_owned()),
            Outcome::Failed(reason) => (Level::Error, format!("Failed: {reason}")),
        };
        let text = format!(
            "Executed 'Functions.{}' ({how}, Id={}, Duration={}ms)",
            self.function,
            self.id,
            duration.as_millis()
        );
        self.host
            .logs
            .write(level, &format!("Function.{}", self.function), text, Some(self.id));
        self.host.ledger.end(self.id, duration, outcome, self.messages);
    }
}

/// The bytes of a timer or queue call: these headers in this order, the body in chunks.
fn request(function: &str, address: &str, id: Uuid, body: &str) -> Vec<u8> {
    let mut request = format!(
        "POST /{function} HTTP/1.1\r\n\
         Host: {address}\r\n\
         X-Azure-Functions-HostVersion: {VERSION}\r\n\
         X-Azure-Functions-InvocationId: {id}\r\n\
         User-Agent: Azure-Functions-Host/{VERSION}\r\n\
         Transfer-Encoding: chunked\r\n\
         Content-Type: application/json; charset=utf-8\r\n\r\n"
    )
    .into_bytes();
    for chunk in body.as_bytes().chunks(CHUNK) {
        request.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}
