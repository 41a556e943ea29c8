//! One device: a call comes in, an answer goes out, or none does.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, LOCATION, REFERER, SERVER};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use tokio::sync::Semaphore;

use super::status::{Moment, Numbers};
use super::{Access, Body, Fault, Firmware, Hangup, ReaderOptions, Script, access};

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const TEXT: &str = "text/plain";
const MAIN_PAGE: &str = "<!DOCTYPE html><html lang=\"en\"><head><meta charset='utf-8'><title>bitShake - Main Menu</title></head>\
    <body><h3>bitShake SmartMeterReader</h3><p>The console command is <code>/cm?cmnd=Status%2010</code></p></body></html>";

/// A call that a reader saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it came in, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Its path, without the query.
    pub path: String,
    /// Its command, decoded. `None`: it had none.
    pub command: Option<String>,
    /// Whether it named the right user and password, or none were wanted.
    pub logged_in: bool,
    /// The status of the answer. `None`: the connection was closed without one.
    pub status: Option<u16>,
}

/// A reader, apart from its socket.
pub(super) struct Device {
    options: Arc<ReaderOptions>,
    seed: u64,
    started_ms: i64,
    pub(super) script: Script<Fault>,
    /// When the optical head died, in milliseconds; 0 while it lives.
    died_ms: AtomicI64,
    /// The one place of a device that serves one client at a time.
    turn: Semaphore,
    calls: AtomicU64,
    at_once: AtomicU32,
    most_at_once: AtomicU32,
    latest: Mutex<VecDeque<Call>>,
}

/// What was asked, with everything about who asks.
struct Question<'a> {
    path: &'a str,
    command: Option<Cow<'a, str>>,
    referer: Option<&'a str>,
    logged_in: bool,
}

struct Reply {
    status: StatusCode,
    kind: &'static str,
    body: Body,
}

