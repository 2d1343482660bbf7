//! Which path answers what.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse};
use axum::routing::get;

use super::shared::Shared;
use super::{Auth, api, auth, page, probes, problem, stream};

/// Every path that answers.
pub const PATHS: [&str; 7] = [
    "/",
    "/metrics",
    "/livez",
    "/readyz",
    "/api/v1/kpis",
    "/api/v1/alerts",
    "/api/v1/stream",
];

/// The paths that ask for no credentials: whoever restarts us has none.
pub(super) const OPEN_PATHS: [&str; 2] = ["/livez", "/readyz"];

/// All routes behind `auth`.
pub(super) fn router(shared: Arc<Shared>, auth: Option<Auth>) -> Router {
    let auth = auth.map(Arc::new);
    Router::new()
        .route("/", get(landing))
        .route("/metrics", get(page::metrics))
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/api/v1/kpis", get(api::kpis))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/stream", get(stream::stream))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .with_state(shared)
        .layer(from_fn_with_state(auth, auth::guard))
        .layer(map_response(problem::strict_headers))
}

/// `/`: what is here. It loads nothing and runs nothing.
async fn landing() -> impl IntoResponse {
    const POLICY: &str =
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let policy = (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    ([policy], Html(include_str!("landing.html")))
}
