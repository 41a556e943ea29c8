//! What a sender is told of a cloud-to-device message.

use serde_json::{Value, json};

use super::Servicebound;
use crate::hub::devicebound::Settled;
use crate::hub::reply::rfc3339;

/// What became of messages of one device whose senders asked to be told.
pub(in crate::hub) struct Feedback<'a> {
    pub(in crate::hub) device: &'a str,
    /// Which life of its id.
    pub(in crate::hub) generation: &'a str,
    /// In the order in which it happened.
    pub(in crate::hub) settled: Vec<Settled>,
}

impl Servicebound {
    /// Keeps feedback for a back end.
    pub(in crate::hub) fn tell(&self, feedback: &Feedback<'_>, now_ms: i64) {
        let records = feedback.settled.iter().map(|one| record(feedback, one));
        self.add(records.collect(), now_ms);
    }
}

/// One record (Azure docs, cloud-to-device messages, "Message feedback"): the time is that of the outcome.
fn record(feedback: &Feedback<'_>, settled: &Settled) -> Value {
    json!({
        "originalMessageId": settled.message_id,
        "deviceGenerationId": feedback.generation,
        "deviceId": feedback.device,
        "enqueuedTimeUtc": rfc3339(settled.at),
        "statusCode": settled.outcome,
        "description": settled.outcome,
    })
}
