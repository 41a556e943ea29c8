//! The Functions host: starts the custom handler from `host.json` and speaks to it as the real one does.
//!
//! Everything here follows recordings of azure-functions-host 4.1037 (`tests/data/host/`): the bytes of a call, what an answer
//! becomes, when the handler is restarted, killed or orphaned. Not played: retry policies, the forwarding and default HTTP modes,
//! redirects, telemetry headers, and the minute another instance waits for a dead host's timer lease.
//!
//! # Layout
//!
//! - [`HostOptions`] and the app root (`app`, `function`, `schedule`): what is to be played.
//! - `launch`, `process`: the handler's life. `connection`, `pool`: HTTP to it, byte for byte.
//! - `running`: one call, from the ledger's entry to its outcome; `payload`, `answer`, `outputs` are its pure parts.
//! - `timer`, `worker`, `door` (with `route`, `proxy`): the three kinds of triggers.
//! - [`Queue`] in memory or, by [`StorageQueue`], of Azurite, [`Clock`], [`LogLine`], [`Invocation`]: what tests hold in hand. [`command`]: the same for people.

mod answer;
mod app;
mod clock;
pub mod command;
mod connection;
mod dates;
mod door;
mod function;
mod invocation;
mod json;
mod launch;
mod logs;
mod options;
mod outputs;
mod payload;
mod pool;
mod process;
mod proxy;
mod queue;
mod route;
mod running;
mod schedule;
mod storage;
mod timer;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

pub use app::{AppError, Settings, read_settings};
pub use clock::Clock;
pub use invocation::{Cause, Invocation, Outcome};
pub use logs::{CONSOLE, Level, LogLine};
pub use options::{HostOptions, Keys, Timers, Times};
pub use queue::{MAX_MESSAGE, MemoryQueue, Message, Queue, QueueError};
pub use storage::StorageQueue;

use app::App;
use function::Trigger;
use invocation::Ledger;
use logs::Logs;
use pool::Pool;
use process::{Plan, Process, State};
use running::Running;
use timer::{Statuses, Timer};

