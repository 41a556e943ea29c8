//! A device's connection.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use super::bag;
use super::calls::Calls;
use super::deliveries::Deliveries;
use super::login::Login;
use super::topic::{Filter, Topic};
use super::twin;
use crate::hub::access::Proof;
use crate::hub::message::Message;
use crate::hub::presence::{Order, Seat};
use crate::hub::refusal::Refusal;
use crate::hub::registry::Entry;
use crate::hub::token::Token;
use crate::hub::{Fault, Inner, access, intake};
use crate::mqtt::{Closing, Connect, ConnectReturnCode, Publication, Publish, Qos, Refused, Session};
use crate::tls::Chain;

/// How long after its token's end the hub drops a connection, seconds (Azure/azure-iot-sdk-csharp#565).
const SLACK_S: i64 = 600;

/// Lets a device in, by the same rules as over HTTPS: the token is the password, and with a certificate there is none.
pub(super) async fn connect(
    hub: Arc<Inner>,
    connect: &Connect,
    chain: Option<&Chain>,
) -> Result<Box<dyn Session>, Refused> {
    hub.counters.requests.fetch_add(1, Ordering::Relaxed);
    let refused = |why| Refused {
        code: ConnectReturnCode::NotAuthorized,
        why,
    };
    let client = connect.client_id();
    let login = Login::parse(client, connect.user_name(), &hub.options.host_name).map_err(refused)?;
    let now_ms = match fault(&hub, &login.device).await {
        Met::Nothing { now_ms } | Met::ResetAfter { now_ms } => now_ms,
        Met::Closing { why, status } => {
            let code = match status {
                Some(401 | 403 | 404) => ConnectReturnCode::NotAuthorized,
                _ => ConnectReturnCode::ServerUnavailable,
            };
            return Err(Refused { code, why });
        }
        Met::Swallowed => hub.options.clock.now_ms(),
    };
    let token = connect
        .password()
        .and_then(|password| std::str::from_utf8(password).ok());
    let token = token.filter(|token| !token.is_empty());
    let proof = Proof { token, chain };
    let entry =
        access::admit_by(&hub, proof, &login.device, now_ms).map_err(|refusal| refused(refusal.into()))?;
    let will = will(connect, &login.device).map_err(refused)?;
    // A certificate is looked at when the connection begins, and not again.
    let expires_s = token.and_then(Token::parse).map(|token| token.expires_s);
    let expires_ms = expires_s.map_or(i64::MAX, |s| s.saturating_add(SLACK_S).saturating_mul(1000));
    let left_ms = u64::try_from(expires_ms.saturating_sub(now_ms)).unwrap_or(0);
    // Beyond a year, which no connection lasts, the addition below could overflow.
    let left = Duration::from_millis(left_ms).min(Duration::from_secs(31_536_000));
    let seat = hub.presence.enter(&login.device);
    entry.activity.connection_changed(now_ms);
    entry.twin.lock().model_id = login.model_id.clone().unwrap_or_default();
    Ok(Box::new(Connected {
        hub,
        entry,
        model_id: login.model_id,
        expires_ms,
        expires: Instant::now() + left,
        seat,
        will,
        subscribed: BTreeMap::new(),
        deliveries: Deliveries::default(),
        calls: Calls::default(),
    }))
}

/// The message that CONNECT leaves for the case that the device goes without a word.
fn will(connect: &Connect, device: &str) -> Result<Option<Message>, Closing> {
    let (Some(topic), Some(payload)) = (connect.will_topic(), connect.will_payload()) else {
        return Ok(None);
    };
    let Topic::Events { bag } = Topic::parse(topic, device)? else {
        return Err(Closing::topic(format!("a will for {topic}: a will is telemetry")));
    };
    let mut message = message(bag, Bytes::copy_from_slice(payload), connect.will_retain())?;
    // The documented mark of a will among telemetry.
    message
        .properties
        .insert("iothub-MessageType".to_owned(), "Will".to_owned());
    Ok(Some(message))
}

