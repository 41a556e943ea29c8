//! Where requests come in: log, faults, login, and then the routes.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::backend::{NoSuchSeries, Place};
use super::journal::{self, Asked, Journal};
use super::query;
use super::route::{self, View};
use super::series::Series;
use super::site::Site;
use super::walk::Answered;
use super::{BackendOptions, Fault, RefusalBody, SiteOptions};
use crate::readers::{Answer, Body, Hangup, Script, is_basic};

/// The shared part of a running backend.
pub(super) struct Desk {
    pub(super) options: BackendOptions,
    directory: RwLock<Directory>,
    pub(super) script: Script<Fault>,
    /// Faults of lists of sites.
    pub(super) lists: Script<Fault>,
    pub(super) journal: Journal,
    pub(super) requests: AtomicU64,
    at_once: AtomicU32,
    pub(super) most_at_once: AtomicU32,
}

#[derive(Clone, Default)]
pub(super) struct Directory {
    customers: Arc<Vec<String>>,
    pub(super) sites: Arc<Vec<Arc<Site>>>,
}

/// An answer before it is put into HTTP.
struct Reply {
    status: StatusCode,
    body: Body,
    retry_after: Option<u32>,
}

impl Desk {
    pub(super) fn new(mut options: BackendOptions) -> Self {
        let customers = std::mem::take(&mut options.customers);
        options.base.truncate(options.base.trim_end_matches('/').len());
        let desk = Self {
            directory: RwLock::default(),
            script: Script::default(),
            lists: Script::default(),
            journal: Journal::new(options.keep_requests),
            requests: AtomicU64::new(0),
            at_once: AtomicU32::new(0),
            most_at_once: AtomicU32::new(0),
            options,
        };
        for customer in customers {
            desk.add(&customer.id, None);
            for site in customer.sites {
                desk.add(&customer.id, Some(site));
            }
        }
        desk
    }

