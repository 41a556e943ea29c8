//! The way of a request through the hub.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use tokio::time::sleep;

use super::access::Proof;
use super::body::Unreadable;
use super::devicebound::https;
use super::fault::Fault;
use super::identity::Identity;
use super::message::Message;
use super::meter::{Charge, Operation};
use super::refusal::Refusal;
use super::reply::{Reply, Stamp, retry_after};
use super::rest::{self, Call};
use super::route::{Route, has_api_version};
use super::{Inner, access, batch, body, intake, upload, websocket};
use crate::dps;
use crate::tls::{Hangup, Presented};

/// How long a request waits that is never answered: longer than any client does.
const SILENCE: Duration = Duration::from_secs(300);

const ERROR_CODE: HeaderName = HeaderName::from_static("iothub-errorcode");

/// Answers one request: body, fault, checks, and then the message is taken.
pub(super) async fn answer(hub: Arc<Inner>, mut request: Request<Incoming>) -> Result<Reply, Hangup> {
    if let Some(dps) = guest(&hub, request.uri().path()) {
        return dps::answer(dps, request).await;
    }
    if upload::is_asked_for(request.uri().path()) {
        return Ok(upload::answer(&hub, request).await);
    }
    match websocket::upgrade(&hub, &mut request) {
        None => {}
        Some(Ok(reply)) => return Ok(reply),
        Some(Err(refusal)) => {
            hub.counters.refuse(refusal.name);
            let stamp = Stamp::new(hub.options.clock.now_ms());
            return Ok(refused(&stamp, &refusal, None));
        }
    }
    hub.counters.requests.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    let route = Route::of(&head.method, head.uri.path(), head.uri.query());
    let call = (route == Route::Unknown)
        .then(|| Call::of(&head.method, head.uri.path()))
        .flatten();
    let device = call.as_ref().map_or(route.device(), Call::device);
    let limits = hub.options.limits;
    let fault = hub.faults.take(device);
    hub.counters
        .faults
        .fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
    if fault == Some(Fault::ResetMidBody) {
        return Err(Hangup);
    }
    // The body before all else: an answer while the client still writes could be lost.
    let body = body::read(body, limits.message_bytes.max(limits.batch_bytes)).await;
    if let Some(Fault::Delay(ms)) = fault {
        sleep(Duration::from_millis(ms)).await;
    }
    let skew_s = if let Some(Fault::ClockSkew(seconds)) = fault {
        seconds
    } else {
        0
    };
    let now_ms = hub
        .options
        .clock
        .now_ms()
        .saturating_add(skew_s.saturating_mul(1000));
    let stamp = Stamp::new(now_ms);
    match fault {
        Some(Fault::Reset) => return Err(Hangup),
        Some(Fault::Status {
            code,
            retry_after,
            body,
        }) => {
            return Ok(faulted(&hub, &stamp, device, code, retry_after, body));
        }
        Some(Fault::Throttle) => return Ok(faulted(&hub, &stamp, device, 429, None, None)),
        Some(Fault::Duplicate) if call.is_none() && matches!(route, Route::Send(_)) => {
            // The client sees the answer to the second, which is the same unless a limit lies between them.
            let _ = handle(&hub, &head, &route, body.clone(), &stamp).await;
        }
        _ => {}
    }
    let outcome = match &call {
        Some(call) => rest::answer(&hub, &head, call, body, &stamp).await,
        None => handle(&hub, &head, &route, body, &stamp).await,
    };
    if matches!(fault, Some(Fault::ResetAfterAccept)) {
        return Err(Hangup);
    }
    if matches!(fault, Some(Fault::NoAnswer)) {
        sleep(SILENCE).await;
        return Err(Hangup);
    }
    Ok(match outcome {
        Ok(reply) => reply,
        Err(refusal) => {
            hub.counters.refuse(refusal.name);
            refused(&stamp, &refusal, None)
        }
    })
}

