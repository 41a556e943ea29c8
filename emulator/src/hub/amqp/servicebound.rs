//! Messages for back ends: feedback, and notices of uploaded files.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::access::Proof;
use super::address::Address;
use crate::amqp::{
    Binary, Body, Data, Message, MessageAnnotations, MessageId, Outlet, Properties, Refused, Settlement,
    Symbol, Timestamp, Value,
};
use crate::hub::Inner;
use crate::hub::devicebound::Lock;
use crate::hub::servicebound::{self, Parcel, Servicebound};

/// How often messages are looked for whose time is over: nothing else tells of them.
const LOOK: Duration = Duration::from_secs(1);

/// Gives a back end what is for it. A message stays locked as long as the link lives.
pub(super) struct Receives {
    hub: Arc<Inner>,
    proof: Proof,
    address: Address,
    unsettled: BTreeMap<u64, Lock>,
    sent: u64,
}

impl Receives {
    pub(super) fn new(hub: Arc<Inner>, proof: Proof, address: Address) -> Self {
        Self {
            hub,
            proof,
            address,
            unsettled: BTreeMap::new(),
            sent: 0,
        }
    }
}

fn queue(hub: &Inner, address: Address) -> &Servicebound {
    if address == Address::FileNotices {
        &hub.file_notices
    } else {
        &hub.feedback
    }
}

#[async_trait]
impl Outlet for Receives {
    async fn next(&mut self) -> Result<(u64, Message), Refused> {
        loop {
            let queue = queue(&self.hub, self.address);
            let mut changed = pin!(queue.changed.notified());
            changed.as_mut().enable();
            let now_ms = self.hub.options.clock.now_ms();
            self.proof.check(now_ms)?;
            self.hub.sweep(now_ms);
            if let Some(parcel) = queue.receive(now_ms, i64::MAX) {
                self.sent += 1;
                let message = message(&parcel, queue.content_type, &self.hub.options.host_name);
                self.unsettled.insert(self.sent, parcel.lock);
                return Ok((self.sent, message));
            }
            tokio::select! {
                () = changed => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    fn settle(&mut self, number: u64, settlement: Settlement) {
        let Some(lock) = self.unsettled.remove(&number) else {
            return;
        };
        let settlement = match settlement {
            Settlement::Accepted | Settlement::Rejected => servicebound::Settlement::Complete,
            Settlement::Released => servicebound::Settlement::Abandon,
            Settlement::Unsent => servicebound::Settlement::Unsent,
        };
        let now_ms = self.hub.options.clock.now_ms();
        queue(&self.hub, self.address).settle(&lock, settlement, now_ms);
    }
}

impl Drop for Receives {
    fn drop(&mut self) {
        for number in self.unsettled.keys().copied().collect::<Vec<_>>() {
            self.settle(number, Settlement::Released);
        }
    }
}

/// The message, with the properties that the documentation names: user id, content type and, as annotations, when it was
/// enqueued.
fn message(parcel: &Parcel, content_type: &str, hub: &str) -> Message {
    let mut annotations = MessageAnnotations::default();
    let enqueued = Value::Timestamp(Timestamp::from(parcel.enqueued_ms));
    let sequence = Value::Long(i64::try_from(parcel.sequence).unwrap_or(i64::MAX));
    for (name, value) in [
        ("iothub-enqueuedtime", enqueued),
        ("iothub-sequencenumber", sequence),
    ] {
        annotations.0.insert(Symbol::from(name).into(), value);
    }
    Message {
        header: None,
        delivery_annotations: None,
        message_annotations: Some(annotations),
        properties: Some(Properties {
            message_id: Some(MessageId::String(parcel.lock.0.clone())),
            user_id: Some(Binary::from(hub.as_bytes())),
            content_type: Some(Symbol::from(content_type)),
            content_encoding: Some(Symbol::from("utf-8")),
            ..Properties::default()
        }),
        application_properties: None,
        body: Body::Data([Data(Binary::from(parcel.body.as_bytes()))].into_iter().collect()),
        footer: None,
    }
}
