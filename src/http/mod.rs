//! Metrics, probes, API and wallboard over HTTP.
//!
//! The server only reads: [`Shared`] holds the newest view, the alert states and the health flags,
//! each replaced as a whole by its one writer, so that no reader is ever waited for. What is
//! expensive to render is rendered once per view and kept.
//!
//! | where to look | for |
//! |---|---|
//! | [`Shared`] | what the pipeline hands to the server |
//! | [`Server`] | connections: limits, timeouts, graceful stop |
//! | `routes` | which path answers what |
//! | `board` | the wallboard |
//! | `auth`, `problem` | who may read, and how refusals look |

mod api;
mod auth;
mod board;
mod body;
mod connection;
mod page;
mod probes;
mod problem;
mod routes;
mod serve;
mod settings;
mod shared;
mod state;
mod stream;
mod tls;

pub use board::Board;
pub use routes::PATHS;
pub use serve::{Server, Stopped};
pub use settings::{Auth, Limits, Settings, Tls};
pub use shared::{Alerts, Exported, Shared};
pub use tls::TlsError;

/// What `/api/v1/` answers, as `OpenAPI` 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");
