//! The second door, for people: it shows, and it never polls by itself.

mod health;
mod info;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::secret::Secret;

/// Every route, on one screen.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/api/health", get(health::show))
        .route("/api/info", get(info::show))
        .fallback(missing)
        .with_state(app)
}

/// Asks for the key of a plain service, as a bearer token or as `?code=`, where one is set. Under the Functions host the
/// platform has asked for its own key already.
pub fn locked(router: Router, key: Option<Secret>) -> Router {
    let Some(key) = key else { return router };
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let key = key.clone();
        async move {
            if carries(&request, &key) {
                next.run(request).await
            } else {
                let detail = "Send `Authorization: Bearer` with OPERATIONS_KEY, or ?code=";
                problem(StatusCode::UNAUTHORIZED, "A key is needed", detail)
            }
        }
    }))
}

fn carries(request: &Request, key: &Secret) -> bool {
    let header = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|text| text.strip_prefix("Bearer "));
    let query = request.uri().query().unwrap_or_default();
    let code = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code");
    let sent = bearer
        .map(str::to_owned)
        .or_else(|| code.map(|(_, value)| value.into_owned()));
    // In constant time, so that the time taken says nothing of the key.
    sent.is_some_and(|sent| sent.as_bytes().ct_eq(key.reveal().as_bytes()).into())
}

/// Also the host's readiness probe: answered without touching any part.
async fn home() -> Html<&'static str> {
    Html(include_str!("api/web/home.html"))
}

async fn missing() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "There is nothing at this path",
        "See / for what there is",
    )
}

/// An error as RFC 9457 has it.
pub(crate) fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = serde_json::json!({"title": title, "status": status.as_u16(), "detail": detail});
    let mut response = (status, axum::Json(body)).into_response();
    let kind = header::HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
