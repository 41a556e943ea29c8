//! Messages for devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::StatusCode;

use super::access::Proof;
use crate::amqp::{
    AmqpValue, Body, Inlet, Message, MessageId, Properties, Refused, SimpleValue, Timestamp, Value,
};
use crate::hub::Inner;
use crate::hub::devicebound::{Devicebound, NotSent};
use crate::hub::token::decode;

/// The application property that asks for feedback.
const ACK: &str = "iothub-ack";

/// Takes messages for devices.
pub(super) struct Sends {
    hub: Arc<Inner>,
    proof: Proof,
}

impl Sends {
    pub(super) fn new(hub: Arc<Inner>, proof: Proof) -> Self {
        Self { hub, proof }
    }

    fn send(&self, message: &Message) -> Result<(), Refused> {
        self.proof.check(self.hub.options.clock.now_ms())?;
        let to = message
            .properties
            .as_ref()
            .and_then(|properties| properties.to.as_deref());
        let device = device(to.unwrap_or_default())?;
        // Node encodes the id, Python does not.
        let device = match decode(device) {
            Some(decoded) if self.hub.registry.get(&decoded).is_some() => decoded,
            _ => device.to_owned(),
        };
        self.hub.send_to_device(&device, read(message)?)?;
        Ok(())
    }
}

impl Inlet for Sends {
    fn take(&mut self, message: &Message) -> Result<(), Refused> {
        self.send(message).inspect_err(|why| {
            tracing::warn!(reason = why.text, "Cloud-to-device message refused");
            self.hub.counters.refuse(why.name);
        })
    }
}

/// The conditions are those that Microsoft's SDKs turn into their own errors (azure-iothub, `amqp_service_errors.js`
/// and `amqp_common_errors.js`), the names those of the hub's error codes.
impl From<NotSent> for Refused {
    fn from(error: NotSent) -> Self {
        let (condition, name) = match &error {
            NotSent::NoDevice(_) => ("amqp:not-found", "DeviceNotFound"),
            NotSent::Full(_) => ("amqp:resource-limit-exceeded", "DeviceMaximumQueueDepthExceeded"),
            NotSent::TooLarge(_) => ("amqp:link:message-size-exceeded", "MessageTooLarge"),
            NotSent::Expiry | NotSent::Ack(_) => ("com.microsoft:argument-error", "ArgumentInvalid"),
            // A rate is told apart from the quota and the tier, for which waiting a little is of no use.
            NotSent::Denied(denied) if denied.status() == StatusCode::TOO_MANY_REQUESTS => {
                ("com.microsoft:device-container-throttled", denied.name)
            }
            NotSent::Denied(denied) => ("amqp:resource-limit-exceeded", denied.name),
        };
        Self::new(condition, name, error.to_string())
    }
}

/// The device that a message is for: `/devices/{id}/messages/devicebound`, the fixed words in any letter case.
fn device(to: &str) -> Result<&str, Refused> {
    let wrong = || {
        let text = format!("the message is to '{to}'; it has to be to /devices/{{id}}/messages/devicebound");
        Refused::new("com.microsoft:argument-error", "ArgumentInvalid", text)
    };
    let parts: Vec<&str> = to.trim_matches('/').split('/').collect();
    let is = |at: usize, word: &str| parts.get(at).is_some_and(|part| part.eq_ignore_ascii_case(word));
    match parts.as_slice() {
        [_, id, _, _] if is(0, "devices") && is(2, "messages") && is(3, "devicebound") => Ok(id),
        [_, _, _, module, _, _] if is(0, "devices") && is(2, "modules") => {
            let text = format!("module {module} receives no messages: only devices do here");
            Err(Refused::new("amqp:not-found", "ModuleNotFound", text))
        }
        _ => Err(wrong()),
    }
}

/// Reads a message.
fn read(message: &Message) -> Result<Devicebound, Refused> {
    let none = Properties::default();
    let properties = message.properties.as_ref().unwrap_or(&none);
    let mut own = BTreeMap::new();
    let mut ack = None;
    for (name, value) in message.application_properties.iter().flat_map(|all| all.0.iter()) {
        if name.eq_ignore_ascii_case(ACK) {
            ack = Some(text(value).to_ascii_lowercase());
        } else {
            own.insert(name.clone(), text(value));
        }
    }
    let user_id = properties.user_id.as_ref();
    Ok(Devicebound {
        message_id: properties.message_id.as_ref().map(id),
        correlation_id: properties.correlation_id.as_ref().map(id),
        user_id: user_id.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        content_type: properties.content_type.as_ref().map(|symbol| symbol.0.clone()),
        content_encoding: properties
            .content_encoding
            .as_ref()
            .map(|symbol| symbol.0.clone()),
        ack,
        expires_ms: properties
            .absolute_expiry_time
            .as_ref()
            .map(Timestamp::milliseconds),
        properties: own,
        body: body(&message.body)?.into(),
    })
}

fn body(body: &Body<Value>) -> Result<Vec<u8>, Refused> {
    match body {
        Body::Empty => Ok(Vec::new()),
        Body::Data(sections) => Ok(sections.iter().flat_map(|data| data.0.iter().copied()).collect()),
        Body::Value(AmqpValue(Value::String(text))) => Ok(text.clone().into_bytes()),
        Body::Value(AmqpValue(Value::Binary(bytes))) => Ok(bytes.to_vec()),
        Body::Value(_) | Body::Sequence(_) => Err(Refused::new(
            "com.microsoft:argument-error",
            "ArgumentInvalid",
            "the body is neither data nor a text",
        )),
    }
}

/// Node sends ids that look like one as UUID.
fn id(id: &MessageId) -> String {
    match id {
        MessageId::String(text) => text.clone(),
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(uuid) => uuid::Uuid::from_bytes(uuid.clone().into_inner()).to_string(),
        MessageId::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A property as a device sees it, which knows text only.
fn text(value: &SimpleValue) -> String {
    match value {
        SimpleValue::String(text) => text.clone(),
        SimpleValue::Symbol(symbol) => symbol.0.clone(),
        SimpleValue::Bool(value) => value.to_string(),
        SimpleValue::Ubyte(number) => number.to_string(),
        SimpleValue::Ushort(number) => number.to_string(),
        SimpleValue::Uint(number) => number.to_string(),
        SimpleValue::Ulong(number) => number.to_string(),
        SimpleValue::Byte(number) => number.to_string(),
        SimpleValue::Short(number) => number.to_string(),
        SimpleValue::Int(number) => number.to_string(),
        SimpleValue::Long(number) => number.to_string(),
        SimpleValue::Float(number) => number.to_string(),
        SimpleValue::Double(number) => number.to_string(),
        SimpleValue::Null => String::new(),
        other => format!("{other:?}"),
    }
}
