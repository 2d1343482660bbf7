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
use crate::export::prometheus::{CONTENT_TYPE, Page, Renderer};
use crate::time::Timestamp;

/// The page as last rendered. Locked while it is rendered, so that many scrapers cost one
/// rendering.
#[derive(Debug, Default)]
pub(super) struct MetricsPage(Mutex<Work>);

/// What is kept from one scrape to the next.
#[derive(Debug, Default)]
struct Work {
    renderer: Renderer,
    kept: Option<Kept>,
}

/// A rendered page and what it was made of.
#[derive(Debug)]
struct Kept {
    basis: Basis,
    /// The `cx_*` families; empty until history is caught up with.
    kpis: Page,
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
    let mut place = shared.page.0.lock().await;
    let mut work = std::mem::take(&mut *place);
    let shared_there = Arc::clone(&shared);
    // Rendering takes milliseconds: not on a thread that serves other connections.
    let rendering = tokio::task::spawn_blocking(move || {
        let body = newest(&shared_there, &mut work);
        body.prepare(wants_gzip);
        (work, body)
    });
    match rendering.await {
        Ok((done, body)) => {
            *place = done;
            body.response(wants_gzip)
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
fn newest(shared: &Shared, work: &mut Work) -> Arc<Rendered> {
    let basis = Basis {
        epoch: shared.epoch(),
        caught_up: shared.caught_up(),
    };
    let now = shared.clock.now();
    let kpis = match work.kept.take() {
        Some(kept) if kept.basis == basis => {
            let age_ms = now.millis_since(kept.read_at);
            if (0..shared.refresh_ms).contains(&age_ms) {
                let body = Arc::clone(&kept.body);
                work.kept = Some(kept);
                return body;
            }
            kept.kpis
        }
        Some(_) | None => kpi_families(shared, &mut work.renderer, basis.caught_up),
    };
    let body = Arc::new(Rendered::new(CONTENT_TYPE, whole_page(shared, &kpis)));
    work.kept = Some(Kept {
        basis,
        kpis,
        read_at: now,
        body: Arc::clone(&body),
    });
    body
}

fn kpi_families(shared: &Shared, renderer: &mut Renderer, caught_up: bool) -> Page {
    if !caught_up {
        return Page::default();
    }
    let (exported, alerts) = (shared.exported(), shared.alerts());
    let (settings, extras) = (&exported.settings, &exported.extras);
    let page = renderer.render(&shared.view(), settings, extras, &alerts.series);
    let suppressed_now = &shared.metrics.http.series_suppressed;
    if page.suppressed > 0 && suppressed_now.get() == 0 {
        let (suppressed, max_series) = (page.suppressed, settings.max_series);
        warn!(
            suppressed,
            max_series, "series left off the metrics page, see export.max_series"
        );
    }
    suppressed_now.set(i64::try_from(page.suppressed).unwrap_or(i64::MAX));
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
