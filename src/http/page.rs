//! `GET /metrics`: the self metrics of this moment and the `cx_*` families of the newest view.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use prometheus::TextEncoder;
use tokio::sync::Mutex;
use tracing::{error, warn};

use super::body::{Rendered, wants_gzip};
use super::problem::Problem;
use super::shared::Shared;
use crate::export::prometheus::{CONTENT_TYPE, Page, render};
use crate::time::Timestamp;

/// The page as last rendered. Locked while it is rendered, so that many scrapers cost one
/// rendering.
#[derive(Debug, Default)]
pub(super) struct MetricsPage(Mutex<Option<Kept>>);

/// A rendered page and what it was made of.
#[derive(Clone, Debug)]
struct Kept {
    basis: Basis,
    /// The `cx_*` families; empty until history is caught up with.
    kpis: Arc<Page>,
    /// When the self metrics were read.
    read_at: Timestamp,
    body: Arc<Rendered>,
}

/// What the `cx_*` families were rendered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Basis {
    epoch: u64,
    caught_up: bool,
}

/// Handles `GET /metrics`.
pub(super) async fn metrics(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Response<Body> {
    let wants_gzip = wants_gzip(&headers);
    let mut kept = shared.page.0.lock().await;
    let shared_for_rendering = Arc::clone(&shared);
    let before = kept.clone();
    // Rendering takes milliseconds: not on a thread that serves other connections.
    let rendering = tokio::task::spawn_blocking(move || {
        let page = newest(&shared_for_rendering, before);
        page.body.prepare(wants_gzip);
        page
    });
    match rendering.await {
        Ok(page) => {
            let response = page.body.response(wants_gzip);
            *kept = Some(page);
            response
        }
        Err(failure) => {
            error!(%failure, "metrics page could not be rendered");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the page could not be rendered",
            )
            .into_response()
        }
    }
}

/// The page of this moment, as much of it as possible taken from the one before.
fn newest(shared: &Shared, before: Option<Kept>) -> Kept {
    let basis = Basis {
        epoch: shared.epoch(),
        caught_up: shared.caught_up(),
    };
    let now = shared.clock.now();
    let kpis = match before {
        Some(kept) if kept.basis == basis => {
            let age_ms = now.millis_since(kept.read_at);
            if (0..shared.refresh_ms).contains(&age_ms) {
                return kept;
            }
            kept.kpis
        }
        Some(_) | None => Arc::new(kpi_families(shared, basis.caught_up)),
    };
    Kept {
        basis,
        body: Arc::new(Rendered::new(CONTENT_TYPE, whole_page(shared, &kpis))),
        kpis,
        read_at: now,
    }
}

fn kpi_families(shared: &Shared, caught_up: bool) -> Page {
    if !caught_up {
        return Page::default();
    }
    let (exported, alerts) = (shared.exported(), shared.alerts());
    let view = shared.view();
    let page = render(&view, &exported.settings, &exported.extras, &alerts.series);
    let suppressed_before = shared.metrics.http.series_suppressed.get();
    if page.suppressed > 0 && suppressed_before == 0 {
        let (suppressed, max_series) = (page.suppressed, exported.settings.max_series);
        warn!(
            suppressed,
            max_series, "series left off the metrics page, see export.max_series"
        );
    }
    let suppressed = i64::try_from(page.suppressed).unwrap_or(i64::MAX);
    shared.metrics.http.series_suppressed.set(suppressed);
    page
}

/// Self metrics first: they are what one looks for when the rest is missing.
fn whole_page(shared: &Shared, kpis: &Page) -> String {
    let mut text = String::with_capacity(kpis.text.len() + 16 * 1024);
    let families = shared.registry.gather();
    if let Err(failure) = TextEncoder::new().encode_utf8(&families, &mut text) {
        error!(%failure, "self metrics could not be written");
    }
    text.push_str(&kpis.text);
    text
}
