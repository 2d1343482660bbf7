//! Composition: what runs when cxpulse runs.

mod pipeline;

pub use pipeline::{Pipeline, RejectedEvent};
