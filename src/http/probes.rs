//! `/livez` and `/readyz`, for whoever restarts and routes. Open to everybody.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::shared::Shared;

/// An engine that has not ticked for this long is stuck, milliseconds.
const STUCK_AFTER_MS: i64 = 30_000;

/// Alive unless the engine is stuck; NATS may be away.
pub(super) async fn livez(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let silent_ms = shared.clock.now().millis_since(shared.ticked_at());
    if silent_ms > STUCK_AFTER_MS {
        let seconds = silent_ms / 1000;
        let text = format!("the engine has not ticked for {seconds} s\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text);
    }
    (StatusCode::OK, "ok\n".into())
}

/// Ready when the figures are whole; else one line for each reason.
pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let reasons = shared.not_ready();
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".into());
    }
    let mut text = reasons.join("\n");
    text.push('\n');
    (StatusCode::SERVICE_UNAVAILABLE, text)
}
