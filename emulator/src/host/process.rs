//! The handler's process: started, probed, restarted after a crash, ended without grace.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::{Broken, Connection};
use super::logs::{Level, Logs};
use super::pool::Pool;

/// The host asks this often whether the handler answers yet.
const PROBE_EVERY: Duration = Duration::from_millis(25);

/// Where the handler is in its life, as calls see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Calls wait.
    Starting(Option<u32>),
    /// Calls are sent to the process with this id.
    Ready(u32),
    /// It ended with code 0: never restarted, calls are refused by the port.
    Quit,
    /// It cannot be executed: calls hang to their timeout.
    Missing,
    /// The host is over, for this reason.
    Over(String),
}

/// What is to be started, and the limits of its life.
#[derive(Debug)]
pub(super) struct Plan {
    /// Program, arguments, directory and environment.
    pub(super) command: Command,
    pub(super) initialization_timeout: Duration,
    /// This many crashes end the host, each within `crash_window` of the one before.
    pub(super) crash_limit: usize,
    pub(super) crash_window: Duration,
}

/// The door to the process's supervisor.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) state: watch::Receiver<State>,
    pub(super) pool: Arc<Pool>,
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
enum Order {
    /// SIGKILL, to be taken for a crash.
    Kill,
    /// SIGKILL and start again, uncounted, if this process still lives.
    Replace(Option<u32>),
    /// SIGKILL, and no more.
    Stop(oneshot::Sender<()>),
    /// Leave it running, and no more.
    Release(oneshot::Sender<()>),
}

/// How one process ended.
enum End {
    Crashed(String),
    Replaced,
    Quit,
    Over(oneshot::Sender<()>),
    /// Every [`Process`] is gone: the host was dropped.
    Dropped,
}

/// A child that is killed when dropped, unless released.
struct Leash {
    child: Child,
    released: bool,
}

impl Process {
    /// Starts supervising. Dropping the returned task's future (or the runtime) kills the process.
    pub(super) fn start(
        plan: Plan,
        pool: Arc<Pool>,
        logs: Arc<Logs>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (announce, state) = watch::channel(State::Starting(None));
        let (orders, inbox) = mpsc::unbounded_channel();
        let supervisor = Supervisor {
            plan,
            pool: Arc::clone(&pool),
            logs,
            announce,
            inbox,
            crashes: 0,
            last_crash: None,
        };
        (Self { state, pool, orders }, supervisor.run())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        match *self.state.borrow() {
            State::Starting(pid) => pid,
            State::Ready(pid) => Some(pid),
            State::Quit | State::Missing | State::Over(_) => None,
        }
    }

    /// The state, once the handler is not starting any more.
    pub(super) async fn settled(&self) -> State {
        let mut state = self.state.clone();
        match state.wait_for(|state| !matches!(state, State::Starting(_))).await {
            Ok(state) => state.clone(),
            Err(_) => State::Over("the host was stopped".to_owned()),
        }
    }

    pub(super) fn kill(&self) {
        let _ = self.orders.send(Order::Kill);
    }

    pub(super) fn replace(&self, pid: Option<u32>) {
        let _ = self.orders.send(Order::Replace(pid));
    }

    pub(super) async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        let _ = self.orders.send(Order::Stop(done));
        let _ = wait.await;
    }

    pub(super) async fn release(&self) {
        let (done, wait) = oneshot::channel();
        let _ = self.orders.send(Order::Release(done));
        let _ = wait.await;
    }
}

