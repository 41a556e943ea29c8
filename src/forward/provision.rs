//! The Device Provisioning Service over HTTPS: which hub and device a source's messages go to.
//!
//! Every source is a device of one enrolment group, with a key derived from the group's. Its registration id is the source's id
//! in small letters: DPS takes registration ids without regard to letter case and keeps small letters, while the derivation
//! of keys counts them. So ids of sources must differ in more than letter case. Protocol: api-version 2021-10-01
//! (azure-rest-api-specs, "Device Registration Client"; "Symmetric key attestation", Microsoft Learn).

mod operation;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, StatusCode};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep};
use url::Url;
use wire::key::Key;
use wire::percent;
use wire::sas::Resource;

use super::hub::{Answer, Endpoint, Peer, SetupError, Signer, Skew, fault, skew_words};
use super::{Assignment, Error};
use crate::clock::Clock;
use crate::secret::Secret;
use operation::{Operation, Progress};

/// Registers sources as devices of one enrolment group.
#[derive(Debug)]
pub struct Provisioning {
    client: Client,
    endpoint: Endpoint,
    id_scope: String,
    group: Key,
    clock: Clock,
    skew: Skew,
    /// Registrations under way, by registration id: whoever asks meanwhile gets the same answer.
    flights: Mutex<HashMap<String, Arc<Flight>>>,
    /// Registrations at once.
    places: Semaphore,
    /// Registrations a minute.
    pace: DefaultDirectRateLimiter,
    /// Registration ids by device id, where DPS gave the device another name.
    renamed: Mutex<HashMap<String, String>>,
}

type Flight = OnceCell<Result<Assignment, Error>>;

