//! The DPS over MQTT: one registration a connection.
//!
//! | the client publishes to | and is answered on |
//! |---|---|
//! | `$dps/registrations/PUT/iotdps-register/?$rid=R` | `$dps/registrations/res/202/?$rid=R&retry-after=N` |
//! | `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=R&operationId=O` | `$dps/registrations/res/200/?$rid=R` |

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::Inner;
use super::call::{self, Answer, LIMIT};
use super::enrolment::{Admitted, admit, is_registration_id};
use super::refusal::Refusal;
use crate::hub::Fault;
use crate::hub::access::Proof;
use crate::hub::reply::Stamp;
use crate::hub::route::has_api_version;
use crate::hub::token::decode;
use crate::mqtt::{Closing, Connect, ConnectReturnCode, Publication, Publish, Qos, Refused, Session};
use crate::tls::Chain;

const FILTER: &str = "$dps/registrations/res/#";
const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/";
const POLL: &str = "$dps/registrations/GET/iotdps-get-operationstatus/";

/// Whether a CONNECT is meant for the DPS: its user name is `{id scope}/registrations/{id}/api-version=…`.
pub(crate) fn is_asked_for(connect: &Connect) -> bool {
    let second = connect.user_name().and_then(|name| name.split('/').nth(1));
    second.is_some_and(|word| word.eq_ignore_ascii_case("registrations"))
}

/// Lets a device in that proves its registration id, by the same rules as over HTTPS.
pub(crate) async fn connect(
    dps: Arc<Inner>,
    connect: &Connect,
    chain: Option<&Chain>,
) -> Result<Box<dyn Session>, Refused> {
    let refused = |why| Refused {
        code: ConnectReturnCode::NotAuthorized,
        why,
    };
    let id = connect.client_id().to_owned();
    check_user_name(&dps, &id, connect.user_name().unwrap_or_default()).map_err(refused)?;
    let now_ms = match fault(&dps, &id).await {
        Ok(now_ms) => now_ms,
        Err(why) => {
            let code = ConnectReturnCode::ServerUnavailable;
            return Err(Refused { code, why });
        }
    };
    let token = connect
        .password()
        .and_then(|password| std::str::from_utf8(password).ok());
    let token = token.filter(|token| !token.is_empty());
    let admitted = admit(
        &dps.options.id_scope,
        &dps.book,
        Proof { token, chain },
        &id,
        now_ms,
    )
    .map_err(|refusal| refused(Closing::new("DpsUnauthorized", told(&refusal))))?;
    Ok(Box::new(Registering {
        dps,
        id,
        admitted,
        granted: None,
        last_packet_id: 0,
    }))
}

/// Reads `{id scope}/registrations/{id}/api-version=2019-03-31&ClientVersion=…`.
fn check_user_name(dps: &Inner, id: &str, user_name: &str) -> Result<(), Closing> {
    let scope = &dps.options.id_scope;
    let wrong = |what: String| {
        let shape = format!("{scope}/registrations/{id}/api-version=2019-03-31");
        Closing::new("MqttUserName", format!("{what}; the user name is {shape}"))
    };
    let parts: Vec<&str> = user_name.splitn(4, '/').collect();
    let [asked_scope, _registrations, asked_id, query] = parts[..] else {
        return Err(wrong("the user name has too few parts".to_owned()));
    };
    if !asked_scope.eq_ignore_ascii_case(scope) {
        return Err(wrong(format!("the user name names the id scope {asked_scope}")));
    }
    if asked_id != id {
        return Err(wrong(format!(
            "the user name names the registration {asked_id}, the client id is {id}"
        )));
    }
    if !is_registration_id(id) {
        return Err(wrong(format!("{id} is no registration id")));
    }
    if !has_api_version(Some(query.strip_prefix('?').unwrap_or(query))) {
        return Err(wrong("the user name has no api-version".to_owned()));
    }
    Ok(())
}

/// A device that was let in.
struct Registering {
    dps: Arc<Inner>,
    id: String,
    admitted: Admitted,
    /// At which QoS the client takes answers; `None` until it has subscribed.
    granted: Option<Qos>,
    last_packet_id: u16,
}

