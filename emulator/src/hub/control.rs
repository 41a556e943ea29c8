//! The control API: what people and scripts see and steer. Plain HTTP on loopback, no credentials.
//!
//! | | |
//! |---|---|
//! | `GET /` | for a browser: a page that shows and steers all of this; else this list, as text |
//! | `GET /help` | this list, as text |
//! | `GET /hub` | name, addresses, tier, limits and the hub's time |
//! | `GET /dps` | enrolments and registrations of the DPS behind this hub |
//! | `GET /feed?after=N&limit=M` | messages kept with a number above N (0), oldest first, M (1000) at most; `last=L` begins at the L newest |
//! | `GET /feed/stream?after=N&last=L` | the same, then every new message as it arrives, one JSON document a line |
//! | `GET /stats` | counters; billing units by device and by what they were charged for |
//! | `GET /limits` | throttles by operation, and the day's quota |
//! | `PUT /limits` | others from now on: `{"throttles":{"send":"5/s"},"burstSeconds":60,"queueSeconds":10,"unitsPerDay":8000}`; what is left out is not limited |
//! | `GET /routes` | messages by route, and what became of them at each endpoint |
//! | `GET /closed` | why MQTT connections were closed and AMQP clients refused, oldest first: client, time, reason |
//! | `POST /faults` | `{"times":3,"device":"meter-001","fault":{"status":{"code":503,"retry_after":5}}}`; all but `fault` optional, also `probability`, `seed`, `after_s`, `for_s` |
//! | `GET /faults` | the armed faults, in the order they are met |
//! | `DELETE /faults` | takes armed faults back |
//! | `GET /devices` | the devices and their modules, with connection strings and billing units, and whether each is connected over MQTT |
//! | `PUT /devices/{id}` | `{"primary_key":"…","secondary_key":"…","enabled":true}`, all optional; by certificate, `primary_thumbprint`, `secondary_thumbprint`, or `"authentication":"certificateAuthority"` |
//! | `GET /certificates`, `POST /certificates` | the authorities that vouch for devices; PEM adds one |
//! | `DELETE /devices/{id}` | removes a device |
//! | `POST /devices/{id}/messages` | sends to the device: `{"body":"…","messageId":"…","contentType":"…","ttl":60,"properties":{…}}`, all optional |
//! | `GET /devices/{id}/messages` | what waits for the device, and what became of the others |
//! | `DELETE /devices/{id}/messages` | throws away what waits |
//! | `GET /devices/{id}/files` | the device's file uploads, oldest first, and what it told of each |
//! | `GET /devices/{id}/files/{name}` | an uploaded file |
//! | `GET /devices/{id}/twin` | properties and tags |
//! | `PATCH /devices/{id}/twin` | merges and tells the device: `{"desired":{…},"tags":{…}}`, both optional |
//! | `POST /devices/{id}/methods` | calls a direct method: `{"methodName":"…","payload":…,"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0}` |
//! | `GET /devices/{id}/modules` | the device's modules, with connection strings |
//! | `PUT /devices/{id}/modules/{module}` | one of them, as `PUT /devices/{id}` without `enabled`; `DELETE` removes it, `…/twin` and `…/methods` are as a device's |
//! | `/enrollments…`, `/enrollmentGroups…` | the DPS: `GET`, `PUT`, `DELETE` one by its id, `POST …/query`, as in its REST API, without a token |
//! | `GET /registrations`, `DELETE /registrations/{id}` | registrations, with what devices sent along |
//! | `PUT /registrations/{id}/decision` | `{"decision":"approved"}`, `"blocked"` or `null`, for an IoT Central application |
//!
//! A message has the fields of [`Arrived`] in camel case; its body is `body` where it is UTF-8, else `bodyBase64`.
//!
//! Only this machine may ask: requests to another host name than `localhost` or an address, and those of other sites' pages, get 403.

mod authorities;
mod devicebound;
mod identity;
mod limits;
mod module;
mod origin;
mod overview;
mod page;
mod provisioning;
mod twin;
mod upload;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router, middleware};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::AbortHandle;

use super::feed::Arrived;
use super::identity::Device;
use super::registry::is_device_id;
use super::reply::rfc3339;
use super::routing::Routing;
use super::{Closed, Inner, Rule, Stats};
use identity::Identity;

pub(super) use overview::Reached;

