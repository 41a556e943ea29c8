//! The service side over HTTPS: registry, twins, direct methods, queries and statistics.
//!
//! Each call needs a token of a policy that has the right for it, as Microsoft documents its permissions. Bodies and
//! statuses are those that the service SDKs (`azure-iot-hub` 2.7.0, `azure-iothub` 1.16.6) read.
//! Configurations, import and export, digital twins and feedback over HTTPS are known and answered with 501: what they
//! are for (deployments to Edge, storage accounts, models) has no other part here.
//!
//! # Layout
//!
//! - [`Call`] and `call`: which path means what, and the right that it needs.
//! - `device`, `module`, `bulk`: identities. `identity`, `authentication`: their JSON, both ways.
//! - `twin`, `method`, `query`, `job`, `statistics`: the rest. `refused`: refusals of the service side alone. `billing`: throttles and charges.

mod authentication;
mod billing;
mod bulk;
mod call;
mod device;
mod identity;
mod job;
mod method;
mod module;
mod query;
mod refused;
mod statistics;
mod twin;

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, ETAG, HeaderValue, IF_MATCH};
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Inner;
use super::access;
use super::body::Unreadable;
use super::refusal::Refusal;
use super::registry::Condition;
use super::reply::{Reply, Stamp};
use super::route::has_api_version;

pub(super) use call::Call;
use call::Operation;

/// A call as it came.
struct Asked<'a> {
    hub: &'a Arc<Inner>,
    head: &'a Parts,
    body: Result<Bytes, Unreadable>,
    stamp: &'a Stamp,
}

/// Answers a call of the service side.
pub(super) async fn answer(
    hub: &Arc<Inner>,
    head: &Parts,
    call: &Call,
    body: Result<Bytes, Unreadable>,
    stamp: &Stamp,
) -> Result<Reply, Refusal> {
    let asked = Asked {
        hub,
        head,
        body,
        stamp,
    };
    if call.operation == Operation::OtherMethod {
        return Err(Refusal::method());
    }
    if !has_api_version(head.uri.query()) {
        return Err(Refusal::api_version());
    }
    let token = asked.header(AUTHORIZATION.as_str());
    access::permit(hub, token, call.operation.needs(), &call.path, stamp.now_ms)?;
    if let Some(turn) = call.operation.turn() {
        hub.turn(turn, stamp.now_ms).await?;
    }
    asked.can_pay(&call.operation)?;
    let reply = done(&asked, call).await?;
    asked.pay(&call.operation, &reply)?;
    Ok(reply)
}

async fn done(asked: &Asked<'_>, call: &Call) -> Result<Reply, Refusal> {
    match &call.operation {
        Operation::ListDevices => Ok(device::list(asked)),
        Operation::GetDevice(id) => device::get(asked, id),
        Operation::PutDevice(id) => device::put(asked, id),
        Operation::DeleteDevice(id) => device::delete(asked, id),
        Operation::Purge(id) => device::purge(asked, id),
        Operation::Bulk => bulk::answer(asked),
        Operation::ListModules(id) => module::list(asked, id),
        Operation::GetModule(target) => module::get(asked, target),
        Operation::PutModule(target) => module::put(asked, target),
        Operation::DeleteModule(target) => module::delete(asked, target),
        Operation::GetTwin(target) => twin::get(asked, target),
        Operation::PatchTwin(target) => twin::change(asked, target, false),
        Operation::PutTwin(target) => twin::change(asked, target, true),
        Operation::Invoke(target) => method::invoke(asked, target).await,
        Operation::Query => query::answer(asked),
        Operation::PutJob(id) => job::put(asked, id),
        Operation::GetJob(id) => job::get(asked, id),
        Operation::CancelJob(id) => job::cancel(asked, id),
        Operation::ListJobs => job::list(asked),
        Operation::RegistryStatistics => Ok(statistics::registry(asked)),
        Operation::ServiceStatistics => Ok(statistics::service(asked)),
        Operation::NotOffered(what) => Err(Refusal::not_offered(what)),
        Operation::OtherMethod => Err(Refusal::method()),
    }
}

impl Asked<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// What `If-Match` demands, if it is there.
    fn condition(&self) -> Option<Condition> {
        Condition::of(self.header(IF_MATCH.as_str()))
    }

    /// The value of a parameter of the query, as it stands there.
    fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.head.uri.query()?.split('&');
        let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The body, which is JSON.
    fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let limit = self.hub.options.limits.message_bytes;
        let body = match &self.body {
            Ok(body) if body.len() <= limit => body,
            Ok(_) | Err(Unreadable::TooLarge) => return Err(Refusal::too_large(limit)),
            Err(Unreadable::Broken) => return Err(Refusal::format("The request body broke off")),
        };
        serde_json::from_slice(body)
            .map_err(|error| Refusal::format(format!("The request body is not as expected: {error}")))
    }

    fn done(&self) -> Reply {
        self.stamp.reply(StatusCode::NO_CONTENT, Bytes::new())
    }

    fn shown(&self, value: &Value) -> Reply {
        self.stamp.reply(StatusCode::OK, value.to_string().into())
    }

    /// The same with an `ETag`.
    fn tagged(&self, value: &Value, etag: &str) -> Reply {
        let mut reply = self.shown(value);
        if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
            reply.headers_mut().insert(ETAG, etag);
        }
        reply
    }
}
