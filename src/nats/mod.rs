//! The connection to NATS that source, dead letters and sinks share.

mod settings;

pub use settings::*;
