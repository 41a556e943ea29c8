//! Test only: a Cosmos DB account on loopback.
//!
//! Microsoft's own in-memory emulator (`azure_data_cosmos_driver`) behind plain HTTP, so that the real client, the real binary and
//! clients in other languages meet it over sockets. Added here: the check of the account key, the limit on a request's size, answers
//! out of turn (429, 5xx), a serverless account, and a count of requests. Times to live are stored but nothing expires.

mod key;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use azure_core::http::Method;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_data_cosmos_driver::in_memory_emulator::{
    InMemoryEmulatorHttpClient, VirtualAccountConfig, VirtualRegion,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// The account key of every gateway: base64, no secret.
pub const KEY: &str = "bm8gc2VjcmV0OiB0aGUga2V5IG9mIHRoZSBDb3Ntb3MgREIgZ2F0ZXdheSBmb3IgdGVzdHM=";

/// A request of the real service may carry so many bytes (<https://learn.microsoft.com/azure/cosmos-db/concepts-limits>).
const MAX_REQUEST_BYTES: usize = 2 * 1024 * 1024;

/// Stands for a status: no answer at all.
const NO_ANSWER: u16 = 0;

/// Longer than any client waits.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(40);

/// A Cosmos DB account on loopback. It ends when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    account: Arc<Account>,
    server: JoinHandle<()>,
}

impl Gateway {
    /// Listens on this port of 127.0.0.1; 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub async fn start(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let account = Arc::new(Account::at(address).map_err(std::io::Error::other)?);
        let router = Router::new().fallback(answer).with_state(Arc::clone(&account));
        let server = tokio::spawn(async move {
            // It only ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            account,
            server,
        })
    }

    /// `http://127.0.0.1:PORT/`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers the next `requests` requests with this status instead of doing them.
    pub fn answer_instead(&self, requests: u32, status: u16) {
        self.account.instead(requests, status);
    }

    /// Lets the account be serverless: making something with a throughput is refused.
    pub fn serverless(&self) {
        self.account.serverless.store(1, Ordering::SeqCst);
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.account.requests.load(Ordering::SeqCst)
    }

    /// Serves until the process ends.
    pub async fn serve(mut self) {
        let _ = (&mut self.server).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The account behind the gateway.
#[derive(Debug)]
struct Account {
    base: Url,
    emulator: InMemoryEmulatorHttpClient,
    requests: AtomicU64,
    instead: AtomicU32,
    status: AtomicU16,
    serverless: AtomicU32,
}

impl Account {
    fn at(address: SocketAddr) -> Result<Self, String> {
        // The client goes on with the address that the account advertises, so it has to be the real one.
        let base = Url::parse(&format!("http://{address}/")).map_err(|e| e.to_string())?;
        let region = VirtualRegion::new("East US", base.clone());
        let config = VirtualAccountConfig::new(vec![region]).map_err(|e| e.to_string())?;
        let emulator = InMemoryEmulatorHttpClient::try_new(config.with_account_id("local"))
            .map_err(|e| e.to_string())?;
        Ok(Self {
            base,
            emulator,
            requests: AtomicU64::new(0),
            instead: AtomicU32::new(0),
            status: AtomicU16::new(429),
            serverless: AtomicU32::new(0),
        })
    }

    fn instead(&self, requests: u32, status: u16) {
        self.status.store(status, Ordering::SeqCst);
        self.instead.store(requests, Ordering::SeqCst);
    }

    /// The emulator's own answer.
    async fn ask(&self, parts: &axum::http::request::Parts, body: Bytes) -> Result<Response, String> {
        let mut url = self.base.clone();
        url.set_path(parts.uri.path().trim_end_matches('/'));
        url.set_query(parts.uri.query());
        let method = match parts.method.as_str() {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            "HEAD" => Method::Head,
            other => return Err(format!("no method {other}")),
        };
        let mut request = azure_core::http::Request::new(url, method);
        for (name, value) in &parts.headers {
            if let Ok(value) = value.to_str() {
                request.insert_header(
                    HeaderName::from(name.as_str().to_owned()),
                    HeaderValue::from(value.to_owned()),
                );
            }
        }
        request.set_body(body);
        let answer = self.emulator.execute_request(&request).await;
        let raw = answer.map_err(|e| e.to_string())?.try_into_raw_response().await;
        let (status, headers, body) = raw.map_err(|e| e.to_string())?.deconstruct();
        let mut response = Response::builder().status(u16::from(status));
        for (name, value) in headers.iter() {
            if !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
                response = response.header(name.as_str(), value.as_str());
            }
        }
        let body: Bytes = body.into();
        response.body(Body::from(body)).map_err(|e| e.to_string())
    }
}

