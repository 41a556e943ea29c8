//! The Functions host's protocol: what it sends becomes a tick, a tick's outcome becomes the answer it expects.
//!
//! Knows nothing of meters. The host hangs on an empty or `null` answer until `functionTimeout` and then kills this process, so every
//! answer to it is JSON with `Outputs` and `Logs`; an error is a 500 whose body the host throws away, so it is logged first. Three
//! ends of this process end the host: nothing that a caller sends may end it.
//!
//! Source: azure-functions-host 4.1037, `Workers/Http/DefaultHttpWorkerService.cs`, and recordings of it in `tests/data/host`.

pub mod invocation;
mod job;
pub mod lifetime;
mod queue;
mod timer;
mod trace;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use futures_util::FutureExt;

use crate::app::App;

/// All that this process answers: the two triggers, and everything else for people.
pub fn router(app: Arc<App>) -> Router {
    let triggers = Router::new()
        .route("/TimerPoll", post(timer::poll))
        .route("/PollWorker", post(queue::work))
        .layer(middleware::from_fn(refuse_proxied))
        .layer(DefaultBodyLimit::max(16 << 20))
        .with_state(Arc::clone(&app));
    // The host's readiness probe and pings: answered before anything else is wired.
    Router::new()
        .merge(triggers)
        .fallback_service(crate::api::router(app))
        .layer(middleware::from_fn(guard))
}

/// The same for a plain service: no triggers, for there is no host.
pub fn plain_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/TimerPoll", any(|| async { StatusCode::NOT_FOUND }))
        .route("/PollWorker", any(|| async { StatusCode::NOT_FOUND }))
        .fallback_service(crate::api::router(app))
        .layer(middleware::from_fn(guard))
}

/// The host's own calls carry neither of these headers; calls that came in through the HTTP function carry both. A caller with
/// a function key must not be able to fire the timer or the queue.
async fn refuse_proxied(request: Request, next: Next) -> Response {
    let proxied = ["x-forwarded-host", "x-ms-invocation-id"];
    if proxied.iter().any(|name| request.headers().contains_key(*name)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    next.run(request).await
}

/// A panic becomes a 500, and a path with an encoded slash or backslash a 404: routers and proxies disagree about those.
async fn guard(request: Request, next: Next) -> Response {
    if is_ambiguous(request.uri()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(path, "A request ended by a panic; this process goes on");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                axum::Json(serde_json::json!({"title": "Internal error"})),
            )
                .into_response()
        }
    }
}

fn is_ambiguous(uri: &Uri) -> bool {
    let path = uri.path().to_ascii_lowercase();
    path.contains("%2f") || path.contains("%5c") || path.contains('\\')
}

/// What the fuzz targets need of the private parsers.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// The job in a call of the queue, shown, or why it is refused.
    ///
    /// # Errors
    /// The words of the refusal.
    pub fn job(body: &[u8]) -> Result<String, String> {
        let call = super::invocation::Invocation::parse(body, "job").map_err(|error| error.to_string())?;
        super::job::Job::read(&call.job().message)
            .map(|job| format!("{job:?}"))
            .map_err(|fault| fault.to_string())
    }
}