/// A running host with its handler. Dropped, it kills the handler; see [`FunctionsHost::kill_host`] for the other way.
#[derive(Debug)]
pub struct FunctionsHost {
    running: Arc<Running>,
    supervisor: JoinHandle<()>,
    http: SocketAddr,
}

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The app root is not usable.
    #[error(transparent)]
    App(#[from] AppError),
    /// No port, or the timers' status file cannot be read.
    #[error("the host cannot start: {0}")]
    Io(#[from] io::Error),
    /// The handler crashed, or was not ready in time, as often as the host allows.
    #[error("the host ended at its start: {reason}")]
    Ended {
        /// The last crash.
        reason: String,
        /// Everything that was logged.
        logs: Vec<LogLine>,
    },
}

impl FunctionsHost {
    /// Starts the handler and, once it answers, the triggers. A handler that cannot be executed does not fail the start, as it
    /// does not in the real host: every call then hangs to its timeout.
    ///
    /// # Errors
    /// [`HostError`]: an unusable app root, or a handler that crashes at once.
    pub async fn start(options: HostOptions) -> Result<Self, HostError> {
        let settings = launch::all_settings(&options)?;
        let app = App::read(&options.app_root, &settings)?;
        let logs = Arc::new(Logs::new(options.clock.clone()));
        for problem in &app.problems {
            logs.host(Level::Error, problem);
        }
        let listener = TcpListener::bind(options.listen).await?;
        let http = listener.local_addr()?;
        let pool = Arc::new(Pool::new(launch::free_port().await?));
        let plan = Plan {
            command: launch::command_line(&options, &app, &settings, pool.address().port())?,
            initialization_timeout: app.initialization_timeout,
            crash_limit: options.crash_limit,
            crash_window: options.times.crash_window,
        };
        let now = options.clock.now();
        let timers = app
            .functions
            .iter()
            .filter_map(|function| match &function.trigger {
                Trigger::Timer {
                    binding,
                    schedule,
                    monitored,
                    run_on_startup,
                } => Some(Timer::new(
                    &function.name,
                    binding,
                    schedule,
                    *monitored,
                    *run_on_startup,
                    now,
                )),
                _ => None,
            })
            .collect();
        let statuses = Statuses::open(options.status_file)?;
        let (process, supervisor) = Process::start(plan, pool, Arc::clone(&logs));
        let queue = options
            .queue
            .unwrap_or_else(|| Arc::new(MemoryQueue::new(options.clock.clone())));
        let running = Arc::new(Running {
            app,
            clock: options.clock,
            times: options.times,
            keys: options.keys,
            queue,
            statuses,
            timers,
            logs,
            ledger: Ledger::default(),
            process,
            stopping: watch::Sender::new(false),
            tasks: Mutex::default(),
        });
        let host = Self {
            supervisor: tokio::spawn(supervisor),
            running,
            http,
        };
        if let State::Over(reason) = host.running.process.settled().await {
            return Err(HostError::Ended {
                reason,
                logs: host.logs(),
            });
        }
        host.listen(listener, options.timers).await;
        Ok(host)
    }

    /// Fires the app's timer as if `next` had come due: the handler sees it as `ScheduleStatus.Next`. A manual clock is moved there
    /// first. Waits for a run that is going on, and for the end of this one. `None` if the app has no timer, or no tick follows.
    pub async fn fire_timer(&self, next: DateTime<Utc>) -> Option<Invocation> {
        let timer = self.running.timers.first()?;
        self.running.clock.set(next);
        timer.run(&self.running, Some(next), false).await
    }

    /// Puts a message with this content into a queue, encoded as `messageEncoding` says.
    ///
    /// # Errors
    /// [`QueueError`] from the queue.
    pub async fn enqueue(&self, queue: &str, content: &str) -> Result<(), QueueError> {
        let text = self.running.app.queues.encoding.encode(content.as_bytes());
        self.running.queue.put(queue, text).await
    }

    /// The queues, for a look at what lies there.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.running.queue
    }

    /// All invocations so far, oldest first, running ones too.
    #[must_use]
    pub fn invocations(&self) -> Vec<Invocation> {
        self.running.ledger.all()
    }

    /// The first invocation that `wanted` accepts, ended (has an outcome) or not, past ones included. `None` if the host ends before
    /// there is one.
    pub async fn wait_invocation(&self, wanted: impl Fn(&Invocation) -> bool) -> Option<Invocation> {
        tokio::select! {
            biased;
            found = self.running.ledger.wait(wanted) => Some(found),
            _ = self.ended() => None,
        }
    }

    /// Ends when the host has ended by itself, with the reason: the handler crashed too often.
    pub async fn ended(&self) -> String {
        let mut state = self.running.process.state.clone();
        let over = state.wait_for(|state| matches!(state, State::Over(_))).await;
        match over.as_deref() {
            Ok(State::Over(reason)) => reason.clone(),
            _ => "the host was stopped".to_owned(),
        }
    }

    /// All log lines so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.running.logs.subscribe().0
    }

    /// The log lines so far, and those to come.
    #[must_use]
    pub fn follow_logs(&self) -> (Vec<LogLine>, broadcast::Receiver<LogLine>) {
        self.running.logs.subscribe()
    }

    /// Where the HTTP functions and `admin/…` are served.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where the handler listens; the real host's is as open to everyone on the machine.
    #[must_use]
    pub fn handler_addr(&self) -> SocketAddr {
        self.running.process.pool.address()
    }

    /// The handler's process, if there is one now.
    #[must_use]
    pub fn handler_pid(&self) -> Option<u32> {
        self.running.process.pid()
    }

    /// SIGKILL to the handler, out of nothing: the host takes it for a crash.
    pub fn kill_handler(&self) {
        self.running.process.kill();
    }

    /// Ends once a handler process other than `pid` is ready, with its id; `None` if none will be.
    pub async fn next_handler(&self, pid: Option<u32>) -> Option<u32> {
        let mut state = self.running.process.state.clone();
        let settled = state
            .wait_for(|state| match state {
                State::Ready(now) => Some(*now) != pid,
                State::Starting(_) => false,
                State::Quit | State::Missing | State::Over(_) => true,
            })
            .await;
        match settled.as_deref() {
            Ok(State::Ready(pid)) => Some(*pid),
            _ => None,
        }
    }

    /// Ends the host as SIGKILL would: calls in flight are cut off, nothing is settled or written, and the handler lives on as an
    /// orphan. Its parent in the process table is this process still; for a handler that watches its parent, run the host as a
    /// process of its own ([`command`]) and kill that.
    pub async fn kill_host(self) {
        self.running.drop_tasks();
        self.running.process.release().await;
    }

    /// Ends the host as SIGTERM does: triggers stop, calls in flight get [`Times::stop_wait`]. If all have ended, the handler is
    /// SIGKILLed and this is `true`; if not, it is left as an orphan.
    pub async fn stop(self) -> bool {
        self.running.stopping.send_replace(true);
        let idle = tokio::time::timeout(self.running.times.stop_wait, self.running.ledger.idle())
            .await
            .is_ok();
        self.running.drop_tasks();
        if idle {
            self.running.process.stop().await;
        } else {
            self.running.process.release().await;
        }
        idle
    }

    /// Starts the triggers.
    async fn listen(&self, listener: TcpListener, timers: Timers) {
        let host = &self.running;
        host.spawn(door::serve(Arc::clone(host), listener));
        for function in &host.app.functions {
            if let Trigger::Queue { binding, queue } = &function.trigger {
                host.spawn(worker::listen(
                    Arc::clone(host),
                    function.name.clone(),
                    binding.clone(),
                    queue.clone(),
                ));
            }
        }
        for index in 0..host.timers.len() {
            // Before the start is over, so that what the clock shows now decides what was missed.
            let since = host.clock.now();
            let past_due = host.timers[index].wake(host).await;
            if timers == Timers::ByHand {
                continue;
            }
            let host = Arc::clone(host);
            self.running.spawn(async move {
                tokio::select! {
                    biased;
                    () = quiet(&host) => {}
                    () = host.timers[index].listen(&host, since, past_due) => {}
                }
            });
        }
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        self.running.drop_tasks();
        // A supervisor that was told to end has ended; this one still holds the handler and kills it in its drop.
        self.supervisor.abort();
    }
}

/// Ends when the host is stopping and no call runs, so that a timer's run in flight is not cut off by the stop.
async fn quiet(host: &Running) {
    host.ending().await;
    host.ledger.idle().await;
}
