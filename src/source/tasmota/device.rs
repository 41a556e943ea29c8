//! Asking a reader: one call at a time, with its login, and what its refusals mean.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{CONNECTION, LOCATION, REFERER};
use reqwest::{Client, Response, StatusCode};
use tokio::sync::Mutex;
use url::Url;
use wire::percent;

use super::reply::{self, Fault};
use crate::clock::Clock;
use crate::config::TasmotaConfig;
use crate::http;
use crate::secret::Secret;
use crate::source::Error;

/// No reply is longer than this; a reader's buffer is a small part of it.
const MAX_BODY: usize = 256 * 1024;

/// One reader.
pub(super) struct Device {
    /// `…/cm`, without login and query.
    address: Url,
    user: String,
    password: Option<Secret>,
    /// The firmware lets a call without login through its web guard (`SetOption128`) only when this names it.
    referer: String,
    timeout: Duration,
    client: Client,
    clock: Clock,
    /// A reader serves one client at a time and loses calls when flooded.
    turn: Mutex<()>,
}

/// An answer with status 200.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
}

impl Device {
    pub(super) fn new(config: &TasmotaConfig, client: Client, clock: Clock) -> Self {
        let mut address = config.url.clone();
        address.set_query(None);
        address.set_fragment(None);
        // Both fail for URLs that cannot have a login at all.
        let _ = address.set_username("");
        let _ = address.set_password(None);
        let path = format!("{}/cm", address.path().trim_end_matches('/'));
        address.set_path(&path);
        let referer = config
            .referer
            .clone()
            .unwrap_or_else(|| format!("http://{}/", address.host_str().unwrap_or_default()));
        Self {
            address,
            user: config.user.clone(),
            password: config.password.clone().filter(|password| !password.is_empty()),
            referer,
            timeout: config.timeout,
            client,
            clock,
            turn: Mutex::new(()),
        }
    }

    /// Whether a login is sent.
    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Who is asked, for messages.
    pub(super) fn name(&self) -> &str {
        self.address.as_str()
    }

    /// The whole URL of a command, without the login.
    pub(super) fn shown(&self, command: &str) -> String {
        self.url(command).into()
    }

    /// Sends one command and reads the whole answer.
    pub(super) async fn ask(&self, command: &str) -> Result<Body, Error> {
        let _turn = self.turn.lock().await;
        let mut url = self.url(command);
        if let Some(password) = &self.password {
            // Old firmware knows only the query, new firmware looks at Basic first: both serve every version.
            let login = format!(
                "{}&user={}&password={}",
                url.query().unwrap_or_default(),
                percent::encode(&self.user),
                percent::encode(password.reveal())
            );
            url.set_query(Some(&login));
        }
        // A kept connection would keep the reader's other clients out.
        let mut request = self.client.get(url).header(CONNECTION, "close");
        if let Some(password) = &self.password {
            request = request.basic_auth(&self.user, Some(password.reveal()));
        }
        let response = request
            .header(REFERER, &self.referer)
            .timeout(self.timeout)
            .send()
            .await
            .map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let location = response
            .headers()
            .get(LOCATION)
            .map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
        let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(self.clock.now()).unwrap_or_default());
        let after = http::retry_after(&response, now);
        let bytes = self.body(response).await?;
        if status == StatusCode::OK {
            return Ok(Body { bytes });
        }
        Err(self.refused(status, &bytes, location, after))
    }

    /// What a body without readings means.
    pub(super) fn fault(&self, fault: Fault) -> Error {
        let passing = matches!(fault, Fault::Garbled(_));
        let detail = match fault {
            Fault::Empty => {
                return Error::Unreachable {
                    what: self.name().into(),
                    detail: "an empty reply".into(),
                    mend: self.http_api(),
                };
            }
            Fault::Warning(words) => return self.login(words),
            Fault::Html => {
                "a web page; is WebServer 1 (user mode) set? `WebServer 2` lets commands through. Or another device answers here".into()
            }
            Fault::Command(words) => {
                format!("the command is not known there ({words}); is it a Tasmota reader with energy sensors?")
            }
            Fault::Garbled(words) => format!("broken JSON: {words}"),
            Fault::NoSensor => {
                "no sensor in the reply, only the time; is the meter's script loaded and enabled on the reader?".into()
            }
        };
        Error::Protocol {
            what: self.name().into(),
            detail,
            passing,
        }
    }

    fn url(&self, command: &str) -> Url {
        let mut url = self.address.clone();
        url.set_query(Some(&format!("cmnd={}", percent::encode(command))));
        url
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if bytes.len() + chunk.len() > MAX_BODY {
                return Err(Error::Protocol {
                    what: self.name().into(),
                    detail: "more than 256 KB; that is no reader".into(),
                    passing: false,
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// What a status other than 200 means.
    fn refused(
        &self,
        status: StatusCode,
        body: &[u8],
        location: Option<String>,
        after: Option<Duration>,
    ) -> Error {
        let (text, _) = reply::decode(body);
        let detail = match status.as_u16() {
            401 | 403 => {
                let words = match reply::object(&text) {
                    Err(Fault::Warning(words)) => words,
                    _ => format!("status {}", status.as_u16()),
                };
                return self.login(words);
            }
            408 | 429 | 500.. => {
                return Error::Unavailable {
                    what: self.name().into(),
                    status: status.as_u16(),
                    detail: http::excerpt(&text),
                    after,
                };
            }
            300..=399 => format!(
                "a redirect to {}; a reader does this in its set-up mode (captive portal): is it on your Wi-Fi?",
                http::excerpt(&location.unwrap_or_default())
            ),
            404 => format!(
                "there is no /cm here (404, {}); is `url` the reader's address, and is it a Tasmota reader?",
                http::excerpt(&text)
            ),
            other => format!("status {other}, {}", http::excerpt(&text)),
        };
        Error::Protocol {
            what: self.name().into(),
            detail,
            passing: false,
        }
    }

    fn login(&self, detail: String) -> Error {
        let mend = if self.has_password() {
            "`password` in sources.toml is not the reader's WebPassword"
        } else {
            "set `password` in sources.toml to the reader's WebPassword"
        };
        Error::Login {
            what: self.name().into(),
            detail,
            mend: mend.into(),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let mend = if error.is_builder() {
            "check `url` and `referer` of the source".to_owned()
        } else if error.is_timeout() {
            "the reader is slow or out of Wi-Fi reach; a missed poll now and then is normal".to_owned()
        } else if error.is_connect() {
            "is it switched on, and reachable from this network?".to_owned()
        } else {
            self.http_api()
        };
        Error::Unreachable {
            what: self.name().into(),
            detail: http::network_fault(error),
            mend,
        }
    }

    /// Firmware with `SetOption128 0` drops calls from elsewhere without a word.
    fn http_api(&self) -> String {
        format!(
            "if it always hangs up, its HTTP API is off for this caller: set `referer` to http:// and the reader's own \
             address or host name (sent: {}), or give the reader the command SetOption128 1",
            self.referer
        )
    }
}
