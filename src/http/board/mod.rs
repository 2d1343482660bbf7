//! The wallboard: a page, its style and its scripts, all in the binary, and what it must know of
//! this instance. Everything it shows comes from `/api/v1/`; nothing is loaded from elsewhere.

mod settings;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Response};
use serde_json::{Value, json};

pub use settings::Board;

use super::shared::Shared;
use crate::engine::{View, WindowView};
use crate::export::definition;
use crate::kpi::{Better, Kpi, Unit};
use crate::time::millis_of;

/// Only what the binary serves itself; scripts write text and attributes, never markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// One file of the page.
pub(super) struct Asset {
    pub(super) path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of the page.
pub(super) const ASSETS: [Asset; 9] = [
    Asset {
        path: "/",
        content_type: "text/html; charset=utf-8",
        text: include_str!("index.html"),
    },
    Asset {
        path: "/board/board.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("board.css"),
    },
    Asset {
        path: "/board/icon.svg",
        content_type: "image/svg+xml",
        text: include_str!("icon.svg"),
    },
    Asset {
        path: "/board/board.js",
        content_type: SCRIPT,
        text: include_str!("board.js"),
    },
    Asset {
        path: "/board/source.js",
        content_type: SCRIPT,
        text: include_str!("source.js"),
    },
    Asset {
        path: "/board/figures.js",
        content_type: SCRIPT,
        text: include_str!("figures.js"),
    },
    Asset {
        path: "/board/tiles.js",
        content_type: SCRIPT,
        text: include_str!("tiles.js"),
    },
    Asset {
        path: "/board/queues.js",
        content_type: SCRIPT,
        text: include_str!("queues.js"),
    },
    Asset {
        path: "/board/news.js",
        content_type: SCRIPT,
        text: include_str!("news.js"),
    },
];

impl Asset {
    /// The file as a response.
    pub(super) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.text));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        response
    }
}

/// Handles `GET /api/v1/board`.
pub(super) async fn board(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let mut response = Response::new(Body::from(description(&shared).to_string()));
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Windows, breakdowns and KPIs of this instance, and what the wallboard makes of them.
fn description(shared: &Shared) -> Value {
    let view = shared.view();
    let board = &shared.board;
    let shown = view.windows.iter().filter(|window| !window.for_alert_only);
    let windows: Vec<Value> = shown.map(window).collect();
    let breakdowns: Vec<Value> = view
        .breakdowns
        .iter()
        .map(|breakdown| json!({"label": &*breakdown.label, "dimensions": &*breakdown.dimensions}))
        .collect();
    let kpis = Kpi::ALL.into_iter();
    let kpis: Vec<Value> = kpis
        .filter_map(|kpi| described(kpi, &view, board))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "title": board.title,
        "window": board.window_of(&view),
        "tiles": board.tiles.iter().map(|kpi| kpi.name()).collect::<Vec<_>>(),
        "min_samples": board.min_samples,
        "refresh_ms": shared.refresh_ms,
        "stale_after_ms": millis_of(board.stale_after),
        "windows": windows,
        "breakdowns": breakdowns,
        "kpis": kpis,
    })
}

fn window(window: &WindowView) -> Value {
    match window.day_from {
        Some(from) => json!({"name": &*window.name, "day_from": from.to_string()}),
        None => json!({"name": &*window.name, "length_ms": window.length_ms}),
    }
}

/// `None` where the KPI does not exist.
fn described(kpi: Kpi, view: &View, board: &Board) -> Option<Value> {
    let unit = match kpi.unit() {
        Unit::Ratio => "ratio",
        Unit::Seconds => "seconds",
        Unit::Score => "score",
        Unit::NetScore => "points",
    };
    let better = match kpi.better(&view.kpis) {
        Better::Higher => "higher",
        Better::Lower => "lower",
    };
    let mut described = json!({
        "name": kpi.name(),
        "title": kpi.title(),
        "unit": unit,
        "better": better,
        "definition": definition(kpi, &view.kpis)?,
    });
    if let (Some(target), Some(members)) = (board.targets.get(&kpi), described.as_object_mut()) {
        members.insert("target".into(), json!(target));
    }
    Some(described)
}
