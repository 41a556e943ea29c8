//! Jobs: the same change of the twin, or the same direct method, on every device that a condition names.
//!
//! A job waits for its start, then chooses its devices and takes ten at once. The last 1 000 jobs are kept, in memory.
//!
//! Source: "Schedule jobs on multiple devices" (Azure docs), `JobResponse` in azure-rest-api-specs (2021-04-12).
//!
//! # Layout
//!
//! - [`Jobs`]: all of them. [`Plan`] and [`Work`]: what one is to do. `job`: one of them and how far it is.

mod job;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::method::{Answered, Method};
use super::query::Query;
use super::registry::Condition;
use super::twin::{Edit, NotEdited};
use super::{Inner, document};

pub(super) use job::Job;

/// How many are kept.
const KEPT: usize = 1000;

/// How many devices a job works on at once.
const AT_ONCE: usize = 10;

/// No start is further away than this, which keeps the wait within what timers take.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 86_400);

/// The jobs, oldest first.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Vec<Arc<Job>>>);

/// What a job is to do.
pub(super) struct Plan {
    pub(super) id: String,
    /// `scheduleDeviceMethod` or `scheduleUpdateTwin`.
    pub(super) kind: &'static str,
    pub(super) work: Work,
    /// The work as it was asked for, to be shown.
    pub(super) asked: Value,
    /// Which devices: the text behind WHERE, and what it means.
    pub(super) condition: String,
    pub(super) query: Query,
    /// When it starts, milliseconds since 1970.
    pub(super) start_ms: i64,
    /// After so many seconds it ends, finished or not.
    pub(super) most_s: u64,
}

/// What is done to each device.
pub(super) enum Work {
    Method(Method),
    Twin(Edit),
}

impl Jobs {
    /// Adds a job and lets it run; `None` if there is one of this id.
    pub(super) fn start(&self, hub: &Arc<Inner>, plan: Plan) -> Option<Arc<Job>> {
        let now_ms = hub.options.clock.now_ms();
        let job = Arc::new(Job::new(plan, now_ms));
        let mut jobs = self.lock();
        if jobs.iter().any(|known| known.plan.id == job.plan.id) {
            return None;
        }
        if jobs.len() >= KEPT {
            jobs.remove(0).cancel(now_ms);
        }
        jobs.push(job.clone());
        // A job does not keep a hub alive that has stopped.
        tokio::spawn(run(Arc::downgrade(hub), job.clone()));
        Some(job)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Job>> {
        self.lock().iter().find(|job| job.plan.id == id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Job>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(hub: Weak<Inner>, job: Arc<Job>) {
    let now_ms = || hub.upgrade().map(|hub| hub.options.clock.now_ms());
    let Some(now) = now_ms() else { return };
    let wait = u64::try_from(job.plan.start_ms.saturating_sub(now)).unwrap_or(0);
    tokio::select! {
        () = sleep(Duration::from_millis(wait).min(LONGEST_WAIT)) => {}
        () = job.cancelled.notified() => return,
    }
    let Some(devices) = hub.upgrade().map(|hub| devices(&hub, &job.plan.query)) else {
        return;
    };
    if !job.begin(&devices, now_ms().unwrap_or(now)) {
        return;
    }
    let work = futures_util::stream::iter(devices).for_each_concurrent(AT_ONCE, async |device| {
        let Some(hub) = hub.upgrade().filter(|_| job.is_running()) else {
            return;
        };
        job.device_started(&device, hub.options.clock.now_ms());
        let outcome = job.plan.work.apply(&hub, &device).await;
        job.device_done(&device, outcome, hub.options.clock.now_ms());
    });
    let in_time = timeout(Duration::from_secs(job.plan.most_s), work).await.is_ok();
    job.end(in_time, now_ms().unwrap_or(now));
}

/// The devices that a condition names, in the order of their ids.
fn devices(hub: &Inner, query: &Query) -> Vec<String> {
    let now_ms = hub.options.clock.now_ms();
    let all = hub.registry.all().into_iter();
    all.filter(|(_, entry)| query.takes(&document::of_device(hub, entry, now_ms)))
        .map(|(id, _)| id)
        .collect()
}

impl Work {
    /// Does it to one device: a method's answer, or why not.
    async fn apply(&self, hub: &Arc<Inner>, device: &str) -> Result<Option<Answered>, String> {
        match self {
            Self::Method(method) => {
                let answered = hub.invoke(device, method.clone()).await;
                answered.map(Some).map_err(|why| why.to_string())
            }
            Self::Twin(edit) => {
                let entry = hub.registry.get(device);
                let entry = entry.ok_or_else(|| format!("device {device} is not registered"))?;
                match hub.edit_twin(&entry.into(), edit.clone(), &Condition::None) {
                    Ok(()) => Ok(None),
                    Err(NotEdited::Bad(why)) => Err(why.to_string()),
                    Err(NotEdited::Changed) => Err("the twin was changed meanwhile".to_owned()),
                }
            }
        }
    }
}
