//! Metrics, probes, API and wallboard over HTTP.

mod settings;

pub use settings::*;
