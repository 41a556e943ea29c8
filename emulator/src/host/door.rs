//! The host's HTTP listener: its own `admin/…`, the keys, and HTTP functions passed on to the handler.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::connection::Broken;
use super::function::{Function, Level, Trigger};
use super::process::State;
use super::proxy;
use super::route::{handler_path, matches, normal_path};
use super::running::{Running, VERSION};
use super::worker;

pub(super) type Body = BoxBody<Bytes, Broken>;

/// An admin request's body is small.
const MAX_ADMIN_BODY: usize = 1024 * 1024;

/// Serves until the host ends.
pub(super) async fn serve(host: Arc<Running>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            () = host.ending() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service_host = Arc::clone(&host);
        host.spawn(async move {
            let service = service_fn(move |request| {
                let host = Arc::clone(&service_host);
                async move { Ok::<_, Infallible>(answer(&host, peer, request).await) }
            });
            // A caller who leaves ends the connection, and with it the call's task.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

pub(super) fn status(status: StatusCode) -> Response<Body> {
    with_body(status, Empty::new().map_err(|never| match never {}).boxed())
}

async fn answer(host: &Arc<Running>, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let path = normal_path(request.uri().path());
    let lower = path.to_ascii_lowercase();
    if lower == "/admin" || lower.starts_with("/admin/") {
        return admin(host, &lower, request).await;
    }
    if path == "/" && host.app.homepage {
        let page = "<!DOCTYPE html><title>Functions host</title><p>The host is up. AzureWebJobsDisableHomepage=true gives this page to the app.";
        return text(StatusCode::OK, "text/html", page);
    }
    let prefix = &host.app.route_prefix;
    let routed = host
        .app
        .functions
        .iter()
        .find_map(|function| match &function.trigger {
            Trigger::Http {
                route,
                methods,
                level,
            } => {
                let listed =
                    methods.is_empty() || methods.iter().any(|method| method == request.method().as_str());
                (listed && matches(prefix, route, &path)).then_some((function, *level))
            }
            _ => None,
        });
    let Some((function, level)) = routed else {
        return status(StatusCode::NOT_FOUND);
    };
    if !is_let_in(host, &request, level) {
        return status(StatusCode::UNAUTHORIZED);
    }
    let mut target = handler_path(&path);
    if let Some(query) = request.uri().query() {
        target = format!("{target}?{query}");
    }
    proxy::pass_on(host, &function.name, &target, peer, request).await
}

/// Whether the request shows a key that is good enough: `x-functions-key` first, then `?code=`.
fn is_let_in(host: &Running, request: &Request<Incoming>, level: Level) -> bool {
    let Some(keys) = &host.keys else { return true };
    if level == Level::Anonymous {
        return true;
    }
    let shown = match request.headers().get("x-functions-key") {
        Some(value) => value.to_str().ok().map(str::to_owned),
        None => url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name.eq_ignore_ascii_case("code"))
            .map(|(_, value)| value.into_owned()),
    };
    shown.is_some_and(|key| key == keys.master || (level == Level::Function && key == keys.function))
}

/// `admin/…`, which never reaches the handler. Only the ping needs no key.
async fn admin(host: &Arc<Running>, path: &str, request: Request<Incoming>) -> Response<Body> {
    if path == "/admin/host/ping" {
        if request
            .uri()
            .query()
            .is_some_and(|query| query.contains("checkHealth=1"))
        {
            ping(host).await;
        }
        return status(StatusCode::OK);
    }
    if !is_let_in(host, &request, Level::Admin) {
        let mut refused = status(StatusCode::UNAUTHORIZED);
        refused
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return refused;
    }
    if path == "/admin/host/status" {
        let state = match *host.process.state.borrow() {
            State::Over(_) => "Error",
            _ => "Running",
        };
        let body = json!({ "state": state, "version": VERSION }).to_string();
        return text(StatusCode::OK, "application/json; charset=utf-8", body);
    }
    let function = path
        .strip_prefix("/admin/functions/")
        .and_then(|name| {
            host.app
                .functions
                .iter()
                .find(|function| function.name.eq_ignore_ascii_case(name))
        })
        .filter(|function| request.method() == Method::POST && !function.is_http())
        .cloned();
    let Some(function) = function else {
        return status(StatusCode::NOT_FOUND);
    };
    let body = Limited::new(request.into_body(), MAX_ADMIN_BODY).collect().await;
    let Some(Ok(Value::Object(body))) = body.ok().map(|body| serde_json::from_slice(&body.to_bytes())) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let input = body.get("input").and_then(Value::as_str).map(str::to_owned);
    // Answered at once, whatever comes of it.
    let task = Arc::clone(host);
    host.spawn(async move { run_by_hand(&task, &function, input.as_deref()).await });
    status(StatusCode::ACCEPTED)
}

async fn run_by_hand(host: &Arc<Running>, function: &Function, input: Option<&str>) {
    match &function.trigger {
        Trigger::Timer { .. } => {
            if let Some(timer) = host.timers.iter().find(|timer| timer.function == function.name) {
                timer.run_by_hand(host, input).await;
            }
        }
        Trigger::Queue { binding, .. } => {
            worker::run_by_hand(host, &function.name, binding, input.unwrap_or_default()).await;
        }
        Trigger::Http { .. } => {}
    }
}

/// The health ping: one `GET /` whose answer does not matter.
async fn ping(host: &Running) {
    let pool = &host.process.pool;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", pool.address());
    if let Ok(mut connection) = pool.take().await
        && let Ok(mut head) = connection.exchange(request.as_bytes(), "GET").await
        && connection.body(&mut head).await.is_ok()
    {
        pool.give(connection, &head);
    }
}

fn text(code: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = with_body(
        code,
        Full::new(body.into()).map_err(|never| match never {}).boxed(),
    );
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

fn with_body(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