/// Serves the control API until the returned handle is aborted.
pub(super) fn serve(listener: TcpListener, hub: Arc<Inner>, reached: Reached) -> AbortHandle {
    let router = Router::new()
        .route("/feed", get(feed))
        .route("/feed/stream", get(stream))
        .route("/stats", get(stats))
        .route("/closed", get(closed))
        .route("/routes", get(routes))
        .route("/faults", post(arm).get(armed).delete(disarm))
        .route("/devices", get(devices))
        .route("/devices/{id}", put(put_device).delete(remove_device))
        .merge(page::routes())
        .merge(overview::routes(reached))
        .merge(limits::routes())
        .merge(devicebound::routes())
        .merge(authorities::routes())
        .merge(provisioning::routes())
        .merge(twin::routes())
        .merge(module::routes())
        .merge(upload::routes())
        .layer(middleware::from_fn(origin::own))
        .with_state(hub);
    let serving = async move { axum::serve(listener, router).await };
    tokio::spawn(serving).abort_handle()
}

const INDEX: &str = "\
GET    /                         a page for browsers; this list for others
GET    /hub                      name, addresses, limits, time
GET    /dps                      enrolments and registrations
GET    /feed?after=N&limit=M     messages kept, oldest first; last=L begins at the L newest
GET    /feed/stream?after=N      the same, then new ones as they arrive, one JSON document a line
GET    /stats                    counters; billing units by device and by what they were charged for
GET    /limits                   throttles by operation, and the day's quota
PUT    /limits                   {\"throttles\":{\"send\":\"5/s\"},\"burstSeconds\":60,\"queueSeconds\":10,\"unitsPerDay\":8000}: others from
                                 now on; what is left out is not limited
GET    /routes                   messages by route, and what became of them at each endpoint
GET    /closed                   why MQTT connections were closed and AMQP clients refused, oldest first
POST   /faults                   {\"times\":3,\"device\":\"meter-001\",\"fault\":{\"status\":{\"code\":503,\"retry_after\":5}}}
                                 other faults: \"reset\", \"reset_mid_body\", \"reset_after_accept\", \"no_answer\", \"duplicate\", \"throttle\",
                                 {\"delay\":250}, {\"clock_skew\":-600}, \"expired_certificate\"; {\"probability\":0.05,\"seed\":42,\"after_s\":60,
                                 \"for_s\":30,\"fault\":…}: each request draws, the same in each run; from then, for so long
GET    /faults                   the armed faults, in the order they are met
DELETE /faults                   takes armed faults back
GET    /devices                  the devices, with connection strings and billing units
PUT    /devices/{id}             {\"primary_key\":\"…\",\"secondary_key\":\"…\",\"enabled\":true}, all optional
                                 by certificate: {\"primary_thumbprint\":\"…\"} or {\"authentication\":\"certificateAuthority\"}
DELETE /devices/{id}             removes a device
GET    /certificates             authorities that vouch for devices; POST adds one (PEM)
POST   /devices/{id}/messages    sends to the device: {\"body\":\"…\",\"properties\":{\"a\":\"b\"}}; also bodyBase64, messageId,
                                 correlationId, userId, contentType, contentEncoding, ack, ttl (seconds)
GET    /devices/{id}/messages    what waits for the device, and what became of the others
DELETE /devices/{id}/messages    throws away what waits
GET    /devices/{id}/files       the device's file uploads, oldest first, and what it told of each
GET    /devices/{id}/files/NAME  an uploaded file
GET    /devices/{id}/twin        properties and tags
PATCH  /devices/{id}/twin        {\"desired\":{…},\"tags\":{…}}, both optional: merged, and the device is told
*      /enrollments/{id}         enrolments of the DPS, as its REST API has them, without a token; also /enrollmentGroups/{id}
GET    /registrations            registrations, with what devices sent along; DELETE /registrations/{id} forgets one
PUT    /registrations/{id}/decision  {\"decision\":\"approved\"}, \"blocked\" or null, with --profile iot-central
POST   /devices/{id}/methods     {\"methodName\":\"…\",\"payload\":…}, and responseTimeoutInSeconds, connectTimeoutInSeconds
GET    /devices/{id}/modules     the device's modules, with connection strings
PUT    /devices/{id}/modules/M   {\"primary_key\":\"…\",\"secondary_key\":\"…\"}, all optional; DELETE removes it; M/twin and M/methods
                                 are as a device's
";

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    after: u64,
    #[serde(default = "thousand")]
    limit: usize,
    /// Of what is kept, the newest so many at most.
    last: Option<u64>,
}

impl From {
    /// The number after which messages are given.
    fn start(&self, hub: &Inner) -> u64 {
        let skipped = self.last.map(|last| hub.feed.last().saturating_sub(last));
        self.after.max(skipped.unwrap_or(0))
    }
}

fn thousand() -> usize {
    1000
}

async fn feed(State(hub): State<Arc<Inner>>, Query(from): Query<From>) -> Json<Value> {
    let messages = hub.feed.after(from.start(&hub), from.limit);
    Json(json!({ "messages": messages.iter().map(|m| view(m)).collect::<Vec<_>>() }))
}

async fn stream(State(hub): State<Arc<Inner>>, Query(from): Query<From>) -> Response {
    // Subscribed before the kept ones are read, so that none is missed; numbers drop the doubles.
    let live = hub.feed.subscribe();
    let kept = VecDeque::from(hub.feed.after(from.start(&hub), usize::MAX));
    let lines = futures_util::stream::unfold(
        (kept, live, from.after),
        |(mut kept, mut live, last)| async move {
            let message = next(&mut kept, &mut live, last).await?;
            let line = Ok::<_, Infallible>(format!("{}\n", view(&message)));
            Some((line, (kept, live, message.number)))
        },
    );
    (
        [(CONTENT_TYPE, "application/x-ndjson")],
        axum::body::Body::from_stream(lines),
    )
        .into_response()
}

async fn next(
    kept: &mut VecDeque<Arc<Arrived>>,
    live: &mut Receiver<Arc<Arrived>>,
    last: u64,
) -> Option<Arc<Arrived>> {
    if let Some(message) = kept.pop_front() {
        return Some(message);
    }
    loop {
        match live.recv().await {
            Ok(message) if message.number > last => return Some(message),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

async fn closed(State(hub): State<Arc<Inner>>) -> Json<Value> {
    let all = hub.closings.all();
    let view = |closed: &Closed| {
        let at = rfc3339(closed.at);
        json!({ "client": closed.client, "at": at, "name": closed.name, "reason": closed.reason })
    };
    Json(all.iter().map(view).collect())
}

async fn stats(State(hub): State<Arc<Inner>>) -> Json<Stats> {
    Json(hub.stats())
}

async fn routes(State(hub): State<Arc<Inner>>) -> Json<Value> {
    Json(json!(hub.routing.as_ref().map(Routing::routed)))
}

async fn arm(State(hub): State<Arc<Inner>>, Json(rule): Json<Rule>) -> Response {
    if let Err(error) = rule.check() {
        return bad(&error.to_string());
    }
    hub.faults.add(rule);
    StatusCode::NO_CONTENT.into_response()
}

async fn armed(State(hub): State<Arc<Inner>>) -> Json<Value> {
    Json(json!(hub.faults.all()))
}

async fn disarm(State(hub): State<Arc<Inner>>) -> Json<Value> {
    Json(json!({ "cleared": hub.faults.clear() }))
}

async fn devices(State(hub): State<Arc<Inner>>) -> Json<Value> {
    let all = hub.registry.all();
    Json(
        all.values()
            .map(|entry| {
                let mut view = device_view(&hub, &entry.device);
                view["units"] = entry.counters.stats().units.into();
                view["modules"] = module::views(&hub, entry);
                view
            })
            .collect(),
    )
}

async fn put_device(
    State(hub): State<Arc<Inner>>,
    Path(id): Path<String>,
    Json(asked): Json<Identity>,
) -> Response {
    if !is_device_id(&id) {
        return bad("a device id has 1 to 128 letters, digits and -:.+%_#*?!(),=@$'");
    }
    let known = hub.registry.get(&id).map(|entry| entry.device.clone());
    let device = match asked.apply(&id, known) {
        Ok(device) => device,
        Err(wrong) => return bad(&wrong),
    };
    let view = device_view(&hub, &device);
    hub.put_device(device);
    Json(view).into_response()
}

async fn remove_device(State(hub): State<Arc<Inner>>, Path(id): Path<String>) -> StatusCode {
    if hub.remove_device(&id) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

fn device_view(hub: &Inner, device: &Device) -> Value {
    json!({
        "id": device.id,
        "enabled": device.enabled,
        "authentication": device.authentication.kind(),
        "connected": hub.presence.is_connected(&device.id),
        "connectionString": device.connection_string(&hub.options.host_name),
    })
}

fn bad(text: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": text }))).into_response()
}

fn view(message: &Arrived) -> Value {
    let mut view = json!({
        "number": message.number,
        "device": message.device,
        "module": message.module,
        "at": rfc3339(message.at),
        "messageId": message.message_id,
        "contentType": message.content_type,
        "contentEncoding": message.content_encoding,
        "creationTime": message.creation_time,
        "properties": message.properties,
        "system": message.system,
        "units": message.units,
    });
    match std::str::from_utf8(&message.body) {
        Ok(text) => view["body"] = text.into(),
        Err(_) => view["bodyBase64"] = STANDARD.encode(&message.body).into(),
    }
    view
}
