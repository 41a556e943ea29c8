//! What a condition sees of a message.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use crate::hub::expression::Names;
use crate::hub::message::Message;
use crate::hub::registry::Party;
use crate::hub::reply::rfc3339;

/// A message on its way through the routes.
pub(super) struct Seen<'a> {
    sender: &'a Party,
    message: &'a Message,
    at_ms: i64,
    body: OnceCell<Option<Value>>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(sender: &'a Party, message: &'a Message, at_ms: i64) -> Self {
        Self {
            sender,
            message,
            at_ms,
            body: OnceCell::new(),
        }
    }

    /// The body, where the message says that it is JSON in UTF-8 and it is: else routes see nothing of it, and endpoints
    /// write base64 (MicrosoftDocs/azure-docs#82002). UTF-16 and UTF-32, which a hub reads too, are not read here.
    pub(super) fn json(&self) -> Option<&Value> {
        let read = || {
            let says = |name: &str, text: &str| {
                let value = self.message.system.get(name);
                value.is_some_and(|value| value.eq_ignore_ascii_case(text))
            };
            let is_json =
                says("iothub-contenttype", "application/json") && says("iothub-contentencoding", "utf-8");
            is_json.then(|| serde_json::from_slice(&self.message.body).ok())?
        };
        self.body.get_or_init(read).as_ref()
    }

    fn system(&self, name: &str) -> Option<Value> {
        let own = |name: &str| self.message.system.get(name).cloned().map(Value::String);
        match name.to_ascii_lowercase().as_str() {
            "contenttype" => own("iothub-contenttype"),
            "contentencoding" => own("iothub-contentencoding"),
            "messageid" => own("iothub-messageid"),
            "correlationid" => own("iothub-correlationid"),
            "userid" => own("iothub-userid"),
            "creationtimeutc" => own("iothub-creationtimeutc"),
            "connectiondeviceid" => Some(self.sender.device_id().into()),
            "connectionmoduleid" => self.sender.module_id().map(Value::from),
            "enqueuedtime" => Some(rfc3339(self.at_ms).into()),
            _ => None,
        }
    }
}

impl Names for Seen<'_> {
    fn root(&self, name: &str) -> Option<Cow<'_, Value>> {
        match name.strip_prefix('$') {
            Some("body") => self.json().map(Cow::Borrowed),
            // The device's: twins of modules cannot be asked for (Azure docs, "IoT Hub message routing query syntax").
            Some("twin") => Some(Cow::Owned(self.sender.device.twin.lock().whole())),
            Some(system) => self.system(system).map(Cow::Owned),
            // In any letter case, since HTTPS does not keep it.
            None => {
                let mut properties = self.message.properties.iter();
                let found = properties.find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.map(|(_, value)| Cow::Owned(Value::String(value.clone())))
            }
        }
    }
}
