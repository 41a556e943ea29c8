//! One call of the host: its envelope, in all the quotings that were seen, and the answer. Pure.

use serde::Serialize;
use serde_json::Value;

use crate::clock::Millis;

/// What the host sent, as far as it is needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The trigger's value: an object for the timer, text for the queue.
    pub data: Value,
    /// `Metadata`, with its odd quoting undone one level.
    pub metadata: Value,
}

/// Why a call cannot be understood.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the host's call cannot be understood: {0}")]
pub struct Misunderstood(pub String);

/// What the timer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The instant this run is for: its identity, also for a run that is late or repeated.
    pub due: Millis,
    /// Whether the host was down when it was due.
    pub past_due: bool,
    /// Whether a person fired it.
    pub by_hand: bool,
}

/// What the queue says.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The message, decoded as far as it is JSON.
    pub message: Value,
    /// How often the queue handed it out, this time included; 0 when a person fired it.
    pub dequeue_count: u32,
}

impl Invocation {
    /// Reads the body of a call whose trigger binding has this name.
    ///
    /// # Errors
    /// When it is not JSON, or holds no value for the binding.
    pub fn parse(body: &[u8], binding: &str) -> Result<Self, Misunderstood> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Misunderstood(format!("the body is not JSON ({error})")))?;
        let data = member(&body, "Data").ok_or_else(|| Misunderstood("`Data` is missing".into()))?;
        let value = member(data, binding).ok_or_else(|| {
            Misunderstood(format!(
                "`Data` has no `{binding}`; does function.json name it so?"
            ))
        })?;
        let metadata = member(&body, "Metadata").cloned().unwrap_or(Value::Null);
        Ok(Self {
            data: value.clone(),
            metadata,
        })
    }

    /// The timer's tick. `now` stands in where the host gives no status: sub-minute schedules, a run by hand.
    ///
    /// # Errors
    /// When the value is not a timer's.
    pub fn tick(&self, now: Millis) -> Result<Tick, Misunderstood> {
        let timer = unquoted(&self.data);
        let timer = timer
            .as_object()
            .ok_or_else(|| Misunderstood("the timer's value is no object".into()))?;
        let find = |name: &str| {
            timer
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, v)| v)
        };
        let past_due = find("IsPastDue").is_some_and(|value| truth(&unquoted(value)));
        let next = find("ScheduleStatus")
            .and_then(|status| member(status, "Next"))
            .and_then(instant);
        let started = member(&self.metadata, "sys")
            .and_then(|sys| member(sys, "UtcNow"))
            .and_then(instant);
        let started = started.unwrap_or(now);
        // A run by hand names the next regular tick, which lies ahead; a regular one names its own.
        let by_hand = next.is_some_and(|next| next > started + EARLY);
        let due = match next {
            Some(next) if !by_hand && next > 0 => next,
            _ => started.div_euclid(1000) * 1000,
        };
        Ok(Tick {
            due,
            past_due,
            by_hand,
        })
    }

    /// The queue's job.
    #[must_use]
    pub fn job(&self) -> Job {
        let count = member(&self.metadata, "DequeueCount").map(unquoted);
        let dequeue_count = match count {
            Some(Value::Number(n)) => n.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            Some(Value::String(text)) => text.trim().parse().unwrap_or(1),
            _ => 1,
        };
        Job {
            message: unquoted(&self.data),
            dequeue_count,
        }
    }
}

/// The answer to a call: success, whatever single sources came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// Values of the output bindings: always arrays of JSON-object texts, the only form that reaches the queue byte for byte.
    pub outputs: Outputs,
    /// Lines for the function's own log.
    pub logs: Vec<String>,
    /// Not used; the host wants the member.
    pub return_value: Option<()>,
}

/// Values of the output bindings.
#[derive(Debug, Default, Serialize)]
pub struct Outputs {
    /// Jobs for PollWorker.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<String>,
}

impl Answer {
    /// Success with these log lines.
    #[must_use]
    pub fn success(logs: Vec<String>) -> Self {
        Self {
            outputs: Outputs::default(),
            logs,
            return_value: None,
        }
    }

    /// The same, with these jobs for PollWorker.
    #[must_use]
    pub fn with_jobs(mut self, jobs: Vec<String>) -> Self {
        self.outputs.jobs = jobs;
        self
    }
}

/// A tick may be handed over a moment before its time; more than this is a run by hand.
const EARLY: Millis = 1_500;

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value
        .as_object()?
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Undoes JSON inside JSON texts, as deep as it goes; a text that is no JSON stays a text.
fn unquoted(value: &Value) -> Value {
    let mut value = value.clone();
    for _ in 0..4 {
        let Value::String(text) = &value else { break };
        match serde_json::from_str::<Value>(text) {
            Ok(inner) => value = inner,
            Err(_) => break,
        }
    }
    value
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// An instant of the host: with or without offset (then UTC), with any number of decimals.
fn instant(value: &Value) -> Option<Millis> {
    let text = value.as_str()?.trim().trim_matches('"');
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let naive = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some(naive.and_utc().timestamp_millis())
}

#[cfg(test)]
#[path = "invocation/tests.rs"]
mod tests;
