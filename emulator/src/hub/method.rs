//! Direct methods: a question to a connected device or module, and its answer.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::Inner;
use super::meter::{Charge, Denied, Operation};
use crate::hub::presence::Order;
use crate::hub::registry::Party;

/// The largest payload, either way (Azure docs, direct methods).
const LARGEST: usize = 128 * 1024;

/// What a payload is throttled by.
const STEP: usize = 4096;

/// A call of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// What goes with it.
    pub payload: Value,
    /// How long the device has for its answer.
    pub answer_within: Duration,
    /// How long to wait for the device to be there.
    pub connect_within: Duration,
}

/// A call as the service side and the control API ask for it: the body of `POST /twins/{id}/methods`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MethodCall {
    method_name: String,
    #[serde(default)]
    payload: Value,
    response_timeout_in_seconds: Option<u64>,
    connect_timeout_in_seconds: Option<u64>,
}

/// The answer of a device or module.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Answered {
    /// The status that it gave.
    pub status: i64,
    /// What it sent with it; null for nothing.
    pub payload: Value,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// 404001.
    #[error("{0} is not registered")]
    NoDevice(String),
    /// 404103, of a device or a module (`{device}/{module}`). One that is connected and has not subscribed to methods counts
    /// as absent.
    #[error(
        "{0} is not online: it is not connected over MQTT, or has not subscribed to $iothub/methods/POST/#"
    )]
    NotOnline(String),
    /// 504101.
    #[error("{0} did not answer in time")]
    TimedOut(String),
    /// 400: name or payload.
    #[error("{0}")]
    Invalid(String),
    /// 429, or 403 for the day's quota and the tier.
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl MethodCall {
    /// The call, if its times are such as the hub takes (Azure docs, direct methods: 5 to 300 s for the answer, 0 to 300 s
    /// to connect).
    pub(super) fn checked(self) -> Result<Method, NoAnswer> {
        for (name, seconds, least) in [
            ("responseTimeoutInSeconds", self.response_timeout_in_seconds, 5),
            ("connectTimeoutInSeconds", self.connect_timeout_in_seconds, 0),
        ] {
            if let Some(seconds) = seconds.filter(|seconds| !(least..=300).contains(seconds)) {
                return Err(NoAnswer::Invalid(format!(
                    "{name} is {seconds}, not {least} to 300"
                )));
            }
        }
        Ok(self.method())
    }

    /// The call, with its times forced into 1 to 300 s: tests do not want to wait for five.
    pub(super) fn method(self) -> Method {
        let answer_within = self.response_timeout_in_seconds.unwrap_or(30).clamp(1, 300);
        let connect_within = self.connect_timeout_in_seconds.unwrap_or(0).min(300);
        Method {
            name: self.method_name,
            payload: self.payload,
            answer_within: Duration::from_secs(answer_within),
            connect_within: Duration::from_secs(connect_within),
        }
    }
}

impl Inner {
    /// Calls a method of a device and waits for its answer.
    pub(super) async fn invoke(self: &Arc<Self>, device: &str, method: Method) -> Result<Answered, NoAnswer> {
        let entry = self.registry.get(device);
        let entry = entry.ok_or_else(|| NoAnswer::NoDevice(device.to_owned()))?;
        self.call(&entry.into(), method).await
    }

    /// The same of a device or a module that is known; the device is charged.
    pub(super) async fn call(self: &Arc<Self>, of: &Party, method: Method) -> Result<Answered, NoAnswer> {
        let named = method
            .name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.*:".contains(c));
        if method.name.is_empty() || method.name.len() > 100 || !named {
            return Err(NoAnswer::Invalid(format!(
                "{:?} is no name of a method",
                method.name
            )));
        }
        let payload = method.payload.to_string();
        if payload.len() > LARGEST {
            let text = format!("the payload has {} bytes, more than {LARGEST}", payload.len());
            return Err(NoAnswer::Invalid(text));
        }
        let steps = payload.len().div_ceil(STEP).max(1);
        let now_ms = self.options.clock.now_ms();
        self.turns(
            Operation::Method,
            u32::try_from(steps).unwrap_or(u32::MAX),
            now_ms,
        )
        .await
        .map_err(Denied::from)?;
        self.charge(&of.device, Charge::Method, payload.len(), now_ms)
            .map_err(Denied::from)?;
        let answer = self.ask(&of.identity().to_string(), &method, payload).await;
        // The answer costs as the question does; "not online" costs one unit, and silence nothing.
        let bytes = match &answer {
            Ok(Answered { payload, .. }) if payload.is_null() => Some(0),
            Ok(Answered { payload, .. }) => Some(payload.to_string().len()),
            Err(NoAnswer::NotOnline(_)) => Some(0),
            Err(_) => None,
        };
        if let Some(bytes) = bytes {
            self.charge_anyway(&of.device, Charge::Method, bytes, now_ms);
        }
        answer
    }

    async fn ask(&self, client: &str, method: &Method, payload: String) -> Result<Answered, NoAnswer> {
        let connected_by = Instant::now() + method.connect_within;
        loop {
            // Listening before asking, so that a client that comes in between is not missed.
            let mut changed = std::pin::pin!(self.presence.changed.notified());
            changed.as_mut().enable();
            let (answer, answered) = oneshot::channel();
            let order = Order::Method {
                name: method.name.clone(),
                payload: payload.clone(),
                answer,
            };
            let accepted = self.presence.order(client, order);
            if accepted {
                return match timeout(method.answer_within, answered).await {
                    Ok(Ok(answered)) => Ok(answered),
                    // The connection ended before there was an answer.
                    Ok(Err(_)) | Err(_) => Err(NoAnswer::TimedOut(client.to_owned())),
                };
            }
            if timeout_at(connected_by, changed).await.is_err() {
                return Err(NoAnswer::NotOnline(client.to_owned()));
            }
        }
    }
}
