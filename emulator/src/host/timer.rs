//! A timer's listener: when it is due, what it remembers, and what it missed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::dates::never;
use super::invocation::{Cause, Invocation};
use super::logs::Level;
use super::payload::{self, Sys, TimerCall};
use super::running::Running;
use super::schedule::Schedule;

/// `ScheduleStatus`: what the host remembers of a monitored timer, in Azure in a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Status {
    /// When the last run started; year 1 before the first.
    pub(super) last: DateTime<Utc>,
    /// The tick that the next run is for.
    pub(super) next: DateTime<Utc>,
    /// When this was written.
    pub(super) last_updated: DateTime<Utc>,
}

/// One timer function.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) function: String,
    binding: String,
    schedule: Schedule,
    /// Whether a status is kept: asked for, and not below a minute.
    monitored: bool,
    run_on_startup: bool,
    /// The status as this host knows it. Held through a run, so that runs never overlap.
    status: Mutex<Option<Status>>,
}

impl Timer {
    pub(super) fn new(
        function: &str,
        binding: &str,
        schedule: &Schedule,
        monitored: bool,
        run_on_startup: bool,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            function: function.to_owned(),
            binding: binding.to_owned(),
            monitored: monitored && schedule.is_monitorable(now),
            schedule: schedule.clone(),
            run_on_startup,
            status: Mutex::new(None),
        }
    }

    /// Fires whenever the clock reaches a tick after `since`, until the task is dropped. A tick missed while the host was down
    /// comes first.
    pub(super) async fn listen(&self, host: &Arc<Running>, since: DateTime<Utc>, past_due: bool) {
        let mut now = since;
        if past_due || self.run_on_startup {
            self.run(host, None, past_due).await;
            now = host.clock.now();
        }
        loop {
            let Some(due) = self.due(now).await else {
                host.logs.host(
                    Level::Warning,
                    format!("The timer of '{}' never comes due again", self.function),
                );
                return;
            };
            host.clock.reaches(due).await;
            // A run fired by hand may have moved the tick meanwhile.
            if self.due(now).await == Some(due) {
                self.run(host, None, false).await;
            }
            now = host.clock.now();
        }
    }

    /// Loads the stored status, or begins one, and says whether its tick has passed already.
    pub(super) async fn wake(&self, host: &Running) -> bool {
        let now = host.clock.now();
        let Some(first) = self.schedule.next(now).filter(|_| self.monitored) else {
            return false;
        };
        let mut status = self.status.lock().await;
        let Some(mut stored) = host.statuses.get(&self.function) else {
            // The handler sees year 1 in its first call, although the stored status has the time.
            host.statuses.set(
                &self.function,
                Status {
                    last_updated: now,
                    ..Status::first(first)
                },
                host,
            );
            *status = Some(Status::first(first));
            return false;
        };
        // A changed schedule is taken up; its tick is in the future, so that nothing is fired for the change.
        let since = [stored.last, stored.last_updated]
            .into_iter()
            .find(|at| *at != never())
            .unwrap_or(now);
        let expected = self.schedule.next(since).unwrap_or(first);
        if stored.next != expected {
            stored = match expected < now {
                true => Status {
                    last: never(),
                    next: first,
                    last_updated: now,
                },
                false => Status {
                    last: never(),
                    next: expected,
                    last_updated: since,
                },
            };
            host.statuses.set(&self.function, stored, host);
        }
        *status = Some(stored);
        stored.next < now
    }

    /// Runs the function once, after any run that is going on. `tick` is another due time than the schedule's.
    pub(super) async fn run(
        &self,
        host: &Arc<Running>,
        tick: Option<DateTime<Utc>>,
        past_due: bool,
    ) -> Option<Invocation> {
        let mut status = self.status.lock().await;
        let started = host.clock.now();
        if self.monitored && (status.is_none() || tick.is_some()) {
            let next = tick.or_else(|| self.schedule.next(started))?;
            *status = Some(Status {
                next,
                ..status.unwrap_or(Status::first(next))
            });
        }
        let call = TimerCall {
            binding: &self.binding,
            adjusts_for_dst: self.schedule.adjusts_for_dst(),
            status: *status,
            past_due,
            input: None,
        };
        let cause = Cause::Timer {
            next: status.map(|status| status.next),
            past_due,
        };
        let invocation = self.call(host, &call, cause).await;
        if self.monitored {
            let after = status.map_or(started, |status| {
                started.max(if tick.is_some() { status.next } else { started })
            });
            let now_known = Status {
                last: started,
                next: self.schedule.next(after)?,
                last_updated: started,
            };
            *status = Some(now_known);
            // Written after the run: a host killed in between repeats the tick.
            host.statuses.set(&self.function, now_known, host);
        }
        invocation
    }

    /// A run asked for at the admin endpoint: beside the schedule, with the stored status, which stays as it is.
    pub(super) async fn run_by_hand(&self, host: &Arc<Running>, input: Option<&str>) -> Option<Invocation> {
        let call = TimerCall {
            binding: &self.binding,
            adjusts_for_dst: self.schedule.adjusts_for_dst(),
            status: self
                .monitored
                .then(|| host.statuses.get(&self.function))
                .flatten(),
            past_due: false,
            input,
        };
        self.call(host, &call, Cause::Admin).await
    }

    async fn call(&self, host: &Arc<Running>, call: &TimerCall<'_>, cause: Cause) -> Option<Invocation> {
        let body = payload::timer(
            call,
            &Sys {
                method: &self.function,
                now: host.clock.now(),
                guid: Uuid::new_v4(),
            },
        );
        host.invoke(&self.function, cause, body).await
    }

    /// The tick that is waited for; without a status, the next one from `now`.
    async fn due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match *self.status.lock().await {
            Some(status) => Some(status.next),
            None => self.schedule.next(now),
        }
    }
}

/// The stored statuses, by function: in a file that outlives the host, or in memory.
#[derive(Debug)]
pub(super) struct Statuses {
    file: Option<PathBuf>,
    known: SyncMutex<BTreeMap<String, Status>>,
}

impl Statuses {
    /// Reads the file, if it is there.
    pub(super) fn open(file: Option<PathBuf>) -> std::io::Result<Self> {
        let known = match file.as_deref().map(std::fs::read_to_string) {
            None => BTreeMap::new(),
            Some(Ok(text)) => serde_json::from_str(&text)?,
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Some(Err(error)) => return Err(error),
        };
        Ok(Self {
            file,
            known: SyncMutex::new(known),
        })
    }

    fn get(&self, function: &str) -> Option<Status> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(function)
            .copied()
    }

    fn set(&self, function: &str, status: Status, host: &Running) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(function.to_owned(), status);
        if let Some(file) = &self.file {
            // Renamed into place, so that a host killed in between leaves the old one whole.
            let fresh = file.with_extension("new");
            let written = serde_json::to_string_pretty(&*known)
                .map_err(std::io::Error::from)
                .and_then(|text| std::fs::write(&fresh, text))
                .and_then(|()| std::fs::rename(&fresh, file));
            if let Err(error) = written {
                host.logs.host(
                    Level::Error,
                    format!("The timer status {} cannot be written: {error}", file.display()),
                );
            }
        }
    }
}