    pub(super) fn add(&self, customer: &str, site: Option<SiteOptions>) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        if !directory.customers.iter().any(|id| id == customer) {
            Arc::make_mut(&mut directory.customers).push(customer.to_owned());
        }
        if let Some(site) = site {
            Arc::make_mut(&mut directory.sites).push(Arc::new(Site::new(customer, site)));
        }
    }

    pub(super) fn remove(&self, customer: &str, site: &str) -> bool {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        let sites = Arc::make_mut(&mut directory.sites);
        let before = sites.len();
        sites.retain(|one| one.customer != customer || !one.is(site));
        sites.len() < before
    }

    pub(super) fn directory(&self) -> Directory {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn series(&self, place: Place<'_>) -> Result<Arc<Series>, NoSuchSeries> {
        let Directory { sites, .. } = self.directory();
        let series =
            route::find(&sites, place.customer, place.site).and_then(|site| site.series.get(&place.series));
        series.cloned().ok_or_else(|| NoSuchSeries {
            customer: place.customer.to_owned(),
            site: place.site.to_owned(),
            series: place.series,
        })
    }

    /// The decoded parts of a path after the base; nothing for a path outside of it.
    fn parts(&self, path: &str) -> Option<Vec<String>> {
        let decoded = |path: &str| -> Vec<String> {
            let parts = path.split('/').filter(|part| !part.is_empty());
            parts
                .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
                .collect()
        };
        let base = decoded(&self.options.base);
        let mut parts = decoded(path);
        parts.starts_with(&base).then(|| parts.split_off(base.len()))
    }

    fn authorized(&self, head: &Parts) -> bool {
        let (user, password) = (&self.options.user, self.options.password.reveal());
        let header = head
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        (user.is_empty() && password.is_empty())
            || header.is_some_and(|header| is_basic(header, user, password))
    }

    /// The fault of this request, if any.
    fn fault(&self, directory: &Directory, parts: &[&str]) -> Fault {
        let of_site = || match parts {
            ["customers", customer, "sites", site, ..] => {
                route::find(&directory.sites, customer, site)?.script.next()
            }
            ["customers", _, "sites"] | ["sites"] => self.lists.next(),
            _ => None,
        };
        self.script.next().or_else(of_site).unwrap_or(Fault::Healthy)
    }

    async fn reply(
        &self,
        head: &Parts,
        parts: Option<&[&str]>,
        json: Result<Option<&Value>, String>,
    ) -> Result<Reply, Hangup> {
        let directory = self.directory();
        let fault = self.fault(&directory, parts.unwrap_or_default());
        let delay = match fault {
            Fault::Slow(more) => self.options.latency + more,
            _ => self.options.latency,
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match fault {
            Fault::NoReply => return Err(Hangup),
            Fault::Refuse {
                status,
                body,
                retry_after,
            } => {
                return Ok(Reply {
                    retry_after,
                    ..refused(status, body)
                });
            }
            Fault::EmptyBody => return Ok(Reply::from(Body::from(""))),
            Fault::EmptyArray => return Ok(Reply::from(Body::from("[]"))),
            Fault::NotJson => {
                return Ok(Reply::from(Body::from("<html><body>Maintenance</body></html>")));
            }
            Fault::Healthy | Fault::Truncated | Fault::Slow(_) | Fault::SlowBody(_) | Fault::Values(_) => {}
        }
        let refuse = |status, text: &str| {
            Ok(Reply {
                status,
                ..Reply::from(error_body(text))
            })
        };
        if !self.authorized(head) {
            return refuse(StatusCode::UNAUTHORIZED, "E_AUTH wrong user or password");
        }
        let Some(parts) = parts else {
            return refuse(StatusCode::NOT_FOUND, "E_NOT_FOUND no such API");
        };
        if head.method != Method::GET {
            return refuse(StatusCode::METHOD_NOT_ALLOWED, "E_METHOD only GET is emulated");
        }
        let now_ms = self.options.clock.now_ms();
        let Directory { customers, sites } = &directory;
        let view = View {
            options: &self.options,
            customers,
            sites,
            now_ms,
        };
        let answered = json
            .map_err(|text| (400, text))
            .and_then(|json| view.answer(parts, json));
        match answered {
            Err((status, text)) => refuse(
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                &text,
            ),
            Ok(answered) => Ok(Reply::from(match (fault, answered) {
                (Fault::Truncated, answered) => Body::cut(collected(answered)),
                (Fault::SlowBody(after), answered) => Body::slow(collected(answered), after),
                (Fault::Values(text), answered) => Body::from(with_values(&collected(answered), text)),
                (_, Answered::Whole(bytes)) => Body::from(bytes),
                (_, Answered::Pieces(next)) => Body::Chunks(next),
            })),
        }
    }
}

impl Answer for Desk {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let _presence = Presence::enter(self);
        let (head, _) = request.into_parts();
        let at_ms = self.options.clock.now_ms();
        let parts = self.parts(head.uri.path());
        let views: Option<Vec<&str>> = parts
            .as_ref()
            .map(|parts| parts.iter().map(String::as_str).collect());
        let json = query::json_of(head.uri.query());
        let seen = json.as_ref().map(Option::as_ref).map_err(Clone::clone);
        let reply = self.reply(&head, views.as_deref(), seen).await;
        if self.journal.is_kept() {
            self.journal.note(Asked {
                at_ms,
                answered_ms: self.options.clock.now_ms(),
                method: head.method.to_string(),
                target: head.uri.to_string(),
                authorized: self.authorized(&head),
                headers: journal::harmless(&head.headers),
                parts: parts.unwrap_or_default(),
                query: json.ok().flatten(),
                status: reply.as_ref().ok().map(|reply| reply.status.as_u16()),
            });
        }
        Ok(reply?.into())
    }
}

/// A request being answered, until its head is made.
struct Presence<'a>(&'a Desk);

impl<'a> Presence<'a> {
    fn enter(desk: &'a Desk) -> Self {
        let now = desk.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        desk.most_at_once.fetch_max(now, Ordering::SeqCst);
        Self(desk)
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

impl From<Body> for Reply {
    fn from(body: Body) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            retry_after: None,
        }
    }
}

impl From<Reply> for Response<Body> {
    fn from(reply: Reply) -> Self {
        let mut response = Response::new(reply.body);
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if reply.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"rapidM2M\""),
            );
        }
        if let Some(seconds) = reply.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn refused(status: u16, body: RefusalBody) -> Reply {
    let body = match body {
        RefusalBody::Err => error_body(&format!("E_{status} planned fault")),
        RefusalBody::Plain => "The backend is not available\n".into(),
        RefusalBody::Empty => "".into(),
    };
    Reply {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        ..Reply::from(body)
    }
}

fn error_body(text: &str) -> Body {
    json!({ "err": text }).to_string().into()
}

/// The same rows under the same stamps, with `text` in place of each value. What is no series stays.
fn with_values(body: &[u8], text: &str) -> Bytes {
    let rows: Result<Vec<Vec<Value>>, _> = serde_json::from_slice(body);
    let (Ok(mut rows), Ok(value)) = (rows, serde_json::from_str::<Value>(text)) else {
        return Bytes::copy_from_slice(body);
    };
    for cell in rows.iter_mut().flat_map(|row| row.iter_mut().skip(1)) {
        *cell = value.clone();
    }
    json!(rows).to_string().into()
}

fn collected(answered: Answered) -> Bytes {
    match answered {
        Answered::Whole(bytes) => bytes,
        Answered::Pieces(next) => std::iter::from_fn(next).collect::<Vec<Bytes>>().concat().into(),
    }
}
