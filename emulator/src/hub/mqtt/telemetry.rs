//! PUBLISH and the will of CONNECT as messages.

use bytes::Bytes;

use super::bag;
use super::topic::Topic;
use crate::hub::identity::Identity;
use crate::hub::message::Message;
use crate::mqtt::{Closing, Connect};

/// The message that CONNECT leaves for the case that the client goes without a word.
pub(super) fn will(connect: &Connect, who: &Identity) -> Result<Option<Message>, Closing> {
    let (Some(topic), Some(payload)) = (connect.will_topic(), connect.will_payload()) else {
        return Ok(None);
    };
    let Topic::Events { bag } = Topic::parse(topic, who)? else {
        return Err(Closing::topic(format!("a will for {topic}: a will is telemetry")));
    };
    let mut message = message(bag, Bytes::copy_from_slice(payload), connect.will_retain())?;
    // The documented mark of a will among telemetry.
    message
        .properties
        .insert("iothub-MessageType".to_owned(), "Will".to_owned());
    Ok(Some(message))
}

/// Telemetry with this bag of properties.
pub(super) fn message(bag: &str, body: Bytes, retain: bool) -> Result<Message, Closing> {
    let mut message = Message {
        body,
        ..Message::default()
    };
    bag::read(bag, &mut message)?;
    if retain {
        // Retained messages are not kept; what the client asked for is told (Azure docs, MQTT support).
        message
            .properties
            .insert("mqtt-retain".to_owned(), "true".to_owned());
    }
    Ok(message)
}
