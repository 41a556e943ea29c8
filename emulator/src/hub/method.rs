//! Direct methods: a question to a connected device, and its answer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::Inner;
use crate::hub::presence::Order;

/// The largest payload, either way (Azure docs, direct methods).
const LARGEST: usize = 128 * 1024;

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

/// A device's answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Answered {
    /// The status that the device gave.
    pub status: i64,
    /// What it sent with it; null for nothing.
    pub payload: Value,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// 404001.
    #[error("device {0} is not registered")]
    NoDevice(String),
    /// 404103. A device that is connected and has not subscribed to methods counts as absent.
    #[error(
        "device {0} is not online: it is not connected over MQTT, or has not subscribed to $iothub/methods/POST/#"
    )]
    NotOnline(String),
    /// 504101.
    #[error("device {0} did not answer in time")]
    TimedOut(String),
    /// 400: name or payload.
    #[error("{0}")]
    Invalid(String),
}

impl Inner {
    /// Calls a method of a device and waits for its answer.
    pub(super) async fn invoke(self: &Arc<Self>, device: &str, method: Method) -> Result<Answered, NoAnswer> {
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
        if self.registry.get(device).is_none() {
            return Err(NoAnswer::NoDevice(device.to_owned()));
        }
        let connected_by = Instant::now() + method.connect_within;
        loop {
            // Listening before asking, so that a device that comes in between is not missed.
            let mut changed = std::pin::pin!(self.presence.changed.notified());
            changed.as_mut().enable();
            let (answer, answered) = oneshot::channel();
            let order = Order::Method {
                name: method.name.clone(),
                payload: payload.clone(),
                answer,
            };
            let accepted = self.presence.order(device, order);
            if accepted {
                return match timeout(method.answer_within, answered).await {
                    Ok(Ok(answered)) => Ok(answered),
                    // The connection ended before the device had answered.
                    Ok(Err(_)) | Err(_) => Err(NoAnswer::TimedOut(device.to_owned())),
                };
            }
            if timeout_at(connected_by, changed).await.is_err() {
                return Err(NoAnswer::NotOnline(device.to_owned()));
            }
        }
    }
}
