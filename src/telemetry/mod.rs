//! What cxpulse says about itself: log lines and the `cxpulse_*` and `process_*` families.

mod collector;
mod logging;
mod self_metrics;

pub use logging::{Format, LoggingError, init_logging};
pub use self_metrics::{HttpMetrics, KnownLabels, SelfMetrics};
