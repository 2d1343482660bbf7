//! `/api/v1/kpis` and `/api/v1/alerts`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use tokio::sync::Mutex;
use tracing::error;

use super::body::{Rendered, wants_gzip};
use super::problem::Problem;
use super::shared::Shared;
use super::state;
use super::stream::event;
use crate::engine::View;
use crate::export::{Filter, json};

/// The query of a request: names and values in order; a name may come several times.
pub(super) type Pairs = Vec<(String, String)>;

/// Most bodies kept of one view; what is asked for beyond that is rendered each time.
const MOST_KEPT: usize = 32;

/// Handles `GET /api/v1/kpis?window=&breakdown=&kpi=`; each may come several times. The name of a
/// dimension narrows to the keys with that value.
pub(super) async fn kpis(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Pairs>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    answer(&shared, Form::Json, query, &headers).await
}

/// Handles `GET /api/v1/history`, narrowed like `/api/v1/kpis`.
pub(super) async fn history(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Pairs>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    answer(&shared, Form::History, query, &headers).await
}

/// What the query wants of the newest view, in this form; or what is wrong with the query.
async fn answer(
    shared: &Arc<Shared>,
    form: Form,
    query: Result<Query<Pairs>, axum::extract::rejection::QueryRejection>,
    headers: &HeaderMap,
) -> Response<Body> {
    let filter = match filter_of(&shared.view(), query) {
        Ok(filter) => filter,
        Err(problem) => return problem.into_response(),
    };
    let wants_gzip = wants_gzip(headers);
    match rendered(shared, form, &filter, wants_gzip).await {
        Ok(body) => body.response(wants_gzip),
        Err(problem) => problem.into_response(),
    }
}

/// Handles `GET /api/v1/alerts`.
pub(super) async fn alerts(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let mut response = Response::new(Body::from(shared.alerts().json.clone()));
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Handles `GET /api/v1/openapi.json`.
pub(super) async fn openapi() -> Response<Body> {
    let mut response = Response::new(Body::from(super::OPENAPI));
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The filter that a query asks for. A name that is not known is refused, so that a misspelt
/// filter does not return everything; an empty value filters nothing.
pub(super) fn filter_of(
    view: &View,
    query: Result<Query<Pairs>, axum::extract::rejection::QueryRejection>,
) -> Result<Filter, Problem> {
    let refuse = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let Query(pairs) = query.map_err(|rejection| refuse(rejection.body_text()))?;
    let mut filter = Filter::default();
    for (name, value) in pairs {
        let known = ["kpi", "window", "breakdown"].contains(&name.as_str());
        let added = match name.as_str() {
            _ if known && value.is_empty() => Ok(()),
            "kpi" => filter.add_kpi(&value),
            "window" => filter.add_window(view, &value),
            "breakdown" => filter.add_breakdown(view, &value),
            dimension => filter.add_dimension(view, dimension, &value),
        };
        added.map_err(|unknown| refuse(unknown.to_string()))?;
    }
    Ok(filter)
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A JSON document.
    Json,
    /// The same as an event of the stream.
    Event,
    /// Health and alerts as an event of the stream.
    State,
    /// The past hours.
    History,
}

/// The bodies made of the newest view, so that many readers cost one rendering. Locked while one
/// is rendered.
#[derive(Debug, Default)]
pub(super) struct RenderedRows(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// What they were made of; older ones are dropped.
    basis: (u64, bool),
    /// At most [`MOST_KEPT`].
    bodies: Vec<(Form, Filter, Arc<Rendered>)>,
}

/// The rows of the newest view that `filter` wants.
pub(super) async fn rendered(
    shared: &Arc<Shared>,
    form: Form,
    filter: &Filter,
    wants_gzip: bool,
) -> Result<Arc<Rendered>, Problem> {
    let basis = (shared.epoch(), shared.caught_up());
    let mut kept = shared.rows.0.lock().await;
    if kept.basis != basis {
        kept.basis = basis;
        kept.bodies.clear();
    }
    let same = |body: &&(Form, Filter, Arc<Rendered>)| body.0 == form && body.1 == *filter;
    let found = kept
        .bodies
        .iter()
        .find(same)
        .map(|body| Arc::clone(&body.2));
    let is_new = found.is_none();
    let found = match found {
        // Hundreds of readers of one view do not go to another thread for what is there.
        Some(body) if body.is_prepared(wants_gzip) => return Ok(body),
        found => found,
    };
    let body = in_background(shared, form, filter, wants_gzip, found).await?;
    if is_new && kept.bodies.len() < MOST_KEPT {
        kept.bodies.push((form, filter.clone(), Arc::clone(&body)));
    }
    Ok(body)
}

/// Renders and compresses where it holds no connection up.
async fn in_background(
    shared: &Arc<Shared>,
    form: Form,
    filter: &Filter,
    wants_gzip: bool,
    found: Option<Arc<Rendered>>,
) -> Result<Arc<Rendered>, Problem> {
    let (shared, filter) = (Arc::clone(shared), filter.clone());
    let rendering = tokio::task::spawn_blocking(move || {
        let body = found.unwrap_or_else(|| Arc::new(render(&shared, form, &filter)));
        body.prepare(wants_gzip);
        body
    });
    rendering.await.map_err(|failure| {
        error!(%failure, "rows could not be rendered");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the rows could not be rendered",
        )
    })
}

fn render(shared: &Shared, form: Form, filter: &Filter) -> Rendered {
    let view = shared.view();
    let mut text = Vec::new();
    let written = match form {
        Form::Json | Form::Event => json::write_kpis(&mut text, &view, filter, shared.caught_up()),
        Form::State => {
            text = state::json(shared, &view);
            Ok(())
        }
        Form::History => json::write_history(&mut text, &view, filter),
    };
    if let Err(failure) = written {
        // Only a view that cannot be written as JSON gets here; there is none.
        error!(%failure, "rows could not be written");
    }
    match form {
        Form::Json | Form::History => Rendered::new("application/json", text),
        Form::Event => Rendered::new("text/event-stream", event("view", &view, &text)),
        Form::State => Rendered::new("text/event-stream", event("state", &view, &text)),
    }
}

/// Bytes of the events of one refresh, which many readers share: the state where it is wanted, and
/// the view.
pub(super) async fn event_bytes(
    shared: &Arc<Shared>,
    filter: &Filter,
    with_state: bool,
) -> Option<Vec<Bytes>> {
    let mut events = Vec::new();
    if with_state {
        let state = rendered(shared, Form::State, &Filter::default(), false).await;
        events.push(state.ok()?.plain());
    }
    let view = rendered(shared, Form::Event, filter, false).await;
    events.push(view.ok()?.plain());
    Some(events)
}
