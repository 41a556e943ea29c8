//! Direct methods on their way over one connection.

use std::collections::HashMap;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::hub::method::Answered;
use crate::mqtt::{Closing, Publication};

/// The calls that wait for the device's answer, by request id.
#[derive(Default)]
pub(super) struct Calls {
    waiting: HashMap<String, oneshot::Sender<Answered>>,
    last: u64,
}

impl Calls {
    /// The publication of a call, at QoS 0 as the hub sends it.
    pub(super) fn call(
        &mut self,
        name: &str,
        payload: String,
        answer: oneshot::Sender<Answered>,
    ) -> Publication {
        // Callers that gave up have dropped the other end.
        self.waiting.retain(|_, waiting| !waiting.is_closed());
        self.last += 1;
        let rid = format!("{:x}", self.last);
        let topic = format!("$iothub/methods/POST/{name}/?$rid={rid}");
        self.waiting.insert(rid, answer);
        Publication::new(topic, payload, None)
    }

    /// The device's answer. One that nobody waits for (any more) is ignored.
    pub(super) fn answered(&mut self, rid: &str, status: i64, payload: &[u8]) -> Result<(), Closing> {
        let payload = match payload {
            [] => Value::Null,
            some => serde_json::from_slice(some).map_err(|error| {
                let text = format!("the answer to the direct method call {rid} is not JSON: {error}");
                Closing::new("MqttMethodAnswer", text)
            })?,
        };
        if let Some(waiting) = self.waiting.remove(rid) {
            // The caller may have given up by now.
            let _ = waiting.send(Answered { status, payload });
        }
        Ok(())
    }
}