async fn handle(
    hub: &Inner,
    head: &Parts,
    route: &Route,
    body: Result<Bytes, Unreadable>,
    stamp: &Stamp,
) -> Result<Reply, Refusal> {
    let now_ms = stamp.now_ms;
    let done = || stamp.reply(StatusCode::NO_CONTENT, Bytes::new());
    let device = match route {
        Route::Send(device)
        | Route::Receive(device)
        | Route::Settle(device, ..)
        | Route::Files(device, _) => device,
        Route::Method(_) => return Err(Refusal::method()),
        Route::Unknown => return Err(Refusal::no_route()),
    };
    if !has_api_version(head.uri.query()) {
        return Err(Refusal::api_version());
    }
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let presented = head.extensions.get::<Presented>();
    let proof = Proof {
        token: header(AUTHORIZATION),
        chain: presented.and_then(|Presented(chain)| chain.as_ref()),
    };
    let sender = access::admit_by(hub, proof, &Identity::of_device(device), now_ms)?;
    match route {
        Route::Receive(_) => {
            hub.turn(Operation::Receive, now_ms).await?;
            return Ok(https::receive(
                &sender.device.mailbox,
                device,
                head.uri.query(),
                stamp,
            ));
        }
        Route::Settle(_, lock, settlement) => {
            https::settle(&sender.device.mailbox, lock, *settlement, now_ms)?;
            return Ok(done());
        }
        Route::Files(_, asked) => {
            let body = body.map_err(|_| Refusal::format("The request body is too large or broke off"))?;
            let host = header(HOST).unwrap_or(&hub.options.host_name);
            if *asked == upload::https::Files::Begin {
                hub.turn(Operation::Upload, now_ms).await?;
            }
            hub.can_charge(body.len(), now_ms)?;
            let reply = upload::https::answer(hub, device, asked, &body, host, stamp)?;
            hub.charge_anyway(&sender.device, Charge::Upload, body.len(), now_ms);
            return Ok(reply);
        }
        _ => {}
    }

    hub.turn(Operation::Send, now_ms).await?;
    let options = &hub.options;
    let is_batch = batch::is_batch(header(CONTENT_TYPE));
    let limit = if is_batch {
        options.limits.batch_bytes
    } else {
        options.limits.message_bytes
    };
    let body = match body {
        Ok(body) if body.len() <= limit => body,
        Ok(_) | Err(Unreadable::TooLarge) => return Err(Refusal::too_large(limit)),
        Err(Unreadable::Broken) => return Err(Refusal::format("The request body broke off")),
    };
    let strict = options.strict_properties;
    let messages = if is_batch {
        batch::parse(&body, strict)?
    } else {
        vec![Message::from_request(&head.headers, body, strict)?]
    };
    intake::take(hub, &sender, now_ms, messages)?;
    Ok(done())
}

/// The DPS served on this listener, if the path is one of its paths.
fn guest(hub: &Inner, path: &str) -> Option<Arc<dps::Inner>> {
    let second = path.split('/').nth(2).unwrap_or_default();
    if !second.eq_ignore_ascii_case("registrations") && !dps::admin::is_asked_for(path) {
        return None;
    }
    hub.guest.read().unwrap_or_else(PoisonError::into_inner).upgrade()
}

fn faulted(
    hub: &Inner,
    stamp: &Stamp,
    device: Option<&str>,
    code: u16,
    after: Option<u32>,
    body: Option<String>,
) -> Reply {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_success() {
        return retry_after(stamp.reply(status, body.unwrap_or_default().into()), after);
    }
    let refusal = Refusal::of_status(status, &hub.options.host_name, device.unwrap_or_default());
    retry_after(refused(stamp, &refusal, body), after)
}

fn refused(stamp: &Stamp, refusal: &Refusal, body: Option<String>) -> Reply {
    let body = body.map_or_else(|| refusal.body(&stamp.id, &stamp.time()), Bytes::from);
    let mut reply = stamp.reply(refusal.status, body);
    reply
        .headers_mut()
        .insert(ERROR_CODE, HeaderValue::from_static(refusal.name));
    reply
}
