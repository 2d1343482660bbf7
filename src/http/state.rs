//! Event `state` of the stream: is what is shown fresh, and which alerts are there.

use serde::Serialize;
use serde_json::value::RawValue;
use tracing::error;

use super::shared::Shared;
use crate::engine::View;

/// The data of the event.
#[derive(Serialize)]
struct State<'a> {
    version: &'static str,
    now: String,
    at: Option<String>,
    caught_up: bool,
    connected: bool,
    behind_seconds: f64,
    last_event_at: Option<String>,
    alerts: Option<&'a RawValue>,
}

/// The data of the event, as JSON.
pub(super) fn json(shared: &Shared, view: &View) -> Vec<u8> {
    let alerts = shared.alerts();
    let state = State {
        version: env!("CARGO_PKG_VERSION"),
        now: shared.clock.now().to_string(),
        at: view.at.map(|at| at.to_string()),
        caught_up: shared.caught_up(),
        connected: shared.is_connected(),
        behind_seconds: shared.metrics.behind_seconds(),
        last_event_at: view.stats.stream_time.map(|moment| moment.to_string()),
        alerts: serde_json::from_slice(&alerts.json).ok(),
    };
    serde_json::to_vec(&state).unwrap_or_else(|failure| {
        error!(%failure, "the state could not be written");
        Vec::new()
    })
}