impl Provisioning {
    /// A client of the DPS at `endpoint` (`host[:port]`) for the group with this key (base64).
    ///
    /// # Errors
    /// The endpoint is no host name, or the key is none.
    pub fn new(
        endpoint: &str,
        id_scope: String,
        key: &Secret,
        client: Client,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            client,
            endpoint: Endpoint::parse(endpoint)?,
            id_scope,
            group: Key::parse(key.reveal()).map_err(SetupError::Key)?,
            clock,
            skew: Skew::default(),
            flights: Mutex::default(),
            places: Semaphore::new(PLACES),
            pace: RateLimiter::direct(Quota::per_minute(A_MINUTE).allow_burst(BURST)),
            renamed: Mutex::default(),
        })
    }

    /// Registers the source, or waits for the registration of it that is under way. Takes up to about 30 seconds.
    ///
    /// # Errors
    /// [`Error::NotAssigned`] where DPS refuses, [`Error::Unavailable`] where it may do it later.
    pub async fn assign(&self, source: &str) -> Result<Assignment, Error> {
        let id = registration_id(source);
        let flight = Arc::clone(lock(&self.flights).entry(id.clone()).or_default());
        let outcome = flight.get_or_init(|| self.register(&id)).await.clone();
        let mut flights = lock(&self.flights);
        if flights
            .get(&id)
            .is_some_and(|current| Arc::ptr_eq(current, &flight))
        {
            flights.remove(&id);
        }
        drop(flights);
        if let Ok(assignment) = &outcome {
            self.remember(source, assignment);
        }
        outcome
    }

    /// Takes note of where a source's messages go, as stored by an earlier process.
    pub fn remember(&self, source: &str, assignment: &Assignment) {
        if !assignment.device.eq_ignore_ascii_case(source) {
            lock(&self.renamed).insert(assignment.device.clone(), registration_id(source));
        }
    }

    /// The key of an assigned device.
    #[must_use]
    pub fn key_of(&self, device: &str) -> Key {
        match lock(&self.renamed).get(device) {
            Some(registration) => Key::derive(&self.group, registration),
            None => Key::derive(&self.group, &registration_id(device)),
        }
    }

    async fn register(&self, id: &str) -> Result<Assignment, Error> {
        if let Err(early) = self.pace.check() {
            let wait = early.wait_time_from(DefaultClock::default().now());
            let detail = format!("more than {A_MINUTE} registrations a minute from this process");
            return Err(self.unavailable(detail, Some(wait)));
        }
        let Ok(Ok(_place)) = tokio::time::timeout(PATIENCE, self.places.acquire()).await else {
            let detail = format!("{PLACES} registrations of this process are under way");
            return Err(self.unavailable(detail, Some(PATIENCE)));
        };
        let deadline = Instant::now() + TOTAL;
        let encoded = percent::encode(id);
        let path = format!("/{}/registrations/{encoded}", percent::encode(&self.id_scope));
        let signer = Signer::new(
            Resource::registration(&self.id_scope, id),
            Key::derive(&self.group, id),
            Some("registration"),
        );
        let body = serde_json::json!({ "registrationId": id }).to_string();
        let url = self.url(id, &format!("{path}/register"))?;
        let mut ask = Ask {
            method: Method::PUT,
            url,
            body: Some(body),
        };
        loop {
            let answer = match self.exchange(&ask, &signer, deadline).await {
                Ok(answer) if answer.is_success() => answer,
                // A poll may fail in passing; the operation goes on all the same.
                Ok(answer) => {
                    let error = answer.dps_error(
                        self.endpoint.host(),
                        id,
                        answer
                            .skew
                            .filter(|_| answer.status == StatusCode::UNAUTHORIZED)
                            .and_then(skew_words),
                    );
                    if ask.method == Method::PUT || !error.is_transient() {
                        return Err(error);
                    }
                    pause(error.retry_after(), deadline).await.ok_or(error)?;
                    continue;
                }
                Err(error) => return Err(self.unavailable(fault(&error, Peer::Dps), None)),
            };
            let operation =
                Operation::parse(&answer.body).map_err(|detail| self.unavailable(detail, None))?;
            match operation.progress() {
                Progress::Assigned(assignment) => return Ok(assignment),
                Progress::Refused(detail) => {
                    return Err(Error::NotAssigned {
                        registration: id.to_owned(),
                        detail,
                    });
                }
                Progress::Assigning(operation) => {
                    let path = format!("{path}/operations/{}", percent::encode(&operation));
                    ask = Ask {
                        method: Method::GET,
                        url: self.url(id, &path)?,
                        body: None,
                    };
                    pause(answer.retry_after, deadline).await.ok_or_else(|| {
                        self.unavailable("the registration is still under way".into(), answer.retry_after)
                    })?;
                }
            }
        }
    }

    /// One question; a 401 is answered once with a token by the server's clock.
    async fn exchange(
        &self,
        ask: &Ask,
        signer: &Signer,
        deadline: Instant,
    ) -> Result<Answer, reqwest::Error> {
        let mut fresh = false;
        let mut repeated = false;
        loop {
            let sent = self.clock.now();
            let left = deadline.saturating_duration_since(Instant::now());
            let request = ask.request(signer.header(self.skew.hub_time(sent), fresh), left.min(PATIENCE));
            let answer = match self.client.execute(request).await {
                Ok(response) => Answer::read(response, sent, &self.clock).await,
                Err(error) if !repeated && !error.is_timeout() && !error.is_connect() => {
                    repeated = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(skew) = answer.skew {
                self.skew.observe(skew);
            }
            if answer.status == StatusCode::UNAUTHORIZED && !fresh {
                fresh = true;
                continue;
            }
            return Ok(answer);
        }
    }

    fn url(&self, id: &str, path: &str) -> Result<Url, Error> {
        let url = self.endpoint.url(&format!("{path}?api-version={API_VERSION}"));
        url.ok_or_else(|| Error::NotAssigned {
            registration: id.to_owned(),
            detail: "the id scope or the registration id cannot be part of a path".into(),
        })
    }

    /// Whether DPS answers at all: asked for nothing, so nothing is registered. Gives a remark on this machine's clock.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there is no answer.
    pub async fn reach(&self) -> Result<String, Error> {
        let url = self
            .endpoint
            .url("/")
            .ok_or_else(|| self.unavailable("its address is no URL".into(), None))?;
        let sent = self.clock.now();
        match self.client.get(url).timeout(PATIENCE).send().await {
            Ok(response) => {
                let answer = Answer::read(response, sent, &self.clock).await;
                Ok(answer
                    .skew
                    .and_then(skew_words)
                    .map_or_else(String::new, |words| format!("; {words}")))
            }
            Err(error) => Err(self.unavailable(fault(&error, Peer::Dps), None)),
        }
    }

    fn unavailable(&self, detail: String, after: Option<Duration>) -> Error {
        Error::Unavailable {
            hub: self.endpoint.host().to_owned(),
            status: 0,
            detail,
            after,
        }
    }
}

/// The registration id of a source: its id in small letters.
#[must_use]
pub fn registration_id(source: &str) -> String {
    source.to_ascii_lowercase()
}

/// The generally available version.
const API_VERSION: &str = "2021-10-01";
/// Registrations at once: each asks DPS every two seconds or so while it lasts.
const PLACES: usize = 8;
/// Registrations a minute: each is a registry operation at the hub, of which one unit of S1 takes 100 ("IoT Hub quotas and
/// throttling", Microsoft Learn); DPS itself takes 1000.
const A_MINUTE: NonZeroU32 = whole(100);
/// Of these, at once after a rest.
const BURST: NonZeroU32 = whole(20);
/// How long a registration may take in all.
const TOTAL: Duration = Duration::from_secs(30);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between polls where DPS names none; the SDKs' value.
const PAUSE: Duration = Duration::from_secs(2);
/// The least pause, whatever was named: DPS takes five polls in ten seconds, and a zero must not become a busy loop.
const LEAST: Duration = Duration::from_millis(200);

const fn whole(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// One question to DPS.
struct Ask {
    method: Method,
    url: Url,
    body: Option<String>,
}

impl Ask {
    fn request(&self, token: HeaderValue, timeout: Duration) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        request.headers_mut().insert(AUTHORIZATION, token);
        if let Some(body) = &self.body {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            request.headers_mut().insert(CONTENT_TYPE, json);
            *request.body_mut() = Some(body.clone().into());
        }
        *request.timeout_mut() = Some(timeout);
        request
    }
}

/// Waits as long as was asked; `None` where that is beyond the deadline.
async fn pause(asked: Option<Duration>, deadline: Instant) -> Option<()> {
    let wait = asked.unwrap_or(PAUSE).max(LEAST);
    if Instant::now().checked_add(wait)? >= deadline {
        return None;
    }
    sleep(wait).await;
    Some(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an answer of DPS leads to, for the fuzz targets.
#[cfg(fuzzing)]
pub(super) fn progress(body: &[u8]) -> Result<Option<Assignment>, String> {
    match Operation::parse(body)?.progress() {
        Progress::Assigned(assignment) => Ok(Some(assignment)),
        Progress::Assigning(_) => Ok(None),
        Progress::Refused(why) => Err(why),
    }
}
