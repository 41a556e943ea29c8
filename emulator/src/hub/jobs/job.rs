//! One job, and how far it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Plan;
use crate::hub::method::Answered;
use crate::hub::reply::rfc3339;

/// A job.
pub(in crate::hub) struct Job {
    pub(in crate::hub) plan: Plan,
    /// When it was asked for, milliseconds since 1970.
    created_ms: i64,
    /// Ends the wait for its start.
    pub(super) cancelled: Notify,
    progress: Mutex<Progress>,
}

struct Progress {
    status: Status,
    ended_ms: Option<i64>,
    tasks: Vec<Task>,
}

/// A job on one device.
#[derive(Clone)]
pub(in crate::hub) struct Task {
    pub(in crate::hub) device: String,
    status: Status,
    /// When its status changed last.
    changed_ms: i64,
    started_ms: Option<i64>,
    outcome: Option<Answered>,
    error: Option<String>,
}

/// Of a job, or of a device in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Status {
    Scheduled,
    Pending,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl Job {
    pub(super) fn new(plan: Plan, now_ms: i64) -> Self {
        let progress = Progress {
            status: if plan.start_ms > now_ms {
                Status::Scheduled
            } else {
                Status::Running
            },
            ended_ms: None,
            tasks: Vec::new(),
        };
        Self {
            plan,
            created_ms: now_ms,
            cancelled: Notify::new(),
            progress: Mutex::new(progress),
        }
    }

    /// Ends it where it is; `false` if it has ended before.
    pub(in crate::hub) fn cancel(&self, now_ms: i64) -> bool {
        let mut progress = self.lock();
        if progress.ended_ms.is_some() {
            return false;
        }
        progress.finish(Status::Cancelled, now_ms);
        self.cancelled.notify_one();
        true
    }

    pub(in crate::hub) fn status(&self) -> Status {
        self.lock().status
    }

    pub(super) fn is_running(&self) -> bool {
        self.status() == Status::Running
    }

    /// Its devices are known; `false` if it was cancelled before.
    pub(super) fn begin(&self, devices: &[String], now_ms: i64) -> bool {
        let mut progress = self.lock();
        if progress.ended_ms.is_some() {
            return false;
        }
        progress.status = Status::Running;
        let task = |device: &String| Task {
            device: device.clone(),
            status: Status::Pending,
            changed_ms: now_ms,
            started_ms: None,
            outcome: None,
            error: None,
        };
        progress.tasks = devices.iter().map(task).collect();
        true
    }

    pub(super) fn device_started(&self, device: &str, now_ms: i64) {
        self.lock().change(device, |task| {
            task.status = Status::Running;
            task.started_ms = Some(now_ms);
            task.changed_ms = now_ms;
        });
    }

    pub(super) fn device_done(&self, device: &str, outcome: Result<Option<Answered>, String>, now_ms: i64) {
        self.lock().change(device, |task| {
            task.changed_ms = now_ms;
            match outcome {
                Ok(outcome) => {
                    task.status = Status::Completed;
                    task.outcome = outcome;
                }
                Err(why) => {
                    task.status = Status::Failed;
                    task.error = Some(why);
                }
            }
        });
    }

    /// It is over: all was done, or its time is up.
    pub(super) fn end(&self, in_time: bool, now_ms: i64) {
        let mut progress = self.lock();
        if progress.ended_ms.is_none() {
            let status = if in_time {
                Status::Completed
            } else {
                Status::Failed
            };
            progress.finish(status, now_ms);
        }
    }

    /// As the service side sees it.
    pub(in crate::hub) fn view(&self) -> Value {
        let progress = self.lock();
        let count = |status: Status| {
            let tasks = progress.tasks.iter();
            tasks.filter(|task| task.status == status).count()
        };
        let work = match self.plan.kind {
            "scheduleDeviceMethod" => "cloudToDeviceMethod",
            _ => "updateTwin",
        };
        json!({
            "jobId": self.plan.id,
            "type": self.plan.kind,
            work: self.plan.asked,
            "queryCondition": self.plan.condition,
            "createdTime": rfc3339(self.created_ms),
            "startTime": rfc3339(self.plan.start_ms),
            "endTime": progress.ended_ms.map(rfc3339),
            "maxExecutionTimeInSeconds": self.plan.most_s,
            "status": progress.status.name(),
            "deviceJobStatistics": {
                "deviceCount": progress.tasks.len(),
                "failedCount": count(Status::Failed),
                "succeededCount": count(Status::Completed),
                "runningCount": count(Status::Running),
                "pendingCount": count(Status::Pending),
            },
        })
    }

    /// What has become of each device: the documents of `devices.jobs`.
    pub(in crate::hub) fn tasks(&self) -> Vec<(String, Value)> {
        let progress = self.lock();
        let view = |task: &Task| {
            let document = json!({
                "deviceId": task.device,
                "jobId": self.plan.id,
                "jobType": self.plan.kind,
                "status": task.status.name(),
                "startTimeUtc": task.started_ms.map(rfc3339),
                "endTimeUtc": task.status.is_end().then(|| rfc3339(task.changed_ms)),
                "createdDateTimeUtc": rfc3339(self.created_ms),
                "lastUpdatedDateTimeUtc": rfc3339(task.changed_ms),
                "outcome": { "deviceMethodResponse": task.outcome },
                "error": task.error.as_ref().map(|why| json!({ "description": why })),
            });
            (format!("{}/{}", self.plan.id, task.device), document)
        };
        progress.tasks.iter().map(view).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn change(&mut self, device: &str, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.device == device) {
            change(task);
        }
    }

    /// What has not ended by now, does not.
    fn finish(&mut self, status: Status, now_ms: i64) {
        self.status = status;
        self.ended_ms = Some(now_ms);
        for task in self.tasks.iter_mut().filter(|task| !task.status.is_end()) {
            task.status = if status == Status::Cancelled {
                Status::Cancelled
            } else {
                Status::Failed
            };
            task.changed_ms = now_ms;
        }
    }
}

impl Status {
    /// As the hub writes it.
    pub(in crate::hub) fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}
