//! The connection of a device or of a module.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::StatusCode;
use tokio::time::{Instant, sleep_until};

use super::calls::Calls;
use super::deliveries::Deliveries;
use super::login::Login;
use super::met::{Met, fault};
use super::telemetry::{message, will};
use super::topic::{Filter, Topic};
use super::twin;
use crate::hub::access::Proof;
use crate::hub::identity::Identity;
use crate::hub::message::Message;
use crate::hub::meter::{Charge, Operation};
use crate::hub::presence::{Order, Seat};
use crate::hub::refusal::Refusal;
use crate::hub::registry::Party;
use crate::hub::token::Token;
use crate::hub::{Inner, access, intake};
use crate::mqtt::{Closing, Connect, ConnectReturnCode, Publication, Publish, Qos, Refused, Session};
use crate::tls::Chain;

/// How long after its token's end the hub drops a connection, seconds (Azure/azure-iot-sdk-csharp#565).
const SLACK_S: i64 = 600;

/// Lets a device or a module in, by the same rules as over HTTPS: the token is the password, and with a certificate there is none.
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
    let now_ms = match fault(&hub, &login.who.device).await {
        Met::Nothing { now_ms }
        | Met::ResetAfter { now_ms }
        | Met::Silent { now_ms }
        | Met::Twice { now_ms } => now_ms,
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
    let party =
        access::admit_by(&hub, proof, &login.who, now_ms).map_err(|refusal| refused(refusal.into()))?;
    let will = will(connect, &login.who).map_err(refused)?;
    hub.turn(Operation::Connect, now_ms)
        .await
        .map_err(|refusal| Refused {
            code: ConnectReturnCode::ServerUnavailable,
            why: refusal.into(),
        })?;
    // A certificate is looked at when the connection begins, and not again.
    let expires_s = token.and_then(Token::parse).map(|token| token.expires_s);
    let expires_ms = expires_s.map_or(i64::MAX, |s| s.saturating_add(SLACK_S).saturating_mul(1000));
    let left_ms = u64::try_from(expires_ms.saturating_sub(now_ms)).unwrap_or(0);
    // Beyond a year, which no connection lasts, the addition below could overflow.
    let left = Duration::from_millis(left_ms).min(Duration::from_secs(31_536_000));
    let seat = hub.presence.enter(client);
    let generation = &party.record().generation_id;
    let kept = hub.sessions.resume(client, generation, connect.clean_session());
    let resumed = kept.is_some();
    let subscribed = kept.unwrap_or_default();
    if subscribed.contains_key(&Filter::Methods) {
        hub.presence.takes_methods(client, seat.number, true);
    }
    party.activity().connection_changed(now_ms);
    party.twin().lock().model_id = login.model_id.clone().unwrap_or_default();
    Ok(Box::new(Connected {
        hub,
        client: client.to_owned(),
        who: login.who,
        party,
        model_id: login.model_id,
        expires_ms,
        expires: Instant::now() + left,
        seat,
        will,
        outlasts: !connect.clean_session(),
        resumed,
        subscribed,
        deliveries: Deliveries::default(),
        calls: Calls::default(),
    }))
}

/// A device or a module that was let in.
struct Connected {
    hub: Arc<Inner>,
    /// Its client id, under which its presence is known.
    client: String,
    who: Identity,
    party: Party,
    model_id: Option<String>,
    /// When the token ends, slack included: by the hub's clock, and for the wait.
    expires_ms: i64,
    expires: Instant,
    seat: Seat,
    will: Option<Message>,
    /// Whether what is subscribed to outlasts the connection.
    outlasts: bool,
    resumed: bool,
    subscribed: BTreeMap<Filter, Qos>,
    deliveries: Deliveries,
    calls: Calls,
}

#[async_trait]
impl Session for Connected {
    fn is_resumed(&self) -> bool {
        self.resumed
    }

    async fn publish(&mut self, publish: Publish) -> Result<Option<Vec<Publication>>, Closing> {
        self.hub.counters.requests.fetch_add(1, Ordering::Relaxed);
        let payload = publish.payload().as_slice();
        let now_ms = self.hub.options.clock.now_ms();
        match Topic::parse(publish.topic_name(), &self.who)? {
            Topic::Events { bag } => {
                let message = message(bag, Bytes::copy_from_slice(payload), publish.retain())?;
                if !self.events(message).await? {
                    return Ok(None);
                }
            }
            Topic::TwinGet { rid } => {
                self.is_in_tier(Operation::TwinRead)?;
                let answer = match self.twin_fault(rid, now_ms).await? {
                    Some(answer) => answer,
                    None => twin::get(&self.hub, &self.party, rid, now_ms).await,
                };
                return Ok(Some(self.told(Filter::TwinAnswers, answer).into_iter().collect()));
            }
            Topic::Reported { rid } => {
                self.is_in_tier(Operation::TwinUpdate)?;
                let answer = match self.twin_fault(rid, now_ms).await? {
                    Some(answer) => answer,
                    None => twin::report(&self.hub, &self.party, rid, payload, now_ms).await,
                };
                return Ok(Some(self.told(Filter::TwinAnswers, answer).into_iter().collect()));
            }
            Topic::MethodAnswer { status, rid } => self.calls.answered(rid, status, payload)?,
        }
        Ok(Some(Vec::new()))
    }

    fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<Qos, Closing> {
        let known = Filter::parse(filter, &self.who)?;
        self.is_in_tier(match known {
            Filter::Devicebound => Operation::Receive,
            Filter::TwinAnswers | Filter::Desired => Operation::TwinRead,
            Filter::Methods => Operation::Method,
        })?;
        let granted = if qos == Qos::AtMostOnce {
            qos
        } else {
            Qos::AtLeastOnce
        };
        self.subscribed.insert(known, granted);
        self.keep();
        if known == Filter::Methods {
            self.hub
                .presence
                .takes_methods(&self.client, self.seat.number, true);
        }
        Ok(granted)
    }

    fn unsubscribe(&mut self, filter: &str) {
        // What was never subscribed to may be unsubscribed from (MQTT 3.1.1, 3.10.4).
        if let Ok(known) = Filter::parse(filter, &self.who) {
            self.subscribed.remove(&known);
            self.keep();
            if known == Filter::Methods {
                self.hub
                    .presence
                    .takes_methods(&self.client, self.seat.number, false);
            }
        }
    }

    fn acknowledged(&mut self, packet_id: u16) {
        let now_ms = self.hub.options.clock.now_ms();
        self.deliveries
            .confirmed(&self.party.device.mailbox, packet_id, now_ms);
    }

    async fn next(&mut self) -> Result<Publication, Closing> {
        let mailbox = self.party.device.mailbox.clone();
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
        self.deliveries.ended(&self.party.device.mailbox, now_ms);
        if self.hub.presence.leave(&self.client, self.seat.number) {
            self.party.activity().connection_changed(now_ms);
        }
        if let Some(will) = self.will.take().filter(|_| !orderly)
            && let Err(refusal) = self.take_will(will, now_ms)
        {
            let client = &self.client;
            tracing::warn!(client, reason = refusal.text, "Will not taken");
        }
    }
}

impl Connected {
    /// What is subscribed to, for the next connection.
    fn keep(&self) {
        if self.outlasts {
            let generation = &self.party.record().generation_id;
            self.hub.sessions.keep(&self.client, generation, &self.subscribed);
        }
    }

    /// The next cloud-to-device message, if the device has subscribed to them, which no module can.
    fn devicebound(&mut self) -> Option<Publication> {
        let qos = *self.subscribed.get(&Filter::Devicebound)?;
        let now_ms = self.hub.options.clock.now_ms();
        self.deliveries
            .next(&self.party.device.mailbox, &self.who.device, qos, now_ms)
    }

    /// What an order makes the connection send.
    fn obey(&mut self, order: Order) -> Option<Publication> {
        match order {
            Order::Desired(change) => {
                let told = twin::desired(&change);
                let bytes = told.1.len();
                let publication = self.told(Filter::Desired, told)?;
                let now_ms = self.hub.options.clock.now_ms();
                self.hub
                    .charge_anyway(&self.party.device, Charge::Twin, bytes, now_ms);
                Some(publication)
            }
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

    /// Closes the connection for what the tier does not have: over MQTT there is no other way to say so.
    fn is_in_tier(&self, operation: Operation) -> Result<(), Closing> {
        if self.hub.options.tier.has(operation) {
            Ok(())
        } else {
            Err(Refusal::not_in_tier(operation).into())
        }
    }

    /// Takes telemetry, faults on demand permitting; returns whether it is confirmed.
    async fn events(&self, message: Message) -> Result<bool, Closing> {
        match fault(&self.hub, &self.who.device).await {
            Met::Nothing { now_ms } => self.receive(message, now_ms).await?,
            Met::Silent { now_ms } => {
                self.receive(message, now_ms).await?;
                return Ok(false);
            }
            Met::Twice { now_ms } => {
                self.receive(message.clone(), now_ms).await?;
                self.receive(message, now_ms).await?;
            }
            Met::Swallowed => {}
            Met::Closing { why, .. } => return Err(why),
            Met::ResetAfter { now_ms } => {
                self.receive(message, now_ms).await?;
                let text = "a fault on demand: reset after a message was taken";
                return Err(Closing::fault(text).with_reset());
            }
        }
        Ok(true)
    }

    /// A fault on demand in the answer to a question about the twin.
    async fn twin_fault(&self, rid: &str, now_ms: i64) -> Result<Option<twin::Answer>, Closing> {
        let device = &self.who.device;
        match fault(&self.hub, device).await {
            Met::Closing {
                status: Some(code), ..
            } => {
                let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let refusal = Refusal::of_status(status, &self.hub.options.host_name, device);
                Ok(Some(twin::refused(rid, &refusal, now_ms)))
            }
            Met::Closing { why, .. } => Err(why),
            _ => Ok(None),
        }
    }

    async fn receive(&self, message: Message, now_ms: i64) -> Result<(), Closing> {
        if now_ms > self.expires_ms {
            return Err(token_ended());
        }
        self.hub.turn(Operation::Send, now_ms).await?;
        Ok(self.take(message, now_ms)?)
    }

    /// The connection is over, so that nobody waits for its turn.
    fn take_will(&self, will: Message, now_ms: i64) -> Result<(), Refusal> {
        self.hub.meter.take(Operation::Send, now_ms)?;
        self.take(will, now_ms)
    }

    fn take(&self, mut message: Message, now_ms: i64) -> Result<(), Refusal> {
        if let Some(model) = &self.model_id {
            message.system.insert("dt-dataschema".to_owned(), model.clone());
        }
        intake::take(&self.hub, &self.party, now_ms, [message])
    }
}

fn token_ended() -> Closing {
    let text = "the token ended 10 minutes ago; connect anew with a fresh one before it ends";
    Closing::new("IotHubUnauthorizedAccess", text)
}