impl Device {
    pub(super) fn new(options: Arc<ReaderOptions>, number: u32) -> Self {
        let script = Script::default();
        for step in &options.faults {
            script.plan(step.fault, step.times);
        }
        Self {
            seed: options.seed.wrapping_add(u64::from(number)),
            started_ms: options.clock.now_ms(),
            script,
            died_ms: AtomicI64::new(0),
            turn: Semaphore::new(1),
            calls: AtomicU64::new(0),
            at_once: AtomicU32::new(0),
            most_at_once: AtomicU32::new(0),
            latest: Mutex::default(),
            options,
        }
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn at_once(&self) -> u32 {
        self.at_once.load(Ordering::SeqCst)
    }

    pub(super) fn most_at_once(&self) -> u32 {
        self.most_at_once.load(Ordering::SeqCst)
    }

    pub(super) fn latest(&self) -> Vec<Call> {
        self.latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// The healthy answer to a command at an instant.
    pub(super) fn answer_at(&self, command: &str, now_ms: i64) -> String {
        self.moment(now_ms, Fault::Healthy).answer(command)
    }

    /// Answers a call to `path`, which is the request's path without what chose the device.
    pub(super) async fn answer(&self, path: &str, parts: &Parts) -> Result<Response<Body>, Hangup> {
        let _presence = Presence::enter(self);
        let _turn = match self.options.one_at_a_time {
            // It is never closed, so this always waits and always succeeds.
            true => self.turn.acquire().await.ok(),
            false => None,
        };
        let question = self.question(path, parts);
        let fault = self.script.next().unwrap_or(Fault::Healthy);
        let delay = self.delay(fault);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let reply = self.reply(&question, fault);
        self.note(question, reply.as_ref().ok().map(|reply| reply.status.as_u16()));
        Ok(self.response(reply?))
    }

    fn question<'a>(&self, path: &'a str, parts: &'a Parts) -> Question<'a> {
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let (mut command, mut user, mut password) = (None, None, None);
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()) {
            // The first of a name counts, as in the device's web server.
            match &*name {
                "cmnd" if command.is_none() => command = Some(value),
                "user" if user.is_none() => user = Some(value),
                "password" if password.is_none() => password = Some(value),
                _ => {}
            }
        }
        let logged_in = access::logged_in(
            &self.options,
            header(AUTHORIZATION),
            user.as_deref(),
            password.as_deref(),
        );
        Question {
            path,
            command,
            referer: header(REFERER),
            logged_in,
        }
    }

    fn reply(&self, question: &Question<'_>, fault: Fault) -> Result<Reply, Hangup> {
        let reply = |status, kind, body: Body| Ok(Reply { status, kind, body });
        match fault {
            Fault::NoReply => return Err(Hangup),
            Fault::ServerError => {
                return reply(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    TEXT,
                    "Internal Server Error".into(),
                );
            }
            _ => {}
        }
        let options = &self.options;
        match (options.access, question.path) {
            (Access::CaptivePortal, _) => return reply(StatusCode::FOUND, TEXT, "".into()),
            (_, "/") | (Access::UserMode, "/cm") => {
                return reply(StatusCode::OK, HTML, MAIN_PAGE.into());
            }
            (Access::ApiOff, "/cm") if !access::refers_to_device(options, question.referer) => {
                return Err(Hangup);
            }
            (_, "/cm") => {}
            (_, path) => {
                let text = format!("File Not Found\n\nURI: {path}\nMethod: GET\nArguments: 0\n");
                return reply(StatusCode::NOT_FOUND, TEXT, text.into());
            }
        }
        if !question.logged_in {
            let (status, body) = access::refusal(options);
            return reply(
                if status == 401 {
                    StatusCode::UNAUTHORIZED
                } else {
                    StatusCode::OK
                },
                JSON,
                body.into(),
            );
        }
        let body = match question.command.as_deref() {
            None | Some("") => access::command_wanted(options.language).into(),
            Some(command) => self.command(command, fault),
        };
        reply(StatusCode::OK, JSON, body)
    }

    fn command(&self, command: &str, fault: Fault) -> Body {
        let answer = || self.moment(self.options.clock.now_ms(), fault).answer(command);
        match fault {
            Fault::EmptyBody => "".into(),
            Fault::EmptyObject => "{}".into(),
            // A log line before the answer, joined by a comma; the broken one closes more than it opened.
            Fault::BrokenJson => format!(
                r#"{{"Ufs":{{"Type":1,"Size":320}},"CPM":null, "CPS":100,{}}}}}"#,
                &answer()[1..]
            )
            .into(),
            Fault::ExtraKeys => {
                format!(r#"{{"Ufs":{{"Type":1,"Size":320}},"CPS":100,{}"#, &answer()[1..]).into()
            }
            Fault::Truncated => Body::cut(answer()),
            _ => answer().into(),
        }
    }

    fn moment(&self, now_ms: i64, fault: Fault) -> Moment<'_> {
        let values_ms = if fault == Fault::DeadHead {
            match self
                .died_ms
                .compare_exchange(0, now_ms, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => now_ms,
                Err(died_ms) => died_ms,
            }
        } else {
            self.died_ms.store(0, Ordering::Relaxed);
            now_ms
        };
        Moment {
            options: &self.options,
            seed: self.seed,
            now_ms,
            started_ms: self.started_ms,
            values_ms,
            numbers: match fault {
                Fault::Zeros => Numbers::Zero,
                Fault::Nulls => Numbers::Null,
                _ => Numbers::Right,
            },
            before_ntp: fault == Fault::BeforeNtp,
        }
    }

    fn delay(&self, fault: Fault) -> Duration {
        let (least, most) = (*self.options.latency.start(), *self.options.latency.end());
        let spread = most.saturating_sub(least);
        let usual = if spread.is_zero() {
            least
        } else {
            least + spread.mul_f64(fastrand::f64())
        };
        match fault {
            Fault::Slow(more) => usual + more,
            _ => usual,
        }
    }

    fn response(&self, reply: Reply) -> Response<Body> {
        let mut response = Response::new(reply.body);
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.kind));
        headers.insert(
            SERVER,
            HeaderValue::from_static(match self.options.firmware {
                Firmware::V8 => "Tasmota/8.2.0 (ESP8266EX)",
                Firmware::V9 => "Tasmota/9.5.0 (ESP8266EX)",
                Firmware::V15 => "Tasmota/15.2.0 (ESP32-C3 v0.4)",
            }),
        );
        if reply.status == StatusCode::FOUND {
            headers.insert(LOCATION, HeaderValue::from_static("http://192.168.4.1"));
        }
        if self.options.connection_close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn note(&self, question: Question<'_>, status: Option<u16>) {
        let keep = self.options.keep_calls;
        if keep == 0 {
            return;
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= keep {
            latest.pop_front();
        }
        latest.push_back(Call {
            at_ms: self.options.clock.now_ms(),
            path: question.path.to_owned(),
            command: question.command.map(Cow::into_owned),
            logged_in: question.logged_in,
            status,
        });
    }
}

/// A call being answered. It is counted until it is dropped, also when the client leaves before the answer.
struct Presence<'a>(&'a Device);

impl<'a> Presence<'a> {
    fn enter(device: &'a Device) -> Self {
        device.calls.fetch_add(1, Ordering::SeqCst);
        let now = device.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        device.most_at_once.fetch_max(now, Ordering::SeqCst);
        Self(device)
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}