async fn answer(State(account): State<Arc<Account>>, request: Request) -> Response {
    if let Some(order) = request.uri().path().strip_prefix("/__") {
        return control(&account, order);
    }
    account.requests.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 2 * MAX_REQUEST_BYTES).await else {
        return refuse(413, "RequestEntityTooLarge", "Request size is too large");
    };
    if !key::fits(KEY, &parts) {
        return refuse(
            401,
            "Unauthorized",
            "The input authorization token can't serve the request.",
        );
    }
    if body.len() > MAX_REQUEST_BYTES {
        return refuse(413, "RequestEntityTooLarge", "Request size is too large");
    }
    let mut left = account.instead.load(Ordering::SeqCst);
    while left > 0 {
        match account
            .instead
            .compare_exchange(left, left - 1, Ordering::SeqCst, Ordering::SeqCst)
        {
            Ok(_) => {
                let status = account.status.load(Ordering::SeqCst);
                if status == NO_ANSWER {
                    tokio::time::sleep(SILENCE).await;
                    return refuse(503, "Instead", "answered too late");
                }
                return refuse(status, "Instead", "answered out of turn");
            }
            Err(now) => left = now,
        }
    }
    if account.serverless.load(Ordering::SeqCst) != 0 && parts.headers.contains_key("x-ms-offer-throughput") {
        return refuse(
            400,
            "BadRequest",
            "Setting offer throughput or autopilot on container is not supported for serverless accounts.",
        );
    }
    match account.ask(&parts, body).await {
        Ok(response) => response,
        Err(error) => refuse(500, "InternalServerError", &error),
    }
}

/// `POST /__throttle/N`: the next N requests get 429. `POST /__instead/STATUS/N`: they get this status, or, for `timeout`, no
/// answer until the client has given up. `GET /__requests`: how many there were.
fn control(account: &Account, order: &str) -> Response {
    match order.split_once('/') {
        Some(("instead", rest)) => {
            let status = |text: &str| match text {
                "timeout" => Ok(NO_ANSWER),
                status => status.parse(),
            };
            let order = rest
                .split_once('/')
                .map(|(what, count)| (status(what), count.parse()));
            match order {
                Some((Ok(status), Ok(count))) => {
                    account.instead(count, status);
                    StatusCode::NO_CONTENT.into_response()
                }
                _ => (StatusCode::BAD_REQUEST, "POST /__instead/STATUS/N").into_response(),
            }
        }
        Some(("throttle", count)) => match count.parse() {
            Ok(count) => {
                account.instead(count, 429);
                StatusCode::NO_CONTENT.into_response()
            }
            Err(_) => (StatusCode::BAD_REQUEST, "POST /__throttle/N").into_response(),
        },
        None if order == "requests" => account
            .requests
            .load(Ordering::SeqCst)
            .to_string()
            .into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// An error in the service's form.
fn refuse(status: u16, code: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = format!("{{\"code\":\"{code}\",\"message\":\"{message}\"}}");
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::HeaderName::from_static("x-ms-retry-after-ms"), "5"),
        (header::HeaderName::from_static("x-ms-request-charge"), "0"),
    ];
    (status, headers, body).into_response()
}
