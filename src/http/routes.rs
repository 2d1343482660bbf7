//! Which path answers what.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::get;

use super::shared::Shared;
use super::{Auth, api, auth, board, page, probes, problem, stream};

/// Every path that answers.
pub const PATHS: [&str; 18] = [
    "/",
    "/board/board.css",
    "/board/icon.svg",
    "/board/board.js",
    "/board/source.js",
    "/board/figures.js",
    "/board/tiles.js",
    "/board/queues.js",
    "/board/news.js",
    "/metrics",
    "/livez",
    "/readyz",
    "/api/v1/kpis",
    "/api/v1/history",
    "/api/v1/alerts",
    "/api/v1/board",
    "/api/v1/stream",
    "/api/v1/openapi.json",
];

/// The paths that ask for no credentials: whoever restarts us has none.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Whether a path is answered without credentials: the probes, and with a bearer token the files of
/// the wallboard, which hold no figures; it asks for the token and sends it with what it reads.
pub(super) fn is_open(path: &str, auth: &Auth) -> bool {
    let is_asset = || board::ASSETS.iter().any(|asset| asset.path == path);
    PROBES.contains(&path) || (matches!(auth, Auth::Bearer(_)) && is_asset())
}

/// All routes behind `auth`.
pub(super) fn router(shared: Arc<Shared>, auth: Option<Auth>) -> Router {
    let auth = auth.map(Arc::new);
    let mut router = Router::new();
    for asset in &board::ASSETS {
        router = router.route(asset.path, get(|| async { asset.response() }));
    }
    router
        .route("/metrics", get(page::metrics))
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/api/v1/kpis", get(api::kpis))
        .route("/api/v1/history", get(api::history))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/board", get(board::board))
        .route("/api/v1/stream", get(stream::stream))
        .route("/api/v1/openapi.json", get(api::openapi))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .with_state(shared)
        .layer(from_fn_with_state(auth, auth::guard))
        .layer(map_response(problem::strict_headers))
}