struct Supervisor {
    plan: Plan,
    pool: Arc<Pool>,
    logs: Arc<Logs>,
    announce: watch::Sender<State>,
    inbox: mpsc::UnboundedReceiver<Order>,
    crashes: usize,
    last_crash: Option<Instant>,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            let _ = self.announce.send(State::Starting(None));
            let end = match self.plan.command.spawn() {
                Ok(child) => {
                    let mut leash = Leash {
                        child,
                        released: false,
                    };
                    let end = self.live(&mut leash).await;
                    self.pool.clear();
                    end
                }
                Err(error) => {
                    let program = self.plan.command.as_std().get_program();
                    self.logs.host(
                        Level::Error,
                        format!(
                            "Failed to start a new language worker for runtime: custom. {}: {error}",
                            program.display()
                        ),
                    );
                    self.rest(State::Missing).await
                }
            };
            let end = match end {
                End::Quit => self.rest(State::Quit).await,
                end => end,
            };
            match end {
                End::Replaced | End::Quit => {}
                End::Crashed(reason) => {
                    if let Some(reason) = self.count(&reason) {
                        let _ = self.announce.send(State::Over(reason));
                        return;
                    }
                }
                End::Over(done) => {
                    let _ = self.announce.send(State::Over("the host was stopped".to_owned()));
                    let _ = done.send(());
                    return;
                }
                End::Dropped => return,
            }
        }
    }

    /// One process from its start to its end.
    async fn live(&mut self, leash: &mut Leash) -> End {
        let pid = leash.child.id().unwrap_or_default();
        let _ = self.announce.send(State::Starting(Some(pid)));
        let stdout = leash.child.stdout.take().map(|stream| self.read(stream, false));
        let stderr = leash.child.stderr.take().map(|stream| self.read(stream, true));
        let ready = probe(Arc::clone(&self.pool), self.plan.initialization_timeout);
        tokio::pin!(ready);
        let mut probing = true;
        let status = loop {
            tokio::select! {
                status = leash.child.wait() => break status,
                answered = &mut ready, if probing => {
                    probing = false;
                    if answered {
                        let _ = self.announce.send(State::Ready(pid));
                    } else {
                        let _ = leash.child.kill().await;
                        return End::Crashed(format!(
                            "process {pid} did not answer GET / within {:?}",
                            self.plan.initialization_timeout
                        ));
                    }
                }
                order = self.inbox.recv() => match order {
                    Some(Order::Kill) => {
                        let _ = leash.child.start_kill();
                    }
                    Some(Order::Replace(of)) if of.is_none() || of == Some(pid) => {
                        let _ = leash.child.kill().await;
                        return End::Replaced;
                    }
                    Some(Order::Replace(_)) => {}
                    Some(Order::Stop(done)) => {
                        let _ = leash.child.kill().await;
                        return End::Over(done);
                    }
                    Some(Order::Release(done)) => {
                        leash.released = true;
                        // The dead host's ends of the pipes are closed: the orphan's next line fails.
                        for reader in [&stdout, &stderr].into_iter().flatten() {
                            reader.abort();
                        }
                        return End::Over(done);
                    }
                    None => return End::Dropped,
                },
            }
        };
        let mut last_words = Vec::new();
        for (reader, keep) in [(stdout, false), (stderr, true)] {
            // A grandchild may hold the pipe open; its output is not waited for.
            if let Some(mut reader) = reader
                && let Ok(Ok(lines)) = tokio::time::timeout(Duration::from_millis(200), &mut reader).await
                && keep
            {
                last_words = lines;
            }
        }
        self.verdict(pid, status, &last_words)
    }

    fn verdict(&self, pid: u32, status: std::io::Result<ExitStatus>, last_words: &[String]) -> End {
        match status.as_ref().ok().and_then(ExitStatus::code) {
            // No log line: so quiet is the host.
            Some(0) => End::Quit,
            Some(200) => End::Replaced,
            _ => {
                let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                let reason = format!("process {pid} ended ({how}). {}", last_words.join(" "));
                self.logs.host(
                    Level::Error,
                    format!("Language Worker Process exited: {}", reason.trim_end()),
                );
                End::Crashed(reason.trim_end().to_owned())
            }
        }
    }

    /// Counts a crash; the reason why the host ends, if this was one too many.
    fn count(&mut self, reason: &str) -> Option<String> {
        let now = Instant::now();
        let recent = self
            .last_crash
            .is_some_and(|last| now - last < self.plan.crash_window);
        self.crashes = if recent { self.crashes + 1 } else { 1 };
        self.last_crash = Some(now);
        if self.crashes < self.plan.crash_limit {
            return None;
        }
        let over = format!(
            "{} crashes, exceeding the limit of restarts; the last: {reason}",
            self.crashes
        );
        self.logs.host(Level::Error, format!("Stopping the host: {over}"));
        Some(over)
    }

    /// No process, until an order.
    async fn rest(&mut self, state: State) -> End {
        let missing = state == State::Missing;
        let _ = self.announce.send(state);
        loop {
            match self.inbox.recv().await {
                Some(Order::Replace(_)) if missing => return End::Replaced,
                Some(Order::Kill | Order::Replace(_)) => {}
                Some(Order::Stop(done) | Order::Release(done)) => return End::Over(done),
                None => return End::Dropped,
            }
        }
    }

    /// Logs a stream line by line; its last three lines are the result.
    fn read(&self, stream: impl AsyncRead + Send + Unpin + 'static, stderr: bool) -> JoinHandle<Vec<String>> {
        let logs = Arc::clone(&self.logs);
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut last = Vec::new();
            let mut line = Vec::new();
            while let Ok(1..) = stream.read_until(b'\n', &mut line).await {
                let text = String::from_utf8_lossy(&line)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned();
                line.clear();
                logs.console(stderr, &text);
                if last.len() == 3 {
                    last.remove(0);
                }
                last.push(text);
            }
            last
        })
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if !self.released {
            let _ = self.child.start_kill();
        }
    }
}

/// Asks `GET /` until any answer; `false` when the limit has passed. A connection that is accepted and closed counts as an answer.
/// The limit does not run while a probe is open.
async fn probe(pool: Arc<Pool>, limit: Duration) -> bool {
    let address = pool.address();
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut waited = Duration::ZERO;
    loop {
        match Connection::open(address).await {
            Ok(mut connection) => {
                if let Ok(mut head) = connection.exchange(request.as_bytes(), "GET").await
                    && connection.body(&mut head).await.is_ok()
                {
                    pool.give(connection, &head);
                }
                return true;
            }
            Err(Broken::Refused(_)) if waited < limit => {}
            Err(Broken::Refused(_)) => return false,
            Err(_) => return true,
        }
        tokio::time::sleep(PROBE_EVERY).await;
        waited += PROBE_EVERY;
    }
}

/// Streams of a child that the supervisor reads; nothing to read from.
pub(super) fn piped(command: &mut Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
}