fn message(bag: &str, body: Bytes, retain: bool) -> Result<Message, Closing> {
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

/// A device that was let in.
struct Connected {
    hub: Arc<Inner>,
    entry: Arc<Entry>,
    model_id: Option<String>,
    /// When the token ends, slack included: by the hub's clock, and for the wait.
    expires_ms: i64,
    expires: Instant,
    seat: Seat,
    will: Option<Message>,
    subscribed: BTreeMap<Filter, Qos>,
    deliveries: Deliveries,
    calls: Calls,
}

#[async_trait]
impl Session for Connected {
    async fn publish(&mut self, publish: Publish) -> Result<Vec<Publication>, Closing> {
        self.hub.counters.requests.fetch_add(1, Ordering::Relaxed);
        let device = &self.entry.device.id;
        let payload = publish.payload().as_slice();
        let now_ms = self.hub.options.clock.now_ms();
        match Topic::parse(publish.topic_name(), device)? {
            Topic::Events { bag } => {
                let message = message(bag, Bytes::copy_from_slice(payload), publish.retain())?;
                self.events(message).await?;
            }
            Topic::TwinGet { rid } => {
                let answer = twin::get(&self.entry.twin, rid);
                return Ok(self.told(Filter::TwinAnswers, answer).into_iter().collect());
            }
            Topic::Reported { rid } => {
                let answer = twin::report(&self.entry.twin, rid, payload, now_ms);
                return Ok(self.told(Filter::TwinAnswers, answer).into_iter().collect());
            }
            Topic::MethodAnswer { status, rid } => self.calls.answered(rid, status, payload)?,
        }
        Ok(Vec::new())
    }

    fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<Qos, Closing> {
        let known = Filter::parse(filter, &self.entry.device.id)?;
        let granted = if qos == Qos::AtMostOnce {
            qos
        } else {
            Qos::AtLeastOnce
        };
        self.subscribed.insert(known, granted);
        if known == Filter::Methods {
            self.hub
                .presence
                .takes_methods(&self.entry.device.id, self.seat.number, true);
        }
        Ok(granted)
    }

    fn unsubscribe(&mut self, filter: &str) {
        // What was never subscribed to may be unsubscribed from (MQTT 3.1.1, 3.10.4).
        if let Ok(known) = Filter::parse(filter, &self.entry.device.id) {
            self.subscribed.remove(&known);
            if known == Filter::Methods {
                self.hub
                    .presence
                    .takes_methods(&self.entry.device.id, self.seat.number, false);
            }
        }
    }

    fn acknowledged(&mut self, packet_id: u16) {
        let now_ms = self.hub.options.clock.now_ms();
        self.deliveries.confirmed(&self.entry.mailbox, packet_id, now_ms);
    }

    async fn next(&mut self) -> Result<Publication, Closing> {
        let mailbox = self.entry.mailbox.clone();
        loop {
            // Listening before looking, so that what comes in between is not missed.
            let mut changed = pin!(mailbox.changed.notified());
            changed.as_mut().enable();
            if let Some(publication) = self.devicebound() {
                return Ok(publication);
            }
            tokio::select! {
                () = changed => {}
                Some(order) = self.seat.orders.recv() => {
                    if let Some(publication) = self.obey(order) {
                        return Ok(publication);
                    }
                }
                ended = &mut self.seat.ended => match ended {
                    Ok(why) => return Err(why),
                    Err(_) => pending().await,
                },
                () = sleep_until(self.expires) => return Err(token_ended()),
            }
        }
    }

    fn ended(&mut self, orderly: bool) {
        let now_ms = self.hub.options.clock.now_ms();
        self.deliveries.ended(&self.entry.mailbox, now_ms);
        if self.hub.presence.leave(&self.entry.device.id, self.seat.number) {
            self.entry.activity.connection_changed(now_ms);
        }
        if let Some(will) = self.will.take().filter(|_| !orderly)
            && let Err(refusal) = self.take(will, now_ms)
        {
            let device = &self.entry.device.id;
            tracing::warn!(device, reason = refusal.text, "Will not taken");
        }
    }
}

impl Connected {
    /// The next cloud-to-device message, if the device has subscribed to them.
    fn devicebound(&mut self) -> Option<Publication> {
        let qos = *self.subscribed.get(&Filter::Devicebound)?;
        let Entry { device, mailbox, .. } = &*self.entry;
        let now_ms = self.hub.options.clock.now_ms();
        self.deliveries.next(mailbox, &device.id, qos, now_ms)
    }

    /// What an order makes the connection send.
    fn obey(&mut self, order: Order) -> Option<Publication> {
        match order {
            Order::Desired(change) => self.told(Filter::Desired, twin::desired(&change)),
            Order::Method {
                name,
                payload,
                answer,
            } => {
                let subscribed = self.subscribed.contains_key(&Filter::Methods);
                subscribed.then(|| self.calls.call(&name, payload, answer))
            }
        }
    }

    /// A publication for who has subscribed to it.
    fn told(&mut self, to: Filter, (topic, payload): twin::Answer) -> Option<Publication> {
        let qos = *self.subscribed.get(&to)?;
        Some(Publication::new(topic, payload, self.deliveries.packet_id(qos)))
    }

    /// Takes telemetry, faults on demand permitting.
    async fn events(&self, message: Message) -> Result<(), Closing> {
        match fault(&self.hub, &self.entry.device.id).await {
            Met::Nothing { now_ms } => self.receive(message, now_ms),
            Met::Swallowed => Ok(()),
            Met::Closing { why, .. } => Err(why),
            Met::ResetAfter { now_ms } => {
                self.receive(message, now_ms)?;
                let text = "a fault on demand: reset after a message was taken";
                Err(Closing::fault(text).with_reset())
            }
        }
    }

    fn receive(&self, message: Message, now_ms: i64) -> Result<(), Closing> {
        if now_ms > self.expires_ms {
            return Err(token_ended());
        }
        Ok(self.take(message, now_ms)?)
    }

    fn take(&self, mut message: Message, now_ms: i64) -> Result<(), Refusal> {
        if let Some(model) = &self.model_id {
            message.system.insert("dt-dataschema".to_owned(), model.clone());
        }
        intake::turn(&self.hub, now_ms)?;
        intake::take(&self.hub, &self.entry, now_ms, [message])
    }
}

fn token_ended() -> Closing {
    let text = "the token ended 10 minutes ago; connect anew with a fresh one before it ends";
    Closing::new("IotHubUnauthorizedAccess", text)
}

/// What a fault on demand makes of a packet.
enum Met {
    /// No fault, or one that only cost time or turned the clock.
    Nothing { now_ms: i64 },
    /// The connection is closed; `status` stands for the reason.
    Closing { why: Closing, status: Option<u16> },
    /// The packet is confirmed and nothing is taken.
    Swallowed,
    /// The message is taken and the connection reset.
    ResetAfter { now_ms: i64 },
}

async fn fault(hub: &Inner, device: &str) -> Met {
    let fault = hub.faults.take(Some(device));
    hub.counters
        .faults
        .fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
    let now_ms = hub.options.clock.now_ms();
    match fault {
        None => Met::Nothing { now_ms },
        Some(Fault::Delay(ms)) => {
            sleep(Duration::from_millis(ms)).await;
            let now_ms = hub.options.clock.now_ms();
            Met::Nothing { now_ms }
        }
        Some(Fault::ClockSkew(seconds)) => Met::Nothing {
            now_ms: now_ms.saturating_add(seconds.saturating_mul(1000)),
        },
        Some(Fault::Reset | Fault::ResetMidBody) => Met::Closing {
            why: Closing::fault("a fault on demand: reset").with_reset(),
            status: None,
        },
        Some(Fault::ResetAfterAccept) => Met::ResetAfter { now_ms },
        Some(Fault::Status { code, .. }) if (200..300).contains(&code) => Met::Swallowed,
        Some(Fault::Status { code, .. }) => Met::Closing {
            why: Closing::fault(format!("a fault on demand: status {code}")),
            status: Some(code),
        },
    }
}