#[async_trait]
impl Session for Registering {
    async fn publish(&mut self, publish: Publish) -> Result<Option<Vec<Publication>>, Closing> {
        let topic = publish.topic_name();
        let payload = publish.payload().as_slice();
        if payload.len() > LIMIT {
            return Err(Closing::new(
                "MessageTooLarge",
                format!("a PUBLISH of {} bytes; the DPS takes {LIMIT}", payload.len()),
            ));
        }
        let query = |head: &str| topic.strip_prefix(head)?.strip_prefix('?');
        let (query, registers) = match (query(REGISTER), query(POLL)) {
            (Some(query), _) => (query, true),
            (_, Some(query)) => (query, false),
            _ => {
                return Err(Closing::topic(format!(
                    "a PUBLISH to {topic}: the DPS takes {REGISTER}?$rid={{id}} and {POLL}?$rid={{id}}&operationId={{id}} alone"
                )));
            }
        };
        let Some(rid) = value(query, "$rid") else {
            return Err(Closing::topic(format!("a PUBLISH to {topic}, which has no $rid")));
        };
        let now_ms = fault(&self.dps, &self.id).await?;
        let answer = if registers {
            call::register(&self.dps, &self.id, &self.admitted, payload, now_ms)
        } else {
            let operation = value(query, "operationId").unwrap_or_default();
            call::poll(&self.dps, &self.id, &self.admitted, &operation, now_ms)
        };
        Ok(Some(self.answer(&rid, answer, now_ms).into_iter().collect()))
    }

    fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<Qos, Closing> {
        if filter != FILTER {
            return Err(Closing::topic(format!(
                "a SUBSCRIBE to {filter}: the DPS has {FILTER} alone"
            )));
        }
        let granted = if qos == Qos::AtMostOnce {
            qos
        } else {
            Qos::AtLeastOnce
        };
        self.granted = Some(granted);
        Ok(granted)
    }

    fn unsubscribe(&mut self, filter: &str) {
        if filter == FILTER {
            self.granted = None;
        }
    }

    fn acknowledged(&mut self, _packet_id: u16) {}

    async fn next(&mut self) -> Result<Publication, Closing> {
        pending().await
    }

    fn ended(&mut self, _orderly: bool) {}
}

impl Registering {
    /// The publication of an answer, if the client has subscribed to answers.
    fn answer(&mut self, rid: &str, answer: Result<Answer, Refusal>, now_ms: i64) -> Option<Publication> {
        let granted = self.granted?;
        let (status, after, body) = match answer {
            Ok(Answer { body, retry_after }) => (
                if retry_after.is_some() { 202 } else { 200 },
                retry_after,
                body.to_string().into_bytes(),
            ),
            Err(refusal) => (
                refusal.status.as_u16(),
                None,
                refusal.body(&Stamp::new(now_ms)).to_vec(),
            ),
        };
        let after = after
            .map(|seconds| format!("&retry-after={seconds}"))
            .unwrap_or_default();
        let topic = format!("$dps/registrations/res/{status}/?$rid={rid}{after}");
        let packet_id = (granted == Qos::AtLeastOnce).then(|| {
            self.last_packet_id = self.last_packet_id % u16::MAX + 1;
            self.last_packet_id
        });
        Some(Publication::new(topic, body, packet_id))
    }
}

/// A value of a topic's query, decoded.
fn value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| decode(value))?
    })
}

/// Meets a fault on demand; returns the service's time.
async fn fault(dps: &Inner, id: &str) -> Result<i64, Closing> {
    let fault = dps.faults.take(Some(id));
    if let Some(Fault::Delay(ms)) = fault {
        sleep(Duration::from_millis(ms)).await;
    }
    let now_ms = dps.options.clock.now_ms();
    match fault {
        Some(Fault::ClockSkew(seconds)) => Ok(now_ms.saturating_add(seconds.saturating_mul(1000))),
        Some(Fault::Reset | Fault::ResetMidBody | Fault::ResetAfterAccept) => {
            Err(Closing::fault("a fault on demand: reset").with_reset())
        }
        Some(Fault::Throttle) => Err(Closing::fault("a fault on demand: throttled")),
        Some(Fault::Status { code, .. }) => Err(Closing::fault(format!("a fault on demand: status {code}"))),
        // The others are for messages.
        Some(Fault::Delay(_) | Fault::NoAnswer | Fault::Duplicate | Fault::ExpiredCertificate) | None => {
            Ok(now_ms)
        }
    }
}

fn told(refusal: &Refusal) -> String {
    format!("{} ({})", refusal.message, refusal.code)
}
