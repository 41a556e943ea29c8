//! Claims-based security: a client sends tokens to `$cbs` and receives from there what was said to them (OASIS, AMQP
//! claims-based security; Azure's form of it puts status and operation into application properties).

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

use super::access::{self, Proof};
use crate::amqp::{
    AmqpValue, ApplicationProperties, Body, Inlet, Message, MessageId, Outlet, Properties, Refused,
    Settlement, SimpleValue, Value,
};
use crate::hub::Inner;

/// How many answers wait for a client that does not receive them.
const MOST: usize = 16;

/// What `$cbs` has answered. Clones are the same answers: each goes to whoever receives first.
#[derive(Clone)]
pub(super) struct Replies {
    sender: mpsc::Sender<Message>,
    receiver: Arc<Mutex<mpsc::Receiver<Message>>>,
    sent: u64,
}

impl Default for Replies {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MOST);
        Self {
            sender,
            receiver: Arc::new(Mutex::new(receiver)),
            sent: 0,
        }
    }
}

#[async_trait]
impl Outlet for Replies {
    async fn next(&mut self) -> Result<(u64, Message), Refused> {
        match self.receiver.lock().await.recv().await {
            Some(message) => {
                self.sent += 1;
                Ok((self.sent, message))
            }
            // This handle holds a sender.
            None => std::future::pending().await,
        }
    }

    fn settle(&mut self, _: u64, _: Settlement) {}
}

/// Takes tokens.
pub(super) struct Requests {
    hub: Arc<Inner>,
    proof: Proof,
    replies: Replies,
}

impl Requests {
    pub(super) fn new(hub: Arc<Inner>, proof: Proof, replies: Replies) -> Self {
        Self { hub, proof, replies }
    }

    /// `put-token`: what the token proves holds for the connection.
    fn put(&self, message: &Message) -> Result<(), Refused> {
        let Body::Value(AmqpValue(Value::String(token))) = &message.body else {
            let text = "the body of put-token is the token, an AMQP string";
            return Err(access::unauthorized(text));
        };
        self.proof.set(access::by_token(&self.hub, token)?);
        Ok(())
    }
}

impl Inlet for Requests {
    fn take(&mut self, message: &Message) -> Result<(), Refused> {
        let operation = message
            .application_properties
            .as_ref()
            .and_then(|properties| properties.0.get("operation"));
        let (code, description) = match operation {
            Some(SimpleValue::String(operation)) if operation == "put-token" => match self.put(message) {
                Ok(()) => (200, "OK".to_owned()),
                Err(why) => {
                    super::refused(&self.hub, self.proof.policy(), &why);
                    (401, "Unauthorized".to_owned())
                }
            },
            _ => (400, "The operation is not put-token".to_owned()),
        };
        let id = message
            .properties
            .as_ref()
            .and_then(|properties| properties.message_id.clone());
        let full = |_| {
            Refused::new(
                "amqp:resource-limit-exceeded",
                "AmqpProtocol",
                "nobody receives from $cbs",
            )
        };
        self.replies
            .sender
            .try_send(reply(id, code, description))
            .map_err(full)
    }
}

/// The answer to request `id`.
fn reply(id: Option<MessageId>, code: i32, description: String) -> Message {
    let mut properties = ApplicationProperties::default();
    properties
        .0
        .insert("status-code".to_owned(), SimpleValue::Int(code));
    properties
        .0
        .insert("status-description".to_owned(), SimpleValue::String(description));
    Message {
        header: None,
        delivery_annotations: None,
        message_annotations: None,
        properties: Some(Properties {
            correlation_id: id,
            ..Properties::default()
        }),
        application_properties: Some(properties),
        body: Body::Value(AmqpValue(Value::Null)),
        footer: None,
    }
}
