//! Jobs over many devices: `/jobs/v2`.

use std::sync::Arc;

use chrono::DateTime;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::query::{CONTINUATION, page_size};
use super::{Asked, twin};
use crate::hub::jobs::{Job, Plan, Work};
use crate::hub::method::MethodCall;
use crate::hub::query;
use crate::hub::refusal::Refusal;
use crate::hub::reply::Reply;

/// How long a job may take if nobody says how long, seconds (as the Node SDK has it).
const USUAL_S: u64 = 3600;

/// As the SDKs send it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    job_id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    cloud_to_device_method: Value,
    #[serde(default)]
    update_twin: Value,
    query_condition: Option<String>,
    start_time: Option<String>,
    max_execution_time_in_seconds: Option<u64>,
}

pub(super) fn put(asked: &Asked<'_>, id: &str) -> Result<Reply, Refusal> {
    let plan = asked.json::<Body>()?.plan(id, asked.stamp.now_ms)?;
    let job = asked.hub.jobs.start(asked.hub, plan);
    let mut view = job.ok_or_else(|| Refusal::job_exists(id))?.view();
    // Who makes a job is told so, whenever it is to start (Microsoft's `e2etests/test/job_client.js`).
    if view["status"] == "scheduled" {
        view["status"] = "queued".into();
    }
    Ok(asked.shown(&view))
}

pub(super) fn get(asked: &Asked<'_>, id: &str) -> Result<Reply, Refusal> {
    let job = asked.hub.jobs.get(id).ok_or_else(|| Refusal::no_job(id))?;
    Ok(asked.shown(&job.view()))
}

pub(super) fn cancel(asked: &Asked<'_>, id: &str) -> Result<Reply, Refusal> {
    let job = asked.hub.jobs.get(id).ok_or_else(|| Refusal::no_job(id))?;
    if !job.cancel(asked.stamp.now_ms) {
        return Err(Refusal::job_ended(id, job.status().name()));
    }
    Ok(asked.shown(&job.view()))
}

/// The jobs of a kind and status, page by page.
pub(super) fn list(asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let is = |name: &str, value: &str| {
        let wanted = asked.parameter(name).filter(|wanted| !wanted.is_empty());
        wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let size = page_size(asked)?;
    let from: usize = match asked.header(CONTINUATION).filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| Refusal::argument(format!("{CONTINUATION} is no token of this query")))?,
    };
    let jobs = asked.hub.jobs.all();
    let matching = |job: &&Arc<Job>| is("jobType", job.plan.kind) && is("jobStatus", job.status().name());
    let views: Vec<Value> = jobs
        .iter()
        .filter(matching)
        .skip(from)
        .take(size.saturating_add(1))
        .map(|job| job.view())
        .collect();
    let mut reply = asked.shown(&views.iter().take(size).cloned().collect());
    if views.len() > size {
        let next = HeaderValue::from(from + size);
        reply
            .headers_mut()
            .insert(HeaderName::from_static(CONTINUATION), next);
    }
    Ok(reply)
}

impl Body {
    fn plan(self, id: &str, now_ms: i64) -> Result<Plan, Refusal> {
        if self.job_id.is_some_and(|body| body != id) {
            return Err(Refusal::argument(format!(
                "jobId in the body is not {id}, as in the path"
            )));
        }
        let misread = |error: serde_json::Error| Refusal::format(format!("the job's work: {error}"));
        let (kind, asked, work) = match self.kind.as_str() {
            "scheduleDeviceMethod" => {
                let call: MethodCall =
                    serde_json::from_value(self.cloud_to_device_method.clone()).map_err(misread)?;
                let method = call.checked()?;
                (
                    "scheduleDeviceMethod",
                    self.cloud_to_device_method,
                    Work::Method(method),
                )
            }
            "scheduleUpdateTwin" => {
                let change: twin::Change =
                    serde_json::from_value(self.update_twin.clone()).map_err(misread)?;
                (
                    "scheduleUpdateTwin",
                    self.update_twin,
                    Work::Twin(change.merged()),
                )
            }
            other => {
                return Err(Refusal::argument(format!(
                    "type {other} is neither scheduleDeviceMethod nor scheduleUpdateTwin"
                )));
            }
        };
        let condition = self.query_condition.unwrap_or_default();
        if condition.trim().is_empty() {
            return Err(Refusal::argument(
                "queryCondition is missing: what stands behind WHERE, or * for all devices".to_owned(),
            ));
        }
        // Microsoft's samples (azure-iot-hub-python) name all devices so.
        let filter = match condition.trim() {
            "*" => String::new(),
            condition => format!(" WHERE {condition}"),
        };
        let query = query::parse(&format!("SELECT * FROM devices{filter}"))
            .map_err(|why| Refusal::argument(why.to_string().replace(';', ",")))?;
        let start_ms = match self.start_time.as_deref().filter(|text| !text.is_empty()) {
            None => now_ms,
            Some(text) => DateTime::parse_from_rfc3339(text)
                .map_err(|error| Refusal::argument(format!("startTime {text}: {error}")))?
                .timestamp_millis(),
        };
        Ok(Plan {
            id: id.to_owned(),
            kind,
            work,
            asked,
            condition,
            query,
            start_ms,
            most_s: self.max_execution_time_in_seconds.unwrap_or(USUAL_S),
        })
    }
}
