//! The way of a request through the DPS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, StatusCode};
use tokio::time::sleep;

use super::Inner;
use super::call::{self, LIMIT};
use super::enrolment::{admit, is_registration_id};
use super::refusal::Refusal;
use crate::hub::Fault;
use crate::hub::body::{self, Unreadable};
use crate::hub::reply::{Reply, Stamp, retry_after};
use crate::hub::route::has_api_version;
use crate::hub::token::decode;
use crate::tls::Hangup;

/// Answers one request.
pub(crate) async fn answer(dps: Arc<Inner>, request: Request<Incoming>) -> Result<Reply, Hangup> {
    let (head, body) = request.into_parts();
    // Node sends `{}` with its GET: whatever comes is read.
    let body = body::read(body, LIMIT).await;
    let path: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
    let registration = path.get(2).and_then(|id| decode(id));

    let fault = dps.faults.take(registration.as_deref());
    if let Some(Fault::Delay(ms)) = fault {
        sleep(Duration::from_millis(ms)).await;
    }
    let skew_s = if let Some(Fault::ClockSkew(seconds)) = fault {
        seconds
    } else {
        0
    };
    let now_ms = dps
        .options
        .clock
        .now_ms()
        .saturating_add(skew_s.saturating_mul(1000));
    let stamp = Stamp::new(now_ms);
    match fault {
        Some(Fault::Reset | Fault::ResetMidBody) => return Err(Hangup),
        Some(Fault::Status {
            code,
            retry_after,
            body,
        }) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Ok(Refusal::of_status(status).reply(&stamp, retry_after, body));
        }
        _ => {}
    }
    let authorization = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let call = Call {
        dps: &dps,
        method: &head.method,
        path: &path,
        query: head.uri.query(),
        authorization,
        registration,
        stamp: &stamp,
    };
    let outcome = call.handle(body);
    if matches!(fault, Some(Fault::ResetAfterAccept)) {
        return Err(Hangup);
    }
    Ok(outcome.unwrap_or_else(|refusal| refusal.reply(&stamp, None, None)))
}

struct Call<'a> {
    dps: &'a Inner,
    method: &'a Method,
    path: &'a [&'a str],
    query: Option<&'a str>,
    authorization: Option<&'a str>,
    registration: Option<String>,
    stamp: &'a Stamp,
}

impl Call<'_> {
    fn handle(&self, body: Result<Bytes, Unreadable>) -> Result<Reply, Refusal> {
        let options = &self.dps.options;
        let [scope, _registrations, _id, rest @ ..] = self.path else {
            return Err(Refusal::not_found("Resource"));
        };
        let id = self.registration.as_deref().filter(|id| is_registration_id(id));
        let id = id.ok_or_else(|| Refusal::argument("The registration id is invalid"))?;
        if !has_api_version(self.query) {
            return Err(Refusal::argument(
                "The api-version query parameter is missing or invalid",
            ));
        }
        if !scope.eq_ignore_ascii_case(&options.id_scope) {
            return Err(Refusal::not_found("Id scope"));
        }
        let admitted = admit(options, self.authorization, id, self.stamp.now_ms)?;
        let body = body.map_err(|_| Refusal::argument("The request body is too large or broke off"))?;
        let now_ms = self.stamp.now_ms;
        let answer = match (self.method, rest) {
            (&Method::PUT, ["register"]) => call::register(self.dps, id, &admitted, &body, now_ms),
            (&Method::GET, ["operations", operation]) => {
                call::poll(self.dps, id, &admitted, operation, now_ms)
            }
            (&Method::POST, []) => call::look_up(self.dps, id),
            _ => Err(Refusal::not_found("Resource")),
        }?;
        let status = match answer.retry_after {
            Some(_) => StatusCode::ACCEPTED,
            None => StatusCode::OK,
        };
        let reply = self.stamp.reply(status, answer.body.to_string().into());
        Ok(retry_after(reply, answer.retry_after))
    }
}
