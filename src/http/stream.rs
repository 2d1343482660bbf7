//! `/api/v1/stream`: server-sent events, one view per refresh. A reader that cannot keep up gets
//! the newest view when it is ready for one, never a queue of old ones.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::api::{Pairs, event_bytes, filter_of};
use super::problem::Problem;
use super::shared::Shared;
use crate::engine::View;
use crate::export::Filter;

/// When nothing has been sent for this long a comment is, so that both sides notice a dead peer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Handles `GET /api/v1/stream?window=&breakdown=&kpi=`: the body of `/api/v1/kpis` as event
/// `view`, at once and at every refresh; with `state=true` after an event `state` with health and
/// alerts.
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Pairs>, axum::extract::rejection::QueryRejection>,
) -> Response<Body> {
    let (with_state, query) = match query.map(take_state) {
        Ok((with_state, rest)) => (with_state, Ok(rest)),
        Err(rejection) => (false, Err(rejection)),
    };
    let filter = match filter_of(&shared.view(), query) {
        Ok(filter) => filter,
        Err(problem) => return problem.into_response(),
    };
    let Some(reader) = Reader::new(&shared, filter, with_state) else {
        shared.metrics.http.stream_clients_refused.inc();
        let detail = "there are as many readers of the stream as http.limits allows";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
    };
    let refreshes = stream::unfold(reader, |mut reader| async move {
        let events = reader.next_events().await?;
        Some((stream::iter(events), reader))
    });
    let events = refreshes.flatten().map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(events));
    let content_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Takes `state=true` out of a query: it narrows nothing.
fn take_state(Query(mut pairs): Query<Pairs>) -> (bool, Query<Pairs>) {
    let before = pairs.len();
    pairs.retain(|(name, value)| (name.as_str(), value.as_str()) != ("state", "true"));
    (pairs.len() < before, Query(pairs))
}

/// One reader of the stream, from its request until it goes away.
struct Reader {
    shared: Arc<Shared>,
    filter: Filter,
    refreshes: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// It wants the state with every view.
    with_state: bool,
    /// Nothing has been sent yet.
    is_new: bool,
    _place: Place,
}

/// A place among the readers; given back when dropped.
struct Place {
    readers: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.readers.dec();
    }
}

impl Reader {
    /// `None` when there is no free place.
    fn new(shared: &Arc<Shared>, filter: Filter, with_state: bool) -> Option<Self> {
        let places = Arc::clone(&shared.stream_places);
        let permit = places.try_acquire_owned().ok()?;
        let readers = shared.metrics.http.stream_clients.clone();
        readers.inc();
        Some(Self {
            refreshes: shared.refreshes(),
            stopping: shared.stopping(),
            shared: Arc::clone(shared),
            filter,
            with_state,
            is_new: true,
            _place: Place {
                readers,
                _permit: permit,
            },
        })
    }

    /// The next bytes, or `None` when the stream is over. Called only when the client has taken
    /// what came before, so whatever view is the newest by then is the one it gets.
    async fn next_events(&mut self) -> Option<Vec<Bytes>> {
        if *self.stopping.borrow() {
            return None;
        }
        if !self.is_new {
            let refreshed = tokio::select! {
                refreshed = timeout(KEEP_ALIVE, self.refreshes.changed()) => refreshed,
                _ = self.stopping.changed() => return None,
            };
            match refreshed {
                Ok(changed) => changed.ok()?,
                Err(_) => return Some(vec![Bytes::from_static(b":\n\n")]),
            }
        }
        self.is_new = false;
        self.refreshes.mark_unchanged();
        event_bytes(&self.shared, &self.filter, self.with_state).await
    }
}

/// An event that carries `json`, each of its lines as a line of data.
pub(super) fn event(name: &str, view: &View, json: &[u8]) -> Vec<u8> {
    let lines = json.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    let mut event = Vec::with_capacity(json.len() + json.len() / 16 + 64);
    event.extend_from_slice(format!("event: {name}\n").as_bytes());
    if let Some(at) = view.at {
        event.extend_from_slice(format!("id: {}\n", at.as_millis()).as_bytes());
    }
    for line in lines {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event
}
