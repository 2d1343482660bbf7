//! A view as Prometheus text, JSON, table or CSV.

mod settings;

pub use settings::*;
