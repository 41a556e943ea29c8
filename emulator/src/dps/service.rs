//! The way of a request through the DPS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::time::sleep;

use super::Inner;
use super::admin::{self, Asked};
use super::call::{self, LIMIT};
use super::enrolment::{admit, is_registration_id};
use super::refusal::Refusal;
use crate::hub::Fault;
use crate::hub::access::Proof;
use crate::hub::body::{self, Unreadable};
use crate::hub::reply::{Reply, Stamp, retry_after};
use crate::hub::route::has_api_version;
use crate::hub::token::decode;
use crate::tls::{Chain, Hangup, Presented};

/// Answers one request.
pub(crate) async fn answer(dps: Arc<Inner>, request: Request<Incoming>) -> Result<Reply, Hangup> {
    let (head, body) = request.into_parts();
    // Node sends `{}` with its GET: whatever comes is read.
    let body = body::read(body, LIMIT).await;
    let path: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
    // Of the device side, and of the service side.
    let at = if admin::is_asked_for(head.uri.path()) {
        1
    } else {
        2
    };
    let registration = path.get(at).and_then(|id| decode(id));

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
        Some(Fault::Throttle) => {
            return Ok(Refusal::of_status(StatusCode::TOO_MANY_REQUESTS).reply(&stamp, None, None));
        }
        _ => {}
    }
    let authorization = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let presented = head.extensions.get::<Presented>();
    let call = Call {
        dps: &dps,
        method: &head.method,
        path: &path,
        query: head.uri.query(),
        authorization,
        headers: &head.headers,
        chain: presented.and_then(|Presented(chain)| chain.as_ref()),
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
    headers: &'a HeaderMap,
    chain: Option<&'a Chain>,
    registration: Option<String>,
    stamp: &'a Stamp,
}

impl Call<'_> {
    fn handle(&self, body: Result<Bytes, Unreadable>) -> Result<Reply, Refusal> {
        if admin::is_asked_for(&self.path.join("/")) {
            return self.administer(body);
        }
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
        let proof = Proof {
            token: self.authorization,
            chain: self.chain,
        };
        let admitted = admit(&options.id_scope, &self.dps.book, proof, id, self.stamp.now_ms)?;
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

    /// The service side.
    fn administer(&self, body: Result<Bytes, Unreadable>) -> Result<Reply, Refusal> {
        if !has_api_version(self.query) {
            return Err(Refusal::argument(
                "The api-version query parameter is missing or invalid",
            ));
        }
        let body = body.map_err(|_| Refusal::argument("The request body is too large or broke off"))?;
        let header = |name: &str| self.headers.get(name)?.to_str().ok();
        let asked = Asked {
            method: self.method,
            path: self.path,
            body: &body,
            if_match: header("if-match"),
            page: header("x-ms-max-item-count").and_then(|count| count.parse().ok()),
            after: header("x-ms-continuation"),
            now_ms: self.stamp.now_ms,
        };
        admin::admit(
            self.dps,
            self.authorization,
            admin::writes(&asked),
            self.stamp.now_ms,
        )?;
        let answered = admin::handle(self.dps, &asked)?;
        let text = answered.body.map(|body| body.to_string()).unwrap_or_default();
        let mut reply = self.stamp.reply(answered.status, text.into());
        let next = answered
            .continuation
            .and_then(|next| HeaderValue::from_str(&next).ok());
        if let Some(next) = next {
            reply.headers_mut().insert("x-ms-continuation", next);
        }
        Ok(reply)
    }
}
